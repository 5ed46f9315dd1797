// SPDX-License-Identifier: MIT
//
// Work-group collective functions: within each warp by shuffles, across warps by a word of local
// memory for each. The last barrier keeps a second call from overwriting what is still being read.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#include "csr.h"
#include "subgroup_ops.h"

#define OVERLOAD __attribute__((overloadable, convergent))

local ulong *__brgpu_collective_words(void);

#define BROADCAST_WORD BRGPU_MAX_WARPS

#define COLLECTIVE_TYPES(m) m(int) m(uint) m(long) m(ulong) m(half) m(float) m(double)

#define BROADCAST(type)                                                                            \
    static type OVERLOAD broadcast_from(type x, bool is_source) {                                  \
        local ulong *words = __brgpu_collective_words();                                           \
        if (is_source)                                                                             \
            words[BROADCAST_WORD] = BITS_##type(x);                                                \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        const type result = FROM_##type(words[BROADCAST_WORD]);                                    \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        return result;                                                                             \
    }                                                                                              \
    type OVERLOAD work_group_broadcast(type x, size_t id) {                                        \
        return broadcast_from(x, get_local_id(0) == id);                                           \
    }                                                                                              \
    type OVERLOAD work_group_broadcast(type x, size_t id_x, size_t id_y) {                         \
        return broadcast_from(x, get_local_id(0) == id_x && get_local_id(1) == id_y);              \
    }                                                                                              \
    type OVERLOAD work_group_broadcast(type x, size_t id_x, size_t id_y, size_t id_z) {            \
        return broadcast_from(x, get_local_id(0) == id_x && get_local_id(1) == id_y &&             \
                                     get_local_id(2) == id_z);                                     \
    }
#define REDUCE(type, name, op)                                                                     \
    type OVERLOAD work_group_scan_inclusive_##name(type x) {                                       \
        local ulong *words = __brgpu_collective_words();                                           \
        const uint warp = READ_CSR(BRGPU_CSR_WARP_ID);                                             \
        x = sub_group_scan_inclusive_##name(x);                                                    \
        if (READ_CSR(BRGPU_CSR_LANE_ID) == READ_CSR(BRGPU_CSR_WARP_SIZE) - 1)                      \
            words[warp] = BITS_##type(x);                                                          \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        if (warp != 0) {                                                                           \
            type before = FROM_##type(words[0]);                                                   \
            for (uint i = 1; i < warp; i++) {                                                      \
                const type other = FROM_##type(words[i]);                                          \
                before = OP_##op(before, other);                                                   \
            }                                                                                      \
            x = OP_##op(before, x);                                                                \
        }                                                                                          \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        return x;                                                                                  \
    }                                                                                              \
    type OVERLOAD work_group_scan_exclusive_##name(type x) {                                       \
        local ulong *words = __brgpu_collective_words();                                           \
        const uint warp = READ_CSR(BRGPU_CSR_WARP_ID);                                             \
        const type in_warp = sub_group_scan_inclusive_##name(x);                                   \
        type result = sub_group_shuffle_up(in_warp, 1);                                            \
        if (READ_CSR(BRGPU_CSR_LANE_ID) == 0)                                                      \
            result = op##_IDENTITY(type);                                                          \
        if (READ_CSR(BRGPU_CSR_LANE_ID) == READ_CSR(BRGPU_CSR_WARP_SIZE) - 1)                      \
            words[warp] = BITS_##type(in_warp);                                                    \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        type before = op##_IDENTITY(type);                                                         \
        for (uint i = 0; i < warp; i++) {                                                          \
            const type other = FROM_##type(words[i]);                                              \
            before = OP_##op(before, other);                                                       \
        }                                                                                          \
        result = OP_##op(before, result);                                                          \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        return result;                                                                             \
    }                                                                                              \
    type OVERLOAD work_group_reduce_##name(type x) {                                               \
        local ulong *words = __brgpu_collective_words();                                           \
        const uint warps = READ_CSR(BRGPU_CSR_NUM_WARPS);                                          \
        const type in_warp = sub_group_reduce_##name(x);                                           \
        words[READ_CSR(BRGPU_CSR_WARP_ID)] = BITS_##type(in_warp);                                 \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        type result = FROM_##type(words[0]);                                                       \
        for (uint i = 1; i < warps; i++) {                                                         \
            const type other = FROM_##type(words[i]);                                              \
            result = OP_##op(result, other);                                                       \
        }                                                                                          \
        work_group_barrier(CLK_LOCAL_MEM_FENCE);                                                   \
        return result;                                                                             \
    }
#define REDUCTIONS(type) REDUCE(type, add, ADD) REDUCE(type, min, MIN) REDUCE(type, max, MAX)

COLLECTIVE_TYPES(BROADCAST)
COLLECTIVE_TYPES(REDUCTIONS)

int OVERLOAD work_group_any(int predicate) {
    return work_group_reduce_max(predicate != 0 ? 1u : 0u);
}

int OVERLOAD work_group_all(int predicate) {
    return work_group_reduce_min(predicate != 0 ? 1u : 0u);
}
