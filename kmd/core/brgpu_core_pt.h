/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Page tables (brgpu/hw/mmu.h): encoding of entries, and the tree of tables of one VM.
 *
 * The tree is a mirror with CPU pointers of what the device walks. Nothing here allocates: before
 * an operation the caller computes with brgpu_core_pt_tables_for_map()/_unmap() how many tables it
 * may need at most, has them ready, and hands them out in ops->take. Tables that fell out of the
 * tree come back by ops->retire: the device may still walk them until the invalidation that
 * `update` asks for has completed. One thread at a time changes or reads a tree.
 *
 * Page sizes are chosen by alignment: 1 GiB, 2 MiB, 64 KiB (16 entries marked CONTIGUOUS), 4 KiB.
 */
#ifndef BRGPU_CORE_PT_H
#define BRGPU_CORE_PT_H

#include "brgpu_core.h"

#include <brgpu/hw/mmu.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One table. The owner of the memory sets `entries`, `address` and `aperture`, and gives tables of
 * level 1..3 an array of BRGPU_PT_ENTRIES `children`; entries and children start as zeros. The rest
 * is this file's.
 */
struct brgpu_core_pt_table {
	uint64_t *entries;		/* BRGPU_PT_ENTRIES, as the device sees them */
	struct brgpu_core_pt_table **children;	/* NULL for level 0 */
	uint64_t address;		/* VRAM offset or DMA address, 4 KiB aligned */
	uint64_t aperture;		/* BRGPU_PTE_VRAM or BRGPU_PTE_SYSTEM */
	uint32_t used;			/* valid entries */
	uint32_t leaves;		/* of them, those that map */
	uint32_t contiguous;		/* of them, those that are part of a 64 KiB page */
	uint32_t level;
};

/* Kinds of pages. */
enum brgpu_core_pt_page {
	BRGPU_CORE_PT_4K,
	BRGPU_CORE_PT_64K,
	BRGPU_CORE_PT_2M,
	BRGPU_CORE_PT_1G,
	BRGPU_CORE_PT_PAGES,
};

struct brgpu_core_pt_ops {
	/*
	 * A zeroed table for the level (0..2); NULL: none is left, the operation ends with -ENOMEM.
	 */
	struct brgpu_core_pt_table *(*take)(void *ctx, unsigned int level);
	/* No entry names the table any more. */
	void (*retire)(void *ctx, struct brgpu_core_pt_table *table);
	/*
	 * NULL: entries are stored to table->entries and the device sees that. Else called after
	 * each such store, to bring entry `index` to where the device reads it.
	 */
	void (*written)(void *ctx, const struct brgpu_core_pt_table *table, unsigned int index);
};

struct brgpu_core_pt {
	struct brgpu_core_pt_table *root;	/* level 3 */
	const struct brgpu_core_pt_ops *ops;
	uint64_t page_sizes;	/* bit n: leaves of 2^n bytes may be used; 4 KiB always */
	/* Entries that map, by kind; 16 are one page of 64 KiB. Any thread may look. */
	uint64_t leaves[BRGPU_CORE_PT_PAGES];
};

/* Pages of a kind that are mapped, NULL ones included. Of no meaning in the middle of a change. */
uint64_t brgpu_core_pt_page_count(const struct brgpu_core_pt *pt, enum brgpu_core_pt_page kind);

/*
 * What the device would read for `va`: entries from the root's down, as many as it reads. Returns
 * their number, 1..BRGPU_PT_LEVELS.
 */
unsigned int brgpu_core_pt_walk(const struct brgpu_core_pt *pt, uint64_t va,
				uint64_t entries[BRGPU_PT_LEVELS]);

/* What an operation, or several in a row, made necessary. Starts as zeros. */
struct brgpu_core_pt_update {
	bool flush;		/* the TLB must be invalidated in [start, end) */
	uint64_t start;
	uint64_t end;
};

/* Number of tables an operation may take, by level. */
struct brgpu_core_pt_tables {
	uint64_t count[BRGPU_PT_LEVELS - 1];
};

void brgpu_core_pt_init(struct brgpu_core_pt *pt, struct brgpu_core_pt_table *root,
			const struct brgpu_core_pt_ops *ops, uint64_t page_sizes);

/* Adds what a map of [va, va + bytes) may need; null: a map of NULL pages. */
void brgpu_core_pt_tables_for_map(const struct brgpu_core_pt *pt, uint64_t va, uint64_t bytes,
				  bool null, struct brgpu_core_pt_tables *tables);
/* Adds what an unmap may need: large pages at its ends are split. */
void brgpu_core_pt_tables_for_unmap(uint64_t va, uint64_t bytes,
				    struct brgpu_core_pt_tables *tables);

/* Entry of a table that names `table`; the format of register VM_ROOT too. */
uint64_t brgpu_core_pt_directory(const struct brgpu_core_pt_table *table);

/*
 * Rights and kind of a mapping (BRGPU_PTE_*, without VALID, LEAF, CONTIGUOUS, ADDRESS) from the
 * uAPI's bind flags. system: the memory is system memory, which is always mapped coherent.
 */
uint64_t brgpu_core_pt_rights(uint32_t bind_flags, bool system);

/*
 * Maps [va, va + bytes) to [address, address + bytes), whatever was there before. `rights` is from
 * brgpu_core_pt_rights(); with BRGPU_PTE_NULL the address is ignored. All are multiples of 4 KiB.
 * `ctx` goes to the ops. -EINVAL: range or address out of bounds (nothing changed); -ENOMEM: take
 * failed (mapped in part: the caller's reserve was wrong).
 */
int brgpu_core_pt_map(struct brgpu_core_pt *pt, void *ctx, uint64_t va, uint64_t bytes,
		      uint64_t address, uint64_t rights, struct brgpu_core_pt_update *update);
/* Unmaps what is mapped in the range. Errors as map's. */
int brgpu_core_pt_unmap(struct brgpu_core_pt *pt, void *ctx, uint64_t va, uint64_t bytes,
			struct brgpu_core_pt_update *update);

/*
 * What the device finds at va: the leaf entry with its level, or 0 and the level at which the walk
 * ended. Returns the physical address in *address, offset in the page included.
 */
uint64_t brgpu_core_pt_lookup(const struct brgpu_core_pt *pt, uint64_t va, uint64_t *address,
			      unsigned int *level);

/* Retires every table below the root, whatever it maps. */
void brgpu_core_pt_clear(struct brgpu_core_pt *pt, void *ctx);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_PT_H */
