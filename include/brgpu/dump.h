/* SPDX-License-Identifier: MIT */
/*
 * The dump that brgpu.ko leaves in /sys/class/devcoredump/devcd<N>/data when a queue fails or the
 * card is reset, and that brgpu-dump reads. All is little-endian.
 *
 * A head, then sections: each a struct brgpu_dump_section and `bytes` of payload, padded with zeros
 * to a multiple of 8. A reader skips types that it does not know, and what a later version has
 * appended to an entry (entry_bytes). A section that did not fit into the dump is missing, and the
 * head says so.
 */
#ifndef BRGPU_DUMP_H
#define BRGPU_DUMP_H

#include "hw/types.h"

#define BRGPU_DUMP_MAGIC   BRGPU_U64(0x504d554455475242) /* "BRGUDUMP" */
#define BRGPU_DUMP_VERSION 1u
#define BRGPU_DUMP_CUT     1u /* flags: something did not fit */

struct brgpu_dump_head {
    uint64_t magic;       /* BRGPU_DUMP_MAGIC */
    uint32_t version;     /* BRGPU_DUMP_VERSION */
    uint32_t head_bytes;  /* a later version may append to the head */
    uint64_t total_bytes; /* of the whole dump */
    uint32_t flags;       /* BRGPU_DUMP_CUT */
    uint32_t pad;         /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_dump_head, 32);

enum brgpu_dump_type {
    BRGPU_DUMP_TEXT = 1,      /* "name: value\n" lines about card, driver and occasion */
    BRGPU_DUMP_REGISTERS = 2, /* struct brgpu_dump_register */
    BRGPU_DUMP_QUEUES = 3,    /* struct brgpu_dump_queue, the guilty one first */
    BRGPU_DUMP_RING = 4,      /* struct brgpu_dump_ring, then its packets of 64 bytes each */
    BRGPU_DUMP_PAGE_WALK = 5, /* struct brgpu_dump_walk */
    BRGPU_DUMP_LANES = 6, /* struct brgpu_snapshot_head and what follows it, as the card wrote it */
    BRGPU_DUMP_FW_LOG = 7,   /* text */
    BRGPU_DUMP_FW_CRASH = 8, /* struct brgpu_fw_crash */
};

struct brgpu_dump_section {
    uint32_t type;        /* enum brgpu_dump_type */
    uint32_t entry_bytes; /* of each entry, 0: not a list */
    uint64_t bytes;       /* of payload, without the padding */
};
BRGPU_ASSERT_SIZE(struct brgpu_dump_section, 16);

struct brgpu_dump_register {
    uint32_t offset; /* in BAR 0 */
    uint32_t bits;   /* 32 or 64 */
    uint64_t value;
};
BRGPU_ASSERT_SIZE(struct brgpu_dump_register, 16);

#define BRGPU_DUMP_QUEUE_GUILTY  1u
#define BRGPU_DUMP_QUEUE_STOPPED 2u
#define BRGPU_DUMP_QUEUE_LOST    4u

/* What the driver knows of a queue, then its registers. */
struct brgpu_dump_queue {
    uint32_t slot;
    uint32_t flags; /* BRGPU_DUMP_QUEUE_* */
    uint32_t vm;
    uint32_t id; /* of its owner; 0: the kernel's */
    uint32_t queue_class;
    uint32_t priority;
    uint64_t submitted;
    uint64_t completed;
    uint32_t status;
    uint32_t error;
    uint64_t read_index;
    uint64_t write_index;
    uint64_t packet;
    uint64_t dispatches;
    uint64_t workgroups;
    uint64_t busy_ns;
    uint64_t progress;
    uint64_t fault_address;
    uint64_t fault_pc;
    uint32_t fault_info;
    uint32_t pad; /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_dump_queue, 128);

struct brgpu_dump_ring {
    uint32_t slot;
    uint32_t packets;
    uint64_t first; /* index of the first packet that follows */
};
BRGPU_ASSERT_SIZE(struct brgpu_dump_ring, 16);

/* From the root down; levels behind the one at which the walk ended are zero. */
struct brgpu_dump_walk {
    uint64_t address;
    uint32_t vm;
    uint32_t levels; /* that were walked, 1..4 */
    uint64_t entries[4];
};
BRGPU_ASSERT_SIZE(struct brgpu_dump_walk, 48);

#endif /* BRGPU_DUMP_H */
