/* SPDX-License-Identifier: GPL-2.0 */
/* Syncobjs in and out of calls, and arrays from user space. */
#ifndef BRGPU_SYNC_H
#define BRGPU_SYNC_H

#include <linux/types.h>

#include <drm/brgpu_drm.h>

struct brgpu_device;
struct dma_fence;
struct dma_fence_chain;
struct drm_file;
struct drm_sched_job;
struct drm_syncobj;

struct brgpu_sync_out {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;	/* of a timeline */
	u64 point;
};

struct brgpu_syncs {
	struct drm_brgpu_sync *args;
	u32 count;
	struct brgpu_sync_out *outs;
	u32 out_count;
};

/*
 * Copies an array of elements of `known` bytes, each zero-extended or with its unknown tail
 * checked. kvfree() what comes in *out, NULL for an empty array.
 */
int brgpu_copy_array(const struct drm_brgpu_array *array, size_t known, void **out);

/*
 * Reads and checks the array, finds the syncobjs to signal and allocates what signalling needs.
 * Ends with brgpu_syncs_fini() in any case.
 */
int brgpu_syncs_init(struct brgpu_device *brgpu, struct drm_file *file, const char *call,
		     const struct drm_brgpu_array *array, bool may_signal,
		     struct brgpu_syncs *syncs);
/* The fences to wait for become dependencies of the job. */
int brgpu_syncs_add_deps(struct brgpu_syncs *syncs, struct drm_file *file,
			 struct drm_sched_job *job);
/* Gives `fence` to the syncobjs to signal. Can't fail. */
void brgpu_syncs_signal(struct brgpu_syncs *syncs, struct dma_fence *fence);
void brgpu_syncs_fini(struct brgpu_syncs *syncs);

#endif /* BRGPU_SYNC_H */
