/* SPDX-License-Identifier: GPL-2.0 */
/* A kernel queue of the hardware: slot, ring, completion value. */
#ifndef BRGPU_HWQ_H
#define BRGPU_HWQ_H

#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <brgpu/hw/queue.h>
#include <drm/brgpu_drm.h>

struct brgpu_device;

#define BRGPU_HWQ_RING_LOG2	10	/* packets */
/*
 * Packets in flight, SIGNALs included: half a ring. A job's completion is seen before the read
 * index behind its last packet, and a job must never wait for room.
 */
#define BRGPU_HWQ_CREDITS	(1u << (BRGPU_HWQ_RING_LOG2 - 1))

struct brgpu_hwq_params {
	u32 vm;			/* hardware id; 0: the kernel's own work */
	u8 queue_class;		/* enum brgpu_queue_class */
	u8 priority;		/* enum brgpu_queue_priority */
};

/*
 * Signals when the queue's completion value has reached its seqno. Allocated before a job is armed.
 */
struct brgpu_hwq_fence {
	struct dma_fence base;
	struct list_head link;	/* in brgpu_hwq.pending */
	spinlock_t lock;	/* of base: it may outlive the queue */
};

struct brgpu_hwq {
	struct brgpu_device *brgpu;
	struct brgpu_hwq_params params;
	u32 slot;
	u32 owner_id; /* the client's id of it, for fault reports; 0: the kernel's */

	/* Protects all below. Fence locks are taken inside it. */
	spinlock_t lock;
	struct list_head pending;	/* brgpu_hwq_fence, in order of seqno */
	u64 context;
	u64 last_seqno;			/* submitted */
	u64 write_index;
	u64 completed;			/* fences signalled, with an error too */
	ktime_t head_since;		/* when the oldest pending fence became that */
	bool stopped;			/* takes no work any more */
	bool held;			/* takes none while the card is reset or asleep */
	bool missed;			/* work came while it was held */
	bool finished;			/* stopped, and every fence has signalled */
	bool lost;			/* by a reset that another queue caused */
	u32 error; /* enum brgpu_queue_error, or DRM_BRGPU_QUEUE_ERROR_TIMEOUT */
	u64 busy_ns;			/* final, once finished */
	struct drm_brgpu_fault fault;	/* that stopped it; info with VM bits, queue_id unused */

	/* Shared with the device: descriptor, indices, completion value, ring. */
	void *cpu;
	dma_addr_t dma;

	/* An error event said to look at it. */
	struct work_struct error_work;
};

struct brgpu_hwq *brgpu_hwq_create(struct brgpu_device *brgpu,
				   const struct brgpu_hwq_params *params);
/* Stops it with ECANCELED where it is still running. Sleeps; not from reset_wq. */
void brgpu_hwq_destroy(struct brgpu_hwq *hwq);

struct brgpu_hwq_fence *brgpu_hwq_fence_alloc(void);
/* Of a fence that was not submitted. */
void brgpu_hwq_fence_free(struct brgpu_hwq_fence *fence);

/*
 * Copies `count` packets into the ring, appends the SIGNAL for `fence`, and rings. Takes over the
 * reference to fence; the caller gets one more. Atomic, allocates nothing. -ECANCELED: stopped;
 * -ENODEV: the card has gone; -ENOSPC: no room, which credits exclude. On error the fence stays the
 * caller's.
 */
int brgpu_hwq_submit(struct brgpu_hwq *hwq, const void *packets, u32 count,
		     struct brgpu_hwq_fence *fence);

/* The packet of that index in its ring: what stands there now. */
const void *brgpu_hwq_packet(const struct brgpu_hwq *hwq, u64 index);

/* Signals what has completed. Any context. True: nothing is pending. */
bool brgpu_hwq_process(struct brgpu_hwq *hwq);

/*
 * Kills it alone and signals what it did not complete with fence_error. `error` is what GET_STATE
 * will say. Does nothing when it is stopped already. Sleeps, allocates nothing: fences depend on
 * it.
 */
void brgpu_hwq_stop(struct brgpu_hwq *hwq, u32 error, int fence_error);

/* Kills a queue that did nothing wrong: it is LOST. reset_lock is held. */
void brgpu_hwq_lose(struct brgpu_hwq *hwq);

/* What a watchdog compares: changes while the queue gets anywhere. */
u64 brgpu_hwq_progress(struct brgpu_hwq *hwq);
u64 brgpu_hwq_busy_ns(struct brgpu_hwq *hwq);

/*
 * For resets and unplug: refuse work; then, with the hardware at rest, fail what is left.
 */
void brgpu_hwq_refuse(struct brgpu_hwq *hwq);
void brgpu_hwq_finish(struct brgpu_hwq *hwq, u32 error, int fence_error, bool lost);
/* Maps the slot (again): indices start at zero. -EIO, -ETIMEDOUT, -ENODEV. */
int brgpu_hwq_map(struct brgpu_hwq *hwq);

/*
 * A reset or a suspend, reset_lock is held: hold refuses work; with the hardware at rest, settle
 * fails a queue that had work, as lost by `fence_error`; resume maps one that had none, whose owner
 * notices nothing. A queue that got work meanwhile, or is not to be had again, is lost too.
 */
void brgpu_hwq_hold(struct brgpu_hwq *hwq);
void brgpu_hwq_settle(struct brgpu_hwq *hwq, int fence_error);
void brgpu_hwq_resume(struct brgpu_hwq *hwq);

#endif /* BRGPU_HWQ_H */
