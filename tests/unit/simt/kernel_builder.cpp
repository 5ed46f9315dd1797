// SPDX-License-Identifier: MIT
#include "kernel_builder.hpp"

#include <iterator>

namespace brgpu::simt::test {

KernelBuilder::Reg KernelBuilder::source() {
    if (one_in(12))
        return one_in(2) ? rv::zero : item_id;
    return data();
}

KernelBuilder::Reg KernelBuilder::fp_reg(uint32_t fmt) {
    if (one_in(24))
        return pick(32);
    if (one_in(8))
        return 28 + pick(4);
    return fmt == rv::fmt_s ? pick(12) : fmt == rv::fmt_d ? 12 + pick(8) : 20 + pick(8);
}

uint32_t KernelBuilder::rounding() {
    if (one_in(2))
        return rv::rm_dynamic;
    return options_.exact || one_in(6) ? pick(5) : 0;
}

void KernelBuilder::end_jump(uint32_t target) {
    block().end = End::jump;
    block().targets = {target};
}

void KernelBuilder::end_branch(uint32_t funct3, Reg rs1, Reg rs2, uint32_t taken, uint32_t other) {
    CodeBlock &b = block();
    b.end = End::branch;
    b.funct3 = static_cast<uint8_t>(funct3);
    b.rs1 = static_cast<uint8_t>(rs1);
    b.rs2 = static_cast<uint8_t>(rs2);
    b.targets = {taken, other};
}

void KernelBuilder::straight() {
    for (uint32_t i = 0, count = 1 + pick(6); i < count; ++i) {
        if (options_.floating && one_in(2))
            floating();
        else
            integer();
    }
}

// ---- memory ----

void KernelBuilder::element(uint32_t width, Reg base, int32_t offset) {
    const bool is_fp = options_.floating && width >= 1 && one_in(2), is_unsigned = one_in(2);
    const uint32_t fmt = width == 1 ? rv::fmt_h : width == 2 ? rv::fmt_s : rv::fmt_d;
    const bool loads = one_in(2);
    const Reg f = fp_reg(fmt), to = data(), from = source();
    if (loads)
        put(is_fp ? rv::load_fp(width, f, base, offset)
                  : rv::load(width, width < 3 && is_unsigned, to, base, offset));
    else
        put(is_fp ? rv::store_fp(width, f, base, offset) : rv::store(width, from, base, offset));
}

void KernelBuilder::own_memory() {
    const uint32_t width = pick(4);
    auto offset = static_cast<int32_t>(pick(1017));
    if (one_in(2))
        offset &= -8;
    switch (pick(4)) {
    case 0: { // at an index that the data give, aligned or not
        const Reg index = data();
        put(rv::andi(rv::t0, index, one_in(3) ? 0x1f7 : 0x1f8));
        put(rv::add(rv::t0, rv::t0, slot_base));
        return element(width, rv::t0, static_cast<int32_t>(pick(64) * 8));
    }
    case 1:
    case 2: { // beside the neighbours' elements
        const bool wide = one_in(2);
        put(rv::lui(rv::t0, pick(space::rows)));
        put(rv::add(rv::t0, rv::t0, wide ? row8_base : row4_base));
        return element(wide ? 3 : 2, rv::t0, 0);
    }
    default:
        return element(width, slot_base, offset);
    }
}

int32_t KernelBuilder::moderate(uint32_t width) {
    const uint32_t start = width == 2 ? 0 : width == 3 ? 512 : 1024;
    return static_cast<int32_t>(1 + start + (pick(64) << width));
}

// What nobody writes may be read anywhere.
void KernelBuilder::table_read() {
    uint32_t width = pick(4);
    const bool is_fp = options_.floating && one_in(2);
    if (is_fp && width == 0)
        width = 2;
    auto offset = static_cast<int32_t>(pick(256) * 8);
    Reg base = table_base;
    if (one_in(2)) { // a gather; the mask leaves room for the offset
        const uint32_t pages = 1 + pick(2);
        put(rv::lui(rv::t0, pages));
        put(rv::addi(rv::t0, rv::t0, one_in(3) ? -9 : -8));
        put(rv::r_type(rv::op_reg, 7, 0, rv::t0, rv::t0, data()));
        put(rv::add(rv::t0, rv::t0, table_base));
        base = rv::t0;
    } else if (is_fp) {
        put(rv::addi(rv::t0, table_base, 2047));
        base = rv::t0;
        offset = moderate(width);
    }
    const uint32_t fmt = width == 1 ? rv::fmt_h : width == 2 ? rv::fmt_s : rv::fmt_d;
    const Reg f = fp_reg(fmt), to = data();
    const bool is_unsigned = width < 3 && one_in(2);
    put(is_fp ? rv::load_fp(width, f, base, offset)
              : rv::load(width, is_unsigned, to, base, offset));
}

namespace {

// Those of the first eight give the same memory in any order.
constexpr uint32_t amo_kinds[] = {rv::amo_add, rv::amo_xor,  rv::amo_or,   rv::amo_and, rv::amo_min,
                                  rv::amo_max, rv::amo_minu, rv::amo_maxu, rv::amo_swap};

} // namespace

// On words of the work-item's own any operation with its result; on shared words only those whose
// order doesn't matter, one kind of operation a word.
void KernelBuilder::atomics() {
    const uint32_t width = 2 + pick(2);
    if (!options_.plain && one_in(2))
        return shared_atomics(width);
    const Reg result = data(), operand = source();
    put(rv::addi(rv::t0, slot_base, static_cast<int32_t>(pick(64) * 8)));
    if (one_in(3)) {
        put(rv::amo(rv::amo_lr, width, result, rv::t0, 0));
        put(rv::amo(rv::amo_sc, width, rv::t1, rv::t0, operand));
        put(rv::addi(data(), rv::t1, 0));
        return;
    }
    const uint32_t kind = amo_kinds[pick(9)], order = pick(4);
    put(rv::amo(kind, width, one_in(4) ? rv::zero : result, rv::t0, operand, order));
}

void KernelBuilder::shared_atomics(uint32_t width) {
    const uint32_t kind = pick(8), order = pick(4);
    const Reg operand = source();
    // 64 bytes of words a kind and width; behind all of them, at 1024, a lock and what it guards.
    const uint32_t area = (kind * 2 + (width - 2)) * 64;
    const Reg index = one_in(3) ? rv::zero : data();
    put(rv::andi(rv::t0, index, width == 2 ? 0x3c : 0x38));
    if (one_in(2)) {
        put(rv::lui(rv::t1, local_slots * 16 >> 12));
        put(rv::add(rv::t1, rv::t1, rv::tp));
    } else {
        put(rv::lui(rv::t1, space::shared >> 12));
    }
    put(rv::add(rv::t0, rv::t0, rv::t1));
    const uint32_t way = kind == 0 ? pick(3) : 0;
    if (way == 0) {
        put(rv::addi(rv::t0, rv::t0, static_cast<int32_t>(area)));
        put(rv::amo(amo_kinds[kind], width, 0, rv::t0, operand, order));
        return;
    }
    const uint32_t again = new_block(), done = new_block();
    if (way == 1) { // add by LR and SC
        put(rv::addi(rv::t0, rv::t0, static_cast<int32_t>(area)));
        end_jump(again);
        current_ = again;
        put(rv::amo(rv::amo_lr, width, rv::t1, rv::t0, 0));
        put(rv::add(rv::t1, rv::t1, operand));
        put(rv::amo(rv::amo_sc, width, rv::t1, rv::t0, rv::t1));
        end_branch(1, rv::t1, rv::zero, again, done);
        current_ = done;
        return;
    }
    put(rv::addi(rv::t0, rv::t1, 1024));
    end_jump(again);
    current_ = again;
    put(rv::addi(rv::t1, rv::zero, 1));
    put(rv::amo(rv::amo_swap, 2, rv::t1, rv::t0, rv::t1, 2));
    end_branch(1, rv::t1, rv::zero, again, done);
    current_ = done;
    put(rv::ld(rv::t2, rv::t0, 8));
    put(rv::add(rv::t2, rv::t2, operand));
    put(rv::sd(rv::t2, rv::t0, 8));
    put(rv::amo(rv::amo_swap, 2, 0, rv::t0, rv::zero, 1));
}

// ---- arithmetic ----

void KernelBuilder::integer_immediate(Reg rd, Reg a) {
    const auto imm = static_cast<int32_t>(pick(4096)) - 2048;
    const auto shift = static_cast<int32_t>(pick(64)), word_shift = shift & 31;
    const int32_t arithmetic = one_in(2) ? 0x400 : 0;
    switch (pick(10)) {
    case 0:
        return put(rv::lui(rd, pick(1u << 20)));
    case 1:
        return put(rv::i_type(rv::op_imm_32, 0, rd, a, imm));
    case 2:
        return put(rv::i_type(rv::op_imm, 1, rd, a, shift));
    case 3:
        return put(rv::i_type(rv::op_imm, 5, rd, a, shift | arithmetic));
    case 4:
        return put(rv::i_type(rv::op_imm_32, 1, rd, a, word_shift));
    case 5:
        return put(rv::i_type(rv::op_imm_32, 5, rd, a, word_shift | arithmetic));
    case 6: // rori, slli.uw
        return put(arithmetic ? rv::i_type(rv::op_imm, 5, rd, a, 0x600 | shift)
                              : rv::i_type(rv::op_imm_32, 1, rd, a, 0x080 | shift));
    case 7: { // Zbb with one operand; not ctzw, whose operand QEMU 7.2 mistakes
        constexpr int32_t unary[] = {0x600, 0x601, 0x602, 0x604, 0x605};
        return put(rv::i_type(rv::op_imm, 1, rd, a, unary[pick(5)]));
    }
    case 8: // orc.b, rev8
        return put(rv::i_type(rv::op_imm, 5, rd, a, arithmetic ? 0x287 : 0x6b8));
    default:
        return put(rv::i_type(rv::op_imm, any_of({0, 0, 2, 3, 4, 6, 7}), rd, a, imm));
    }
}

void KernelBuilder::integer() {
    const Reg rd = one_in(40) ? rv::zero : data(), a = source(), b = source();
    if (one_in(3))
        return integer_immediate(rd, a);
    struct Operation {
        uint8_t opcode, funct3, funct7;
    };
    static constexpr Operation operations[] = {
        {0x33, 0, 0},    {0x33, 0, 0x20}, {0x33, 1, 0},    {0x33, 2, 0},    {0x33, 3, 0},
        {0x33, 4, 0},    {0x33, 5, 0},    {0x33, 5, 0x20}, {0x33, 6, 0},    {0x33, 7, 0},
        {0x3b, 0, 0},    {0x3b, 0, 0x20}, {0x3b, 1, 0},    {0x3b, 5, 0},    {0x3b, 5, 0x20},
        {0x33, 0, 1},    {0x33, 1, 1},    {0x33, 2, 1},    {0x33, 3, 1},    {0x33, 4, 1},
        {0x33, 5, 1},    {0x33, 6, 1},    {0x33, 7, 1},    {0x3b, 0, 1},    {0x3b, 4, 1},
        {0x3b, 5, 1},    {0x3b, 6, 1},    {0x3b, 7, 1},    {0x33, 2, 0x10}, {0x33, 4, 0x10},
        {0x33, 6, 0x10}, {0x3b, 0, 4},    {0x3b, 2, 0x10}, {0x3b, 4, 0x10}, {0x3b, 6, 0x10},
        {0x33, 7, 0x20}, {0x33, 6, 0x20}, {0x33, 4, 0x20}, {0x33, 4, 5},    {0x33, 5, 5},
        {0x33, 6, 5},    {0x33, 7, 5},    {0x33, 1, 0x30}, {0x33, 5, 0x30}, {0x3b, 1, 0x30},
        {0x3b, 5, 0x30}, {0x33, 0, 0},    {0x3b, 0, 0},
    };
    const Operation &op = operations[pick(std::size(operations))];
    put(rv::r_type(op.opcode, op.funct3, op.funct7, rd, a, b));
}

void KernelBuilder::floating_state() {
    const Reg rd = data();
    switch (pick(4)) {
    case 0:
        put(rv::andi(rv::t1, rd, 3));
        return put(rv::csr(1, 0, rv::csr_frm, rv::t1));
    case 1:
        return put(rv::csr(5, rd, rv::csr_frm, pick(5)));
    case 2:
        return put(rv::csr(2, rd, rv::csr_fflags, 0));
    default:
        return put(rv::csr(7, rd, rv::csr_fflags, pick(32)));
    }
}

void KernelBuilder::floating() {
    const uint32_t fmt = any_of({rv::fmt_s, rv::fmt_s, rv::fmt_s, rv::fmt_d, rv::fmt_h});
    const Reg rd = fp_reg(fmt), a = fp_reg(fmt), b = fp_reg(fmt), c = fp_reg(fmt);
    const Reg x = data(), from_x = source();
    const uint32_t rm = rounding(), kind = pick(60);
    switch (pick(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return put(rv::fp(kind % 3, fmt, rm, rd, a, b));
    case 4:
        return put(kind % 2 ? rv::fp(rv::fp_div, fmt, rm, rd, a, b)
                            : rv::fp(rv::fp_sqrt, fmt, rm, rd, a, 0));
    case 5:
    case 6:
        return put(rv::fp_fused(kind % 4, fmt, rm, rd, a, b, c));
    case 7:
        return put(rv::fp(rv::fp_sign, fmt, kind % 3, rd, a, b));
    case 8:
        return put(rv::fp(rv::fp_minmax, fmt, kind % 2, rd, a, b));
    case 9:
        return put(rv::fp(rv::fp_compare, fmt, kind % 3, x, a, b));
    case 10:
        return put(rv::fp(rv::fp_to_int, fmt, one_in(2) ? 1 : rm, x, a, kind % 4));
    case 11:
        return put(rv::fp(rv::fp_from_int, fmt, rm, rd, from_x, kind % 4));
    case 12: { // from another format
        const uint32_t from = (fmt + 1 + kind % 2) % 3;
        return put(rv::fp(rv::fp_convert, fmt, rm, rd, fp_reg(from), from));
    }
    default:
        break;
    }
    if (options_.exact && one_in(2))
        return floating_state();
    switch (kind % 3) {
    case 0: // fclass
        return put(rv::fp(rv::fp_move_to_int, fmt, 1, x, a, 0));
    case 1:
        return put(rv::fp(rv::fp_move_to_int, fmt, 0, x, a, 0));
    default:
        return put(rv::fp(rv::fp_move_from_int, fmt, 0, rd, from_x, 0));
    }
}

} // namespace brgpu::simt::test
