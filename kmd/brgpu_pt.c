// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include "brgpu_device.h"
#include "brgpu_pt.h"

/**
 * DOC: page tables
 *
 * Tables lie in system memory: the CPU fills them without going over the bus, they need no
 * visible VRAM and are never in the way of an eviction; the device's walks pay for it, and its TLB
 * and large pages make them few. What the entries mean is in core/brgpu_core_pt.c; this file gives
 * memory.
 */

struct brgpu_pt_table *brgpu_pt_table_alloc(struct brgpu_device *brgpu, unsigned int level)
{
	struct brgpu_pt_table *table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);

	if (!table)
		return NULL;
	INIT_LIST_HEAD(&table->link);
	table->core.entries = brgpu_dma_alloc(brgpu, BRGPU_PT_BYTES, &table->dma);
	if (!table->core.entries)
		goto err_table;
	table->core.address = table->dma;
	table->core.aperture = BRGPU_PTE_SYSTEM;
	if (level) {
		table->core.children = kcalloc(BRGPU_PT_ENTRIES, sizeof(*table->core.children),
					       GFP_KERNEL_ACCOUNT);
		if (!table->core.children)
			goto err_entries;
	}
	return table;

err_entries:
	brgpu_dma_free(brgpu, BRGPU_PT_BYTES, table->core.entries);
err_table:
	kfree(table);
	return NULL;
}

void brgpu_pt_table_free(struct brgpu_device *brgpu, struct brgpu_pt_table *table)
{
	brgpu_dma_free(brgpu, BRGPU_PT_BYTES, table->core.entries);
	kfree(table->core.children);
	kfree(table);
}

static struct brgpu_core_pt_table *pt_take(void *ctx, unsigned int level)
{
	struct brgpu_pt_reserve *reserve = ctx;
	struct brgpu_pt_table *table;

	table = list_first_entry_or_null(&reserve->ready[level], struct brgpu_pt_table, link);
	if (!table)
		return NULL;
	list_del_init(&table->link);
	return &table->core;
}

static void pt_retire(void *ctx, struct brgpu_core_pt_table *core)
{
	struct brgpu_pt_table *table = container_of(core, struct brgpu_pt_table, core);
	struct brgpu_pt_reserve *reserve = ctx;

	list_add(&table->link, &reserve->retired);
}

const struct brgpu_core_pt_ops brgpu_pt_ops = {
	.take = pt_take,
	.retire = pt_retire,
};

void brgpu_pt_reserve_init(struct brgpu_pt_reserve *reserve)
{
	unsigned int level;

	for (level = 0; level < ARRAY_SIZE(reserve->ready); level++)
		INIT_LIST_HEAD(&reserve->ready[level]);
	INIT_LIST_HEAD(&reserve->retired);
}

int brgpu_pt_reserve_fill(struct brgpu_device *brgpu, struct brgpu_pt_reserve *reserve,
			  const struct brgpu_core_pt_tables *tables)
{
	unsigned int level;
	u64 i;

	for (level = 0; level < ARRAY_SIZE(reserve->ready); level++) {
		for (i = 0; i < tables->count[level]; i++) {
			struct brgpu_pt_table *table = brgpu_pt_table_alloc(brgpu, level);

			if (!table)
				return -ENOMEM;
			list_add(&table->link, &reserve->ready[level]);
			cond_resched();
		}
	}
	return 0;
}

static void free_list(struct brgpu_device *brgpu, struct list_head *list)
{
	struct brgpu_pt_table *table, *next;

	list_for_each_entry_safe(table, next, list, link) {
		list_del(&table->link);
		brgpu_pt_table_free(brgpu, table);
	}
}

void brgpu_pt_reserve_free(struct brgpu_device *brgpu, struct brgpu_pt_reserve *reserve)
{
	unsigned int level;

	for (level = 0; level < ARRAY_SIZE(reserve->ready); level++)
		free_list(brgpu, &reserve->ready[level]);
	free_list(brgpu, &reserve->retired);
}
