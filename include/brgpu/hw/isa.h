/* SPDX-License-Identifier: MIT */
/*
 * The instruction set of the compute units: RV64GC + Zba + Zbb + Zfh, run by warps of 32 lanes, and
 * the project's extension in the custom-0 and custom-1 opcode spaces and custom CSRs.
 * docs/isa.md is the specification in prose; this header is its numbers.
 *
 * Every lane has its own pc, integer and floating-point registers. Lanes diverge and reconverge as
 * the hardware likes: no result depends on which lanes happen to run together. What needs lanes to
 * meet is a *rendezvous*: the instruction waits until every participant has arrived at it.
 */
#ifndef BRGPU_HW_ISA_H
#define BRGPU_HW_ISA_H

#include "types.h"

#define BRGPU_ISA_MAJOR 1
#define BRGPU_ISA_MINOR 1 /* 1: BRGPU_TDA_PANELS, BRGPU_TMMA_B_PANELS */

#define BRGPU_WARP_LANES 32
#define BRGPU_MAX_WORKGROUP 1024 /* work-items a workgroup */
#define BRGPU_MAX_WARPS (BRGPU_MAX_WORKGROUP / BRGPU_WARP_LANES)

/* What -march the compiler is given. */
#define BRGPU_ISA_MARCH "rv64gc_zba_zbb_zfh"

/*
 * Apertures of a lane's address space. Below 2^48: the VM's translated space. Above it: memory of
 * the engine itself, which no page table maps and no packet can reach. Any other address faults
 * (BRGPU_FAULT_ADDRESS).
 *
 * LOCAL: the workgroup's local memory, [0, local bytes of the dispatch), shared by its lanes.
 * PRIVATE: the lane's own memory, [0, private bytes of the kernel). The same address means other
 *   memory in another lane: a private pointer must not be handed to another lane. It stands
 *   lane-interleaved in 8-byte units, so that equal offsets of 32 lanes are one contiguous access.
 * An access beyond either limit faults; so does an instruction fetch from either.
 */
#define BRGPU_LOCAL_BASE BRGPU_U64(0x0001000000000000)
#define BRGPU_PRIVATE_BASE BRGPU_U64(0x0002000000000000)
#define BRGPU_APERTURE_SIZE BRGPU_U64(0x0000000100000000) /* address range of each, not a capacity */
#define BRGPU_MAX_LOCAL_BYTES 65536u
#define BRGPU_MAX_PRIVATE_BYTES 262144u /* a lane */
#define BRGPU_TENSOR_BYTES 65536u       /* accumulator memory of a workgroup */

/*
 * State of a lane at kernel entry:
 *   pc = entry of the kernel descriptor; a0 = kernarg address of the dispatch packet;
 *   sp = BRGPU_PRIVATE_BASE + private bytes (16-byte aligned); tp = BRGPU_LOCAL_BASE;
 *   ra = BRGPU_EXIT_PC; every other integer register 0; every floating-point register +0.0 (f64);
 *   fcsr = 0 (round to nearest even).
 * A lane whose pc becomes BRGPU_EXIT_PC exits: returning from the entry function ends the lane.
 */
#define BRGPU_EXIT_PC BRGPU_U64(0x0004000000000000)

/*
 * custom-0 (opcode 0x0b).
 *
 * funct3 CTL, R-type, funct7 selects, unused operand fields must be x0:
 *   BARRIER      rendezvous of all live lanes of the workgroup; orders all earlier memory accesses of
 *                the workgroup's lanes before all later ones (local and global, workgroup scope).
 *                Barriers at different pcs match: a lane waits for arrivals, not for a pc. Exited
 *                lanes count as arrived.
 *   WARP_SYNC    rendezvous of all live lanes of the warp at this instruction; memory order as
 *                BARRIER, among the warp.
 *   EXIT         the lane exits.
 *   YIELD        hint: let other lanes, warps and workgroups run (spin loops).
 *   PROGRESS     tells the queue's watchdog that the kernel makes progress.
 *   TRAP         ends the dispatch with BRGPU_FAULT_TRAP; rs1's value is reported as its address.
 *
 * funct3 SHUFFLE, R4-type: rd = value in rs1 of another lane, rs2 = lane operand, rs3 = mask;
 * funct2 selects the source lane: rs2 itself (IDX), own - rs2 (UP), own + rs2 (DOWN), own ^ rs2
 * (XOR). rs2 is taken as a 64-bit unsigned number. A source outside 0..31, or one that is no
 * participant, gives the lane its own value.
 *
 * funct3 VOTE, R4-type: rs1 = value, rs2 must be x0, rs3 = mask. BALLOT: rd = bit i set where
 * participant i has rs1 != 0. ANY / ALL: rd = 1 or 0. FIRST: rd = rs1 of the lowest participant.
 *
 * SHUFFLE and VOTE are a rendezvous: participants are the live lanes of the warp that are in the
 * mask; a mask value of 0 means all live lanes. Every participant must arrive at the same pc with
 * the same mask value; lanes that exited count as arrived. A lane that isn't in its own mask raises
 * BRGPU_FAULT_ILLEGAL. When no lane of a workgroup can go on because each waits for a rendezvous
 * that can't complete, the dispatch ends with BRGPU_FAULT_DEADLOCK.
 */
#define BRGPU_OPCODE_CUSTOM0 0x0b
#define BRGPU_F3_CTL 0
#define BRGPU_F3_SHUFFLE 1
#define BRGPU_F3_VOTE 2
#define BRGPU_CTL_BARRIER 0   /* funct7 */
#define BRGPU_CTL_WARP_SYNC 1
#define BRGPU_CTL_EXIT 2
#define BRGPU_CTL_YIELD 3
#define BRGPU_CTL_PROGRESS 4
#define BRGPU_CTL_TRAP 5
#define BRGPU_SHUFFLE_IDX 0   /* funct2 */
#define BRGPU_SHUFFLE_UP 1
#define BRGPU_SHUFFLE_DOWN 2
#define BRGPU_SHUFFLE_XOR 3
#define BRGPU_VOTE_BALLOT 0   /* funct2 */
#define BRGPU_VOTE_ANY 1
#define BRGPU_VOTE_ALL 2
#define BRGPU_VOTE_FIRST 3

/*
 * custom-1 (opcode 0x2b), funct3 TENSOR, R-type, funct7 selects. Each is a rendezvous of all live
 * lanes of the warp at this instruction and is executed once for the warp, with the value of rs1 of
 * the lowest live lane (a descriptor's address, 8-byte aligned, in global, local or that lane's
 * private memory). rd and rs2 must be x0.
 *   TDA_COPY   starts an asynchronous tile copy (struct brgpu_tda_desc)
 *   TDA_WAIT   waits until at most rs1 copies that this warp started are outstanding (rs1 is a
 *              number here); the data of the finished ones is then visible to the warp
 *   TMMA       accumulator (+)= A * B (struct brgpu_tmma_desc)
 *   TACC_STORE accumulator to memory (struct brgpu_tacc_desc)
 *   TACC_LOAD  memory to accumulator (struct brgpu_tacc_desc)
 * TMMA and TACC are complete when the instruction is. Faults of an asynchronous copy are reported
 * as the fault of the dispatch, at the latest at TDA_WAIT or the end of the workgroup, which waits
 * for all copies.
 */
#define BRGPU_OPCODE_CUSTOM1 0x2b
#define BRGPU_F3_TENSOR 0
#define BRGPU_TENSOR_TDA_COPY 0 /* funct7 */
#define BRGPU_TENSOR_TDA_WAIT 1
#define BRGPU_TENSOR_TMMA 2
#define BRGPU_TENSOR_TACC_STORE 3
#define BRGPU_TENSOR_TACC_LOAD 4

/*
 * Custom CSRs, user, read-only, 64-bit, a value per lane. Writing one is an illegal instruction, and
 * so is reading an unnamed one. The suffixes X, Y, Z are +0, +1, +2.
 */
#define BRGPU_CSR_LOCAL_ID 0xcc0
#define BRGPU_CSR_GROUP_ID 0xcc4
#define BRGPU_CSR_LOCAL_SIZE 0xcc8          /* of this workgroup: smaller at the edge of a grid */
#define BRGPU_CSR_ENQUEUED_LOCAL_SIZE 0xccc /* as in the dispatch packet */
#define BRGPU_CSR_GLOBAL_SIZE 0xcd0
#define BRGPU_CSR_GLOBAL_OFFSET 0xcd4
#define BRGPU_CSR_NUM_GROUPS 0xcd8
#define BRGPU_CSR_GLOBAL_ID 0xcdc           /* offset + group id * enqueued local size + local id */
#define BRGPU_CSR_WORK_DIM 0xce0
#define BRGPU_CSR_LANE_ID 0xce1             /* 0..31 */
#define BRGPU_CSR_WARP_ID 0xce2             /* in the workgroup; lane = local linear id % 32 */
#define BRGPU_CSR_NUM_WARPS 0xce3           /* of this workgroup */
#define BRGPU_CSR_WARP_SIZE 0xce4           /* lanes that this warp started with, 1..32 */
#define BRGPU_CSR_LOCAL_LINEAR_ID 0xce5
#define BRGPU_CSR_GLOBAL_LINEAR_ID 0xce6    /* without the offset, as OpenCL defines it */
#define BRGPU_CSR_CLOCK 0xce7               /* the device's TIMESTAMP, ns */
#define BRGPU_CSR_LOCAL_BYTES 0xce8         /* static + dynamic */
#define BRGPU_CSR_STATIC_LOCAL_BYTES 0xce9
#define BRGPU_CSR_QUEUE_ID 0xcea
#define BRGPU_CSR_CU_ID 0xceb               /* die, SPC and CU that the workgroup is placed on */
#define BRGPU_CSR_DISPATCH_ID 0xcec         /* counts the dispatches of the queue */

/* Element types of tensor operands and accumulators. */
enum brgpu_tensor_type {
    BRGPU_TENSOR_F32 = 0,  /* operands fp32, accumulator fp32 */
    BRGPU_TENSOR_TF32 = 1, /* operands fp32 in memory, rounded to 10 mantissa bits; fp32 */
    BRGPU_TENSOR_BF16 = 2, /* fp32 accumulator */
    BRGPU_TENSOR_F16 = 3,  /* fp32 accumulator */
    BRGPU_TENSOR_I8 = 4,   /* signed 8-bit operands, int32 accumulator */
};

/* How TDA_COPY arranges what it writes. With p = 4 / elem_bytes (1 for 4 and 8 bytes): */
enum brgpu_tda_layout {
    BRGPU_TDA_ROWS = 0,      /* dst[r][c]: row r at dst + r * dst_stride */
    BRGPU_TDA_TRANSPOSE = 1, /* dst[c][r]: row c at dst + c * dst_stride */
    BRGPU_TDA_PACK = 2,      /* dst[r / p][c][r % p]: row group at dst + (r / p) * dst_stride */
    BRGPU_TDA_PANELS = 3,    /* dst[c/16][r/p][c%16][r%p]: panel at dst + (c / 16) * dst_stride */
};

#define BRGPU_TENSOR_PANEL 16u /* columns of a panel */

#define BRGPU_TDA_MAX_EXTENT 65536u

/*
 * Tile copy: rows x cols elements between any two of global and local memory. Rows at or beyond
 * src_rows and columns at or beyond src_cols are not read; zero is written in their place (edges of
 * a matrix). PACK and PANELS with rows not a multiple of p fill the missing rows of the last group
 * with zero, PANELS with cols not a multiple of 16 the missing columns of the last panel.
 * Source and destination must not overlap. Addresses are aligned to elem_bytes.
 */
struct brgpu_tda_desc {
    uint64_t src;
    uint64_t dst;
    uint32_t rows;       /* 1..BRGPU_TDA_MAX_EXTENT */
    uint32_t cols;
    uint32_t src_stride; /* bytes from row to row */
    uint32_t dst_stride;
    uint32_t src_rows;   /* 0..rows */
    uint32_t src_cols;   /* 0..cols */
    uint8_t elem_bytes;  /* 1, 2, 4 or 8 */
    uint8_t layout;      /* enum brgpu_tda_layout */
    uint16_t pad0;       /* zero */
    uint32_t pad1;       /* zero */
    uint64_t pad2[2];    /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_tda_desc, 64);
BRGPU_ASSERT_OFFSET(struct brgpu_tda_desc, elem_bytes, 40);

#define BRGPU_TMMA_MAX_M 128u
#define BRGPU_TMMA_MAX_N 128u
#define BRGPU_TMMA_MAX_K 4096u

#define BRGPU_TMMA_ACCUMULATE (1u << 0)  /* else the accumulator starts at zero */
#define BRGPU_TMMA_A_TRANSPOSED (1u << 1) /* A stands as K rows of M elements */
#define BRGPU_TMMA_B_TRANSPOSED (1u << 2) /* B stands as N rows of K elements */
#define BRGPU_TMMA_B_PACKED (1u << 3)     /* B stands as BRGPU_TDA_PACK leaves a K x N tile */
#define BRGPU_TMMA_B_PANELS (1u << 4)     /* B stands as BRGPU_TDA_PANELS leaves a K x N tile */
#define BRGPU_TMMA_FLAGS 0x1fu

/*
 * acc[i][j] (+)= sum over k of A[i][k] * B[k][j], i < m, j < n. The accumulator tile stands in the
 * workgroup's tensor memory at acc_offset, rows acc_stride bytes apart, 4 bytes an element. Operands
 * stand in local or global memory. Numerics (order, rounding, denormals, NaN): docs/isa.md.
 */
struct brgpu_tmma_desc {
    uint64_t a;
    uint64_t b;
    uint32_t a_stride;   /* bytes from row to row (as stored) */
    uint32_t b_stride;   /* bytes from row to row, or row group (PACKED), or panel (PANELS) */
    uint32_t acc_offset; /* multiple of 4 */
    uint32_t acc_stride; /* multiple of 4, at least 4 * n */
    uint16_t m, n, k;    /* 1..BRGPU_TMMA_MAX_* */
    uint8_t type;        /* enum brgpu_tensor_type */
    uint8_t flags;       /* BRGPU_TMMA_* */
    uint64_t pad[3];     /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_tmma_desc, 64);
BRGPU_ASSERT_OFFSET(struct brgpu_tmma_desc, m, 32);

/* How TACC_STORE and TACC_LOAD see memory; the accumulator is fp32 for F*, int32 for I32. */
enum brgpu_tacc_type {
    BRGPU_TACC_F32 = 0,
    BRGPU_TACC_BF16 = 1, /* rounded to nearest even on store */
    BRGPU_TACC_F16 = 2,  /* rounded to nearest even, overflow to infinity, on store */
    BRGPU_TACC_I32 = 3,
};

struct brgpu_tacc_desc {
    uint64_t address;
    uint32_t stride;     /* bytes from row to row in memory */
    uint32_t acc_offset; /* multiple of 4 */
    uint32_t acc_stride; /* multiple of 4, at least 4 * n */
    uint16_t m, n;
    uint8_t type;        /* enum brgpu_tacc_type */
    uint8_t pad0[7];     /* zero */
    uint64_t pad1[4];    /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_tacc_desc, 64);
BRGPU_ASSERT_OFFSET(struct brgpu_tacc_desc, type, 24);

/*
 * The kernel descriptor: what a dispatch packet points to. 64 bytes, 64-byte aligned, in memory that
 * the VM may read; brgpu-cc puts one for each kernel into the code object (symbol NAME.kd).
 */
#define BRGPU_KERNEL_DESC_MAGIC 0x444b5242u /* "BRKD" */

#define BRGPU_KERNEL_USES_TENSOR (1u << 0) /* hint: needs accumulator memory */
#define BRGPU_KERNEL_FLAGS 0x1u

struct brgpu_kernel_desc {
    uint32_t magic;         /* BRGPU_KERNEL_DESC_MAGIC */
    uint8_t isa_major;      /* BRGPU_ISA_MAJOR: another major is refused */
    uint8_t isa_minor;      /* at most the device's */
    uint16_t flags;         /* BRGPU_KERNEL_* */
    int64_t entry_offset;   /* entry pc = address of this descriptor + entry_offset */
    uint32_t kernarg_bytes; /* for the UMD; the device doesn't read the kernarg block */
    uint32_t static_local_bytes;
    uint32_t private_bytes; /* a lane, multiple of 16, at most BRGPU_MAX_PRIVATE_BYTES */
    uint16_t required_workgroup[3]; /* 0, 0, 0: any */
    uint16_t max_workgroup; /* work-items, 0: BRGPU_MAX_WORKGROUP */
    uint32_t pad0;          /* zero */
    uint64_t pad1[3];       /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_kernel_desc, 64);
BRGPU_ASSERT_OFFSET(struct brgpu_kernel_desc, entry_offset, 8);
BRGPU_ASSERT_OFFSET(struct brgpu_kernel_desc, pad1, 40);

#endif /* BRGPU_HW_ISA_H */
