// SPDX-License-Identifier: MIT
//
// The operations that the decoder tells apart, and the decoded form of an instruction.
#ifndef BRGPU_SIMT_OPS_HPP
#define BRGPU_SIMT_OPS_HPP

#include <cstdint>

namespace brgpu::simt {

// X(name). Groups that differ by format stand in the order half, single, double: fp.cpp and the
// interpreter compute the format as the distance from the group's first member.
// clang-format off
#define BRGPU_SIMT_OPS(X) \
    X(undecoded) X(page_end) X(illegal) X(fetch_fault) \
    X(li) X(auipc) X(jal) X(jalr) \
    X(beq) X(bne) X(blt) X(bge) X(bltu) X(bgeu) \
    X(lb) X(lh) X(lw) X(ld) X(lbu) X(lhu) X(lwu) \
    X(sb) X(sh) X(sw) X(sd) \
    X(addi) X(slti) X(sltiu) X(xori) X(ori) X(andi) X(slli) X(srli) X(srai) \
    X(add) X(sub) X(sll) X(slt) X(sltu) X(xor_) X(srl) X(sra) X(or_) X(and_) \
    X(addiw) X(slliw) X(srliw) X(sraiw) X(addw) X(subw) X(sllw) X(srlw) X(sraw) \
    X(mul) X(mulh) X(mulhsu) X(mulhu) X(div) X(divu) X(rem) X(remu) \
    X(mulw) X(divw) X(divuw) X(remw) X(remuw) \
    X(fence) X(fence_i) X(ecall) X(ebreak) \
    X(csrrw) X(csrrs) X(csrrc) X(csrrwi) X(csrrsi) X(csrrci) \
    X(lr_w) X(lr_d) X(sc_w) X(sc_d) \
    X(amoswap_w) X(amoadd_w) X(amoxor_w) X(amoand_w) X(amoor_w) \
    X(amomin_w) X(amomax_w) X(amominu_w) X(amomaxu_w) \
    X(amoswap_d) X(amoadd_d) X(amoxor_d) X(amoand_d) X(amoor_d) \
    X(amomin_d) X(amomax_d) X(amominu_d) X(amomaxu_d) \
    X(flh) X(flw) X(fld) X(fsh) X(fsw) X(fsd) \
    X(fmadd_h) X(fmadd_s) X(fmadd_d) X(fmsub_h) X(fmsub_s) X(fmsub_d) \
    X(fnmsub_h) X(fnmsub_s) X(fnmsub_d) X(fnmadd_h) X(fnmadd_s) X(fnmadd_d) \
    X(fadd_h) X(fadd_s) X(fadd_d) X(fsub_h) X(fsub_s) X(fsub_d) \
    X(fmul_h) X(fmul_s) X(fmul_d) X(fdiv_h) X(fdiv_s) X(fdiv_d) \
    X(fsqrt_h) X(fsqrt_s) X(fsqrt_d) \
    X(fsgnj_h) X(fsgnj_s) X(fsgnj_d) X(fsgnjn_h) X(fsgnjn_s) X(fsgnjn_d) \
    X(fsgnjx_h) X(fsgnjx_s) X(fsgnjx_d) \
    X(fmin_h) X(fmin_s) X(fmin_d) X(fmax_h) X(fmax_s) X(fmax_d) \
    X(feq_h) X(feq_s) X(feq_d) X(flt_h) X(flt_s) X(flt_d) X(fle_h) X(fle_s) X(fle_d) \
    X(fclass_h) X(fclass_s) X(fclass_d) \
    X(fmv_x_h) X(fmv_x_s) X(fmv_x_d) X(fmv_h_x) X(fmv_s_x) X(fmv_d_x) \
    X(fcvt_w_h) X(fcvt_w_s) X(fcvt_w_d) X(fcvt_wu_h) X(fcvt_wu_s) X(fcvt_wu_d) \
    X(fcvt_l_h) X(fcvt_l_s) X(fcvt_l_d) X(fcvt_lu_h) X(fcvt_lu_s) X(fcvt_lu_d) \
    X(fcvt_h_w) X(fcvt_s_w) X(fcvt_d_w) X(fcvt_h_wu) X(fcvt_s_wu) X(fcvt_d_wu) \
    X(fcvt_h_l) X(fcvt_s_l) X(fcvt_d_l) X(fcvt_h_lu) X(fcvt_s_lu) X(fcvt_d_lu) \
    X(fcvt_s_h) X(fcvt_d_h) X(fcvt_h_s) X(fcvt_d_s) X(fcvt_h_d) X(fcvt_s_d) \
    X(fp_exact) \
    X(add_uw) X(sh1add) X(sh2add) X(sh3add) X(sh1add_uw) X(sh2add_uw) X(sh3add_uw) X(slli_uw) \
    X(andn) X(orn) X(xnor) X(clz) X(clzw) X(ctz) X(ctzw) X(cpop) X(cpopw) \
    X(max) X(maxu) X(min) X(minu) X(sext_b) X(sext_h) X(zext_h) \
    X(rol) X(rolw) X(ror) X(rori) X(roriw) X(rorw) X(orc_b) X(rev8) \
    X(barrier) X(warp_sync) X(lane_exit) X(yield) X(progress) X(trap) \
    X(shuffle) X(vote) X(tensor)
// clang-format on

enum class Op : uint16_t {
#define BRGPU_SIMT_OP_NAME(name) name,
    BRGPU_SIMT_OPS(BRGPU_SIMT_OP_NAME)
#undef BRGPU_SIMT_OP_NAME
        count
};

inline constexpr unsigned op_count = static_cast<unsigned>(Op::count);

// Integer row that takes what is written to x0.
inline constexpr uint8_t sink_register = 32;

inline constexpr uint8_t rm_dynamic = 7;

struct Insn {
    Op op = Op::undecoded;
    uint8_t rd = 0; // sink_register instead of x0 where it is an integer destination
    uint8_t rs1 = 0;
    uint8_t rs2 = 0;
    uint8_t rs3 = 0;
    uint8_t rm = 0;     // rounding mode; selector of custom instructions
    uint8_t halves = 1; // length in 16-bit units
    int32_t imm = 0;    // immediate; CSR number; for fp_exact the Op
    uint32_t raw = 0;
};
static_assert(sizeof(Insn) == 16);

// Decodes one instruction; `raw` holds 32 bits, of which a compressed one uses the lower half.
Insn decode(uint32_t raw) noexcept;

const char *to_string(Op op) noexcept;

} // namespace brgpu::simt

#endif
