// SPDX-License-Identifier: MIT
//
// C = op(A) * op(B), or C += op(A) * op(B), on the tensor unit at its full speed; any m, n, k from 1
// on. Matrices are row-major with lda, ldb, ldc elements from row to row: op(A) is m x k, op(B) is
// k x n, C is m x n. One warp computes a tile of 128 x 128, all the accumulators of a workgroup,
// from operands that the unit reads where they stand: workgroup 32 (required), grid
// (32 * ceil(n / 128), ceil(m / 128)).
//
// kernel gemm_f32(uint m, uint n, uint k, global const float *a, uint lda, global const float *b,
//                 uint ldb, global float *c, uint ldc, uint flags)
// kernel gemm_tf32(the same)
// kernel gemm_f16, gemm_bf16(the same with ushort a and b, the bits of the format)
// kernel gemm_i8(the same with char a and b, int c)
//
// flags: 1: A stands transposed, as k rows of m elements; 2: B does, as n rows of k; 4: adds to C.

#include <brgpu/device/brgpu_isa.h>

#define TILE 128
#define TILE_K BRGPU_TMMA_MAX_K
// Tiles of so many rows of tiles are taken column by column, so that what several workgroups in a
// row read fits into the caches.
#define ROWS_TOGETHER 4

enum { A_TRANSPOSED = 1, B_TRANSPOSED = 2, ADD = 4 };

struct matrices {
    ulong a, b, c;
    uint lda, ldb, ldc;
};

static uint2 tile_of_group(void) {
    const uint width = get_num_groups(0), height = get_num_groups(1);
    const uint id = get_group_id(1) * width + get_group_id(0);
    const uint first = id / (ROWS_TOGETHER * width) * ROWS_TOGETHER;
    const uint rows = min(height - first, (uint)ROWS_TOGETHER);
    const uint at = id - first * width;
    return (uint2)(at / rows, first + at % rows);
}

static void gemm(uint m, uint n, uint k, struct matrices p, uint flags, uint elem_bytes, uint type,
                 uint result_type) {
    const uint2 tile = tile_of_group();
    const uint row = tile.y * TILE, col = tile.x * TILE;
    if (row >= m || col >= n)
        return;
    const bool a_transposed = flags & A_TRANSPOSED, b_transposed = flags & B_TRANSPOSED;

    struct brgpu_tacc_desc result = {0};
    result.address = p.c + ((ulong)row * p.ldc + col) * 4;
    result.stride = p.ldc * 4;
    result.acc_stride = TILE * 4;
    result.m = min((uint)TILE, m - row);
    result.n = min((uint)TILE, n - col);
    result.type = result_type;

    struct brgpu_tmma_desc multiply = {0};
    multiply.a_stride = p.lda * elem_bytes;
    multiply.b_stride = p.ldb * elem_bytes;
    multiply.acc_stride = TILE * 4;
    multiply.m = result.m;
    multiply.n = result.n;
    multiply.type = type;
    multiply.flags = (a_transposed ? BRGPU_TMMA_A_TRANSPOSED : 0) |
                     (b_transposed ? BRGPU_TMMA_B_TRANSPOSED : 0);
    if (flags & ADD) {
        brgpu_tacc_load(&result);
        multiply.flags |= BRGPU_TMMA_ACCUMULATE;
    }
    for (uint start = 0; start < k; start += TILE_K) {
        const ulong a = a_transposed ? (ulong)start * p.lda + row : (ulong)row * p.lda + start;
        const ulong b = b_transposed ? (ulong)col * p.ldb + start : (ulong)start * p.ldb + col;
        multiply.a = p.a + a * elem_bytes;
        multiply.b = p.b + b * elem_bytes;
        multiply.k = min((uint)TILE_K, k - start);
        brgpu_tmma(&multiply);
        multiply.flags |= BRGPU_TMMA_ACCUMULATE;
    }
    brgpu_tacc_store(&result);
}

#define GEMM(name, type, result, tensor_type, tacc_type)                                           \
    kernel void __attribute__((reqd_work_group_size(32, 1, 1)))                                    \
    name(uint m, uint n, uint k, global const type *a, uint lda, global const type *b, uint ldb,   \
         global result *c, uint ldc, uint flags) {                                                 \
        const struct matrices p = {                                                                \
            brgpu_address(a), brgpu_address(b), brgpu_address(c), lda, ldb, ldc};                  \
        gemm(m, n, k, p, flags, sizeof(type), tensor_type, tacc_type);                             \
    }
GEMM(gemm_f32, float, float, BRGPU_TENSOR_F32, BRGPU_TACC_F32)
GEMM(gemm_tf32, float, float, BRGPU_TENSOR_TF32, BRGPU_TACC_F32)
GEMM(gemm_f16, ushort, float, BRGPU_TENSOR_F16, BRGPU_TACC_F32)
GEMM(gemm_bf16, ushort, float, BRGPU_TENSOR_BF16, BRGPU_TACC_F32)
GEMM(gemm_i8, char, int, BRGPU_TENSOR_I8, BRGPU_TACC_I32)
