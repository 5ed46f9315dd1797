// SPDX-License-Identifier: MIT
//
// Integer instructions and identity registers.
#include "lowering.hpp"

#include "brgpu/hw/isa.h"

namespace brgpu::jit {

using simt::jit::ExitReason;
using simt::jit::Thread;

namespace {

bool in(Op op, Op first, Op last) {
    return op >= first && op <= last;
}

bool takes_immediate(Op op) {
    return in(op, Op::addi, Op::srai) || in(op, Op::addiw, Op::sraiw) || op == Op::slli_uw ||
           op == Op::rori || op == Op::roriw;
}

} // namespace

void Lowering::lower(const CodeUnit &unit) {
    const Op op = unit.insn.op;
    if (in(op, Op::csrrw, Op::csrrci))
        lower_csr(unit);
    else if (in(op, Op::lb, Op::lwu) || in(op, Op::flh, Op::fld))
        lower_load(unit);
    else if (in(op, Op::sb, Op::sd) || in(op, Op::fsh, Op::fsd))
        lower_store(unit);
    else if (in(op, Op::amoswap_w, Op::amomaxu_d))
        lower_atomic(unit);
    else if (in(op, Op::fmadd_h, Op::fp_exact))
        lower_floating(unit);
    else if (op == Op::fence)
        b_.CreateFence(llvm::AtomicOrdering::SequentiallyConsistent);
    else
        lower_integer(unit);
}

void Lowering::lower_csr(const CodeUnit &unit) {
    const Operands o = operands_of(unit.insn, false);
    if (o.rd == no_register)
        return;
    const auto csr = static_cast<uint32_t>(unit.insn.imm) & 0xfff;
    const Kind kind = result_kind(config_, unit, node_.kinds, false);
    V first = b_.CreateMul(b_.CreateZExt(b_.CreateLoad(i32_, sub_), i64_), int64(config_.width));
    const auto array = [&](size_t offset, unsigned axis) { return field(offset + 8 * axis, i64_); };
    const auto local = [&](unsigned axis) -> V { // in the form of `kind`
        if (axis > 0 && config_.shape.one_dimension)
            return int64(0);
        if (axis == 0 && config_.shape.one_dimension)
            return kind.spread == Spread::varying ? b_.CreateAdd(splat(first), iota(64, 1)) : first;
        V table = field(offsetof(Thread, local_id) + 8 * axis, ptr_);
        V at = b_.CreateGEP(i32_, table, first);
        if (kind.spread != Spread::varying)
            return b_.CreateZExt(b_.CreateLoad(i32_, at), i64_);
        return b_.CreateZExt(b_.CreateAlignedLoad(v32_, at, llvm::Align(4)), v64_);
    };
    const auto plus = [&](V value, V scalar) {
        return b_.CreateAdd(value, value->getType()->isVectorTy() ? splat(scalar) : scalar);
    };
    V value = nullptr;
    switch (csr) {
    case BRGPU_CSR_WORK_DIM:
        value = field(offsetof(Thread, work_dim), i64_);
        break;
    case BRGPU_CSR_LANE_ID:
        value = b_.CreateAnd(first, int64(31));
        break;
    case BRGPU_CSR_WARP_ID:
        value = b_.CreateLShr(first, int64(5));
        break;
    case BRGPU_CSR_NUM_WARPS:
        value = field(offsetof(Thread, num_warps), i64_);
        break;
    case BRGPU_CSR_WARP_SIZE: {
        V before = b_.CreateAnd(first, int64(~uint64_t{31}));
        V left = b_.CreateSub(field(offsetof(Thread, work_items), i64_), before);
        value = b_.CreateSelect(b_.CreateICmpULT(left, int64(32)), left, int64(32));
        break;
    }
    case BRGPU_CSR_LOCAL_LINEAR_ID:
        value = first;
        break;
    case BRGPU_CSR_GLOBAL_LINEAR_ID: {
        const auto global = [&](unsigned axis) {
            const bool one = kind.spread != Spread::varying;
            V id = nullptr;
            if (axis > 0 && config_.shape.one_dimension) {
                id = one ? static_cast<V>(int64(0)) : splat(int64(0));
            } else {
                id = local(axis);
            }
            return plus(id, array(offsetof(Thread, group_origin), axis));
        };
        const auto times = [&](V v, V scalar) {
            return b_.CreateMul(v, v->getType()->isVectorTy() ? splat(scalar) : scalar);
        };
        value = times(global(2), array(offsetof(Thread, global_size), 1));
        value = b_.CreateAdd(value, global(1));
        value = times(value, array(offsetof(Thread, global_size), 0));
        value = b_.CreateAdd(value, global(0));
        break;
    }
    case BRGPU_CSR_LOCAL_BYTES:
        value = field(offsetof(Thread, local_bytes), i64_);
        break;
    case BRGPU_CSR_STATIC_LOCAL_BYTES:
        value = field(offsetof(Thread, static_local_bytes), i64_);
        break;
    case BRGPU_CSR_QUEUE_ID:
        value = field(offsetof(Thread, queue_id), i64_);
        break;
    case BRGPU_CSR_CU_ID:
        value = field(offsetof(Thread, cu_id), i64_);
        break;
    case BRGPU_CSR_DISPATCH_ID:
        value = field(offsetof(Thread, dispatch_id), i64_);
        break;
    default: {
        const unsigned axis = csr & 3;
        switch (csr - axis) {
        case BRGPU_CSR_LOCAL_ID:
            value = local(axis);
            break;
        case BRGPU_CSR_GROUP_ID:
            value = array(offsetof(Thread, group_id), axis);
            break;
        case BRGPU_CSR_LOCAL_SIZE:
            value = array(offsetof(Thread, local_size), axis);
            break;
        case BRGPU_CSR_ENQUEUED_LOCAL_SIZE:
            value = array(offsetof(Thread, enqueued_local_size), axis);
            break;
        case BRGPU_CSR_GLOBAL_SIZE:
            value = array(offsetof(Thread, global_size), axis);
            break;
        case BRGPU_CSR_GLOBAL_OFFSET:
            value = array(offsetof(Thread, global_offset), axis);
            break;
        case BRGPU_CSR_NUM_GROUPS:
            value = array(offsetof(Thread, num_groups), axis);
            break;
        case BRGPU_CSR_GLOBAL_ID:
            value = plus(local(axis), array(offsetof(Thread, global_base), axis));
            break;
        default:
            throw CannotCompile("unknown identity register");
        }
    }
    }
    set(o.rd, kind, value);
}

// A 32-bit sum of consecutive values, assumed not to wrap; or a sum with a zero-extended one.
void Lowering::affine_word(const CodeUnit &unit, const Kind &kind) {
    const Insn &insn = unit.insn;
    const Operands o = operands_of(insn, false);
    const Value a = get(o.source[0]);
    const bool immediate = takes_immediate(insn.op);
    const auto imm = static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    const Value b = immediate ? Value{Kind::constant_of(imm), int64(imm)} : get(o.source[1]);
    const unsigned last = config_.width - 1;
    // First and last lane before the result is cut to 32 bits; the values between are between.
    const auto check = [&](V base, int64_t stride, bool is_signed) {
        V end = b_.CreateAdd(base, int64(static_cast<uint64_t>(stride * last)));
        const auto cut = [&](V v) {
            V word = b_.CreateTrunc(v, i32_);
            return is_signed ? b_.CreateSExt(word, i64_) : b_.CreateZExt(word, i64_);
        };
        V first_word = cut(base), end_word = cut(end);
        // The cut may drop upper bits, as long as it drops the same of all lanes.
        guard(b_.CreateICmpEQ(b_.CreateSub(end_word, first_word),
                              int64(static_cast<uint64_t>(stride * last))),
              ExitReason::guard);
        return first_word;
    };
    const auto stride_of = [](const Value &v) {
        return v.kind.spread == Spread::affine ? int64_t{v.kind.stride} : int64_t{0};
    };
    V result = nullptr;
    switch (insn.op) {
    case Op::addiw:
    case Op::addw:
        result = check(b_.CreateAdd(a.v, b.v), kind.stride, true);
        break;
    case Op::subw:
        result = check(b_.CreateSub(a.v, b.v), kind.stride, true);
        break;
    case Op::slliw:
        result = check(b_.CreateShl(a.v, int64(imm)), kind.stride, true);
        break;
    case Op::slli_uw:
        result = b_.CreateShl(check(a.v, stride_of(a), false), int64(imm));
        break;
    default: { // add_uw and sh*add_uw
        const unsigned shift = insn.op == Op::add_uw ? 0
                                                     : static_cast<unsigned>(insn.op) -
                                                           static_cast<unsigned>(Op::sh1add_uw) + 1;
        V low = a.kind.one() ? b_.CreateZExt(b_.CreateTrunc(a.v, i32_), i64_)
                             : check(a.v, stride_of(a), false);
        result = b_.CreateAdd(b_.CreateShl(low, int64(shift)), b.v);
        break;
    }
    }
    set(o.rd, kind, result);
}

llvm::Value *Lowering::division(Op op, V a, V b) {
    const bool is_signed = op == Op::div || op == Op::rem || op == Op::divw || op == Op::remw;
    const bool remainder = op == Op::rem || op == Op::remu || op == Op::remw || op == Op::remuw;
    V zero = b_.CreateICmpEQ(b, constant_like(b, 0));
    V one = constant_like(b, 1);
    V divisor = b_.CreateSelect(zero, one, b);
    V minus = nullptr;
    if (is_signed) {
        // The division by -1 is a negation; the most negative number would trap.
        V all_ones = llvm::Constant::getAllOnesValue(b->getType());
        minus = b_.CreateICmpEQ(b, all_ones);
        divisor = b_.CreateSelect(minus, one, divisor);
    }
    V result = nullptr;
    if (remainder)
        result = is_signed ? b_.CreateSRem(a, divisor) : b_.CreateURem(a, divisor);
    else
        result = is_signed ? b_.CreateSDiv(a, divisor) : b_.CreateUDiv(a, divisor);
    if (minus)
        result = b_.CreateSelect(minus, remainder ? constant_like(a, 0) : b_.CreateNeg(a), result);
    V by_zero = remainder ? a : static_cast<V>(llvm::Constant::getAllOnesValue(a->getType()));
    return b_.CreateSelect(zero, by_zero, result);
}

llvm::Value *Lowering::multiply_high(Op op, V a, V b) {
    llvm::Type *wide = b_.getInt128Ty();
    if (a->getType()->isVectorTy())
        wide = llvm::FixedVectorType::get(wide, config_.width);
    V x = op == Op::mulhu ? b_.CreateZExt(a, wide) : b_.CreateSExt(a, wide);
    V y = op == Op::mulh ? b_.CreateSExt(b, wide) : b_.CreateZExt(b, wide);
    V product = b_.CreateMul(x, y);
    return b_.CreateTrunc(b_.CreateLShr(product, constant_like(product, 64)), a->getType());
}

// On 32 bits: the instructions whose low half follows from the operands' low halves.
llvm::Value *Lowering::integer_word(const CodeUnit &unit, V a, V b) {
    const auto amount = [&] { return b_.CreateAnd(b, constant_like(b, 31)); };
    const auto rotate = [&](llvm::Intrinsic::ID id) {
        return b_.CreateIntrinsic(id, {a->getType()}, {a, a, amount()});
    };
    const auto flag = [&](V i1) { return b_.CreateZExt(i1, a->getType()); };
    switch (unit.insn.op) {
    case Op::addi:
    case Op::add:
    case Op::addiw:
    case Op::addw:
        return b_.CreateAdd(a, b);
    case Op::sub:
    case Op::subw:
        return b_.CreateSub(a, b);
    case Op::mul:
    case Op::mulw:
        return b_.CreateMul(a, b);
    case Op::slli:
    case Op::slliw:
    case Op::sllw:
        return b_.CreateShl(a, amount());
    case Op::srliw:
    case Op::srlw:
        return b_.CreateLShr(a, amount());
    case Op::srai: // of a word
    case Op::sraiw:
    case Op::sraw:
        return b_.CreateAShr(a, amount());
    case Op::xori:
    case Op::xor_:
        return b_.CreateXor(a, b);
    case Op::ori:
    case Op::or_:
        return b_.CreateOr(a, b);
    case Op::andi:
    case Op::and_:
        return b_.CreateAnd(a, b);
    case Op::andn:
        return b_.CreateAnd(a, b_.CreateNot(b));
    case Op::orn:
        return b_.CreateOr(a, b_.CreateNot(b));
    case Op::xnor:
        return b_.CreateNot(b_.CreateXor(a, b));
    case Op::sh1add:
    case Op::sh1add_uw:
        return b_.CreateAdd(b_.CreateShl(a, constant_like(a, 1)), b);
    case Op::sh2add:
    case Op::sh2add_uw:
        return b_.CreateAdd(b_.CreateShl(a, constant_like(a, 2)), b);
    case Op::sh3add:
    case Op::sh3add_uw:
        return b_.CreateAdd(b_.CreateShl(a, constant_like(a, 3)), b);
    case Op::add_uw:
        return b_.CreateAdd(a, b);
    case Op::slli_uw:
        return b_.CreateShl(a, amount());
    case Op::divw:
    case Op::divuw:
    case Op::remw:
    case Op::remuw:
        return division(unit.insn.op, a, b);
    case Op::rolw:
        return rotate(llvm::Intrinsic::fshl);
    case Op::roriw:
    case Op::rorw:
        return rotate(llvm::Intrinsic::fshr);
    case Op::slti:
    case Op::slt:
        return flag(b_.CreateICmpSLT(a, b));
    case Op::sltiu:
    case Op::sltu:
        return flag(b_.CreateICmpULT(a, b));
    case Op::min:
        return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
    case Op::max:
        return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b);
    case Op::minu:
        return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, a, b);
    case Op::maxu:
        return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umax, a, b);
    case Op::clzw:
        return b_.CreateIntrinsic(llvm::Intrinsic::ctlz, {a->getType()}, {a, b_.getFalse()});
    case Op::ctzw:
        return b_.CreateIntrinsic(llvm::Intrinsic::cttz, {a->getType()}, {a, b_.getFalse()});
    case Op::cpopw:
        return b_.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, a);
    case Op::sext_b:
        return b_.CreateAShr(b_.CreateShl(a, constant_like(a, 24)), constant_like(a, 24));
    case Op::sext_h:
        return b_.CreateAShr(b_.CreateShl(a, constant_like(a, 16)), constant_like(a, 16));
    case Op::zext_h:
        return b_.CreateAnd(a, constant_like(a, 0xffff));
    default:
        return nullptr;
    }
}

// On all 64 bits.
llvm::Value *Lowering::integer(const CodeUnit &unit, V a, V b) {
    const auto amount = [&] { return b_.CreateAnd(b, constant_like(b, 63)); };
    const auto flag = [&](V i1) { return b_.CreateZExt(i1, a->getType()); };
    const auto word = [&](V v) { return b_.CreateAnd(v, constant_like(v, 0xffffffffu)); };
    const auto shift_add = [&](V v, unsigned n) {
        return b_.CreateAdd(b_.CreateShl(v, constant_like(v, n)), b);
    };
    switch (unit.insn.op) {
    case Op::slli:
    case Op::sll:
        return b_.CreateShl(a, amount());
    case Op::srli:
    case Op::srl:
        return b_.CreateLShr(a, amount());
    case Op::srai:
    case Op::sra:
        return b_.CreateAShr(a, amount());
    case Op::mulh:
    case Op::mulhsu:
    case Op::mulhu:
        return multiply_high(unit.insn.op, a, b);
    case Op::div:
    case Op::divu:
    case Op::rem:
    case Op::remu:
        return division(unit.insn.op, a, b);
    case Op::add_uw:
        return b_.CreateAdd(word(a), b);
    case Op::sh1add_uw:
        return shift_add(word(a), 1);
    case Op::sh2add_uw:
        return shift_add(word(a), 2);
    case Op::sh3add_uw:
        return shift_add(word(a), 3);
    case Op::slli_uw:
        return b_.CreateShl(word(a), amount());
    case Op::rol:
        return b_.CreateIntrinsic(llvm::Intrinsic::fshl, {a->getType()}, {a, a, amount()});
    case Op::ror:
    case Op::rori:
        return b_.CreateIntrinsic(llvm::Intrinsic::fshr, {a->getType()}, {a, a, amount()});
    case Op::clz:
        return b_.CreateIntrinsic(llvm::Intrinsic::ctlz, {a->getType()}, {a, b_.getFalse()});
    case Op::ctz:
        return b_.CreateIntrinsic(llvm::Intrinsic::cttz, {a->getType()}, {a, b_.getFalse()});
    case Op::cpop:
        return b_.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, a);
    case Op::rev8:
        return b_.CreateUnaryIntrinsic(llvm::Intrinsic::bswap, a);
    case Op::orc_b: {
        V low7 = constant_like(a, 0x7f7f7f7f7f7f7f7fu);
        V any = b_.CreateOr(b_.CreateAdd(b_.CreateAnd(a, low7), low7), a);
        any = b_.CreateAnd(any, constant_like(a, 0x8080808080808080u));
        return b_.CreateMul(b_.CreateLShr(any, constant_like(a, 7)), constant_like(a, 0xff));
    }
    case Op::slti:
    case Op::slt:
        return flag(b_.CreateICmpSLT(a, b));
    case Op::sltiu:
    case Op::sltu:
        return flag(b_.CreateICmpULT(a, b));
    default:
        return integer_word(unit, a, b); // the same on any width
    }
}

void Lowering::lower_integer(const CodeUnit &unit) {
    const Insn &insn = unit.insn;
    const Op op = insn.op;
    const Operands plain = operands_of(insn, false);
    if (plain.rd == no_register)
        return;
    const Demand after = live_after(graph_, graph_.blocks[node_.block], node_.k);
    const bool low = !(after.full >> plain.rd & 1);
    const Kind kind = result_kind(config_, unit, node_.kinds, low);
    if (kind.spread == Spread::constant) {
        set(plain.rd, kind, int64(kind.value));
        return;
    }
    const Operands o = operands_of(insn, low);
    const Value a = get(o.source[0]);
    const bool immediate = takes_immediate(op);
    const auto imm = static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    const Value b = immediate ? Value{Kind::constant_of(imm), int64(imm)} : get(o.source[1]);
    if (op == Op::addi && insn.imm == 0) {
        set(plain.rd, a.kind, a.v);
        return;
    }
    if (op == Op::add && (a.kind.spread == Spread::constant || b.kind.spread == Spread::constant)) {
        if (b.kind.spread == Spread::constant && b.kind.value == 0) {
            set(plain.rd, a.kind, a.v);
            return;
        }
        if (a.kind.spread == Spread::constant && a.kind.value == 0) {
            set(plain.rd, b.kind, b.v);
            return;
        }
    }
    const bool word_op = in(op, Op::addiw, Op::sraw) || in(op, Op::mulw, Op::remuw) ||
                         op == Op::rolw || op == Op::roriw || op == Op::rorw ||
                         in(op, Op::sext_b, Op::zext_h) || op == Op::clzw || op == Op::ctzw ||
                         op == Op::cpopw;
    const bool unsigned_word =
        op == Op::add_uw || op == Op::slli_uw || in(op, Op::sh1add_uw, Op::sh3add_uw);
    const bool both_scalar = a.kind.spread != Spread::varying && b.kind.spread != Spread::varying;
    if (kind.spread == Spread::affine ||
        (both_scalar && kind.one() && !(a.kind.one() && b.kind.one()))) {
        // Bases are computed as values are; the stride is known.
        if ((word_op || unsigned_word) && config_.shape.affine_guards) {
            affine_word(unit, kind);
            return;
        }
        set(plain.rd, kind, integer(unit, a.v, b.v));
        return;
    }
    if (kind.one()) {
        if (word_op) {
            V result = integer_word(unit, b_.CreateTrunc(a.v, i32_), b_.CreateTrunc(b.v, i32_));
            set(plain.rd, kind, b_.CreateSExt(result, i64_));
        } else {
            set(plain.rd, kind, integer(unit, a.v, b.v));
        }
        return;
    }
    // One lane each. On 32 bits where the result is a word of the operands' words.
    const auto is_word = [](const Value &v) {
        return v.kind.rep == Rep::word ||
               (v.kind.spread == Spread::constant &&
                static_cast<int64_t>(v.kind.value) == static_cast<int32_t>(v.kind.value));
    };
    const bool words = is_word(a) && is_word(b);
    const bool compares =
        in(op, Op::slti, Op::sltiu) || op == Op::slt || op == Op::sltu || in(op, Op::max, Op::minu);
    const bool counts = op == Op::clz || op == Op::ctz || op == Op::cpop;
    bool narrow = is_narrow(kind.rep) && !counts;
    if (compares)
        narrow = words;
    V result = nullptr;
    if (narrow)
        result = integer_word(unit, vector32(a), vector32(b));
    else
        result = integer(unit, vector64(o.source[0], a), vector64(o.source[1], b));
    if (!result)
        throw CannotCompile(std::string("no code for ") + simt::to_string(op));
    if (is_narrow(kind.rep) && result->getType() == v64_)
        result = b_.CreateTrunc(result, v32_);
    if (!is_narrow(kind.rep) && result->getType() == v32_)
        result = b_.CreateSExt(result, v64_);
    set(plain.rd, kind, result);
}

llvm::Value *Lowering::compare(Op op, unsigned rs1, unsigned rs2) {
    const Value a = get(rs1), b = get(rs2);
    llvm::CmpInst::Predicate predicate;
    switch (op) {
    case Op::beq:
        predicate = llvm::CmpInst::ICMP_EQ;
        break;
    case Op::bne:
        predicate = llvm::CmpInst::ICMP_NE;
        break;
    case Op::blt:
        predicate = llvm::CmpInst::ICMP_SLT;
        break;
    case Op::bge:
        predicate = llvm::CmpInst::ICMP_SGE;
        break;
    case Op::bltu:
        predicate = llvm::CmpInst::ICMP_ULT;
        break;
    default:
        predicate = llvm::CmpInst::ICMP_UGE;
        break;
    }
    if (a.kind.one() && b.kind.one())
        return b_.CreateICmp(predicate, a.v, b.v);
    const auto is_word = [](const Value &v) { return v.kind.rep == Rep::word; };
    if (is_word(a) && is_word(b))
        return b_.CreateICmp(predicate, vector32(a), vector32(b));
    return b_.CreateICmp(predicate, vector64(rs1, a), vector64(rs2, b));
}

} // namespace brgpu::jit
