// SPDX-License-Identifier: MIT
//
// Branches, jumps and what ends the inner loop.
#ifndef BRGPU_SIMT_INTERPRETER_CONTROL_HPP
#define BRGPU_SIMT_INTERPRETER_CONTROL_HPP

#include "integer.hpp"

namespace brgpu::simt::BRGPU_SIMT_BUILD {

BRGPU_SIMT_INLINE const Insn *leave_to(Context &c, uint64_t pc) {
    c.next_pc = pc;
    c.exit = Exit::go_on;
    return nullptr;
}

// All active lanes go to `target`. Going backward, or to another page, is a safe point: it uses
// fuel.
template <bool Full>
BRGPU_SIMT_INLINE const Insn *jump(Context &c, const Insn *insn, uint64_t target) {
    const uint64_t offset = target - c.page->va;
    if (offset >= page_bytes) [[unlikely]] {
        --c.fuel;
        return leave_to(c, target);
    }
    const Insn *to = &c.page->insns[offset / 2];
    if (to <= insn && --c.fuel <= 0) [[unlikely]]
        return leave_to(c, target);
    if constexpr (!Full)
        if (target > c.watch_pc) // others now stand behind us
            return leave_to(c, target);
    return to;
}

enum class Condition { eq, ne, lt, ge, ltu, geu };

template <Condition Kind>
BRGPU_SIMT_INLINE U64 holds(U64 a, U64 b) {
    if constexpr (Kind == Condition::eq)
        return (U64)(a == b);
    else if constexpr (Kind == Condition::ne)
        return (U64)(a != b);
    else if constexpr (Kind == Condition::lt)
        return (U64)((I64)a < (I64)b);
    else if constexpr (Kind == Condition::ge)
        return (U64)((I64)a >= (I64)b);
    else if constexpr (Kind == Condition::ltu)
        return (U64)(a < b);
    else
        return (U64)(a >= b);
}

template <bool Full, Condition Kind>
const Insn *branch(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    const U64 *a = row(w.x[insn->rs1]);
    const U64 *b = row(w.x[insn->rs2]);
    const U64 *bit = row(lane_constants.bit);
    U64 sum{};
    for (unsigned v = 0; v < vectors; ++v)
        sum |= holds<Kind>(a[v], b[v]) & bit[v];
    auto taken = static_cast<uint32_t>(or_across(sum));
    const uint32_t active = Full ? all_lanes : c.active;
    if constexpr (!Full)
        taken &= active;
    if (taken == 0)
        return insn + insn->halves;
    const uint64_t pc = c.pc_of(insn);
    const uint64_t target = pc + static_cast<uint64_t>(static_cast<int64_t>(insn->imm));
    if (taken == active)
        return jump<Full>(c, insn, target);
    const uint64_t next = pc + 2u * insn->halves;
    const U64 take = splat(taken);
    U64 *pcs = row(w.pc);
    for (unsigned v = 0; v < vectors; ++v) {
        const U64 chosen = (U64)((take & bit[v]) != 0);
        const U64 value = (chosen & target) | (~chosen & next);
        pcs[v] = blend<Full>(c, v, value, pcs[v]);
    }
    // A loop that only some lanes leave uses fuel too, or it would never reach a safe point.
    if (target <= pc)
        --c.fuel;
    c.exit = Exit::reschedule;
    return nullptr;
}

BRGPU_SIMT_INLINE bool is_link(uint8_t reg) {
    return reg == 1 || reg == 5;
}

template <bool Full>
BRGPU_SIMT_INLINE void change_depth(Context &c, uint32_t by) {
    Warp &w = *c.warp;
    for (unsigned lane = 0; lane < lanes; ++lane)
        w.depth[lane] += Full ? by : by & static_cast<uint32_t>(c.mask[lane]);
}

template <bool Full>
const Insn *jal(Context &c, const Insn *insn) {
    const uint64_t pc = c.pc_of(insn);
    const uint64_t target = pc + static_cast<uint64_t>(static_cast<int64_t>(insn->imm));
    if (insn->rd != sink_register) {
        write_int<Full>(c, insn, pc + 2u * insn->halves);
        if (is_link(insn->rd)) {
            change_depth<Full>(c, 1);
            --c.fuel;
            if constexpr (!Full)
                return leave_to(c, target);
        }
    }
    return jump<Full>(c, insn, target);
}

template <bool Full>
const Insn *jalr(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    const uint64_t next = c.pc_of(insn) + 2u * insn->halves;
    const U64 offset = splat(static_cast<uint64_t>(static_cast<int64_t>(insn->imm)));
    const U64 *base = row(w.x[insn->rs1]);
    alignas(64) uint64_t targets[lanes];
    const auto first = Full ? 0u : static_cast<unsigned>(__builtin_ctz(c.active));
    const uint64_t target =
        (w.x[insn->rs1][first] + static_cast<uint64_t>(static_cast<int64_t>(insn->imm))) &
        ~uint64_t{1};
    U64 differ{};
    for (unsigned v = 0; v < vectors; ++v) {
        const U64 to = (base[v] + offset) & ~uint64_t{1};
        row(targets)[v] = to;
        differ |= (to ^ target) & (Full ? ~U64{} : row(c.mask)[v]);
    }
    const bool links = is_link(insn->rd);
    if (insn->rd != sink_register)
        write_int<Full>(c, insn, next);
    if (links != is_link(insn->rs1) || (links && insn->rd == insn->rs1))
        change_depth<Full>(c, links ? 1 : UINT32_MAX);
    --c.fuel;
    if (or_across(differ) == 0) [[likely]] {
        if constexpr (!Full)
            return leave_to(c, target); // a call or return may change who goes first
        return c.fuel <= 0 ? leave_to(c, target) : jump<Full>(c, insn, target);
    }
    U64 *pcs = row(w.pc);
    for (unsigned v = 0; v < vectors; ++v)
        pcs[v] = blend<Full>(c, v, row(targets)[v], pcs[v]);
    c.exit = Exit::reschedule;
    return nullptr;
}

inline const Insn *undecoded(Context &c, const Insn *insn) {
    ++c.no_instructions;
    // The entry belongs to this worker's page; only its type is const here.
    if (c.decode_at(const_cast<Insn *>(insn)))
        return insn;
    return c.fault_from(insn, static_cast<unsigned>(__builtin_ctz(c.active)));
}

inline const Insn *page_end(Context &c, const Insn *insn) {
    --c.fuel;
    ++c.no_instructions;
    return leave_to(c, c.pc_of(insn));
}

inline const Insn *illegal(Context &c, const Insn *insn) {
    return c.raise(insn, FaultCode::illegal, static_cast<unsigned>(__builtin_ctz(c.active)),
                   insn->raw);
}

inline const Insn *environment(Context &c, const Insn *insn) {
    return c.raise(insn, FaultCode::environment, static_cast<unsigned>(__builtin_ctz(c.active)), 0);
}

inline const Insn *trap(Context &c, const Insn *insn) {
    const auto lane = static_cast<unsigned>(__builtin_ctz(c.active));
    return c.raise(insn, FaultCode::trap, lane, c.warp->x[insn->rs1][lane]);
}

inline const Insn *fence(Context &, const Insn *insn) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return insn + insn->halves;
}

inline const Insn *fence_i(Context &c, const Insn *insn) {
    c.memory->invalidate_code();
    --c.fuel;
    return leave_to(c, c.pc_of(insn) + 2u * insn->halves);
}

inline const Insn *yield(Context &c, const Insn *insn) {
    c.store_pc(c.pc_of(insn) + 2u * insn->halves);
    c.exit = Exit::yield;
    return nullptr;
}

inline const Insn *progress(Context &c, const Insn *insn) {
    c.dispatch->note_progress();
    return insn + insn->halves;
}

} // namespace brgpu::simt::BRGPU_SIMT_BUILD

#endif
