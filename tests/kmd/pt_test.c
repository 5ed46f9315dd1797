/* SPDX-License-Identifier: MIT */
/*
 * Page tables against a plain model: an array that says for each page of a window what is mapped. A
 * random walk of maps and unmaps must agree with it after each step, take no more tables than were
 * computed, and flush every page whose translation changed from something.
 */
#include "check.h"

#include <drm/brgpu_drm.h>

#include "brgpu_core_pt.h"

#define PAGE      BRGPU_PAGE_BYTES
#define ALL_SIZES (0x1000ull | 0x10000ull | 0x200000ull | 0x40000000ull)

struct space {
    struct brgpu_core_pt pt;
    uint64_t reserve[3]; /* tables that take may still give, by level */
    unsigned int live;   /* tables that were taken and not retired */
};

static struct brgpu_core_pt_table *table_new(unsigned int level) {
    static uint64_t next_address = 0x1000000;
    struct brgpu_core_pt_table *table = calloc(1, sizeof(*table));

    table->entries = calloc(BRGPU_PT_ENTRIES, 8);
    if (level)
        table->children = calloc(BRGPU_PT_ENTRIES, sizeof(*table->children));
    table->address = next_address += PAGE;
    table->aperture = BRGPU_PTE_SYSTEM;
    return table;
}

static void table_free(struct brgpu_core_pt_table *table) {
    free(table->children);
    free(table->entries);
    free(table);
}

static struct brgpu_core_pt_table *take(void *ctx, unsigned int level) {
    struct space *space = ctx;

    assert_true(level < 3);
    if (!space->reserve[level])
        return NULL;
    space->reserve[level]--;
    space->live++;
    return table_new(level);
}

static void retire(void *ctx, struct brgpu_core_pt_table *table) {
    struct space *space = ctx;

    space->live--;
    table_free(table);
}

static const struct brgpu_core_pt_ops ops = {.take = take, .retire = retire};

static void space_init(struct space *space, uint64_t sizes) {
    memset(space, 0, sizeof(*space));
    brgpu_core_pt_init(&space->pt, table_new(3), &ops, sizes);
}

static void space_fini(struct space *space) {
    brgpu_core_pt_clear(&space->pt, space);
    assert_int_equal(space->live, 0);
    table_free(space->pt.root);
}

/* One map with exactly the reserve that the computation asks for. */
static struct brgpu_core_pt_update map(struct space *space, uint64_t va, uint64_t bytes,
                                       uint64_t address, uint64_t rights) {
    struct brgpu_core_pt_update update = {0};
    struct brgpu_core_pt_tables tables = {{0}};

    brgpu_core_pt_tables_for_map(&space->pt, va, bytes, rights & BRGPU_PTE_NULL, &tables);
    memcpy(space->reserve, tables.count, sizeof(space->reserve));
    assert_int_equal(brgpu_core_pt_map(&space->pt, space, va, bytes, address, rights, &update), 0);
    return update;
}

static struct brgpu_core_pt_update unmap(struct space *space, uint64_t va, uint64_t bytes) {
    struct brgpu_core_pt_update update = {0};
    struct brgpu_core_pt_tables tables = {{0}};

    brgpu_core_pt_tables_for_unmap(va, bytes, &tables);
    memcpy(space->reserve, tables.count, sizeof(space->reserve));
    assert_int_equal(brgpu_core_pt_unmap(&space->pt, space, va, bytes, &update), 0);
    return update;
}

static uint64_t leaf(struct space *space, uint64_t va, unsigned int *level) {
    uint64_t address;

    return brgpu_core_pt_lookup(&space->pt, va, &address, level);
}

/* Pages by kind, found by looking at all tables. */
static void count_pages(const struct brgpu_core_pt_table *table, uint64_t *counts) {
    uint64_t contiguous = 0;

    for (unsigned int i = 0; i < BRGPU_PT_ENTRIES; i++) {
        const uint64_t entry = table->entries[i];

        if (!(entry & BRGPU_PTE_VALID))
            continue;
        if (table->level && !(entry & BRGPU_PTE_LEAF))
            count_pages(table->children[i], counts);
        else if (table->level)
            counts[table->level == 1 ? BRGPU_CORE_PT_2M : BRGPU_CORE_PT_1G]++;
        else if (entry & BRGPU_PTE_CONTIGUOUS)
            contiguous++;
        else
            counts[BRGPU_CORE_PT_4K]++;
    }
    assert_int_equal(contiguous % 16, 0);
    counts[BRGPU_CORE_PT_64K] += contiguous / 16;
}

static void check_counts(const struct space *space) {
    uint64_t counts[BRGPU_CORE_PT_PAGES] = {0};

    count_pages(space->pt.root, counts);
    for (unsigned int kind = 0; kind < BRGPU_CORE_PT_PAGES; kind++)
        assert_int_equal(brgpu_core_pt_page_count(&space->pt, kind), counts[kind]);
}

static void test_rights(void **state) {
    const uint64_t rw = BRGPU_PTE_READ | BRGPU_PTE_WRITE | BRGPU_PTE_ATOMIC;
    (void)state;

    assert_int_equal(brgpu_core_pt_rights(DRM_BRGPU_BIND_READ, false), BRGPU_PTE_READ);
    assert_int_equal(brgpu_core_pt_rights(DRM_BRGPU_BIND_WRITE, false), BRGPU_PTE_WRITE);
    assert_int_equal(brgpu_core_pt_rights(DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE, false), rw);
    assert_int_equal(brgpu_core_pt_rights(DRM_BRGPU_BIND_EXEC, true),
                     BRGPU_PTE_EXEC | BRGPU_PTE_SYSTEM | BRGPU_PTE_COHERENT);
    assert_int_equal(brgpu_core_pt_rights(DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_NULL, false),
                     BRGPU_PTE_READ | BRGPU_PTE_NULL);
}

static void test_page_sizes(void **state) {
    struct space space;
    unsigned int level;
    (void)state;

    space_init(&space, ALL_SIZES);
    /* All sizes in one map: 4 KiB, 64 KiB and 2 MiB up to 1 GiB, then down again. */
    const uint64_t start = 0x3ffff000, end = 0x80011000, address = 0x100000000ull + start;
    assert_false(map(&space, start, end - start, address, BRGPU_PTE_READ).flush);
    assert_int_equal(leaf(&space, start, &level), BRGPU_PTE_VALID | BRGPU_PTE_READ | address);
    assert_int_equal(level, 0);
    assert_true(leaf(&space, 0x40000000, &level) & BRGPU_PTE_LEAF);
    assert_int_equal(level, 2);
    assert_true(leaf(&space, 0x80000000, &level) & BRGPU_PTE_CONTIGUOUS);
    assert_int_equal(level, 0);
    assert_false(leaf(&space, 0x80010000, &level) & BRGPU_PTE_CONTIGUOUS);
    assert_int_equal(leaf(&space, 0x80011000, &level), 0);

    check_counts(&space);
    assert_int_equal(brgpu_core_pt_page_count(&space.pt, BRGPU_CORE_PT_4K), 2);
    assert_int_equal(brgpu_core_pt_page_count(&space.pt, BRGPU_CORE_PT_64K), 1);
    assert_int_equal(brgpu_core_pt_page_count(&space.pt, BRGPU_CORE_PT_1G), 1);

    /* A page out of the 1 GiB page splits it twice; the neighbours keep their memory. */
    const struct brgpu_core_pt_update update = unmap(&space, 0x50000000, PAGE);
    assert_true(update.flush && update.start <= 0x40000000 && update.end >= 0x80000000);
    assert_int_equal(leaf(&space, 0x50000000, &level), 0);
    assert_int_equal(leaf(&space, 0x50001000, &level),
                     BRGPU_PTE_VALID | BRGPU_PTE_READ | 0x150001000ull);
    assert_true(leaf(&space, 0x60000000, &level) & BRGPU_PTE_LEAF);
    assert_int_equal(level, 1);
    /* No further than it must. */
    check_counts(&space);
    assert_int_equal(brgpu_core_pt_page_count(&space.pt, BRGPU_CORE_PT_4K), 2 + 15);
    assert_int_equal(brgpu_core_pt_page_count(&space.pt, BRGPU_CORE_PT_64K), 1 + 31);
    assert_int_equal(brgpu_core_pt_page_count(&space.pt, BRGPU_CORE_PT_2M), 511);
    assert_int_equal(brgpu_core_pt_page_count(&space.pt, BRGPU_CORE_PT_1G), 0);
    space_fini(&space);

    /* A device without large pages gets none. */
    space_init(&space, PAGE);
    map(&space, 0x200000, 0x200000, 0x200000, BRGPU_PTE_READ);
    assert_int_equal(leaf(&space, 0x200000, &level), BRGPU_PTE_VALID | BRGPU_PTE_READ | 0x200000);
    assert_int_equal(level, 0);
    space_fini(&space);
}

static void test_null(void **state) {
    struct space space;
    unsigned int level;
    uint64_t address;
    (void)state;

    space_init(&space, ALL_SIZES);
    map(&space, 0x1000, 0x1ffffff000ull, 0x123456000, BRGPU_PTE_READ | BRGPU_PTE_NULL);
    const uint64_t entry = brgpu_core_pt_lookup(&space.pt, 0x1fffff0000ull, &address, &level);
    assert_true(entry & BRGPU_PTE_NULL);
    assert_int_equal(entry & BRGPU_PTE_ADDRESS_MASK, 0);
    assert_int_equal(address, 0);
    unmap(&space, 0x40000000, PAGE);
    assert_int_equal(leaf(&space, 0x40000000, &level), 0);
    assert_int_equal(leaf(&space, 0x40001000, &level) & BRGPU_PTE_ADDRESS_MASK, 0);
    space_fini(&space);
}

static void test_refused(void **state) {
    struct brgpu_core_pt_update update = {0};
    struct space space;
    (void)state;

    space_init(&space, ALL_SIZES);
#define MAP(va, bytes, address) brgpu_core_pt_map(&space.pt, &space, va, bytes, address, 2, &update)
    assert_int_equal(MAP(1, PAGE, 0), -EINVAL);
    assert_int_equal(MAP(0, 1, 0), -EINVAL);
    assert_int_equal(MAP(0, 0, 0), -EINVAL);
    assert_int_equal(MAP(0, PAGE, 1), -EINVAL);
    assert_int_equal(MAP(1ull << 48, PAGE, 0), -EINVAL);
    assert_int_equal(MAP((1ull << 48) - PAGE, 2 * PAGE, 0), -EINVAL);
    assert_int_equal(MAP(0, 2 * PAGE, BRGPU_PTE_ADDRESS_MASK), -EINVAL);
    /* No table is left. */
    assert_int_equal(MAP(0, PAGE, 0), -ENOMEM);
    assert_int_equal(brgpu_core_pt_unmap(&space.pt, &space, 0, PAGE + 1, &update), -EINVAL);
    assert_int_equal(brgpu_core_pt_unmap(&space.pt, &space, 1ull << 47, 1ull << 47, &update), 0);
    assert_false(update.flush);
    space_fini(&space);
}

/* The window: 1100 pages before and behind a 1 GiB boundary, a few 2 MiB pages long. */
#define WINDOW_PAGES 2200u
#define WINDOW_START (0x40000000ull - 1100 * PAGE)

static void test_random(void **state) {
    static uint64_t model[WINDOW_PAGES]; /* rights | address of each page, 0: unmapped */
    struct space space;
    (void)state;

    srandom(20261123);
    memset(model, 0, sizeof(model));
    space_init(&space, ALL_SIZES);
    for (unsigned int step = 0; step < 3000; step++) {
        const unsigned int first = random() % WINDOW_PAGES;
        unsigned int count = 1 + random() % (random() % 4 ? 40 : WINDOW_PAGES);
        const unsigned int kind = random() % 4;
        struct brgpu_core_pt_update update;
        static uint64_t before[WINDOW_PAGES];

        if (count > WINDOW_PAGES - first)
            count = WINDOW_PAGES - first;
        const uint64_t va = WINDOW_START + first * PAGE, bytes = count * PAGE;
        memcpy(before, model, sizeof(model));
        if (kind == 0) {
            update = unmap(&space, va, bytes);
            memset(&model[first], 0, count * sizeof(model[0]));
        } else {
            /* Often congruent to va, so that large pages fit. */
            const uint64_t rights = kind == 1   ? BRGPU_PTE_READ | BRGPU_PTE_NULL
                                    : kind == 2 ? BRGPU_PTE_READ
                                                : BRGPU_PTE_READ | BRGPU_PTE_WRITE;
            uint64_t address = (uint64_t)(random() % 64) << 21 | (va & 0x1fffff);
            if (random() % 3 == 0)
                address += 0x1000;
            if (kind == 1)
                address = 0;
            update = map(&space, va, bytes, address, rights);
            for (unsigned int i = 0; i < count; i++)
                model[first + i] = BRGPU_PTE_VALID | rights | (kind == 1 ? 0 : address + i * PAGE);
        }
        for (unsigned int i = 0; i < WINDOW_PAGES; i++) {
            const uint64_t page = WINDOW_START + i * PAGE;
            const uint64_t layout = BRGPU_PTE_LEAF | BRGPU_PTE_CONTIGUOUS | BRGPU_PTE_ADDRESS_MASK;
            unsigned int level;
            uint64_t address;
            const uint64_t entry = brgpu_core_pt_lookup(&space.pt, page, &address, &level);

            assert_int_equal(model[i], entry ? (entry & ~layout) | address : 0);
            if (before[i] && before[i] != model[i])
                assert_true(update.flush && update.start <= page && update.end > page);
            /* What CONTIGUOUS promises. */
            if (entry & BRGPU_PTE_CONTIGUOUS) {
                uint64_t group_address;

                assert_int_equal(level, 0);
                const uint64_t head =
                    brgpu_core_pt_lookup(&space.pt, page & ~0xffffull, &group_address, &level);
                assert_true(head & BRGPU_PTE_CONTIGUOUS);
                assert_int_equal(group_address & 0xffff, 0);
                assert_int_equal(address, group_address + (page & 0xffff));
                assert_int_equal(head & ~layout, entry & ~layout);
            }
        }
        if (step % 16 == 0)
            check_counts(&space);
    }
    brgpu_core_pt_clear(&space.pt, &space);
    check_counts(&space);
    space_fini(&space);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights), cmocka_unit_test(test_page_sizes),
        cmocka_unit_test(test_null),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
