// SPDX-License-Identifier: MIT
//
// Work-item functions: custom CSRs. A dimension that is out of range gives OpenCL's defaults.
#include "brgpu/hw/isa.h"
#include "csr.h"

#define ID_FUNCTION(name, csr, other)                                                              \
    size_t __attribute__((overloadable, const)) name(uint dimension) {                             \
        switch (dimension) {                                                                       \
        case 0:                                                                                    \
            return READ_CSR(csr);                                                                  \
        case 1:                                                                                    \
            return READ_CSR(csr + 1);                                                              \
        case 2:                                                                                    \
            return READ_CSR(csr + 2);                                                              \
        default:                                                                                   \
            return other;                                                                          \
        }                                                                                          \
    }

ID_FUNCTION(get_global_id, BRGPU_CSR_GLOBAL_ID, 0)
ID_FUNCTION(get_global_size, BRGPU_CSR_GLOBAL_SIZE, 1)
ID_FUNCTION(get_global_offset, BRGPU_CSR_GLOBAL_OFFSET, 0)
ID_FUNCTION(get_local_id, BRGPU_CSR_LOCAL_ID, 0)
ID_FUNCTION(get_local_size, BRGPU_CSR_LOCAL_SIZE, 1)
ID_FUNCTION(get_enqueued_local_size, BRGPU_CSR_ENQUEUED_LOCAL_SIZE, 1)
ID_FUNCTION(get_group_id, BRGPU_CSR_GROUP_ID, 0)
ID_FUNCTION(get_num_groups, BRGPU_CSR_NUM_GROUPS, 1)

uint __attribute__((overloadable, const)) get_work_dim(void) {
    return READ_CSR(BRGPU_CSR_WORK_DIM);
}

size_t __attribute__((overloadable, const)) get_global_linear_id(void) {
    return READ_CSR(BRGPU_CSR_GLOBAL_LINEAR_ID);
}

size_t __attribute__((overloadable, const)) get_local_linear_id(void) {
    return READ_CSR(BRGPU_CSR_LOCAL_LINEAR_ID);
}

uint __attribute__((overloadable, const)) get_sub_group_size(void) {
    return READ_CSR(BRGPU_CSR_WARP_SIZE);
}

uint __attribute__((overloadable, const)) get_max_sub_group_size(void) {
    return BRGPU_WARP_LANES;
}

uint __attribute__((overloadable, const)) get_num_sub_groups(void) {
    return READ_CSR(BRGPU_CSR_NUM_WARPS);
}

uint __attribute__((overloadable, const)) get_enqueued_num_sub_groups(void) {
    const size_t items = get_enqueued_local_size(0) * get_enqueued_local_size(1) *
                         get_enqueued_local_size(2);
    return (items + BRGPU_WARP_LANES - 1) / BRGPU_WARP_LANES;
}

uint __attribute__((overloadable, const)) get_sub_group_id(void) {
    return READ_CSR(BRGPU_CSR_WARP_ID);
}

uint __attribute__((overloadable, const)) get_sub_group_local_id(void) {
    return READ_CSR(BRGPU_CSR_LANE_ID);
}
