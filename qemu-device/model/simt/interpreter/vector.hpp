// SPDX-License-Identifier: MIT
//
// Vector types of one build of the interpreter. Everything below interpreter/ is compiled once for
// each class of hosts with BRGPU_SIMT_BUILD set to its name, which is also the namespace, so that
// no function compiled for one host is ever linked into the code of another. For the same reason
// these files call nothing inline from the standard library but memcpy.
#ifndef BRGPU_SIMT_INTERPRETER_VECTOR_HPP
#define BRGPU_SIMT_INTERPRETER_VECTOR_HPP

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

#include "../context.hpp"

#if defined(__AVX512F__)
#define BRGPU_SIMT_VECTOR_BYTES 64
#else
#define BRGPU_SIMT_VECTOR_BYTES 32
#endif

#define BRGPU_SIMT_INLINE [[gnu::always_inline]] inline

namespace brgpu::simt::BRGPU_SIMT_BUILD {

using U64 [[gnu::vector_size(BRGPU_SIMT_VECTOR_BYTES), gnu::may_alias]] = uint64_t;
using I64 [[gnu::vector_size(BRGPU_SIMT_VECTOR_BYTES), gnu::may_alias]] = int64_t;
using U32 [[gnu::vector_size(BRGPU_SIMT_VECTOR_BYTES), gnu::may_alias]] = uint32_t;
using I32 [[gnu::vector_size(BRGPU_SIMT_VECTOR_BYTES), gnu::may_alias]] = int32_t;
using F32 [[gnu::vector_size(BRGPU_SIMT_VECTOR_BYTES), gnu::may_alias]] = float;
using F64 [[gnu::vector_size(BRGPU_SIMT_VECTOR_BYTES), gnu::may_alias]] = double;

inline constexpr unsigned vectors = lanes * 8 / BRGPU_SIMT_VECTOR_BYTES;
inline constexpr unsigned per_vector = BRGPU_SIMT_VECTOR_BYTES / 8;

BRGPU_SIMT_INLINE U64 splat(uint64_t value) {
    return U64{} + value;
}
BRGPU_SIMT_INLINE U64 *row(uint64_t *values) {
    return reinterpret_cast<U64 *>(values);
}
BRGPU_SIMT_INLINE const U64 *row(const uint64_t *values) {
    return reinterpret_cast<const U64 *>(values);
}

struct alignas(64) LaneConstants {
    uint64_t bit[lanes];
    uint64_t number[lanes];
};
constexpr LaneConstants make_lane_constants() {
    LaneConstants c{};
    for (unsigned lane = 0; lane < lanes; ++lane) {
        c.bit[lane] = uint64_t{1} << lane;
        c.number[lane] = lane;
    }
    return c;
}
inline constexpr LaneConstants lane_constants = make_lane_constants();

BRGPU_SIMT_INLINE uint64_t or_across(U64 v) {
    uint64_t result = v[0];
    for (unsigned i = 1; i < per_vector; ++i)
        result |= v[i];
    return result;
}

BRGPU_SIMT_INLINE uint64_t and_across(U64 v) {
    uint64_t result = v[0];
    for (unsigned i = 1; i < per_vector; ++i)
        result &= v[i];
    return result;
}

// Sign-extends the low word of each element.
BRGPU_SIMT_INLINE U64 extend_words(U64 v) {
    const I32 low = (I32)v;
    const I32 sign = low >> 31;
#if BRGPU_SIMT_VECTOR_BYTES == 64
    return (U64)__builtin_shufflevector(low, sign, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12,
                                        28, 14, 30);
#else
    return (U64)__builtin_shufflevector(low, sign, 0, 8, 2, 10, 4, 12, 6, 14);
#endif
}

// New value of a register row where the lane is active, old where it is not.
template <bool Full>
BRGPU_SIMT_INLINE U64 blend(const Context &c, unsigned v, U64 value, U64 old) {
    if constexpr (Full)
        return value;
    else
        return old ^ ((old ^ value) & row(c.mask)[v]);
}

} // namespace brgpu::simt::BRGPU_SIMT_BUILD

#endif
