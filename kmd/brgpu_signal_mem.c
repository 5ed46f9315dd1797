// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include <drm/drm_syncobj.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_queue.h"
#include "brgpu_sync.h"

/**
 * DOC: fences for user-mode queues
 *
 * Nothing that a user-mode queue does may be waited for by a fence; the other way round is fine. A
 * signal waits for the fences of some syncobjs, then a work stores a value where a WAIT packet of
 * the queue looks. Storing takes the buffer's reservation, which is fine as nobody's fence depends
 * on it.
 */

struct brgpu_signal {
	struct list_head link;		/* in the file's list */
	struct brgpu_file *file;
	struct brgpu_bo *bo;		/* reference */
	struct brgpu_queue *queue;	/* reference, or NULL */
	u64 offset;
	u64 value;
	atomic_t waits;			/* fences that have not signalled, and the call itself */
	u32 count;
	struct work_struct work;
	struct signal_wait {
		struct dma_fence_cb cb;
		struct dma_fence *fence;	/* reference, or NULL */
		struct brgpu_signal *signal;
	} fences[] __counted_by(count);
};

void brgpu_signals_init(struct brgpu_file *file)
{
	spin_lock_init(&file->signals.lock);
	INIT_LIST_HEAD(&file->signals.list);
}

static void signal_free(struct brgpu_signal *signal)
{
	u32 i;

	for (i = 0; i < signal->count; i++)
		dma_fence_put(signal->fences[i].fence);
	if (signal->queue)
		brgpu_queue_put(signal->queue);
	drm_gem_object_put(&signal->bo->ttm.base);
	kfree(signal);
}

static void signal_work(struct work_struct *work)
{
	struct brgpu_signal *signal = container_of(work, struct brgpu_signal, work);
	struct brgpu_device *brgpu = signal->file->brgpu;
	struct brgpu_signals *signals = &signal->file->signals;
	int ret, idx;

	ret = brgpu_bo_write64(signal->bo, signal->offset, signal->value);
	if (ret && ret != -ENODEV)
		drm_dbg_driver(&brgpu->drm, "SIGNAL_MEM: %pe\n", ERR_PTR(ret));
	if (signal->queue && drm_dev_enter(&brgpu->drm, &idx)) {
		brgpu_userq_ring(signal->queue->userq);
		drm_dev_exit(idx);
	}
	wake_up_all(&brgpu->mem_wq);

	/* Whoever takes it off the list frees it. */
	spin_lock(&signals->lock);
	if (list_empty(&signal->link)) {
		signal = NULL;
	} else {
		list_del_init(&signal->link);
		signals->count--;
	}
	spin_unlock(&signals->lock);
	if (signal)
		signal_free(signal);
}

static void signal_done(struct brgpu_signal *signal)
{
	if (atomic_dec_and_test(&signal->waits))
		queue_work(system_unbound_wq, &signal->work);
}

static void signal_fence_cb(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	signal_done(container_of(cb, struct signal_wait, cb)->signal);
}

void brgpu_signals_fini(struct brgpu_file *file)
{
	struct brgpu_signals *signals = &file->signals;
	struct brgpu_signal *signal;
	u32 i;

	for (;;) {
		spin_lock(&signals->lock);
		signal = list_first_entry_or_null(&signals->list, struct brgpu_signal, link);
		if (signal)
			list_del_init(&signal->link);
		spin_unlock(&signals->lock);
		if (!signal)
			break;
		for (i = 0; i < signal->count; i++) {
			if (signal->fences[i].fence)
				dma_fence_remove_callback(signal->fences[i].fence,
							  &signal->fences[i].cb);
		}
		/* No callback is under way: what they have queued is known. */
		cancel_work_sync(&signal->work);
		signal_free(signal);
	}
}

static int signal_find_fences(struct brgpu_device *brgpu, struct drm_file *file,
			      const struct drm_brgpu_sync *syncs, struct brgpu_signal *signal)
{
	struct dma_fence *fence;
	const char *why = "";
	int ret;
	u32 i;

	for (i = 0; i < signal->count; i++) {
		ret = brgpu_core_check_sync(&syncs[i], false, &why);
		if (ret)
			return brgpu_refuse(brgpu, "SIGNAL_MEM", ret, "sync %u: %s", i, why);
		/* On an error it may leave a fence that is no longer ours. */
		ret = drm_syncobj_find_fence(file, syncs[i].handle, syncs[i].point, 0, &fence);
		if (ret)
			return brgpu_refuse(brgpu, "SIGNAL_MEM", ret, "sync %u: no fence", i);
		signal->fences[i].fence = fence;
		signal->fences[i].signal = signal;
	}
	return 0;
}

static int signal_find_queue(struct brgpu_file *file, u32 id, struct brgpu_signal *signal)
{
	if (!id)
		return 0;
	signal->queue = brgpu_queue_lookup(file, id);
	if (!signal->queue)
		return brgpu_refuse(file->brgpu, "SIGNAL_MEM", -ENOENT, "no queue %u", id);
	if (!signal->queue->userq)
		return brgpu_refuse(file->brgpu, "SIGNAL_MEM", -EINVAL,
				    "queue %u is not a user-mode queue", id);
	return 0;
}

static int signal_find_bo(struct drm_file *file, const struct drm_brgpu_signal_mem *args,
			  struct brgpu_signal *signal)
{
	struct brgpu_file *priv = file->driver_priv;
	const char *why = "";
	int ret;

	ret = brgpu_core_check_signal_bo(args, signal->bo->ttm.base.size, &why);
	if (!ret && !brgpu_bo_is_mappable(signal->bo)) {
		ret = -EACCES;
		why = "the CPU does not reach the buffer";
	}
	return ret ? brgpu_refuse(priv->brgpu, "SIGNAL_MEM", ret, "%s", why) : 0;
}

int brgpu_signal_mem_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct brgpu_signals *signals = &priv->signals;
	struct drm_brgpu_signal_mem *args = data;
	struct brgpu_signal *signal;
	struct drm_gem_object *gem;
	const char *why = "";
	void *syncs = NULL;
	int ret;
	u32 i;

	ret = brgpu_core_check_signal_mem(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "SIGNAL_MEM", ret, "%s", why);
	gem = drm_gem_object_lookup(file, args->handle);
	if (!gem)
		return brgpu_refuse(brgpu, "SIGNAL_MEM", -ENOENT, "no handle %u", args->handle);
	signal = kzalloc(struct_size(signal, fences, args->syncs.count), GFP_KERNEL_ACCOUNT);
	if (!signal) {
		drm_gem_object_put(gem);
		return -ENOMEM;
	}
	signal->count = args->syncs.count;
	signal->file = priv;
	signal->bo = gem_to_brgpu_bo(gem);
	signal->offset = args->offset;
	signal->value = args->value;
	INIT_LIST_HEAD(&signal->link);
	INIT_WORK(&signal->work, signal_work);

	ret = signal_find_bo(file, args, signal);
	if (!ret)
		ret = signal_find_queue(priv, args->queue_id, signal);
	if (!ret)
		ret = brgpu_copy_array(&args->syncs, sizeof(struct drm_brgpu_sync), &syncs);
	if (!ret)
		ret = signal_find_fences(brgpu, file, syncs, signal);
	kvfree(syncs);
	if (ret)
		goto free;

	spin_lock(&signals->lock);
	if (signals->count >= DRM_BRGPU_MAX_SIGNALS) {
		ret = -EBUSY;
	} else {
		signals->count++;
		list_add_tail(&signal->link, &signals->list);
	}
	spin_unlock(&signals->lock);
	if (ret) {
		brgpu_refuse(brgpu, "SIGNAL_MEM", ret, "too many that are still to come");
		goto free;
	}

	/* The call's own: the work may run, and free the signal, after the last. */
	atomic_set(&signal->waits, signal->count + 1);
	for (i = 0; i < signal->count; i++) {
		if (dma_fence_add_callback(signal->fences[i].fence, &signal->fences[i].cb,
					   signal_fence_cb))
			signal_done(signal);
	}
	signal_done(signal);
	return 0;

free:
	signal_free(signal);
	return ret;
}
