// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/slab.h>

#include "brgpu_core_packet.h"
#include "brgpu_coredump.h"
#include "brgpu_device.h"
#include "brgpu_fault.h"
#include "brgpu_hwq.h"
#include "brgpu_reset.h"
#include "brgpu_trace.h"

/**
 * DOC: kernel queues
 *
 * A kernel queue's ring, indices and completion value lie in one piece of coherent system memory
 * that only VM 0 reaches, so nothing that the driver trusts is writable by a shader. User packets
 * run by CALL inside the user's VM. Behind the calls of a job stands one SIGNAL that stores the
 * job's seqno into the completion value: that word is the only truth about what has completed.
 * Events and interrupts only say when to look.
 *
 * A queue stops for good when it is killed, by an error, by its watchdog or at its end. `stopped`
 * refuses new work; `finished` says that the hardware is at rest and every fence has signalled.
 */

/* The layout of the shared memory: one cache line for each word that two sides write. */
#define HWQ_DESC	0
#define HWQ_WRITE	128
#define HWQ_READ	192
#define HWQ_COMPLETION	256
#define HWQ_RING	4096
#define HWQ_BYTES	(HWQ_RING + (BRGPU_PACKET_BYTES << BRGPU_HWQ_RING_LOG2))

/* Beyond the hardware's own limit: what a slow virtual machine may add. */
#define HWQ_SLACK_MS	2000

static u64 *hwq_word(struct brgpu_hwq *hwq, u32 offset)
{
	return hwq->cpu + offset;
}

static u64 hwq_address(struct brgpu_hwq *hwq, u32 offset)
{
	return brgpu_vm0_system(hwq->dma + offset);
}

static u32 hwq_reg(struct brgpu_hwq *hwq, u32 offset)
{
	return BRGPU_REG_QUEUE(hwq->slot) + offset;
}

static const char *hwq_fence_driver_name(struct dma_fence *fence)
{
	return "brgpu";
}

static const char *hwq_fence_timeline_name(struct dma_fence *fence)
{
	return "brgpu-queue";
}

static void hwq_fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	/* These operations are the module's: it stays while a fence of it lives. */
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops hwq_fence_ops = {
	.get_driver_name = hwq_fence_driver_name,
	.get_timeline_name = hwq_fence_timeline_name,
	.release = hwq_fence_release,
};

struct brgpu_hwq_fence *brgpu_hwq_fence_alloc(void)
{
	struct brgpu_hwq_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	BUILD_BUG_ON(offsetof(struct brgpu_hwq_fence, base)); /* dma_fence_free() frees it all */
	if (fence)
		INIT_LIST_HEAD(&fence->link);
	return fence;
}

void brgpu_hwq_fence_free(struct brgpu_hwq_fence *fence)
{
	kfree(fence);
}

static bool hwq_state_is_at_rest(u32 status)
{
	const u32 state = status & BRGPU_QUEUE_STATE_MASK;

	/* All-ones: the card has gone, and with it what ran. */
	return status == U32_MAX ||
	       (!(status & BRGPU_QUEUE_BUSY) &&
		(state == BRGPU_QUEUE_STATE_UNMAPPED || state == BRGPU_QUEUE_STATE_ERROR));
}

int brgpu_hwq_map(struct brgpu_hwq *hwq)
{
	struct brgpu_device *brgpu = hwq->brgpu;
	struct brgpu_hw_queue_desc *desc = hwq->cpu + HWQ_DESC;
	unsigned long flags;
	u32 status;
	int ret;

	spin_lock_irqsave(&hwq->lock, flags);
	hwq->write_index = 0;
	WRITE_ONCE(*hwq_word(hwq, HWQ_WRITE), 0);
	WRITE_ONCE(*hwq_word(hwq, HWQ_READ), 0);
	memset(desc, 0, sizeof(*desc));
	desc->ring = hwq_address(hwq, HWQ_RING);
	desc->write_index = hwq_address(hwq, HWQ_WRITE);
	desc->read_index = hwq_address(hwq, HWQ_READ);
	desc->ring_log2 = BRGPU_HWQ_RING_LOG2;
	desc->ring_vm = 0;
	desc->vm = hwq->params.vm;
	desc->queue_class = hwq->params.queue_class;
	desc->priority = hwq->params.priority;
	desc->doorbell = hwq->slot; /* page 0 is the kernel's */
	spin_unlock_irqrestore(&hwq->lock, flags);

	brgpu_write64(brgpu, hwq_reg(hwq, BRGPU_QUEUE_DESC), hwq_address(hwq, HWQ_DESC));
	brgpu_write32(brgpu, hwq_reg(hwq, BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_MAP);
	ret = read_poll_timeout(brgpu_read32, status,
				!(status & BRGPU_QUEUE_BUSY) || status == U32_MAX, 20,
				(brgpu->ident.preempt_ms + HWQ_SLACK_MS) * 1000, false, brgpu,
				hwq_reg(hwq, BRGPU_QUEUE_STATUS));
	if (status == U32_MAX)
		return -ENODEV;
	if (ret) {
		drm_err(&brgpu->drm, "queue slot %u did not answer MAP (status 0x%x)\n", hwq->slot,
			status);
		return ret;
	}
	if (hwq_state_is_at_rest(status)) {
		drm_err(&brgpu->drm,
			"queue slot %u refused MAP: status 0x%x, error %u, fault 0x%x at 0x%llx\n",
			hwq->slot, status, brgpu_read32(brgpu, hwq_reg(hwq, BRGPU_QUEUE_ERROR)),
			brgpu_read32(brgpu, hwq_reg(hwq, BRGPU_QUEUE_FAULT_INFO)),
			brgpu_read64(brgpu, hwq_reg(hwq, BRGPU_QUEUE_DESC)));
		return -EIO;
	}

	spin_lock_irqsave(&hwq->lock, flags);
	hwq->stopped = false;
	hwq->held = false;
	hwq->finished = false;
	hwq->lost = false;
	hwq->error = BRGPU_QUEUE_ERROR_NONE;
	spin_unlock_irqrestore(&hwq->lock, flags);
	return 0;
}

/* Signals up to the completion value; the lock is held. */
static void hwq_process_locked(struct brgpu_hwq *hwq)
{
	const u64 value = READ_ONCE(*hwq_word(hwq, HWQ_COMPLETION));
	struct brgpu_hwq_fence *fence, *next;

	/* What the job wrote was visible before the value. */
	dma_rmb();
	list_for_each_entry_safe(fence, next, &hwq->pending, link) {
		if (fence->base.seqno > value)
			break;
		list_del_init(&fence->link);
		hwq->completed++;
		hwq->head_since = ktime_get();
		dma_fence_signal(&fence->base);
		dma_fence_put(&fence->base);
	}
}

bool brgpu_hwq_process(struct brgpu_hwq *hwq)
{
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&hwq->lock, flags);
	if (!hwq->finished)
		hwq_process_locked(hwq);
	idle = list_empty(&hwq->pending);
	spin_unlock_irqrestore(&hwq->lock, flags);
	return idle;
}

const void *brgpu_hwq_packet(const struct brgpu_hwq *hwq, u64 index)
{
	return hwq->cpu + HWQ_RING + brgpu_core_ring_offset(index, BRGPU_HWQ_RING_LOG2);
}

static void *hwq_next_slot(struct brgpu_hwq *hwq)
{
	return hwq->cpu + HWQ_RING +
	       brgpu_core_ring_offset(hwq->write_index++, BRGPU_HWQ_RING_LOG2);
}

int brgpu_hwq_submit(struct brgpu_hwq *hwq, const void *packets, u32 count,
		     struct brgpu_hwq_fence *fence)
{
	struct brgpu_device *brgpu = hwq->brgpu;
	unsigned long flags;
	int ret = 0, idx;
	u64 read;
	u32 i;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return -ENODEV;

	spin_lock_irqsave(&hwq->lock, flags);
	read = READ_ONCE(*hwq_word(hwq, HWQ_READ));
	if (hwq->stopped || hwq->held) {
		hwq->missed = hwq->held;
		ret = -ECANCELED;
	} else if (brgpu_core_ring_room(hwq->write_index, read, BRGPU_HWQ_RING_LOG2) < count + 1) {
		ret = -ENOSPC;
	} else {
		__module_get(THIS_MODULE);
		spin_lock_init(&fence->lock);
		dma_fence_init(&fence->base, &hwq_fence_ops, &fence->lock, hwq->context,
			       ++hwq->last_seqno);
		dma_fence_get(&fence->base);
		if (list_empty(&hwq->pending))
			hwq->head_since = ktime_get();
		list_add_tail(&fence->link, &hwq->pending);

		for (i = 0; i < count; i++)
			memcpy(hwq_next_slot(hwq), packets + (size_t)i * BRGPU_PACKET_BYTES,
			       BRGPU_PACKET_BYTES);
		brgpu_core_packet_signal(hwq_next_slot(hwq), 0, hwq_address(hwq, HWQ_COMPLETION),
					 fence->base.seqno, true, 0);
		/*
		 * The packets before the index that publishes them; the index before the doorbell.
		 */
		dma_wmb();
		WRITE_ONCE(*hwq_word(hwq, HWQ_WRITE), hwq->write_index);
		/* Also against what the doorbell makes the device read. */
		wmb();
		writel(1, brgpu->doorbells + BRGPU_DOORBELL_OFFSET(0, hwq->slot));
		trace_brgpu_submit(hwq->slot, fence->base.seqno, count + 1);
	}
	spin_unlock_irqrestore(&hwq->lock, flags);

	drm_dev_exit(idx);
	return ret;
}

u64 brgpu_hwq_busy_ns(struct brgpu_hwq *hwq)
{
	u64 busy = hwq->busy_ns;
	int idx;

	if (!hwq->finished && drm_dev_enter(&hwq->brgpu->drm, &idx)) {
		busy = brgpu_read64(hwq->brgpu, hwq_reg(hwq, BRGPU_QUEUE_BUSY_NS));
		if (busy == U64_MAX)
			busy = hwq->busy_ns;
		drm_dev_exit(idx);
	}
	return busy;
}

u64 brgpu_hwq_progress(struct brgpu_hwq *hwq)
{
	struct brgpu_device *brgpu = hwq->brgpu;
	u64 sum = 0;
	int idx;

	if (drm_dev_enter(&brgpu->drm, &idx)) {
		/*
		 * Each only grows, but for the packet's address, which differs from packet to
		 * packet.
		 */
		sum = brgpu_read64(brgpu, hwq_reg(hwq, BRGPU_QUEUE_READ_INDEX)) +
		      brgpu_read64(brgpu, hwq_reg(hwq, BRGPU_QUEUE_WORKGROUPS)) +
		      brgpu_read64(brgpu, hwq_reg(hwq, BRGPU_QUEUE_DISPATCHES)) +
		      brgpu_read64(brgpu, hwq_reg(hwq, BRGPU_QUEUE_PROGRESS)) +
		      brgpu_read64(brgpu, hwq_reg(hwq, BRGPU_QUEUE_PACKET));
		drm_dev_exit(idx);
	}
	return sum;
}

void brgpu_hwq_refuse(struct brgpu_hwq *hwq)
{
	unsigned long flags;

	spin_lock_irqsave(&hwq->lock, flags);
	hwq->stopped = true;
	spin_unlock_irqrestore(&hwq->lock, flags);
}

void brgpu_hwq_hold(struct brgpu_hwq *hwq)
{
	unsigned long flags;

	spin_lock_irqsave(&hwq->lock, flags);
	hwq->held = true;
	hwq->missed = false;
	spin_unlock_irqrestore(&hwq->lock, flags);
}

void brgpu_hwq_settle(struct brgpu_hwq *hwq, int fence_error)
{
	if (!brgpu_hwq_process(hwq))
		brgpu_hwq_finish(hwq, BRGPU_QUEUE_ERROR_RESET, fence_error, true);
}

void brgpu_hwq_resume(struct brgpu_hwq *hwq)
{
	unsigned long flags;
	bool keep, held;

	spin_lock_irqsave(&hwq->lock, flags);
	keep = !hwq->stopped && !hwq->missed;
	held = hwq->held;
	if (held && !keep) {
		hwq->stopped = true;
		hwq->held = false;
	}
	spin_unlock_irqrestore(&hwq->lock, flags);
	if (held && (!keep || brgpu_hwq_map(hwq)))
		brgpu_hwq_finish(hwq, BRGPU_QUEUE_ERROR_RESET, -ECANCELED, true);
}

void brgpu_hwq_finish(struct brgpu_hwq *hwq, u32 error, int fence_error, bool lost)
{
	struct brgpu_device *brgpu = hwq->brgpu;
	struct brgpu_hwq_fence *fence, *next;
	struct drm_brgpu_fault fault = {};
	unsigned long flags;
	u64 busy;
	int idx;

	busy = brgpu_hwq_busy_ns(hwq);
	if (drm_dev_enter(&brgpu->drm, &idx)) {
		brgpu_fault_read(brgpu, hwq->slot, error, &fault);
		drm_dev_exit(idx);
	}

	spin_lock_irqsave(&hwq->lock, flags);
	if (!hwq->finished) {
		hwq_process_locked(hwq);
		hwq->stopped = true;
		hwq->finished = true;
		hwq->error = error;
		hwq->lost = lost;
		hwq->busy_ns = busy;
		hwq->fault = fault;
		list_for_each_entry_safe(fence, next, &hwq->pending, link) {
			list_del_init(&fence->link);
			hwq->completed++;
			dma_fence_set_error(&fence->base, fence_error);
			dma_fence_signal(&fence->base);
			dma_fence_put(&fence->base);
		}
	}
	spin_unlock_irqrestore(&hwq->lock, flags);
}

/* Refuses work and brings the hardware to rest, on whatever rung of the ladder. */
static void hwq_kill(struct brgpu_hwq *hwq, u32 error)
{
	struct brgpu_device *brgpu = hwq->brgpu;
	u32 status;
	int idx;

	brgpu_hwq_refuse(hwq);
	trace_brgpu_queue_stop(hwq->slot, error);
	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	brgpu_write32(brgpu, hwq_reg(hwq, BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_KILL);
	if (read_poll_timeout(brgpu_read32, status, hwq_state_is_at_rest(status), 50,
			      (brgpu->ident.preempt_ms + HWQ_SLACK_MS) * 1000, false, brgpu,
			      hwq_reg(hwq, BRGPU_QUEUE_STATUS))) {
		drm_err(&brgpu->drm, "queue slot %u survived KILL (status 0x%x)\n", hwq->slot,
			status);
		brgpu_coredump_take(brgpu, hwq, false, "a queue could not be killed");
		brgpu_reset_card(brgpu, BRGPU_RESET_RUNG_ENGINES, hwq,
				 "a queue could not be killed");
	} else if (error != BRGPU_QUEUE_ERROR_KILLED && error != BRGPU_QUEUE_ERROR_RESET) {
		brgpu_coredump_take(brgpu, hwq, true,
				    error == DRM_BRGPU_QUEUE_ERROR_TIMEOUT ?
					    "a queue made no progress" :
					    "a queue stopped with an error");
	}
	drm_dev_exit(idx);
}

void brgpu_hwq_stop(struct brgpu_hwq *hwq, u32 error, int fence_error)
{
	struct brgpu_device *brgpu = hwq->brgpu;

	mutex_lock(&brgpu->reset_lock);
	if (!hwq->finished) {
		hwq_kill(hwq, error);
		brgpu_hwq_finish(hwq, error, fence_error, false);
	}
	mutex_unlock(&brgpu->reset_lock);
}

void brgpu_hwq_lose(struct brgpu_hwq *hwq)
{
	lockdep_assert_held(&hwq->brgpu->reset_lock);
	if (hwq->finished)
		return;
	hwq_kill(hwq, BRGPU_QUEUE_ERROR_RESET);
	brgpu_hwq_finish(hwq, BRGPU_QUEUE_ERROR_RESET, -ECANCELED, true);
}

static void hwq_error_work(struct work_struct *work)
{
	struct brgpu_hwq *hwq = container_of(work, struct brgpu_hwq, error_work);
	struct brgpu_device *brgpu = hwq->brgpu;
	u32 status, error;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	status = brgpu_read32(brgpu, hwq_reg(hwq, BRGPU_QUEUE_STATUS));
	error = brgpu_read32(brgpu, hwq_reg(hwq, BRGPU_QUEUE_ERROR));
	drm_dev_exit(idx);

	if (status != U32_MAX && !(status & BRGPU_QUEUE_BUSY) &&
	    (status & BRGPU_QUEUE_STATE_MASK) == BRGPU_QUEUE_STATE_ERROR) {
		drm_dbg_driver(&brgpu->drm, "queue slot %u stopped by error %u\n", hwq->slot,
			       error);
		atomic_inc(&brgpu->queue_resets);
		brgpu_hwq_stop(hwq, error, -EIO);
	}
}

struct brgpu_hwq *brgpu_hwq_create(struct brgpu_device *brgpu,
				   const struct brgpu_hwq_params *params)
{
	struct brgpu_hwq *hwq;
	int slot, ret, idx;

	BUILD_BUG_ON(HWQ_READ + 64 > HWQ_COMPLETION ||
		     sizeof(struct brgpu_hw_queue_desc) > HWQ_WRITE);

	hwq = kzalloc(sizeof(*hwq), GFP_KERNEL);
	if (!hwq)
		return ERR_PTR(-ENOMEM);
	hwq->brgpu = brgpu;
	hwq->params = *params;
	spin_lock_init(&hwq->lock);
	INIT_LIST_HEAD(&hwq->pending);
	INIT_WORK(&hwq->error_work, hwq_error_work);
	hwq->context = dma_fence_context_alloc(1);

	slot = ida_alloc_max(&brgpu->slot_ida, brgpu_kernel_slots(brgpu) - 1, GFP_KERNEL);
	if (slot < 0) {
		ret = slot;
		goto err_free;
	}
	hwq->slot = slot;

	hwq->cpu = brgpu_dma_alloc(brgpu, HWQ_BYTES, &hwq->dma);
	if (!hwq->cpu) {
		ret = -ENOMEM;
		goto err_slot;
	}

	spin_lock(&brgpu->slots_lock);
	rcu_assign_pointer(brgpu->slots[slot], hwq);
	spin_unlock(&brgpu->slots_lock);

	ret = -ENODEV;
	if (drm_dev_enter(&brgpu->drm, &idx)) {
		mutex_lock(&brgpu->reset_lock);
		if (brgpu->wedged)
			ret = -EIO;
		else if (brgpu->away)
			ret = -EAGAIN; /* it comes back, or is wedged, soon */
		else
			ret = brgpu_hwq_map(hwq);
		mutex_unlock(&brgpu->reset_lock);
		drm_dev_exit(idx);
	}
	if (ret) {
		hwq->finished = true;
		brgpu_hwq_destroy(hwq);
		return ERR_PTR(ret);
	}
	return hwq;

err_slot:
	ida_free(&brgpu->slot_ida, slot);
err_free:
	kfree(hwq);
	return ERR_PTR(ret);
}

void brgpu_hwq_destroy(struct brgpu_hwq *hwq)
{
	struct brgpu_device *brgpu = hwq->brgpu;

	brgpu_hwq_stop(hwq, BRGPU_QUEUE_ERROR_KILLED, -ECANCELED);

	spin_lock(&brgpu->slots_lock);
	RCU_INIT_POINTER(brgpu->slots[hwq->slot], NULL);
	spin_unlock(&brgpu->slots_lock);
	/* Event handlers that found it in the table have left it. */
	synchronize_rcu();
	cancel_work_sync(&hwq->error_work);

	brgpu_dma_free(brgpu, HWQ_BYTES, hwq->cpu);
	ida_free(&brgpu->slot_ida, hwq->slot);
	kfree(hwq);
}
