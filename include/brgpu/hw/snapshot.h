/* SPDX-License-Identifier: MIT */
/*
 * Lane snapshots (feature LANE_SNAPSHOT, contract 1.1): where the lanes of a kernel stood when its
 * queue stopped.
 *
 * When a queue stops in a DISPATCH, by an error or by KILL, the card keeps the state of its lanes: of
 * those that had started and not finished, the warp that faulted first. The driver gives a buffer in
 * SNAPSHOT_ADDRESS and SNAPSHOT_ROOM and writes the command SNAPSHOT; the card writes one struct
 * brgpu_snapshot_head and behind it as many struct brgpu_snapshot_warp as there is room for, and tells
 * their bytes in SNAPSHOT_WRITTEN: 0 where nothing is kept, the head has no room, or memory did not
 * answer. It may be asked for again until the next MAP of the slot or a device reset.
 */
#ifndef BRGPU_HW_SNAPSHOT_H
#define BRGPU_HW_SNAPSHOT_H

#include "isa.h"
#include "types.h"

#define BRGPU_SNAPSHOT_MAGIC 0x534c5242u /* "BRLS" */
#define BRGPU_SNAPSHOT_VERSION 1u
#define BRGPU_SNAPSHOT_MAX_WARPS 8u /* that a card keeps */
#define BRGPU_SNAPSHOT_NO_FAULT 0xffffffffu

struct brgpu_snapshot_head {
    uint32_t magic;          /* BRGPU_SNAPSHOT_MAGIC */
    uint32_t version;        /* BRGPU_SNAPSHOT_VERSION */
    uint32_t head_bytes;     /* a later minor may append to the head */
    uint32_t warp_bytes;     /* and to each warp */
    uint32_t warps;          /* records behind the head */
    uint32_t total_warps;    /* that had started and not finished */
    uint32_t fault_lane;     /* of the first record, or BRGPU_SNAPSHOT_NO_FAULT */
    uint32_t work_dim;       /* as in the packet, like what follows */
    uint32_t grid[3];
    uint32_t workgroup[3];
    uint64_t kernel;
    uint64_t kernarg;
    uint64_t workgroups;     /* that the dispatch has */
    uint64_t workgroups_done;
    uint64_t pad[2];         /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_snapshot_head, 104);

struct brgpu_snapshot_warp {
    uint64_t workgroup;      /* index in the dispatch, x runs fastest */
    uint32_t warp;           /* in the workgroup */
    uint32_t cu;             /* die << 16 | SPC << 8 | CU */
    uint32_t started;        /* lanes that exist, a bit each */
    uint32_t live;           /* not yet exited */
    uint32_t waiting;        /* at a barrier or a rendezvous */
    uint32_t pad;            /* zero */
    uint64_t pc[BRGPU_WARP_LANES];
    uint64_t x[32][BRGPU_WARP_LANES]; /* by register, then lane */
    uint64_t f[32][BRGPU_WARP_LANES];
};
BRGPU_ASSERT_SIZE(struct brgpu_snapshot_warp, 16672);
BRGPU_ASSERT_OFFSET(struct brgpu_snapshot_warp, pc, 32);

#endif /* BRGPU_HW_SNAPSHOT_H */
