/* SPDX-License-Identifier: MIT */
/*
 * Events: what the card tells the driver by interrupt. Four rings of 32-byte records in system
 * memory, one a class, so that a flood in one can't hide another.
 *
 * A new record is recognised by its phase byte: 1 in the first pass through the ring, 0 in the second,
 * and so on; the memory is zeroed before enabling. The device writes bytes 8..31 first, then the
 * first 8 at once. It never overwrites a record that is not consumed: with PRODUCER - CONSUMER =
 * size a record is dropped, LOST counts, STATUS.OVERFLOW is set. The driver recovers what was lost
 * from the registers: QUEUE_* of each queue, VM_STATUS, ECC counters, BOOT_STATE.
 *
 * An armed ring raises its vector when a record is written, and is then disarmed. Writing CONSUMER
 * arms it, and raises at once if PRODUCER is further. So a driver handles a burst with one interrupt,
 * and a lost interrupt costs no more than one look at the ring.
 *
 * A record is a hint to look, never the truth: completion is what stands in memory.
 */
#ifndef BRGPU_HW_EVENTS_H
#define BRGPU_HW_EVENTS_H

#include "types.h"

enum brgpu_event_class {
    BRGPU_EVENT_CLASS_ERROR = 0,
    BRGPU_EVENT_CLASS_FIRMWARE = 1,
    BRGPU_EVENT_CLASS_FAULT = 2,
    BRGPU_EVENT_CLASS_COMPLETION = 3,
};

enum brgpu_event_type {
    /* class ERROR */
    BRGPU_EVENT_ECC = 0x10,       /* info: 0 corrected, 1 uncorrected; data0: VRAM address */
    BRGPU_EVENT_THERMAL = 0x11,   /* data0: millidegrees Celsius */
    BRGPU_EVENT_WEDGED = 0x12,    /* STATUS.FAILED was set */
    /* class FIRMWARE */
    BRGPU_EVENT_FW_RESPONSE = 0x20, /* the response ring has grown */
    BRGPU_EVENT_FW_NOTIFY = 0x21,   /* info: enum brgpu_fw_notify (firmware.h); data0, data1: its data */
    BRGPU_EVENT_FW_STATE = 0x22,    /* info: new BOOT_STATE */
    /* class FAULT */
    BRGPU_EVENT_FAULT = 0x30,       /* info: BRGPU_FAULT_INFO_*; data0: address; data1: shader pc or 0 */
    BRGPU_EVENT_QUEUE_ERROR = 0x31, /* info: enum brgpu_queue_error; data0: address of the packet */
    /* class COMPLETION */
    BRGPU_EVENT_SIGNAL = 0x40,      /* a SIGNAL packet with notify; data0: value */
    BRGPU_EVENT_USER = 0x41,        /* an EVENT packet; data0: payload of the last; data1: how many */
    BRGPU_EVENT_QUEUE_STATE = 0x42, /* a queue command is done; info: STATUS */
    BRGPU_EVENT_TLB_DONE = 0x43,    /* data0: TLB_COMPLETED */
};

#define BRGPU_EVENT_NO_QUEUE 0xffffu

struct brgpu_event_record {
    uint8_t type;  /* enum brgpu_event_type */
    uint8_t phase;
    uint16_t queue; /* slot, or BRGPU_EVENT_NO_QUEUE */
    uint32_t info;
    uint64_t data0;
    uint64_t data1;
    uint64_t timestamp; /* TIMESTAMP when it happened */
};
BRGPU_ASSERT_SIZE(struct brgpu_event_record, 32);
BRGPU_ASSERT_OFFSET(struct brgpu_event_record, data0, 8);

/*
 * A queue has at most one SIGNAL and one USER record that is not yet consumed in the ring: later
 * ones are merged (SIGNAL: dropped, the value stands in memory; USER: counted into the next record).
 */

/* Info word of a fault. */
#define BRGPU_FAULT_INFO_VM_MASK 0x00000fffu
#define BRGPU_FAULT_INFO_ACCESS_SHIFT 12 /* BRGPU_ACCESS_*, 4 bits */
#define BRGPU_FAULT_INFO_LEVEL_SHIFT 16  /* page-table level at which the walk ended, 3 bits */
#define BRGPU_FAULT_INFO_CLIENT_SHIFT 20 /* enum brgpu_fault_client, 4 bits */
#define BRGPU_FAULT_INFO_REASON_SHIFT 24 /* enum brgpu_fault_reason, 8 bits */
#define BRGPU_FAULT_INFO(vm, access, level, client, reason)                                       \
    ((uint32_t)(vm) | ((uint32_t)(access) << BRGPU_FAULT_INFO_ACCESS_SHIFT) |                      \
     ((uint32_t)(level) << BRGPU_FAULT_INFO_LEVEL_SHIFT) |                                         \
     ((uint32_t)(client) << BRGPU_FAULT_INFO_CLIENT_SHIFT) |                                       \
     ((uint32_t)(reason) << BRGPU_FAULT_INFO_REASON_SHIFT))

enum brgpu_fault_client {
    BRGPU_FAULT_CLIENT_SHADER = 0,
    BRGPU_FAULT_CLIENT_FETCH = 1, /* instruction fetch */
    BRGPU_FAULT_CLIENT_COPY = 2,  /* COPY, FILL, WRITE */
    BRGPU_FAULT_CLIENT_QUEUE = 3, /* packets, indices, descriptors, SIGNAL, WAIT, TIMESTAMP */
    BRGPU_FAULT_CLIENT_TENSOR = 4, /* TDA and T-core operands */
};

enum brgpu_fault_reason {
    BRGPU_FAULT_NONE = 0,
    /* of the MMU: queue error MMU (or BUS, ECC) */
    BRGPU_FAULT_NOT_MAPPED = 1, /* an invalid entry, or a VM without root */
    BRGPU_FAULT_RIGHTS = 2,     /* a right is missing */
    BRGPU_FAULT_ENTRY = 3,      /* malformed entry, or memory that does not exist behind it */
    BRGPU_FAULT_ADDRESS = 4,    /* outside every aperture; wrap-around */
    BRGPU_FAULT_BUS = 5,        /* system memory did not answer */
    BRGPU_FAULT_POISON = 6,     /* uncorrectable ECC error */
    /* of the shader: queue error SHADER */
    BRGPU_FAULT_MISALIGNED = 16, /* AMO, LR or SC not at its natural alignment; odd pc */
    BRGPU_FAULT_ILLEGAL = 17,    /* illegal instruction; address = its first 32 bits */
    BRGPU_FAULT_ECALL = 18,
    BRGPU_FAULT_EBREAK = 19,
    BRGPU_FAULT_TRAP = 20,       /* TRAP instruction; address = its operand */
    BRGPU_FAULT_DEADLOCK = 21,   /* every lane waits for a rendezvous that can't complete */
    BRGPU_FAULT_LOCAL = 22,      /* beyond local memory */
    BRGPU_FAULT_PRIVATE = 23,    /* beyond private memory: stack overflow */
    BRGPU_FAULT_TENSOR = 24,     /* malformed tensor descriptor; address = descriptor */
};

#endif /* BRGPU_HW_EVENTS_H */
