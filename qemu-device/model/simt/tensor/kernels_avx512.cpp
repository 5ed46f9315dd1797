// SPDX-License-Identifier: MIT
//
// For hosts with AVX-512. Compiled three times: without more, with VNNI (int8 in fours, A offset by
// 128 because VPDPBUSD takes one operand unsigned), and with VNNI and BF16.
#include <immintrin.h>

#include "microkernel.hpp"
#include "pack.hpp"

namespace brgpu::simt {
namespace {

#if defined(__AVX512BF16__)
constexpr unsigned bf16_unit = 2;
#else
constexpr unsigned bf16_unit = 1;
#endif
#if defined(__AVX512VNNI__)
constexpr unsigned int8_unit = 4;
#else
constexpr unsigned int8_unit = 2;
#endif

struct Avx512Float {
    using Vector = __m512;
    static constexpr unsigned vectors = 1, panels = 2, rows = 12, rows_2 = 8;
    static Vector zero() { return _mm512_setzero_ps(); }
    static Vector load(const std::byte *at) { return _mm512_loadu_ps(at); }
    static Vector splat(const std::byte *at) {
        float unit;
        std::memcpy(&unit, at, sizeof(unit));
        return _mm512_set1_ps(unit);
    }
    static void store(std::byte *at, Vector value) { _mm512_storeu_ps(at, value); }
    static Vector step(Vector sum, Vector a, Vector b) { return _mm512_fmadd_ps(a, b, sum); }
    static Vector finish(Vector sum) {
        const __mmask16 nan = _mm512_cmp_ps_mask(sum, sum, _CMP_UNORD_Q);
        return _mm512_mask_mov_ps(sum, nan, _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
    }
};

#if defined(__AVX512BF16__)
struct Avx512Bf16 : Avx512Float {
    static Vector step(Vector sum, Vector a, Vector b) {
        return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
    }
};
#endif

struct Avx512Int {
    using Vector = __m512i;
    static constexpr unsigned vectors = 1, panels = 2, rows = 12, rows_2 = 8;
    static Vector zero() { return _mm512_setzero_si512(); }
    static Vector load(const std::byte *at) { return _mm512_loadu_si512(at); }
    static Vector splat(const std::byte *at) {
        int32_t unit;
        std::memcpy(&unit, at, sizeof(unit));
        return _mm512_set1_epi32(unit);
    }
    static void store(std::byte *at, Vector value) { _mm512_storeu_si512(at, value); }
    static Vector step(Vector sum, Vector a, Vector b) {
#if defined(__AVX512VNNI__)
        return _mm512_dpbusd_epi32(sum, a, b);
#else
        return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
    }
    static Vector finish(Vector sum) { return sum; }
};

void multiply_f32(const TensorBlock &block) {
    run_block<Avx512Float>(block);
}

void multiply_bf16(const TensorBlock &block) {
#if defined(__AVX512BF16__)
    run_block<Avx512Bf16>(block);
#else
    const FlushSubnormals flush;
    run_block<Avx512Float>(block);
#endif
}

#if defined(__AVX512VNNI__)
// Takes from each output what the offset of A has added: 128 times the sum of B's column.
void remove_offset(const TensorBlock &block) {
    const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));
    __m512i sum[2] = {};
    for (uint32_t s = 0; s < block.steps; ++s)
        for (unsigned v = 0; v < 2; ++v)
            if (v * tensor_panel < block.columns)
                sum[v] = _mm512_dpbusd_epi32(
                    sum[v], offset, _mm512_loadu_si512(block.b[v] + s * tensor_step_bytes));
    for (uint32_t i = 0; i < block.rows; ++i)
        for (unsigned v = 0; v < 2 && v * 16 < block.columns; ++v) {
            std::byte *at = block.acc + i * block.acc_stride + v * sizeof(__m512i);
            const uint32_t left = block.columns - v * 16;
            const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffff : (1u << left) - 1);
            const __m512i acc = _mm512_maskz_loadu_epi32(mask, at);
            _mm512_mask_storeu_epi32(at, mask, _mm512_sub_epi32(acc, sum[v]));
        }
}
#endif

void multiply_int8(const TensorBlock &block) {
    run_block<Avx512Int>(block);
#if defined(__AVX512VNNI__)
    remove_offset(block);
#endif
}

bool available() {
    __builtin_cpu_init();
    bool yes = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
#if defined(__AVX512VNNI__)
    yes = yes && __builtin_cpu_supports("avx512vnni");
#endif
#if defined(__AVX512BF16__)
    yes = yes && __builtin_cpu_supports("avx512bf16");
#endif
    return yes;
}

} // namespace

#if defined(__AVX512BF16__)
#define BRGPU_TENSOR_SYMBOL tensor_kernels_avx512_bf16
#define BRGPU_TENSOR_NAME   "avx512-bf16"
#elif defined(__AVX512VNNI__)
#define BRGPU_TENSOR_SYMBOL tensor_kernels_avx512_vnni
#define BRGPU_TENSOR_NAME   "avx512-vnni"
#else
#define BRGPU_TENSOR_SYMBOL tensor_kernels_avx512
#define BRGPU_TENSOR_NAME   "avx512"
#endif

extern const TensorKernels BRGPU_TENSOR_SYMBOL;
const TensorKernels BRGPU_TENSOR_SYMBOL = {
    BRGPU_TENSOR_NAME,
    available,
    2 * tensor_panel,
    bf16_unit,
    int8_unit,
    multiply_f32,
    multiply_bf16,
    multiply_int8,
    pack_row<bf16_unit, int8_unit>,
    pack_step<bf16_unit, int8_unit>,
    pack_panel<bf16_unit, int8_unit>,
};

} // namespace brgpu::simt
