// SPDX-License-Identifier: MIT
//
// C = alpha * A * B + beta * C, fp32, row-major: A is m x k, B is k x n, C is m x n, rows packed.
// Global id 0 is the column, 1 the row; the grid may be larger than the matrix.
//
// kernel sgemm_naive(uint m, uint n, uint k, float alpha, global const float *a,
//                    global const float *b, float beta, global float *c)
//   any workgroup
// kernel sgemm_tiled(the same)
//   workgroup 16 x 16 (required); static local memory

kernel void sgemm_naive(uint m, uint n, uint k, float alpha, global const float *restrict a,
                        global const float *restrict b, float beta, global float *restrict c) {
    const size_t col = get_global_id(0);
    const size_t row = get_global_id(1);
    if (row >= m || col >= n)
        return;
    float sum = 0.0f;
    for (uint i = 0; i < k; i++)
        sum = fma(a[row * k + i], b[i * (size_t)n + col], sum);
    c[row * n + col] = alpha * sum + beta * c[row * n + col];
}

#define TILE 16

kernel void __attribute__((reqd_work_group_size(TILE, TILE, 1)))
sgemm_tiled(uint m, uint n, uint k, float alpha, global const float *restrict a,
            global const float *restrict b, float beta, global float *restrict c) {
    local float tile_a[TILE][TILE];
    local float tile_b[TILE][TILE];
    const size_t col = get_global_id(0);
    const size_t row = get_global_id(1);
    const size_t x = get_local_id(0);
    const size_t y = get_local_id(1);
    float sum = 0.0f;
    for (uint start = 0; start < k; start += TILE) {
        tile_a[y][x] = row < m && start + x < k ? a[row * k + start + x] : 0.0f;
        tile_b[y][x] = col < n && start + y < k ? b[(start + y) * n + col] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint i = 0; i < TILE; i++)
            sum = fma(tile_a[y][i], tile_b[i][x], sum);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (row < m && col < n)
        c[row * n + col] = alpha * sum + beta * c[row * n + col];
}
