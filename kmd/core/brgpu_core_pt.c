// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_pt.h"

#include <drm/brgpu_drm.h>

#define CONTIGUOUS_ENTRIES	16u
#define CONTIGUOUS_BYTES	(CONTIGUOUS_ENTRIES * BRGPU_PAGE_BYTES)
#define VA_END			(BRGPU_U64(1) << BRGPU_VA_BITS)
#define ROOT_LEVEL		(BRGPU_PT_LEVELS - 1)

/* What one operation carries through the levels. */
struct walk {
	struct brgpu_core_pt *pt;
	void *ctx;
	uint64_t rights;
	struct brgpu_core_pt_update *update;
};

static uint64_t span_of(unsigned int level)
{
	return BRGPU_U64(1) << BRGPU_PT_SPAN_SHIFT(level);
}

static unsigned int index_of(uint64_t va, unsigned int level)
{
	return (va >> BRGPU_PT_SPAN_SHIFT(level)) & (BRGPU_PT_ENTRIES - 1);
}

/* End of the part of [va, end) that lies in va's entry of the level. */
static uint64_t chunk_end(uint64_t va, uint64_t end, unsigned int level)
{
	const uint64_t entry_end = (va | (span_of(level) - 1)) + 1;

	return entry_end < end ? entry_end : end;
}

static bool is_directory(uint64_t entry, unsigned int level)
{
	return level > 0 && entry & BRGPU_PTE_VALID && !(entry & BRGPU_PTE_LEAF);
}

static void flush_range(struct brgpu_core_pt_update *update, uint64_t start, uint64_t end)
{
	if (!update->flush || start < update->start)
		update->start = start;
	if (!update->flush || end > update->end)
		update->end = end;
	update->flush = true;
}

/* The TLB may hold the entry of va: everything that the entry covers is invalidated. */
static void flush_entry(struct brgpu_core_pt_update *update, uint64_t va, unsigned int level)
{
	const uint64_t start = va & ~(span_of(level) - 1);

	flush_range(update, start, start + span_of(level));
}

static enum brgpu_core_pt_page page_kind(unsigned int level, bool contiguous)
{
	if (level)
		return BRGPU_CORE_PT_64K + level;
	return contiguous ? BRGPU_CORE_PT_64K : BRGPU_CORE_PT_4K;
}

/* The entry comes (1) or goes (-1). */
static void count_entry(struct brgpu_core_pt *pt, struct brgpu_core_pt_table *table, uint64_t entry,
			int sign)
{
	const bool contiguous = entry & BRGPU_PTE_CONTIGUOUS;

	if (!(entry & BRGPU_PTE_VALID))
		return;
	table->used += sign;
	if (is_directory(entry, table->level))
		return;
	table->leaves += sign;
	if (contiguous)
		table->contiguous += sign;
	pt->leaves[page_kind(table->level, contiguous)] += sign;
}

/* The table goes with what it maps; tables below it count for themselves. */
static void uncount_table(struct brgpu_core_pt *pt, const struct brgpu_core_pt_table *table)
{
	if (!table->leaves)
		return;
	pt->leaves[page_kind(table->level, true)] -= table->contiguous;
	pt->leaves[page_kind(table->level, false)] -= table->leaves - table->contiguous;
}

static void store(struct walk *walk, struct brgpu_core_pt_table *table, unsigned int index,
		  uint64_t entry)
{
	count_entry(walk->pt, table, table->entries[index], -1);
	count_entry(walk->pt, table, entry, 1);
	brgpu_core_store(&table->entries[index], entry);
	if (walk->pt->ops->written)
		walk->pt->ops->written(walk->ctx, table, index);
}

unsigned int brgpu_core_pt_walk(const struct brgpu_core_pt *pt, uint64_t va,
				uint64_t entries[BRGPU_PT_LEVELS])
{
	const struct brgpu_core_pt_table *table = pt->root;
	unsigned int count = 0;

	while (table) {
		const unsigned int index =
			index_of(va, table->level);

		entries[count++] = table->entries[index];
		table = table->level ? table->children[index] : NULL;
	}
	return count;
}

uint64_t brgpu_core_pt_directory(const struct brgpu_core_pt_table *table)
{
	return BRGPU_PTE_VALID | table->aperture | (table->address & BRGPU_PTE_ADDRESS_MASK);
}

uint64_t brgpu_core_pt_rights(uint32_t bind_flags, bool system)
{
	uint64_t rights = 0;

	if (bind_flags & DRM_BRGPU_BIND_READ)
		rights |= BRGPU_PTE_READ;
	if (bind_flags & DRM_BRGPU_BIND_WRITE)
		rights |= BRGPU_PTE_WRITE;
	if (bind_flags & DRM_BRGPU_BIND_EXEC)
		rights |= BRGPU_PTE_EXEC;
	if ((bind_flags & DRM_BRGPU_BIND_READ) && (bind_flags & DRM_BRGPU_BIND_WRITE))
		rights |= BRGPU_PTE_ATOMIC;
	if (bind_flags & DRM_BRGPU_BIND_NULL)
		rights |= BRGPU_PTE_NULL;
	else if (system)
		rights |= BRGPU_PTE_SYSTEM | BRGPU_PTE_COHERENT;
	return rights;
}

void brgpu_core_pt_init(struct brgpu_core_pt *pt, struct brgpu_core_pt_table *root,
			const struct brgpu_core_pt_ops *ops, uint64_t page_sizes)
{
	root->level = ROOT_LEVEL;
	root->used = 0;
	root->leaves = 0;
	root->contiguous = 0;
	memset(pt->leaves, 0, sizeof(pt->leaves));
	pt->root = root;
	pt->ops = ops;
	pt->page_sizes = page_sizes | BRGPU_PAGE_BYTES;
}

static void retire_below(struct brgpu_core_pt *pt, void *ctx, struct brgpu_core_pt_table *table)
{
	unsigned int i;

	uncount_table(pt, table);
	if (!table->children)
		return;
	for (i = 0; i < BRGPU_PT_ENTRIES; i++) {
		struct brgpu_core_pt_table *child = table->children[i];

		if (child) {
			table->children[i] = NULL;
			retire_below(pt, ctx, child);
			pt->ops->retire(ctx, child);
		}
	}
}

static void retire_child(struct walk *walk, struct brgpu_core_pt_table *table, unsigned int index)
{
	struct brgpu_core_pt_table *child = table->children[index];

	table->children[index] = NULL;
	retire_below(walk->pt, walk->ctx, child);
	walk->pt->ops->retire(walk->ctx, child);
}

/*
 * The table below entry `index`; a large page there is split, an empty entry gets an empty table.
 * NULL: no table was left.
 */
static struct brgpu_core_pt_table *descend(struct walk *walk, struct brgpu_core_pt_table *table,
					   uint64_t va)
{
	const unsigned int level = table->level, index = index_of(va, level);
	const uint64_t entry = table->entries[index];
	struct brgpu_core_pt_table *child;

	if (is_directory(entry, level))
		return table->children[index];

	child = walk->pt->ops->take(walk->ctx, level - 1);
	if (!child)
		return NULL;
	child->level = level - 1;
	child->used = 0;
	child->leaves = 0;
	child->contiguous = 0;

	if (entry & BRGPU_PTE_VALID) {
		uint64_t part = entry;
		unsigned int i;

		if (level == 1) {
			part &= ~BRGPU_PTE_LEAF;
			if (!(entry & BRGPU_PTE_NULL) && walk->pt->page_sizes & CONTIGUOUS_BYTES)
				part |= BRGPU_PTE_CONTIGUOUS;
		}
		for (i = 0; i < BRGPU_PT_ENTRIES; i++) {
			store(walk, child, i, part);
			if (!(entry & BRGPU_PTE_NULL))
				part += span_of(level - 1);
		}
		flush_entry(walk->update, va, level);
	}
	table->children[index] = child;
	store(walk, table, index, brgpu_core_pt_directory(child));
	return child;
}

/* The 64 KiB page around va becomes 16 pages of 4 KiB: still the same mapping. */
static void break_contiguous(struct walk *walk, struct brgpu_core_pt_table *table, uint64_t va)
{
	const unsigned int first = index_of(va, 0) & ~(CONTIGUOUS_ENTRIES - 1);
	const uint64_t start = va & ~(CONTIGUOUS_BYTES - 1);
	unsigned int i;

	for (i = first; i < first + CONTIGUOUS_ENTRIES; i++)
		store(walk, table, i, table->entries[i] & ~BRGPU_PTE_CONTIGUOUS);
	flush_range(walk->update, start, start + CONTIGUOUS_BYTES);
}

static void store_page(struct walk *walk, struct brgpu_core_pt_table *table, uint64_t va,
		       uint64_t entry)
{
	const unsigned int index = index_of(va, 0);

	if (table->entries[index] & BRGPU_PTE_VALID)
		flush_entry(walk->update, va, 0);
	store(walk, table, index, entry);
}

static void map_pages(struct walk *walk, struct brgpu_core_pt_table *table, uint64_t va,
		      uint64_t end, uint64_t address)
{
	const bool null = walk->rights & BRGPU_PTE_NULL;

	while (va < end) {
		uint64_t entry = BRGPU_PTE_VALID | walk->rights;
		unsigned int count = 1, i;

		if (!null && walk->pt->page_sizes & CONTIGUOUS_BYTES &&
		    !((va | address) & (CONTIGUOUS_BYTES - 1)) && end - va >= CONTIGUOUS_BYTES) {
			count = CONTIGUOUS_ENTRIES;
			entry |= BRGPU_PTE_CONTIGUOUS;
		} else if (table->entries[index_of(va, 0)] & BRGPU_PTE_CONTIGUOUS) {
			break_contiguous(walk, table, va);
		}
		for (i = 0; i < count; i++) {
			store_page(walk, table, va, entry | address);
			va += BRGPU_PAGE_BYTES;
			if (!null)
				address += BRGPU_PAGE_BYTES;
		}
	}
}

static int map_level(struct walk *walk, struct brgpu_core_pt_table *table, uint64_t va,
		     uint64_t end, uint64_t address)
{
	const unsigned int level = table->level;
	const bool null = walk->rights & BRGPU_PTE_NULL;
	const uint64_t span = span_of(level);

	if (!level) {
		map_pages(walk, table, va, end, address);
		return 0;
	}

	while (va < end) {
		const uint64_t next = chunk_end(va, end, level);
		const unsigned int index = index_of(va, level);

		if (level < ROOT_LEVEL && walk->pt->page_sizes & span && next - va == span &&
		    !(address & (span - 1))) {
			const uint64_t old = table->entries[index];

			if (old & BRGPU_PTE_VALID)
				flush_entry(walk->update, va, level);
			store(walk, table, index,
			      BRGPU_PTE_VALID | BRGPU_PTE_LEAF | walk->rights | address);
			if (is_directory(old, level))
				retire_child(walk, table, index);
		} else {
			struct brgpu_core_pt_table *child = descend(walk, table, va);
			int ret;

			if (!child)
				return -ENOMEM;
			ret = map_level(walk, child, va, next, address);
			if (ret)
				return ret;
		}
		if (!null)
			address += next - va;
		va = next;
	}
	return 0;
}

static void unmap_pages(struct walk *walk, struct brgpu_core_pt_table *table, uint64_t va,
			uint64_t end)
{
	for (; va < end; va += BRGPU_PAGE_BYTES) {
		const uint64_t entry = table->entries[index_of(va, 0)];

		if (!(entry & BRGPU_PTE_VALID))
			continue;
		/* A group that goes as a whole need not be broken up first. */
		if (entry & BRGPU_PTE_CONTIGUOUS &&
		    (va & (CONTIGUOUS_BYTES - 1) || end - va < CONTIGUOUS_BYTES)) {
			break_contiguous(walk, table, va);
		} else if (entry & BRGPU_PTE_CONTIGUOUS) {
			unsigned int i;

			for (i = 1; i < CONTIGUOUS_ENTRIES; i++)
				store_page(walk, table, va + i * BRGPU_PAGE_BYTES, 0);
		}
		store_page(walk, table, va, 0);
	}
}

static int unmap_level(struct walk *walk, struct brgpu_core_pt_table *table, uint64_t va,
		       uint64_t end)
{
	const unsigned int level = table->level;

	if (!level) {
		unmap_pages(walk, table, va, end);
		return 0;
	}

	while (va < end) {
		const uint64_t next = chunk_end(va, end, level);
		const unsigned int index = index_of(va, level);
		const uint64_t entry = table->entries[index];

		if (entry & BRGPU_PTE_VALID) {
			const bool directory = is_directory(entry, level);
			bool remove = next - va == span_of(level);

			if (!remove) {
				struct brgpu_core_pt_table *child = descend(walk, table, va);
				int ret;

				if (!child)
					return -ENOMEM;
				ret = unmap_level(walk, child, va, next);
				if (ret)
					return ret;
				remove = !child->used;
			}
			if (remove) {
				flush_entry(walk->update, va, level);
				store(walk, table, index, 0);
				if (directory || table->children[index])
					retire_child(walk, table, index);
			}
		}
		va = next;
	}
	return 0;
}

static bool range_ok(uint64_t va, uint64_t bytes)
{
	return bytes && !((va | bytes) & (BRGPU_PAGE_BYTES - 1)) && va < VA_END &&
	       bytes <= VA_END - va;
}

int brgpu_core_pt_map(struct brgpu_core_pt *pt, void *ctx, uint64_t va, uint64_t bytes,
		      uint64_t address, uint64_t rights, struct brgpu_core_pt_update *update)
{
	struct walk walk = { .pt = pt, .ctx = ctx, .rights = rights, .update = update };
	const uint64_t limit = BRGPU_PTE_ADDRESS_MASK + BRGPU_PAGE_BYTES;

	if (!range_ok(va, bytes))
		return -EINVAL;
	if (rights & BRGPU_PTE_NULL)
		address = 0;
	else if (address & (BRGPU_PAGE_BYTES - 1) || bytes > limit || address > limit - bytes)
		return -EINVAL;
	return map_level(&walk, pt->root, va, va + bytes, address);
}

int brgpu_core_pt_unmap(struct brgpu_core_pt *pt, void *ctx, uint64_t va, uint64_t bytes,
			struct brgpu_core_pt_update *update)
{
	struct walk walk = { .pt = pt, .ctx = ctx, .update = update };

	if (!range_ok(va, bytes))
		return -EINVAL;
	return unmap_level(&walk, pt->root, va, va + bytes);
}

/* Entries of `level` that [va, end) touches; a table of level - 1 stands below each at most. */
static uint64_t touched(uint64_t va, uint64_t end, unsigned int level)
{
	return ((end - 1) >> BRGPU_PT_SPAN_SHIFT(level)) - (va >> BRGPU_PT_SPAN_SHIFT(level)) + 1;
}

/* Of those, the ones that it covers only in part. */
static uint64_t touched_in_part(uint64_t va, uint64_t end, unsigned int level)
{
	const uint64_t mask = span_of(level) - 1;
	const uint64_t ends = !!(va & mask) + !!(end & mask);
	const uint64_t all = touched(va, end, level);

	return ends < all ? ends : all;
}

void brgpu_core_pt_tables_for_map(const struct brgpu_core_pt *pt, uint64_t va, uint64_t bytes,
				  bool null, struct brgpu_core_pt_tables *tables)
{
	const uint64_t end = va + bytes;
	unsigned int level;

	for (level = 1; level <= ROOT_LEVEL; level++) {
		/* Where no page of 4 KiB is forced by an address, whole entries need no table. */
		const bool leaf = null && level < ROOT_LEVEL && pt->page_sizes & span_of(level);

		tables->count[level - 1] += leaf ? touched_in_part(va, end, level) :
						   touched(va, end, level);
	}
}

void brgpu_core_pt_tables_for_unmap(uint64_t va, uint64_t bytes,
				    struct brgpu_core_pt_tables *tables)
{
	unsigned int level;

	for (level = 1; level < ROOT_LEVEL; level++)
		tables->count[level - 1] += touched_in_part(va, va + bytes, level);
}

uint64_t brgpu_core_pt_lookup(const struct brgpu_core_pt *pt, uint64_t va, uint64_t *address,
			      unsigned int *level)
{
	const struct brgpu_core_pt_table *table = pt->root;

	*address = 0;
	*level = ROOT_LEVEL;
	if (va >= VA_END)
		return 0;
	for (;;) {
		const unsigned int index = index_of(va, table->level);
		const uint64_t entry = table->entries[index];

		*level = table->level;
		if (!(entry & BRGPU_PTE_VALID))
			return 0;
		if (!is_directory(entry, table->level)) {
			if (!(entry & BRGPU_PTE_NULL))
				*address = (entry & BRGPU_PTE_ADDRESS_MASK) |
					   (va & (span_of(table->level) - 1));
			return entry;
		}
		table = table->children[index];
	}
}

uint64_t brgpu_core_pt_page_count(const struct brgpu_core_pt *pt, enum brgpu_core_pt_page kind)
{
	const uint64_t leaves = pt->leaves[kind];

	return kind == BRGPU_CORE_PT_64K ? leaves / CONTIGUOUS_ENTRIES : leaves;
}

void brgpu_core_pt_clear(struct brgpu_core_pt *pt, void *ctx)
{
	unsigned int i;

	for (i = 0; i < BRGPU_PT_ENTRIES; i++)
		brgpu_core_store(&pt->root->entries[i], 0);
	pt->root->used = 0;
	retire_below(pt, ctx, pt->root);
}
