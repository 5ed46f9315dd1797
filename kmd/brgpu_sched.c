// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include <drm/drm_exec.h>

#include "brgpu_core_packet.h"
#include "brgpu_device.h"
#include "brgpu_queue.h"
#include "brgpu_sync.h"
#include "brgpu_trace.h"
#include "brgpu_vm.h"

/**
 * DOC: submission
 *
 * Each queue has a scheduler of its own, which holds jobs back until their fences have signalled
 * and the ring has room (a credit is a packet). A job's packets are built in the call; running it
 * copies them into the ring. The watchdog first looks at the completion value, in case an interrupt
 * was lost, then at whether the queue gets anywhere; it kills the queue after the queue's timeout
 * without progress, and after the job limit in any case, so that every fence signals in bounded
 * time.
 */

struct brgpu_job {
	struct drm_sched_job base;
	struct brgpu_queue *queue;	/* reference */
	struct brgpu_hwq_fence *fence;	/* NULL once submitted */
	u32 count;
	u8 packets[];			/* CALLs */
};

static struct brgpu_job *to_job(struct drm_sched_job *job)
{
	return container_of(job, struct brgpu_job, base);
}

static void job_free(struct brgpu_job *job)
{
	brgpu_hwq_fence_free(job->fence);
	brgpu_queue_put(job->queue);
	kvfree(job);
}

static struct dma_fence *sched_run_job(struct drm_sched_job *sched_job)
{
	struct brgpu_job *job = to_job(sched_job);
	struct dma_fence *fence = &job->fence->base;
	int ret;

	ret = brgpu_hwq_submit(job->queue->hwq, job->packets, job->count, job->fence);
	if (ret) {
		atomic64_inc(&job->queue->dropped);
		return ERR_PTR(ret);
	}
	job->fence = NULL;
	return fence;
}

static enum drm_gpu_sched_stat sched_timedout_job(struct drm_sched_job *sched_job)
{
	struct brgpu_queue *queue = to_job(sched_job)->queue;
	struct brgpu_device *brgpu = queue->brgpu;
	struct brgpu_hwq *hwq = queue->hwq;
	u64 progress, seqno;
	unsigned long flags;
	s64 running_ms;

	brgpu_compat_sched_keep_job(sched_job);
	if (brgpu_hwq_process(hwq))
		return BRGPU_SCHED_STAT_KEEP;

	spin_lock_irqsave(&hwq->lock, flags);
	running_ms = ktime_ms_delta(ktime_get(), hwq->head_since);
	seqno = hwq->last_seqno;
	spin_unlock_irqrestore(&hwq->lock, flags);
	progress = brgpu_hwq_progress(hwq);
	if ((progress != queue->last_progress || seqno != queue->last_seqno) &&
	    running_ms < BRGPU_JOB_LIMIT_MS) {
		queue->last_progress = progress;
		queue->last_seqno = seqno;
		return BRGPU_SCHED_STAT_KEEP;
	}

	drm_warn(&brgpu->drm, "queue %u of VM %u stopped: %s after %lld ms\n", queue->id,
		 queue->vm->hw_id, running_ms < BRGPU_JOB_LIMIT_MS ? "no progress" : "job limit",
		 running_ms);
	atomic_inc(&brgpu->queue_resets);
	brgpu_hwq_stop(hwq, DRM_BRGPU_QUEUE_ERROR_TIMEOUT, -ETIME);
	return BRGPU_SCHED_STAT_KEEP;
}

static void sched_free_job(struct drm_sched_job *sched_job)
{
	drm_sched_job_cleanup(sched_job);
	job_free(to_job(sched_job));
}

static const struct drm_sched_backend_ops sched_ops = {
	.run_job = sched_run_job,
	.timedout_job = sched_timedout_job,
	.free_job = sched_free_job,
};

int brgpu_sched_init(struct brgpu_queue *queue, u32 timeout_ms)
{
	struct drm_gpu_scheduler *sched = &queue->sched;
	struct brgpu_device *brgpu = queue->brgpu;
	int ret;

	ret = brgpu_compat_sched_init(sched, &sched_ops, brgpu->sched_wq, BRGPU_HWQ_CREDITS,
				      msecs_to_jiffies(timeout_ms), brgpu->reset_wq, "brgpu-queue",
				      brgpu->drm.dev);
	if (ret)
		return ret;
	/* The scheduler has one run queue, the first; priority is the hardware's affair. */
	ret = drm_sched_entity_init(&queue->entity, DRM_SCHED_PRIORITY_KERNEL, &sched, 1, NULL);
	if (ret)
		drm_sched_fini(sched);
	return ret;
}

/* The call's commands as CALL packets of a new job. */
static struct brgpu_job *job_create(struct brgpu_device *brgpu, struct brgpu_queue *queue,
				    const struct drm_brgpu_array *array)
{
	struct drm_brgpu_command *commands = NULL;
	struct brgpu_job *job = NULL;
	const char *why = "";
	void *copied;
	int ret;
	u32 i;

	BUILD_BUG_ON(DRM_BRGPU_MAX_COMMANDS + 1 > BRGPU_HWQ_CREDITS);

	ret = brgpu_copy_array(array, sizeof(*commands), &copied);
	if (ret)
		return ERR_PTR(brgpu_refuse(brgpu, "QUEUE_SUBMIT", ret, "array of commands"));
	commands = copied;
	job = kvzalloc(struct_size(job, packets, array->count * BRGPU_PACKET_BYTES),
		       GFP_KERNEL_ACCOUNT);
	if (!job) {
		ret = -ENOMEM;
		goto free;
	}
	for (i = 0; i < array->count; i++) {
		ret = brgpu_core_check_command(&commands[i], &brgpu->limits, &why);
		if (ret) {
			brgpu_refuse(brgpu, "QUEUE_SUBMIT", ret, "command %u: %s", i, why);
			goto free;
		}
		brgpu_core_packet_call(job->packets + i * BRGPU_PACKET_BYTES, 0, commands[i].va,
				       commands[i].packets);
	}
	job->count = array->count;
	job->fence = brgpu_hwq_fence_alloc();
	if (!job->fence)
		ret = -ENOMEM;
free:
	kvfree(commands);
	if (ret) {
		kvfree(job);
		return ERR_PTR(ret);
	}
	job->queue = brgpu_queue_get(queue);
	return job;
}

int brgpu_queue_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_queue_submit *args = data;
	struct dma_fence *rebind, *finished;
	LIST_HEAD(userptrs);
	struct brgpu_syncs syncs = {};
	struct brgpu_queue *queue;
	struct brgpu_job *job;
	struct drm_exec exec;
	const char *why = "";
	struct brgpu_vm *vm;
	int ret, idx;

	ret = brgpu_core_check_queue_submit(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "QUEUE_SUBMIT", ret, "%s", why);
	queue = brgpu_queue_lookup(priv, args->queue_id);
	if (!queue)
		return brgpu_refuse(brgpu, "QUEUE_SUBMIT", -ENOENT, "no queue %u", args->queue_id);
	vm = queue->vm;
	if (queue->userq) {
		ret = brgpu_refuse(brgpu, "QUEUE_SUBMIT", -EINVAL,
				   "queue %u is a user-mode queue: write to its ring",
				   args->queue_id);
		goto put_queue;
	}
	if (!drm_dev_enter(drm, &idx)) {
		ret = -ENODEV;
		goto put_queue;
	}
	job = job_create(brgpu, queue, &args->commands);
	if (IS_ERR(job)) {
		ret = PTR_ERR(job);
		goto exit_dev;
	}
	ret = brgpu_syncs_init(brgpu, file, "QUEUE_SUBMIT", &args->syncs, true, &syncs);
	if (ret)
		goto fini_syncs;
	ret = brgpu_compat_sched_job_init(&job->base, &queue->entity, job->count + 1, priv,
					  file->client_id);
	if (ret)
		goto fini_syncs;
	ret = brgpu_syncs_add_deps(&syncs, file, &job->base);
	if (ret) {
		brgpu_refuse(brgpu, "QUEUE_SUBMIT", ret, "a fence to wait for");
		goto cleanup_job;
	}

	ret = mutex_lock_interruptible(&vm->lock);
	if (ret)
		goto cleanup_job;
	if (queue->hwq->stopped || vm->stopped || vm->lost || brgpu->wedged) {
		ret = brgpu_refuse(brgpu, "QUEUE_SUBMIT", -EIO,
				   "queue %u, its VM or the card is stopped", args->queue_id);
		goto unlock_vm;
	}
again:
	ret = brgpu_userptrs_prepare(vm, &userptrs);
	if (ret)
		goto unlock_vm;
	ret = brgpu_vm_lock_exec(vm, &exec, DRM_EXEC_INTERRUPTIBLE_WAIT);
	if (ret)
		goto fini_exec;
	ret = brgpu_bind_evicted(vm, &exec, &userptrs, file->client_id, &rebind);
	if (ret)
		goto fini_exec;
	if (rebind) {
		ret = drm_sched_job_add_dependency(&job->base, rebind);
		if (ret)
			goto fini_exec;
	}
	ret = brgpu_userptrs_begin(vm);
	if (ret == -EAGAIN) {
		drm_exec_fini(&exec);
		brgpu_userptrs_finish(&userptrs);
		goto again;
	}

	drm_sched_job_arm(&job->base);
	finished = dma_fence_get(&job->base.s_fence->finished);
	trace_brgpu_job(vm->hw_id, queue->id, queue->hwq->slot,
			atomic64_inc_return(&queue->submitted), args->commands.count);
	drm_sched_entity_push_job(&job->base);
	job = NULL; /* the scheduler's */
	drm_gpuvm_resv_add_fence(&vm->base, &exec, finished, DMA_RESV_USAGE_BOOKKEEP,
				 DMA_RESV_USAGE_BOOKKEEP);
	brgpu_userptrs_end(vm);
	brgpu_syncs_signal(&syncs, finished);
	dma_fence_put(finished);

fini_exec:
	drm_exec_fini(&exec);
unlock_vm:
	brgpu_userptrs_finish(&userptrs);
	mutex_unlock(&vm->lock);
cleanup_job:
	if (job)
		drm_sched_job_cleanup(&job->base);
fini_syncs:
	if (job)
		job_free(job);
	brgpu_syncs_fini(&syncs);
exit_dev:
	drm_dev_exit(idx);
put_queue:
	brgpu_queue_put(queue);
	return ret;
}
