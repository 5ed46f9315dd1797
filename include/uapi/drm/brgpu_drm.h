/* SPDX-License-Identifier: MIT */
/*
 * The interface between the brgpu kernel driver and user space.
 *
 * Rules that hold for every call:
 *  - Fixed-width types, natural alignment, no implicit padding: 32-bit user space needs no
 *    translation. Every pad must be zero, unknown flags are rejected (EINVAL), and each rejected
 *    argument is named in the debug log (drm.debug=0x1).
 *  - Arrays are struct drm_brgpu_array: count elements, stride bytes apart. A stride below the first
 *    published size of the element is EINVAL; a larger one is fine when the tail that this kernel
 *    doesn't know is zero (E2BIG else); a smaller one than this kernel's is extended with zeros.
 *  - A field that a later version adds to a call is announced by a new flag bit, which an older
 *    kernel rejects; query DRM_BRGPU_QUERY_DEVICE tells `uapi_version` and `features`.
 *  - Ids (VM, queue) belong to the open file; 0 is never an id.
 *  - Waits take absolute CLOCK_MONOTONIC nanoseconds.
 *  - Handles, PRIME, syncobj and GEM_CLOSE are the core's own calls.
 *
 * Errors, beyond what each call says: EINVAL malformed argument; ENOENT no such handle or id; EFAULT
 * bad user pointer; ENOMEM out of host memory; ENOSPC memory of the asked placement is full; EIO
 * the queue or VM is stopped for good by an error; ENODEV the card has gone; EOPNOTSUPP well-formed
 * but not provided by this card or kernel; EACCES the caller lacks a right.
 */
#ifndef _UAPI_BRGPU_DRM_H_
#define _UAPI_BRGPU_DRM_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_BRGPU_QUERY			0x00
#define DRM_BRGPU_BO_CREATE		0x01
#define DRM_BRGPU_BO_MMAP_OFFSET	0x02
#define DRM_BRGPU_VM_CREATE		0x03
#define DRM_BRGPU_VM_DESTROY		0x04
#define DRM_BRGPU_VM_BIND		0x05
#define DRM_BRGPU_VM_GET_STATE		0x06
#define DRM_BRGPU_QUEUE_CREATE		0x07
#define DRM_BRGPU_QUEUE_DESTROY		0x08
#define DRM_BRGPU_QUEUE_SUBMIT		0x09
#define DRM_BRGPU_QUEUE_GET_STATE	0x0a
#define DRM_BRGPU_WAIT_MEM		0x0b
#define DRM_BRGPU_SIGNAL_MEM		0x0c /* since 1.1 */

#define DRM_IOCTL_BRGPU_QUERY		DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_QUERY, struct drm_brgpu_query)
#define DRM_IOCTL_BRGPU_BO_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_BO_CREATE, struct drm_brgpu_bo_create)
#define DRM_IOCTL_BRGPU_BO_MMAP_OFFSET	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_BO_MMAP_OFFSET, struct drm_brgpu_bo_mmap_offset)
#define DRM_IOCTL_BRGPU_VM_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_VM_CREATE, struct drm_brgpu_vm_create)
#define DRM_IOCTL_BRGPU_VM_DESTROY	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_VM_DESTROY, struct drm_brgpu_vm_destroy)
#define DRM_IOCTL_BRGPU_VM_BIND		DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_VM_BIND, struct drm_brgpu_vm_bind)
#define DRM_IOCTL_BRGPU_VM_GET_STATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_VM_GET_STATE, struct drm_brgpu_vm_get_state)
#define DRM_IOCTL_BRGPU_QUEUE_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_QUEUE_CREATE, struct drm_brgpu_queue_create)
#define DRM_IOCTL_BRGPU_QUEUE_DESTROY	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_QUEUE_DESTROY, struct drm_brgpu_queue_destroy)
#define DRM_IOCTL_BRGPU_QUEUE_SUBMIT	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_QUEUE_SUBMIT, struct drm_brgpu_queue_submit)
#define DRM_IOCTL_BRGPU_QUEUE_GET_STATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_QUEUE_GET_STATE, struct drm_brgpu_queue_get_state)
#define DRM_IOCTL_BRGPU_WAIT_MEM	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_WAIT_MEM, struct drm_brgpu_wait_mem)
#define DRM_IOCTL_BRGPU_SIGNAL_MEM	DRM_IOWR(DRM_COMMAND_BASE + DRM_BRGPU_SIGNAL_MEM, struct drm_brgpu_signal_mem)

/* Major version of struct drm_version: another major is another interface. */
#define DRM_BRGPU_UAPI_MAJOR	1
#define DRM_BRGPU_UAPI_MINOR	1

/* An array of `count` elements, `stride` bytes apart, at user address `array`. */
struct drm_brgpu_array {
	__u32 stride;
	__u32 count;
	__u64 array;
};

/* Longest arrays that the calls take; longer ones are EINVAL. */
#define DRM_BRGPU_MAX_SYNCS	64
#define DRM_BRGPU_MAX_BIND_OPS	131072
#define DRM_BRGPU_MAX_COMMANDS	256

/* ---- QUERY ---------------------------------------------------------------------------------- */

#define DRM_BRGPU_QUERY_DEVICE		0 /* struct drm_brgpu_query_device */
#define DRM_BRGPU_QUERY_MEMORY		1 /* struct drm_brgpu_query_memory[] */
#define DRM_BRGPU_QUERY_CLOCK		2 /* struct drm_brgpu_query_clock */
#define DRM_BRGPU_QUERY_FIRMWARE	3 /* struct drm_brgpu_query_firmware */
#define DRM_BRGPU_QUERY_STATUS		4 /* struct drm_brgpu_query_status */
/* 16..31 reserved for links and peers, 32..47 for partitions */

/*
 * Copies the first `size` bytes of the answer to `data` and zero-fills what is longer; `size` becomes
 * the full size of the answer. size 0 asks for that alone. An unknown query is EINVAL.
 */
struct drm_brgpu_query {
	__u32 query;
	__u32 size;	/* in, out */
	__u64 data;
};

struct drm_brgpu_query_device {
	__u32 uapi_version;	/* major << 16 | minor */
	__u32 contract;		/* hardware contract, major << 16 | minor */
	__u32 product;		/* 0xb106, 0xb110, 0xb166 */
	__u32 revision;
	__u64 serial;
	__u64 features;		/* DRM_BRGPU_FEATURE_* */
	__u64 hw_features;	/* BRGPU_FEATURE_* of brgpu/hw/regs.h */
	__u32 dies;
	__u32 spcs_per_die;
	__u32 cus_per_spc;
	__u32 eus_per_cu;
	__u32 warp_lanes;
	__u32 isa;		/* major << 16 | minor */
	__u32 max_workgroup;
	__u32 local_bytes;
	__u32 tensor_bytes;
	__u32 resident_groups;
	__u32 max_queues;	/* of this file */
	__u32 max_vms;		/* of this file */
	__u64 va_start;		/* first address that VM_BIND takes */
	__u64 va_end;		/* behind the last */
	__u64 page_sizes;	/* bit n: pages of 2^n bytes */
	__u64 timestamp_hz;
	__u32 job_timeout_ms;	/* a fence job without progress for this long is stopped */
	__u32 job_limit_ms;	/* a fence job is stopped after this, progress or not */
	char name[32];		/* "BR106" */
	char pci_address[16];	/* "0000:01:00.0"; empty where there is no bus */
};

#define DRM_BRGPU_FEATURE_EVICTION	(1u << 0) /* over-commit: buffers move between VRAM and system */
#define DRM_BRGPU_FEATURE_SHARING	(1u << 1) /* buffers can be shared with other processes and drivers */
#define DRM_BRGPU_FEATURE_USER_QUEUES	(1u << 2) /* long-running VMs and user-mode queues */
#define DRM_BRGPU_FEATURE_USERPTR	(1u << 3) /* BIND_MAP_USERPTR */
#define DRM_BRGPU_FEATURE_FAULT_RETRY	(1u << 4)

struct drm_brgpu_query_memory {
	__u32 placement;	/* DRM_BRGPU_PLACEMENT_* (one bit) */
	__u32 die;		/* 0xffffffff: not of one die */
	__u64 total;		/* bytes */
	__u64 used;		/* bytes, by everybody */
	__u64 cpu_visible;	/* bytes of `total` that the CPU can map */
};

struct drm_brgpu_query_clock {
	__u64 cpu_ns;		/* CLOCK_MONOTONIC, middle of the read */
	__u64 device;		/* TIMESTAMP, in timestamp_hz */
	__u64 uncertainty_ns;	/* at most this far apart */
};

struct drm_brgpu_query_firmware {
	__u32 version;		/* major << 24 | minor << 16 | patch */
	__u32 mailbox;		/* protocol agreed upon, major << 16 | minor */
	__u32 state;		/* BRGPU_BOOT_STATE_* of brgpu/hw/regs.h */
	__u32 heartbeats;
	char build[64];
};

#define DRM_BRGPU_HEALTH_OK		0
#define DRM_BRGPU_HEALTH_WARNING	1 /* works; corrected errors, throttled, firmware restarted */
#define DRM_BRGPU_HEALTH_CRITICAL	2 /* does not work: wedged, firmware dead, gone */

/* Never waits for the card or its firmware: sensor values are those of the last regular reading. */
struct drm_brgpu_query_status {
	__u32 health;		/* DRM_BRGPU_HEALTH_* */
	__s32 temperature_mc;	/* millidegrees Celsius, hottest die */
	__u32 power_mw;
	__u32 power_limit_mw;
	__u32 core_mhz;
	__u32 memory_mhz;
	__u32 throttle;		/* reasons, BRGPU_FW_THROTTLE_* of brgpu/hw/firmware.h */
	__u32 sensor_age_ms;	/* since the last reading; 0xffffffff: never */
	__u64 compute_busy_ns;	/* since probe */
	__u64 copy_busy_ns;
	__u64 ecc_corrected;
	__u64 ecc_uncorrected;
	__u32 queue_resets;	/* since probe */
	__u32 device_resets;
	__u32 queues;		/* open, by everybody */
	__u32 clients;		/* open files */
};

/* ---- buffers -------------------------------------------------------------------------------- */

#define DRM_BRGPU_PLACEMENT_VRAM	(1u << 0)
#define DRM_BRGPU_PLACEMENT_SYSTEM	(1u << 1)

#define DRM_BRGPU_BO_CPU_VISIBLE	(1u << 0) /* will be mapped by the CPU: VRAM within the aperture */
#define DRM_BRGPU_BO_FLAGS		0x1u

/*
 * New memory is always zero. With several placements the buffer may move between them; the first
 * that has room, VRAM before system, is taken.
 */
struct drm_brgpu_bo_create {
	__u64 size;		/* in: bytes, rounded up to pages; out: the real size */
	__u32 placements;	/* DRM_BRGPU_PLACEMENT_*, at least one */
	__u32 flags;		/* DRM_BRGPU_BO_* */
	__u32 vm_id;		/* 0, or the only VM that it may be bound in: not exportable, cheaper */
	__u32 handle;		/* out */
};

/* EACCES: a VRAM-only buffer without CPU_VISIBLE on a card whose aperture is smaller than VRAM. */
struct drm_brgpu_bo_mmap_offset {
	__u32 handle;
	__u32 pad;
	__u64 offset;		/* out: for mmap() of the device file */
};

/* ---- address spaces ------------------------------------------------------------------------- */

/*
 * LONG_RUNNING: for user-mode queues, and for these alone; EOPNOTSUPP without the feature. Their work
 * may take as long as it likes; it is set aside while memory of the VM has to move, and goes on.
 * FAULT_RETRY (with LONG_RUNNING only): an access to an address whose bind is still to come into
 * effect waits for it, and one that fails in passing is tried again; else a fault ends its queue.
 */
#define DRM_BRGPU_VM_LONG_RUNNING	(1u << 0)
#define DRM_BRGPU_VM_FAULT_RETRY	(1u << 1)
#define DRM_BRGPU_VM_FLAGS		0x3u

struct drm_brgpu_vm_create {
	__u32 flags;
	__u32 vm_id;		/* out */
};

/* EBUSY while queues of the VM exist. */
struct drm_brgpu_vm_destroy {
	__u32 vm_id;
	__u32 pad;
};

/* A fence to wait for or to signal. */
#define DRM_BRGPU_SYNC_SIGNAL		(1u << 0) /* else wait */
#define DRM_BRGPU_SYNC_TIMELINE		(1u << 1) /* `point` of a timeline syncobj; else a binary one, point 0 */
#define DRM_BRGPU_SYNC_FLAGS		0x3u

struct drm_brgpu_sync {
	__u32 flags;
	__u32 handle;		/* syncobj */
	__u64 point;
};

#define DRM_BRGPU_BIND_MAP		0
#define DRM_BRGPU_BIND_UNMAP		1 /* every mapping in the range; parts of mappings are cut out */
#define DRM_BRGPU_BIND_UNMAP_BO		2 /* every mapping of the buffer; va, size, bo_offset 0 */
#define DRM_BRGPU_BIND_MAP_USERPTR	3 /* as MAP, of the caller's own memory; feature USERPTR */

#define DRM_BRGPU_BIND_READ		(1u << 0)
#define DRM_BRGPU_BIND_WRITE		(1u << 1)
#define DRM_BRGPU_BIND_EXEC		(1u << 2)
#define DRM_BRGPU_BIND_NULL		(1u << 3) /* MAP without buffer: reads zero, writes vanish */
#define DRM_BRGPU_BIND_FLAGS		0xfu

/*
 * MAP and MAP_USERPTR replace what was mapped in the range. va, size, bo_offset are
 * multiples of 4 KiB.
 *
 * MAP_USERPTR maps [bo_offset, bo_offset + size) of the calling process, which must be memory (not a
 * mapping of a device) and writable where WRITE is asked for: EFAULT else. Nothing is pinned: a job
 * sees what stands at the address when it is submitted, after fork(), munmap(), mremap() or swapping
 * too; where nothing stands, its access is a page fault. Taking memory away waits for the jobs that
 * may use it.
 */
struct drm_brgpu_bind_op {
	__u32 op;
	__u32 flags;		/* of a map; WRITE includes atomics when READ is given too */
	__u32 bo_handle;	/* 0 for MAP_USERPTR */
	__u32 pad;
	__u64 bo_offset;	/* MAP_USERPTR: the address in the process */
	__u64 va;
	__u64 size;
};

#define DRM_BRGPU_VM_BIND_ASYNC		(1u << 0)
#define DRM_BRGPU_VM_BIND_FLAGS		0x1u

/*
 * Operations take effect in order, those of one VM in the order of the calls. Without ASYNC the call
 * returns when all are done, and `syncs` may only wait. With ASYNC it returns at once, and the syncs
 * tell when. Either all operations are accepted or none.
 */
struct drm_brgpu_vm_bind {
	__u32 vm_id;
	__u32 flags;
	struct drm_brgpu_array ops;	/* struct drm_brgpu_bind_op */
	struct drm_brgpu_array syncs;	/* struct drm_brgpu_sync */
};

#define DRM_BRGPU_STATE_OK	0
#define DRM_BRGPU_STATE_STOPPED	1 /* by an error of its own: destroy and make a new one */
#define DRM_BRGPU_STATE_LOST	2 /* by a reset that somebody else caused */

struct drm_brgpu_fault {
	__u64 address;
	__u64 pc;		/* shader pc, 0: none */
	__u64 timestamp;	/* device TIMESTAMP */
	__u32 info;		/* info word of brgpu/hw/events.h, VM bits zero */
	__u32 queue_id;		/* 0: gone meanwhile */
};

/* Copies the last `faults.count` faults, oldest first; faults.count becomes how many were copied. */
struct drm_brgpu_vm_get_state {
	__u32 vm_id;
	__u32 flags;		/* zero */
	__u32 state;		/* out: DRM_BRGPU_STATE_* */
	__u32 pad;
	__u64 fault_count;	/* out: ever */
	__u64 bytes_bound;	/* out */
	struct drm_brgpu_array faults;	/* struct drm_brgpu_fault; in, out */
};

/* ---- queues --------------------------------------------------------------------------------- */

#define DRM_BRGPU_QUEUE_COMPUTE		0
#define DRM_BRGPU_QUEUE_COPY		1

#define DRM_BRGPU_PRIORITY_LOW		0
#define DRM_BRGPU_PRIORITY_NORMAL	1
#define DRM_BRGPU_PRIORITY_HIGH		2 /* needs CAP_SYS_NICE or the DRM master: EACCES */

#define DRM_BRGPU_QUEUE_USER		(1u << 0) /* user-mode queue: long-running VM, ring_* given */
/* With USER, since 1.1: a PROGRESS instruction counts as progress for the watchdog. */
#define DRM_BRGPU_QUEUE_HEARTBEAT	(1u << 1)
#define DRM_BRGPU_QUEUE_FLAGS		0x3u

/*
 * Without USER: work comes by QUEUE_SUBMIT, the ring_* fields are zero. With USER: the ring and its
 * indices stand in the VM at the addresses given, both indices begin at 0; doorbell_offset is for
 * mmap() of one page, shared, the same for all queues of the file; the queue's doorbell is the 64-bit
 * word doorbell_slot in it. The mapping stays good for writing whatever becomes of queue and card.
 *
 * watchdog_ms of a user-mode queue: so long it may run without progress (workgroups, dispatches or
 * packets finished, heartbeats) before it is stopped with DRM_BRGPU_QUEUE_ERROR_TIMEOUT. Waiting in a
 * WAIT packet, for a fault to be mended, or for the hardware does not count.
 *
 * More user-mode queues may be made than the hardware has slots: they take turns.
 */
struct drm_brgpu_queue_create {
	__u32 vm_id;
	__u32 flags;
	__u32 queue_class;	/* DRM_BRGPU_QUEUE_COMPUTE or _COPY */
	__u32 priority;
	__u32 timeout_ms;	/* 0: the default; at most job_timeout_ms. USER: watchdog_ms, 0: none */
	__u32 ring_log2;	/* packets */
	__u64 ring_va;
	__u64 write_index_va;
	__u64 read_index_va;
	__u64 doorbell_offset;	/* out */
	__u32 doorbell_slot;	/* out */
	__u32 queue_id;		/* out */
};

/* Work that is queued is dropped, its fences signal with ECANCELED. */
struct drm_brgpu_queue_destroy {
	__u32 queue_id;
	__u32 pad;
};

/* A buffer of packets (brgpu/hw/queue.h) in the queue's VM; CALL packets may not be in it. */
struct drm_brgpu_command {
	__u64 va;		/* 64-byte aligned */
	__u32 packets;		/* 1..65536 */
	__u32 flags;		/* zero */
};

/*
 * Not for user-mode queues (EINVAL). Runs the commands in order, after the waits and after what was submitted to the queue before; the
 * signals fire when all is done. No commands: synchronises only. The packets are read when they
 * run: the buffer may be changed or unmapped only after the signal.
 */
struct drm_brgpu_queue_submit {
	__u32 queue_id;
	__u32 flags;		/* zero */
	struct drm_brgpu_array commands; /* struct drm_brgpu_command */
	struct drm_brgpu_array syncs;	/* struct drm_brgpu_sync */
};

struct drm_brgpu_queue_get_state {
	__u32 queue_id;
	__u32 flags;		/* zero */
	__u32 state;		/* out: DRM_BRGPU_STATE_* */
	__u32 error;		/* out: enum brgpu_queue_error of brgpu/hw/queue.h, or _TIMEOUT */
	__u64 submitted;	/* out: jobs ever; of a user-mode queue 0 */
	__u64 completed;	/* out: jobs ever, failed ones included; of a user-mode queue packets */
	__u64 busy_ns;		/* out: engine time */
	struct drm_brgpu_fault fault; /* out: the fault that stopped it, or zero */
};

#define DRM_BRGPU_QUEUE_ERROR_TIMEOUT	256 /* stopped by the driver: no progress, or over the limit */

/* ---- memory waits --------------------------------------------------------------------------- */

#define DRM_BRGPU_WAIT_EQ	0
#define DRM_BRGPU_WAIT_NE	1
#define DRM_BRGPU_WAIT_GE	2 /* unsigned */
#define DRM_BRGPU_WAIT_LT	3
/* Flag, since 1.1: queue_id is given; without it the field is zero. */
#define DRM_BRGPU_WAIT_QUEUE	(1u << 8)

/*
 * Waits until (64-bit word at `offset` of the buffer & mask) compares with (value & mask). ETIME: the
 * deadline passed; `seen` is the value last read. A SIGNAL packet with `notify`, of any queue of this
 * file, makes it look again at once; other writers are seen within a few milliseconds. With
 * WAIT_QUEUE: EIO when the word does not compare and the queue is stopped, so that nobody waits for
 * one that will not write any more.
 */
struct drm_brgpu_wait_mem {
	__u32 handle;
	__u32 compare;		/* DRM_BRGPU_WAIT_*, one comparison and flags */
	__u64 offset;		/* multiple of 8 */
	__u64 value;
	__u64 mask;
	__s64 deadline_ns;	/* CLOCK_MONOTONIC; 0 or past: look once */
	__u64 seen;		/* out */
	__u32 queue_id;		/* with WAIT_QUEUE */
	__u32 pad;
};

/*
 * Once all `syncs` (waits only) have signalled, with an error or without, stores `value` to the 64-bit
 * word at `offset` of the buffer, and rings for the user-mode queue if queue_id is not 0: so a queue
 * whose WAIT packet looks at that word waits for a fence, while no fence ever waits for the queue.
 * Returns at once. What is still to come when the file is closed is dropped. EACCES: a buffer that
 * the CPU can't reach. EBUSY: DRM_BRGPU_MAX_SIGNALS of the file are still to come.
 */
struct drm_brgpu_signal_mem {
	__u32 handle;
	__u32 flags;		/* zero */
	__u64 offset;		/* multiple of 8 */
	__u64 value;
	__u32 queue_id;		/* 0, or a user-mode queue */
	__u32 pad;
	struct drm_brgpu_array syncs;	/* struct drm_brgpu_sync */
};

#define DRM_BRGPU_MAX_SIGNALS	1024

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_BRGPU_DRM_H_ */
