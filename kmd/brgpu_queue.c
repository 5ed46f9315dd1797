// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/slab.h>

#include <drm/drm_auth.h>

#include "brgpu_core_packet.h"
#include "brgpu_device.h"
#include "brgpu_queue.h"
#include "brgpu_vm.h"

struct brgpu_queue *brgpu_queue_get(struct brgpu_queue *queue)
{
	kref_get(&queue->refs);
	return queue;
}

struct brgpu_queue *brgpu_queue_lookup(struct brgpu_file *file, u32 id)
{
	struct brgpu_queue *queue;

	xa_lock(&file->queues);
	queue = xa_load(&file->queues, id);
	if (queue)
		brgpu_queue_get(queue);
	xa_unlock(&file->queues);
	return queue;
}

static void queue_release_work(struct work_struct *work)
{
	struct brgpu_queue *queue = container_of(work, struct brgpu_queue, release_work);
	struct brgpu_device *brgpu = queue->brgpu;

	if (queue->userq) {
		brgpu_userq_free(queue->userq);
	} else {
		drm_sched_fini(&queue->sched);
		brgpu_hwq_destroy(queue->hwq);
	}
	brgpu_vm_put(queue->vm);
	kfree(queue);
	drm_dev_put(&brgpu->drm);
	/* The module's end drains this work's queue. */
	module_put(THIS_MODULE);
}

static void queue_release(struct kref *refs)
{
	struct brgpu_queue *queue = container_of(refs, struct brgpu_queue, refs);

	/* The last job is freed by the scheduler itself, which can't end from there. */
	queue_work(brgpu_release_wq, &queue->release_work);
}

void brgpu_queue_put(struct brgpu_queue *queue)
{
	kref_put(&queue->refs, queue_release);
}

u64 brgpu_queue_busy_ns(struct brgpu_queue *queue)
{
	return queue->userq ? brgpu_userq_busy_ns(queue->userq) : brgpu_hwq_busy_ns(queue->hwq);
}

u32 brgpu_queue_class(struct brgpu_queue *queue)
{
	return queue->userq ? queue->userq->queue_class : queue->hwq->params.queue_class;
}

bool brgpu_queue_is_stopped(struct brgpu_queue *queue)
{
	return queue->userq ? brgpu_userq_is_stopped(queue->userq) :
			      READ_ONCE(queue->hwq->stopped) || queue->brgpu->wedged;
}

static void queue_close_kernel(struct brgpu_queue *queue)
{
	/*
	 * A submission under way has either pushed its job or will see that the queue is stopped.
	 */
	mutex_lock(&queue->vm->lock);
	brgpu_hwq_refuse(queue->hwq);
	mutex_unlock(&queue->vm->lock);

	brgpu_hwq_stop(queue->hwq, BRGPU_QUEUE_ERROR_KILLED, -ECANCELED);
	/* What waits for fences is dropped; what could run is refused by the stopped queue. */
	drm_sched_entity_destroy(&queue->entity);
}

void brgpu_queue_close(struct brgpu_file *file, struct brgpu_queue *queue)
{
	if (queue->userq)
		brgpu_userq_close(queue->userq);
	else
		queue_close_kernel(queue);
	atomic64_add(brgpu_queue_busy_ns(queue), &file->busy_ns[brgpu_queue_class(queue)]);
	atomic_dec(&queue->vm->queues);
	atomic_dec(&queue->brgpu->queue_count);
	brgpu_queue_put(queue);
}

static int queue_init_kernel(struct brgpu_queue *queue, struct brgpu_vm *vm,
			     const struct drm_brgpu_queue_create *args)
{
	const struct brgpu_hwq_params params = {
		.vm = vm->hw_id,
		.queue_class = args->queue_class,
		.priority = args->priority,
	};
	int ret;

	queue->hwq = brgpu_hwq_create(queue->brgpu, &params);
	if (IS_ERR(queue->hwq))
		return PTR_ERR(queue->hwq);
	ret = brgpu_sched_init(queue, args->timeout_ms ?: BRGPU_JOB_TIMEOUT_MS);
	if (ret)
		brgpu_hwq_destroy(queue->hwq);
	return ret;
}

static struct brgpu_queue *queue_create(struct brgpu_file *file, struct brgpu_vm *vm,
					const struct drm_brgpu_queue_create *args)
{
	struct brgpu_device *brgpu = file->brgpu;
	struct brgpu_queue *queue;
	int ret;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return ERR_PTR(-ENOMEM);
	kref_init(&queue->refs);
	queue->brgpu = brgpu;
	INIT_WORK(&queue->release_work, queue_release_work);

	if (args->flags & DRM_BRGPU_QUEUE_USER) {
		queue->userq = brgpu_userq_create(file, vm, args);
		ret = PTR_ERR_OR_ZERO(queue->userq);
	} else {
		ret = queue_init_kernel(queue, vm, args);
	}
	if (ret) {
		kfree(queue);
		return ERR_PTR(ret);
	}
	drm_gpuvm_get(&vm->base);
	queue->vm = vm;
	/*
	 * Until the release work is done: a job may wait for a fence long after its file is closed.
	 */
	drm_dev_get(&brgpu->drm);
	__module_get(THIS_MODULE);
	return queue;
}

int brgpu_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_queue_create *args = data;
	struct brgpu_queue *queue;
	const char *why = "";
	struct brgpu_vm *vm;
	int ret, idx;

	ret = brgpu_core_check_queue_create(args, &brgpu->limits, &why);
	if (ret)
		return brgpu_refuse(brgpu, "QUEUE_CREATE", ret, "%s", why);
	if (args->priority == DRM_BRGPU_PRIORITY_HIGH && !capable(CAP_SYS_NICE) &&
	    !drm_is_current_master(file))
		return brgpu_refuse(brgpu, "QUEUE_CREATE", -EACCES,
				    "priority HIGH needs CAP_SYS_NICE");

	/* Under the lock so that VM_DESTROY sees the queue or this call sees no VM. */
	xa_lock(&priv->vms);
	vm = xa_load(&priv->vms, args->vm_id);
	if (vm) {
		drm_gpuvm_get(&vm->base);
		atomic_inc(&vm->queues);
	}
	xa_unlock(&priv->vms);
	if (!vm)
		return brgpu_refuse(brgpu, "QUEUE_CREATE", -ENOENT, "no VM %u", args->vm_id);

	/* No fence may depend on what runs in a long-running VM, and no end is set to it. */
	ret = brgpu_core_check_queue_vm(args, vm->flags, &why);
	if (ret) {
		brgpu_refuse(brgpu, "QUEUE_CREATE", ret, "%s", why);
		goto put_vm;
	}
	ret = -ENODEV;
	if (!drm_dev_enter(drm, &idx))
		goto put_vm;
	queue = queue_create(priv, vm, args);
	drm_dev_exit(idx);
	if (IS_ERR(queue)) {
		ret = brgpu_refuse(brgpu, "QUEUE_CREATE", PTR_ERR(queue),
				   "no hardware queue to be had");
		goto put_vm;
	}

	atomic_inc(&brgpu->queue_count);
	/* Two steps: the id must be known to the queue before anybody can find it. */
	ret = xa_alloc(&priv->queues, &queue->id, NULL, XA_LIMIT(1, BRGPU_FILE_QUEUES), GFP_KERNEL);
	if (ret) {
		brgpu_queue_close(priv, queue);
		brgpu_vm_put(vm);
		ret = ret == -EBUSY ? -ENOSPC : ret;
		return brgpu_refuse(brgpu, "QUEUE_CREATE", ret, "too many queues in this file");
	}
	args->queue_id = queue->id;
	args->doorbell_offset = 0;
	args->doorbell_slot = 0;
	if (queue->userq) {
		ret = brgpu_userq_start(queue->userq, queue->id);
		if (ret) {
			xa_erase(&priv->queues, queue->id);
			brgpu_queue_close(priv, queue);
			brgpu_vm_put(vm);
			return brgpu_refuse(brgpu, "QUEUE_CREATE", ret, "the VM can't run");
		}
		args->doorbell_offset = brgpu_doorbell_offset(priv);
		args->doorbell_slot = queue->userq->doorbell_slot;
	} else {
		WRITE_ONCE(queue->hwq->owner_id, queue->id);
	}
	xa_store(&priv->queues, queue->id, queue, GFP_KERNEL);
	brgpu_vm_put(vm);
	return 0;

put_vm:
	atomic_dec(&vm->queues);
	brgpu_vm_put(vm);
	return ret;
}

int brgpu_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_queue_destroy *args = data;
	struct brgpu_queue *queue;
	const char *why = "";
	int ret;

	ret = brgpu_core_check_queue_destroy(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "QUEUE_DESTROY", ret, "%s", why);
	xa_lock(&priv->queues);
	/* Not erased at once: an id that QUEUE_CREATE has reserved would be given out twice. */
	queue = xa_load(&priv->queues, args->queue_id);
	if (queue)
		__xa_erase(&priv->queues, args->queue_id);
	xa_unlock(&priv->queues);
	if (!queue)
		return brgpu_refuse(brgpu, "QUEUE_DESTROY", -ENOENT, "no queue %u", args->queue_id);
	brgpu_queue_close(priv, queue);
	return 0;
}

int brgpu_queue_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_queue_get_state *args = data;
	struct brgpu_queue *queue;
	struct brgpu_hwq *hwq;
	const char *why = "";
	unsigned long flags;
	int ret;

	ret = brgpu_core_check_queue_get_state(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "QUEUE_GET_STATE", ret, "%s", why);
	queue = brgpu_queue_lookup(priv, args->queue_id);
	if (!queue)
		return brgpu_refuse(brgpu, "QUEUE_GET_STATE", -ENOENT, "no queue %u",
				    args->queue_id);

	hwq = queue->hwq;
	if (queue->userq) {
		brgpu_userq_get_state(queue->userq, args);
	} else {
		args->busy_ns = brgpu_hwq_busy_ns(hwq);
		spin_lock_irqsave(&hwq->lock, flags);
		args->state = !hwq->stopped ? DRM_BRGPU_STATE_OK :
			      hwq->lost ? DRM_BRGPU_STATE_LOST : DRM_BRGPU_STATE_STOPPED;
		args->error = hwq->error;
		args->fault = hwq->fault;
		args->completed = hwq->completed;
		spin_unlock_irqrestore(&hwq->lock, flags);
		args->completed += atomic64_read(&queue->dropped);
		args->submitted = atomic64_read(&queue->submitted);
	}
	args->fault.info &= ~BRGPU_FAULT_INFO_VM_MASK;
	args->fault.queue_id = args->fault.info ? args->queue_id : 0;
	brgpu_queue_put(queue);
	return 0;
}
