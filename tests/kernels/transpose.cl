// SPDX-License-Identifier: MIT
//
// out = in^T; in has `height` rows of `width` floats.
// kernel transpose_naive(uint width, uint height, global const float *in, global float *out)
//   any workgroup
// kernel transpose_tiled(the same): workgroup 16 x 16 (required)
// Global id 0 is the column of `in`, 1 its row; the grid may be larger.

kernel void transpose_naive(uint width, uint height, global const float *restrict in,
                            global float *restrict out) {
    const size_t x = get_global_id(0);
    const size_t y = get_global_id(1);
    if (x < width && y < height)
        out[x * height + y] = in[y * width + x];
}

kernel void __attribute__((reqd_work_group_size(16, 16, 1)))
transpose_tiled(uint width, uint height, global const float *restrict in,
                global float *restrict out) {
    local float tile[16][17];
    const size_t x = get_global_id(0);
    const size_t y = get_global_id(1);
    if (x < width && y < height)
        tile[get_local_id(1)][get_local_id(0)] = in[y * width + x];
    barrier(CLK_LOCAL_MEM_FENCE);
    const size_t to_x = get_group_id(1) * 16 + get_local_id(0);
    const size_t to_y = get_group_id(0) * 16 + get_local_id(1);
    if (to_x < height && to_y < width)
        out[to_y * height + to_x] = tile[get_local_id(0)][get_local_id(1)];
}
