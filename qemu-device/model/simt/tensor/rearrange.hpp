// SPDX-License-Identifier: MIT
//
// Elements of 1, 2, 4 or 8 bytes moved about: what tile copies and transposed operands need.
#ifndef BRGPU_SIMT_TENSOR_REARRANGE_HPP
#define BRGPU_SIMT_TENSOR_REARRANGE_HPP

#include <cstddef>
#include <cstdint>

namespace brgpu::simt {

// to[c][r] = lines[r][c] for r < count and c < columns; row c of the result at to + c * stride.
void transpose_lines(std::byte *to, size_t stride, const std::byte *const *lines, uint32_t count,
                     uint32_t columns, uint32_t element) noexcept;

// to[c][i] = lines[i][c] for i < 4 / element and c < columns, one after the other; `element` is 1
// or 2. Null lines are zeros.
void interleave_lines(std::byte *to, const std::byte *const lines[4], uint32_t columns,
                      uint32_t element) noexcept;

} // namespace brgpu::simt

#endif
