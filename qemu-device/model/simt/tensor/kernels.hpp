// SPDX-License-Identifier: MIT
//
// The inner loops of the tensor unit: one table of functions for each class of hosts. All give the
// same bits (docs/isa.md, "TMMA numerics").
//
// Operands are brought into one form first, made of units of 4 bytes, each one step of an inner
// loop: A as rows of units, B as panels of 16 columns, step after step. What a unit holds depends
// on the type and the kernels: one fp32, a pair of bf16 or int16, four int8.
#ifndef BRGPU_SIMT_TENSOR_KERNELS_HPP
#define BRGPU_SIMT_TENSOR_KERNELS_HPP

#include <cstddef>
#include <cstdint>

#include "brgpu/hw/isa.h"

namespace brgpu::simt {

// k elements that are staged at a time: an A of 128 rows and the panel of B in use stay in the
// caches next to the core. Part of what a stopped instruction keeps (Progress), so the same in all
// builds.
inline constexpr uint32_t tensor_depth = 256;
inline constexpr uint32_t tensor_depth_int8 = 512;
// From row to row of a staged A: no power of two, so that rows don't compete for places in the
// cache.
inline constexpr size_t tensor_row_bytes = tensor_depth * 4 + 64;
static_assert(tensor_depth_int8 * 2 <= tensor_depth * 4);

inline constexpr uint32_t tensor_panel = BRGPU_TENSOR_PANEL;
inline constexpr size_t tensor_step_bytes = tensor_panel * 4;
// From panel to panel of a staged B; again no power of two.
inline constexpr size_t tensor_panel_bytes = tensor_depth * tensor_step_bytes + 256;

// A panel of outputs, or two: acc[i][j] (+)= sum over `steps` units of A[i][s] * B[s][j].
struct TensorBlock {
    const std::byte *a; // row i at a + i * a_stride, padded to whole units
    size_t a_stride;
    const std::byte *b[2]; // step s at + s * tensor_step_bytes, with anything beyond `columns`
    std::byte *acc;        // 32-bit elements, row i at acc + i * acc_stride
    size_t acc_stride;
    uint32_t rows;    // 1..BRGPU_TMMA_MAX_M
    uint32_t columns; // 1..TensorKernels::columns
    uint32_t steps;
    bool accumulate; // else starts at zero
    // What is read next, for the caches: `ahead_bytes` of each row; null: nothing.
    const std::byte *ahead = nullptr;
    size_t ahead_stride = 0;
    uint32_t ahead_bytes = 0;
};

struct TensorKernels {
    const char *name;
    bool (*available)(); // whether this host can run them; null: any can
    uint32_t columns;    // of a block: 16 or 32
    uint32_t bf16_unit;  // k elements in a unit: 1 (fp32, odd element of a pair first) or 2
    uint32_t int8_unit;  // 2 (int16) or 4 (A offset by 128)

    // F32, TF32 and F16. NaN comes out as 0x7fc00000 here and below.
    void (*multiply_f32)(const TensorBlock &);
    void (*multiply_bf16)(const TensorBlock &);
    void (*multiply_int8)(const TensorBlock &);

    // `count` elements of a row of A to units; the last is filled up with what adds nothing.
    void (*pack_row)(uint8_t type, std::byte *to, const std::byte *from, uint32_t count);
    // Rows of B that share a unit to one step of consecutive panels, tensor_panel_bytes apart.
    // `rows` are those of one unit, null beyond the end of the matrix. For a unit of one element
    // only rows[0] counts.
    void (*pack_step)(uint8_t type, std::byte *to, const std::byte *const rows[4],
                      uint32_t columns);
    // `depth` k elements of one panel, from row groups of 4 / element as BRGPU_TDA_PANELS (or, of
    // one group, BRGPU_TDA_PACK) leaves them.
    void (*pack_panel)(uint8_t type, std::byte *to, const std::byte *groups, uint32_t depth,
                       uint32_t columns);
};

// Bytes of an operand element.
constexpr uint32_t tensor_element_bytes(uint8_t type) {
    if (type <= BRGPU_TENSOR_TF32)
        return 4;
    return type <= BRGPU_TENSOR_F16 ? 2 : 1;
}

// k elements of a unit.
constexpr uint32_t tensor_unit(const TensorKernels &kernels, uint8_t type) {
    if (type == BRGPU_TENSOR_BF16)
        return kernels.bf16_unit;
    return type == BRGPU_TENSOR_I8 ? kernels.int8_unit : 1;
}

// Which k stands at place k of a staged operand: of a pair of bf16 the odd element comes first.
constexpr uint32_t tensor_place(const TensorKernels &kernels, uint8_t type, uint32_t k,
                                uint32_t depth) {
    const bool swapped = type == BRGPU_TENSOR_BF16 && kernels.bf16_unit == 1 && (k ^ 1) < depth;
    return swapped ? k ^ 1 : k;
}

// Whether rows of A `stride` bytes apart are units as they stand, and 128 of them find places in
// the caches that are indexed by the address.
constexpr bool tensor_rows_ready(uint8_t type, uint64_t stride) {
    return type == BRGPU_TENSOR_F32 && stride % 4096 != 0;
}

// Whether `depth` elements of a panel that BRGPU_TDA_PANELS has left are units as they stand.
constexpr bool tensor_panel_ready(const TensorKernels &kernels, uint8_t type, uint32_t depth) {
    if (type == BRGPU_TENSOR_F32)
        return true;
    const bool pairs = type == BRGPU_TENSOR_BF16 && kernels.bf16_unit == 2;
    const bool fours = type == BRGPU_TENSOR_I8 && kernels.int8_unit == 4;
    return (pairs && depth % 2 == 0) || (fours && depth % 4 == 0);
}

// The best that this host can run and that have been found to give the baseline's bits; the search
// is at the first call, and tells `host` of those that differ. Any thread.
class Host;
const TensorKernels &tensor_kernels(Host &host) noexcept;
// Whether they give the baseline's bits on values and shapes that are likely to tell; else `type`
// is one that differs.
bool tensor_kernels_agree(const TensorKernels &kernels, uint8_t &type) noexcept;

} // namespace brgpu::simt

#endif
