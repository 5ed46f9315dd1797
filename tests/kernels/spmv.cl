// SPDX-License-Identifier: MIT
//
// y = A * x with A sparse in CSR form.
// kernel spmv(uint rows, global const uint *row_start, global const uint *column,
//             global const float *value, global const float *x, global float *y)
//   a row a work-item; the grid may be larger than rows
// kernel spmv_warp(the same): a row a warp, the workgroup a multiple of 32, the grid 32 * rows

kernel void spmv(uint rows, global const uint *restrict row_start,
                 global const uint *restrict column, global const float *restrict value,
                 global const float *restrict x, global float *restrict y) {
    const size_t row = get_global_id(0);
    if (row >= rows)
        return;
    float sum = 0.0f;
    for (uint i = row_start[row]; i < row_start[row + 1]; i++)
        sum += value[i] * x[column[i]];
    y[row] = sum;
}

// What follows needs OpenCL C 2.0 or newer, which not every implementation has.
#if __OPENCL_C_VERSION__ >= 200
kernel void spmv_warp(uint rows, global const uint *restrict row_start,
                      global const uint *restrict column, global const float *restrict value,
                      global const float *restrict x, global float *restrict y) {
    const size_t row = get_global_id(0) / get_sub_group_size();
    if (row >= rows)
        return;
    const uint lane = get_sub_group_local_id();
    float sum = 0.0f;
    for (uint i = row_start[row] + lane; i < row_start[row + 1]; i += get_sub_group_size())
        sum += value[i] * x[column[i]];
    sum = sub_group_reduce_add(sum);
    if (lane == 0)
        y[row] = sum;
}
#endif
