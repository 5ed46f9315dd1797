// SPDX-License-Identifier: MIT
//
// The ends of blocks.
#include <algorithm>

#include "lowering.hpp"

#include "brgpu/hw/isa.h"

namespace brgpu::jit {

using simt::jit::ExitReason;
using simt::jit::Result;
using simt::jit::Thread;

// Blocks at which lanes can wait while the masked `block` runs, lowest first.
std::vector<unsigned> Lowering::waiting_at(unsigned block) const {
    std::vector<unsigned> found;
    for (unsigned c = 0; c < graph_.blocks.size(); ++c)
        if (analysis_.pending[block][c])
            found.push_back(c);
    return found;
}

// Goes to the lowest of these blocks that has lanes.
void Lowering::dispatch(std::vector<unsigned> candidates, bool may_be_none) {
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    for (size_t i = 0; i < candidates.size(); ++i) {
        const unsigned c = candidates[i];
        if (i + 1 == candidates.size() && !may_be_none) {
            b_.CreateBr(node_block(c, true));
            return;
        }
        BB next = new_block("else");
        b_.CreateCondBr(any(b_.CreateLoad(v32_, masks_[c])), node_block(c, true), next);
        b_.SetInsertPoint(next);
    }
    b_.CreateBr(next_sub_);
}

// All lanes of the node go to one block.
void Lowering::go_to(int to, uint64_t pc) {
    if (to < 0) {
        leave(pc, ExitReason::unsupported, everything.any);
        return;
    }
    const auto t = static_cast<unsigned>(to);
    flow_to(to, node_.masked);
    if (!node_.masked) {
        b_.CreateBr(node_block(t, false));
        return;
    }
    std::vector<unsigned> others = waiting_at(node_.block);
    V there = b_.CreateLoad(v32_, masks_[t]);
    b_.CreateStore(b_.CreateOr(there, node_.mask), masks_[t]);
    if (others.empty() || t <= others.front()) {
        b_.CreateBr(node_block(t, true));
        return;
    }
    others.erase(std::remove_if(others.begin(), others.end(), [&](unsigned c) { return c > t; }),
                 others.end());
    others.push_back(t);
    dispatch(others, false);
}

// The node's lanes have ended.
void Lowering::end_lanes() {
    if (!node_.masked)
        b_.CreateBr(next_sub_);
    else
        dispatch(waiting_at(node_.block), true);
}

void Lowering::branch_on(const Block &block, const CodeUnit &last) {
    const auto reg = [](unsigned r) { return r ? r : no_register; };
    const unsigned rs1 = reg(last.insn.rs1), rs2 = reg(last.insn.rs2);
    const bool one = get(rs1).kind.one() && get(rs2).kind.one();
    V taken = compare(last.insn.op, rs1, rs2);
    commit_blended();
    BB to_taken = new_block("taken"), to_next = new_block("next");
    if (one) {
        b_.CreateCondBr(taken, to_taken, to_next);
        b_.SetInsertPoint(to_taken);
        go_to(block.taken, block.taken_pc);
        b_.SetInsertPoint(to_next);
        go_to(block.next, block.next_pc);
        return;
    }
    V here = active();
    V yes = node_.mask ? b_.CreateAnd(taken, here) : taken;
    V no = node_.mask ? b_.CreateAnd(b_.CreateNot(taken), here) : b_.CreateNot(taken);
    V yes_bits = bits_of(yes);
    BB split = new_block("split"), some = new_block("some");
    V all_bits = mask_bits();
    b_.CreateCondBr(b_.CreateICmpEQ(yes_bits, all_bits), to_taken, some);
    b_.SetInsertPoint(some);
    b_.CreateCondBr(b_.CreateICmpEQ(yes_bits, int32(0)), to_next, split);
    b_.SetInsertPoint(to_taken);
    go_to(block.taken, block.taken_pc);
    b_.SetInsertPoint(to_next);
    go_to(block.next, block.next_pc);

    b_.SetInsertPoint(split);
    if (block.taken < 0 || block.next < 0) {
        // One side is not compiled: both leave, each to its own place.
        V sides[2] = {yes, no};
        const uint64_t pcs[2] = {block.taken_pc, block.next_pc};
        for (unsigned i = 0; i < 2; ++i) {
            Node node = node_;
            node.mask = sign_mask(sides[i]);
            store_exit(node, pcs[i], ExitReason::unsupported, everything.any);
        }
        b_.CreateBr(node_.masked ? flush_ : return_exit_);
        return;
    }
    flow_to(block.taken, true);
    flow_to(block.next, true);
    const auto add = [&](int to, V lanes) {
        V slot = masks_[static_cast<size_t>(to)];
        V mask = sign_mask(lanes);
        b_.CreateStore(b_.CreateOr(b_.CreateLoad(v32_, slot), mask), slot);
    };
    add(block.taken, yes);
    add(block.next, no);
    std::vector<unsigned> candidates = waiting_at(node_.block);
    if (!node_.masked)
        candidates.clear();
    candidates.push_back(static_cast<unsigned>(block.taken));
    candidates.push_back(static_cast<unsigned>(block.next));
    // Both sides have lanes, so the lower of them or one below it is next.
    std::sort(candidates.begin(), candidates.end());
    const auto first_known = static_cast<unsigned>(std::min(block.taken, block.next));
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(),
                                    [&](unsigned c) { return c > first_known; }),
                     candidates.end());
    dispatch(candidates, false);
}

void Lowering::barrier(const Block &block, const CodeUnit &last) {
    if (block.next < 0) {
        leave(last.pc, ExitReason::unsupported, everything.any);
        return;
    }
    const auto next = static_cast<unsigned>(block.next);
    if (node_.masked) {
        V elsewhere = llvm::Constant::getNullValue(v32_);
        const std::vector<unsigned> others = waiting_at(node_.block);
        for (const unsigned c : others)
            elsewhere = b_.CreateOr(elsewhere, b_.CreateLoad(v32_, masks_[c]));
        if (!others.empty())
            guard(b_.CreateNot(any(elsewhere)), ExitReason::divergence);
    }
    commit_blended();
    uint64_t offset = 0;
    const auto put = [&](V value) {
        b_.CreateAlignedStore(value, b_.CreateConstInBoundsGEP1_64(i8_, frame_, offset),
                              llvm::Align(8));
        offset +=
            (value->getType()->getPrimitiveSizeInBits().getFixedValue() / 8 + 7) & ~uint64_t{7};
    };
    if (node_.masked)
        put(node_.mask);
    for (unsigned r = 1; r < registers; ++r) {
        const Kind &kind = analysis_.in[next][node_.masked][r];
        if (!(graph_.blocks[next].live_in.any >> r & 1) || kind.spread == Spread::constant ||
            kind.spread == Spread::none)
            continue;
        const bool committed = node_.masked && (analysis_.blended >> r & 1);
        put(committed ? load_slot(r, kind) : convert(r, {node_.kinds[r], node_.values[r]}, kind));
    }
    frame_bytes_ = std::max(frame_bytes_, offset);
    resumes_.push_back({next, node_.masked, last.pc});
    b_.CreateStore(int32(static_cast<uint32_t>(resumes_.size())),
                   field_address(offsetof(Thread, next_entry)));
    b_.CreateStore(b_.CreateLoad(i32_, sub_), field_address(offsetof(Thread, sub)));
    b_.CreateStore(b_.CreateLoad(i64_, fuel_), field_address(offsetof(Thread, fuel)));
    b_.CreateRet(int32(static_cast<uint32_t>(Result::barrier)));
}

// To the call that the link register names, or the kernel's end.
void Lowering::return_on(const Block &block, const CodeUnit &last) {
    const Value target = get(last.insn.rs1);
    V to = target.v;
    if (!target.kind.one()) {
        V all_targets = vector64(last.insn.rs1, target);
        V lane = b_.CreateIntrinsic(llvm::Intrinsic::cttz, {i32_}, {mask_bits(), b_.getFalse()});
        to = b_.CreateExtractElement(all_targets, lane);
        guard(all(b_.CreateICmpEQ(all_targets, splat(to))), ExitReason::indirect);
    }
    commit_blended();
    BB lost = new_block("lost"), ended = new_block("ended");
    auto *choose = b_.CreateSwitch(to, lost, static_cast<unsigned>(block.returns.size() + 1));
    choose->addCase(b_.getInt64(BRGPU_EXIT_PC), ended);
    for (const unsigned behind : block.returns) {
        const uint64_t pc = graph_.blocks[behind].pc;
        if (choose->findCaseValue(b_.getInt64(pc)) != choose->case_default())
            continue;
        BB bb = new_block("return");
        choose->addCase(b_.getInt64(pc), bb);
        b_.SetInsertPoint(bb);
        go_to(static_cast<int>(behind), pc);
    }
    b_.SetInsertPoint(ended);
    end_lanes();
    b_.SetInsertPoint(lost);
    leave(last.pc, ExitReason::indirect, block.before[block.count - 1].any);
}

void Lowering::end_block(const Block &block, const CodeUnit &last) {
    const uint64_t live = block.before[block.count - 1].any;
    switch (block.end) {
    case End::branch:
        branch_on(block, last);
        return;
    case End::barrier:
        barrier(block, last);
        return;
    case End::finish:
        end_lanes();
        return;
    case End::indirect: {
        const unsigned rs1 = last.insn.rs1 ? last.insn.rs1 : no_register;
        if (last.insn.rd != simt::sink_register) {
            leave(last.pc, ExitReason::indirect, live);
            return;
        }
        // Almost always the return from the kernel.
        const Value target = get(rs1);
        const auto exit_pc =
            static_cast<uint64_t>(BRGPU_EXIT_PC - static_cast<uint64_t>(int64_t{last.insn.imm}));
        if (target.kind.one())
            guard(b_.CreateICmpEQ(target.v, int64(exit_pc)), ExitReason::indirect);
        else
            guard(all(b_.CreateICmpEQ(vector64(rs1, target), splat(int64(exit_pc)))),
                  ExitReason::indirect);
        end_lanes();
        return;
    }
    case End::returns:
        return_on(block, last);
        return;
    default:
        leave(last.pc, ExitReason::unsupported, live);
        return;
    }
}

} // namespace brgpu::jit
