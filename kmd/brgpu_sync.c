// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-fence-chain.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_syncobj.h>

#include "brgpu_device.h"
#include "brgpu_sync.h"

int brgpu_copy_array(const struct drm_brgpu_array *array, size_t known, void **out)
{
	const void __user *from = u64_to_user_ptr(array->array);
	u8 *elements;
	u32 i;
	int ret;

	*out = NULL;
	if (!array->count)
		return 0;
	elements = kvcalloc(array->count, known, GFP_KERNEL_ACCOUNT);
	if (!elements)
		return -ENOMEM;
	if (array->stride == known) {
		if (copy_from_user(elements, from, (size_t)array->count * known)) {
			ret = -EFAULT;
			goto err;
		}
	} else {
		for (i = 0; i < array->count; i++) {
			ret = copy_struct_from_user(elements + i * known, known, from,
						    array->stride);
			if (ret)
				goto err;
			from += array->stride;
		}
	}
	*out = elements;
	return 0;

err:
	kvfree(elements);
	return ret;
}

int brgpu_syncs_init(struct brgpu_device *brgpu, struct drm_file *file, const char *call,
		     const struct drm_brgpu_array *array, bool may_signal,
		     struct brgpu_syncs *syncs)
{
	const char *why = "";
	void *args;
	int ret;
	u32 i;

	memset(syncs, 0, sizeof(*syncs));
	ret = brgpu_copy_array(array, sizeof(*syncs->args), &args);
	if (ret)
		return brgpu_refuse(brgpu, call, ret, "array of syncs");
	syncs->args = args;
	syncs->count = array->count;
	if (!syncs->count)
		return 0;
	syncs->outs = kcalloc(syncs->count, sizeof(*syncs->outs), GFP_KERNEL);
	if (!syncs->outs)
		return -ENOMEM;

	for (i = 0; i < syncs->count; i++) {
		const struct drm_brgpu_sync *sync = &syncs->args[i];
		struct brgpu_sync_out *sync_out;

		ret = brgpu_core_check_sync(sync, may_signal, &why);
		if (ret)
			return brgpu_refuse(brgpu, call, ret, "sync %u: %s", i, why);
		if (!(sync->flags & DRM_BRGPU_SYNC_SIGNAL))
			continue;
		sync_out = &syncs->outs[syncs->out_count];
		sync_out->syncobj = drm_syncobj_find(file, sync->handle);
		if (!sync_out->syncobj)
			return brgpu_refuse(brgpu, call, -ENOENT, "sync %u: no syncobj %u", i,
					    sync->handle);
		syncs->out_count++;
		if (sync->flags & DRM_BRGPU_SYNC_TIMELINE) {
			sync_out->point = sync->point;
			sync_out->chain = dma_fence_chain_alloc();
			if (!sync_out->chain)
				return -ENOMEM;
		}
	}
	return 0;
}

int brgpu_syncs_add_deps(struct brgpu_syncs *syncs, struct drm_file *file,
			 struct drm_sched_job *job)
{
	u32 i;

	for (i = 0; i < syncs->count; i++) {
		const struct drm_brgpu_sync *sync = &syncs->args[i];
		struct dma_fence *fence;
		int ret;

		if (sync->flags & DRM_BRGPU_SYNC_SIGNAL)
			continue;
		/* Not the scheduler's own helper: its timeline point has 32 bits. */
		ret = drm_syncobj_find_fence(file, sync->handle, sync->point, 0, &fence);
		if (ret)
			return ret;
		ret = drm_sched_job_add_dependency(job, fence);
		if (ret)
			return ret;
	}
	return 0;
}

void brgpu_syncs_signal(struct brgpu_syncs *syncs, struct dma_fence *fence)
{
	u32 i;

	for (i = 0; i < syncs->out_count; i++) {
		struct brgpu_sync_out *sync_out = &syncs->outs[i];

		if (sync_out->chain) {
			drm_syncobj_add_point(sync_out->syncobj, sync_out->chain, fence,
					      sync_out->point);
			sync_out->chain = NULL;
		} else {
			drm_syncobj_replace_fence(sync_out->syncobj, fence);
		}
	}
}

void brgpu_syncs_fini(struct brgpu_syncs *syncs)
{
	u32 i;

	for (i = 0; i < syncs->out_count; i++) {
		dma_fence_chain_free(syncs->outs[i].chain);
		drm_syncobj_put(syncs->outs[i].syncobj);
	}
	kfree(syncs->outs);
	kvfree(syncs->args);
}
