// SPDX-License-Identifier: MIT
//
// The forms of values, and how one becomes another.
#include "lowering.hpp"

#include <llvm/IR/MDBuilder.h>

namespace brgpu::jit {
namespace {

constexpr uint64_t box = 0xffffffff00000000u;
constexpr uint32_t nan_single = 0x7fc00000u;
constexpr uint64_t nan_double = 0x7ff8000000000000u;

} // namespace

Value Lowering::get(unsigned reg) const {
    if (reg == no_register)
        return {Kind::constant_of(0), llvm::ConstantInt::get(i64_, 0)};
    if (!node_.values[reg])
        throw CannotCompile("a register is read that is not live");
    return {node_.kinds[reg], node_.values[reg]};
}

void Lowering::set(unsigned reg, const Kind &kind, V value) {
    if (reg == no_register)
        return;
    node_.kinds[reg] = kind;
    node_.values[reg] = value;
    node_.written |= uint64_t{1} << reg;
}

llvm::Value *Lowering::iota(unsigned bits, int64_t stride) {
    std::vector<llvm::Constant *> elements;
    for (unsigned i = 0; i < config_.width; ++i)
        elements.push_back(llvm::ConstantInt::get(
            bits == 64 ? i64_ : i32_,
            bits == 64 ? static_cast<uint64_t>(stride * i)
                       : static_cast<uint64_t>(static_cast<uint32_t>(stride * i))));
    return llvm::ConstantVector::get(elements);
}

llvm::Value *Lowering::constant_like(V value, uint64_t constant) {
    llvm::Type *type = value->getType();
    return llvm::ConstantInt::get(type, llvm::APInt(type->getScalarSizeInBits(), constant));
}

llvm::Value *Lowering::scalar64(const Value &value) const {
    return value.v;
}

llvm::Value *Lowering::canonical_single(V bits) {
    V f = as_float(bits);
    return b_.CreateSelect(b_.CreateFCmpUNO(f, f), constant_like(bits, nan_single), bits);
}

llvm::Value *Lowering::canonical_double(V bits) {
    V f = as_double(bits);
    return b_.CreateSelect(b_.CreateFCmpUNO(f, f), constant_like(bits, nan_double), bits);
}

llvm::Type *Lowering::float_type(V bits, bool dbl) {
    llvm::Type *element = dbl ? b_.getDoubleTy() : b_.getFloatTy();
    return bits->getType()->isVectorTy() ? llvm::FixedVectorType::get(element, config_.width)
                                         : element;
}

llvm::Value *Lowering::as_float(V bits) {
    return b_.CreateBitCast(bits, float_type(bits, false));
}

llvm::Value *Lowering::as_double(V bits) {
    return b_.CreateBitCast(bits, float_type(bits, true));
}

llvm::Value *Lowering::as_bits(V value) {
    llvm::Type *type = value->getType();
    llvm::Type *element = type->getScalarSizeInBits() == 64 ? i64_ : i32_;
    return b_.CreateBitCast(
        value, type->isVectorTy() ? llvm::FixedVectorType::get(element, config_.width) : element);
}

// All 64 bits of each lane's register.
llvm::Value *Lowering::vector64(unsigned reg, const Value &value) {
    const Kind &k = value.kind;
    const auto widen_single = [&](V bits) {
        if (k.rep == Rep::lazy)
            bits = canonical_single(bits);
        llvm::Type *to = bits->getType()->isVectorTy() ? static_cast<llvm::Type *>(v64_) : i64_;
        V wide = b_.CreateZExt(bits, to);
        return b_.CreateOr(wide, constant_like(wide, box));
    };
    if (k.spread != Spread::varying) {
        V scalar = value.v;
        if (reg != no_register && reg >= 32) {
            if (is_single(k.rep))
                scalar = widen_single(scalar);
            else if (k.rep == Rep::lazy_double)
                scalar = canonical_double(scalar);
        }
        V all = splat(scalar);
        return k.spread == Spread::affine ? b_.CreateAdd(all, iota(64, k.stride)) : all;
    }
    switch (k.rep) {
    case Rep::full:
        return value.v;
    case Rep::word:
    case Rep::low:
        return b_.CreateSExt(value.v, v64_);
    case Rep::lazy_double:
        return canonical_double(value.v);
    default:
        return widen_single(value.v);
    }
}

// The low halves of an integer register.
llvm::Value *Lowering::vector32(const Value &value) {
    const Kind &k = value.kind;
    if (k.spread != Spread::varying) {
        V all = splat(b_.CreateTrunc(value.v, i32_));
        return k.spread == Spread::affine ? b_.CreateAdd(all, iota(32, k.stride)) : all;
    }
    return is_narrow(k.rep) ? value.v : b_.CreateTrunc(value.v, v32_);
}

llvm::Value *Lowering::single_bits(const Value &value, bool vector) {
    V bits = value.v;
    if (!is_single(value.kind.rep)) {
        if (value.kind.rep == Rep::lazy_double)
            bits = canonical_double(bits);
        llvm::Type *narrow = bits->getType()->isVectorTy() ? static_cast<llvm::Type *>(v32_) : i32_;
        V boxed = b_.CreateICmpUGE(bits, constant_like(bits, box));
        V low = b_.CreateTrunc(bits, narrow);
        bits = b_.CreateSelect(boxed, low, constant_like(low, nan_single));
    }
    return vector && !bits->getType()->isVectorTy() ? splat(bits) : bits;
}

llvm::Value *Lowering::double_bits(const Value &value, bool vector) {
    V bits = value.v;
    if (is_single(value.kind.rep)) {
        if (value.kind.rep == Rep::lazy)
            bits = canonical_single(bits);
        llvm::Type *wide = bits->getType()->isVectorTy() ? static_cast<llvm::Type *>(v64_) : i64_;
        bits = b_.CreateZExt(bits, wide);
        bits = b_.CreateOr(bits, constant_like(bits, box));
    }
    return vector && !bits->getType()->isVectorTy() ? splat(bits) : bits;
}

llvm::Value *Lowering::convert(unsigned reg, const Value &value, const Kind &target) {
    const Kind &from = value.kind;
    const bool floating = reg >= 32;
    switch (target.spread) {
    case Spread::none:
    case Spread::constant:
        return nullptr;
    case Spread::uniform:
        if (!from.one())
            throw CannotCompile("varying value where one is expected");
        if (!floating)
            return value.v;
        break;
    case Spread::affine:
        if (from.spread != Spread::affine || from.stride != target.stride)
            throw CannotCompile("value without the expected stride");
        return value.v;
    case Spread::varying:
        if (!floating) {
            if (target.rep == Rep::full)
                return vector64(reg, value);
            if (target.rep == Rep::word && from.spread == Spread::varying && from.rep != Rep::word)
                throw CannotCompile("value wider than expected");
            return vector32(value);
        }
        break;
    }
    // Floating point: the representation first, then one or many.
    V bits = value.v;
    if (is_single(target.rep)) {
        if (!is_single(from.rep))
            throw CannotCompile("not a boxed single");
        if (from.rep == Rep::lazy && target.rep != Rep::lazy)
            bits = canonical_single(bits);
    } else if (target.rep == Rep::full) {
        if (target.spread == Spread::varying)
            return vector64(reg, value);
        if (from.rep == Rep::lazy_double)
            bits = canonical_double(bits);
        else
            bits = double_bits(value, false);
    } else if (target.rep != from.rep) {
        throw CannotCompile("not a double");
    }
    if (target.spread == Spread::varying && !bits->getType()->isVectorTy())
        return splat(bits);
    return bits;
}

// ---- Conditions and masks ----

llvm::Value *Lowering::bits_of(V vector) {
    V bits = b_.CreateBitCast(vector, b_.getIntNTy(config_.width));
    return config_.width < 32 ? b_.CreateZExt(bits, i32_) : bits;
}

llvm::Value *Lowering::active() {
    if (!node_.mask)
        return llvm::ConstantInt::getTrue(
            llvm::FixedVectorType::get(b_.getInt1Ty(), config_.width));
    return b_.CreateICmpSLT(node_.mask, llvm::Constant::getNullValue(v32_));
}

llvm::Value *Lowering::mask_bits() {
    if (!node_.mask)
        return int32(static_cast<uint32_t>((uint64_t{1} << config_.width) - 1));
    return bits_of(active());
}

llvm::Value *Lowering::sign_mask(V vector) {
    return b_.CreateSExt(vector, v32_);
}

llvm::Value *Lowering::any(V mask) {
    return b_.CreateICmpNE(bits_of(b_.CreateICmpSLT(mask, llvm::Constant::getNullValue(v32_))),
                           int32(0));
}

llvm::Value *Lowering::all(V vector) {
    if (node_.mask)
        vector = b_.CreateOr(vector, b_.CreateNot(active()));
    return b_.CreateICmpEQ(bits_of(vector),
                           int32(static_cast<uint32_t>((uint64_t{1} << config_.width) - 1)));
}

llvm::BasicBlock *Lowering::new_block(const char *name) {
    return llvm::BasicBlock::Create(context_, name, function_);
}

void Lowering::branch_likely(V condition, BB likely, BB unlikely) {
    b_.CreateCondBr(condition, likely, unlikely,
                    llvm::MDBuilder(context_).createBranchWeights(1 << 20, 1));
}

void Lowering::guard(V holds, simt::jit::ExitReason reason) {
    BB go_on = new_block("held");
    BB out = new_block("exit");
    branch_likely(holds, go_on, out);
    const Block &block = graph_.blocks[node_.block];
    const uint32_t k = node_.k;
    exits_.push_back({out, node_, graph_.code[block.first + k].pc, reason, block.before[k].any});
    b_.SetInsertPoint(go_on);
}

} // namespace brgpu::jit
