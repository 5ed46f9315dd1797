/* SPDX-License-Identifier: GPL-2.0 */
/* Where the hardware saves the state of a queue that it leaves. */
#ifndef BRGPU_SAVE_H
#define BRGPU_SAVE_H

#include <linux/idr.h>
#include <linux/mutex.h>

#include "brgpu_core_pt.h"

struct brgpu_bo;
struct brgpu_device;
struct brgpu_pt_table;
struct brgpu_tlb_fence;

struct brgpu_save_area {
	u64 address;	/* in VM 0 */
	u64 bytes;
	struct brgpu_bo *bo;
	struct brgpu_tlb_fence *unmap_fence;	/* of the invalidation at its end */
	u32 index;
};

struct brgpu_save_space {
	/* Protects pt: VM 0's page table. */
	struct mutex lock;
	struct brgpu_core_pt pt;
	struct brgpu_pt_table *root;
	struct ida indices;
};

int brgpu_save_init(struct brgpu_device *brgpu);
void brgpu_save_fini(struct brgpu_device *brgpu);
/* After a device reset: tells the card VM 0's page table again. */
void brgpu_save_restore(struct brgpu_device *brgpu);

int brgpu_save_area_create(struct brgpu_device *brgpu, struct brgpu_save_area *area, u64 bytes);
void brgpu_save_area_destroy(struct brgpu_device *brgpu, struct brgpu_save_area *area);

#endif /* BRGPU_SAVE_H */
