// SPDX-License-Identifier: MIT
//
// Asynchronous work-group copies: the work-items copy together, and waiting is a barrier. Bulk tile
// copies by the hardware's own engine are in brgpu/device/brgpu_isa.h.
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define OVERLOAD __attribute__((overloadable, convergent))

static size_t group_size(void) {
    return get_local_size(0) * get_local_size(1) * get_local_size(2);
}

// An event that was given is returned: several copies may share one.
#define COPY(type)                                                                                 \
    event_t OVERLOAD async_work_group_copy(local type *to, const global type *from, size_t count,  \
                                           event_t event) {                                        \
        const size_t step = group_size();                                                          \
        for (size_t i = get_local_linear_id(); i < count; i += step)                               \
            to[i] = from[i];                                                                       \
        return event;                                                                              \
    }                                                                                              \
    event_t OVERLOAD async_work_group_copy(global type *to, const local type *from, size_t count,  \
                                           event_t event) {                                        \
        const size_t step = group_size();                                                          \
        for (size_t i = get_local_linear_id(); i < count; i += step)                               \
            to[i] = from[i];                                                                       \
        return event;                                                                              \
    }                                                                                              \
    event_t OVERLOAD async_work_group_strided_copy(local type *to, const global type *from,        \
                                                   size_t count, size_t stride, event_t event) {   \
        const size_t step = group_size();                                                          \
        for (size_t i = get_local_linear_id(); i < count; i += step)                               \
            to[i] = from[i * stride];                                                              \
        return event;                                                                              \
    }                                                                                              \
    event_t OVERLOAD async_work_group_strided_copy(global type *to, const local type *from,        \
                                                   size_t count, size_t stride, event_t event) {   \
        const size_t step = group_size();                                                          \
        for (size_t i = get_local_linear_id(); i < count; i += step)                               \
            to[i * stride] = from[i];                                                              \
        return event;                                                                              \
    }                                                                                              \
    void __attribute__((overloadable)) prefetch(const global type *from, size_t count) {}

#define SIZES(type) COPY(type) COPY(type##2) COPY(type##3) COPY(type##4) COPY(type##8) COPY(type##16)
SIZES(char)
SIZES(uchar)
SIZES(short)
SIZES(ushort)
SIZES(int)
SIZES(uint)
SIZES(long)
SIZES(ulong)
SIZES(half)
SIZES(float)
SIZES(double)

// A copy reads what work-items wrote before, and is read after the wait.
void OVERLOAD wait_group_events(int count, event_t *events) {
    work_group_barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
}

void OVERLOAD wait_group_events(int count, private event_t *events) {
    work_group_barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
}

void OVERLOAD wait_group_events(int count, local event_t *events) {
    work_group_barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
}
