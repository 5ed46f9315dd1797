// SPDX-License-Identifier: MIT
//
// Sums. Each workgroup leaves its part in partial[group id]; a second launch or the host adds these.
// The workgroup's size must be a power of two.
//
// kernel reduce_sum(uint n, global const float *x, global float *partial, local float *scratch)
//   scratch: 4 bytes a work-item of the workgroup
// kernel reduce_sum_int(uint n, global const int *x, global int *partial)
//   work_group_reduce_add, any workgroup size
// kernel reduce_max_subgroup(uint n, global const int *x, global int *result)
//   sub-group reduction and one atomic_max a warp; *result must start at INT_MIN

kernel void reduce_sum(uint n, global const float *restrict x, global float *restrict partial,
                       local float *scratch) {
    const size_t id = get_local_id(0);
    float sum = 0.0f;
    for (size_t i = get_global_id(0); i < n; i += get_global_size(0))
        sum += x[i];
    scratch[id] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (size_t half_size = get_local_size(0) / 2; half_size > 0; half_size /= 2) {
        if (id < half_size)
            scratch[id] += scratch[id + half_size];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (id == 0)
        partial[get_group_id(0)] = scratch[0];
}

// What follows needs OpenCL C 2.0 or newer, which not every implementation has.
#if __OPENCL_C_VERSION__ >= 200
kernel void reduce_sum_int(uint n, global const int *restrict x, global int *restrict partial) {
    int sum = 0;
    for (size_t i = get_global_id(0); i < n; i += get_global_size(0))
        sum += x[i];
    sum = work_group_reduce_add(sum);
    if (get_local_id(0) == 0)
        partial[get_group_id(0)] = sum;
}

kernel void reduce_max_subgroup(uint n, global const int *restrict x, global int *restrict result) {
    int largest = INT_MIN;
    for (size_t i = get_global_id(0); i < n; i += get_global_size(0))
        largest = max(largest, x[i]);
    largest = sub_group_reduce_max(largest);
    if (get_sub_group_local_id() == 0)
        atomic_max(result, largest);
}
#endif
