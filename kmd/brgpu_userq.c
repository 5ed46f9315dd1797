// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include <brgpu/hw/queue.h>

#include "brgpu_device.h"
#include "brgpu_doorbell.h"
#include "brgpu_trace.h"
#include "brgpu_userq.h"
#include "brgpu_vm.h"

/**
 * DOC: user-mode queues
 *
 * A user-mode queue is a queue of the hardware whose ring and indices the client writes itself, in
 * its own VM; it rings a doorbell that it has mapped. The kernel is not asked, so it knows nothing
 * of the work, and no dma-fence is ever made of it. Whatever a client does to ring, indices and
 * doorbell, it does to its own queue: the hardware checks them, all addresses are the VM's, and
 * nothing that the kernel trusts is there.
 *
 * Their slots are the upper part of the hardware's, so that the kernel's queues always find one.
 */

/*
 * Room for the state of 16 workgroups of 1024 work-items, with their local memory and some stack.
 * What needs more is given PREEMPT_MS to finish and is stopped then (error PREEMPT).
 */
#define USERQ_SAVE_COMPUTE	SZ_16M
/* A copy's state is some numbers. */
#define USERQ_SAVE_COPY		SZ_64K

int brgpu_userqs_init(struct brgpu_device *brgpu)
{
	struct brgpu_userqs *userqs = &brgpu->userqs;
	int ret;

	mutex_init(&userqs->lock);
	INIT_LIST_HEAD(&userqs->queues);
	INIT_DELAYED_WORK(&userqs->turn_work, brgpu_userq_turn_work);
	INIT_DELAYED_WORK(&userqs->watch_work, brgpu_userq_watch_work);
	init_rwsem(&brgpu->doorbells_sem);
	ida_init(&brgpu->doorbell_ida);
	userqs->first = brgpu_kernel_slots(brgpu);
	userqs->count = brgpu->ident.queues - userqs->first;

	userqs->slots = kcalloc(userqs->count, sizeof(*userqs->slots), GFP_KERNEL);
	if (!userqs->slots)
		return -ENOMEM;
	/* Fences of preemption depend on it. */
	userqs->wq = alloc_workqueue("brgpu-userq", WQ_MEM_RECLAIM | WQ_UNBOUND | WQ_HIGHPRI, 0);
	ret = userqs->wq ? brgpu_save_init(brgpu) : -ENOMEM;
	if (!ret)
		return 0;
	if (userqs->wq)
		destroy_workqueue(userqs->wq);
	kfree(userqs->slots);
	return ret;
}

void brgpu_userqs_fini(struct brgpu_device *brgpu)
{
	struct brgpu_userqs *userqs = &brgpu->userqs;

	brgpu_userqs_stop(brgpu);
	brgpu_save_fini(brgpu);
	destroy_workqueue(userqs->wq);
	kfree(userqs->slots);
	ida_destroy(&brgpu->doorbell_ida);
	mutex_destroy(&userqs->lock);
}

void brgpu_userqs_stop(struct brgpu_device *brgpu)
{
	cancel_delayed_work_sync(&brgpu->userqs.turn_work);
	cancel_delayed_work_sync(&brgpu->userqs.watch_work);
}

bool brgpu_userq_is_stopped(struct brgpu_userq *userq)
{
	return READ_ONCE(userq->stopped) || userq->brgpu->wedged;
}

struct brgpu_userq *brgpu_userq_create(struct brgpu_file *file, struct brgpu_vm *vm,
				       const struct drm_brgpu_queue_create *args)
{
	struct brgpu_device *brgpu = file->brgpu;
	struct brgpu_userq *userq;
	int ret;

	userq = kzalloc(sizeof(*userq), GFP_KERNEL_ACCOUNT);
	if (!userq)
		return ERR_PTR(-ENOMEM);
	userq->brgpu = brgpu;
	userq->file = file;
	userq->vm = vm;
	userq->ring = args->ring_va;
	userq->write_index = args->write_index_va;
	userq->read_index = args->read_index_va;
	userq->ring_log2 = args->ring_log2;
	userq->flags = args->flags;
	userq->watchdog_ms = args->timeout_ms;
	userq->queue_class = args->queue_class;
	userq->priority = args->priority;
	userq->slot = -1;
	userq->since_ns = ktime_get_ns();
	spin_lock_init(&userq->lock);
	INIT_LIST_HEAD(&userq->link);
	INIT_WORK(&userq->look_work, brgpu_userq_look_work);
	INIT_WORK(&userq->fault_work, brgpu_userq_fault_work);

	userq->desc = brgpu_dma_alloc(brgpu, sizeof(struct brgpu_hw_queue_desc), &userq->desc_dma);
	if (!userq->desc) {
		ret = -ENOMEM;
		goto err_free;
	}
	ret = brgpu_save_area_create(brgpu, &userq->save,
				     args->queue_class == DRM_BRGPU_QUEUE_COPY ?
					     USERQ_SAVE_COPY : USERQ_SAVE_COMPUTE);
	if (ret)
		goto err_desc;
	ret = brgpu_doorbell_get(file, &userq->doorbell_slot);
	if (ret < 0)
		goto err_save;
	userq->doorbell = ret;
	return userq;

err_save:
	brgpu_save_area_destroy(brgpu, &userq->save);
err_desc:
	brgpu_dma_free(brgpu, sizeof(struct brgpu_hw_queue_desc), userq->desc);
err_free:
	kfree(userq);
	return ERR_PTR(ret);
}

int brgpu_userq_start(struct brgpu_userq *userq, u32 id)
{
	struct brgpu_userqs *userqs = &userq->brgpu->userqs;
	struct brgpu_vm *vm = userq->vm;
	int ret;

	userq->id = id;
	mutex_lock(&vm->lock);
	vm->user_queues++;
	mutex_unlock(&vm->lock);
	mutex_lock(&userqs->lock);
	list_add_tail(&userq->link, &userqs->queues);
	mutex_unlock(&userqs->lock);
	atomic_inc(&userqs->queue_count);

	/* The first of the VM arms its preempt fence. */
	ret = brgpu_preempt_resume(vm);
	if (ret)
		return ret;
	mutex_lock(&userqs->lock);
	brgpu_userq_fill_slots(userq->brgpu);
	mutex_unlock(&userqs->lock);
	queue_delayed_work(userqs->wq, &userqs->watch_work, 0);
	return 0;
}

void brgpu_userq_close(struct brgpu_userq *userq)
{
	struct brgpu_device *brgpu = userq->brgpu;
	struct brgpu_userqs *userqs = &brgpu->userqs;
	struct brgpu_vm *vm = userq->vm;

	mutex_lock(&userqs->lock);
	brgpu_userq_stop(userq, BRGPU_QUEUE_ERROR_KILLED);
	if (!list_empty(&userq->link)) {
		list_del_init(&userq->link);
		atomic_dec(&userqs->queue_count);
		brgpu_userq_fill_slots(brgpu);
		mutex_unlock(&userqs->lock);
		mutex_lock(&vm->lock);
		if (!--vm->user_queues)
			brgpu_preempt_disarm(vm);
		mutex_unlock(&vm->lock);
	} else {
		mutex_unlock(&userqs->lock);
	}
	brgpu_doorbell_put(userq->file, userq->doorbell_slot);
}

void brgpu_userq_free(struct brgpu_userq *userq)
{
	struct brgpu_device *brgpu = userq->brgpu;

	/* Event handlers that found it in the table have left it. */
	synchronize_rcu();
	cancel_work_sync(&userq->look_work);
	cancel_work_sync(&userq->fault_work);
	brgpu_save_area_destroy(brgpu, &userq->save);
	brgpu_dma_free(brgpu, sizeof(struct brgpu_hw_queue_desc), userq->desc);
	kfree(userq);
}

void brgpu_userq_ring(struct brgpu_userq *userq)
{
	writel(1, userq->brgpu->doorbells + userq->doorbell * sizeof(u64));
}

u64 brgpu_userq_busy_ns(struct brgpu_userq *userq)
{
	struct brgpu_userq_counters counters;
	unsigned long flags;

	spin_lock_irqsave(&userq->lock, flags);
	brgpu_userq_count(userq, &counters);
	spin_unlock_irqrestore(&userq->lock, flags);
	return counters.busy_ns;
}

void brgpu_userq_get_state(struct brgpu_userq *userq, struct drm_brgpu_queue_get_state *args)
{
	struct brgpu_device *brgpu = userq->brgpu;
	struct brgpu_userq_counters counters;
	unsigned long flags;
	u64 read;
	int idx;

	mutex_lock(&brgpu->userqs.lock);
	args->completed = userq->packets;
	if (userq->slot >= 0 && drm_dev_enter(&brgpu->drm, &idx)) {
		read = brgpu_read64(brgpu,
				    BRGPU_REG_QUEUE(userq->slot) + BRGPU_QUEUE_READ_INDEX);
		if (read != U64_MAX)
			args->completed = read;
		drm_dev_exit(idx);
	}
	spin_lock_irqsave(&userq->lock, flags);
	brgpu_userq_count(userq, &counters);
	args->state = !userq->stopped ? DRM_BRGPU_STATE_OK :
		      userq->lost ? DRM_BRGPU_STATE_LOST : DRM_BRGPU_STATE_STOPPED;
	args->error = userq->error;
	args->fault = userq->fault;
	spin_unlock_irqrestore(&userq->lock, flags);
	mutex_unlock(&brgpu->userqs.lock);
	/* What the client has written to its ring is its own affair. */
	args->submitted = 0;
	args->busy_ns = counters.busy_ns;
	if (args->state == DRM_BRGPU_STATE_OK && brgpu->wedged)
		args->state = DRM_BRGPU_STATE_LOST;
}
