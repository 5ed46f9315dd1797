// SPDX-License-Identifier: MIT
#include "kinds.hpp"

#include "brgpu/hw/isa.h"

namespace brgpu::jit {
namespace {

constexpr int64_t max_stride = 1 << 20;

bool in(Op op, Op first, Op last) {
    return op >= first && op <= last;
}

Rep join_rep(Rep a, Rep b, bool low) {
    if (a == b)
        return a;
    if (is_single(a) && is_single(b)) {
        if (a == Rep::exact || b == Rep::exact)
            return Rep::exact;
        return Rep::lazy;
    }
    if (is_single(a) || is_single(b) || a == Rep::lazy_double || b == Rep::lazy_double)
        return Rep::full;
    if (low)
        return Rep::low;
    return Rep::full;
}

bool fits_word(uint64_t value) {
    return static_cast<int64_t>(value) == static_cast<int32_t>(value);
}

Kind affine_or_varying(int64_t stride, bool is_private) {
    if (stride == 0)
        return Kind::of(Spread::uniform, Rep::full);
    if (stride > max_stride || stride < -max_stride)
        return Kind::of(Spread::varying, Rep::full);
    Kind k = Kind::affine_of(static_cast<int32_t>(stride));
    k.is_private = is_private;
    return k;
}

int64_t stride_of(const Kind &k) {
    return k.spread == Spread::affine ? k.stride : 0;
}

bool linear(const Kind &k) {
    return k.spread != Spread::varying && k.spread != Spread::none;
}

// (a << shift) + b
Kind sum_kind(const Kind &a, unsigned shift, const Kind &b, bool low) {
    const bool is_private = a.is_private != b.is_private;
    if (a.spread == Spread::constant && b.spread == Spread::constant) {
        Kind k = Kind::constant_of((a.value << shift) + b.value);
        k.is_private = is_private;
        return k;
    }
    if (a.one() && b.one()) {
        Kind k = Kind::of(Spread::uniform, Rep::full);
        k.is_private = is_private;
        return k;
    }
    if (linear(a) && linear(b) && shift < 21)
        return affine_or_varying((stride_of(a) << shift) + stride_of(b), is_private);
    Kind k = Kind::of(Spread::varying, low ? Rep::low : Rep::full);
    k.is_private = is_private;
    return k;
}

Kind scaled(const Kind &k, uint64_t factor) {
    const auto by = static_cast<int64_t>(factor);
    if (by > max_stride || by < -max_stride)
        return Kind::of(Spread::varying, Rep::full);
    return affine_or_varying(k.stride * by, false);
}

Rep word_like(const Kind &k) {
    return k.spread == Spread::constant && fits_word(k.value) ? Rep::word : k.rep;
}

// The instructions that compilers make constants with.
bool evaluate(Op op, uint64_t a, uint64_t b, uint64_t &value) {
    const auto word = [](uint64_t v) {
        return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(v)));
    };
    switch (op) {
    case Op::addiw:
        value = word(a + b);
        return true;
    case Op::slli:
        value = a << (b & 63);
        return true;
    case Op::srli:
        value = a >> (b & 63);
        return true;
    case Op::slliw:
        value = word(a << (b & 31));
        return true;
    case Op::ori:
        value = a | b;
        return true;
    case Op::xori:
        value = a ^ b;
        return true;
    default:
        return false;
    }
}

Kind csr_kind(const Config &config, uint32_t csr) {
    const Kind uniform = Kind::of(Spread::uniform, Rep::full);
    const Kind one = Kind::affine_of(1);
    const bool multiple = config.shape.one_dimension || config.shape.x_multiple % config.width == 0;
    switch (csr) {
    case BRGPU_CSR_LANE_ID:
    case BRGPU_CSR_LOCAL_LINEAR_ID:
        return one;
    case BRGPU_CSR_GLOBAL_LINEAR_ID:
        return multiple ? one : Kind::of(Spread::varying, Rep::full);
    default:
        break;
    }
    if (csr >= BRGPU_CSR_WORK_DIM)
        return uniform;
    const unsigned axis = csr & 3;
    const bool per_lane = csr - axis == BRGPU_CSR_LOCAL_ID || csr - axis == BRGPU_CSR_GLOBAL_ID;
    if (!per_lane)
        return uniform;
    if (axis > 0 && config.shape.one_dimension)
        return uniform;
    if (multiple)
        return axis == 0 ? one : uniform;
    return Kind::of(Spread::varying, Rep::full);
}

Kind load_kind(const Config &config, const Kind &address, Rep rep) {
    if (address.one() && !address.is_private && config.shape.uniform_loads)
        return Kind::of(Spread::uniform, rep);
    return Kind::of(Spread::varying, rep);
}

Kind fp_kind(const Insn &insn, const Operands &o, const State &state) {
    const Op op = insn.op;
    bool one = true;
    for (const unsigned source : o.source)
        if (source != no_register)
            one = one && state[source].one();
    const auto make = [&](Rep rep) {
        return Kind::of(one ? Spread::uniform : Spread::varying, rep);
    };
    if (op == Op::fp_exact || in(op, Op::fclass_h, Op::fclass_d)) {
        return Kind::of(Spread::varying, Rep::full);
    }
    const auto single_of = [](Op base) { return static_cast<Op>(static_cast<unsigned>(base) + 1); };
    const auto member = [&](Op base) { return op == single_of(base); };
    const auto double_member = [&](Op base) {
        return static_cast<unsigned>(op) == static_cast<unsigned>(base) + 2;
    };
    for (const Op base :
         {Op::fmadd_h, Op::fmsub_h, Op::fnmsub_h, Op::fnmadd_h, Op::fadd_h, Op::fsub_h, Op::fmul_h,
          Op::fdiv_h, Op::fsqrt_h, Op::fmin_h, Op::fmax_h}) {
        if (member(base))
            return make(Rep::lazy);
        if (double_member(base))
            return make(Rep::lazy_double);
    }
    switch (op) {
    case Op::fsgnj_s:
        if (insn.rs1 == insn.rs2 && is_single(state[o.source[0]].rep))
            return state[o.source[0]];
        return make(Rep::exact);
    case Op::fsgnj_d:
        if (insn.rs1 == insn.rs2)
            return state[o.source[0]];
        return make(Rep::full);
    case Op::fsgnjn_s:
    case Op::fsgnjx_s:
        return make(Rep::exact);
    case Op::fsgnjn_d:
    case Op::fsgnjx_d:
        return make(Rep::full);
    case Op::feq_s:
    case Op::flt_s:
    case Op::fle_s:
    case Op::feq_d:
    case Op::flt_d:
    case Op::fle_d:
    case Op::fmv_x_s:
    case Op::fcvt_w_s:
    case Op::fcvt_w_d:
    case Op::fcvt_wu_s:
    case Op::fcvt_wu_d:
        return make(Rep::word);
    case Op::fmv_x_d:
    case Op::fcvt_l_s:
    case Op::fcvt_l_d:
    case Op::fcvt_lu_s:
    case Op::fcvt_lu_d:
        return make(Rep::full);
    case Op::fmv_s_x: {
        const Kind a = operand(state, o.source[0]);
        if (a.spread == Spread::constant) {
            const auto bits = static_cast<uint32_t>(a.value);
            const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
            return make(nan && bits != 0x7fc00000u ? Rep::exact : Rep::single);
        }
        return Kind::of(a.one() ? Spread::uniform : Spread::varying, Rep::exact);
    }
    case Op::fmv_d_x: {
        const Kind a = operand(state, o.source[0]);
        return Kind::of(a.one() ? Spread::uniform : Spread::varying, Rep::full);
    }
    case Op::fcvt_s_w:
    case Op::fcvt_s_wu:
    case Op::fcvt_s_l:
    case Op::fcvt_s_lu: {
        const Kind a = operand(state, o.source[0]);
        return Kind::of(a.one() ? Spread::uniform : Spread::varying, Rep::single);
    }
    case Op::fcvt_d_w:
    case Op::fcvt_d_wu:
    case Op::fcvt_d_l:
    case Op::fcvt_d_lu: {
        const Kind a = operand(state, o.source[0]);
        return Kind::of(a.one() ? Spread::uniform : Spread::varying, Rep::full);
    }
    case Op::fcvt_s_d:
        return make(Rep::lazy);
    case Op::fcvt_d_s:
        return make(Rep::lazy_double);
    default:
        return Kind::of(Spread::varying, Rep::full); // lane by lane, by the engine
    }
}

} // namespace

Kind Kind::constant_of(uint64_t value) {
    Kind k = of(Spread::constant, fits_word(value) ? Rep::word : Rep::full);
    k.value = value;
    return k;
}

Kind join(const Kind &a, const Kind &b, bool low) {
    if (a.spread == Spread::none)
        return b;
    if (b.spread == Spread::none || a == b)
        return a;
    Kind k;
    k.is_private = a.is_private || b.is_private;
    k.rep = join_rep(a.rep, b.rep, low);
    if (a.one() && b.one()) {
        k.spread = Spread::uniform;
        if (k.rep == Rep::low)
            k.rep = Rep::full; // one value costs nothing to keep whole
        return k;
    }
    if (a.spread == Spread::affine && b.spread == Spread::affine && a.stride == b.stride) {
        k.spread = Spread::affine;
        k.rep = Rep::full;
        k.stride = a.stride;
        return k;
    }
    k.spread = Spread::varying;
    if (low && !is_single(a.rep) && !is_single(b.rep) && a.rep != Rep::lazy_double &&
        b.rep != Rep::lazy_double && k.rep == Rep::full)
        k.rep = Rep::low;
    return k;
}

State entry_state(const Config &config) {
    State s;
    for (Kind &k : s)
        k = Kind::constant_of(0);
    for (unsigned r = 32; r < registers; ++r)
        s[r].rep = Rep::full; // a double, not a boxed single
    s[1] = Kind::constant_of(BRGPU_EXIT_PC);
    s[2] = Kind::constant_of(BRGPU_PRIVATE_BASE + config.shape.private_bytes);
    s[2].is_private = true;
    s[4] = Kind::constant_of(BRGPU_LOCAL_BASE);
    s[10] = Kind::of(Spread::uniform, Rep::full);
    return s;
}

Kind address_kind(const Config &, const Insn &insn, const State &state) {
    const Kind base = operand(state, insn.rs1 == 0 ? no_register : insn.rs1);
    return sum_kind(
        base, 0, Kind::constant_of(static_cast<uint64_t>(static_cast<int64_t>(insn.imm))), false);
}

Kind result_kind(const Config &config, const CodeUnit &unit, const State &state, bool low) {
    const Insn &insn = unit.insn;
    const Op op = insn.op;
    const Operands o = operands_of(insn, low);
    const auto imm = static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    switch (op) {
    case Op::li:
        return Kind::constant_of(imm);
    case Op::auipc:
        return Kind::constant_of(unit.pc + imm);
    case Op::jal:
    case Op::jalr:
        return Kind::constant_of(unit.pc + 2u * insn.halves);
    default:
        break;
    }
    if (in(op, Op::csrrw, Op::csrrci))
        return csr_kind(config, static_cast<uint32_t>(insn.imm) & 0xfff);
    if (in(op, Op::lb, Op::lwu))
        return load_kind(config, address_kind(config, insn, state),
                         op == Op::ld || op == Op::lwu ? Rep::full : Rep::word);
    if (in(op, Op::flh, Op::fld))
        return load_kind(config, address_kind(config, insn, state),
                         op == Op::flw ? Rep::exact : Rep::full);
    if (in(op, Op::lr_w, Op::amomaxu_w) && op != Op::lr_d && op != Op::sc_d)
        return Kind::of(Spread::varying, Rep::word);
    if (in(op, Op::lr_w, Op::amomaxu_d))
        return Kind::of(Spread::varying, Rep::full);
    if (in(op, Op::fmadd_h, Op::fp_exact))
        return fp_kind(insn, o, state);

    // Integer arithmetic.
    const Kind a = operand(state, o.source[0]);
    const bool immediate = in(op, Op::addi, Op::srai) || in(op, Op::addiw, Op::sraiw) ||
                           op == Op::slli_uw || op == Op::rori || op == Op::roriw;
    const Kind b = immediate ? Kind::constant_of(imm) : operand(state, o.source[1]);
    const bool one = a.one() && b.one();
    const Rep ra = word_like(a), rb = word_like(b);
    const bool words = ra == Rep::word && rb == Rep::word;
    if (uint64_t value = 0; a.spread == Spread::constant && b.spread == Spread::constant &&
                            evaluate(op, a.value, b.value, value))
        return Kind::constant_of(value);
    const auto make = [&](Rep rep) {
        if (one)
            return Kind::of(Spread::uniform, rep == Rep::low ? Rep::full : rep);
        return Kind::of(Spread::varying, rep);
    };
    switch (op) {
    case Op::addi:
    case Op::add:
        if (b.spread == Spread::constant && b.value == 0)
            return a; // a move
        if (a.spread == Spread::constant && a.value == 0)
            return b;
        return sum_kind(a, 0, b, low);
    case Op::sh1add:
        return sum_kind(a, 1, b, low);
    case Op::sh2add:
        return sum_kind(a, 2, b, low);
    case Op::sh3add:
        return sum_kind(a, 3, b, low);
    case Op::sub: {
        if (one)
            return Kind::of(Spread::uniform, Rep::full);
        if (linear(a) && linear(b))
            return affine_or_varying(stride_of(a) - stride_of(b), a.is_private && !b.is_private);
        Kind k = make(low ? Rep::low : Rep::full);
        k.is_private = a.is_private && !b.is_private;
        return k;
    }
    case Op::slli:
        if (a.spread == Spread::affine && insn.imm < 21)
            return scaled(a, uint64_t{1} << insn.imm);
        return make(low && insn.imm < 32 ? Rep::low : Rep::full);
    case Op::mul:
        if (a.spread == Spread::affine && b.spread == Spread::constant)
            return scaled(a, b.value);
        if (b.spread == Spread::affine && a.spread == Spread::constant)
            return scaled(b, a.value);
        return make(low ? Rep::low : Rep::full);
    case Op::addiw:
    case Op::addw:
    case Op::subw:
        if (!one && linear(a) && linear(b) && config.shape.affine_guards)
            return affine_or_varying(
                op == Op::subw ? stride_of(a) - stride_of(b) : stride_of(a) + stride_of(b), false);
        return make(Rep::word);
    case Op::slliw:
        if (a.spread == Spread::affine && insn.imm < 21 && config.shape.affine_guards)
            return scaled(a, uint64_t{1} << insn.imm);
        return make(Rep::word);
    case Op::add_uw:
    case Op::sh1add_uw:
    case Op::sh2add_uw:
    case Op::sh3add_uw: {
        const unsigned shift =
            op == Op::add_uw ? 0
                             : static_cast<unsigned>(op) - static_cast<unsigned>(Op::sh1add_uw) + 1;
        if (!one && linear(a) && linear(b) && (config.shape.affine_guards || a.one()))
            return affine_or_varying((stride_of(a) << shift) + stride_of(b), b.is_private);
        Kind k = make(low ? Rep::low : Rep::full);
        k.is_private = b.is_private;
        return k;
    }
    case Op::slli_uw:
        if (a.spread == Spread::affine && insn.imm < 21 && config.shape.affine_guards)
            return scaled(a, uint64_t{1} << insn.imm);
        return make(low && insn.imm < 32 ? Rep::low : Rep::full);
    case Op::xori:
    case Op::ori:
    case Op::andi:
    case Op::xor_:
    case Op::or_:
    case Op::and_:
    case Op::andn:
    case Op::orn:
    case Op::xnor:
        if (words || (op == Op::andi && insn.imm >= 0))
            return make(Rep::word);
        return make(low ? Rep::low : Rep::full);
    case Op::slti:
    case Op::sltiu:
    case Op::slt:
    case Op::sltu:
    case Op::sext_b:
    case Op::sext_h:
    case Op::zext_h:
    case Op::clz:
    case Op::ctz:
    case Op::cpop:
    case Op::clzw:
    case Op::ctzw:
    case Op::cpopw:
        return make(Rep::word);
    case Op::srai:
        return make(ra == Rep::word && insn.imm < 32 ? Rep::word : Rep::full);
    case Op::min:
    case Op::max:
    case Op::minu:
    case Op::maxu:
        return make(words ? Rep::word : Rep::full);
    default:
        break;
    }
    const bool word_op = in(op, Op::addiw, Op::sraw) || in(op, Op::mulw, Op::remuw) ||
                         op == Op::rolw || op == Op::roriw || op == Op::rorw;
    return make(word_op ? Rep::word : Rep::full);
}

} // namespace brgpu::jit
