/* SPDX-License-Identifier: GPL-2.0 */
/* Memory of page tables. */
#ifndef BRGPU_PT_H
#define BRGPU_PT_H

#include <linux/list.h>

#include "brgpu_core_pt.h"

struct brgpu_device;

struct brgpu_pt_table {
	struct brgpu_core_pt_table core;
	dma_addr_t dma;
	struct list_head link;	/* in a reserve, or free */
};

/* Tables for an operation, and what it took out of the tree. The ctx of brgpu_pt_ops. */
struct brgpu_pt_reserve {
	struct list_head ready[BRGPU_PT_LEVELS - 1];	/* by level */
	struct list_head retired;
};

extern const struct brgpu_core_pt_ops brgpu_pt_ops;

struct brgpu_pt_table *brgpu_pt_table_alloc(struct brgpu_device *brgpu, unsigned int level);
void brgpu_pt_table_free(struct brgpu_device *brgpu, struct brgpu_pt_table *table);

void brgpu_pt_reserve_init(struct brgpu_pt_reserve *reserve);
int brgpu_pt_reserve_fill(struct brgpu_device *brgpu, struct brgpu_pt_reserve *reserve,
			  const struct brgpu_core_pt_tables *tables);
/* Frees what was not used and what was retired: the TLB must have answered. */
void brgpu_pt_reserve_free(struct brgpu_device *brgpu, struct brgpu_pt_reserve *reserve);

#endif /* BRGPU_PT_H */
