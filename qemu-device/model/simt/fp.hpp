// SPDX-License-Identifier: MIT
//
// IEEE 754 arithmetic as RISC-V defines it, one value at a time, in integer arithmetic: every
// rounding mode, every exception flag, on any host. The interpreter's vector code must agree with
// it bit by bit, and falls back to it wherever it is not plain round-to-nearest-even.
#ifndef BRGPU_SIMT_FP_HPP
#define BRGPU_SIMT_FP_HPP

#include <cstdint>

#include "ops.hpp"

namespace brgpu::simt::fp {

enum class Format : uint8_t { half, single, dbl };
enum class Rounding : uint8_t { nearest_even, to_zero, down, up, nearest_max_magnitude };

// Bits of fflags.
enum Flags : uint8_t {
    flag_inexact = 1,
    flag_underflow = 2, // tiny after rounding, and inexact
    flag_overflow = 4,
    flag_divide_by_zero = 8,
    flag_invalid = 16,
};

inline constexpr uint64_t canonical_nan[3] = {0x7e00, 0x7fc00000, 0x7ff8000000000000};

// Values are the format's bits, without NaN boxing; flags are added to, never cleared.
uint64_t fma(Format format, uint64_t a, uint64_t b, uint64_t c, Rounding mode,
             uint8_t &flags) noexcept;
uint64_t add(Format format, uint64_t a, uint64_t b, Rounding mode, uint8_t &flags) noexcept;
uint64_t mul(Format format, uint64_t a, uint64_t b, Rounding mode, uint8_t &flags) noexcept;
uint64_t div(Format format, uint64_t a, uint64_t b, Rounding mode, uint8_t &flags) noexcept;
uint64_t sqrt(Format format, uint64_t a, Rounding mode, uint8_t &flags) noexcept;
uint64_t minimum(Format format, uint64_t a, uint64_t b, bool maximum, uint8_t &flags) noexcept;
uint64_t convert(Format from, Format to, uint64_t a, Rounding mode, uint8_t &flags) noexcept;
// Saturates; NaN gives the largest value. Results of 32 bits are sign-extended to 64.
uint64_t to_integer(Format format, uint64_t a, bool is_signed, unsigned width, Rounding mode,
                    uint8_t &flags) noexcept;
uint64_t from_integer(Format format, uint64_t a, bool is_signed, unsigned width, Rounding mode,
                      uint8_t &flags) noexcept;
uint64_t classify(Format format, uint64_t a) noexcept;

// One lane of a floating-point instruction on register contents (NaN-boxed where narrow). a, b and
// c are rs1, rs2 and rs3, from the register file that the instruction names.
struct Result {
    uint64_t value;
    bool to_integer_register;
    uint8_t flags;
};
Result execute(Op op, Rounding mode, uint64_t a, uint64_t b, uint64_t c) noexcept;

// Whether the instruction depends on the rounding mode, so that an invalid dynamic one is illegal.
bool rounds(Op op) noexcept;
// Whether rs1 is an integer register.
bool reads_integer(Op op) noexcept;

} // namespace brgpu::simt::fp

#endif
