// SPDX-License-Identifier: MIT
//
// What the decoders of 16-bit and 32-bit encodings share.
#ifndef BRGPU_SIMT_DECODE_FIELDS_HPP
#define BRGPU_SIMT_DECODE_FIELDS_HPP

#include "ops.hpp"

namespace brgpu::simt::decoding {

constexpr uint32_t bits(uint32_t value, unsigned high, unsigned low) {
    return (value >> low) & ((2u << (high - low)) - 1u);
}

constexpr int32_t sign_extend(uint32_t value, unsigned width) {
    const unsigned shift = 32 - width;
    return static_cast<int32_t>(value << shift) >> shift;
}

inline Op at(Op base, unsigned distance) {
    return static_cast<Op>(static_cast<unsigned>(base) + distance);
}

inline Insn illegal(uint32_t raw, uint8_t halves) {
    Insn insn;
    insn.op = Op::illegal;
    insn.raw = raw;
    insn.halves = halves;
    return insn;
}

inline uint8_t int_rd(uint32_t reg) {
    return reg == 0 ? sink_register : static_cast<uint8_t>(reg);
}

// The C extension; `c` has 16 bits, the lowest two of which are not both set.
Insn decode_compressed(uint32_t c) noexcept;

} // namespace brgpu::simt::decoding

#endif
