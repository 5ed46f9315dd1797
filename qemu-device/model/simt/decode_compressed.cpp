// SPDX-License-Identifier: MIT
#include "decode_fields.hpp"

namespace brgpu::simt::decoding {
namespace {

Insn make(Op op, uint32_t rd, uint32_t rs1, uint32_t rs2, int32_t imm, uint32_t raw) {
    Insn insn;
    insn.op = op;
    insn.rd = static_cast<uint8_t>(rd);
    insn.rs1 = static_cast<uint8_t>(rs1);
    insn.rs2 = static_cast<uint8_t>(rs2);
    insn.imm = imm;
    insn.raw = raw;
    insn.halves = 1;
    return insn;
}

Insn decode_c0(uint32_t c) {
    const uint32_t low = bits(c, 4, 2) + 8, high = bits(c, 9, 7) + 8;
    const auto word =
        static_cast<int32_t>((bits(c, 12, 10) << 3) | (bits(c, 6, 6) << 2) | (bits(c, 5, 5) << 6));
    const auto dword = static_cast<int32_t>((bits(c, 12, 10) << 3) | (bits(c, 6, 5) << 6));
    switch (bits(c, 15, 13)) {
    case 0: {
        const auto imm = static_cast<int32_t>((bits(c, 12, 11) << 4) | (bits(c, 10, 7) << 6) |
                                              (bits(c, 6, 6) << 2) | (bits(c, 5, 5) << 3));
        return imm == 0 ? illegal(c, 1) : make(Op::addi, low, 2, 0, imm, c);
    }
    case 1:
        return make(Op::fld, low, high, 0, dword, c);
    case 2:
        return make(Op::lw, low, high, 0, word, c);
    case 3:
        return make(Op::ld, low, high, 0, dword, c);
    case 5:
        return make(Op::fsd, 0, high, low, dword, c);
    case 6:
        return make(Op::sw, 0, high, low, word, c);
    case 7:
        return make(Op::sd, 0, high, low, dword, c);
    default:
        return illegal(c, 1);
    }
}

Insn decode_c1(uint32_t c) {
    const uint32_t rd = bits(c, 11, 7), low = bits(c, 4, 2) + 8, high = bits(c, 9, 7) + 8;
    const int32_t imm6 = sign_extend((bits(c, 12, 12) << 5) | bits(c, 6, 2), 6);
    const auto shamt = static_cast<int32_t>((bits(c, 12, 12) << 5) | bits(c, 6, 2));
    switch (bits(c, 15, 13)) {
    case 0:
        return make(Op::addi, int_rd(rd), rd, 0, imm6, c);
    case 1:
        return rd == 0 ? illegal(c, 1) : make(Op::addiw, rd, rd, 0, imm6, c);
    case 2:
        return make(Op::li, int_rd(rd), 0, 0, imm6, c);
    case 3:
        if (rd == 2) {
            const int32_t imm =
                sign_extend((bits(c, 12, 12) << 9) | (bits(c, 4, 3) << 7) | (bits(c, 5, 5) << 6) |
                                (bits(c, 2, 2) << 5) | (bits(c, 6, 6) << 4),
                            10);
            return imm == 0 ? illegal(c, 1) : make(Op::addi, 2, 2, 0, imm, c);
        }
        if (imm6 == 0)
            return illegal(c, 1);
        return make(Op::li, int_rd(rd), 0, 0, imm6 * 4096, c);
    case 4:
        switch (bits(c, 11, 10)) {
        case 0:
            return make(Op::srli, high, high, 0, shamt, c);
        case 1:
            return make(Op::srai, high, high, 0, shamt, c);
        case 2:
            return make(Op::andi, high, high, 0, imm6, c);
        default: {
            constexpr Op ops[8] = {Op::sub,  Op::xor_, Op::or_,     Op::and_,
                                   Op::subw, Op::addw, Op::illegal, Op::illegal};
            const Op op = ops[bits(c, 6, 5) + 4 * bits(c, 12, 12)];
            return op == Op::illegal ? illegal(c, 1) : make(op, high, high, low, 0, c);
        }
        }
    case 5: {
        const int32_t imm =
            sign_extend((bits(c, 12, 12) << 11) | (bits(c, 11, 11) << 4) | (bits(c, 10, 9) << 8) |
                            (bits(c, 8, 8) << 10) | (bits(c, 7, 7) << 6) | (bits(c, 6, 6) << 7) |
                            (bits(c, 5, 3) << 1) | (bits(c, 2, 2) << 5),
                        12);
        return make(Op::jal, sink_register, 0, 0, imm, c);
    }
    default: {
        const int32_t imm =
            sign_extend((bits(c, 12, 12) << 8) | (bits(c, 11, 10) << 3) | (bits(c, 6, 5) << 6) |
                            (bits(c, 4, 3) << 1) | (bits(c, 2, 2) << 5),
                        9);
        return make(bits(c, 15, 13) == 6 ? Op::beq : Op::bne, 0, high, 0, imm, c);
    }
    }
}

Insn decode_c2(uint32_t c) {
    const uint32_t rd = bits(c, 11, 7), rs2 = bits(c, 6, 2);
    const auto shamt = static_cast<int32_t>((bits(c, 12, 12) << 5) | bits(c, 6, 2));
    const auto load_d =
        static_cast<int32_t>((bits(c, 12, 12) << 5) | (bits(c, 6, 5) << 3) | (bits(c, 4, 2) << 6));
    const auto store_d = static_cast<int32_t>((bits(c, 12, 10) << 3) | (bits(c, 9, 7) << 6));
    switch (bits(c, 15, 13)) {
    case 0:
        return make(Op::slli, int_rd(rd), rd, 0, shamt, c);
    case 1:
        return make(Op::fld, rd, 2, 0, load_d, c);
    case 2: {
        const auto imm = static_cast<int32_t>((bits(c, 12, 12) << 5) | (bits(c, 6, 4) << 2) |
                                              (bits(c, 3, 2) << 6));
        return rd == 0 ? illegal(c, 1) : make(Op::lw, rd, 2, 0, imm, c);
    }
    case 3:
        return rd == 0 ? illegal(c, 1) : make(Op::ld, rd, 2, 0, load_d, c);
    case 4:
        if (bits(c, 12, 12) == 0) {
            if (rs2 != 0)
                return make(Op::add, int_rd(rd), 0, rs2, 0, c);
            return rd == 0 ? illegal(c, 1) : make(Op::jalr, sink_register, rd, 0, 0, c);
        }
        if (rs2 != 0)
            return make(Op::add, int_rd(rd), rd, rs2, 0, c);
        return rd == 0 ? make(Op::ebreak, 0, 0, 0, 0, c) : make(Op::jalr, 1, rd, 0, 0, c);
    case 5:
        return make(Op::fsd, 0, 2, rs2, store_d, c);
    case 6: {
        const auto imm = static_cast<int32_t>((bits(c, 12, 9) << 2) | (bits(c, 8, 7) << 6));
        return make(Op::sw, 0, 2, rs2, imm, c);
    }
    default:
        return make(Op::sd, 0, 2, rs2, store_d, c);
    }
}

} // namespace

Insn decode_compressed(uint32_t c) noexcept {
    switch (c & 3) {
    case 0:
        return decode_c0(c);
    case 1:
        return decode_c1(c);
    default:
        return decode_c2(c);
    }
}

} // namespace brgpu::simt::decoding
