/* SPDX-License-Identifier: MIT */
/* The functions of brgpu/device/brgpu_isa.h: an instruction each. */
#include "brgpu/device/brgpu_isa.h"

#define READ_CSR(number)                                                                           \
    ({                                                                                             \
        uint64_t csr_value;                                                                        \
        __asm__("csrr %0, %1" : "=r"(csr_value) : "i"(number));                                    \
        csr_value;                                                                                 \
    })
#define READ_CSR_VOLATILE(number)                                                                  \
    ({                                                                                             \
        uint64_t csr_value;                                                                        \
        __asm__ volatile("csrr %0, %1" : "=r"(csr_value) : "i"(number));                           \
        csr_value;                                                                                 \
    })

#define CONTROL(name, funct7, ...)                                                                 \
    void name(void) {                                                                              \
        __asm__ volatile(".insn r %0, %1, %2, x0, x0, x0" ::"i"(BRGPU_OPCODE_CUSTOM0),             \
                         "i"(BRGPU_F3_CTL), "i"(funct7)                                            \
                         : "memory");                                                              \
        __VA_ARGS__                                                                                \
    }
CONTROL(brgpu_barrier, BRGPU_CTL_BARRIER)
CONTROL(brgpu_warp_sync, BRGPU_CTL_WARP_SYNC)
CONTROL(brgpu_exit, BRGPU_CTL_EXIT, __builtin_unreachable();)
CONTROL(brgpu_yield, BRGPU_CTL_YIELD)
CONTROL(brgpu_progress, BRGPU_CTL_PROGRESS)

void brgpu_trap(uint64_t code) {
    __asm__ volatile(".insn r %0, %1, %2, x0, %3, x0" ::"i"(BRGPU_OPCODE_CUSTOM0),
                     "i"(BRGPU_F3_CTL), "i"(BRGPU_CTL_TRAP), "r"(code)
                     : "memory");
    __builtin_unreachable();
}

#define SHUFFLE(name, funct2)                                                                      \
    uint64_t name(uint64_t value, uint64_t lane, uint32_t mask) {                                  \
        uint64_t result;                                                                           \
        __asm__ volatile(".insn r4 %1, %2, %3, %0, %4, %5, %6"                                     \
                         : "=r"(result)                                                            \
                         : "i"(BRGPU_OPCODE_CUSTOM0), "i"(BRGPU_F3_SHUFFLE), "i"(funct2),          \
                           "r"(value), "r"(lane), "r"((uint64_t)mask));                            \
        return result;                                                                             \
    }
SHUFFLE(brgpu_shuffle, BRGPU_SHUFFLE_IDX)
SHUFFLE(brgpu_shuffle_up, BRGPU_SHUFFLE_UP)
SHUFFLE(brgpu_shuffle_down, BRGPU_SHUFFLE_DOWN)
SHUFFLE(brgpu_shuffle_xor, BRGPU_SHUFFLE_XOR)

#define VOTE(type, name, value_type, funct2)                                                       \
    type name(value_type value, uint32_t mask) {                                                   \
        uint64_t result;                                                                           \
        __asm__ volatile(".insn r4 %1, %2, %3, %0, %4, x0, %5"                                     \
                         : "=r"(result)                                                            \
                         : "i"(BRGPU_OPCODE_CUSTOM0), "i"(BRGPU_F3_VOTE), "i"(funct2),             \
                           "r"((uint64_t)value), "r"((uint64_t)mask));                             \
        return (type)result;                                                                       \
    }
VOTE(uint32_t, brgpu_ballot, uint64_t, BRGPU_VOTE_BALLOT)
VOTE(int, brgpu_any, uint64_t, BRGPU_VOTE_ANY)
VOTE(int, brgpu_all, uint64_t, BRGPU_VOTE_ALL)
VOTE(uint64_t, brgpu_first, uint64_t, BRGPU_VOTE_FIRST)

/* The descriptor is read when the instruction runs: the compiler must have stored all of it. */
#define TENSOR(name, type, funct7)                                                                 \
    void name(const type *desc) {                                                                  \
        __asm__ volatile(".insn r %0, %1, %2, x0, %3, x0" ::"i"(BRGPU_OPCODE_CUSTOM1),             \
                         "i"(BRGPU_F3_TENSOR), "i"(funct7), "r"(desc)                              \
                         : "memory");                                                              \
    }
TENSOR(brgpu_tda_copy, struct brgpu_tda_desc, BRGPU_TENSOR_TDA_COPY)
TENSOR(brgpu_tmma, struct brgpu_tmma_desc, BRGPU_TENSOR_TMMA)
TENSOR(brgpu_tacc_store, struct brgpu_tacc_desc, BRGPU_TENSOR_TACC_STORE)
TENSOR(brgpu_tacc_load, struct brgpu_tacc_desc, BRGPU_TENSOR_TACC_LOAD)

void brgpu_tda_wait(uint64_t outstanding) {
    __asm__ volatile(".insn r %0, %1, %2, x0, %3, x0" ::"i"(BRGPU_OPCODE_CUSTOM1),
                     "i"(BRGPU_F3_TENSOR), "i"(BRGPU_TENSOR_TDA_WAIT), "r"(outstanding)
                     : "memory");
}

#define ID_XYZ(name, csr, other)                                                                   \
    uint64_t name(uint32_t dimension) {                                                            \
        return dimension == 0   ? READ_CSR(csr)                                                    \
               : dimension == 1 ? READ_CSR(csr + 1)                                                \
               : dimension == 2 ? READ_CSR(csr + 2)                                                \
                                : other;                                                           \
    }
ID_XYZ(brgpu_local_id, BRGPU_CSR_LOCAL_ID, 0)
ID_XYZ(brgpu_group_id, BRGPU_CSR_GROUP_ID, 0)
ID_XYZ(brgpu_local_size, BRGPU_CSR_LOCAL_SIZE, 1)
ID_XYZ(brgpu_enqueued_local_size, BRGPU_CSR_ENQUEUED_LOCAL_SIZE, 1)
ID_XYZ(brgpu_global_size, BRGPU_CSR_GLOBAL_SIZE, 1)
ID_XYZ(brgpu_global_offset, BRGPU_CSR_GLOBAL_OFFSET, 0)
ID_XYZ(brgpu_num_groups, BRGPU_CSR_NUM_GROUPS, 1)
ID_XYZ(brgpu_global_id, BRGPU_CSR_GLOBAL_ID, 0)

#define ID(type, name, csr)                                                                        \
    type name(void) {                                                                              \
        return (type)READ_CSR(csr);                                                                \
    }
ID(uint32_t, brgpu_work_dim, BRGPU_CSR_WORK_DIM)
ID(uint32_t, brgpu_lane_id, BRGPU_CSR_LANE_ID)
ID(uint32_t, brgpu_warp_id, BRGPU_CSR_WARP_ID)
ID(uint32_t, brgpu_num_warps, BRGPU_CSR_NUM_WARPS)
ID(uint32_t, brgpu_warp_size, BRGPU_CSR_WARP_SIZE)
ID(uint64_t, brgpu_local_linear_id, BRGPU_CSR_LOCAL_LINEAR_ID)
ID(uint64_t, brgpu_global_linear_id, BRGPU_CSR_GLOBAL_LINEAR_ID)
ID(uint32_t, brgpu_local_bytes, BRGPU_CSR_LOCAL_BYTES)
ID(uint32_t, brgpu_static_local_bytes, BRGPU_CSR_STATIC_LOCAL_BYTES)
ID(uint32_t, brgpu_queue_id, BRGPU_CSR_QUEUE_ID)
ID(uint32_t, brgpu_cu_id, BRGPU_CSR_CU_ID)
ID(uint64_t, brgpu_dispatch_id, BRGPU_CSR_DISPATCH_ID)

uint64_t brgpu_clock(void) {
    return READ_CSR_VOLATILE(BRGPU_CSR_CLOCK);
}

float brgpu_bf16_to_float(uint16_t value) {
    const union {
        uint32_t bits;
        float value;
    } result = {(uint32_t)value << 16};
    return result.value;
}

uint16_t brgpu_float_to_bf16(float value) {
    const union {
        float value;
        uint32_t bits;
    } source = {value};
    if (value != value)
        return (uint16_t)(source.bits >> 16 | 0x40); /* stays a NaN whose low bits are cut off */
    return (uint16_t)((source.bits + 0x7fff + (source.bits >> 16 & 1)) >> 16);
}
