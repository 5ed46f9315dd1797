// SPDX-License-Identifier: MIT
//
// Loads, stores and atomics. Each place in the code remembers one range of addresses that it may
// use without asking (a Site); the engine does what lies outside, lane by lane, and refreshes it.
// All checks of an instruction come before its first effect, so that after a side exit the
// interpreter can run it from the start.
#include <cstdlib>

#include "lowering.hpp"

#include "brgpu/hw/isa.h"

namespace brgpu::jit {

using simt::jit::ExitReason;
using simt::jit::Helpers;
using simt::jit::Site;
using simt::jit::Thread;

namespace {

struct Access {
    unsigned bytes;
    bool sign;     // integer loads
    bool floating; // the register is a floating-point one
};

Access access_of(Op op) {
    switch (op) {
    case Op::lb:
        return {1, true, false};
    case Op::lh:
        return {2, true, false};
    case Op::lw:
        return {4, true, false};
    case Op::lbu:
    case Op::sb:
        return {1, false, false};
    case Op::lhu:
    case Op::sh:
        return {2, false, false};
    case Op::lwu:
    case Op::sw:
        return {4, false, false};
    case Op::ld:
    case Op::sd:
        return {8, false, false};
    case Op::flh:
    case Op::fsh:
        return {2, false, true};
    case Op::flw:
    case Op::fsw:
        return {4, false, true};
    default:
        return {8, false, true};
    }
}

} // namespace

Value Lowering::address_of(const Insn &insn) {
    const Kind kind = address_kind(config_, insn, node_.kinds);
    const unsigned rs1 = insn.rs1 ? insn.rs1 : no_register;
    const Value base = get(rs1);
    V offset = int64(static_cast<uint64_t>(int64_t{insn.imm}));
    if (kind.spread == Spread::constant)
        return {kind, int64(kind.value)};
    if (kind.spread == Spread::varying)
        return {kind, b_.CreateAdd(vector64(rs1, base), splat(offset))};
    return {kind, b_.CreateAdd(base.v, offset)};
}

llvm::Value *Lowering::site_field(uint32_t site, size_t offset) {
    V sites = field(offsetof(Thread, sites), ptr_);
    return b_.CreateLoad(i64_,
                         b_.CreateConstInBoundsGEP1_64(i8_, sites, site * sizeof(Site) + offset));
}

// Whether the address, one or a vector, is in the site's range.
llvm::Value *Lowering::in_range(uint32_t site, V address) {
    V low = site_field(site, offsetof(Site, low));
    V count = site_field(site, offsetof(Site, count));
    if (address->getType()->isVectorTy())
        return all(b_.CreateICmpULT(b_.CreateSub(address, splat(low)), splat(count)));
    return b_.CreateICmpULT(b_.CreateSub(address, low), count);
}

llvm::Value *Lowering::addresses(const Value &address) {
    return vector64(no_register, address);
}

// ---- Private memory: rows of 8-byte units, 32 lanes side by side ----

llvm::Value *Lowering::row_pointer(V offset) {
    V row = b_.CreateShl(b_.CreateAnd(offset, int64(~uint64_t{7})), int64(5));
    return b_.CreateGEP(i8_, b_.CreateLoad(ptr_, rows_), row);
}

llvm::Value *Lowering::load_private_row(V offset, unsigned bytes) {
    V unit = b_.CreateAlignedLoad(v64_, row_pointer(offset), llvm::Align(8));
    if (bytes == 8)
        return unit;
    V shift = b_.CreateShl(b_.CreateAnd(offset, int64(7)), int64(3));
    V value = b_.CreateLShr(unit, splat(shift));
    return b_.CreateTrunc(value,
                          llvm::FixedVectorType::get(b_.getIntNTy(8 * bytes), config_.width));
}

void Lowering::store_private_row(V offset, unsigned bytes, V value) {
    V at = row_pointer(offset);
    V old = b_.CreateAlignedLoad(v64_, at, llvm::Align(8));
    V fresh = value;
    if (bytes < 8) {
        V shift = splat(b_.CreateShl(b_.CreateAnd(offset, int64(7)), int64(3)));
        V field_bits = b_.CreateShl(splat(int64((uint64_t{1} << (8 * bytes)) - 1)), shift);
        fresh = b_.CreateOr(b_.CreateAnd(old, b_.CreateNot(field_bits)),
                            b_.CreateShl(b_.CreateZExt(value, v64_), shift));
    }
    if (node_.mask)
        fresh = b_.CreateSelect(active(), fresh, old);
    b_.CreateAlignedStore(fresh, at, llvm::Align(8));
}

// ---- Loads ----

llvm::Value *Lowering::pointers(V addresses64, bool redirect) {
    if (node_.mask && redirect) {
        V dump = b_.CreatePtrToInt(field_address(offsetof(Thread, dump)), i64_);
        addresses64 = b_.CreateSelect(active(), addresses64, splat(dump));
    }
    return b_.CreateIntToPtr(addresses64, llvm::FixedVectorType::get(ptr_, config_.width));
}

// Lane by lane, by the engine; as a vector of integers of that size.
llvm::Value *Lowering::slow_load(const Value &address, unsigned bytes, uint32_t site,
                                 uint32_t span) {
    b_.CreateAlignedStore(addresses(address), field_address(offsetof(Thread, address)),
                          llvm::Align(8));
    V good =
        call(offsetof(Helpers, load), i32_, {mask_bits(), int32(bytes), int32(site), int32(span)});
    guard(b_.CreateICmpNE(good, int32(0)), ExitReason::access);
    V raw = b_.CreateAlignedLoad(v64_, field_address(offsetof(Thread, value)), llvm::Align(8));
    return bytes == 8 ? raw
                      : b_.CreateTrunc(raw, llvm::FixedVectorType::get(b_.getIntNTy(8 * bytes),
                                                                       config_.width));
}

// From an integer of the access's size, or a vector of them, to the register.
void Lowering::finish_load(const CodeUnit &unit, const Kind &kind, V loaded) {
    const Operands o = operands_of(unit.insn, false);
    const Access access = access_of(unit.insn.op);
    const bool vector = loaded->getType()->isVectorTy();
    const auto type = [&](llvm::Type *narrow, llvm::FixedVectorType *wide) -> llvm::Type * {
        return vector ? static_cast<llvm::Type *>(wide) : narrow;
    };
    if (access.floating) {
        if (access.bytes == 2) {
            loaded = b_.CreateZExt(loaded, type(i64_, v64_));
            loaded = b_.CreateOr(loaded, constant_like(loaded, ~uint64_t{0xffff}));
        }
    } else if (access.bytes < 8) {
        llvm::Type *to = vector && is_narrow(kind.rep) ? type(i32_, v32_) : type(i64_, v64_);
        if (loaded->getType() != to)
            loaded = access.sign ? b_.CreateSExt(loaded, to) : b_.CreateZExt(loaded, to);
    }
    set(o.rd, kind, loaded);
}

bool Lowering::affine_stride_fits(const Kind &kind) const {
    return std::abs(kind.stride) <= 4096;
}

void Lowering::lower_load(const CodeUnit &unit) {
    const Access access = access_of(unit.insn.op);
    const unsigned bytes = access.bytes;
    const Kind kind = result_kind(config_, unit, node_.kinds, false);
    const Value address = address_of(unit.insn);
    llvm::Type *element = b_.getIntNTy(8 * bytes);
    auto *elements = llvm::FixedVectorType::get(element, config_.width);
    const uint64_t private_bytes = config_.shape.private_bytes;
    const uint64_t offset = address.kind.value - BRGPU_PRIVATE_BASE;

    if (address.kind.is_private && address.kind.spread == Spread::constant &&
        offset < private_bytes && bytes <= private_bytes - offset && offset % 8 + bytes <= 8) {
        finish_load(unit, kind, load_private_row(int64(offset), bytes));
        return;
    }
    BB fast = new_block("fast"), slow = new_block("slow"), join = new_block("loaded");
    if (kind.one()) {
        const uint32_t site = sites_++;
        branch_likely(in_range(site, address.v), fast, slow);
        b_.SetInsertPoint(fast);
        V host = b_.CreateAdd(address.v, site_field(site, offsetof(Site, delta)));
        V quick = b_.CreateAlignedLoad(element, b_.CreateIntToPtr(host, ptr_), llvm::Align(1));
        b_.CreateBr(join);
        b_.SetInsertPoint(slow);
        V good = call(offsetof(Helpers, load_one), i32_, {address.v, int32(bytes), int32(site)});
        guard(b_.CreateICmpNE(good, int32(0)), ExitReason::access);
        V raw = field(offsetof(Thread, value), i64_);
        V careful = bytes == 8 ? raw : b_.CreateTrunc(raw, element);
        BB slow_end = b_.GetInsertBlock();
        b_.CreateBr(join);
        b_.SetInsertPoint(join);
        auto *phi = b_.CreatePHI(element, 2);
        phi->addIncoming(quick, fast);
        phi->addIncoming(careful, slow_end);
        finish_load(unit, kind, phi);
        return;
    }

    uint32_t site = simt::jit::no_site, span = bytes;
    V quick = nullptr;
    if (address.kind.is_private && private_bytes >= bytes) {
        // Every lane its own memory.
        V relative = address.kind.spread == Spread::varying || address.kind.one()
                         ? address.v
                         : addresses(address);
        const bool vector = relative->getType()->isVectorTy();
        relative = b_.CreateSub(relative, constant_like(relative, BRGPU_PRIVATE_BASE));
        V inside = b_.CreateICmpULT(relative, constant_like(relative, private_bytes - bytes + 1));
        V aligned = b_.CreateICmpEQ(b_.CreateAnd(relative, constant_like(relative, bytes - 1)),
                                    constant_like(relative, 0));
        V good = b_.CreateAnd(inside, aligned);
        branch_likely(vector ? all(good) : good, fast, slow);
        b_.SetInsertPoint(fast);
        if (!vector) {
            quick = load_private_row(relative, bytes);
        } else {
            V units = b_.CreateShl(b_.CreateAnd(relative, constant_like(relative, ~uint64_t{7})),
                                   constant_like(relative, 5));
            V host = b_.CreateOr(units, b_.CreateAnd(relative, constant_like(relative, 7)));
            host = b_.CreateAdd(host, iota(64, 8));
            host = b_.CreateAdd(host, splat(b_.CreatePtrToInt(b_.CreateLoad(ptr_, rows_), i64_)));
            quick = b_.CreateMaskedGather(elements, pointers(host, true), llvm::Align(1));
        }
    } else if (address.kind.spread == Spread::affine && affine_stride_fits(address.kind)) {
        const int64_t stride = address.kind.stride;
        const int64_t reach = stride * (config_.width - 1);
        site = sites_++;
        span = static_cast<uint32_t>(std::abs(reach)) + bytes;
        V low =
            reach < 0 ? b_.CreateAdd(address.v, int64(static_cast<uint64_t>(reach))) : address.v;
        branch_likely(in_range(site, low), fast, slow);
        b_.SetInsertPoint(fast);
        // Lanes that are not active read what nobody looks at, in the same range.
        V host = b_.CreateIntToPtr(b_.CreateAdd(address.v, site_field(site, offsetof(Site, delta))),
                                   ptr_);
        if (stride == static_cast<int64_t>(bytes)) {
            quick = b_.CreateAlignedLoad(elements, host, llvm::Align(1));
        } else {
            quick = llvm::PoisonValue::get(elements);
            for (unsigned i = 0; i < config_.width; ++i) {
                V at = b_.CreateConstGEP1_64(i8_, host, static_cast<uint64_t>(stride * i));
                quick = b_.CreateInsertElement(
                    quick, b_.CreateAlignedLoad(element, at, llvm::Align(1)), uint64_t{i});
            }
        }
    } else {
        site = sites_++;
        V at = addresses(address);
        branch_likely(in_range(site, at), fast, slow);
        b_.SetInsertPoint(fast);
        V host = b_.CreateAdd(at, splat(site_field(site, offsetof(Site, delta))));
        quick = b_.CreateMaskedGather(elements, pointers(host, true), llvm::Align(1));
    }
    BB fast_end = b_.GetInsertBlock();
    b_.CreateBr(join);
    b_.SetInsertPoint(slow);
    V careful = slow_load(address, bytes, site, span);
    BB slow_end = b_.GetInsertBlock();
    b_.CreateBr(join);
    b_.SetInsertPoint(join);
    auto *phi = b_.CreatePHI(elements, 2);
    phi->addIncoming(quick, fast_end);
    phi->addIncoming(careful, slow_end);
    finish_load(unit, kind, phi);
}

// ---- Stores ----

// The low bytes of rs2: one value for all lanes if `one`.
llvm::Value *Lowering::store_value(const CodeUnit &unit, unsigned bytes, bool &one, V &scalar) {
    const Access access = access_of(unit.insn.op);
    const unsigned reg =
        access.floating ? 32u + unit.insn.rs2 : (unit.insn.rs2 ? unit.insn.rs2 : no_register);
    const Value value = get(reg);
    one = value.kind.one();
    scalar = nullptr;
    llvm::Type *element = b_.getIntNTy(8 * bytes);
    auto *elements = llvm::FixedVectorType::get(element, config_.width);
    V bits = value.v;
    const Rep rep = value.kind.rep;
    if (access.floating) {
        if (rep == Rep::lazy)
            bits = canonical_single(bits);
        else if (rep == Rep::lazy_double)
            bits = canonical_double(bits);
        if (bytes == 8 && is_single(rep))
            bits = one ? double_bits(value, false) : vector64(reg, value);
    } else if (value.kind.spread == Spread::affine || (!one && bytes == 8)) {
        bits = bytes == 8 ? vector64(reg, value) : vector32(value);
    }
    if (bits->getType()->isVectorTy())
        return bits->getType() == elements ? bits : b_.CreateTrunc(bits, elements);
    scalar = bits->getType() == element ? bits : b_.CreateTrunc(bits, element);
    return splat(scalar);
}

void Lowering::slow_store(const Value &address, V value, unsigned bytes, uint32_t site,
                          uint32_t span) {
    b_.CreateAlignedStore(addresses(address), field_address(offsetof(Thread, address)),
                          llvm::Align(8));
    b_.CreateAlignedStore(bytes == 8 ? value : b_.CreateZExt(value, v64_),
                          field_address(offsetof(Thread, value)), llvm::Align(8));
    V good =
        call(offsetof(Helpers, store), i32_, {mask_bits(), int32(bytes), int32(site), int32(span)});
    guard(b_.CreateICmpNE(good, int32(0)), ExitReason::access);
}

// In the order of lanes: where addresses are equal, the highest lane's value stays.
void Lowering::scatter(V at, V value) {
    for (unsigned i = 0; i < config_.width; ++i)
        b_.CreateAlignedStore(b_.CreateExtractElement(value, uint64_t{i}),
                              b_.CreateExtractElement(at, uint64_t{i}), llvm::Align(1));
}

void Lowering::lower_store(const CodeUnit &unit) {
    const unsigned bytes = access_of(unit.insn.op).bytes;
    const Value address = address_of(unit.insn);
    bool one = false;
    V scalar = nullptr;
    V value = store_value(unit, bytes, one, scalar);
    const uint64_t private_bytes = config_.shape.private_bytes;
    const uint64_t offset = address.kind.value - BRGPU_PRIVATE_BASE;
    if (address.kind.is_private && address.kind.spread == Spread::constant &&
        offset < private_bytes && bytes <= private_bytes - offset && offset % 8 + bytes <= 8 &&
        offset >= private_low_) {
        store_private_row(int64(offset), bytes, value);
        return;
    }
    BB fast = new_block("fast"), slow = new_block("slow"), join = new_block("stored");
    uint32_t site = simt::jit::no_site, span = bytes;
    if (address.kind.is_private && private_bytes >= private_low_ + bytes) {
        V relative = address.kind.spread == Spread::varying || address.kind.one()
                         ? address.v
                         : addresses(address);
        const bool vector = relative->getType()->isVectorTy();
        // Below private_low_ the engine has to know of it.
        relative = b_.CreateSub(relative, constant_like(relative, BRGPU_PRIVATE_BASE));
        V inside =
            b_.CreateICmpULT(b_.CreateSub(relative, constant_like(relative, private_low_)),
                             constant_like(relative, private_bytes - private_low_ - bytes + 1));
        V aligned = b_.CreateICmpEQ(b_.CreateAnd(relative, constant_like(relative, bytes - 1)),
                                    constant_like(relative, 0));
        V good = b_.CreateAnd(inside, aligned);
        branch_likely(vector ? all(good) : good, fast, slow);
        b_.SetInsertPoint(fast);
        if (!vector) {
            store_private_row(relative, bytes, value);
        } else {
            V units = b_.CreateShl(b_.CreateAnd(relative, constant_like(relative, ~uint64_t{7})),
                                   constant_like(relative, 5));
            V host = b_.CreateOr(units, b_.CreateAnd(relative, constant_like(relative, 7)));
            host = b_.CreateAdd(host, iota(64, 8));
            host = b_.CreateAdd(host, splat(b_.CreatePtrToInt(b_.CreateLoad(ptr_, rows_), i64_)));
            scatter(pointers(host, true), value);
        }
    } else if (address.kind.one()) {
        site = sites_++;
        branch_likely(in_range(site, address.v), fast, slow);
        b_.SetInsertPoint(fast);
        V host = b_.CreateIntToPtr(b_.CreateAdd(address.v, site_field(site, offsetof(Site, delta))),
                                   ptr_);
        V last = scalar;
        if (!one || !last) {
            V lane = int32(config_.width - 1);
            if (node_.mask)
                lane = b_.CreateSub(int32(31), b_.CreateIntrinsic(llvm::Intrinsic::ctlz, {i32_},
                                                                  {mask_bits(), b_.getFalse()}));
            last = b_.CreateExtractElement(value, lane);
        }
        b_.CreateAlignedStore(last, host, llvm::Align(1));
    } else if (address.kind.spread == Spread::affine && affine_stride_fits(address.kind)) {
        const int64_t stride = address.kind.stride;
        const int64_t reach = stride * (config_.width - 1);
        site = sites_++;
        span = static_cast<uint32_t>(std::abs(reach)) + bytes;
        V low =
            reach < 0 ? b_.CreateAdd(address.v, int64(static_cast<uint64_t>(reach))) : address.v;
        branch_likely(in_range(site, low), fast, slow);
        b_.SetInsertPoint(fast);
        V delta = site_field(site, offsetof(Site, delta));
        if (stride == static_cast<int64_t>(bytes) && (!node_.mask || bytes >= 4)) {
            V host = b_.CreateIntToPtr(b_.CreateAdd(address.v, delta), ptr_);
            if (node_.mask)
                b_.CreateMaskedStore(value, host, llvm::Align(1), active());
            else
                b_.CreateAlignedStore(value, host, llvm::Align(1));
        } else {
            scatter(pointers(b_.CreateAdd(addresses(address), splat(delta)), true), value);
        }
    } else {
        site = sites_++;
        V at = addresses(address);
        branch_likely(in_range(site, at), fast, slow);
        b_.SetInsertPoint(fast);
        V host = b_.CreateAdd(at, splat(site_field(site, offsetof(Site, delta))));
        scatter(pointers(host, true), value);
    }
    b_.CreateBr(join);
    b_.SetInsertPoint(slow);
    slow_store(address, value, bytes, site, span);
    b_.CreateBr(join);
    b_.SetInsertPoint(join);
}

void Lowering::lower_atomic(const CodeUnit &unit) {
    const Operands o = operands_of(unit.insn, false);
    const unsigned rs1 = unit.insn.rs1 ? unit.insn.rs1 : no_register;
    b_.CreateAlignedStore(vector64(rs1, get(rs1)), field_address(offsetof(Thread, address)),
                          llvm::Align(8));
    const unsigned rs2 = unit.insn.rs2 ? unit.insn.rs2 : no_register;
    b_.CreateAlignedStore(vector64(rs2, get(rs2)), field_address(offsetof(Thread, value)),
                          llvm::Align(8));
    V good = call(offsetof(Helpers, atomic), i32_,
                  {mask_bits(), int32(static_cast<uint32_t>(unit.insn.op))});
    guard(b_.CreateICmpNE(good, int32(0)), ExitReason::access);
    // A loop around an atomic is likely to wait for somebody.
    b_.CreateStore(b_.CreateSub(b_.CreateLoad(i64_, fuel_), int64(32)), fuel_);
    if (o.rd == no_register)
        return;
    V raw = b_.CreateAlignedLoad(v64_, field_address(offsetof(Thread, value)), llvm::Align(8));
    const Kind kind = result_kind(config_, unit, node_.kinds, false);
    set(o.rd, kind, is_narrow(kind.rep) ? b_.CreateTrunc(raw, v32_) : raw);
}

} // namespace brgpu::jit
