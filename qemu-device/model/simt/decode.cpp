// SPDX-License-Identifier: MIT
#include "decode_fields.hpp"

#include "brgpu/hw/isa.h"

namespace brgpu::simt {

using namespace decoding;

namespace {

class Decoder {
  public:
    explicit Decoder(uint32_t raw) : raw_(raw) {
        insn_.raw = raw;
        insn_.halves = 2;
        insn_.rd = static_cast<uint8_t>(bits(raw, 11, 7));
        insn_.rs1 = static_cast<uint8_t>(bits(raw, 19, 15));
        insn_.rs2 = static_cast<uint8_t>(bits(raw, 24, 20));
        insn_.rs3 = static_cast<uint8_t>(bits(raw, 31, 27));
        insn_.rm = static_cast<uint8_t>(bits(raw, 14, 12));
    }

    Insn run();

  private:
    uint32_t raw_;
    Insn insn_;

    Insn set(Op op) {
        insn_.op = op;
        return insn_;
    }
    Insn set_int(Op op) { // integer destination
        insn_.rd = int_rd(insn_.rd);
        return set(op);
    }
    Insn set_imm(Op op, int32_t imm) {
        insn_.imm = imm;
        return set_int(op);
    }
    Insn bad() const { return illegal(raw_, 2); }

    int32_t imm_i() const { return static_cast<int32_t>(raw_) >> 20; }
    int32_t imm_s() const { return sign_extend((bits(raw_, 31, 25) << 5) | bits(raw_, 11, 7), 12); }
    int32_t imm_b() const {
        return sign_extend((bits(raw_, 31, 31) << 12) | (bits(raw_, 7, 7) << 11) |
                               (bits(raw_, 30, 25) << 5) | (bits(raw_, 11, 8) << 1),
                           13);
    }
    int32_t imm_j() const {
        return sign_extend((bits(raw_, 31, 31) << 20) | (bits(raw_, 19, 12) << 12) |
                               (bits(raw_, 20, 20) << 11) | (bits(raw_, 30, 21) << 1),
                           21);
    }

    Insn op_imm();
    Insn op_imm32();
    Insn op_reg();
    Insn op_reg32();
    Insn amo();
    Insn system();
    Insn fp();
    Insn fp_fma(Op half);
    Insn fp_round(Op op);
    Insn fp_round_int(Op op);
    Insn custom0();
    Insn custom1();
    // funct fmt field -> distance from the half-precision member; 3 for the quad format.
    static unsigned format(uint32_t fmt) {
        constexpr unsigned map[4] = {1, 2, 0, 3};
        return map[fmt];
    }
};

Insn Decoder::op_imm() {
    const uint32_t shamt = bits(raw_, 25, 20), top = bits(raw_, 31, 26), full = bits(raw_, 31, 20);
    switch (insn_.rm) {
    case 0:
        return set_imm(Op::addi, imm_i());
    case 1:
        if (top == 0)
            return set_imm(Op::slli, static_cast<int32_t>(shamt));
        switch (full) {
        case 0x600:
            return set_int(Op::clz);
        case 0x601:
            return set_int(Op::ctz);
        case 0x602:
            return set_int(Op::cpop);
        case 0x604:
            return set_int(Op::sext_b);
        case 0x605:
            return set_int(Op::sext_h);
        default:
            return bad();
        }
    case 2:
        return set_imm(Op::slti, imm_i());
    case 3:
        return set_imm(Op::sltiu, imm_i());
    case 4:
        return set_imm(Op::xori, imm_i());
    case 5:
        if (top == 0)
            return set_imm(Op::srli, static_cast<int32_t>(shamt));
        if (top == 0x10)
            return set_imm(Op::srai, static_cast<int32_t>(shamt));
        if (top == 0x18)
            return set_imm(Op::rori, static_cast<int32_t>(shamt));
        if (full == 0x287)
            return set_int(Op::orc_b);
        if (full == 0x6b8)
            return set_int(Op::rev8);
        return bad();
    case 6:
        return set_imm(Op::ori, imm_i());
    default:
        return set_imm(Op::andi, imm_i());
    }
}

Insn Decoder::op_imm32() {
    const uint32_t funct7 = bits(raw_, 31, 25), full = bits(raw_, 31, 20);
    const auto shamt = static_cast<int32_t>(bits(raw_, 24, 20));
    switch (insn_.rm) {
    case 0:
        return set_imm(Op::addiw, imm_i());
    case 1:
        if (funct7 == 0)
            return set_imm(Op::slliw, shamt);
        if (bits(raw_, 31, 26) == 2)
            return set_imm(Op::slli_uw, static_cast<int32_t>(bits(raw_, 25, 20)));
        if (full == 0x600)
            return set_int(Op::clzw);
        if (full == 0x601)
            return set_int(Op::ctzw);
        if (full == 0x602)
            return set_int(Op::cpopw);
        return bad();
    case 5:
        if (funct7 == 0)
            return set_imm(Op::srliw, shamt);
        if (funct7 == 0x20)
            return set_imm(Op::sraiw, shamt);
        if (funct7 == 0x30)
            return set_imm(Op::roriw, shamt);
        return bad();
    default:
        return bad();
    }
}

Insn Decoder::op_reg() {
    const uint32_t funct3 = insn_.rm;
    switch (bits(raw_, 31, 25)) {
    case 0x00: {
        constexpr Op ops[8] = {Op::add,  Op::sll, Op::slt, Op::sltu,
                               Op::xor_, Op::srl, Op::or_, Op::and_};
        return set_int(ops[funct3]);
    }
    case 0x01:
        return set_int(at(Op::mul, funct3));
    case 0x20: {
        constexpr Op ops[8] = {Op::sub,  Op::illegal, Op::illegal, Op::illegal,
                               Op::xnor, Op::sra,     Op::orn,     Op::andn};
        return ops[funct3] == Op::illegal ? bad() : set_int(ops[funct3]);
    }
    case 0x10:
        if (funct3 == 2)
            return set_int(Op::sh1add);
        if (funct3 == 4)
            return set_int(Op::sh2add);
        if (funct3 == 6)
            return set_int(Op::sh3add);
        return bad();
    case 0x05:
        if (funct3 == 4)
            return set_int(Op::min);
        if (funct3 == 5)
            return set_int(Op::minu);
        if (funct3 == 6)
            return set_int(Op::max);
        if (funct3 == 7)
            return set_int(Op::maxu);
        return bad();
    case 0x30:
        if (funct3 == 1)
            return set_int(Op::rol);
        if (funct3 == 5)
            return set_int(Op::ror);
        return bad();
    default:
        return bad();
    }
}

Insn Decoder::op_reg32() {
    const uint32_t funct3 = insn_.rm;
    switch (bits(raw_, 31, 25)) {
    case 0x00:
        if (funct3 == 0)
            return set_int(Op::addw);
        if (funct3 == 1)
            return set_int(Op::sllw);
        if (funct3 == 5)
            return set_int(Op::srlw);
        return bad();
    case 0x20:
        if (funct3 == 0)
            return set_int(Op::subw);
        if (funct3 == 5)
            return set_int(Op::sraw);
        return bad();
    case 0x01:
        if (funct3 == 0)
            return set_int(Op::mulw);
        if (funct3 >= 4)
            return set_int(at(Op::divw, funct3 - 4));
        return bad();
    case 0x04:
        if (funct3 == 0)
            return set_int(Op::add_uw);
        if (funct3 == 4 && insn_.rs2 == 0)
            return set_int(Op::zext_h);
        return bad();
    case 0x10:
        if (funct3 == 2)
            return set_int(Op::sh1add_uw);
        if (funct3 == 4)
            return set_int(Op::sh2add_uw);
        if (funct3 == 6)
            return set_int(Op::sh3add_uw);
        return bad();
    case 0x30:
        if (funct3 == 1)
            return set_int(Op::rolw);
        if (funct3 == 5)
            return set_int(Op::rorw);
        return bad();
    default:
        return bad();
    }
}

Insn Decoder::amo() {
    if (insn_.rm != 2 && insn_.rm != 3)
        return bad();
    const unsigned is_double = insn_.rm == 3;
    Op op;
    switch (bits(raw_, 31, 27)) {
    case 0x02:
        if (insn_.rs2 != 0)
            return bad();
        return set_int(at(Op::lr_w, is_double));
    case 0x03:
        return set_int(at(Op::sc_w, is_double));
    case 0x01:
        op = Op::amoswap_w;
        break;
    case 0x00:
        op = Op::amoadd_w;
        break;
    case 0x04:
        op = Op::amoxor_w;
        break;
    case 0x0c:
        op = Op::amoand_w;
        break;
    case 0x08:
        op = Op::amoor_w;
        break;
    case 0x10:
        op = Op::amomin_w;
        break;
    case 0x14:
        op = Op::amomax_w;
        break;
    case 0x18:
        op = Op::amominu_w;
        break;
    case 0x1c:
        op = Op::amomaxu_w;
        break;
    default:
        return bad();
    }
    return set_int(at(op, is_double * 9));
}

Insn Decoder::system() {
    if (insn_.rm == 0) {
        if (raw_ == 0x00000073)
            return set(Op::ecall);
        if (raw_ == 0x00100073)
            return set(Op::ebreak);
        return bad();
    }
    if (insn_.rm == 4)
        return bad();
    const unsigned kind = (insn_.rm & 3) - 1;
    return set_imm(at((insn_.rm & 4) ? Op::csrrwi : Op::csrrw, kind),
                   static_cast<int32_t>(bits(raw_, 31, 20)));
}

// Results that are rounded: the fast handlers do round-to-nearest-even and trust a dynamic mode to
// be that one; every other static mode goes the exact way.
Insn Decoder::fp_round(Op op) {
    if (insn_.rm == 5 || insn_.rm == 6)
        return bad();
    insn_.imm = static_cast<int32_t>(op);
    return set(insn_.rm == 0 || insn_.rm == rm_dynamic ? op : Op::fp_exact);
}

// Conversions to integer have fast handlers for all modes but round-to-max-magnitude.
Insn Decoder::fp_round_int(Op op) {
    if (insn_.rm == 5 || insn_.rm == 6)
        return bad();
    insn_.imm = static_cast<int32_t>(op);
    return set_int(insn_.rm != 4 ? op : Op::fp_exact);
}

Insn Decoder::fp_fma(Op half) {
    const unsigned fmt = format(bits(raw_, 26, 25));
    return fmt == 3 ? bad() : fp_round(at(half, fmt));
}

Insn Decoder::fp() {
    const unsigned fmt = format(bits(raw_, 26, 25));
    if (fmt == 3)
        return bad();
    const uint32_t rm = insn_.rm;
    switch (bits(raw_, 31, 27)) {
    case 0x00:
        return fp_round(at(Op::fadd_h, fmt));
    case 0x01:
        return fp_round(at(Op::fsub_h, fmt));
    case 0x02:
        return fp_round(at(Op::fmul_h, fmt));
    case 0x03:
        return fp_round(at(Op::fdiv_h, fmt));
    case 0x0b:
        return insn_.rs2 == 0 ? fp_round(at(Op::fsqrt_h, fmt)) : bad();
    case 0x04:
        return rm <= 2 ? set(at(Op::fsgnj_h, rm * 3 + fmt)) : bad();
    case 0x05:
        return rm <= 1 ? set(at(Op::fmin_h, rm * 3 + fmt)) : bad();
    case 0x14: {
        constexpr Op ops[3] = {Op::fle_h, Op::flt_h, Op::feq_h};
        return rm <= 2 ? set_int(at(ops[rm], fmt)) : bad();
    }
    case 0x08: {
        const unsigned from = insn_.rs2 <= 2 ? format(insn_.rs2) : 3;
        if (from == 3 || from == fmt)
            return bad();
        constexpr Op ops[3][3] = {{Op::illegal, Op::fcvt_h_s, Op::fcvt_h_d},
                                  {Op::fcvt_s_h, Op::illegal, Op::fcvt_s_d},
                                  {Op::fcvt_d_h, Op::fcvt_d_s, Op::illegal}};
        return fp_round(ops[fmt][from]);
    }
    case 0x18:
        return insn_.rs2 <= 3 ? fp_round_int(at(Op::fcvt_w_h, insn_.rs2 * 3u + fmt)) : bad();
    case 0x1a:
        return insn_.rs2 <= 3 ? fp_round(at(Op::fcvt_h_w, insn_.rs2 * 3u + fmt)) : bad();
    case 0x1c:
        if (insn_.rs2 != 0)
            return bad();
        if (rm == 0)
            return set_int(at(Op::fmv_x_h, fmt));
        if (rm == 1)
            return set_int(at(Op::fclass_h, fmt));
        return bad();
    case 0x1e:
        return insn_.rs2 == 0 && rm == 0 ? set(at(Op::fmv_h_x, fmt)) : bad();
    default:
        return bad();
    }
}

Insn Decoder::custom0() {
    const uint32_t funct7 = bits(raw_, 31, 25), funct2 = bits(raw_, 26, 25);
    switch (insn_.rm) {
    case BRGPU_F3_CTL:
        if (insn_.rd != 0 || insn_.rs2 != 0 || (funct7 != BRGPU_CTL_TRAP && insn_.rs1 != 0))
            return bad();
        switch (funct7) {
        case BRGPU_CTL_BARRIER:
            return set(Op::barrier);
        case BRGPU_CTL_WARP_SYNC:
            return set(Op::warp_sync);
        case BRGPU_CTL_EXIT:
            return set(Op::lane_exit);
        case BRGPU_CTL_YIELD:
            return set(Op::yield);
        case BRGPU_CTL_PROGRESS:
            return set(Op::progress);
        case BRGPU_CTL_TRAP:
            return set(Op::trap);
        default:
            return bad();
        }
    case BRGPU_F3_SHUFFLE:
        insn_.rm = static_cast<uint8_t>(funct2);
        return set_int(Op::shuffle);
    case BRGPU_F3_VOTE:
        if (insn_.rs2 != 0)
            return bad();
        insn_.rm = static_cast<uint8_t>(funct2);
        return set_int(Op::vote);
    default:
        return bad();
    }
}

Insn Decoder::custom1() {
    const uint32_t funct7 = bits(raw_, 31, 25);
    if (insn_.rm != BRGPU_F3_TENSOR || insn_.rd != 0 || insn_.rs2 != 0 ||
        funct7 > BRGPU_TENSOR_TACC_LOAD)
        return bad();
    insn_.rm = static_cast<uint8_t>(funct7);
    return set(Op::tensor);
}

Insn Decoder::run() {
    switch (bits(raw_, 6, 0)) {
    case 0x37:
        return set_imm(Op::li, static_cast<int32_t>(raw_ & 0xfffff000u));
    case 0x17:
        return set_imm(Op::auipc, static_cast<int32_t>(raw_ & 0xfffff000u));
    case 0x6f:
        return set_imm(Op::jal, imm_j());
    case 0x67:
        return insn_.rm == 0 ? set_imm(Op::jalr, imm_i()) : bad();
    case 0x63: {
        constexpr Op ops[8] = {Op::beq, Op::bne, Op::illegal, Op::illegal,
                               Op::blt, Op::bge, Op::bltu,    Op::bgeu};
        if (ops[insn_.rm] == Op::illegal)
            return bad();
        insn_.imm = imm_b();
        return set(ops[insn_.rm]);
    }
    case 0x03:
        return insn_.rm <= 6 ? set_imm(at(Op::lb, insn_.rm), imm_i()) : bad();
    case 0x23:
        if (insn_.rm > 3)
            return bad();
        insn_.imm = imm_s();
        return set(at(Op::sb, insn_.rm));
    case 0x13:
        return op_imm();
    case 0x1b:
        return op_imm32();
    case 0x33:
        return op_reg();
    case 0x3b:
        return op_reg32();
    case 0x0f:
        if (insn_.rm == 0)
            return set(Op::fence);
        if (insn_.rm == 1)
            return set(Op::fence_i);
        return bad();
    case 0x2f:
        return amo();
    case 0x73:
        return system();
    case 0x07:
        if (insn_.rm < 1 || insn_.rm > 3)
            return bad();
        insn_.imm = imm_i();
        return set(at(Op::flh, insn_.rm - 1u));
    case 0x27:
        if (insn_.rm < 1 || insn_.rm > 3)
            return bad();
        insn_.imm = imm_s();
        return set(at(Op::fsh, insn_.rm - 1u));
    case 0x43:
        return fp_fma(Op::fmadd_h);
    case 0x47:
        return fp_fma(Op::fmsub_h);
    case 0x4b:
        return fp_fma(Op::fnmsub_h);
    case 0x4f:
        return fp_fma(Op::fnmadd_h);
    case 0x53:
        return fp();
    case BRGPU_OPCODE_CUSTOM0:
        return custom0();
    case BRGPU_OPCODE_CUSTOM1:
        return custom1();
    default:
        return bad();
    }
}

} // namespace

Insn decode(uint32_t raw) noexcept {
    return (raw & 3) == 3 ? Decoder(raw).run() : decode_compressed(raw & 0xffff);
}

const char *to_string(Op op) noexcept {
    static constexpr const char *names[] = {
#define BRGPU_SIMT_OP_NAME(name) #name,
        BRGPU_SIMT_OPS(BRGPU_SIMT_OP_NAME)
#undef BRGPU_SIMT_OP_NAME
    };
    return op < Op::count ? names[static_cast<unsigned>(op)] : "?";
}

} // namespace brgpu::simt
