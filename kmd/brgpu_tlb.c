// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include "brgpu_device.h"
#include "brgpu_reset.h"
#include "brgpu_tlb.h"
#include "brgpu_trace.h"

/**
 * DOC: TLB invalidation
 *
 * A mapping that was changed or taken away may be used by the device until an invalidation has
 * completed. Each invalidation has a fence; a bind's fence is that of its last invalidation, and
 * page tables that fell out of the tree are freed when it has signalled. Commands complete in
 * order, so one counter tells about all. TLB_DONE events say when to read it.
 */

#define TLB_TIMEOUT_MS	5000
#define TLB_SLICE_MS	100

static const char *tlb_fence_driver_name(struct dma_fence *fence)
{
	return "brgpu";
}

static const char *tlb_fence_timeline_name(struct dma_fence *fence)
{
	return "brgpu-tlb";
}

static void tlb_fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops tlb_fence_ops = {
	.get_driver_name = tlb_fence_driver_name,
	.get_timeline_name = tlb_fence_timeline_name,
	.release = tlb_fence_release,
};

void brgpu_tlb_init(struct brgpu_device *brgpu)
{
	spin_lock_init(&brgpu->tlb.lock);
	INIT_LIST_HEAD(&brgpu->tlb.pending);
	brgpu->tlb.context = dma_fence_context_alloc(1);
}

struct brgpu_tlb_fence *brgpu_tlb_fence_alloc(void)
{
	struct brgpu_tlb_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	BUILD_BUG_ON(offsetof(struct brgpu_tlb_fence, base)); /* dma_fence_free() frees it all */
	return fence;
}

void brgpu_tlb_fence_free(struct brgpu_tlb_fence *fence)
{
	kfree(fence);
}

int brgpu_tlb_invalidate(struct brgpu_device *brgpu, u32 vm, u64 start, u64 end,
			 struct brgpu_tlb_fence *fence)
{
	struct brgpu_tlb *tlb = &brgpu->tlb;
	unsigned long flags;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return -ENODEV;

	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);

	spin_lock_irqsave(&tlb->lock, flags);
	dma_fence_init(&fence->base, &tlb_fence_ops, &fence->lock, tlb->context, ++tlb->last_seqno);
	dma_fence_get(&fence->base);
	list_add_tail(&fence->link, &tlb->pending);
	if (tlb->held) {
		/* The reset under way empties the TLB. */
		spin_unlock_irqrestore(&tlb->lock, flags);
		drm_dev_exit(idx);
		return 0;
	}
	/* Entries in memory before the command that makes the device look at them again. */
	wmb();
	if (end) {
		brgpu_write64(brgpu, BRGPU_REG_TLB_ADDRESS, start);
		brgpu_write64(brgpu, BRGPU_REG_TLB_LENGTH, end - start);
	}
	brgpu_write32(brgpu, BRGPU_REG_TLB_COMMAND,
		      (end ? BRGPU_TLB_RANGE : BRGPU_TLB_VM) | vm << 8 | BRGPU_TLB_EVENT);
	fence->issued = brgpu_read32(brgpu, BRGPU_REG_TLB_ISSUED);
	spin_unlock_irqrestore(&tlb->lock, flags);

	trace_brgpu_tlb(vm, start, end, fence->issued);
	drm_dev_exit(idx);
	/* Most complete at once: save the wait for an interrupt. */
	brgpu_tlb_process(brgpu);
	return 0;
}

static void tlb_signal(struct brgpu_tlb_fence *fence, int error)
{
	list_del_init(&fence->link);
	if (error)
		dma_fence_set_error(&fence->base, error);
	dma_fence_signal(&fence->base);
	dma_fence_put(&fence->base);
}

bool brgpu_tlb_process(struct brgpu_device *brgpu)
{
	struct brgpu_tlb *tlb = &brgpu->tlb;
	struct brgpu_tlb_fence *fence, *next;
	unsigned long flags;
	bool idle;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return true; /* brgpu_tlb_cancel() does the rest */

	spin_lock_irqsave(&tlb->lock, flags);
	if (!list_empty(&tlb->pending) && !tlb->held) {
		const u32 completed = brgpu_read32(brgpu, BRGPU_REG_TLB_COMPLETED);

		list_for_each_entry_safe(fence, next, &tlb->pending, link) {
			if ((s32)(completed - fence->issued) < 0)
				break;
			tlb_signal(fence, 0);
		}
	}
	idle = list_empty(&tlb->pending);
	spin_unlock_irqrestore(&tlb->lock, flags);

	drm_dev_exit(idx);
	return idle;
}

void brgpu_tlb_hold(struct brgpu_device *brgpu)
{
	unsigned long flags;

	spin_lock_irqsave(&brgpu->tlb.lock, flags);
	brgpu->tlb.held = true;
	spin_unlock_irqrestore(&brgpu->tlb.lock, flags);
}

void brgpu_tlb_cancel(struct brgpu_device *brgpu, int error)
{
	struct brgpu_tlb *tlb = &brgpu->tlb;
	struct brgpu_tlb_fence *fence, *next;
	unsigned long flags;

	spin_lock_irqsave(&tlb->lock, flags);
	tlb->held = false;
	list_for_each_entry_safe(fence, next, &tlb->pending, link)
		tlb_signal(fence, error);
	spin_unlock_irqrestore(&tlb->lock, flags);
}

void brgpu_tlb_timed_out(struct brgpu_device *brgpu)
{
	if (!READ_ONCE(brgpu->tlb.held))
		brgpu_reset_request(brgpu, BRGPU_RESET_RUNG_DEVICE,
				    "a TLB invalidation does not complete");
}

void brgpu_tlb_invalidate_vm(struct brgpu_device *brgpu, u32 vm, struct brgpu_tlb_fence *fence)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(TLB_TIMEOUT_MS);

	if (brgpu_tlb_invalidate(brgpu, vm, 0, 0, fence)) {
		brgpu_tlb_fence_free(fence);
		return;
	}
	while (!brgpu_tlb_process(brgpu) && !dma_fence_is_signaled(&fence->base) &&
	       time_before(jiffies, deadline))
		dma_fence_wait_timeout(&fence->base, false, msecs_to_jiffies(TLB_SLICE_MS));
	if (!dma_fence_is_signaled(&fence->base))
		brgpu_tlb_timed_out(brgpu);
	/* A reset, a wedge or the removal ends it where the card does not. */
	dma_fence_wait(&fence->base, false);
	dma_fence_put(&fence->base);
}
