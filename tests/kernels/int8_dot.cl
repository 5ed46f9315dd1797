// SPDX-License-Identifier: MIT
//
// C = A * B^T of signed bytes, sums in int: A is m x k, B is n x k, C is m x n, rows packed.
// kernel int8_dot(uint m, uint n, uint k, global const char *a, global const char *b, global int *c)
// Global id 0 is the column, 1 the row; the grid may be larger; k is a multiple of 4.

kernel void int8_dot(uint m, uint n, uint k, global const char *restrict a,
                     global const char *restrict b, global int *restrict c) {
    const size_t col = get_global_id(0);
    const size_t row = get_global_id(1);
    if (row >= m || col >= n)
        return;
    int sum = 0;
    for (uint i = 0; i < k / 4; i++) {
        const int4 x = convert_int4(vload4(i, a + row * k));
        const int4 y = convert_int4(vload4(i, b + col * k));
        const int4 product = x * y;
        sum += product.x + product.y + product.z + product.w;
    }
    c[row * n + col] = sum;
}
