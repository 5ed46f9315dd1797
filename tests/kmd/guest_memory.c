/* SPDX-License-Identifier: MIT */
/*
 * Memory on the real module: who gets it, where it lies, what the card sees of it, and what the
 * kernel says about it. Run by tests/guest/mem_*.sh; each test says which card it wants.
 */

#include "guest_ioctl.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RW      (DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE)
#define BOTH    (VRAM | SYSTEM)
#define VA      (DATA_VA + 1024 * MIB)
#define TRACING "/sys/kernel/debug/tracing/"

static struct drm_brgpu_query_memory query_vram(int fd) {
    struct drm_brgpu_query_memory memory[2];
    struct drm_brgpu_query query = {
        .query = DRM_BRGPU_QUERY_MEMORY, .size = sizeof(memory), .data = (uintptr_t)memory};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &query), 0);
    CHECK_EQ(memory[0].placement, VRAM);
    return memory[0];
}

static void want_vram(int fd, uint64_t total, uint64_t visible, const char *card) {
    const struct drm_brgpu_query_memory vram = query_vram(fd);

    if (vram.total != total || vram.cpu_visible != visible) {
        fprintf(stderr, "wants --card %s\n", card);
        exit(77);
    }
}

static int bo_try(int fd, uint64_t size, uint32_t placements, uint32_t flags, uint32_t vm,
                  struct bo *bo) {
    struct drm_brgpu_bo_create args = {
        .size = size, .placements = placements, .flags = flags, .vm_id = vm};
    const int ret = call(fd, DRM_IOCTL_BRGPU_BO_CREATE, &args);

    *bo = (struct bo){.handle = args.handle, .size = args.size};
    return ret;
}

static void run_packets(struct context *c, uint32_t packets) {
    CHECK_EQ(run(c->fd, c->queue, COMMANDS_VA, packets, 120), 0);
    CHECK_EQ(queue_state(c->fd, c->queue).state, DRM_BRGPU_STATE_OK);
}

static void read_file(const char *path, char *text, size_t size) {
    const int file = open(path, O_RDONLY);
    size_t length = 0;
    ssize_t part;

    CHECK(file >= 0);
    while ((part = read(file, text + length, size - 1 - length)) > 0)
        length += (size_t)part;
    CHECK_EQ(part, 0);
    text[length] = 0;
    close(file);
}

static uint64_t fdinfo(int fd, const char *key) {
    char path[64], text[4096], wanted[64], unit[8] = "";
    unsigned long long value = 0;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    read_file(path, text, sizeof(text));
    snprintf(wanted, sizeof(wanted), "\n%s:", key);
    const char *at = strstr(text, wanted);
    if (!at) {
        fprintf(stderr, "no %s in:\n%s", key, text);
        exit(1);
    }
    CHECK(sscanf(at + strlen(wanted), " %llu %7s", &value, unit) >= 1);
    return !strcmp(unit, "KiB") ? value << 10 : !strcmp(unit, "MiB") ? value << 20 : value;
}

/* ---- new memory is zero, whoever had it before ---- */

/* By the card, for the CPU need not reach the buffer. c->data has room for 4 MiB. */
static void check_zero(struct context *c, const struct bo *bo) {
    for (uint64_t offset = 0; offset < bo->size; offset += 4 * MIB) {
        const uint64_t part = bo->size - offset < 4 * MIB ? bo->size - offset : 4 * MIB;
        const uint64_t *words = c->data.map;

        put_fill(&c->commands, 0, DATA_VA, 4 * MIB, UINT64_MAX);
        put_copy(&c->commands, 1, DATA_VA, bo->va + offset, (uint32_t)part);
        run_packets(c, 2);
        for (uint64_t i = 0; i < part / 8; i++)
            CHECK_EQ(words[i], 0);
    }
}

static void test_clear(void) {
    struct context c = context_create(SYSTEM);
    const uint64_t sizes[] = {4096, 65536, 5 * MIB + 4096};
    const uint32_t placements[] = {VRAM, SYSTEM, BOTH};

    for (unsigned int round = 0; round < 2; round++) {
        for (unsigned int i = 0; i < 3; i++) {
            for (unsigned int kind = 0; kind < 12; kind++) {
                const uint32_t flags = kind & 1 ? DRM_BRGPU_BO_CPU_VISIBLE : 0;
                struct bo bo;

                CHECK_EQ(
                    bo_try(c.fd, sizes[i], placements[kind / 4], flags, kind & 2 ? c.vm : 0, &bo),
                    0);
                bo_bind(c.fd, c.vm, &bo, VA);
                check_zero(&c, &bo);
                /* What the next one must not see. */
                put_fill(&c.commands, 0, VA, bo.size, 0xa5a5a5a5a5a5a5a5ull);
                run_packets(&c, 1);
                CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, VA, bo.size), 0);
                bo_free(c.fd, &bo);
            }
        }
    }
}

/* ---- more than fits ---- */

/* Fills half a card of 64 MiB with what may not move, and lets go of it again. */
static void squeeze(int fd) {
    struct bo pinned[4];
    unsigned int count = 0;

    while (count < 4 && !bo_try(fd, 8 * MIB, VRAM, 0, 0, &pinned[count]))
        count++;
    usleep(20000);
    while (count)
        bo_free(fd, &pinned[--count]);
}

#define PRESSURE_PROCESSES 4
#define PRESSURE_BUFFERS   32 /* of 8 MiB in each process: 1 GiB in all */
#define PRESSURE_ROUNDS    3

static uint64_t pressure_pattern(unsigned int process, unsigned int round, unsigned int i) {
    return 0x1000000ull * (process + 1) + 0x1000 * (round + 1) + i;
}

static void pressure_process(unsigned int process) {
    struct context c = context_create(SYSTEM);
    struct bo bos[PRESSURE_BUFFERS];
    const uint64_t *seen = c.data.map;

    for (unsigned int i = 0; i < PRESSURE_BUFFERS; i++) {
        /* Some shared in kind, some of this VM alone. */
        CHECK_EQ(bo_try(c.fd, 8 * MIB, BOTH, 0, i % 2 ? c.vm : 0, &bos[i]), 0);
        bo_bind(c.fd, c.vm, &bos[i], VA + i * 8 * MIB);
    }
    for (unsigned int round = 0; round < PRESSURE_ROUNDS; round++) {
        for (unsigned int i = 0; i < PRESSURE_BUFFERS; i++)
            put_fill(&c.commands, i, bos[i].va, 8 * MIB, pressure_pattern(process, round, i));
        run_packets(&c, PRESSURE_BUFFERS);
        squeeze(c.fd);
        for (unsigned int i = 0; i < PRESSURE_BUFFERS; i++) {
            put_copy(&c.commands, 2 * i, DATA_VA + 16 * i, bos[i].va, 8);
            put_copy(&c.commands, 2 * i + 1, DATA_VA + 16 * i + 8, bos[i].va + 8 * MIB - 8, 8);
        }
        run_packets(&c, 2 * PRESSURE_BUFFERS);
        for (unsigned int i = 0; i < PRESSURE_BUFFERS; i++) {
            CHECK_EQ(seen[2 * i], pressure_pattern(process, round, i));
            CHECK_EQ(seen[2 * i + 1], pressure_pattern(process, round, i));
        }
        /* And all of one, by the CPU, wherever it lies. */
        struct bo *one = &bos[round * 7 % PRESSURE_BUFFERS];
        const uint64_t *words = bo_map(c.fd, one);
        for (uint64_t i = 0; i < 8 * MIB / 8; i++)
            CHECK_EQ(words[i], pressure_pattern(process, round, round * 7 % PRESSURE_BUFFERS));
        CHECK_EQ(munmap(one->map, one->size), 0);
        one->map = NULL;
    }
}

static void test_pressure(void) {
    const int fd = open_card();
    pid_t children[PRESSURE_PROCESSES];

    want_vram(fd, 64 * MIB, 64 * MIB, "br106,vram=64M");
    close(fd);
    for (unsigned int i = 0; i < PRESSURE_PROCESSES; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (!children[i]) {
            pressure_process(i);
            exit(0);
        }
    }
    for (unsigned int i = 0; i < PRESSURE_PROCESSES; i++) {
        int status;

        CHECK(waitpid(children[i], &status, 0) == children[i]);
        CHECK_EQ(status, 0);
    }
}

/* VRAM-only memory ends where VRAM does; what is full says so, and nothing is lost by it. */
static void test_full(void) {
    const int fd = open_card();
    struct bo bos[64], more;
    unsigned int count = 0;
    int ret;

    want_vram(fd, 64 * MIB, 64 * MIB, "br106,vram=64M");
    CHECK_EQ(bo_try(fd, 65 * MIB, VRAM, 0, 0, &more), -ENOSPC);
    while (!(ret = bo_try(fd, 4 * MIB, VRAM, 0, 0, &bos[count])))
        count++;
    CHECK_EQ(ret, -ENOSPC);
    CHECK(count >= 14 && count <= 16);
    /* The same for memory of one VM, which its idle neighbours can't make room for. */
    CHECK_EQ(bo_try(fd, 4 * MIB, VRAM, 0, vm_create(fd), &more), -ENOSPC);
    CHECK_EQ(bo_try(fd, 4 * MIB, BOTH, 0, 0, &more), 0);
    bo_free(fd, &more);
    bo_free(fd, &bos[--count]);
    CHECK_EQ(bo_try(fd, 4 * MIB, VRAM, 0, 0, &more), 0);
}

/* Buffers that found no room get some when there is, the next time that they are used. */
static void test_back(void) {
    struct context c = context_create(SYSTEM);
    struct bo pinned[6], bos[4];

    want_vram(c.fd, 64 * MIB, 64 * MIB, "br106,vram=64M");
    for (unsigned int i = 0; i < 6; i++)
        CHECK_EQ(bo_try(c.fd, 10 * MIB, VRAM, 0, 0, &pinned[i]), 0);
    for (unsigned int i = 0; i < 4; i++) {
        CHECK_EQ(bo_try(c.fd, 8 * MIB, BOTH, 0, i % 2 ? c.vm : 0, &bos[i]), 0);
        bo_bind(c.fd, c.vm, &bos[i], VA + i * 8 * MIB);
        put_fill(&c.commands, i, bos[i].va, 8 * MIB, 0x900 + i);
    }
    run_packets(&c, 4);
    CHECK_EQ(fdinfo(c.fd, "drm-resident-vram"), 60 * MIB);
    CHECK_EQ(fdinfo(c.fd, "drm-total-vram"), 92 * MIB);
    for (unsigned int i = 0; i < 6; i++)
        bo_free(c.fd, &pinned[i]);
    for (unsigned int i = 0; i < 4; i++)
        put_copy(&c.commands, i, DATA_VA + 8 * i, bos[i].va + 8 * MIB - 8, 8);
    run_packets(&c, 4);
    CHECK_EQ(fdinfo(c.fd, "drm-resident-vram"), 32 * MIB);
    for (uint64_t i = 0; i < 4; i++)
        CHECK_EQ(((uint64_t *)c.data.map)[i], 0x900 + i);
}

/* ---- an aperture smaller than VRAM ---- */

static int mmap_offset(int fd, const struct bo *bo) {
    struct drm_brgpu_bo_mmap_offset args = {.handle = bo->handle};

    return call(fd, DRM_IOCTL_BRGPU_BO_MMAP_OFFSET, &args);
}

static void test_aperture(void) {
    struct context c = context_create(SYSTEM);
    struct bo hidden[6], visible[3], either, bo;

    want_vram(c.fd, 256 * MIB, 64 * MIB, "br110,vram=256M,aperture=64M");
    /* Out of sight: kept out of the way of what must be seen, and closed to the CPU. */
    for (unsigned int i = 0; i < 6; i++) {
        CHECK_EQ(bo_try(c.fd, 24 * MIB, VRAM, 0, 0, &hidden[i]), 0);
        CHECK_EQ(mmap_offset(c.fd, &hidden[i]), -EACCES);
        bo_bind(c.fd, c.vm, &hidden[i], VA + i * 32 * MIB);
        put_fill(&c.commands, i, hidden[i].va, hidden[i].size, 0x700 + i);
    }
    struct drm_brgpu_wait_mem wait = {.handle = hidden[0].handle, .mask = UINT64_MAX};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_WAIT_MEM, &wait), -EACCES);
    run_packets(&c, 6);

    /* In sight: the CPU and the card see the same, up to the aperture's end and no further. */
    for (unsigned int i = 0; i < 3; i++) {
        CHECK_EQ(bo_try(c.fd, 16 * MIB, VRAM, DRM_BRGPU_BO_CPU_VISIBLE, 0, &visible[i]), 0);
        bo_bind(c.fd, c.vm, &visible[i], VA + (256 + i * 32) * MIB);
        memset(bo_map(c.fd, &visible[i]), 0x10 + (int)i, 16 * MIB);
        put_copy(&c.commands, i, DATA_VA + 8 * i, visible[i].va + 16 * MIB - 8, 8);
    }
    run_packets(&c, 3);
    for (uint64_t i = 0; i < 3; i++)
        CHECK_EQ(((uint64_t *)c.data.map)[i], (int64_t)((0x10 + i) * 0x0101010101010101ull));
    CHECK_EQ(bo_try(c.fd, 24 * MIB, VRAM, DRM_BRGPU_BO_CPU_VISIBLE, 0, &bo), -ENOSPC);
    CHECK_EQ(bo_try(c.fd, 24 * MIB, VRAM, 0, 0, &bo), 0);
    bo_free(c.fd, &bo);

    /* What may lie in both comes into sight when the CPU looks, with its content. */
    CHECK_EQ(bo_try(c.fd, 20 * MIB, BOTH, 0, 0, &either), 0);
    bo_bind(c.fd, c.vm, &either, VA + 512 * MIB);
    put_fill(&c.commands, 0, either.va, either.size, 0x4242);
    run_packets(&c, 1);
    uint64_t *words = bo_map(c.fd, &either);
    for (uint64_t i = 0; i < either.size / 8; i++)
        CHECK_EQ(words[i], 0x4242);
    words[5] = 0x99;
    put_copy(&c.commands, 0, DATA_VA, either.va + 40, 8);
    run_packets(&c, 1);
    CHECK_EQ(*(uint64_t *)c.data.map, 0x99);
    /* And what was out of sight has kept its own. */
    for (unsigned int i = 0; i < 6; i++)
        put_copy(&c.commands, i, DATA_VA + 8 * i, hidden[i].va + hidden[i].size - 8, 8);
    run_packets(&c, 6);
    for (uint64_t i = 0; i < 6; i++)
        CHECK_EQ(((uint64_t *)c.data.map)[i], 0x700 + i);
}

/* ---- pages and the TLB ---- */

static void write_file(const char *path, const char *text) {
    const int file = open(path, O_WRONLY | O_TRUNC);

    CHECK(file >= 0);
    CHECK_EQ(write(file, text, strlen(text)), strlen(text));
    close(file);
}

struct pages {
    unsigned long long small, k64, m2, g1;
};

/*
 * Of this process's VM, which must be the only one: those of processes that have ended may outlive
 * them by a moment, for whatever still holds a reference.
 */
static struct pages count_pages(void) {
    static char text[1 << 20];
    struct pages pages;
    const char *line;

    for (int i = 0; i < 100; i++) {
        read_file("/sys/kernel/debug/dri/0000:01:00.0/gpuvas", text, sizeof(text));
        line = strstr(text, "pages 4K ");
        CHECK(line);
        if (!strstr(line + 1, "pages 4K "))
            break;
        usleep(100000);
    }
    CHECK(!strstr(line + 1, "pages 4K "));
    CHECK_EQ(sscanf(line, "pages 4K %llu 64K %llu 2M %llu 1G %llu", &pages.small, &pages.k64,
                    &pages.m2, &pages.g1),
             4);
    return pages;
}

static void more_pages(struct pages *before, long long small, long long k64, long long m2,
                       long long g1) {
    const struct pages now = count_pages();

    CHECK_EQ(now.small - before->small, small);
    CHECK_EQ(now.k64 - before->k64, k64);
    CHECK_EQ(now.m2 - before->m2, m2);
    CHECK_EQ(now.g1 - before->g1, g1);
    *before = now;
}

static void test_pages(void) {
    struct context c = context_create(SYSTEM);
    struct pages pages = count_pages();
    struct bo big = bo_create(c.fd, 4 * MIB, VRAM), small = bo_create(c.fd, 65536, VRAM);

    /* Memory and address aligned: the largest that fit. */
    bo_bind(c.fd, c.vm, &big, VA);
    more_pages(&pages, 0, 0, 2, 0);
    bo_bind(c.fd, c.vm, &small, VA + 64 * MIB);
    more_pages(&pages, 0, 1, 0, 0);
    /* An address that is not. */
    bo_bind(c.fd, c.vm, &small, VA + 128 * MIB + 4096);
    more_pages(&pages, 16, 0, 0, 0);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP, RW, big.handle, 65536, VA + 256 * MIB + 65536,
                  4 * MIB - 65536),
             0);
    more_pages(&pages, 0, 31, 1, 0);
    /* Splitting what was large, and nothing else. */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, VA + 65536, 4096), 0);
    more_pages(&pages, 15, 31, -1, 0);
    /* Sparse ranges cost what their edges need. */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP, DRM_BRGPU_BIND_NULL | RW, 0, 0, 1ull << 40,
                  (3ull << 30) + 2 * MIB + 4096),
             0);
    more_pages(&pages, 1, 0, 1, 3);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, 1ull << 40, 4ull << 30), 0);
    more_pages(&pages, -1, 0, -1, -3);
    /* All of system memory, in whatever pieces it came. */
    struct bo system = bo_create(c.fd, 16 * MIB, SYSTEM);
    const struct pages before = count_pages();
    bo_bind(c.fd, c.vm, &system, VA + 512 * MIB);
    const struct pages after = count_pages();
    CHECK_EQ((after.small - before.small) * 4096 + (after.k64 - before.k64) * 65536 +
                 (after.m2 - before.m2) * 2 * MIB,
             16 * MIB);
}

/* Range of the only invalidation since the last look; start 1: there was none. */
static void invalidated(uint64_t *start, uint64_t *end) {
    static char text[1 << 20];
    const char *at;

    read_file(TRACING "trace", text, sizeof(text));
    write_file(TRACING "trace", "");
    *start = *end = 1;
    at = strstr(text, "brgpu_tlb: ");
    if (!at)
        return;
    CHECK_EQ(sscanf(strstr(at, "start="), "start=%li end=%li", (long *)start, (long *)end), 2);
    CHECK(!strstr(at + 1, "brgpu_tlb: "));
}

#define INVALIDATED(from, behind)                                                                  \
    do {                                                                                           \
        uint64_t start_, end_;                                                                     \
        invalidated(&start_, &end_);                                                               \
        CHECK_EQ(start_, from);                                                                    \
        CHECK_EQ(end_, behind);                                                                    \
    } while (0)

/* What changes is invalidated, no less and no more than the pages that it is made of. */
static void test_tlb(void) {
    struct context c = context_create(SYSTEM);
    struct bo big = bo_create(c.fd, 4 * MIB, VRAM), other = bo_create(c.fd, 65536, VRAM);

    write_file(TRACING "events/brgpu/brgpu_tlb/enable", "1");
    write_file(TRACING "trace", "");
    bo_bind(c.fd, c.vm, &big, VA);
    INVALIDATED(1, 1);
    bo_bind(c.fd, c.vm, &other, VA + 64 * MIB);
    INVALIDATED(1, 1);
    /* From one thing to another. */
    bo_bind(c.fd, c.vm, &other, VA + 64 * MIB);
    INVALIDATED(VA + 64 * MIB, VA + 64 * MIB + 65536);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP, RW, big.handle, 4096, VA + 64 * MIB + 8192, 4096),
             0);
    INVALIDATED(VA + 64 * MIB, VA + 64 * MIB + 65536); /* the page of 64 KiB that it was */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP, RW, big.handle, 4096, VA + 64 * MIB + 8192, 4096),
             0);
    INVALIDATED(VA + 64 * MIB + 8192, VA + 64 * MIB + 12288);
    /* A hole in a page of 2 MiB. */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, VA + 2 * MIB + 65536, 4096), 0);
    INVALIDATED(VA + 2 * MIB, VA + 4 * MIB);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, VA, 2 * MIB), 0);
    INVALIDATED(VA, VA + 2 * MIB);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, VA, 2 * MIB), 0);
    INVALIDATED(1, 1);
    write_file(TRACING "events/brgpu/brgpu_tlb/enable", "0");
}

/*
 * For mem_tlb.sh, which has the card lose invalidations meanwhile: prints what a copy from an
 * address reads after the address was bound to another buffer. 1: the old, 2: the new.
 */
static void test_stale(void) {
    struct context c = context_create(SYSTEM);
    struct bo first = bo_create(c.fd, 65536, VRAM), second = bo_create(c.fd, 65536, VRAM);

    *(uint64_t *)bo_map(c.fd, &first) = 1;
    *(uint64_t *)bo_map(c.fd, &second) = 2;
    bo_bind(c.fd, c.vm, &first, VA);
    put_copy(&c.commands, 0, DATA_VA, VA, 8);
    run_packets(&c, 1);
    CHECK_EQ(*(volatile uint64_t *)c.data.map, 1);
    bo_bind(c.fd, c.vm, &second, VA);
    run_packets(&c, 1);
    printf("seen %llu\n", (unsigned long long)*(volatile uint64_t *)c.data.map);
}

/* ---- binds in order ---- */

#define ORDER_ROUNDS 64

/* Binds and jobs that wait for one another, all submitted at once. */
static void test_order(void) {
    struct context c = context_create(SYSTEM);
    struct bo bos[2] = {bo_create(c.fd, 65536, VRAM), bo_create(c.fd, 65536, VRAM)};
    uint32_t timeline, gate;
    uint64_t point = 0;

    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &timeline), 0);
    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &gate), 0);
    for (unsigned int i = 0; i < 2; i++)
        *(uint64_t *)bo_map(c.fd, &bos[i]) = 100 + i;
    put_wait(&c.commands, 0, DATA_VA + MIB, 1);
    CHECK_EQ(submit(c.fd, c.queue, COMMANDS_VA, 1, timeline, ++point), 0);
    for (unsigned int i = 0; i < ORDER_ROUNDS; i++) {
        struct drm_brgpu_bind_op ops[2] = {{.op = DRM_BRGPU_BIND_UNMAP, .va = VA, .size = MIB},
                                           {.op = DRM_BRGPU_BIND_MAP,
                                            .flags = RW,
                                            .bo_handle = bos[i % 2].handle,
                                            .va = VA + i % 3 * 65536,
                                            .size = 65536}};
        struct drm_brgpu_sync syncs[2] = {
            {.flags = DRM_BRGPU_SYNC_TIMELINE, .handle = timeline, .point = point},
            {.flags = DRM_BRGPU_SYNC_TIMELINE | DRM_BRGPU_SYNC_SIGNAL,
             .handle = timeline,
             .point = point + 1}};
        struct drm_brgpu_vm_bind bind_args = {.vm_id = c.vm,
                                              .flags = DRM_BRGPU_VM_BIND_ASYNC,
                                              .ops = {sizeof(ops[0]), 2, (uintptr_t)ops},
                                              .syncs = {sizeof(syncs[0]), 2, (uintptr_t)syncs}};
        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_BIND, &bind_args), 0);
        point++;

        put_copy(&c.commands, 1 + i, DATA_VA + 8 * i, ops[1].va, 8);
        struct drm_brgpu_command command = {.va = COMMANDS_VA + 64 * (1 + i), .packets = 1};
        syncs[0].point = point;
        syncs[1].point = point + 1;
        struct drm_brgpu_queue_submit args = {.queue_id = c.queue,
                                              .commands = {sizeof(command), 1, (uintptr_t)&command},
                                              .syncs = {sizeof(syncs[0]), 2, (uintptr_t)syncs}};
        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, &args), 0);
        point++;
    }
    /* Nothing has happened yet: the tree is ahead of the page tables. */
    uint64_t second = 2;
    CHECK_EQ(drmSyncobjTimelineWait(c.fd, &timeline, &second, 1, deadline(0.1), 0, NULL), -ETIME);
    ((volatile uint64_t *)c.data.map)[MIB / 8] = 1;
    CHECK_EQ(drmSyncobjTimelineWait(c.fd, &timeline, &point, 1, deadline(60), 0, NULL), 0);
    CHECK_EQ(queue_state(c.fd, c.queue).state, DRM_BRGPU_STATE_OK);
    for (unsigned int i = 0; i < ORDER_ROUNDS; i++)
        CHECK_EQ(((uint64_t *)c.data.map)[i], 100 + i % 2);

    /* A bind whose fence ended with an error is a bind all the same. */
    const uint32_t doomed = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 500);
    put_wait(&c.commands, 0, DATA_VA + MIB, 2);
    CHECK_EQ(submit(c.fd, doomed, COMMANDS_VA, 1, gate, 0), 0);
    struct drm_brgpu_bind_op op = {
        .op = DRM_BRGPU_BIND_MAP, .flags = RW, .bo_handle = bos[0].handle, .va = VA, .size = 65536};
    struct drm_brgpu_sync wait = {.handle = gate};
    struct drm_brgpu_vm_bind bind_args = {.vm_id = c.vm,
                                          .ops = {sizeof(op), 1, (uintptr_t)&op},
                                          .syncs = {sizeof(wait), 1, (uintptr_t)&wait}};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_BIND, &bind_args), 0);
    put_copy(&c.commands, 0, DATA_VA, VA, 8);
    run_packets(&c, 1);
    CHECK_EQ(*(uint64_t *)c.data.map, 100);
}

/* ---- fdinfo ---- */

static void test_fdinfo(void) {
    struct context c = context_create(SYSTEM);
    const int other = open_card();
    const uint64_t system = c.commands.size + c.data.size;
    struct bo vram, both, shared = {0};
    int dmabuf;

    CHECK_EQ(fdinfo(other, "drm-total-vram"), 0);
    CHECK_EQ(fdinfo(other, "drm-resident-system"), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-total-system"), system);
    CHECK_EQ(fdinfo(c.fd, "drm-resident-system"), system);

    CHECK_EQ(bo_try(c.fd, 3 * MIB + 4097, VRAM, 0, 0, &vram), 0);
    CHECK_EQ(vram.size, 3 * MIB + 8192);
    CHECK_EQ(bo_try(c.fd, 2 * MIB, BOTH, 0, c.vm, &both), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-total-vram"), vram.size + both.size);
    CHECK_EQ(fdinfo(c.fd, "drm-resident-vram"), vram.size + both.size);
    CHECK_EQ(fdinfo(c.fd, "drm-total-system"), system);
    CHECK_EQ(fdinfo(c.fd, "drm-shared-vram"), 0);

    /* Shared with another file: both tell. */
    CHECK_EQ(drmPrimeHandleToFD(c.fd, vram.handle, O_RDWR | O_CLOEXEC, &dmabuf), 0);
    CHECK_EQ(drmPrimeFDToHandle(other, dmabuf, &shared.handle), 0);
    close(dmabuf);
    CHECK_EQ(fdinfo(c.fd, "drm-shared-vram"), vram.size);
    CHECK_EQ(fdinfo(other, "drm-shared-vram"), vram.size);
    CHECK_EQ(fdinfo(other, "drm-total-vram"), vram.size);
    CHECK_EQ(fdinfo(other, "drm-resident-vram"), vram.size);
    bo_free(other, &shared);
    CHECK_EQ(fdinfo(other, "drm-total-vram"), 0);

    /* A closed handle does not make a mapped buffer vanish. */
    bo_bind(c.fd, c.vm, &both, VA);
    struct drm_gem_close gone = {.handle = both.handle};
    CHECK_EQ(call(c.fd, DRM_IOCTL_GEM_CLOSE, &gone), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-total-vram"), vram.size + both.size);

    /* Active while a job may use it; engine time grows. */
    uint32_t sync;
    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &sync), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-active-vram"), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-active-system"), 0);
    put_wait(&c.commands, 0, DATA_VA, 1);
    put_fill(&c.commands, 1, VA, 2 * MIB, 5);
    CHECK_EQ(submit(c.fd, c.queue, COMMANDS_VA, 2, sync, 0), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-active-vram"), both.size); /* the other is bound nowhere */
    CHECK_EQ(fdinfo(c.fd, "drm-active-system"), system);
    const uint64_t clock = fdinfo(c.fd, "drm-total-cycles-copy");
    *(volatile uint64_t *)c.data.map = 1;
    CHECK_EQ(drmSyncobjWait(c.fd, &sync, 1, deadline(60), 0, NULL), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-active-vram"), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-active-system"), 0);
    const uint64_t busy = fdinfo(c.fd, "drm-engine-copy");
    CHECK(busy > 0);
    CHECK_EQ(fdinfo(c.fd, "drm-engine-copy"), busy);
    CHECK_EQ(fdinfo(c.fd, "drm-cycles-copy"), busy); /* the card's clock counts nanoseconds */
    CHECK_EQ(fdinfo(c.fd, "drm-engine-compute"), 0);
    CHECK(fdinfo(c.fd, "drm-total-cycles-copy") > clock);
    /* A queue that goes leaves its time. */
    struct drm_brgpu_queue_destroy destroy = {.queue_id = c.queue};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_QUEUE_DESTROY, &destroy), 0);
    CHECK(fdinfo(c.fd, "drm-engine-copy") >= busy);

    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, VA, both.size), 0);
    for (unsigned int i = 0; i < 100 && fdinfo(c.fd, "drm-total-vram") != vram.size; i++)
        usleep(20000); /* it goes with the bind job, in the background */
    CHECK_EQ(fdinfo(c.fd, "drm-total-vram"), vram.size);
    bo_free(c.fd, &vram);
    CHECK_EQ(fdinfo(c.fd, "drm-total-vram"), 0);
    CHECK_EQ(fdinfo(c.fd, "drm-resident-vram"), 0);
}

/* ---- a buffer that has lost its handle lives until its unmap has run ---- */

static void test_kept(void) {
    struct context c = context_create(SYSTEM), gate = context_on(c.fd, SYSTEM);
    uint32_t open, done;

    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &open), 0);
    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &done), 0);
    for (unsigned int kind = 0; kind < 4; kind++) {
        const bool by_buffer = kind & 2;
        const uint64_t before = query_vram(c.fd).used;
        struct bo bo, other;

        CHECK_EQ(bo_try(c.fd, 4 * MIB, VRAM, 0, kind & 1 ? c.vm : 0, &bo), 0);
        bo_bind(c.fd, c.vm, &bo, VA);
        put_fill(&c.commands, 0, VA, bo.size, 7);
        run_packets(&c, 1);

        /* The unmap waits for a job of another VM, so nothing of this VM's own is under way. */
        ((volatile uint64_t *)gate.data.map)[0] = 0;
        put_wait(&gate.commands, 0, DATA_VA, 1);
        CHECK_EQ(submit(c.fd, gate.queue, COMMANDS_VA, 1, open, 0), 0);

        struct drm_brgpu_bind_op op = {.op = by_buffer ? DRM_BRGPU_BIND_UNMAP_BO
                                                       : DRM_BRGPU_BIND_UNMAP};
        if (by_buffer) {
            op.bo_handle = bo.handle;
        } else {
            op.va = VA;
            op.size = bo.size;
        }
        struct drm_brgpu_sync syncs[2] = {{.handle = open},
                                          {.flags = DRM_BRGPU_SYNC_SIGNAL, .handle = done}};
        struct drm_brgpu_vm_bind args = {.vm_id = c.vm,
                                         .flags = DRM_BRGPU_VM_BIND_ASYNC,
                                         .ops = {sizeof(op), 1, (uintptr_t)&op},
                                         .syncs = {sizeof(syncs[0]), 2, (uintptr_t)syncs}};
        struct drm_gem_close handle = {.handle = bo.handle};
        if (!by_buffer)
            CHECK_EQ(call(c.fd, DRM_IOCTL_GEM_CLOSE, &handle), 0);
        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_BIND, &args), 0);
        if (by_buffer)
            CHECK_EQ(call(c.fd, DRM_IOCTL_GEM_CLOSE, &handle), 0);

        /* The card can still reach it, so nobody else may get it. */
        for (unsigned int i = 0; i < 20; i++) {
            CHECK_EQ(query_vram(c.fd).used, before + bo.size);
            usleep(10000);
        }
        CHECK_EQ(bo_try(c.fd, 4 * MIB, VRAM, 0, 0, &other), 0);
        put_copy(&c.commands, 0, DATA_VA, VA, 8);
        run_packets(&c, 1);
        CHECK_EQ(((uint64_t *)c.data.map)[0], 7);
        bo_free(c.fd, &other);

        ((volatile uint64_t *)gate.data.map)[0] = 1;
        CHECK_EQ(drmSyncobjWait(c.fd, &done, 1, deadline(60), 0, NULL), 0);
        for (unsigned int i = 0; i < 100 && query_vram(c.fd).used != before; i++)
            usleep(20000); /* it goes with the bind job, in the background */
        CHECK_EQ(query_vram(c.fd).used, before);
        CHECK_EQ(drmSyncobjReset(c.fd, &open, 1), 0);
        CHECK_EQ(drmSyncobjReset(c.fd, &done, 1), 0);
    }
}

/* Evicted: still meant for VRAM, but elsewhere. For a card of 64 MiB. */
static void test_fdinfo_evicted(void) {
    const int fd = open_card(), other = open_card();
    struct bo flexible[4], pinned[4];

    want_vram(fd, 64 * MIB, 64 * MIB, "br106,vram=64M");
    for (unsigned int i = 0; i < 4; i++)
        CHECK_EQ(bo_try(fd, 12 * MIB, BOTH, 0, 0, &flexible[i]), 0);
    CHECK_EQ(fdinfo(fd, "drm-resident-vram"), 48 * MIB);
    for (unsigned int i = 0; i < 4; i++)
        CHECK_EQ(bo_try(other, 12 * MIB, VRAM, 0, 0, &pinned[i]), 0);
    const uint64_t moved = fdinfo(fd, "drm-resident-system");
    CHECK(moved >= 36 * MIB && moved % (12 * MIB) == 0);
    CHECK_EQ(fdinfo(fd, "drm-resident-vram"), 48 * MIB - moved);
    CHECK_EQ(fdinfo(fd, "drm-total-vram"), 48 * MIB);
    CHECK_EQ(fdinfo(fd, "drm-total-system"), 0);
    CHECK_EQ(fdinfo(other, "drm-resident-vram"), 48 * MIB);
}

/*
 * For mem_iommu.sh: holds memory of every kind, says so, and lives on until its input ends. The
 * card may go meanwhile.
 */
static void test_hold(void) {
    struct context c = context_create(VRAM);
    const uint32_t placements[] = {VRAM, SYSTEM, BOTH};
    const uint32_t busy = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct bo bos[6];
    char byte;

    for (unsigned int i = 0; i < 6; i++) {
        CHECK_EQ(bo_try(c.fd, 3 * MIB, placements[i / 2], DRM_BRGPU_BO_CPU_VISIBLE,
                        i % 2 ? c.vm : 0, &bos[i]),
                 0);
        bo_bind(c.fd, c.vm, &bos[i], VA + i * 4 * MIB);
        memset(bo_map(c.fd, &bos[i]), 7, bos[i].size);
    }
    uint64_t *words =
        mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP_USERPTR, RW, 0, (uintptr_t)words, VA + 64 * MIB,
                  4 * MIB),
             0);
    put_fill(&c.commands, 0, VA + 64 * MIB, 4 * MIB, 3);
    run_packets(&c, 1);
    put_wait(&c.commands, 1, DATA_VA, 1);
    CHECK_EQ(submit(c.fd, busy, COMMANDS_VA + 64, 1, 0, 0), 0);
    printf("holding\n");
    while (read(0, &byte, 1) > 0)
        ;
    /* What was mapped can still be touched; calls fail cleanly. */
    for (unsigned int i = 0; i < 6; i++)
        *(volatile uint64_t *)bos[i].map += 1;
    CHECK_EQ(words[0], 3);
    words[0] = 4;
    CHECK_EQ(munmap(words, 4 * MIB), 0);
    const int ret = submit(c.fd, c.queue, COMMANDS_VA, 1, 0, 0);
    CHECK(ret == 0 || ret == -ENODEV);
    for (unsigned int i = 0; i < 3; i++)
        CHECK_EQ(munmap(bos[i].map, bos[i].size), 0);
    CHECK_EQ(close(c.fd), 0);
    printf("held\n");
}

static const struct test tests[] = {
    {"clear", test_clear, false},
    {"pages", test_pages, false},
    {"tlb", test_tlb, false},
    {"order", test_order, false},
    {"fdinfo", test_fdinfo, false},
    {"kept", test_kept, false},
    {"fdinfo_evicted", test_fdinfo_evicted, true},
    {"stale", test_stale, true},
    {"full", test_full, true},
    {"back", test_back, true},
    {"pressure", test_pressure, true},
    {"aperture", test_aperture, true},
    {"hold", test_hold, true},
};

int main(int argc, char **argv) {
    return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
