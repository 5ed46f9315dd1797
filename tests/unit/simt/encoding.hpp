// SPDX-License-Identifier: MIT
//
// RV64 instructions as numbers, for tests that make code without an assembler. Formats as in the
// unprivileged specification; the project's own instructions from include/brgpu/hw/isa.h.
#ifndef BRGPU_TESTS_SIMT_ENCODING_HPP
#define BRGPU_TESTS_SIMT_ENCODING_HPP

#include <cstdint>

#include "brgpu/hw/isa.h"

namespace brgpu::simt::test::rv {

using Reg = uint32_t; // 0..31

inline constexpr Reg zero = 0, ra = 1, sp = 2, gp = 3, tp = 4, t0 = 5, t1 = 6, t2 = 7;

inline constexpr uint32_t op_load = 0x03, op_load_fp = 0x07, op_imm = 0x13, op_imm_32 = 0x1b,
                          op_store = 0x23, op_store_fp = 0x27, op_amo = 0x2f, op_reg = 0x33,
                          op_lui = 0x37, op_reg_32 = 0x3b, op_madd = 0x43, op_fp = 0x53,
                          op_branch = 0x63, op_jalr = 0x67, op_jal = 0x6f, op_system = 0x73;

constexpr uint32_t r_type(uint32_t opcode, uint32_t funct3, uint32_t funct7, Reg rd, Reg rs1,
                          Reg rs2) {
    return opcode | rd << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | funct7 << 25;
}
constexpr uint32_t r4_type(uint32_t opcode, uint32_t funct3, uint32_t funct2, Reg rd, Reg rs1,
                           Reg rs2, Reg rs3) {
    return r_type(opcode, funct3, rs3 << 2 | funct2, rd, rs1, rs2);
}
constexpr uint32_t i_type(uint32_t opcode, uint32_t funct3, Reg rd, Reg rs1, int32_t imm) {
    return opcode | rd << 7 | funct3 << 12 | rs1 << 15 | static_cast<uint32_t>(imm) << 20;
}
constexpr uint32_t s_type(uint32_t opcode, uint32_t funct3, Reg rs1, Reg rs2, int32_t imm) {
    const auto bits = static_cast<uint32_t>(imm);
    return opcode | (bits & 31) << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20 | bits >> 5 << 25;
}
// `offset` is even and within 4 KiB.
constexpr uint32_t branch(uint32_t funct3, Reg rs1, Reg rs2, int32_t offset) {
    const auto bits = static_cast<uint32_t>(offset);
    return op_branch | (bits >> 11 & 1) << 7 | (bits >> 1 & 15) << 8 | funct3 << 12 | rs1 << 15 |
           rs2 << 20 | (bits >> 5 & 63) << 25 | (bits >> 12 & 1) << 31;
}
// `offset` is even and within 1 MiB.
constexpr uint32_t jal(Reg rd, int32_t offset) {
    const auto bits = static_cast<uint32_t>(offset);
    return op_jal | rd << 7 | (bits >> 12 & 0xff) << 12 | (bits >> 11 & 1) << 20 |
           (bits >> 1 & 0x3ff) << 21 | (bits >> 20 & 1) << 31;
}
constexpr uint32_t jalr(Reg rd, Reg rs1, int32_t imm) {
    return i_type(op_jalr, 0, rd, rs1, imm);
}
constexpr uint32_t lui(Reg rd, uint32_t upper) {
    return op_lui | rd << 7 | upper << 12;
}
constexpr uint32_t auipc(Reg rd, uint32_t upper) {
    return 0x17u | rd << 7 | upper << 12;
}
constexpr uint32_t addi(Reg rd, Reg rs1, int32_t imm) {
    return i_type(op_imm, 0, rd, rs1, imm);
}
constexpr uint32_t andi(Reg rd, Reg rs1, int32_t imm) {
    return i_type(op_imm, 7, rd, rs1, imm);
}
constexpr uint32_t slli(Reg rd, Reg rs1, uint32_t shift) {
    return i_type(op_imm, 1, rd, rs1, static_cast<int32_t>(shift));
}
constexpr uint32_t add(Reg rd, Reg rs1, Reg rs2) {
    return r_type(op_reg, 0, 0, rd, rs1, rs2);
}
// rd = (rs1 << shift) + rs2, shift 1 to 3.
constexpr uint32_t shadd(uint32_t shift, Reg rd, Reg rs1, Reg rs2) {
    return r_type(op_reg, 2 * shift, 0x10, rd, rs1, rs2);
}
// log2 of the bytes; loads below 8 bytes sign-extend unless `is_unsigned`.
constexpr uint32_t load(uint32_t width, bool is_unsigned, Reg rd, Reg rs1, int32_t imm) {
    return i_type(op_load, width | (is_unsigned ? 4u : 0u), rd, rs1, imm);
}
constexpr uint32_t ld(Reg rd, Reg rs1, int32_t imm) {
    return load(3, false, rd, rs1, imm);
}
constexpr uint32_t store(uint32_t width, Reg rs2, Reg rs1, int32_t imm) {
    return s_type(op_store, width, rs1, rs2, imm);
}
constexpr uint32_t sd(Reg rs2, Reg rs1, int32_t imm) {
    return store(3, rs2, rs1, imm);
}
// width 1 to 3: half, single, double.
constexpr uint32_t load_fp(uint32_t width, Reg rd, Reg rs1, int32_t imm) {
    return i_type(op_load_fp, width, rd, rs1, imm);
}
constexpr uint32_t store_fp(uint32_t width, Reg rs2, Reg rs1, int32_t imm) {
    return s_type(op_store_fp, width, rs1, rs2, imm);
}
// width 2 or 3; funct5 of the A extension.
constexpr uint32_t amo(uint32_t funct5, uint32_t width, Reg rd, Reg rs1, Reg rs2,
                       uint32_t aqrl = 0) {
    return r_type(op_amo, width, funct5 << 2 | aqrl, rd, rs1, rs2);
}
inline constexpr uint32_t amo_add = 0, amo_swap = 1, amo_lr = 2, amo_sc = 3, amo_xor = 4,
                          amo_or = 8, amo_and = 12, amo_min = 16, amo_max = 20, amo_minu = 24,
                          amo_maxu = 28;
// funct3: 1 csrrw, 2 csrrs, 3 csrrc, 5 to 7 with an immediate in rs1.
constexpr uint32_t csr(uint32_t funct3, Reg rd, uint32_t number, Reg rs1) {
    return i_type(op_system, funct3, rd, rs1, static_cast<int32_t>(number));
}
inline constexpr uint32_t csr_fflags = 1, csr_frm = 2, csr_fcsr = 3;

// Formats in the numbers of the fmt field.
inline constexpr uint32_t fmt_s = 0, fmt_d = 1, fmt_h = 2;
inline constexpr uint32_t rm_dynamic = 7;
constexpr uint32_t fp(uint32_t funct5, uint32_t fmt, uint32_t rm, Reg rd, Reg rs1, Reg rs2) {
    return r_type(op_fp, rm, funct5 << 2 | fmt, rd, rs1, rs2);
}
// kind 0 to 3: fmadd, fmsub, fnmsub, fnmadd.
constexpr uint32_t fp_fused(uint32_t kind, uint32_t fmt, uint32_t rm, Reg rd, Reg rs1, Reg rs2,
                            Reg rs3) {
    return r4_type(op_madd + 4 * kind, rm, fmt, rd, rs1, rs2, rs3);
}
inline constexpr uint32_t fp_add = 0, fp_sub = 1, fp_mul = 2, fp_div = 3, fp_sign = 4,
                          fp_minmax = 5, fp_convert = 8, fp_sqrt = 11, fp_compare = 20,
                          fp_to_int = 24, fp_from_int = 26, fp_move_to_int = 28,
                          fp_move_from_int = 30;

constexpr uint32_t control(uint32_t which, Reg rs1 = 0) {
    return r_type(BRGPU_OPCODE_CUSTOM0, BRGPU_F3_CTL, which, 0, rs1, 0);
}
constexpr uint32_t shuffle(uint32_t kind, Reg rd, Reg value, Reg lane, Reg mask) {
    return r4_type(BRGPU_OPCODE_CUSTOM0, BRGPU_F3_SHUFFLE, kind, rd, value, lane, mask);
}
constexpr uint32_t vote(uint32_t kind, Reg rd, Reg value, Reg mask) {
    return r4_type(BRGPU_OPCODE_CUSTOM0, BRGPU_F3_VOTE, kind, rd, value, 0, mask);
}

inline constexpr uint32_t fence = 0x0ff0000f, fence_i = 0x0000100f, nop = 0x00000013;

} // namespace brgpu::simt::test::rv

#endif
