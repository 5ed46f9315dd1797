// SPDX-License-Identifier: MIT
#include "compressed.hpp"

namespace brgpu::controller {
namespace {

constexpr std::uint32_t op_load = 0x03;
constexpr std::uint32_t op_immediate = 0x13;
constexpr std::uint32_t op_store = 0x23;
constexpr std::uint32_t op_register = 0x33;
constexpr std::uint32_t op_lui = 0x37;
constexpr std::uint32_t op_branch = 0x63;
constexpr std::uint32_t op_jalr = 0x67;
constexpr std::uint32_t op_jal = 0x6f;
constexpr std::uint32_t ebreak = 0x00100073;

/// Bits [high:low] of the parcel, moved so that the lowest lands at `to`.
constexpr std::uint32_t field(std::uint32_t parcel, unsigned high, unsigned low, unsigned to) {
    return ((parcel >> low) & ((1u << (high - low + 1)) - 1)) << to;
}

constexpr std::uint32_t sign_extend(std::uint32_t value, unsigned bits) {
    const std::uint32_t sign = 1u << (bits - 1);
    return (value ^ sign) - sign;
}

constexpr std::uint32_t i_type(std::uint32_t imm, std::uint32_t rs1, std::uint32_t funct3,
                               std::uint32_t rd, std::uint32_t opcode) {
    return imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}

constexpr std::uint32_t r_type(std::uint32_t funct7, std::uint32_t rs2, std::uint32_t rs1,
                               std::uint32_t funct3, std::uint32_t rd) {
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | op_register;
}

constexpr std::uint32_t store_word(std::uint32_t imm, std::uint32_t rs2, std::uint32_t rs1) {
    return (imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | 2u << 12 | (imm & 0x1f) << 7 |
           op_store;
}

constexpr std::uint32_t branch(std::uint32_t imm, std::uint32_t rs1, std::uint32_t funct3) {
    return (imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | rs1 << 15 | funct3 << 12 |
           (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7 | op_branch;
}

constexpr std::uint32_t jal(std::uint32_t imm, std::uint32_t rd) {
    return (imm >> 20 & 1) << 31 | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20 |
           (imm >> 12 & 0xff) << 12 | rd << 7 | op_jal;
}

std::uint32_t expand_quadrant0(std::uint32_t c) {
    const std::uint32_t low = 8 + field(c, 4, 2, 0);
    const std::uint32_t base = 8 + field(c, 9, 7, 0);
    const std::uint32_t offset = field(c, 12, 10, 3) | field(c, 6, 6, 2) | field(c, 5, 5, 6);
    switch (c >> 13) {
    case 0: { // C.ADDI4SPN
        const std::uint32_t imm =
            field(c, 12, 11, 4) | field(c, 10, 7, 6) | field(c, 6, 6, 2) | field(c, 5, 5, 3);
        return imm == 0 ? 0 : i_type(imm, 2, 0, low, op_immediate);
    }
    case 2: // C.LW
        return i_type(offset, base, 2, low, op_load);
    case 6: // C.SW
        return store_word(offset, low, base);
    default:
        return 0;
    }
}

std::uint32_t expand_arithmetic(std::uint32_t c) {
    const std::uint32_t rd = 8 + field(c, 9, 7, 0);
    const std::uint32_t rs2 = 8 + field(c, 4, 2, 0);
    const bool bit12 = (c >> 12 & 1) != 0;
    const std::uint32_t shift = field(c, 6, 2, 0);
    switch (field(c, 11, 10, 0)) {
    case 0: // C.SRLI
        return bit12 ? 0 : i_type(shift, rd, 5, rd, op_immediate);
    case 1: // C.SRAI
        return bit12 ? 0 : i_type(0x400 | shift, rd, 5, rd, op_immediate);
    case 2: // C.ANDI
        return i_type(sign_extend(field(c, 12, 12, 5) | shift, 6), rd, 7, rd, op_immediate);
    default:
        break;
    }
    if (bit12)
        return 0;
    switch (field(c, 6, 5, 0)) {
    case 0:
        return r_type(0x20, rs2, rd, 0, rd); // C.SUB
    case 1:
        return r_type(0, rs2, rd, 4, rd); // C.XOR
    case 2:
        return r_type(0, rs2, rd, 6, rd); // C.OR
    default:
        return r_type(0, rs2, rd, 7, rd); // C.AND
    }
}

std::uint32_t expand_quadrant1(std::uint32_t c) {
    const std::uint32_t rd = field(c, 11, 7, 0);
    const std::uint32_t imm = sign_extend(field(c, 12, 12, 5) | field(c, 6, 2, 0), 6);
    const std::uint32_t jump = sign_extend(
        field(c, 12, 12, 11) | field(c, 11, 11, 4) | field(c, 10, 9, 8) | field(c, 8, 8, 10) |
            field(c, 7, 7, 6) | field(c, 6, 6, 7) | field(c, 5, 3, 1) | field(c, 2, 2, 5),
        12);
    const std::uint32_t near =
        sign_extend(field(c, 12, 12, 8) | field(c, 11, 10, 3) | field(c, 6, 5, 6) |
                        field(c, 4, 3, 1) | field(c, 2, 2, 5),
                    9);
    switch (c >> 13) {
    case 0: // C.ADDI, C.NOP
        return i_type(imm, rd, 0, rd, op_immediate);
    case 1: // C.JAL
        return jal(jump, 1);
    case 2: // C.LI
        return i_type(imm, 0, 0, rd, op_immediate);
    case 3: {
        if (rd != 2) // C.LUI
            return imm == 0 ? 0 : imm << 12 | rd << 7 | op_lui;
        const std::uint32_t step = // C.ADDI16SP
            sign_extend(field(c, 12, 12, 9) | field(c, 6, 6, 4) | field(c, 5, 5, 6) |
                            field(c, 4, 3, 7) | field(c, 2, 2, 5),
                        10);
        return step == 0 ? 0 : i_type(step, 2, 0, 2, op_immediate);
    }
    case 4:
        return expand_arithmetic(c);
    case 5: // C.J
        return jal(jump, 0);
    case 6: // C.BEQZ
        return branch(near, 8 + field(c, 9, 7, 0), 0);
    default: // C.BNEZ
        return branch(near, 8 + field(c, 9, 7, 0), 1);
    }
}

std::uint32_t expand_quadrant2(std::uint32_t c) {
    const std::uint32_t rd = field(c, 11, 7, 0);
    const std::uint32_t rs2 = field(c, 6, 2, 0);
    const bool bit12 = (c >> 12 & 1) != 0;
    switch (c >> 13) {
    case 0: // C.SLLI
        return bit12 ? 0 : i_type(rs2, rd, 1, rd, op_immediate);
    case 2: // C.LWSP
        return rd == 0 ? 0
                       : i_type(field(c, 12, 12, 5) | field(c, 6, 4, 2) | field(c, 3, 2, 6), 2, 2,
                                rd, op_load);
    case 4:
        if (rs2 != 0) // C.ADD, C.MV
            return r_type(0, rs2, bit12 ? rd : 0, 0, rd);
        if (rd == 0)
            return bit12 ? ebreak : 0;
        return i_type(0, rd, 0, bit12 ? 1 : 0, op_jalr); // C.JALR, C.JR
    case 6:                                              // C.SWSP
        return store_word(field(c, 12, 9, 2) | field(c, 8, 7, 6), rs2, 2);
    default:
        return 0;
    }
}

} // namespace

std::uint32_t expand_compressed(std::uint16_t parcel) {
    switch (parcel & 3) {
    case 0:
        return expand_quadrant0(parcel);
    case 1:
        return expand_quadrant1(parcel);
    default:
        return expand_quadrant2(parcel);
    }
}

} // namespace brgpu::controller
