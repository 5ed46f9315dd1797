/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel interfaces that differ between the kernels that brgpu builds for, under one name each. The
 * BRGPU_HAVE_* come from brgpu_probe.sh.
 */
#ifndef BRGPU_COMPAT_H
#define BRGPU_COMPAT_H

#include "brgpu_config.h"

#include <linux/module.h>

#include <drm/drm_gpuvm.h>
#include <drm/gpu_scheduler.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>

#ifdef BRGPU_HAVE_GPU_BUDDY
#include <linux/gpu_buddy.h>
#else
#include <drm/drm_buddy.h>
#define gpu_buddy			drm_buddy
#define gpu_buddy_block			drm_buddy_block
#define gpu_buddy_init			drm_buddy_init
#define gpu_buddy_fini			drm_buddy_fini
#define gpu_buddy_alloc_blocks		drm_buddy_alloc_blocks
#define gpu_buddy_free_list		drm_buddy_free_list
#define gpu_buddy_block_offset		drm_buddy_block_offset
#define gpu_buddy_block_size		drm_buddy_block_size
#define GPU_BUDDY_RANGE_ALLOCATION	DRM_BUDDY_RANGE_ALLOCATION
#define GPU_BUDDY_TOPDOWN_ALLOCATION	DRM_BUDDY_TOPDOWN_ALLOCATION
#endif

/* Newer kernels want no word that buffers are mapped by gpuvm. */
#ifdef BRGPU_HAVE_DRIVER_GEM_GPUVA
#define BRGPU_DRIVER_GEM_GPUVA DRIVER_GEM_GPUVA
#else
#define BRGPU_DRIVER_GEM_GPUVA 0
#endif

#ifdef BRGPU_HAVE_IMPORT_NS_BARE
#define BRGPU_IMPORT_NS(ns) MODULE_IMPORT_NS(ns)
#else
#define BRGPU_IMPORT_NS(ns) MODULE_IMPORT_NS(#ns)
#endif

#ifdef BRGPU_HAVE_DMA_BUF_INVALIDATE_MAPPINGS
#define brgpu_compat_move_notify invalidate_mappings
#define brgpu_compat_dma_buf_moving(dmabuf) dma_buf_invalidate_mappings(dmabuf)
#else
#define brgpu_compat_move_notify move_notify
#define brgpu_compat_dma_buf_moving(dmabuf) dma_buf_move_notify(dmabuf)
#endif

/* Kernels without the bit show what is active in any case. */
#ifdef BRGPU_HAVE_GEM_OBJECT_ACTIVE
#define BRGPU_GEM_OBJECT_ACTIVE DRM_GEM_OBJECT_ACTIVE
#else
#define BRGPU_GEM_OBJECT_ACTIVE 0
#endif

/* A scheduler with one run queue: each queue of ours has a scheduler of its own. */
static inline int brgpu_compat_sched_init(struct drm_gpu_scheduler *sched,
					  const struct drm_sched_backend_ops *ops,
					  struct workqueue_struct *submit_wq, u32 credits,
					  long timeout, struct workqueue_struct *timeout_wq,
					  const char *name, struct device *dev)
{
#ifdef BRGPU_HAVE_SCHED_INIT_ARGS
	const struct drm_sched_init_args args = {
		.ops = ops,
		.submit_wq = submit_wq,
		.timeout_wq = timeout_wq,
		.num_rqs = 1,
		.credit_limit = credits,
		.timeout = timeout,
		.name = name,
		.dev = dev,
	};

	return drm_sched_init(sched, &args);
#else
	return drm_sched_init(sched, ops, submit_wq, 1, credits, 0, timeout, timeout_wq, NULL, name,
			      dev);
#endif
}

static inline int brgpu_compat_sched_job_init(struct drm_sched_job *job,
					      struct drm_sched_entity *entity, u32 credits,
					      void *owner, u64 client_id)
{
#ifdef BRGPU_HAVE_SCHED_JOB_CLIENT_ID
	return drm_sched_job_init(job, entity, credits, owner, client_id);
#else
	return drm_sched_job_init(job, entity, credits, owner);
#endif
}

/*
 * The timeout handler took `job` off the list of pending jobs; it goes back to the head. Kernels
 * with DRM_GPU_SCHED_STAT_NO_HANG do that themselves. To be called before the job's fence may
 * signal.
 */
static inline void brgpu_compat_sched_keep_job(struct drm_sched_job *job)
{
#ifndef BRGPU_HAVE_SCHED_NO_HANG
	struct drm_gpu_scheduler *sched = job->sched;

	spin_lock(&sched->job_list_lock);
	list_add(&job->list, &sched->pending_list);
	spin_unlock(&sched->job_list_lock);
#endif
}

#ifdef BRGPU_HAVE_SCHED_NO_HANG
#define BRGPU_SCHED_STAT_KEEP DRM_GPU_SCHED_STAT_NO_HANG
#else
#define BRGPU_SCHED_STAT_KEEP DRM_GPU_SCHED_STAT_NOMINAL
#endif

static inline int brgpu_compat_sm_map(struct drm_gpuvm *gpuvm, void *priv, u64 addr, u64 range,
				      struct drm_gem_object *obj, u64 offset)
{
#ifdef BRGPU_HAVE_GPUVM_MAP_REQ
	const struct drm_gpuvm_map_req request = {
		.map.va.addr = addr,
		.map.va.range = range,
		.map.gem.obj = obj,
		.map.gem.offset = offset,
	};

	return drm_gpuvm_sm_map(gpuvm, priv, &request);
#else
	return drm_gpuvm_sm_map(gpuvm, priv, addr, range, obj, offset);
#endif
}

/* The buffer's reservation is held. */
static inline struct drm_gpuvm_bo *brgpu_compat_bo_obtain(struct drm_gpuvm *gpuvm,
							  struct drm_gem_object *obj)
{
#ifdef BRGPU_HAVE_GPUVM_BO_OBTAIN_LOCKED
	return drm_gpuvm_bo_obtain_locked(gpuvm, obj);
#else
	return drm_gpuvm_bo_obtain(gpuvm, obj);
#endif
}

/* Pages for DMA by their DMA addresses alone, wherever they lie. */
static inline int brgpu_compat_ttm_device_init(struct ttm_device *ttm,
					       const struct ttm_device_funcs *funcs,
					       struct device *dev, struct address_space *mapping,
					       struct drm_vma_offset_manager *offsets)
{
#ifdef BRGPU_HAVE_TTM_ALLOC_FLAGS
	return ttm_device_init(ttm, funcs, dev, mapping, offsets, 0);
#else
	return ttm_device_init(ttm, funcs, dev, mapping, offsets, false, false);
#endif
}

/* The last reference to the GEM object went. */
static inline void brgpu_compat_ttm_bo_put(struct ttm_buffer_object *bo)
{
#ifdef BRGPU_HAVE_TTM_BO_FINI
	ttm_bo_fini(bo);
#else
	ttm_bo_put(bo);
#endif
}

#endif /* BRGPU_COMPAT_H */
