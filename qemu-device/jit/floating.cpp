// SPDX-License-Identifier: MIT
//
// Floating-point instructions, round to nearest even. NaN results are made canonical only where
// their bits can be seen (Rep::lazy). Rare instructions go to the engine, lane by lane.
#include "lowering.hpp"

#include "brgpu/hw/isa.h"
#include "simt/fp.hpp"

namespace brgpu::jit {

using simt::jit::Helpers;
using simt::jit::Thread;

namespace {

constexpr uint32_t sign_single = 0x80000000u;
constexpr uint64_t sign_double = uint64_t{1} << 63;

bool is(Op op, Op base_half, unsigned format) {
    return static_cast<unsigned>(op) == static_cast<unsigned>(base_half) + format;
}

} // namespace

llvm::Value *Lowering::minimum(V a, V b, bool maximum, bool dbl) {
    // Equal values differ at most in the sign of a zero, which OR and AND pick.
    V x = dbl ? as_double(a) : as_float(a), y = dbl ? as_double(b) : as_float(b);
    V before = maximum ? b_.CreateFCmpOGT(x, y) : b_.CreateFCmpOLT(x, y);
    V zero = maximum ? b_.CreateAnd(a, b) : b_.CreateOr(a, b);
    V take_a = b_.CreateOr(before, b_.CreateFCmpUNO(y, y));
    return b_.CreateSelect(take_a, a, b_.CreateSelect(b_.CreateFCmpOEQ(x, y), zero, b));
}

// Saturates; NaN gives the largest value. `value` is a float or double, or a vector of them.
llvm::Value *Lowering::to_integer(V value, unsigned width, bool is_signed, unsigned mode) {
    llvm::Intrinsic::ID rounding = llvm::Intrinsic::roundeven;
    if (mode == 1)
        rounding = llvm::Intrinsic::trunc;
    else if (mode == 2)
        rounding = llvm::Intrinsic::floor;
    else if (mode == 3)
        rounding = llvm::Intrinsic::ceil;
    V rounded = b_.CreateUnaryIntrinsic(rounding, value);
    llvm::Type *integer = b_.getIntNTy(width);
    if (value->getType()->isVectorTy())
        integer = llvm::FixedVectorType::get(integer, config_.width);
    V result =
        b_.CreateIntrinsic(is_signed ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat,
                           {integer, value->getType()}, {rounded});
    const llvm::APInt most =
        is_signed ? llvm::APInt::getSignedMaxValue(width) : llvm::APInt::getMaxValue(width);
    return b_.CreateSelect(b_.CreateFCmpUNO(value, value), llvm::ConstantInt::get(integer, most),
                           result);
}

void Lowering::floating_by_engine(const CodeUnit &unit) {
    const Insn &insn = unit.insn;
    const Op op = insn.op == Op::fp_exact ? static_cast<Op>(insn.imm) : insn.op;
    const Operands o = operands_of(insn, false);
    if (o.rd == no_register)
        return;
    // fcsr is the default one in compiled code: dynamic is to nearest even.
    const unsigned mode =
        !simt::fp::rounds(op) || insn.rm == simt::rm_dynamic ? 0 : unsigned{insn.rm};
    constexpr size_t places[3] = {offsetof(Thread, value), offsetof(Thread, value_b),
                                  offsetof(Thread, value_c)};
    for (unsigned i = 0; i < 3; ++i)
        if (o.source[i] != no_register)
            b_.CreateAlignedStore(vector64(o.source[i], get(o.source[i])), field_address(places[i]),
                                  llvm::Align(8));
        else
            b_.CreateAlignedStore(llvm::Constant::getNullValue(v64_), field_address(places[i]),
                                  llvm::Align(8));
    call(offsetof(Helpers, floating), b_.getVoidTy(),
         {mask_bits(), int32(static_cast<uint32_t>(op)), int32(mode)});
    V result = b_.CreateAlignedLoad(v64_, field_address(offsetof(Thread, value)), llvm::Align(8));
    set(o.rd, Kind::of(Spread::varying, Rep::full), result);
}

void Lowering::lower_floating(const CodeUnit &unit) {
    const Insn &insn = unit.insn;
    const Op op = insn.op;
    const Operands o = operands_of(insn, false);
    if (o.rd == no_register)
        return;
    const Kind kind = result_kind(config_, unit, node_.kinds, false);
    const bool vector = kind.spread == Spread::varying;
    const auto single = [&](unsigned i) { return single_bits(get(o.source[i]), vector); };
    const auto dbl = [&](unsigned i) { return double_bits(get(o.source[i]), vector); };
    const auto done = [&](V value) { set(o.rd, kind, value); };
    const auto flipped = [&](V bits, bool flip) {
        if (!flip)
            return bits;
        const bool wide = bits->getType()->getScalarSizeInBits() == 64;
        return b_.CreateXor(bits, constant_like(bits, wide ? sign_double : sign_single));
    };

    for (unsigned format = 1; format <= 2; ++format) {
        const bool d = format == 2;
        const auto value = [&](unsigned i) { return d ? as_double(dbl(i)) : as_float(single(i)); };
        const auto bits = [&](unsigned i) { return d ? dbl(i) : single(i); };
        if (is(op, Op::fadd_h, format))
            return done(as_bits(b_.CreateFAdd(value(0), value(1))));
        if (is(op, Op::fsub_h, format))
            return done(as_bits(b_.CreateFSub(value(0), value(1))));
        if (is(op, Op::fmul_h, format))
            return done(as_bits(b_.CreateFMul(value(0), value(1))));
        if (is(op, Op::fdiv_h, format))
            return done(as_bits(b_.CreateFDiv(value(0), value(1))));
        if (is(op, Op::fsqrt_h, format))
            return done(as_bits(b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, value(0))));
        const bool fma = is(op, Op::fmadd_h, format), fms = is(op, Op::fmsub_h, format),
                   fnms = is(op, Op::fnmsub_h, format), fnma = is(op, Op::fnmadd_h, format);
        if (fma || fms || fnms || fnma) {
            V a = flipped(bits(0), fnms || fnma), c = flipped(bits(2), fms || fnma);
            V x = d ? as_double(a) : as_float(a), z = d ? as_double(c) : as_float(c);
            return done(as_bits(
                b_.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, value(1), z})));
        }
        if (is(op, Op::fmin_h, format))
            return done(minimum(bits(0), bits(1), false, d));
        if (is(op, Op::fmax_h, format))
            return done(minimum(bits(0), bits(1), true, d));
        const bool eq = is(op, Op::feq_h, format), lt = is(op, Op::flt_h, format),
                   le = is(op, Op::fle_h, format);
        if (eq || lt || le) {
            V x = value(0), y = value(1);
            V holds = eq   ? b_.CreateFCmpOEQ(x, y)
                      : lt ? b_.CreateFCmpOLT(x, y)
                           : b_.CreateFCmpOLE(x, y);
            return done(vector ? b_.CreateZExt(holds, v32_) : b_.CreateZExt(holds, i64_));
        }
        const bool sgnj = is(op, Op::fsgnj_h, format), sgnjn = is(op, Op::fsgnjn_h, format),
                   sgnjx = is(op, Op::fsgnjx_h, format);
        if (sgnj || sgnjn || sgnjx) {
            const Value source = get(o.source[0]);
            if (sgnj && insn.rs1 == insn.rs2 && (d || is_single(source.kind.rep)))
                return set(o.rd, source.kind, source.v);
            const auto visible = [&](unsigned i) {
                const Rep rep = get(o.source[i]).kind.rep;
                V v = bits(i);
                if (!d && rep == Rep::lazy)
                    return canonical_single(v);
                if (d && rep == Rep::lazy_double)
                    return canonical_double(v);
                return v;
            };
            V a = visible(0), b = insn.rs1 == insn.rs2 ? a : visible(1);
            V sign = constant_like(a, d ? sign_double : sign_single);
            if (sgnjx)
                return done(b_.CreateXor(a, b_.CreateAnd(b, sign)));
            V other = sgnjn ? b_.CreateNot(b) : b;
            return done(
                b_.CreateOr(b_.CreateAnd(a, b_.CreateNot(sign)), b_.CreateAnd(other, sign)));
        }
        const bool w = is(op, Op::fcvt_w_h, format), wu = is(op, Op::fcvt_wu_h, format),
                   l = is(op, Op::fcvt_l_h, format), lu = is(op, Op::fcvt_lu_h, format);
        if (w || wu || l || lu) {
            // A dynamic mode is to nearest even: fcsr is the default one in compiled code.
            const unsigned mode = insn.rm == simt::rm_dynamic ? 0 : unsigned{insn.rm};
            V result = to_integer(value(0), w || wu ? 32 : 64, w || l, mode);
            if (!vector && (w || wu))
                result = b_.CreateSExt(result, i64_);
            return done(result);
        }
        const bool from_w = is(op, Op::fcvt_h_w, format), from_wu = is(op, Op::fcvt_h_wu, format),
                   from_l = is(op, Op::fcvt_h_l, format), from_lu = is(op, Op::fcvt_h_lu, format);
        if (from_w || from_wu || from_l || from_lu) {
            const Value source = get(o.source[0]);
            V n = nullptr;
            if (from_w || from_wu)
                n = vector ? vector32(source) : b_.CreateTrunc(source.v, i32_);
            else
                n = vector ? vector64(o.source[0], source) : source.v;
            llvm::Type *to = d ? b_.getDoubleTy() : b_.getFloatTy();
            if (vector)
                to = llvm::FixedVectorType::get(to, config_.width);
            return done(
                as_bits(from_w || from_l ? b_.CreateSIToFP(n, to) : b_.CreateUIToFP(n, to)));
        }
    }
    switch (op) {
    case Op::fmv_x_s: {
        // The low bits, boxed or not.
        const Value source = get(o.source[0]);
        V bits = source.v;
        if (is_single(source.kind.rep)) {
            if (source.kind.rep == Rep::lazy)
                bits = canonical_single(bits);
        } else {
            if (source.kind.rep == Rep::lazy_double)
                bits = canonical_double(bits);
            bits = b_.CreateTrunc(bits, vector ? static_cast<llvm::Type *>(v32_) : i32_);
        }
        return done(vector ? bits : b_.CreateSExt(bits, i64_));
    }
    case Op::fmv_x_d: {
        const Value source = get(o.source[0]);
        if (vector)
            return done(vector64(o.source[0], source));
        V bits = double_bits(source, false);
        if (source.kind.rep == Rep::lazy_double)
            bits = canonical_double(bits);
        return done(bits);
    }
    case Op::fmv_s_x: {
        const Value source = get(o.source[0]);
        return done(vector ? vector32(source) : b_.CreateTrunc(source.v, i32_));
    }
    case Op::fmv_d_x: {
        const Value source = get(o.source[0]);
        return done(vector ? vector64(o.source[0], source) : source.v);
    }
    case Op::fcvt_s_d: {
        V x = as_double(dbl(0));
        return done(as_bits(
            b_.CreateFPTrunc(x, vector ? static_cast<llvm::Type *>(llvm::FixedVectorType::get(
                                             b_.getFloatTy(), config_.width))
                                       : b_.getFloatTy())));
    }
    case Op::fcvt_d_s: {
        V x = as_float(single(0));
        return done(
            as_bits(b_.CreateFPExt(x, vector ? static_cast<llvm::Type *>(llvm::FixedVectorType::get(
                                                   b_.getDoubleTy(), config_.width))
                                             : b_.getDoubleTy())));
    }
    default:
        floating_by_engine(unit);
    }
}

} // namespace brgpu::jit
