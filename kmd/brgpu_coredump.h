/* SPDX-License-Identifier: GPL-2.0 */
/* Dumps for those who have to find out why a queue or the card failed. */
#ifndef BRGPU_COREDUMP_H
#define BRGPU_COREDUMP_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct brgpu_device;
struct brgpu_hwq;

struct brgpu_coredump {
	/* Protected by reset_lock while the work is not queued, else the work's. */
	void *staging;
	size_t bytes;
	bool cut;
	unsigned long next;	/* jiffies: no other before */
	/* Where the card writes the lanes of a queue that stopped. */
	void *lanes;
	dma_addr_t lanes_dma;
	struct work_struct work;
	atomic_t dropped;
};

int brgpu_coredump_init(struct brgpu_device *brgpu);
/* Before the DMA mappings go. Drops what has not been published. */
void brgpu_coredump_fini(struct brgpu_device *brgpu);
/*
 * Takes a dump, of `guilty` above all, and publishes it soon. One that comes too soon after another
 * is dropped. reset_lock is held, the registers can be read. Allocates nothing. `at_rest`:
 * the queue has stopped, so the card can be asked for its lanes.
 */
void brgpu_coredump_take(struct brgpu_device *brgpu, struct brgpu_hwq *guilty, bool at_rest,
			 const char *why);

#endif /* BRGPU_COREDUMP_H */
