/* SPDX-License-Identifier: MIT */
/*
 * Hardware queues and their packets.
 *
 * A queue is a ring of 64-byte packets. The producer writes packets, then the write index (a 64-bit
 * count of packets ever written, release order), then the doorbell. The device takes packets while
 * its read index is below the write index; a doorbell is needed only when it may have gone to sleep,
 * and the value written there is of no meaning: the write index in memory is the truth. The device
 * writes the read index after a packet and all before it have completed. A ring is full when
 * write - read = size. A write index that is below the read index or more than `size` above it
 * stops the queue (BRGPU_QUEUE_ERROR_INDEX).
 *
 * Ring, indices and SIGNAL targets of ring packets are addresses in `ring_vm`; packets that CALL
 * runs, and what DISPATCH, COPY, FILL, WRITE touch, are in `vm` (for ring packets other than CALL and
 * DISPATCH: in `ring_vm`). A kernel queue has ring_vm 0, so nothing that the kernel trusts is
 * writable by a shader; a user-mode queue has ring_vm = vm.
 *
 * Order: packets start in ring order. Without BRGPU_PACKET_BARRIER, DISPATCH, COPY, FILL and WRITE
 * may overlap with earlier ones of the same queue. With it they start after all earlier packets have
 * completed. WAIT, SIGNAL, TIMESTAMP, EVENT and BARRIER always take effect after everything before
 * them has completed, and everything after them starts after they took effect; CALL acts as if its
 * packets stood in the ring. Data written by a packet is visible to all (device, other queues, host)
 * before a SIGNAL behind it; the SIGNAL's value is visible before its event record, and that before
 * the interrupt.
 */
#ifndef BRGPU_HW_QUEUE_H
#define BRGPU_HW_QUEUE_H

#include "types.h"

#define BRGPU_PACKET_BYTES 64
#define BRGPU_MIN_RING_LOG2 4  /* packets */
#define BRGPU_MAX_RING_LOG2 20
#define BRGPU_MAX_CALL_PACKETS 65536u

enum brgpu_queue_class {
    BRGPU_QUEUE_COMPUTE = 0, /* all packets */
    BRGPU_QUEUE_COPY = 1,    /* all but DISPATCH */
};

/*
 * Priority: a queue runs only while no queue of a higher priority has work that can run; queues of
 * equal priority share the engines by time slices.
 */
enum brgpu_queue_priority {
    BRGPU_PRIORITY_LOW = 0,
    BRGPU_PRIORITY_NORMAL = 1,
    BRGPU_PRIORITY_HIGH = 2,
    BRGPU_PRIORITY_REALTIME = 3, /* for the kernel's own work */
};

/* Read by MAP, written by PREEMPT (saved_bytes). 128 bytes, 128-byte aligned, in VM 0. */
struct brgpu_hw_queue_desc {
    uint64_t ring;          /* 64-byte aligned, in ring_vm */
    uint64_t write_index;   /* address of the 64-bit write index, 8-byte aligned, in ring_vm */
    uint64_t read_index;    /* address of the 64-bit read index, 8-byte aligned, in ring_vm */
    uint32_t ring_log2;     /* packets */
    uint16_t ring_vm;
    uint16_t vm;
    uint8_t queue_class;    /* enum brgpu_queue_class */
    uint8_t priority;       /* enum brgpu_queue_priority */
    uint16_t flags;         /* BRGPU_QUEUE_DESC_* */
    uint32_t doorbell;      /* index: page * BRGPU_DOORBELLS_A_PAGE + slot */
    uint32_t time_slice_us; /* 0: the device's default */
    uint32_t pad0;          /* zero */
    uint64_t start_index;   /* read index to start at */
    uint64_t save_area;     /* VM 0 address, 4 KiB aligned; 0: none */
    uint64_t save_bytes;    /* its size */
    uint64_t saved_bytes;   /* PREEMPT: what it wrote; MAP with RESTORE: what to read back */
    uint64_t pad1[6];       /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_hw_queue_desc, 128);
BRGPU_ASSERT_OFFSET(struct brgpu_hw_queue_desc, queue_class, 32);
BRGPU_ASSERT_OFFSET(struct brgpu_hw_queue_desc, start_index, 48);

#define BRGPU_QUEUE_DESC_RESTORE (1u << 0) /* continue from the save area */
#define BRGPU_QUEUE_DESC_FLAGS 0x1u

/*
 * COMMAND register. STATUS has BRGPU_QUEUE_BUSY from the write until the command is done; a command
 * that is written meanwhile is ignored, except KILL, which overrides. A completion is also announced
 * by a QUEUE_STATE event record. Several slots may be commanded at once.
 */
#define BRGPU_QUEUE_CMD_MAP 1u     /* UNMAPPED, ERROR or PREEMPTED only */
#define BRGPU_QUEUE_CMD_UNMAP 2u   /* finish the packets that have started, take no more */
#define BRGPU_QUEUE_CMD_PREEMPT 3u /* stop at once, save into the save area; without one, or when it is too small: as UNMAP, but past PREEMPT_MS as KILL (error PREEMPT) */
#define BRGPU_QUEUE_CMD_KILL 4u    /* stop at once, drop the work; done within PREEMPT_MS whatever runs */
#define BRGPU_QUEUE_CMD_RESUME 5u  /* FAULTED only: try the faulted accesses again */
#define BRGPU_QUEUE_CMD_SNAPSHOT 6u /* write what is kept of the lanes that stopped (snapshot.h) */

#define BRGPU_QUEUE_STATE_UNMAPPED 0u
#define BRGPU_QUEUE_STATE_IDLE 1u
#define BRGPU_QUEUE_STATE_RUNNING 2u
#define BRGPU_QUEUE_STATE_WAITING 3u   /* in a WAIT packet */
#define BRGPU_QUEUE_STATE_FAULTED 4u   /* VM in retry mode: waits for RESUME or KILL */
#define BRGPU_QUEUE_STATE_ERROR 5u     /* stopped by an error: nothing behind the failed packet has run */
#define BRGPU_QUEUE_STATE_PREEMPTED 6u
#define BRGPU_QUEUE_STATE_MASK 0xfu
#define BRGPU_QUEUE_BUSY (1u << 8)

enum brgpu_queue_error {
    BRGPU_QUEUE_ERROR_NONE = 0,
    BRGPU_QUEUE_ERROR_DESC = 1,     /* MAP: descriptor not readable or a field out of range */
    BRGPU_QUEUE_ERROR_INDEX = 2,    /* write index out of range */
    BRGPU_QUEUE_ERROR_PACKET = 3,   /* unknown packet type, or not for this class */
    BRGPU_QUEUE_ERROR_FIELD = 4,    /* a field out of range, a pad not zero, an address misaligned */
    BRGPU_QUEUE_ERROR_CALL = 5,     /* CALL inside a called buffer */
    BRGPU_QUEUE_ERROR_KERNEL = 6,   /* kernel descriptor refused */
    BRGPU_QUEUE_ERROR_MMU = 7,      /* page fault; details in the fault registers */
    BRGPU_QUEUE_ERROR_SHADER = 8,   /* a lane faulted otherwise; reason in FAULT_INFO */
    BRGPU_QUEUE_ERROR_BUS = 9,      /* system memory answered with an error */
    BRGPU_QUEUE_ERROR_PREEMPT = 10, /* could not be preempted within PREEMPT_MS */
    BRGPU_QUEUE_ERROR_KILLED = 11,
    BRGPU_QUEUE_ERROR_RESET = 12,   /* engine reset */
    BRGPU_QUEUE_ERROR_ECC = 13,     /* read poisoned memory */
};

/* Packets. All have type and flags in their first two bytes; every pad must be zero. */
enum brgpu_packet_type {
    BRGPU_PACKET_NOP = 0,
    BRGPU_PACKET_DISPATCH = 1,
    BRGPU_PACKET_COPY = 2,
    BRGPU_PACKET_FILL = 3,
    BRGPU_PACKET_WRITE = 4,
    BRGPU_PACKET_BARRIER = 5,
    BRGPU_PACKET_WAIT = 6,
    BRGPU_PACKET_SIGNAL = 7,
    BRGPU_PACKET_TIMESTAMP = 8,
    BRGPU_PACKET_EVENT = 9,
    BRGPU_PACKET_CALL = 10,
};

#define BRGPU_PACKET_BARRIER_BIT (1u << 0) /* flags of any packet: start after all before it completed */
#define BRGPU_PACKET_REPORT_BIT (1u << 1)  /* flags of DISPATCH: `timestamps` is a report's address (contract 1.1) */

struct brgpu_packet_nop {
    uint8_t type, flags;
    uint8_t pad[62];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_nop, 64);

/*
 * Runs a kernel over a grid of work-items. The grid need not be a multiple of the workgroup size:
 * workgroups at the far edges are smaller. A grid with a zero dimension completes at once. Unused
 * dimensions are 1. Local memory: static (kernel descriptor) + dynamic, the dynamic part behind
 * the static one rounded up to 16 bytes; all of it is zero at the start of a workgroup, so that
 * nothing leaks from one to the next.
 */
struct brgpu_packet_dispatch {
    uint8_t type, flags;
    uint8_t work_dim;             /* 1..3: what CSR WORK_DIM says */
    uint8_t pad0;
    uint16_t workgroup[3];        /* each 1..1024, product at most BRGPU_MAX_WORKGROUP */
    uint16_t pad1;
    uint32_t grid[3];             /* work-items */
    uint64_t kernel;              /* struct brgpu_kernel_desc, 64-byte aligned, in vm */
    uint64_t kernarg;             /* 16-byte aligned; given to the kernel as it is */
    uint32_t offset[3];           /* global offset, work-items */
    uint32_t dynamic_local_bytes;
    uint64_t timestamps;          /* 0, or where to write {start, end} TIMESTAMPs, 16 bytes, 8-byte aligned;
                                     with REPORT: a struct brgpu_dispatch_report, 64-byte aligned */
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_dispatch, 64);
BRGPU_ASSERT_OFFSET(struct brgpu_packet_dispatch, kernel, 24);

/*
 * What a dispatch did, with feature REPORT (contract 1.1). The device reads bytes, flags and profile*
 * before the first workgroup starts (BRGPU_QUEUE_ERROR_FIELD if they break a rule), and writes start,
 * end and counters, the counters themselves and the profile when the last has ended, before whatever
 * waits for the packet. A dispatch that does not end well writes nothing.
 *
 * Behind these 64 bytes stand the counters, 64 bits each, in the order of enum brgpu_counter: as many
 * as there is room for in `bytes` and the device knows; `counters` says how many that is.
 *
 * Without DETAILS only the first counters count (see there) and cost nothing to speak of. DETAILS and
 * PROFILE make each instruction tell what it does: the dispatch is interpreted, and takes several
 * times as long.
 */
struct brgpu_dispatch_report {
    uint64_t start;         /* TIMESTAMP when the packet started */
    uint64_t end;           /* and when its last workgroup had ended */
    uint32_t bytes;         /* of this structure and the counters, 64..BRGPU_REPORT_MAX_BYTES, multiple of 8 */
    uint32_t flags;         /* BRGPU_REPORT_* */
    uint32_t counters;      /* written by the device: how many counters follow */
    uint32_t pad0;          /* zero */
    uint64_t profile;       /* with PROFILE: struct brgpu_report_entry for each 2 bytes of code, 16-byte aligned; else 0 */
    uint64_t profile_pc;    /* pc of the first entry, even; else 0 */
    uint32_t profile_bytes; /* bytes of code, multiple of 2, 2..BRGPU_REPORT_MAX_CODE; else 0 */
    uint32_t pad1;          /* zero */
    uint64_t pad2;          /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_dispatch_report, 64);
BRGPU_ASSERT_OFFSET(struct brgpu_dispatch_report, profile, 32);

#define BRGPU_REPORT_DETAILS (1u << 0) /* count what DETAILS counts */
#define BRGPU_REPORT_PROFILE (1u << 1) /* count instructions by pc */
#define BRGPU_REPORT_FLAGS 0x3u
#define BRGPU_REPORT_MAX_BYTES 4096u
#define BRGPU_REPORT_MAX_CODE (1u << 20)

/* How often the instruction at a pc ran. Zero for pcs at which none starts. */
struct brgpu_report_entry {
    uint64_t instructions;      /* warp instructions */
    uint64_t lane_instructions; /* the same, each times its active lanes */
};
BRGPU_ASSERT_SIZE(struct brgpu_report_entry, 16);

/*
 * Counters of a dispatch, appended to with a new minor. A warp instruction is one instruction for
 * the lanes of a warp that run it together. One that faults and is run again counts each time, and
 * so does one at which lanes of a warp arrive apart to wait for each other.
 */
enum brgpu_counter {
    BRGPU_COUNTER_WORKGROUPS = 0,
    BRGPU_COUNTER_WARPS = 1,
    BRGPU_COUNTER_INSTRUCTIONS = 2,      /* warp instructions */
    BRGPU_COUNTER_LANE_INSTRUCTIONS = 3, /* the same, each times its active lanes */
    BRGPU_COUNTER_BARRIERS = 4,          /* BARRIERs completed, once a workgroup */
    BRGPU_COUNTER_REGROUPS = 5,          /* times that a warp chose anew which lanes run together */
    BRGPU_COUNTER_YIELDS = 6,            /* times that a workgroup gave its place to something else */
    BRGPU_COUNTER_COMPILED_INSTRUCTIONS = 7,      /* of INSTRUCTIONS, those that compiled code ran */
    BRGPU_COUNTER_COMPILED_LANE_INSTRUCTIONS = 8, /* of LANE_INSTRUCTIONS */
    BRGPU_COUNTER_COMPILED_EXITS = 9,    /* times that compiled code left lanes to the interpreter */
    /* From here on with DETAILS only, zero without. Warp instructions where nothing else is said. */
    BRGPU_COUNTER_BRANCHES = 10,         /* conditional */
    BRGPU_COUNTER_DIVERGENT_BRANCHES = 11, /* of which some active lanes took and some did not */
    BRGPU_COUNTER_FP_INSTRUCTIONS = 12,  /* floating-point arithmetic, comparison, conversion */
    BRGPU_COUNTER_LOADS = 13,
    BRGPU_COUNTER_STORES = 14,
    BRGPU_COUNTER_ATOMICS = 15,          /* A extension */
    /* LOADS, STORES and ATOMICS by where their active lanes go: the sum of these six is theirs. */
    BRGPU_COUNTER_GLOBAL_UNIFORM = 16,     /* all lanes to one address */
    BRGPU_COUNTER_GLOBAL_CONSECUTIVE = 17, /* lane by lane to the next element, gaps of inactive lanes too */
    BRGPU_COUNTER_GLOBAL_PAGE = 18,        /* anywhere in one 4 KiB page */
    BRGPU_COUNTER_GLOBAL_SCATTERED = 19,   /* all else */
    BRGPU_COUNTER_LOCAL_ACCESSES = 20,     /* local memory */
    BRGPU_COUNTER_PRIVATE_ACCESSES = 21,   /* private memory */
    BRGPU_COUNTER_LOAD_BYTES = 22,         /* bytes that lanes loaded from global memory */
    BRGPU_COUNTER_STORE_BYTES = 23,        /* bytes that lanes stored to global memory; atomics are in neither */
    BRGPU_COUNTER_LOCAL_BANK_CONFLICTS = 24, /* turns that accesses to local memory took beyond one, see docs/hardware.md */
    BRGPU_COUNTER_SHUFFLES = 25,           /* SHUFFLE and VOTE */
    BRGPU_COUNTER_TENSOR_INSTRUCTIONS = 26,
    BRGPU_COUNTER_TENSOR_MACS = 27,        /* multiply-accumulates of TMMA: m * n * k each */
    BRGPU_COUNTER_TENSOR_COPY_BYTES = 28,  /* bytes that TDA_COPY wrote */
    BRGPU_COUNTERS = 29,
};

/* Copy of slices x rows x row_bytes. Source and destination must not overlap. */
struct brgpu_packet_copy {
    uint8_t type, flags;
    uint16_t pad0;
    uint32_t row_bytes;       /* 0: nothing is copied */
    uint64_t src;
    uint64_t dst;
    uint32_t rows;            /* 1 for a linear copy; 0: nothing is copied */
    uint32_t slices;          /* 1 unless 3D */
    uint32_t src_pitch;       /* bytes from row to row */
    uint32_t dst_pitch;
    uint64_t src_slice_pitch; /* bytes from slice to slice */
    uint64_t dst_slice_pitch;
    uint64_t pad1;
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_copy, 64);

/* Fills `bytes` at dst with the first pattern_bytes of `pattern`, repeated. */
struct brgpu_packet_fill {
    uint8_t type, flags;
    uint8_t pattern_bytes; /* 1, 2, 4, 8 or 16; dst and bytes are multiples of it */
    uint8_t pad0[5];
    uint64_t dst;
    uint64_t bytes;
    uint8_t pattern[16];
    uint64_t pad1[3];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_fill, 64);

/* Writes up to 48 bytes from the packet itself. */
struct brgpu_packet_write {
    uint8_t type, flags;
    uint16_t bytes; /* 1..48 */
    uint32_t pad0;
    uint64_t dst;
    uint8_t data[48];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_write, 64);

/* Orders; optionally makes code written before it visible to instruction fetch. */
struct brgpu_packet_barrier {
    uint8_t type, flags;
    uint16_t ops; /* BRGPU_BARRIER_* */
    uint8_t pad[60];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_barrier, 64);
#define BRGPU_BARRIER_CODE (1u << 0)

/*
 * Holds the queue until (value in memory & mask) COMPARE (value & mask) is true. The device looks
 * again when another packet of the card signals, when the queue's doorbell rings, and at least every
 * millisecond.
 */
struct brgpu_packet_wait {
    uint8_t type, flags;
    uint8_t compare; /* enum brgpu_wait_compare */
    uint8_t pad0[5];
    uint64_t address; /* 8-byte aligned */
    uint64_t value;
    uint64_t mask;
    uint64_t pad1[4];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_wait, 64);
enum brgpu_wait_compare {
    BRGPU_WAIT_EQ = 0,
    BRGPU_WAIT_NE = 1,
    BRGPU_WAIT_GE = 2, /* unsigned */
    BRGPU_WAIT_LT = 3,
};

/* Writes or adds a 64-bit value, atomically, and may announce it. */
struct brgpu_packet_signal {
    uint8_t type, flags;
    uint8_t op;     /* enum brgpu_signal_op */
    uint8_t notify; /* 1: SIGNAL event record for this queue */
    uint32_t pad0;
    uint64_t address; /* 8-byte aligned */
    uint64_t value;
    uint64_t timestamp; /* 0, or where to write TIMESTAMP first, 8-byte aligned */
    uint64_t pad1[4];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_signal, 64);
enum brgpu_signal_op {
    BRGPU_SIGNAL_STORE = 0,
    BRGPU_SIGNAL_ADD = 1,
};

struct brgpu_packet_timestamp {
    uint8_t type, flags;
    uint8_t pad0[6];
    uint64_t address; /* 8-byte aligned: where TIMESTAMP is written */
    uint64_t pad1[6];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_timestamp, 64);

/* A USER event record with the payload; coalesced per queue (events.h). */
struct brgpu_packet_event {
    uint8_t type, flags;
    uint8_t pad0[6];
    uint64_t payload;
    uint64_t pad1[6];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_event, 64);

/* Runs `packets` packets at `address` in `vm`. Only in the ring itself: depth 1. */
struct brgpu_packet_call {
    uint8_t type, flags;
    uint16_t pad0;
    uint32_t packets; /* 0..BRGPU_MAX_CALL_PACKETS */
    uint64_t address; /* 64-byte aligned */
    uint64_t pad1[6];
};
BRGPU_ASSERT_SIZE(struct brgpu_packet_call, 64);

#endif /* BRGPU_HW_QUEUE_H */
