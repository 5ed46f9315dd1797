// SPDX-License-Identifier: MIT
//
// Floating-point instructions as vectors, in round-to-nearest-even and without flags. A warp of
// which some lane wants more (Warp::exact_fp), or operands that are not NaN-boxed, take the exact
// way. The host's floating-point environment is the default one while a workgroup runs.
//
// Singles stand in the low halves of 64-bit elements. Arithmetic is done on both halves: the high
// ones are NaN by their boxing, and are set to all ones again afterwards.
#ifndef BRGPU_SIMT_INTERPRETER_FLOATING_HPP
#define BRGPU_SIMT_INTERPRETER_FLOATING_HPP

#include "memory.hpp"

namespace brgpu::simt::BRGPU_SIMT_BUILD {

inline constexpr uint64_t box_bits = 0xffffffff00000000u;

template <bool Full>
BRGPU_SIMT_INLINE bool is_boxed(Context &c, uint8_t reg) {
    Warp &w = *c.warp;
    if (w.boxed >> reg & 1) [[likely]]
        return true;
    U64 all = ~U64{};
    for (unsigned v = 0; v < vectors; ++v)
        all &= row(w.f[reg])[v] | (Full ? U64{} : ~row(c.mask)[v]);
    if ((and_across(all) & box_bits) != box_bits)
        return false;
    if (Full || c.active == w.live)
        w.boxed |= 1u << reg;
    return true;
}

template <bool Full>
BRGPU_SIMT_INLINE void wrote_single(Context &c, uint8_t reg) {
    if (Full || c.active == c.warp->live)
        c.warp->boxed |= 1u << reg;
}

BRGPU_SIMT_INLINE U64 canonical_single(F32 r) {
    const I32 nan = (I32)(r != r);
    const U32 bits = (U32)r;
    const U32 clean = (bits & ~(U32)nan) | ((U32)nan & 0x7fc00000u);
    return (U64)clean | box_bits;
}

BRGPU_SIMT_INLINE U64 canonical_double(F64 r) {
    const U64 nan = (U64)(r != r);
    return ((U64)r & ~nan) | (nan & 0x7ff8000000000000u);
}

// Per-format types and helpers, so that each instruction is written once.
struct Single {
    using F = F32;
    using Bits = U32;
    using Element = float;
    static constexpr uint64_t sign = 0x80000000u;
    static constexpr uint64_t register_sign = 0x80000000u;
    BRGPU_SIMT_INLINE static U64 finish(F r) { return canonical_single(r); }
    template <bool Full>
    BRGPU_SIMT_INLINE static bool ready(Context &c, uint8_t reg) {
        return is_boxed<Full>(c, reg);
    }
    template <bool Full>
    BRGPU_SIMT_INLINE static void wrote(Context &c, uint8_t reg) {
        wrote_single<Full>(c, reg);
    }
};

struct Double {
    using F = F64;
    using Bits = U64;
    using Element = double;
    static constexpr uint64_t sign = uint64_t{1} << 63;
    BRGPU_SIMT_INLINE static U64 finish(F r) { return canonical_double(r); }
    template <bool Full>
    BRGPU_SIMT_INLINE static bool ready(Context &, uint8_t) {
        return true;
    }
    template <bool Full>
    BRGPU_SIMT_INLINE static void wrote(Context &c, uint8_t reg) {
        c.warp->boxed &= ~(1u << reg);
    }
};

BRGPU_SIMT_INLINE F32 fused(F32 a, F32 b, F32 c) {
#if defined(__AVX512F__)
    return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    F32 r = a;
    for (unsigned i = 0; i < 2 * per_vector; i += 2)
        r[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return r;
#endif
}

BRGPU_SIMT_INLINE F64 fused(F64 a, F64 b, F64 c) {
#if defined(__AVX512F__)
    return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
    return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
    F64 r = a;
    for (unsigned i = 0; i < per_vector; ++i)
        r[i] = __builtin_fma(a[i], b[i], c[i]);
    return r;
#endif
}

BRGPU_SIMT_INLINE F32 root(F32 a) {
#if defined(__AVX512F__)
    return (F32)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
    return (F32)_mm256_sqrt_ps((__m256)a);
#else
    F32 r = a;
    for (unsigned i = 0; i < 2 * per_vector; i += 2)
        r[i] = __builtin_sqrtf(a[i]);
    return r;
#endif
}

BRGPU_SIMT_INLINE F64 root(F64 a) {
#if defined(__AVX512F__)
    return (F64)_mm512_sqrt_pd((__m512d)a);
#elif defined(__AVX2__)
    return (F64)_mm256_sqrt_pd((__m256d)a);
#else
    F64 r = a;
    for (unsigned i = 0; i < per_vector; ++i)
        r[i] = __builtin_sqrt(a[i]);
    return r;
#endif
}

enum class Arithmetic { add, sub, mul, div, sqrt, min, max, sgnj, sgnjn, sgnjx };
template <Arithmetic Kind>
inline constexpr bool reads_two = Kind != Arithmetic::sqrt;

template <Arithmetic Kind, class T>
BRGPU_SIMT_INLINE U64 arithmetic_of(U64 a_bits, U64 b_bits) {
    using F = typename T::F;
    using Bits = typename T::Bits;
    const F a = (F)a_bits, b = (F)b_bits;
    if constexpr (Kind == Arithmetic::add)
        return T::finish(a + b);
    else if constexpr (Kind == Arithmetic::sub)
        return T::finish(a - b);
    else if constexpr (Kind == Arithmetic::mul)
        return T::finish(a * b);
    else if constexpr (Kind == Arithmetic::div)
        return T::finish(a / b);
    else if constexpr (Kind == Arithmetic::sqrt)
        return T::finish(root(a));
    else if constexpr (Kind == Arithmetic::min || Kind == Arithmetic::max) {
        // Equal values differ at most in the sign of a zero, which OR and AND pick.
        const Bits x = (Bits)a, y = (Bits)b;
        const Bits before = Kind == Arithmetic::min ? (Bits)(a < b) : (Bits)(a > b);
        const Bits same = (Bits)(a == b), y_nan = (Bits)(b != b);
        const Bits zero = Kind == Arithmetic::min ? (x | y) : (x & y);
        const Bits take_x = before | y_nan;
        const Bits chosen = (take_x & x) | (~take_x & ((same & zero) | (~same & y)));
        return T::finish((F)chosen);
    } else if constexpr (Kind == Arithmetic::sgnj)
        return (a_bits & ~T::sign) | (b_bits & T::sign);
    else if constexpr (Kind == Arithmetic::sgnjn)
        return (a_bits & ~T::sign) | (~b_bits & T::sign);
    else
        return a_bits ^ (b_bits & T::sign);
}

template <bool Full, Arithmetic Kind, class T>
const Insn *arithmetic(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp || !T::template ready<Full>(c, insn->rs1) ||
        (reads_two<Kind> && !T::template ready<Full>(c, insn->rs2))) [[unlikely]]
        return run_fp_exact(c, insn);
    U64 *d = row(w.f[insn->rd]);
    const U64 *a = row(w.f[insn->rs1]);
    const U64 *b = row(w.f[reads_two<Kind> ? insn->rs2 : insn->rs1]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, arithmetic_of<Kind, T>(a[v], b[v]), d[v]);
    T::template wrote<Full>(c, insn->rd);
    return insn + insn->halves;
}

template <bool Full, class T, bool NegateProduct, bool NegateAddend>
const Insn *multiply_add(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp || !T::template ready<Full>(c, insn->rs1) ||
        !T::template ready<Full>(c, insn->rs2) || !T::template ready<Full>(c, insn->rs3))
        [[unlikely]]
        return run_fp_exact(c, insn);
    using F = typename T::F;
    U64 *d = row(w.f[insn->rd]);
    const U64 *a = row(w.f[insn->rs1]);
    const U64 *b = row(w.f[insn->rs2]);
    const U64 *e = row(w.f[insn->rs3]);
    for (unsigned v = 0; v < vectors; ++v) {
        U64 x = a[v], z = e[v];
        if constexpr (NegateProduct)
            x ^= splat(T::sign);
        if constexpr (NegateAddend)
            z ^= splat(T::sign);
        d[v] = blend<Full>(c, v, T::finish(fused((F)x, (F)b[v], (F)z)), d[v]);
    }
    T::template wrote<Full>(c, insn->rd);
    return insn + insn->halves;
}

enum class Comparison { eq, lt, le };

template <bool Full, Comparison Kind, class T>
const Insn *compare(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp || !T::template ready<Full>(c, insn->rs1) ||
        !T::template ready<Full>(c, insn->rs2)) [[unlikely]]
        return run_fp_exact(c, insn);
    using F = typename T::F;
    U64 *d = row(w.x[insn->rd]);
    const U64 *a = row(w.f[insn->rs1]);
    const U64 *b = row(w.f[insn->rs2]);
    for (unsigned v = 0; v < vectors; ++v) {
        U64 result;
        if constexpr (Kind == Comparison::eq)
            result = (U64)((F)a[v] == (F)b[v]);
        else if constexpr (Kind == Comparison::lt)
            result = (U64)((F)a[v] < (F)b[v]);
        else
            result = (U64)((F)a[v] <= (F)b[v]);
        d[v] = blend<Full>(c, v, result & 1, d[v]);
    }
    return insn + insn->halves;
}

// ---- Moves between the register files --------------------------------------------------------

template <bool Full>
const Insn *move_word_to_int(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    U64 *d = row(w.x[insn->rd]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, extend_words(row(w.f[insn->rs1])[v]), d[v]);
    return insn + insn->halves;
}

template <bool Full>
const Insn *move_double_to_int(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    U64 *d = row(w.x[insn->rd]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, row(w.f[insn->rs1])[v], d[v]);
    return insn + insn->halves;
}

template <bool Full, class T>
const Insn *move_from_int(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    U64 *d = row(w.f[insn->rd]);
    const uint64_t box = sizeof(typename T::Element) == 4 ? box_bits : 0;
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, row(w.x[insn->rs1])[v] | box, d[v]);
    T::template wrote<Full>(c, insn->rd);
    return insn + insn->halves;
}

// ---- Conversions ------------------------------------------------------------------------------

template <class Element>
BRGPU_SIMT_INLINE Element element_of(uint64_t bits) {
    Element value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

BRGPU_SIMT_INLINE uint64_t register_of(float value) {
    if (value != value)
        return 0x7fc00000u | box_bits;
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return bits | box_bits;
}

BRGPU_SIMT_INLINE uint64_t register_of(double value) {
    if (value != value)
        return 0x7ff8000000000000u;
    uint64_t bits;
    std::memcpy(&bits, &value, 8);
    return bits;
}

template <class To>
BRGPU_SIMT_INLINE uint64_t saturate(double value, unsigned mode) {
    switch (mode) {
    case 1:
        value = __builtin_trunc(value);
        break;
    case 2:
        value = __builtin_floor(value);
        break;
    case 3:
        value = __builtin_ceil(value);
        break;
    default:
        value = __builtin_rint(value);
        break;
    }
    constexpr bool is_signed = To(-1) < To(0);
    constexpr To least = is_signed ? static_cast<To>(To(1) << (sizeof(To) * 8 - 1)) : To(0);
    constexpr To most = static_cast<To>(~least);
    // 2^63 and 2^64 are doubles; one less is not.
    constexpr double limit =
        sizeof(To) == 4 ? (is_signed ? 0x1p31 : 0x1p32) : (is_signed ? 0x1p63 : 0x1p64);
    To result;
    if (!(value < limit)) // NaN too
        result = most;
    else if (value < static_cast<double>(least))
        result = least;
    else
        result = static_cast<To>(value);
    if constexpr (sizeof(To) == 4)
        return alu::word(static_cast<uint32_t>(result));
    else
        return static_cast<uint64_t>(result);
}

template <bool Full, class T, class To>
const Insn *to_integer(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp || !T::template ready<Full>(c, insn->rs1)) [[unlikely]]
        return run_fp_exact(c, insn);
    uint64_t *d = w.x[insn->rd];
    const uint64_t *a = w.f[insn->rs1];
    const unsigned mode = insn->rm;
    each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
        d[lane] = saturate<To>(static_cast<double>(element_of<typename T::Element>(a[lane])), mode);
    });
    return insn + insn->halves;
}

template <bool Full, class T, class From>
const Insn *from_integer(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp) [[unlikely]]
        return run_fp_exact(c, insn);
    alignas(64) uint64_t result[lanes];
    const uint64_t *a = w.x[insn->rs1];
    for (unsigned lane = 0; lane < lanes; ++lane)
        result[lane] = register_of(static_cast<typename T::Element>(static_cast<From>(a[lane])));
    U64 *d = row(w.f[insn->rd]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, row(result)[v], d[v]);
    T::template wrote<Full>(c, insn->rd);
    return insn + insn->halves;
}

template <bool Full, class From, class To>
const Insn *change_format(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp || !From::template ready<Full>(c, insn->rs1)) [[unlikely]]
        return run_fp_exact(c, insn);
    alignas(64) uint64_t result[lanes];
    const uint64_t *a = w.f[insn->rs1];
    for (unsigned lane = 0; lane < lanes; ++lane)
        result[lane] = register_of(
            static_cast<typename To::Element>(element_of<typename From::Element>(a[lane])));
    U64 *d = row(w.f[insn->rd]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, row(result)[v], d[v]);
    To::template wrote<Full>(c, insn->rd);
    return insn + insn->halves;
}

// ---- Half precision ----------------------------------------------------------------------------
// Sums, products, quotients and roots of halves may be computed in single precision: with
// 24 >= 2 * 11 + 2 bits, rounding twice is rounding once. A fused multiply-add may not.

#if defined(__F16C__)

BRGPU_SIMT_INLINE float half_to_float(uint64_t reg) {
    const bool boxed = (reg >> 16) == 0xffffffffffffu;
    return _cvtsh_ss(boxed ? static_cast<uint16_t>(reg) : uint16_t{0x7e00});
}

BRGPU_SIMT_INLINE uint64_t half_register(float value) {
    const uint16_t bits =
        value != value ? uint16_t{0x7e00} : static_cast<uint16_t>(_cvtss_sh(value, 0));
    return bits | 0xffffffffffff0000u;
}

template <bool Full, Arithmetic Kind>
const Insn *half_arithmetic(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp) [[unlikely]]
        return run_fp_exact(c, insn);
    uint64_t *d = w.f[insn->rd];
    const uint64_t *a = w.f[insn->rs1];
    const uint64_t *b = w.f[reads_two<Kind> ? insn->rs2 : insn->rs1];
    each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
        const float x = half_to_float(a[lane]), y = half_to_float(b[lane]);
        float r;
        if constexpr (Kind == Arithmetic::add)
            r = x + y;
        else if constexpr (Kind == Arithmetic::sub)
            r = x - y;
        else if constexpr (Kind == Arithmetic::mul)
            r = x * y;
        else if constexpr (Kind == Arithmetic::div)
            r = x / y;
        else
            r = __builtin_sqrtf(x);
        d[lane] = half_register(r);
    });
    w.boxed &= ~(1u << insn->rd);
    return insn + insn->halves;
}

template <bool Full>
const Insn *half_to_single(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp) [[unlikely]]
        return run_fp_exact(c, insn);
    uint64_t *d = w.f[insn->rd];
    const uint64_t *a = w.f[insn->rs1];
    each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
        d[lane] = register_of(half_to_float(a[lane]));
    });
    wrote_single<Full>(c, insn->rd);
    return insn + insn->halves;
}

template <bool Full>
const Insn *single_to_half(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if (w.exact_fp || !is_boxed<Full>(c, insn->rs1)) [[unlikely]]
        return run_fp_exact(c, insn);
    uint64_t *d = w.f[insn->rd];
    const uint64_t *a = w.f[insn->rs1];
    each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
        d[lane] = half_register(element_of<float>(a[lane]));
    });
    w.boxed &= ~(1u << insn->rd);
    return insn + insn->halves;
}

#endif

} // namespace brgpu::simt::BRGPU_SIMT_BUILD

#endif
