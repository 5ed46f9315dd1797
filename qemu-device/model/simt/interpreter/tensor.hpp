// SPDX-License-Identifier: MIT
//
// Inner loops of the tensor unit. Each output is a chain of its own, so vectors over the columns
// give the same bits on every host.
#ifndef BRGPU_SIMT_INTERPRETER_TENSOR_HPP
#define BRGPU_SIMT_INTERPRETER_TENSOR_HPP

#include "floating.hpp"

namespace brgpu::simt::BRGPU_SIMT_BUILD {

inline constexpr unsigned floats_per_vector = 2 * per_vector;
inline constexpr unsigned tensor_block = 8; // vectors of columns kept in registers

BRGPU_SIMT_INLINE F32 fused_all(F32 a, F32 b, F32 c) {
#if defined(__FMA__)
    return fused(a, b, c);
#else
    for (unsigned i = 0; i < floats_per_vector; ++i)
        c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#endif
}

// Subnormals become zeros of their sign.
BRGPU_SIMT_INLINE F32 flushed(F32 value) {
    const U32 bits = (U32)value;
    const U32 tiny = (U32)((bits & 0x7f800000u) == 0);
    return (F32)(bits & ~(tiny & 0x7fffffffu));
}

template <bool Flush, unsigned Block>
BRGPU_SIMT_INLINE void fma_block(float *c, const float *a, const float *b, uint32_t k, uint32_t n) {
    F32 sum[Block];
    std::memcpy(sum, c, sizeof(sum));
    if constexpr (Flush)
        for (F32 &s : sum)
            s = flushed(s);
    for (uint32_t i = 0; i < k; ++i) {
        const F32 x = F32{} + a[i];
        for (unsigned v = 0; v < Block; ++v) {
            F32 y;
            std::memcpy(&y, b + static_cast<size_t>(i) * n + v * floats_per_vector, sizeof(y));
            sum[v] = fused_all(x, y, sum[v]);
            if constexpr (Flush)
                sum[v] = flushed(sum[v]);
        }
    }
    std::memcpy(c, sum, sizeof(sum));
}

template <bool Flush>
BRGPU_SIMT_INLINE void fma_row(float *c, const float *a, const float *b, uint32_t k, uint32_t n) {
    uint32_t j = 0;
    for (; j + tensor_block * floats_per_vector <= n; j += tensor_block * floats_per_vector)
        fma_block<Flush, tensor_block>(c + j, a, b + j, k, n);
    for (; j < n; j += floats_per_vector)
        fma_block<Flush, 1>(c + j, a, b + j, k, n);
}

// n is a multiple of 16.
inline void fma_rows(float *c, const float *a, const float *b, uint32_t k, uint32_t n, bool flush) {
    if (flush)
        fma_row<true>(c, a, b, k, n);
    else
        fma_row<false>(c, a, b, k, n);
}

inline void int8_rows(uint32_t *c, const int8_t *a, const int8_t *b, uint32_t k, uint32_t n) {
    for (uint32_t i = 0; i < k; ++i) {
        const int32_t x = a[i];
        const int8_t *line = b + static_cast<size_t>(i) * n;
        for (uint32_t j = 0; j < n; ++j)
            c[j] += static_cast<uint32_t>(x * line[j]);
    }
}

} // namespace brgpu::simt::BRGPU_SIMT_BUILD

#endif
