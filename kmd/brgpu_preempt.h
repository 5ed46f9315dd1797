/* SPDX-License-Identifier: GPL-2.0 */
/* Bringing a VM to rest, and back to work. */
#ifndef BRGPU_PREEMPT_H
#define BRGPU_PREEMPT_H

#include <linux/dma-fence.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct brgpu_vm;
struct drm_exec;

/* Of a long-running VM. A VM begins suspended, and is again when its last user queue has gone. */
struct brgpu_preempt {
	/* Protects fence. */
	spinlock_t lock;
	/* The last that was armed, or NULL. At most one is not signalled. */
	struct dma_fence *fence;
	u64 context;
	u64 seqno;			/* under vm->lock */
	/* Under brgpu_userqs.lock: none of its queues is on the hardware, or may be put there. */
	bool suspended;
	struct work_struct suspend_work;	/* on brgpu_userqs.wq: a fence depends on it */
	struct delayed_work resume_work;	/* takes vm->lock and reservations */
};

void brgpu_preempt_init(struct brgpu_vm *vm);
void brgpu_preempt_fini(struct brgpu_vm *vm);

/*
 * Brings the VM to rest: when it returns, no job and no user queue of it uses its mappings any
 * more, until brgpu_vm_resume() or, for a long-running VM, until it has come back by itself: its
 * user queues are preempted, and a work binds what is evicted or invalid anew and maps them again.
 * So whoever takes memory away first marks what has to be bound anew, then calls this, then takes
 * it away; in a way that binding waits for (a reservation, or a lock of its own).
 *
 * Sleeps for a bounded time. Takes no reservation and allocates nothing: it may be called with a
 * reservation held, from an MMU notifier that may block, and from reclaim.
 */
void brgpu_vm_preempt(struct brgpu_vm *vm);

/*
 * Has the VM look soon whether it can run: binds what is evicted or invalid, arms a new preempt
 * fence and maps the queues. Needed only where something that made that fail has changed. Any
 * context.
 */
void brgpu_vm_resume(struct brgpu_vm *vm);

/* Internal to queues and binds. */

/* As the work does, at once. Not with vm->lock or a reservation held. */
int brgpu_preempt_resume(struct brgpu_vm *vm);
/* The last user queue has gone, vm->lock is held: nothing is left to wait for. */
void brgpu_preempt_disarm(struct brgpu_vm *vm);
/* Puts the armed fence on all that is locked by `exec`; vm->lock is held. */
void brgpu_preempt_add_fence(struct brgpu_vm *vm, struct drm_exec *exec);
/* Whether a fence is a preempt fence of a VM of this driver. */
bool brgpu_fence_is_preempt(struct dma_fence *fence);

#endif /* BRGPU_PREEMPT_H */
