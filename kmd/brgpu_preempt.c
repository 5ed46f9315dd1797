// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include <drm/drm_exec.h>

#include "brgpu_device.h"
#include "brgpu_preempt.h"
#include "brgpu_trace.h"
#include "brgpu_userq.h"
#include "brgpu_vm.h"

/**
 * DOC: preemption
 *
 * Work of a user queue has no end that anybody may wait for. What memory management can wait for is
 * that the VM is off the hardware: a preempt fence stands on the VM's reservation and on those of
 * all shared buffers bound in it. Enabling its signalling (TTM does when it wants to move a buffer)
 * starts a work that preempts the VM's user queues, their state going to their save areas, and then
 * signals. That takes PREEMPT_MS and some slack at most: a queue that does not get out of the way
 * is killed, and where that fails the engines are reset. The work takes brgpu_userqs.lock and
 * reset_lock, under which nobody allocates, and no reservation.
 *
 * A second work brings the VM back: under vm->lock and all reservations it binds anew what moved,
 * arms a new fence, and lets the queues onto the hardware. A fence that was enabled meanwhile has
 * signalled already, or will see the queues: both sides decide under brgpu_userqs.lock.
 */

#define RESUME_RETRY_MS	50

struct brgpu_preempt_fence {
	struct dma_fence base;
	spinlock_t lock;	/* of base: it may outlive the VM */
	struct brgpu_vm *vm;	/* reference, until it signals */
};

static const char *preempt_driver_name(struct dma_fence *fence)
{
	return "brgpu";
}

static const char *preempt_timeline_name(struct dma_fence *fence)
{
	return "brgpu-preempt";
}

/* Not signalled, its lock is held: so its VM is there. */
static bool preempt_enable_signaling(struct dma_fence *fence)
{
	struct brgpu_vm *vm = container_of(fence, struct brgpu_preempt_fence, base)->vm;

	drm_gpuvm_get(&vm->base);
	if (!queue_work(vm->brgpu->userqs.wq, &vm->preempt.suspend_work))
		brgpu_vm_put(vm);
	return true;
}

static void preempt_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	/* These operations are the module's: it stays while a fence of it lives. */
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops preempt_fence_ops = {
	.get_driver_name = preempt_driver_name,
	.get_timeline_name = preempt_timeline_name,
	.enable_signaling = preempt_enable_signaling,
	.release = preempt_release,
};

bool brgpu_fence_is_preempt(struct dma_fence *fence)
{
	return fence->ops == &preempt_fence_ops;
}

static struct dma_fence *preempt_fence_get(struct brgpu_vm *vm)
{
	struct dma_fence *fence;

	spin_lock(&vm->preempt.lock);
	fence = vm->preempt.fence ? dma_fence_get(vm->preempt.fence) : NULL;
	spin_unlock(&vm->preempt.lock);
	return fence;
}

static void preempt_fence_signal(struct dma_fence *base)
{
	struct brgpu_preempt_fence *fence = container_of(base, struct brgpu_preempt_fence, base);
	struct brgpu_vm *vm = NULL;
	unsigned long flags;

	spin_lock_irqsave(&fence->lock, flags);
	/* Asked before, as newer kernels give no answer. */
	if (!test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &base->flags)) {
		dma_fence_signal_locked(base);
		vm = fence->vm;
		fence->vm = NULL;
	}
	spin_unlock_irqrestore(&fence->lock, flags);
	if (vm)
		brgpu_vm_put(vm);
}

static void preempt_suspend_work(struct work_struct *work)
{
	struct brgpu_vm *vm = container_of(work, struct brgpu_vm, preempt.suspend_work);
	const bool cookie = dma_fence_begin_signalling();
	struct dma_fence *fence;

	mutex_lock(&vm->brgpu->userqs.lock);
	brgpu_userq_suspend_vm(vm);
	trace_brgpu_preempt(vm->hw_id, true, vm->preempt.seqno);
	fence = preempt_fence_get(vm);
	if (fence) {
		preempt_fence_signal(fence);
		dma_fence_put(fence);
	}
	mutex_unlock(&vm->brgpu->userqs.lock);
	dma_fence_end_signalling(cookie);

	brgpu_vm_resume(vm);
	brgpu_vm_put(vm);
}

static void preempt_resume_work(struct work_struct *work)
{
	struct brgpu_vm *vm = container_of(work, struct brgpu_vm, preempt.resume_work.work);
	const int ret = brgpu_preempt_resume(vm);

	if (ret && !drm_dev_is_unplugged(&vm->brgpu->drm)) {
		/* Short of memory, most likely. */
		drm_dbg_driver(&vm->brgpu->drm, "VM %u can't run yet: %pe\n", vm->hw_id,
			       ERR_PTR(ret));
		drm_gpuvm_get(&vm->base);
		if (!queue_delayed_work(system_unbound_wq, &vm->preempt.resume_work,
					msecs_to_jiffies(RESUME_RETRY_MS)))
			brgpu_vm_put(vm);
	}
	brgpu_vm_put(vm);
}

static struct brgpu_preempt_fence *preempt_fence_alloc(void)
{
	struct brgpu_preempt_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	/* dma_fence_free() frees it all. */
	BUILD_BUG_ON(offsetof(struct brgpu_preempt_fence, base));
	if (fence)
		spin_lock_init(&fence->lock);
	return fence;
}

/* All is locked, and bound: from here on the VM runs, until the fence is enabled. */
static void preempt_arm(struct brgpu_vm *vm, struct brgpu_preempt_fence *fence,
			struct drm_exec *exec)
{
	struct dma_fence *old;

	__module_get(THIS_MODULE);
	drm_gpuvm_get(&vm->base);
	fence->vm = vm;
	dma_fence_init(&fence->base, &preempt_fence_ops, &fence->lock, vm->preempt.context,
		       ++vm->preempt.seqno);
	spin_lock(&vm->preempt.lock);
	old = vm->preempt.fence;
	vm->preempt.fence = &fence->base;
	spin_unlock(&vm->preempt.lock);
	dma_fence_put(old);
	brgpu_preempt_add_fence(vm, exec);
	trace_brgpu_preempt(vm->hw_id, false, vm->preempt.seqno);
}

/*
 * One attempt. *rebind: what moved is being bound anew; the caller waits for that without a lock,
 * as binds before it may wait for fences of others, and tries again.
 */
static int preempt_try_resume(struct brgpu_vm *vm, struct brgpu_preempt_fence **fence,
			      struct dma_fence **rebind)
{
	LIST_HEAD(userptrs);
	struct drm_exec exec;
	int ret = 0;

	if (!vm->user_queues || vm->closed || vm->stopped)
		return 0;
	if (vm->preempt.fence && !dma_fence_is_signaled(vm->preempt.fence))
		return 0; /* it runs */

	ret = brgpu_userptrs_prepare(vm, &userptrs);
	if (ret)
		goto finish;
	ret = brgpu_vm_lock_exec(vm, &exec, 0);
	if (!ret)
		ret = brgpu_bind_evicted(vm, &exec, &userptrs, 0, rebind);
	/* No process's memory is taken away until the fence that this would wait for is there. */
	if (!ret && !*rebind)
		ret = brgpu_userptrs_begin(vm);
	if (!ret && !*rebind) {
		preempt_arm(vm, *fence, &exec);
		*fence = NULL; /* the reservations' */
		brgpu_userptrs_end(vm);
		mutex_lock(&vm->brgpu->userqs.lock);
		/*
		 * Somebody may want the VM to stop again: then that has been seen to, or will be.
		 */
		if (!dma_fence_is_signaled(vm->preempt.fence))
			brgpu_userq_resume_vm(vm);
		mutex_unlock(&vm->brgpu->userqs.lock);
	}
	drm_exec_fini(&exec);
finish:
	brgpu_userptrs_finish(&userptrs);
	return ret;
}

int brgpu_preempt_resume(struct brgpu_vm *vm)
{
	struct brgpu_preempt_fence *fence = preempt_fence_alloc();
	struct dma_fence *rebind;
	bool again;
	int ret;

	if (!fence)
		return -ENOMEM;
	if (READ_ONCE(vm->brgpu->asleep)) {
		kfree(fence);
		return -EBUSY;
	}
	do {
		rebind = NULL;
		mutex_lock(&vm->lock);
		ret = preempt_try_resume(vm, &fence, &rebind);
		mutex_unlock(&vm->lock);
		again = ret == -EAGAIN || (!ret && rebind);
		if (rebind) {
			dma_fence_wait(rebind, false);
			/* What is mapped is not known, or the card has gone: nothing runs again. */
			if (dma_fence_get_status(rebind) < 0)
				again = false;
			dma_fence_put(rebind);
		}
	} while (again);
	kfree(fence);
	return ret;
}

void brgpu_preempt_disarm(struct brgpu_vm *vm)
{
	struct dma_fence *fence;

	lockdep_assert_held(&vm->lock);
	mutex_lock(&vm->brgpu->userqs.lock);
	vm->preempt.suspended = true;
	fence = preempt_fence_get(vm);
	if (fence) {
		preempt_fence_signal(fence);
		dma_fence_put(fence);
	}
	mutex_unlock(&vm->brgpu->userqs.lock);
}

void brgpu_preempt_add_fence(struct brgpu_vm *vm, struct drm_exec *exec)
{
	lockdep_assert_held(&vm->lock);
	if (vm->preempt.fence && !dma_fence_is_signaled(vm->preempt.fence))
		drm_gpuvm_resv_add_fence(&vm->base, exec, vm->preempt.fence,
					 DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_BOOKKEEP);
}

void brgpu_vm_preempt(struct brgpu_vm *vm)
{
	/* Jobs of queues have their fences there, and so has the preempt fence. */
	dma_resv_wait_timeout(drm_gpuvm_resv(&vm->base), DMA_RESV_USAGE_BOOKKEEP, false,
			      MAX_SCHEDULE_TIMEOUT);
}

void brgpu_vm_resume(struct brgpu_vm *vm)
{
	drm_gpuvm_get(&vm->base);
	if (!mod_delayed_work(system_unbound_wq, &vm->preempt.resume_work, 0))
		return;
	/* It was waiting already, with a reference of its own. */
	brgpu_vm_put(vm);
}

void brgpu_preempt_init(struct brgpu_vm *vm)
{
	struct brgpu_preempt *preempt = &vm->preempt;

	spin_lock_init(&preempt->lock);
	preempt->context = dma_fence_context_alloc(1);
	preempt->suspended = true;
	INIT_WORK(&preempt->suspend_work, preempt_suspend_work);
	INIT_DELAYED_WORK(&preempt->resume_work, preempt_resume_work);
}

/* The last reference to the VM went, so no work has one: none is queued. */
void brgpu_preempt_fini(struct brgpu_vm *vm)
{
	dma_fence_put(vm->preempt.fence);
}
