// SPDX-License-Identifier: MIT
//
// For any host: no fused multiply-add is asked for. A product of two fp32 numbers is exact in fp64;
// the sum is rounded to odd there, after which rounding to fp32 gives what one rounding would.
#include "microkernel.hpp"
#include "pack.hpp"

namespace brgpu::simt {
namespace {

typedef float F4 __attribute__((vector_size(16)));
typedef float F2 __attribute__((vector_size(8)));
typedef double D2 __attribute__((vector_size(16)));
typedef int64_t L2 __attribute__((vector_size(16)));
typedef int32_t I4 __attribute__((vector_size(16)));

[[gnu::always_inline]] inline D2 half_of(F4 value, unsigned half) {
    return D2{value[2 * half], value[2 * half + 1]};
}

[[gnu::always_inline]] inline D2 magnitude(D2 value) {
    return (D2)((L2)value & INT64_MAX);
}

// Below `limit` in magnitude: zero of its sign.
[[gnu::always_inline]] inline D2 flush_below(D2 value, double limit) {
    const L2 tiny = magnitude(value) < D2{limit, limit};
    return (D2)((L2)value & ~(tiny & INT64_MAX));
}

// a * b + c, rounded to odd.
[[gnu::always_inline]] inline D2 multiply_add(D2 a, D2 b, D2 c) {
    const D2 product = a * b;
    const D2 sum = product + c;
    const D2 part = sum - product;
    const D2 error = (product - (sum - part)) + (c - part); // NaN where the sum isn't finite
    const L2 inexact = (error > 0.0) | (error < 0.0);
    const L2 even = ((L2)sum & 1) == 0;
    const L2 away = (error > 0.0) == (sum > 0.0); // from zero; true is -1
    return (D2)((L2)sum + (inexact & even & -(2 * away + 1)));
}

[[gnu::always_inline]] inline F4 join(D2 low, D2 high) {
    const F2 x = __builtin_convertvector(low, F2), y = __builtin_convertvector(high, F2);
    return F4{x[0], x[1], y[0], y[1]};
}

struct Vectors {
    static constexpr unsigned vectors = tensor_panel / 4, panels = 1, rows = 2, rows_2 = 2;
    template <class Vector>
    static Vector load_as(const std::byte *at) {
        Vector value;
        std::memcpy(&value, at, sizeof(value));
        return value;
    }
};

struct BaseFloat : Vectors {
    using Vector = F4;
    static Vector zero() { return Vector{}; }
    static Vector load(const std::byte *at) { return load_as<Vector>(at); }
    static Vector splat(const std::byte *at) {
        float unit;
        std::memcpy(&unit, at, sizeof(unit));
        return Vector{unit, unit, unit, unit};
    }
    static void store(std::byte *at, Vector value) { std::memcpy(at, &value, sizeof(value)); }
    static Vector step(Vector sum, Vector a, Vector b) {
        return join(multiply_add(half_of(a, 0), half_of(b, 0), half_of(sum, 0)),
                    multiply_add(half_of(a, 1), half_of(b, 1), half_of(sum, 1)));
    }
    static Vector finish(Vector sum) {
        const I4 nan = sum != sum;
        return (Vector)(((I4)sum & ~nan) | (nan & static_cast<int32_t>(nan_single)));
    }
};

struct BaseBf16 : BaseFloat {
    static D2 half_step(D2 sum, D2 a, D2 b) {
        constexpr double smallest = 0x1p-126;
        // What rounds to less than the smallest normal number, whatever the exponent's range.
        constexpr double tiny = 0x1.ffffffp-127;
        return flush_below(multiply_add(flush_below(a, smallest), flush_below(b, smallest),
                                        flush_below(sum, smallest)),
                           tiny);
    }
    static Vector step(Vector sum, Vector a, Vector b) {
        return join(half_step(half_of(sum, 0), half_of(a, 0), half_of(b, 0)),
                    half_step(half_of(sum, 1), half_of(a, 1), half_of(b, 1)));
    }
};

struct BaseInt16 : Vectors {
    using Vector = I4;
    static Vector zero() { return Vector{}; }
    static Vector load(const std::byte *at) { return load_as<Vector>(at); }
    static Vector splat(const std::byte *at) {
        int32_t unit;
        std::memcpy(&unit, at, sizeof(unit));
        return Vector{unit, unit, unit, unit};
    }
    static void store(std::byte *at, Vector value) { std::memcpy(at, &value, sizeof(value)); }
    static Vector step(Vector sum, Vector a, Vector b) {
#if defined(__SSE2__)
        const auto products = (Vector)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
        const Vector low = (a << 16 >> 16) * (b << 16 >> 16), high = (a >> 16) * (b >> 16);
        const Vector products = low + high; // each below 2^14
#endif
        // Wraps.
        typedef uint32_t U4 __attribute__((vector_size(16)));
        return (Vector)((U4)sum + (U4)products);
    }
    static Vector finish(Vector sum) { return sum; }
};

void multiply_f32(const TensorBlock &block) {
    run_block<BaseFloat>(block);
}

void multiply_bf16(const TensorBlock &block) {
    run_block<BaseBf16>(block);
}

void multiply_int8(const TensorBlock &block) {
    run_block<BaseInt16>(block);
}

} // namespace

extern const TensorKernels tensor_kernels_baseline;
const TensorKernels tensor_kernels_baseline = {
    "baseline",
    nullptr,
    tensor_panel,
    1,
    2,
    multiply_f32,
    multiply_bf16,
    multiply_int8,
    pack_row<1, 2>,
    pack_step<1, 2>,
    pack_panel<1, 2>,
};

} // namespace brgpu::simt
