// SPDX-License-Identifier: MIT
//
// For hosts with AVX2, FMA and F16C. bf16 is fp32 arithmetic in which the host flushes subnormals;
// int8 goes in pairs of int16, 32 multiply-adds a cycle where two multipliers take 256 bits each.
#include <immintrin.h>

#include "microkernel.hpp"
#include "pack.hpp"

namespace brgpu::simt {
namespace {

struct Avx2Float {
    using Vector = __m256;
    static constexpr unsigned vectors = 2, panels = 1, rows = 6, rows_2 = 4;
    static Vector zero() { return _mm256_setzero_ps(); }
    static Vector load(const std::byte *at) {
        return _mm256_loadu_ps(reinterpret_cast<const float *>(at));
    }
    static Vector splat(const std::byte *at) {
        return _mm256_broadcast_ss(reinterpret_cast<const float *>(at));
    }
    static void store(std::byte *at, Vector value) {
        _mm256_storeu_ps(reinterpret_cast<float *>(at), value);
    }
    static Vector step(Vector sum, Vector a, Vector b) { return _mm256_fmadd_ps(a, b, sum); }
    static Vector finish(Vector sum) {
        const __m256 nan = _mm256_cmp_ps(sum, sum, _CMP_UNORD_Q);
        return _mm256_blendv_ps(sum, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000)), nan);
    }
};

struct Avx2Int16 {
    using Vector = __m256i;
    static constexpr unsigned vectors = 2, panels = 1, rows = 6, rows_2 = 4;
    static Vector zero() { return _mm256_setzero_si256(); }
    static Vector load(const std::byte *at) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(at));
    }
    static Vector splat(const std::byte *at) {
        int32_t unit;
        std::memcpy(&unit, at, sizeof(unit));
        return _mm256_set1_epi32(unit);
    }
    static void store(std::byte *at, Vector value) {
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(at), value);
    }
    static Vector step(Vector sum, Vector a, Vector b) {
        return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
    }
    static Vector finish(Vector sum) { return sum; }
};

void multiply_f32(const TensorBlock &block) {
    run_block<Avx2Float>(block);
}

void multiply_bf16(const TensorBlock &block) {
    const FlushSubnormals flush;
    run_block<Avx2Float>(block);
}

void multiply_int8(const TensorBlock &block) {
    run_block<Avx2Int16>(block);
}

bool available() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
}

} // namespace

extern const TensorKernels tensor_kernels_avx2;
const TensorKernels tensor_kernels_avx2 = {
    "avx2",
    available,
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
