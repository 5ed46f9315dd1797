/* SPDX-License-Identifier: GPL-2.0 */
/* TLB invalidation. */
#ifndef BRGPU_TLB_H
#define BRGPU_TLB_H

#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/spinlock.h>

struct brgpu_device;

struct brgpu_tlb {
	/* Protects the command registers and all below. Fence locks are taken inside it. */
	spinlock_t lock;
	struct list_head pending;	/* brgpu_tlb_fence, oldest first */
	u64 context;
	u64 last_seqno;
	bool held;			/* a reset is under way: it ends all that is pending */
};

/* Signals when its invalidation has completed. Allocated before a job is armed. */
struct brgpu_tlb_fence {
	struct dma_fence base;
	struct list_head link;
	spinlock_t lock;	/* of base */
	u32 issued;		/* TLB_ISSUED behind the command */
};

void brgpu_tlb_init(struct brgpu_device *brgpu);
struct brgpu_tlb_fence *brgpu_tlb_fence_alloc(void);
/* Of a fence that was not given to brgpu_tlb_invalidate(). */
void brgpu_tlb_fence_free(struct brgpu_tlb_fence *fence);
/*
 * Starts the invalidation of [start, end) of a VM; end 0: of all of the VM. Takes over the
 * reference to fence; the caller gets one more. Atomic, allocates nothing. -ENODEV: the card has
 * gone, nothing can use a mapping any more, and the fence stays the caller's.
 */
int brgpu_tlb_invalidate(struct brgpu_device *brgpu, u32 vm, u64 start, u64 end,
			 struct brgpu_tlb_fence *fence);
/* Signals the fences of completed invalidations. Any context. True: none is pending. */
bool brgpu_tlb_process(struct brgpu_device *brgpu);
/* An invalidation takes too long: asks for the reset that ends it, if none is under way. */
void brgpu_tlb_timed_out(struct brgpu_device *brgpu);
/* Before a reset: no commands any more, until brgpu_tlb_cancel(). */
void brgpu_tlb_hold(struct brgpu_device *brgpu);
/* Signals all: the card is gone, at rest, or was reset. error 0: as if completed. */
void brgpu_tlb_cancel(struct brgpu_device *brgpu, int error);
/*
 * Invalidates all of a VM and waits; with the card gone there is nothing to do. Sleeps. Takes over
 * fence, which is made with what is to be torn down, as that must not fail.
 */
void brgpu_tlb_invalidate_vm(struct brgpu_device *brgpu, u32 vm, struct brgpu_tlb_fence *fence);

#endif /* BRGPU_TLB_H */
