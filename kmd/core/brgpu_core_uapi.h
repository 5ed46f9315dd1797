/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Checks of ioctl arguments that need no object: flags, pads, ranges, overflow. Every
 * implementation of the uAPI (drm/brgpu_drm.h) calls these first, then looks objects up, then calls
 * the *_bo checks.
 *
 * Each returns 0, or a negative errno with the reason in *why. Fields that are output only are
 * ignored.
 */
#ifndef BRGPU_CORE_UAPI_H
#define BRGPU_CORE_UAPI_H

#include "brgpu_core.h"

#include <drm/brgpu_drm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this card and this implementation offer. */
struct brgpu_core_limits {
	uint64_t va_start;	/* first address that VM_BIND takes */
	uint64_t va_end;	/* behind the last */
	uint64_t max_bo_bytes;
	uint32_t features;	/* DRM_BRGPU_FEATURE_* */
	uint32_t job_timeout_ms;
};

/* First published sizes: the least stride of each array element. */
#define BRGPU_CORE_SYNC_BYTES		16u
#define BRGPU_CORE_BIND_OP_BYTES	40u
#define BRGPU_CORE_COMMAND_BYTES	16u
#define BRGPU_CORE_FAULT_BYTES		32u

/*
 * An array with elements of at least `least` bytes and at most `most` elements; 0 elements is fine.
 */
int brgpu_core_check_array(const struct drm_brgpu_array *array, uint32_t least, uint32_t most,
			   const char **why);

/*
 * Takes one element that stands in memory: the first `known` bytes of it, zero-extended. -E2BIG: it
 * is longer and not zero behind them. (The kernel module uses copy_struct_from_user().)
 */
int brgpu_core_copy_element(void *dst, size_t known, const void *src, size_t stride);

int brgpu_core_check_query(const struct drm_brgpu_query *args, const char **why);
int brgpu_core_check_bo_create(const struct drm_brgpu_bo_create *args,
			       const struct brgpu_core_limits *limits, const char **why);
int brgpu_core_check_bo_mmap_offset(const struct drm_brgpu_bo_mmap_offset *args, const char **why);
int brgpu_core_check_vm_create(const struct drm_brgpu_vm_create *args,
			       const struct brgpu_core_limits *limits, const char **why);
int brgpu_core_check_vm_destroy(const struct drm_brgpu_vm_destroy *args, const char **why);
int brgpu_core_check_vm_bind(const struct drm_brgpu_vm_bind *args, const char **why);
int brgpu_core_check_bind_op(const struct drm_brgpu_bind_op *op,
			     const struct brgpu_core_limits *limits, const char **why);
/* A MAP's range in a buffer of bo_bytes. */
int brgpu_core_check_bind_bo(const struct drm_brgpu_bind_op *op, uint64_t bo_bytes,
			     const char **why);
/* may_signal: whether the call takes fences to signal too. */
int brgpu_core_check_sync(const struct drm_brgpu_sync *sync, bool may_signal, const char **why);
int brgpu_core_check_vm_get_state(const struct drm_brgpu_vm_get_state *args, const char **why);
int brgpu_core_check_queue_create(const struct drm_brgpu_queue_create *args,
				  const struct brgpu_core_limits *limits, const char **why);
/* A queue in a VM of flags `vm_flags`: user-mode queues and long-running VMs go together. */
int brgpu_core_check_queue_vm(const struct drm_brgpu_queue_create *args, uint32_t vm_flags,
			      const char **why);
int brgpu_core_check_queue_destroy(const struct drm_brgpu_queue_destroy *args, const char **why);
int brgpu_core_check_queue_submit(const struct drm_brgpu_queue_submit *args, const char **why);
int brgpu_core_check_command(const struct drm_brgpu_command *command,
			     const struct brgpu_core_limits *limits, const char **why);
int brgpu_core_check_queue_get_state(const struct drm_brgpu_queue_get_state *args,
				     const char **why);
int brgpu_core_check_wait_mem(const struct drm_brgpu_wait_mem *args, const char **why);
/* The word of a WAIT_MEM in a buffer of bo_bytes. */
int brgpu_core_check_wait_bo(const struct drm_brgpu_wait_mem *args, uint64_t bo_bytes,
			     const char **why);
int brgpu_core_check_signal_mem(const struct drm_brgpu_signal_mem *args, const char **why);
/* The word of a SIGNAL_MEM in a buffer of bo_bytes. */
int brgpu_core_check_signal_bo(const struct drm_brgpu_signal_mem *args, uint64_t bo_bytes,
			       const char **why);

/* The comparison of a WAIT_MEM, without its flags. */
static inline uint32_t brgpu_core_wait_compare(const struct drm_brgpu_wait_mem *args)
{
	return args->compare & ~DRM_BRGPU_WAIT_QUEUE;
}

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_UAPI_H */
