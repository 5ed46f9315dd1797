// SPDX-License-Identifier: MIT
//
// Integer instructions.
#ifndef BRGPU_SIMT_INTERPRETER_INTEGER_HPP
#define BRGPU_SIMT_INTERPRETER_INTEGER_HPP

#include "vector.hpp"

namespace brgpu::simt::BRGPU_SIMT_BUILD {

using Handler = const Insn *(*)(Context &, const Insn *);

// F: U64(U64 rs1, U64 rs2).
template <bool Full, auto F>
const Insn *binary(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    U64 *d = row(w.x[insn->rd]);
    const U64 *a = row(w.x[insn->rs1]);
    const U64 *b = row(w.x[insn->rs2]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, F(a[v], b[v]), d[v]);
    return insn + insn->halves;
}

// F: U64(U64 rs1, U64 immediate).
template <bool Full, auto F>
const Insn *immediate(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    U64 *d = row(w.x[insn->rd]);
    const U64 *a = row(w.x[insn->rs1]);
    const U64 b = splat(static_cast<uint64_t>(static_cast<int64_t>(insn->imm)));
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, F(a[v], b), d[v]);
    return insn + insn->halves;
}

// F: uint64_t(uint64_t rs1, uint64_t rs2), for what vectors do badly. Inactive lanes are computed
// too, so F must be defined for every operand.
template <bool Full, auto F>
const Insn *scalar(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    alignas(64) uint64_t result[lanes];
    const uint64_t *a = w.x[insn->rs1];
    const uint64_t *b = w.x[insn->rs2];
    for (unsigned lane = 0; lane < lanes; ++lane)
        result[lane] = F(a[lane], b[lane]);
    U64 *d = row(w.x[insn->rd]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, row(result)[v], d[v]);
    return insn + insn->halves;
}

template <bool Full>
BRGPU_SIMT_INLINE void write_int(Context &c, const Insn *insn, uint64_t value) {
    U64 *d = row(c.warp->x[insn->rd]);
    for (unsigned v = 0; v < vectors; ++v)
        d[v] = blend<Full>(c, v, splat(value), d[v]);
}

template <bool Full>
const Insn *li(Context &c, const Insn *insn) {
    write_int<Full>(c, insn, static_cast<uint64_t>(static_cast<int64_t>(insn->imm)));
    return insn + insn->halves;
}

template <bool Full>
const Insn *auipc(Context &c, const Insn *insn) {
    write_int<Full>(c, insn,
                    c.pc_of(insn) + static_cast<uint64_t>(static_cast<int64_t>(insn->imm)));
    return insn + insn->halves;
}

namespace alu {

inline constexpr auto add = [](U64 a, U64 b) __attribute__((always_inline)) { return a + b; };
inline constexpr auto sub = [](U64 a, U64 b) __attribute__((always_inline)) { return a - b; };
inline constexpr auto bit_and = [](U64 a, U64 b) __attribute__((always_inline)) { return a & b; };
inline constexpr auto bit_or = [](U64 a, U64 b) __attribute__((always_inline)) { return a | b; };
inline constexpr auto bit_xor = [](U64 a, U64 b) __attribute__((always_inline)) { return a ^ b; };
inline constexpr auto andn = [](U64 a, U64 b) __attribute__((always_inline)) { return a & ~b; };
inline constexpr auto orn = [](U64 a, U64 b) __attribute__((always_inline)) { return a | ~b; };
inline constexpr auto xnor = [](U64 a, U64 b) __attribute__((always_inline)) { return ~(a ^ b); };
inline constexpr auto sll = [](U64 a, U64 b)
                                __attribute__((always_inline)) { return a << (b & 63); };
inline constexpr auto srl = [](U64 a, U64 b)
                                __attribute__((always_inline)) { return a >> (b & 63); };
inline constexpr auto sra = [](U64 a, U64 b) __attribute__((always_inline)) {
    return (U64)((I64)a >> (I64)(b & 63));
};
inline constexpr auto slt = [](U64 a, U64 b) __attribute__((always_inline)) {
    return (U64)((I64)a < (I64)b) & 1;
};
inline constexpr auto sltu = [](U64 a, U64 b)
                                 __attribute__((always_inline)) { return (U64)(a < b) & 1; };
inline constexpr auto addw = [](U64 a, U64 b)
                                 __attribute__((always_inline)) { return extend_words(a + b); };
inline constexpr auto subw = [](U64 a, U64 b)
                                 __attribute__((always_inline)) { return extend_words(a - b); };
inline constexpr auto sllw = [](U64 a, U64 b) __attribute__((always_inline)) {
    return extend_words((U64)((U32)a << (U32)(b & 31)));
};
inline constexpr auto srlw = [](U64 a, U64 b) __attribute__((always_inline)) {
    return extend_words((U64)((U32)a >> (U32)(b & 31)));
};
inline constexpr auto sraw = [](U64 a, U64 b) __attribute__((always_inline)) {
    return extend_words((U64)((I32)a >> (I32)(b & 31)));
};
inline constexpr auto mul = [](U64 a, U64 b) __attribute__((always_inline)) { return a * b; };
inline constexpr auto mulw = [](U64 a, U64 b) __attribute__((always_inline)) {
    return extend_words((U64)((U32)a * (U32)b));
};
inline constexpr auto min = [](U64 a, U64 b)
                                __attribute__((always_inline)) { return (I64)a < (I64)b ? a : b; };
inline constexpr auto max = [](U64 a, U64 b)
                                __attribute__((always_inline)) { return (I64)a > (I64)b ? a : b; };
inline constexpr auto minu = [](U64 a, U64 b)
                                 __attribute__((always_inline)) { return a < b ? a : b; };
inline constexpr auto maxu = [](U64 a, U64 b)
                                 __attribute__((always_inline)) { return a > b ? a : b; };
inline constexpr auto add_uw = [](U64 a, U64 b)
                                   __attribute__((always_inline)) { return (a & 0xffffffffu) + b; };
inline constexpr auto slli_uw = [](U64 a, U64 b) __attribute__((always_inline)) {
    return (a & 0xffffffffu) << (b & 63);
};
inline constexpr auto sext_b = [](U64 a, U64) __attribute__((always_inline)) {
    return (U64)(((I64)(a << 56)) >> 56);
};
inline constexpr auto sext_h = [](U64 a, U64) __attribute__((always_inline)) {
    return (U64)(((I64)(a << 48)) >> 48);
};
inline constexpr auto zext_h = [](U64 a, U64)
                                   __attribute__((always_inline)) { return a & 0xffffu; };
inline constexpr auto rol = [](U64 a, U64 b) __attribute__((always_inline)) {
    return (a << (b & 63)) | (a >> (-b & 63));
};
inline constexpr auto ror = [](U64 a, U64 b) __attribute__((always_inline)) {
    return (a >> (b & 63)) | (a << (-b & 63));
};
inline constexpr auto rolw = [](U64 a, U64 b) __attribute__((always_inline)) {
    return extend_words((U64)(((U32)a << (U32)(b & 31)) | ((U32)a >> (U32)(-b & 31))));
};
inline constexpr auto rorw = [](U64 a, U64 b) __attribute__((always_inline)) {
    return extend_words((U64)(((U32)a >> (U32)(b & 31)) | ((U32)a << (U32)(-b & 31))));
};

template <unsigned Shift>
inline constexpr auto shadd = [](U64 a, U64 b)
                                  __attribute__((always_inline)) { return (a << Shift) + b; };
template <unsigned Shift>
inline constexpr auto shadd_uw =
    [](U64 a, U64 b) __attribute__((always_inline)) { return ((a & 0xffffffffu) << Shift) + b; };

BRGPU_SIMT_INLINE constexpr uint64_t word(uint32_t value) {
    return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(value)));
}

inline constexpr auto mulh = [](uint64_t a, uint64_t b) {
    return static_cast<uint64_t>(
        (static_cast<__int128>(static_cast<int64_t>(a)) * static_cast<int64_t>(b)) >> 64);
};
inline constexpr auto mulhu = [](uint64_t a, uint64_t b) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
};
inline constexpr auto mulhsu = [](uint64_t a, uint64_t b) {
    return mulhu(a, b) - (static_cast<int64_t>(a) < 0 ? b : 0);
};
inline constexpr auto divu = [](uint64_t a, uint64_t b) { return b == 0 ? UINT64_MAX : a / b; };
inline constexpr auto remu = [](uint64_t a, uint64_t b) { return b == 0 ? a : a % b; };
inline constexpr auto div = [](uint64_t a, uint64_t b) {
    if (b == 0)
        return UINT64_MAX;
    if (b == UINT64_MAX)
        return 0 - a; // the most negative number too
    return static_cast<uint64_t>(static_cast<int64_t>(a) / static_cast<int64_t>(b));
};
inline constexpr auto rem = [](uint64_t a, uint64_t b) {
    if (b == 0)
        return a;
    if (b == UINT64_MAX)
        return uint64_t{0};
    return static_cast<uint64_t>(static_cast<int64_t>(a) % static_cast<int64_t>(b));
};
inline constexpr auto divuw = [](uint64_t a, uint64_t b) {
    const auto x = static_cast<uint32_t>(a), y = static_cast<uint32_t>(b);
    return y == 0 ? UINT64_MAX : word(x / y);
};
inline constexpr auto remuw = [](uint64_t a, uint64_t b) {
    const auto x = static_cast<uint32_t>(a), y = static_cast<uint32_t>(b);
    return y == 0 ? word(x) : word(x % y);
};
inline constexpr auto divw = [](uint64_t a, uint64_t b) {
    const auto x = static_cast<uint32_t>(a), y = static_cast<uint32_t>(b);
    if (y == 0)
        return UINT64_MAX;
    if (y == UINT32_MAX)
        return word(0 - x);
    return word(static_cast<uint32_t>(static_cast<int32_t>(x) / static_cast<int32_t>(y)));
};
inline constexpr auto remw = [](uint64_t a, uint64_t b) {
    const auto x = static_cast<uint32_t>(a), y = static_cast<uint32_t>(b);
    if (y == 0)
        return word(x);
    if (y == UINT32_MAX)
        return uint64_t{0};
    return word(static_cast<uint32_t>(static_cast<int32_t>(x) % static_cast<int32_t>(y)));
};
inline constexpr auto clz = [](uint64_t a, uint64_t) {
    return a ? static_cast<uint64_t>(__builtin_clzll(a)) : uint64_t{64};
};
inline constexpr auto ctz = [](uint64_t a, uint64_t) {
    return a ? static_cast<uint64_t>(__builtin_ctzll(a)) : uint64_t{64};
};
inline constexpr auto cpop = [](uint64_t a, uint64_t) {
    return static_cast<uint64_t>(__builtin_popcountll(a));
};
inline constexpr auto clzw = [](uint64_t a, uint64_t) {
    const auto x = static_cast<uint32_t>(a);
    return x ? static_cast<uint64_t>(__builtin_clz(x)) : uint64_t{32};
};
inline constexpr auto ctzw = [](uint64_t a, uint64_t) {
    const auto x = static_cast<uint32_t>(a);
    return x ? static_cast<uint64_t>(__builtin_ctz(x)) : uint64_t{32};
};
inline constexpr auto cpopw = [](uint64_t a, uint64_t) {
    return static_cast<uint64_t>(__builtin_popcount(static_cast<uint32_t>(a)));
};
inline constexpr auto rev8 = [](uint64_t a, uint64_t) {
    return static_cast<uint64_t>(__builtin_bswap64(a));
};
inline constexpr auto orc_b = [](uint64_t a, uint64_t) {
    // Bit 7 of each byte: whether the byte is non-zero; then spread over the byte.
    constexpr uint64_t low7 = 0x7f7f7f7f7f7f7f7fu;
    const uint64_t any = (((a & low7) + low7) | a) & ~low7;
    return (any >> 7) * 0xffu;
};

} // namespace alu

} // namespace brgpu::simt::BRGPU_SIMT_BUILD

#endif
