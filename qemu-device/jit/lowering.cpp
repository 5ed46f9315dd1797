// SPDX-License-Identifier: MIT
//
// The function's frame: its start, where it goes on behind barriers, side exits, the slots of
// registers, and the way through the blocks of lanes that are apart.
#include <algorithm>
#include <bit>

#include "lowering.hpp"

#include "brgpu/hw/isa.h"

namespace brgpu::jit {

using simt::jit::ExitReason;
using simt::jit::Result;
using simt::jit::Thread;

Lowering::Lowering(llvm::Module &module, const Graph &graph, const Analysis &analysis,
                   const Config &config)
    : module_(module), context_(module.getContext()), graph_(graph), analysis_(analysis),
      config_(config), b_(module.getContext()) {
    i8_ = b_.getInt8Ty();
    i16_ = b_.getInt16Ty();
    i32_ = b_.getInt32Ty();
    i64_ = b_.getInt64Ty();
    ptr_ = b_.getPtrTy();
    v32_ = llvm::FixedVectorType::get(i32_, config.width);
    v64_ = llvm::FixedVectorType::get(i64_, config.width);
}

llvm::Value *Lowering::field_address(size_t offset) {
    return b_.CreateConstInBoundsGEP1_64(i8_, thread_, offset);
}

llvm::Value *Lowering::field(size_t offset, llvm::Type *type) {
    return b_.CreateAlignedLoad(type, field_address(offset), llvm::Align(4));
}

llvm::CallInst *Lowering::call(size_t helper_offset, llvm::Type *result, std::vector<V> arguments) {
    std::vector<llvm::Type *> types;
    arguments.insert(arguments.begin(), thread_);
    for (V argument : arguments)
        types.push_back(argument->getType());
    V helpers = field(offsetof(Thread, helpers), ptr_);
    V function = b_.CreateLoad(ptr_, b_.CreateConstInBoundsGEP1_64(i8_, helpers, helper_offset));
    return b_.CreateCall(llvm::FunctionType::get(result, types, false), function, arguments);
}

// ---- Slots ----

llvm::Value *Lowering::slot(unsigned reg, const Kind &kind) {
    // Forms that may hold different bits for one value have slots of their own.
    unsigned form = 0;
    if (reg >= 32)
        form = static_cast<unsigned>(kind.rep);
    else if (kind.spread == Spread::varying)
        form = is_narrow(kind.rep) ? 1 : 0;
    const bool vector = kind.spread == Spread::varying;
    llvm::AllocaInst *&found = slots_[{reg, vector, form}];
    if (!found) {
        llvm::Type *type = i64_;
        if (vector)
            type = is_narrow(kind.rep) ? v32_ : v64_;
        else if (reg >= 32 && is_narrow(kind.rep))
            type = i32_;
        llvm::IRBuilder<> at(allocas_);
        found = at.CreateAlloca(type);
    }
    return found;
}

llvm::Value *Lowering::load_slot(unsigned reg, const Kind &kind) {
    if (kind.spread == Spread::constant)
        return reg >= 32 && is_narrow(kind.rep)
                   ? llvm::ConstantInt::get(i32_, static_cast<uint32_t>(kind.value))
                   : llvm::ConstantInt::get(i64_, kind.value);
    auto *at = llvm::cast<llvm::AllocaInst>(slot(reg, kind));
    return b_.CreateLoad(at->getAllocatedType(), at);
}

void Lowering::store_slot(unsigned reg, const Kind &kind, V value) {
    if (kind.spread != Spread::constant && kind.spread != Spread::none)
        b_.CreateStore(value, slot(reg, kind));
}

void Lowering::load_values(Node &node) {
    const Block &block = graph_.blocks[node.block];
    node.kinds = analysis_.in[node.block][node.masked];
    for (unsigned r = 1; r < registers; ++r)
        if ((block.live_in.any >> r & 1) && node.kinds[r].spread != Spread::none)
            node.values[r] = load_slot(r, node.kinds[r]);
}

// Registers that lanes elsewhere need are written for the lanes of this block only.
void Lowering::commit_blended() {
    if (!node_.masked)
        return;
    for (unsigned r = 1; r < registers; ++r) {
        const uint64_t bit = uint64_t{1} << r;
        if (!(analysis_.blended & node_.written & bit))
            continue;
        const Kind kind = Kind::of(Spread::varying, analysis_.blended_rep[r]);
        V fresh = blended_form(r, kind);
        if (!fresh)
            continue;
        store_slot(r, kind, b_.CreateSelect(active(), fresh, load_slot(r, kind)));
    }
}

// The value of a blended register in the form that masked code keeps it in. Null: no successor
// wants it, and its form may not even fit.
llvm::Value *Lowering::blended_form(unsigned reg, const Kind &kind) {
    const Block &block = graph_.blocks[node_.block];
    bool wanted = false;
    block.each_successor(
        [&](unsigned to) { wanted = wanted || (graph_.blocks[to].live_in.any >> reg & 1); });
    return wanted ? convert(reg, {node_.kinds[reg], node_.values[reg]}, kind) : nullptr;
}

// Stores what block `to` expects; the branch to it follows.
void Lowering::flow_to(int to, bool masked) {
    if (to < 0)
        return;
    const auto t = static_cast<unsigned>(to);
    for (unsigned r = 1; r < registers; ++r) {
        const uint64_t bit = uint64_t{1} << r;
        if (!(graph_.blocks[t].live_in.any & bit))
            continue;
        // Committed already.
        if (masked && node_.masked && (analysis_.blended & bit))
            continue;
        const Kind &target = analysis_.in[t][masked][r];
        V value = convert(r, {node_.kinds[r], node_.values[r]}, target);
        if (value)
            store_slot(r, target, value);
    }
}

llvm::BasicBlock *Lowering::node_block(unsigned block, bool masked) {
    BB &bb = nodes_[block][masked];
    if (!bb)
        bb = new_block(masked ? "masked" : "block");
    return bb;
}

// ---- The frame ----

void Lowering::prepare(const std::string &name) {
    auto *type = llvm::FunctionType::get(i32_, {ptr_, i32_, i32_, i32_, ptr_, i32_}, false);
    function_ = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module_);
    thread_ = function_->getArg(0);
    first_ = function_->getArg(1);
    end_ = function_->getArg(2);
    entry_ = function_->getArg(3);
    frame_ = function_->getArg(4);
    leave_ = function_->getArg(5);
    function_->addParamAttr(0, llvm::Attribute::NoAlias);
    allocas_ = new_block("entry");
    start_ = new_block("start");
    next_sub_ = new_block("next");
    flush_ = new_block("flush");
    return_exit_ = new_block("left");
    llvm::IRBuilder<> at(allocas_);
    fuel_ = at.CreateAlloca(i64_);
    sub_ = at.CreateAlloca(i32_);
    rows_ = at.CreateAlloca(ptr_);
    masks_.resize(graph_.blocks.size());
    nodes_.resize(graph_.blocks.size(), {nullptr, nullptr});
    for (unsigned i = 0; i < graph_.blocks.size(); ++i)
        if (analysis_.reached[i][1])
            masks_[i] = at.CreateAlloca(v32_);
    // The lowest private address that constants reach is where the stack ends.
    private_low_ = config_.shape.private_bytes;
    for (unsigned i = 0; i < graph_.blocks.size(); ++i)
        for (unsigned masked = 0; masked < 2; ++masked)
            for (const Kind &k : analysis_.in[i][masked])
                if (k.is_private) {
                    if (k.spread == Spread::constant && k.value >= BRGPU_PRIVATE_BASE)
                        private_low_ =
                            std::min<uint64_t>(private_low_, k.value - BRGPU_PRIVATE_BASE);
                }
    for (const CodeUnit &unit : graph_.code)
        if (unit.insn.op == Op::addi && unit.insn.rd == 2 && unit.insn.rs1 == 2 &&
            unit.insn.imm < 0)
            private_low_ = std::min<uint64_t>(
                private_low_,
                config_.shape.private_bytes -
                    std::min<uint64_t>(config_.shape.private_bytes,
                                       static_cast<uint64_t>(-int64_t{unit.insn.imm})));
    private_low_ &= ~uint64_t{7};
}

void Lowering::run(const std::string &name) {
    if (graph_.entry >= graph_.blocks.size())
        throw CannotCompile("no code at the entry");
    prepare(name);
    emit_start();
    for (unsigned i = 0; i < graph_.blocks.size(); ++i)
        for (const bool masked : {false, true})
            if (analysis_.reached[i][masked])
                emit_node(i, masked);
    emit_exits();
    emit_flush();
    emit_returns();
    emit_resumes();
}

void Lowering::emit_start() {
    b_.SetInsertPoint(start_);
    V sub = b_.CreateLoad(i32_, sub_);
    b_.CreateStore(sub, field_address(offsetof(Thread, sub))); // helpers ask for it
    V first_lane = b_.CreateMul(sub, int32(config_.width));
    // Rows of private memory: 32 lanes side by side.
    V table = field(offsetof(Thread, private_rows), ptr_);
    V warp = b_.CreateLShr(first_lane, int32(5));
    V rows = b_.CreateLoad(ptr_, b_.CreateGEP(ptr_, table, warp));
    V lane = b_.CreateAnd(first_lane, int32(31));
    b_.CreateStore(b_.CreateGEP(i64_, rows, lane), rows_);
    for (unsigned i = 0; i < graph_.blocks.size(); ++i)
        if (masks_[i])
            b_.CreateStore(llvm::Constant::getNullValue(v32_), masks_[i]);

    const State kinds = entry_state(config_);
    node_ = Node{};
    node_.kinds = kinds;
    for (unsigned r = 1; r < registers; ++r)
        node_.values[r] = kinds[r].spread == Spread::constant
                              ? llvm::ConstantInt::get(i64_, kinds[r].value)
                              : field(offsetof(Thread, kernarg), i64_);
    if (config_.shape.partial) {
        V items = b_.CreateTrunc(field(offsetof(Thread, work_items), i64_), i32_);
        V left = b_.CreateSub(items, first_lane);
        BB whole = new_block("whole"), part = new_block("part");
        branch_likely(b_.CreateICmpUGE(left, int32(config_.width)), whole, part);
        b_.SetInsertPoint(part);
        flow_to(static_cast<int>(graph_.entry), true);
        V exists = b_.CreateICmpULT(iota(32, 1), splat(left));
        b_.CreateStore(sign_mask(exists), masks_[graph_.entry]);
        b_.CreateBr(node_block(graph_.entry, true));
        b_.SetInsertPoint(whole);
    }
    flow_to(static_cast<int>(graph_.entry), false);
    b_.CreateBr(node_block(graph_.entry, false));

    b_.SetInsertPoint(next_sub_);
    V next = b_.CreateAdd(b_.CreateLoad(i32_, sub_), int32(1));
    b_.CreateStore(next, sub_);
    BB done = new_block("done"), poll = new_block("poll"), more = new_block("more");
    b_.CreateCondBr(b_.CreateICmpULT(next, end_), more, done);
    b_.SetInsertPoint(more);
    branch_likely(b_.CreateICmpSGE(b_.CreateLoad(i64_, fuel_), int64(0)), start_, poll);
    b_.SetInsertPoint(poll);
    b_.CreateBr(done); // the caller sees that some are left
    b_.SetInsertPoint(done);
    b_.CreateStore(b_.CreateLoad(i32_, sub_), field_address(offsetof(Thread, sub)));
    b_.CreateStore(b_.CreateLoad(i64_, fuel_), field_address(offsetof(Thread, fuel)));
    b_.CreateRet(int32(static_cast<uint32_t>(Result::finished)));
}

void Lowering::emit_node(unsigned index, bool masked) {
    const Block &block = graph_.blocks[index];
    b_.SetInsertPoint(node_block(index, masked));
    node_ = Node{};
    node_.block = index;
    node_.masked = masked;
    load_values(node_);
    if (masked) {
        node_.mask = b_.CreateLoad(v32_, masks_[index]);
        b_.CreateStore(llvm::Constant::getNullValue(v32_), masks_[index]);
        if (analysis_.rejoins[index] && analysis_.reached[index][0]) {
            BB together = new_block("together"), apart = new_block("apart");
            V here = bits_of(active());
            b_.CreateCondBr(b_.CreateICmpEQ(here, int32(static_cast<uint32_t>(
                                                      (uint64_t{1} << config_.width) - 1))),
                            together, apart);
            b_.SetInsertPoint(together);
            flow_to(static_cast<int>(index), false);
            b_.CreateBr(node_block(index, false));
            b_.SetInsertPoint(apart);
        }
    }
    V fuel = b_.CreateLoad(i64_, fuel_);
    if (block.loop_header) {
        // A safe point: all lanes of this block stand at its start.
        BB poll = new_block("poll"), go_on = new_block("body"), out = new_block("exit");
        BB from = b_.GetInsertBlock();
        branch_likely(b_.CreateICmpSGE(fuel, int64(0)), go_on, poll);
        b_.SetInsertPoint(poll);
        b_.CreateStore(fuel, field_address(offsetof(Thread, fuel)));
        V asked = call(offsetof(simt::jit::Helpers, poll), i32_, {});
        V more = field(offsetof(Thread, fuel), i64_);
        b_.CreateStore(more, fuel_);
        branch_likely(b_.CreateICmpEQ(asked, int32(0)), go_on, out);
        BB poll_end = b_.GetInsertBlock();
        exits_.push_back({out, node_, block.pc, ExitReason::poll, block.live_in.any});
        b_.SetInsertPoint(go_on);
        auto *phi = b_.CreatePHI(i64_, 2);
        phi->addIncoming(fuel, from);
        phi->addIncoming(more, poll_end);
        fuel = phi;
    }
    b_.CreateStore(b_.CreateSub(fuel, int64(block.count)), fuel_);
    for (uint32_t k = 0; k < block.count; ++k) {
        node_.k = k;
        const CodeUnit &unit = graph_.code[block.first + k];
        if (k + 1 == block.count && block.end != End::fall) {
            end_block(block, unit);
            return;
        }
        lower(unit);
    }
    commit_blended();
    go_to(block.next, block.next_pc);
}

// ---- Side exits ----

void Lowering::leave(uint64_t pc, ExitReason reason, uint64_t live) {
    store_exit(node_, pc, reason, live);
    b_.CreateBr(analysis_.reached.empty() || !node_.masked ? return_exit_ : flush_);
}

// Writes the registers of a node's lanes to where the engine finds them.
void Lowering::store_exit(const Node &node, uint64_t pc, ExitReason reason, uint64_t live) {
    uint64_t held = 0;
    for (unsigned r = 1; r < registers; ++r)
        if ((live >> r & 1) && node.values[r])
            held |= uint64_t{1} << r;
    store_exit(node, int64(pc), live, int64(held & 0xffffffffu), int64(held >> 32));
    if (reason != ExitReason::none)
        b_.CreateStore(int32(static_cast<uint32_t>(reason)),
                       field_address(offsetof(Thread, exit_reason)));
}

void Lowering::store_exit(const Node &node, V pc, uint64_t live, V rows_x, V rows_f) {
    const Node saved = node_;
    node_ = node;
    const auto put = [&](V address, V value) {
        if (node_.mask)
            value = b_.CreateSelect(active(), value,
                                    b_.CreateAlignedLoad(v64_, address, llvm::Align(8)));
        b_.CreateAlignedStore(value, address, llvm::Align(8));
    };
    put(field_address(offsetof(Thread, exit_pc)), splat(pc));
    for (unsigned r = 1; r < registers; ++r) {
        if (!(live >> r & 1) || !node_.values[r])
            continue;
        const size_t base = r < 32 ? offsetof(Thread, exit_x) : offsetof(Thread, exit_f);
        put(field_address(base + size_t{r % 32} * simt::jit::max_lanes * 8),
            vector64(r, {node_.kinds[r], node_.values[r]}));
    }
    const auto add = [&](size_t offset, llvm::Type *type, V more) {
        V address = field_address(offset);
        b_.CreateStore(b_.CreateOr(b_.CreateLoad(type, address), more), address);
    };
    add(offsetof(Thread, exit_rows_x), i64_, rows_x);
    add(offsetof(Thread, exit_rows_f), i64_, rows_f);
    add(offsetof(Thread, exit_lanes), i32_, mask_bits());
    node_ = saved;
}

// The exits of a node share the code that stores registers: most values are the same at all.
void Lowering::emit_exits() {
    constexpr uint64_t most_rows = 12'000; // more, and LLVM takes seconds
    std::map<std::pair<unsigned, bool>, std::vector<const PendingExit *>> groups;
    for (const PendingExit &exit : exits_)
        groups[{exit.node.block, exit.node.masked}].push_back(&exit);
    uint64_t rows = 0;
    for (const auto &[key, group] : groups) {
        uint64_t live = 0;
        for (const PendingExit *exit : group)
            live |= exit->live;
        rows += static_cast<uint64_t>(std::popcount(live)) * config_.width / 8;
        if (rows > most_rows)
            throw CannotCompile("too many values are live at too many exits");
        emit_exit_group(group, live);
    }
}

void Lowering::emit_exit_group(const std::vector<const PendingExit *> &group, uint64_t live) {
    BB tail = new_block("leave");
    Node node = group.front()->node;
    node.values = {};
    const auto count = static_cast<unsigned>(group.size());
    b_.SetInsertPoint(tail);
    auto *pc = b_.CreatePHI(i64_, count);
    auto *reason = b_.CreatePHI(i32_, count);
    llvm::PHINode *rows[2] = {b_.CreatePHI(i64_, count), b_.CreatePHI(i64_, count)};
    for (const PendingExit *exit : group) {
        uint64_t held = 0;
        for (unsigned r = 1; r < registers; ++r)
            if ((exit->live >> r & 1) && exit->node.values[r])
                held |= uint64_t{1} << r;
        pc->addIncoming(int64(exit->pc), exit->from);
        reason->addIncoming(int32(static_cast<uint32_t>(exit->reason)), exit->from);
        rows[0]->addIncoming(int64(held & 0xffffffffu), exit->from);
        rows[1]->addIncoming(int64(held >> 32), exit->from);
    }
    for (unsigned r = 1; r < registers; ++r) {
        if (!(live >> r & 1))
            continue;
        V first = nullptr;
        Kind kind;
        bool same = true, same_kind = true;
        for (const PendingExit *exit : group) {
            V value = exit->node.values[r];
            if (!value)
                continue;
            if (!first) {
                first = value;
                kind = exit->node.kinds[r];
            }
            same = same && value == first;
            same_kind = same_kind && exit->node.kinds[r] == kind;
        }
        if (!first)
            continue;
        node.kinds[r] = kind;
        node.values[r] = first;
        bool everywhere = true; // then the value is defined wherever the tail comes from
        for (const PendingExit *exit : group)
            everywhere = everywhere && exit->node.values[r];
        if (same && same_kind && everywhere)
            continue;
        std::vector<V> incoming;
        for (const PendingExit *exit : group) {
            V value = exit->node.values[r];
            if (value && !same_kind) {
                b_.SetInsertPoint(exit->from);
                value = vector64(r, {exit->node.kinds[r], value});
            }
            incoming.push_back(value);
        }
        llvm::Type *type = same_kind ? first->getType() : v64_;
        auto *phi = llvm::PHINode::Create(type, count, "", tail);
        for (unsigned i = 0; i < count; ++i)
            phi->addIncoming(incoming[i] ? incoming[i] : llvm::PoisonValue::get(type),
                             group[i]->from);
        node.values[r] = phi;
        if (!same_kind)
            node.kinds[r] = Kind::of(Spread::varying, Rep::full);
    }
    for (const PendingExit *exit : group) {
        b_.SetInsertPoint(exit->from);
        b_.CreateBr(tail);
    }
    b_.SetInsertPoint(tail);
    store_exit(node, pc, live, rows[0], rows[1]);
    b_.CreateStore(reason, field_address(offsetof(Thread, exit_reason)));
    b_.CreateBr(node.masked ? flush_ : return_exit_);
}

// Lanes that wait at other blocks leave, too.
void Lowering::emit_flush() {
    b_.SetInsertPoint(flush_);
    const size_t n = graph_.blocks.size();
    for (unsigned c = 0; c < n; ++c) {
        if (!analysis_.reached[c][1])
            continue;
        bool waits = false;
        for (unsigned b = 0; b < n && !waits; ++b)
            waits = analysis_.pending[b][c];
        if (!waits)
            continue;
        BB some = new_block("waiting"), next = new_block("flush");
        V mask = b_.CreateLoad(v32_, masks_[c]);
        b_.CreateCondBr(any(mask), some, next);
        b_.SetInsertPoint(some);
        Node node;
        node.block = c;
        node.masked = true;
        node.mask = mask;
        load_values(node);
        store_exit(node, graph_.blocks[c].pc, ExitReason::none, graph_.blocks[c].live_in.any);
        b_.CreateBr(next);
        b_.SetInsertPoint(next);
    }
    b_.CreateBr(return_exit_);
}

void Lowering::emit_returns() {
    b_.SetInsertPoint(return_exit_);
    b_.CreateStore(b_.CreateLoad(i32_, sub_), field_address(offsetof(Thread, sub)));
    b_.CreateStore(b_.CreateLoad(i64_, fuel_), field_address(offsetof(Thread, fuel)));
    b_.CreateRet(int32(static_cast<uint32_t>(Result::exited)));
}

// ---- Behind barriers ----

namespace {

uint64_t form_bytes(llvm::Type *type) {
    return (type->getPrimitiveSizeInBits().getFixedValue() / 8 + 7) & ~uint64_t{7};
}

} // namespace

void Lowering::emit_resumes() {
    b_.SetInsertPoint(allocas_);
    b_.CreateStore(first_, sub_);
    b_.CreateStore(field(offsetof(Thread, fuel), i64_), fuel_);
    auto *choose = b_.CreateSwitch(entry_, start_, static_cast<unsigned>(resumes_.size()));
    for (size_t i = 0; i < resumes_.size(); ++i) {
        const Resume resume = resumes_[i];
        BB bb = new_block("resume");
        choose->addCase(b_.getInt32(static_cast<uint32_t>(i + 1)), bb);
        b_.SetInsertPoint(bb);
        const Block &block = graph_.blocks[resume.block];
        V first_lane = b_.CreateMul(first_, int32(config_.width));
        V table = field(offsetof(Thread, private_rows), ptr_);
        V rows =
            b_.CreateLoad(ptr_, b_.CreateGEP(ptr_, table, b_.CreateLShr(first_lane, int32(5))));
        b_.CreateStore(b_.CreateGEP(i64_, rows, b_.CreateAnd(first_lane, int32(31))), rows_);
        for (unsigned c = 0; c < graph_.blocks.size(); ++c)
            if (masks_[c])
                b_.CreateStore(llvm::Constant::getNullValue(v32_), masks_[c]);
        uint64_t offset = 0;
        const auto take = [&](llvm::Type *type) {
            V value = b_.CreateAlignedLoad(type, b_.CreateConstInBoundsGEP1_64(i8_, frame_, offset),
                                           llvm::Align(8));
            offset += form_bytes(type);
            return value;
        };
        if (resume.masked)
            b_.CreateStore(take(v32_), masks_[resume.block]);
        for (unsigned r = 1; r < registers; ++r) {
            const Kind &kind = analysis_.in[resume.block][resume.masked][r];
            if (!(block.live_in.any >> r & 1) || kind.spread == Spread::constant ||
                kind.spread == Spread::none)
                continue;
            auto *at = llvm::cast<llvm::AllocaInst>(slot(r, kind));
            b_.CreateStore(take(at->getAllocatedType()), at);
        }
        BB out = new_block("exit");
        branch_likely(b_.CreateICmpEQ(leave_, int32(0)), node_block(resume.block, resume.masked),
                      out);
        b_.SetInsertPoint(out);
        Node node;
        node.block = resume.block;
        node.masked = resume.masked;
        load_values(node);
        if (resume.masked)
            node.mask = b_.CreateLoad(v32_, masks_[resume.block]);
        store_exit(node, resume.barrier_pc, ExitReason::none, block.live_in.any);
        b_.CreateBr(return_exit_);
        b_.SetInsertPoint(allocas_);
    }
}

} // namespace brgpu::jit
