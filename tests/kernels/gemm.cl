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
// flags: 1: A stands transposed, as k rows of m elements; 2: B does, as n rows of k; 4: adds to C;
// 8: B has been packed, ldb is the k that it was packed for.
//
// Packing B first saves the multiplication, which reads each part of it m / 128 times, most of its
// way to memory; weights are packed once for all. The packed B takes 64 bytes for each 16 columns
// and 4 bytes of k, both rounded up; workgroup 32 (required), grid (32 * ceil(n / 128),
// ceil(k / 512)).
//
// kernel gemm_pack_32(uint n, uint k, global const uint *b, uint ldb, global uint *packed,
//                     uint flags)
// kernel gemm_pack_16, gemm_pack_8(the same with ushort and uchar b)
//
// flags: 2: B stands transposed.

#include <brgpu/device/brgpu_isa.h>

#define TILE 128
#define TILE_K BRGPU_TMMA_MAX_K
#define PACK_K 512
#define LOCAL_BYTES 32768 // for turning a part of B
#define PANEL BRGPU_TENSOR_PANEL
// Tiles of so many rows of tiles are taken column by column, so that what several workgroups in a
// row read fits into the caches.
#define ROWS_TOGETHER 4

enum { A_TRANSPOSED = 1, B_TRANSPOSED = 2, ADD = 4, B_PACKED = 8 };

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

static uint packed_panel_bytes(uint k, uint elem_bytes) {
    return (k * elem_bytes + 3) / 4 * 4 * PANEL;
}

static void gemm(uint m, uint n, uint k, struct matrices p, uint flags, uint elem_bytes, uint type,
                 uint result_type) {
    const uint2 tile = tile_of_group();
    const uint row = tile.y * TILE, col = tile.x * TILE;
    if (row >= m || col >= n)
        return;
    const bool a_transposed = flags & A_TRANSPOSED, packed = flags & B_PACKED;
    const bool b_transposed = (flags & B_TRANSPOSED) && !packed;
    const uint panel_bytes = packed_panel_bytes(p.ldb, elem_bytes);

    struct brgpu_tacc_desc result = {0};
    result.address = p.c + ((ulong)row * p.ldc + col) * 4;
    result.stride = p.ldc * 4;
    result.acc_stride = TILE * 4;
    result.m = min((uint)TILE, m - row);
    result.n = min((uint)TILE, n - col);
    result.type = result_type;

    struct brgpu_tmma_desc multiply = {0};
    multiply.a_stride = p.lda * elem_bytes;
    multiply.b_stride = packed ? panel_bytes : p.ldb * elem_bytes;
    multiply.acc_stride = TILE * 4;
    multiply.m = result.m;
    multiply.n = result.n;
    multiply.type = type;
    multiply.flags = (a_transposed ? BRGPU_TMMA_A_TRANSPOSED : 0) |
                     (b_transposed ? BRGPU_TMMA_B_TRANSPOSED : 0) |
                     (packed ? BRGPU_TMMA_B_PANELS : 0);
    if (flags & ADD) {
        brgpu_tacc_load(&result);
        multiply.flags |= BRGPU_TMMA_ACCUMULATE;
    }
    for (uint start = 0; start < k; start += TILE_K) {
        const ulong a = a_transposed ? (ulong)start * p.lda + row : (ulong)row * p.lda + start;
        const ulong b = b_transposed ? (ulong)col * p.ldb + start : (ulong)start * p.ldb + col;
        multiply.a = p.a + a * elem_bytes;
        multiply.b = p.b + (packed ? (ulong)col / PANEL * panel_bytes +
                                         (ulong)start * PANEL * elem_bytes
                                   : b * elem_bytes);
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

// Columns of a tile and PACK_K of k; through local memory if they have to be turned.
static void pack(uint n, uint k, ulong b, uint ldb, ulong packed, uint flags, uint elem_bytes,
                 local uint *turned) {
    const uint col = get_group_id(0) * TILE, start = get_group_id(1) * PACK_K;
    if (col >= n || start >= k)
        return;
    const uint end = min(start + PACK_K, k);
    const uint step = flags & B_TRANSPOSED ? LOCAL_BYTES / TILE / elem_bytes : PACK_K;
    struct brgpu_tda_desc to_panels = {0};
    to_panels.cols = to_panels.src_cols = min((uint)TILE, n - col);
    to_panels.dst_stride = packed_panel_bytes(k, elem_bytes);
    to_panels.elem_bytes = elem_bytes;
    to_panels.layout = BRGPU_TDA_PANELS;
    for (uint at = start; at < end; at += step) {
        to_panels.rows = to_panels.src_rows = min(step, end - at);
        if (flags & B_TRANSPOSED) {
            struct brgpu_tda_desc turn = {0};
            turn.src = b + ((ulong)col * ldb + at) * elem_bytes;
            turn.dst = brgpu_address(turned);
            turn.rows = turn.src_rows = to_panels.cols;
            turn.cols = turn.src_cols = to_panels.rows;
            turn.src_stride = ldb * elem_bytes;
            turn.dst_stride = TILE * elem_bytes;
            turn.elem_bytes = elem_bytes;
            turn.layout = BRGPU_TDA_TRANSPOSE;
            brgpu_tda_copy(&turn);
            brgpu_tda_wait(0);
            to_panels.src = brgpu_address(turned);
            to_panels.src_stride = TILE * elem_bytes;
        } else {
            to_panels.src = b + ((ulong)at * ldb + col) * elem_bytes;
            to_panels.src_stride = ldb * elem_bytes;
        }
        to_panels.dst = packed + (ulong)col / PANEL * to_panels.dst_stride +
                        (ulong)at * PANEL * elem_bytes;
        brgpu_tda_copy(&to_panels);
        brgpu_tda_wait(0);
    }
}

#define PACK(name, type)                                                                           \
    kernel void __attribute__((reqd_work_group_size(32, 1, 1)))                                    \
    name(uint n, uint k, global const type *b, uint ldb, global uint *packed, uint flags) {        \
        local uint turned[LOCAL_BYTES / sizeof(uint)];                                             \
        pack(n, k, brgpu_address(b), ldb, brgpu_address(packed), flags, sizeof(type), turned);     \
    }
PACK(gemm_pack_32, uint)
PACK(gemm_pack_16, ushort)
PACK(gemm_pack_8, uchar)
