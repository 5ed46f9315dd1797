// SPDX-License-Identifier: MIT
//
// Sub-group functions: a sub-group is a warp. Every function here is a rendezvous of the sub-group's
// live work-items, as OpenCL demands of its callers.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#include "csr.h"
#include "subgroup_ops.h"

#define OVERLOAD __attribute__((overloadable, convergent))

int OVERLOAD sub_group_all(int predicate) {
    ulong result;
    BRGPU_VOTE(BRGPU_VOTE_ALL, result, (ulong)(uint)predicate, 0ul);
    return result;
}

int OVERLOAD sub_group_any(int predicate) {
    ulong result;
    BRGPU_VOTE(BRGPU_VOTE_ANY, result, (ulong)(uint)predicate, 0ul);
    return result;
}

#define EXCHANGE(type)                                                                             \
    type OVERLOAD sub_group_broadcast(type x, uint lane) {                                         \
        return FROM_##type(warp_shuffle(BITS_##type(x), lane));                                    \
    }                                                                                              \
    type OVERLOAD sub_group_shuffle(type x, uint lane) {                                           \
        return FROM_##type(warp_shuffle(BITS_##type(x), lane));                                    \
    }                                                                                              \
    type OVERLOAD sub_group_shuffle_xor(type x, uint mask) {                                       \
        return FROM_##type(warp_shuffle_xor(BITS_##type(x), mask));                                \
    }                                                                                              \
    type OVERLOAD sub_group_shuffle_up(type x, uint delta) {                                       \
        return FROM_##type(warp_shuffle_up(BITS_##type(x), delta));                                \
    }                                                                                              \
    type OVERLOAD sub_group_shuffle_down(type x, uint delta) {                                     \
        return FROM_##type(warp_shuffle_down(BITS_##type(x), delta));                              \
    }                                                                                              \
    type OVERLOAD sub_group_rotate(type x, int delta) {                                            \
        const uint size = READ_CSR(BRGPU_CSR_WARP_SIZE);                                           \
        const int lane = READ_CSR(BRGPU_CSR_LANE_ID);                                              \
        const int shifted = (int)((lane + (long)delta) % (long)size);                              \
        return FROM_##type(                                                                        \
            warp_shuffle(BITS_##type(x), shifted < 0 ? shifted + size : shifted));                 \
    }                                                                                              \
    type OVERLOAD sub_group_clustered_rotate(type x, int delta, uint cluster) {                    \
        const uint lane = READ_CSR(BRGPU_CSR_LANE_ID);                                             \
        const uint first = lane & ~(cluster - 1);                                                  \
        return FROM_##type(                                                                        \
            warp_shuffle(BITS_##type(x), first + ((lane + (uint)delta) & (cluster - 1))));         \
    }
SUBGROUP_TYPES(EXCHANGE)

#define BROADCAST2(type)                                                                           \
    type##2 OVERLOAD sub_group_broadcast(type##2 x, uint lane) {                                   \
        return (type##2)(sub_group_broadcast(x.x, lane), sub_group_broadcast(x.y, lane));          \
    }                                                                                              \
    type##3 OVERLOAD sub_group_broadcast(type##3 x, uint lane) {                                   \
        return (type##3)(sub_group_broadcast(x.xy, lane), sub_group_broadcast(x.z, lane));         \
    }                                                                                              \
    type##4 OVERLOAD sub_group_broadcast(type##4 x, uint lane) {                                   \
        return (type##4)(sub_group_broadcast(x.lo, lane), sub_group_broadcast(x.hi, lane));        \
    }                                                                                              \
    type##8 OVERLOAD sub_group_broadcast(type##8 x, uint lane) {                                   \
        return (type##8)(sub_group_broadcast(x.lo, lane), sub_group_broadcast(x.hi, lane));        \
    }                                                                                              \
    type##16 OVERLOAD sub_group_broadcast(type##16 x, uint lane) {                                 \
        return (type##16)(sub_group_broadcast(x.lo, lane), sub_group_broadcast(x.hi, lane));       \
    }
SUBGROUP_TYPES(BROADCAST2)

// Lanes below `delta` get their own value from SHUFFLE UP and ignore it. All lanes of a warp that
// began with fewer than 32 are the lowest ones.
#define SCAN(type, name, op)                                                                       \
    type OVERLOAD sub_group_scan_inclusive_##name(type x) {                                        \
        const uint lane = READ_CSR(BRGPU_CSR_LANE_ID);                                             \
        for (uint delta = 1; delta < BRGPU_WARP_LANES; delta *= 2) {                               \
            const type other = FROM_##type(warp_shuffle_up(BITS_##type(x), delta));                \
            if (lane >= delta)                                                                     \
                x = OP_##op(other, x);                                                             \
        }                                                                                          \
        return x;                                                                                  \
    }                                                                                              \
    type OVERLOAD sub_group_scan_exclusive_##name(type x) {                                        \
        const type inclusive = sub_group_scan_inclusive_##name(x);                                 \
        const type before = FROM_##type(warp_shuffle_up(BITS_##type(inclusive), 1));               \
        return READ_CSR(BRGPU_CSR_LANE_ID) == 0 ? op##_IDENTITY(type) : before;                    \
    }                                                                                              \
    type OVERLOAD sub_group_reduce_##name(type x) {                                                \
        const type inclusive = sub_group_scan_inclusive_##name(x);                                 \
        return FROM_##type(                                                                        \
            warp_shuffle(BITS_##type(inclusive), READ_CSR(BRGPU_CSR_WARP_SIZE) - 1));              \
    }
#define SCANS(type) SCAN(type, add, ADD) SCAN(type, min, MIN) SCAN(type, max, MAX)
SUBGROUP_TYPES(SCANS)
