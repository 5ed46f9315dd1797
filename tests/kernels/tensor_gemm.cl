// SPDX-License-Identifier: MIT
//
// C = A * B on the tensor unit, row-major, rows packed: A is m x k, B is k x n, C is m x n.
// One warp a workgroup computes a tile of 64 x 64: workgroup 32 (required), grid
// (32 * ceil(n / 64), ceil(m / 64)); operand tiles are copied to local memory by bulk copies.
//
// kernel tensor_gemm_f32(uint m, uint n, uint k, global const float *a, global const float *b,
//                        global float *c)
// kernel tensor_gemm_bf16(the same with ushort a and b, bf16 bits)
// kernel tensor_gemm_i8(the same with char a and b, int c)

#include <brgpu/device/brgpu_isa.h>

#define TILE 64
#define TILE_K 32

static void copy_tile(ulong src, uint src_stride, local void *dst, uint rows, uint cols,
                      uint src_rows, uint src_cols, uint elem_bytes, uint layout, uint dst_stride) {
    struct brgpu_tda_desc copy = {0};
    copy.src = src;
    copy.dst = brgpu_address(dst);
    copy.rows = rows;
    copy.cols = cols;
    copy.src_stride = src_stride;
    copy.dst_stride = dst_stride;
    copy.src_rows = min(src_rows, rows);
    copy.src_cols = min(src_cols, cols);
    copy.elem_bytes = elem_bytes;
    copy.layout = layout;
    brgpu_tda_copy(&copy);
}

static void gemm(uint m, uint n, uint k, ulong a, ulong b, ulong c, local void *tile_a,
                 local void *tile_b, uint elem_bytes, uint type, uint result_type) {
    const uint row = get_group_id(1) * TILE;
    const uint col = get_group_id(0) * TILE;
    const uint pack = 4 / elem_bytes;
    struct brgpu_tmma_desc multiply = {0};
    multiply.a = brgpu_address(tile_a);
    multiply.b = brgpu_address(tile_b);
    multiply.a_stride = TILE_K * elem_bytes;
    multiply.b_stride = TILE * 4;
    multiply.acc_stride = TILE * 4;
    multiply.m = TILE;
    multiply.n = TILE;
    multiply.k = TILE_K;
    multiply.type = type;
    multiply.flags = BRGPU_TMMA_B_PACKED;
    for (uint start = 0; start < k; start += TILE_K) {
        copy_tile(a + ((ulong)row * k + start) * elem_bytes, k * elem_bytes, tile_a, TILE, TILE_K,
                  m - row, k - start, elem_bytes, BRGPU_TDA_ROWS, TILE_K * elem_bytes);
        copy_tile(b + ((ulong)start * n + col) * elem_bytes, n * elem_bytes, tile_b, TILE_K, TILE,
                  k - start, n - col, elem_bytes, BRGPU_TDA_PACK, TILE * pack * elem_bytes);
        brgpu_tda_wait(0);
        brgpu_tmma(&multiply);
        multiply.flags |= BRGPU_TMMA_ACCUMULATE;
    }
    struct brgpu_tacc_desc store = {0};
    store.address = c + ((ulong)row * n + col) * 4;
    store.stride = n * 4;
    store.acc_stride = TILE * 4;
    store.m = min((uint)TILE, m - row);
    store.n = min((uint)TILE, n - col);
    store.type = result_type;
    brgpu_tacc_store(&store);
}

#define GEMM(name, type, result, tensor_type, tacc_type)                                           \
    kernel void __attribute__((reqd_work_group_size(32, 1, 1)))                                    \
    name(uint m, uint n, uint k, global const type *a, global const type *b, global result *c) {   \
        local type tile_a[TILE * TILE_K] __attribute__((aligned(64)));                             \
        local type tile_b[TILE * TILE_K] __attribute__((aligned(64)));                             \
        gemm(m, n, k, brgpu_address(a), brgpu_address(b), brgpu_address(c), tile_a, tile_b,        \
             sizeof(type), tensor_type, tacc_type);                                                \
    }
GEMM(tensor_gemm_f32, float, float, BRGPU_TENSOR_F32, BRGPU_TACC_F32)
GEMM(tensor_gemm_bf16, ushort, float, BRGPU_TENSOR_BF16, BRGPU_TACC_F32)
GEMM(tensor_gemm_i8, char, int, BRGPU_TENSOR_I8, BRGPU_TACC_I32)
