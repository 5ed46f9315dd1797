// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_uapi.h"

#include <brgpu/hw/mmu.h>
#include <brgpu/hw/queue.h>

BRGPU_ASSERT_SIZE(struct drm_brgpu_array, 16);
BRGPU_ASSERT_SIZE(struct drm_brgpu_query, 16);
BRGPU_ASSERT_SIZE(struct drm_brgpu_bo_create, 24);
BRGPU_ASSERT_SIZE(struct drm_brgpu_bo_mmap_offset, 16);
BRGPU_ASSERT_SIZE(struct drm_brgpu_vm_create, 8);
BRGPU_ASSERT_SIZE(struct drm_brgpu_vm_destroy, 8);
BRGPU_ASSERT_SIZE(struct drm_brgpu_sync, BRGPU_CORE_SYNC_BYTES);
BRGPU_ASSERT_SIZE(struct drm_brgpu_bind_op, BRGPU_CORE_BIND_OP_BYTES);
BRGPU_ASSERT_SIZE(struct drm_brgpu_vm_bind, 40);
BRGPU_ASSERT_SIZE(struct drm_brgpu_fault, BRGPU_CORE_FAULT_BYTES);
BRGPU_ASSERT_SIZE(struct drm_brgpu_vm_get_state, 48);
BRGPU_ASSERT_SIZE(struct drm_brgpu_queue_create, 64);
BRGPU_ASSERT_SIZE(struct drm_brgpu_queue_destroy, 8);
BRGPU_ASSERT_SIZE(struct drm_brgpu_command, BRGPU_CORE_COMMAND_BYTES);
BRGPU_ASSERT_SIZE(struct drm_brgpu_queue_submit, 40);
BRGPU_ASSERT_SIZE(struct drm_brgpu_queue_get_state, 72);
BRGPU_ASSERT_SIZE(struct drm_brgpu_wait_mem, 56);
BRGPU_ASSERT_SIZE(struct drm_brgpu_signal_mem, 48);
BRGPU_ASSERT_SIZE(struct drm_brgpu_query_device, 176);
BRGPU_ASSERT_SIZE(struct drm_brgpu_query_memory, 32);
BRGPU_ASSERT_SIZE(struct drm_brgpu_query_clock, 24);
BRGPU_ASSERT_SIZE(struct drm_brgpu_query_firmware, 80);
BRGPU_ASSERT_SIZE(struct drm_brgpu_query_status, 80);

/* The wait comparisons of the uAPI are those of the WAIT packet. */
BRGPU_STATIC_ASSERT(DRM_BRGPU_WAIT_EQ == (int)BRGPU_WAIT_EQ &&
		    DRM_BRGPU_WAIT_NE == (int)BRGPU_WAIT_NE &&
		    DRM_BRGPU_WAIT_GE == (int)BRGPU_WAIT_GE &&
		    DRM_BRGPU_WAIT_LT == (int)BRGPU_WAIT_LT, "wait comparisons differ");

#define PAGE_MASK_BITS	(BRGPU_PAGE_BYTES - 1)

static int refuse(const char **why, int error, const char *text)
{
	*why = text;
	return error;
}

/* [va, va + bytes) within the range that the card offers, without wrap-around. */
static bool in_va(const struct brgpu_core_limits *limits, uint64_t va, uint64_t bytes)
{
	return va >= limits->va_start && va <= limits->va_end && bytes <= limits->va_end - va;
}

int brgpu_core_check_array(const struct drm_brgpu_array *array, uint32_t least, uint32_t most,
			   const char **why)
{
	if (!array->count)
		return 0;
	if (array->count > most)
		return refuse(why, -EINVAL, "array has too many elements");
	if (array->stride < least)
		return refuse(why, -EINVAL, "array's stride is less than its element has");
	/* A page bounds what is scanned for zeros behind the part that is known. */
	if (array->stride > BRGPU_PAGE_BYTES)
		return refuse(why, -E2BIG, "array's stride is beyond a page");
	if (array->stride % 8)
		return refuse(why, -EINVAL, "array's stride is not a multiple of 8");
	if (!array->array)
		return refuse(why, -EFAULT, "array is a null pointer");
	return 0;
}

int brgpu_core_copy_element(void *dst, size_t known, const void *src, size_t stride)
{
	const unsigned char *bytes = src;
	const size_t copied = stride < known ? stride : known;
	size_t i;

	for (i = known; i < stride; i++) {
		if (bytes[i])
			return -E2BIG;
	}
	memcpy(dst, src, copied);
	memset((char *)dst + copied, 0, known - copied);
	return 0;
}

int brgpu_core_check_query(const struct drm_brgpu_query *args, const char **why)
{
	if (args->query > DRM_BRGPU_QUERY_STATUS)
		return refuse(why, -EINVAL, "unknown query");
	return 0;
}

int brgpu_core_check_bo_create(const struct drm_brgpu_bo_create *args,
			       const struct brgpu_core_limits *limits, const char **why)
{
	if (!args->size)
		return refuse(why, -EINVAL, "size is zero");
	if (args->size > limits->max_bo_bytes)
		return refuse(why, -EINVAL, "size is more than any buffer can have");
	if (!args->placements)
		return refuse(why, -EINVAL, "no placement");
	if (args->placements & ~(DRM_BRGPU_PLACEMENT_VRAM | DRM_BRGPU_PLACEMENT_SYSTEM))
		return refuse(why, -EINVAL, "unknown placement");
	if (args->flags & ~DRM_BRGPU_BO_FLAGS)
		return refuse(why, -EINVAL, "unknown flag");
	return 0;
}

int brgpu_core_check_bo_mmap_offset(const struct drm_brgpu_bo_mmap_offset *args, const char **why)
{
	if (args->pad)
		return refuse(why, -EINVAL, "pad is not zero");
	return 0;
}

int brgpu_core_check_vm_create(const struct drm_brgpu_vm_create *args,
			       const struct brgpu_core_limits *limits, const char **why)
{
	if (args->flags & ~DRM_BRGPU_VM_FLAGS)
		return refuse(why, -EINVAL, "unknown flag");
	if (args->flags & DRM_BRGPU_VM_FAULT_RETRY && !(args->flags & DRM_BRGPU_VM_LONG_RUNNING))
		return refuse(why, -EINVAL, "FAULT_RETRY without LONG_RUNNING");
	if (args->flags & DRM_BRGPU_VM_LONG_RUNNING &&
	    !(limits->features & DRM_BRGPU_FEATURE_USER_QUEUES))
		return refuse(why, -EOPNOTSUPP, "LONG_RUNNING without feature USER_QUEUES");
	if (args->flags & DRM_BRGPU_VM_FAULT_RETRY &&
	    !(limits->features & DRM_BRGPU_FEATURE_FAULT_RETRY))
		return refuse(why, -EOPNOTSUPP, "FAULT_RETRY without the feature");
	return 0;
}

int brgpu_core_check_vm_destroy(const struct drm_brgpu_vm_destroy *args, const char **why)
{
	if (args->pad)
		return refuse(why, -EINVAL, "pad is not zero");
	return 0;
}

int brgpu_core_check_vm_bind(const struct drm_brgpu_vm_bind *args, const char **why)
{
	int ret;

	if (args->flags & ~DRM_BRGPU_VM_BIND_FLAGS)
		return refuse(why, -EINVAL, "unknown flag");
	ret = brgpu_core_check_array(&args->ops, BRGPU_CORE_BIND_OP_BYTES, DRM_BRGPU_MAX_BIND_OPS,
				     why);
	if (ret)
		return ret;
	return brgpu_core_check_array(&args->syncs, BRGPU_CORE_SYNC_BYTES, DRM_BRGPU_MAX_SYNCS,
				      why);
}

static int check_bind_range(const struct drm_brgpu_bind_op *op,
			    const struct brgpu_core_limits *limits, const char **why)
{
	if (!op->size)
		return refuse(why, -EINVAL, "size is zero");
	if ((op->va | op->size) & PAGE_MASK_BITS)
		return refuse(why, -EINVAL, "va or size is not a multiple of 4 KiB");
	if (!in_va(limits, op->va, op->size))
		return refuse(why, -EINVAL, "va range is outside va_start..va_end");
	return 0;
}

static int check_bind_rights(const struct drm_brgpu_bind_op *op, const char **why)
{
	if (op->flags & ~DRM_BRGPU_BIND_FLAGS)
		return refuse(why, -EINVAL, "unknown flag");
	if (!(op->flags & (DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE | DRM_BRGPU_BIND_EXEC)))
		return refuse(why, -EINVAL, "a map that gives no right");
	return 0;
}

int brgpu_core_check_bind_op(const struct drm_brgpu_bind_op *op,
			     const struct brgpu_core_limits *limits, const char **why)
{
	int ret;

	if (op->pad)
		return refuse(why, -EINVAL, "pad is not zero");

	switch (op->op) {
	case DRM_BRGPU_BIND_MAP:
		ret = check_bind_rights(op, why);
		if (ret)
			return ret;
		if (op->bo_offset & PAGE_MASK_BITS)
			return refuse(why, -EINVAL, "bo_offset is not a multiple of 4 KiB");
		if (op->flags & DRM_BRGPU_BIND_NULL) {
			if (op->bo_handle || op->bo_offset)
				return refuse(why, -EINVAL, "MAP NULL with a buffer");
			if (op->flags & DRM_BRGPU_BIND_EXEC)
				return refuse(why, -EINVAL, "MAP NULL with EXEC");
		} else if (!op->bo_handle) {
			return refuse(why, -EINVAL, "MAP without a buffer");
		}
		return check_bind_range(op, limits, why);
	case DRM_BRGPU_BIND_MAP_USERPTR:
		ret = check_bind_rights(op, why);
		if (ret)
			return ret;
		if (op->flags & DRM_BRGPU_BIND_NULL)
			return refuse(why, -EINVAL, "MAP_USERPTR NULL");
		if (op->bo_handle)
			return refuse(why, -EINVAL, "MAP_USERPTR with a buffer");
		if (!op->bo_offset || op->bo_offset & PAGE_MASK_BITS)
			return refuse(why, -EINVAL, "userptr is zero or not a multiple of 4 KiB");
		ret = check_bind_range(op, limits, why);
		if (ret)
			return ret;
		if (op->size > 0 - op->bo_offset)
			return refuse(why, -EINVAL, "userptr range wraps around");
		if (!(limits->features & DRM_BRGPU_FEATURE_USERPTR))
			return refuse(why, -EOPNOTSUPP, "MAP_USERPTR without feature USERPTR");
		return 0;
	case DRM_BRGPU_BIND_UNMAP:
		if (op->flags)
			return refuse(why, -EINVAL, "UNMAP with flags");
		if (op->bo_handle || op->bo_offset)
			return refuse(why, -EINVAL, "UNMAP with a buffer");
		return check_bind_range(op, limits, why);
	case DRM_BRGPU_BIND_UNMAP_BO:
		if (op->flags)
			return refuse(why, -EINVAL, "UNMAP_BO with flags");
		if (!op->bo_handle)
			return refuse(why, -EINVAL, "UNMAP_BO without a buffer");
		if (op->va || op->size || op->bo_offset)
			return refuse(why, -EINVAL, "UNMAP_BO with a range");
		return 0;
	default:
		return refuse(why, -EINVAL, "unknown operation");
	}
}

int brgpu_core_check_bind_bo(const struct drm_brgpu_bind_op *op, uint64_t bo_bytes,
			     const char **why)
{
	if (op->size > bo_bytes || op->bo_offset > bo_bytes - op->size)
		return refuse(why, -EINVAL, "MAP beyond the end of the buffer");
	return 0;
}

int brgpu_core_check_sync(const struct drm_brgpu_sync *sync, bool may_signal, const char **why)
{
	if (sync->flags & ~DRM_BRGPU_SYNC_FLAGS)
		return refuse(why, -EINVAL, "unknown sync flag");
	if (!may_signal && sync->flags & DRM_BRGPU_SYNC_SIGNAL)
		return refuse(why, -EINVAL, "a call that returns when all is done signals no sync");
	if (!sync->handle)
		return refuse(why, -EINVAL, "sync without a syncobj");
	if (sync->flags & DRM_BRGPU_SYNC_TIMELINE) {
		if (!sync->point)
			return refuse(why, -EINVAL, "timeline sync with point 0");
	} else if (sync->point) {
		return refuse(why, -EINVAL, "binary sync with a point");
	}
	return 0;
}

int brgpu_core_check_vm_get_state(const struct drm_brgpu_vm_get_state *args, const char **why)
{
	if (args->flags)
		return refuse(why, -EINVAL, "flags are not zero");
	if (args->pad)
		return refuse(why, -EINVAL, "pad is not zero");
	/* Any count is fine: no more are copied than there are. */
	return brgpu_core_check_array(&args->faults, BRGPU_CORE_FAULT_BYTES, 0xffffffffu, why);
}

int brgpu_core_check_queue_create(const struct drm_brgpu_queue_create *args,
				  const struct brgpu_core_limits *limits, const char **why)
{
	if (args->flags & ~DRM_BRGPU_QUEUE_FLAGS)
		return refuse(why, -EINVAL, "unknown flag");
	if (args->queue_class > DRM_BRGPU_QUEUE_COPY)
		return refuse(why, -EINVAL, "unknown queue class");
	if (args->priority > DRM_BRGPU_PRIORITY_HIGH)
		return refuse(why, -EINVAL, "unknown priority");

	if (!(args->flags & DRM_BRGPU_QUEUE_USER)) {
		if (args->flags)
			return refuse(why, -EINVAL, "flag HEARTBEAT without flag USER");
		if (args->timeout_ms > limits->job_timeout_ms)
			return refuse(why, -EINVAL, "timeout_ms is more than job_timeout_ms");
		if (args->ring_log2 || args->ring_va || args->write_index_va || args->read_index_va)
			return refuse(why, -EINVAL, "ring given for a queue without flag USER");
		return 0;
	}

	if (!(limits->features & DRM_BRGPU_FEATURE_USER_QUEUES))
		return refuse(why, -EOPNOTSUPP, "flag USER without feature USER_QUEUES");
	if (args->ring_log2 < BRGPU_MIN_RING_LOG2 || args->ring_log2 > BRGPU_MAX_RING_LOG2)
		return refuse(why, -EINVAL, "ring_log2 out of range");
	if (args->ring_va % BRGPU_PACKET_BYTES || args->write_index_va % 8 ||
	    args->read_index_va % 8)
		return refuse(why, -EINVAL, "ring or index is misaligned");
	if (!in_va(limits, args->ring_va, (uint64_t)BRGPU_PACKET_BYTES << args->ring_log2) ||
	    !in_va(limits, args->write_index_va, 8) || !in_va(limits, args->read_index_va, 8))
		return refuse(why, -EINVAL, "ring or index is outside va_start..va_end");
	return 0;
}

int brgpu_core_check_queue_vm(const struct drm_brgpu_queue_create *args, uint32_t vm_flags,
			      const char **why)
{
	const bool user = args->flags & DRM_BRGPU_QUEUE_USER;
	const bool long_running = vm_flags & DRM_BRGPU_VM_LONG_RUNNING;

	if (user && !long_running)
		return refuse(why, -EINVAL, "user-mode queue in a VM that is not LONG_RUNNING");
	if (!user && long_running)
		return refuse(why, -EINVAL, "queue without flag USER in a LONG_RUNNING VM");
	return 0;
}

int brgpu_core_check_queue_destroy(const struct drm_brgpu_queue_destroy *args, const char **why)
{
	if (args->pad)
		return refuse(why, -EINVAL, "pad is not zero");
	return 0;
}

int brgpu_core_check_queue_submit(const struct drm_brgpu_queue_submit *args, const char **why)
{
	int ret;

	if (args->flags)
		return refuse(why, -EINVAL, "flags are not zero");
	ret = brgpu_core_check_array(&args->commands, BRGPU_CORE_COMMAND_BYTES,
				     DRM_BRGPU_MAX_COMMANDS, why);
	if (ret)
		return ret;
	return brgpu_core_check_array(&args->syncs, BRGPU_CORE_SYNC_BYTES, DRM_BRGPU_MAX_SYNCS,
				      why);
}

int brgpu_core_check_command(const struct drm_brgpu_command *command,
			     const struct brgpu_core_limits *limits, const char **why)
{
	if (command->flags)
		return refuse(why, -EINVAL, "flags of a command are not zero");
	if (!command->packets || command->packets > BRGPU_MAX_CALL_PACKETS)
		return refuse(why, -EINVAL, "packets out of 1..65536");
	if (command->va % BRGPU_PACKET_BYTES)
		return refuse(why, -EINVAL, "command buffer is not 64-byte aligned");
	if (!in_va(limits, command->va, (uint64_t)command->packets * BRGPU_PACKET_BYTES))
		return refuse(why, -EINVAL, "command buffer is outside va_start..va_end");
	return 0;
}

int brgpu_core_check_queue_get_state(const struct drm_brgpu_queue_get_state *args, const char **why)
{
	if (args->flags)
		return refuse(why, -EINVAL, "flags are not zero");
	return 0;
}

int brgpu_core_check_wait_mem(const struct drm_brgpu_wait_mem *args, const char **why)
{
	if (brgpu_core_wait_compare(args) > DRM_BRGPU_WAIT_LT)
		return refuse(why, -EINVAL, "unknown comparison");
	if (args->offset % 8)
		return refuse(why, -EINVAL, "offset is not a multiple of 8");
	if (args->pad)
		return refuse(why, -EINVAL, "pad is not zero");
	if (!(args->compare & DRM_BRGPU_WAIT_QUEUE) != !args->queue_id)
		return refuse(why, -EINVAL, "flag QUEUE without a queue, or a queue without it");
	return 0;
}

/* A 64-bit word in a buffer. */
static int check_word(uint64_t offset, uint64_t bo_bytes, const char **why)
{
	if (bo_bytes < 8 || offset > bo_bytes - 8)
		return refuse(why, -EINVAL, "offset is beyond the end of the buffer");
	return 0;
}

int brgpu_core_check_wait_bo(const struct drm_brgpu_wait_mem *args, uint64_t bo_bytes,
			     const char **why)
{
	return check_word(args->offset, bo_bytes, why);
}

int brgpu_core_check_signal_mem(const struct drm_brgpu_signal_mem *args, const char **why)
{
	if (args->flags)
		return refuse(why, -EINVAL, "flags are not zero");
	if (args->pad)
		return refuse(why, -EINVAL, "pad is not zero");
	if (args->offset % 8)
		return refuse(why, -EINVAL, "offset is not a multiple of 8");
	return brgpu_core_check_array(&args->syncs, BRGPU_CORE_SYNC_BYTES, DRM_BRGPU_MAX_SYNCS,
				      why);
}

int brgpu_core_check_signal_bo(const struct drm_brgpu_signal_mem *args, uint64_t bo_bytes,
			       const char **why)
{
	return check_word(args->offset, bo_bytes, why);
}
