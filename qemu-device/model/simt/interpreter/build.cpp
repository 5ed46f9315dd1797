// SPDX-License-Identifier: MIT
//
// One build of the interpreter: the table of handlers, the inner loop, and the choice of which
// lanes of a warp run next. Compiled once for each class of hosts; see vector.hpp.
#include "floating.hpp"

#define BRGPU_SIMT_STRING_OF(name) #name
#define BRGPU_SIMT_STRING(name)    BRGPU_SIMT_STRING_OF(name)
#define BRGPU_SIMT_SYMBOL_OF(name) interpreter_##name
#define BRGPU_SIMT_SYMBOL(name)    BRGPU_SIMT_SYMBOL_OF(name)

namespace brgpu::simt {
namespace BRGPU_SIMT_BUILD {
namespace {

struct HandlerTable {
    Handler at[op_count];
};

template <bool Full>
constexpr HandlerTable make_table() {
    HandlerTable t{};
    for (Handler &handler : t.at)
        handler = illegal;
    const auto set = [&t](Op op, Handler handler) { t.at[static_cast<unsigned>(op)] = handler; };

    set(Op::undecoded, undecoded);
    set(Op::page_end, page_end);
    set(Op::li, li<Full>);
    set(Op::auipc, auipc<Full>);
    set(Op::jal, jal<Full>);
    set(Op::jalr, jalr<Full>);
    set(Op::beq, branch<Full, Condition::eq>);
    set(Op::bne, branch<Full, Condition::ne>);
    set(Op::blt, branch<Full, Condition::lt>);
    set(Op::bge, branch<Full, Condition::ge>);
    set(Op::bltu, branch<Full, Condition::ltu>);
    set(Op::bgeu, branch<Full, Condition::geu>);

    set(Op::lb, load_int<Full, int8_t>);
    set(Op::lh, load_int<Full, int16_t>);
    set(Op::lw, load_int<Full, int32_t>);
    set(Op::ld, load_int<Full, uint64_t>);
    set(Op::lbu, load_int<Full, uint8_t>);
    set(Op::lhu, load_int<Full, uint16_t>);
    set(Op::lwu, load_int<Full, uint32_t>);
    set(Op::sb, store_int<Full, uint8_t>);
    set(Op::sh, store_int<Full, uint16_t>);
    set(Op::sw, store_int<Full, uint32_t>);
    set(Op::sd, store_int<Full, uint64_t>);
    set(Op::flh, load_fp<Full, uint16_t>);
    set(Op::flw, load_fp<Full, uint32_t>);
    set(Op::fld, load_fp<Full, uint64_t>);
    set(Op::fsh, store_fp<Full, uint16_t>);
    set(Op::fsw, store_fp<Full, uint32_t>);
    set(Op::fsd, store_fp<Full, uint64_t>);

    set(Op::addi, immediate<Full, alu::add>);
    set(Op::slti, immediate<Full, alu::slt>);
    set(Op::sltiu, immediate<Full, alu::sltu>);
    set(Op::xori, immediate<Full, alu::bit_xor>);
    set(Op::ori, immediate<Full, alu::bit_or>);
    set(Op::andi, immediate<Full, alu::bit_and>);
    set(Op::slli, immediate<Full, alu::sll>);
    set(Op::srli, immediate<Full, alu::srl>);
    set(Op::srai, immediate<Full, alu::sra>);
    set(Op::addiw, immediate<Full, alu::addw>);
    set(Op::slliw, immediate<Full, alu::sllw>);
    set(Op::srliw, immediate<Full, alu::srlw>);
    set(Op::sraiw, immediate<Full, alu::sraw>);
    set(Op::slli_uw, immediate<Full, alu::slli_uw>);
    set(Op::rori, immediate<Full, alu::ror>);
    set(Op::roriw, immediate<Full, alu::rorw>);
    set(Op::sext_b, immediate<Full, alu::sext_b>);
    set(Op::sext_h, immediate<Full, alu::sext_h>);
    set(Op::zext_h, immediate<Full, alu::zext_h>);

    set(Op::add, binary<Full, alu::add>);
    set(Op::sub, binary<Full, alu::sub>);
    set(Op::sll, binary<Full, alu::sll>);
    set(Op::slt, binary<Full, alu::slt>);
    set(Op::sltu, binary<Full, alu::sltu>);
    set(Op::xor_, binary<Full, alu::bit_xor>);
    set(Op::srl, binary<Full, alu::srl>);
    set(Op::sra, binary<Full, alu::sra>);
    set(Op::or_, binary<Full, alu::bit_or>);
    set(Op::and_, binary<Full, alu::bit_and>);
    set(Op::addw, binary<Full, alu::addw>);
    set(Op::subw, binary<Full, alu::subw>);
    set(Op::sllw, binary<Full, alu::sllw>);
    set(Op::srlw, binary<Full, alu::srlw>);
    set(Op::sraw, binary<Full, alu::sraw>);
    set(Op::mul, binary<Full, alu::mul>);
    set(Op::mulw, binary<Full, alu::mulw>);
    set(Op::andn, binary<Full, alu::andn>);
    set(Op::orn, binary<Full, alu::orn>);
    set(Op::xnor, binary<Full, alu::xnor>);
    set(Op::max, binary<Full, alu::max>);
    set(Op::maxu, binary<Full, alu::maxu>);
    set(Op::min, binary<Full, alu::min>);
    set(Op::minu, binary<Full, alu::minu>);
    set(Op::rol, binary<Full, alu::rol>);
    set(Op::rolw, binary<Full, alu::rolw>);
    set(Op::ror, binary<Full, alu::ror>);
    set(Op::rorw, binary<Full, alu::rorw>);
    set(Op::add_uw, binary<Full, alu::add_uw>);
    set(Op::sh1add, binary<Full, alu::shadd<1>>);
    set(Op::sh2add, binary<Full, alu::shadd<2>>);
    set(Op::sh3add, binary<Full, alu::shadd<3>>);
    set(Op::sh1add_uw, binary<Full, alu::shadd_uw<1>>);
    set(Op::sh2add_uw, binary<Full, alu::shadd_uw<2>>);
    set(Op::sh3add_uw, binary<Full, alu::shadd_uw<3>>);

    set(Op::mulh, scalar<Full, alu::mulh>);
    set(Op::mulhsu, scalar<Full, alu::mulhsu>);
    set(Op::mulhu, scalar<Full, alu::mulhu>);
    set(Op::div, scalar<Full, alu::div>);
    set(Op::divu, scalar<Full, alu::divu>);
    set(Op::rem, scalar<Full, alu::rem>);
    set(Op::remu, scalar<Full, alu::remu>);
    set(Op::divw, scalar<Full, alu::divw>);
    set(Op::divuw, scalar<Full, alu::divuw>);
    set(Op::remw, scalar<Full, alu::remw>);
    set(Op::remuw, scalar<Full, alu::remuw>);
    set(Op::clz, scalar<Full, alu::clz>);
    set(Op::clzw, scalar<Full, alu::clzw>);
    set(Op::ctz, scalar<Full, alu::ctz>);
    set(Op::ctzw, scalar<Full, alu::ctzw>);
    set(Op::cpop, scalar<Full, alu::cpop>);
    set(Op::cpopw, scalar<Full, alu::cpopw>);
    set(Op::orc_b, scalar<Full, alu::orc_b>);
    set(Op::rev8, scalar<Full, alu::rev8>);

    set(Op::fence, fence);
    set(Op::fence_i, fence_i);
    set(Op::ecall, environment);
    set(Op::ebreak, environment);
    for (unsigned op = static_cast<unsigned>(Op::csrrw); op <= static_cast<unsigned>(Op::csrrci);
         ++op)
        t.at[op] = run_csr;
    for (unsigned op = static_cast<unsigned>(Op::lr_w); op <= static_cast<unsigned>(Op::amomaxu_d);
         ++op)
        t.at[op] = run_atomic;

    // Floating point: exact unless something faster stands below.
    for (unsigned op = static_cast<unsigned>(Op::fmadd_h);
         op <= static_cast<unsigned>(Op::fp_exact); ++op)
        t.at[op] = run_fp_exact;
    using A = Arithmetic;
    set(Op::fmadd_s, multiply_add<Full, Single, false, false>);
    set(Op::fmadd_d, multiply_add<Full, Double, false, false>);
    set(Op::fmsub_s, multiply_add<Full, Single, false, true>);
    set(Op::fmsub_d, multiply_add<Full, Double, false, true>);
    set(Op::fnmsub_s, multiply_add<Full, Single, true, false>);
    set(Op::fnmsub_d, multiply_add<Full, Double, true, false>);
    set(Op::fnmadd_s, multiply_add<Full, Single, true, true>);
    set(Op::fnmadd_d, multiply_add<Full, Double, true, true>);
    set(Op::fadd_s, arithmetic<Full, A::add, Single>);
    set(Op::fadd_d, arithmetic<Full, A::add, Double>);
    set(Op::fsub_s, arithmetic<Full, A::sub, Single>);
    set(Op::fsub_d, arithmetic<Full, A::sub, Double>);
    set(Op::fmul_s, arithmetic<Full, A::mul, Single>);
    set(Op::fmul_d, arithmetic<Full, A::mul, Double>);
    set(Op::fdiv_s, arithmetic<Full, A::div, Single>);
    set(Op::fdiv_d, arithmetic<Full, A::div, Double>);
    set(Op::fsqrt_s, arithmetic<Full, A::sqrt, Single>);
    set(Op::fsqrt_d, arithmetic<Full, A::sqrt, Double>);
    set(Op::fsgnj_s, arithmetic<Full, A::sgnj, Single>);
    set(Op::fsgnj_d, arithmetic<Full, A::sgnj, Double>);
    set(Op::fsgnjn_s, arithmetic<Full, A::sgnjn, Single>);
    set(Op::fsgnjn_d, arithmetic<Full, A::sgnjn, Double>);
    set(Op::fsgnjx_s, arithmetic<Full, A::sgnjx, Single>);
    set(Op::fsgnjx_d, arithmetic<Full, A::sgnjx, Double>);
    set(Op::fmin_s, arithmetic<Full, A::min, Single>);
    set(Op::fmin_d, arithmetic<Full, A::min, Double>);
    set(Op::fmax_s, arithmetic<Full, A::max, Single>);
    set(Op::fmax_d, arithmetic<Full, A::max, Double>);
    set(Op::feq_s, compare<Full, Comparison::eq, Single>);
    set(Op::feq_d, compare<Full, Comparison::eq, Double>);
    set(Op::flt_s, compare<Full, Comparison::lt, Single>);
    set(Op::flt_d, compare<Full, Comparison::lt, Double>);
    set(Op::fle_s, compare<Full, Comparison::le, Single>);
    set(Op::fle_d, compare<Full, Comparison::le, Double>);
    set(Op::fmv_x_s, move_word_to_int<Full>);
    set(Op::fmv_x_d, move_double_to_int<Full>);
    set(Op::fmv_s_x, move_from_int<Full, Single>);
    set(Op::fmv_d_x, move_from_int<Full, Double>);
    set(Op::fcvt_w_s, to_integer<Full, Single, int32_t>);
    set(Op::fcvt_w_d, to_integer<Full, Double, int32_t>);
    set(Op::fcvt_wu_s, to_integer<Full, Single, uint32_t>);
    set(Op::fcvt_wu_d, to_integer<Full, Double, uint32_t>);
    set(Op::fcvt_l_s, to_integer<Full, Single, int64_t>);
    set(Op::fcvt_l_d, to_integer<Full, Double, int64_t>);
    set(Op::fcvt_lu_s, to_integer<Full, Single, uint64_t>);
    set(Op::fcvt_lu_d, to_integer<Full, Double, uint64_t>);
    set(Op::fcvt_s_w, from_integer<Full, Single, int32_t>);
    set(Op::fcvt_d_w, from_integer<Full, Double, int32_t>);
    set(Op::fcvt_s_wu, from_integer<Full, Single, uint32_t>);
    set(Op::fcvt_d_wu, from_integer<Full, Double, uint32_t>);
    set(Op::fcvt_s_l, from_integer<Full, Single, int64_t>);
    set(Op::fcvt_d_l, from_integer<Full, Double, int64_t>);
    set(Op::fcvt_s_lu, from_integer<Full, Single, uint64_t>);
    set(Op::fcvt_d_lu, from_integer<Full, Double, uint64_t>);
    set(Op::fcvt_s_d, change_format<Full, Double, Single>);
    set(Op::fcvt_d_s, change_format<Full, Single, Double>);
#if defined(__F16C__)
    set(Op::fadd_h, half_arithmetic<Full, A::add>);
    set(Op::fsub_h, half_arithmetic<Full, A::sub>);
    set(Op::fmul_h, half_arithmetic<Full, A::mul>);
    set(Op::fdiv_h, half_arithmetic<Full, A::div>);
    set(Op::fsqrt_h, half_arithmetic<Full, A::sqrt>);
    set(Op::fcvt_s_h, half_to_single<Full>);
    set(Op::fcvt_h_s, single_to_half<Full>);
#endif

    set(Op::barrier, run_barrier);
    set(Op::warp_sync, run_warp_sync);
    set(Op::lane_exit, run_lane_exit);
    set(Op::yield, yield);
    set(Op::progress, progress);
    set(Op::trap, trap);
    set(Op::shuffle, run_shuffle);
    set(Op::vote, run_vote);
    set(Op::tensor, run_tensor);
    return t;
}

template <bool Full>
constexpr HandlerTable table = make_table<Full>();

// Runs the active lanes until a handler gives up, or they reach others that wait to run.
template <bool Full, bool Observed = false>
uint64_t run_lanes(Context &c, const Insn *insn) {
    const Handler *handlers = table<Full>.at;
    uint64_t count = 0;
    if constexpr (Full) {
        do {
            ++count;
            if constexpr (Observed)
                c.observer->note(c, *insn, *c.observed);
            insn = handlers[static_cast<unsigned>(insn->op)](c, insn);
        } while (insn);
    } else {
        const Insn *watch = c.watch;
        do {
            ++count;
            if constexpr (Observed)
                c.observer->note(c, *insn, *c.observed);
            insn = handlers[static_cast<unsigned>(insn->op)](c, insn);
            if (insn == watch && insn) {
                leave_to(c, c.pc_of(insn));
                break;
            }
        } while (insn);
    }
    return count;
}

// Scheduling constants, in units of fuel (a backward jump is 1, an atomic 32).
constexpr int64_t fuel_between_polls = 64;
constexpr int64_t slice_of_warp = 4096;     // then the workgroup's other warps run
constexpr uint64_t patience_of_lane = 2048; // a lane that hasn't run for so long gets a turn
constexpr uint64_t length_of_turn = 512;

void set_active(Context &c, uint32_t active) {
    if (active == c.active)
        return;
    c.active = active;
    const U64 wanted = splat(active);
    for (unsigned v = 0; v < vectors; ++v)
        row(c.mask)[v] = (U64)((wanted & row(lane_constants.bit)[v]) != 0);
}

void stamp_active(Context &c) {
    Warp &w = *c.warp;
    for (unsigned v = 0; v < vectors; ++v)
        row(w.stamp)[v] = blend<false>(c, v, splat(w.clock), row(w.stamp)[v]);
}

uint32_t lanes_at(const Warp &w, uint64_t pc) {
    U64 sum{};
    for (unsigned v = 0; v < vectors; ++v)
        sum |= (U64)(row(w.pc)[v] == pc) & row(lane_constants.bit)[v];
    return static_cast<uint32_t>(or_across(sum));
}

// Picks the lanes to run and returns their pc: the deepest call first, then the lowest pc, so that
// lanes meet again behind an if or a loop. That is only a guess: a lane that starves gets a turn.
uint64_t select_lanes(Context &c) {
    Warp &w = *c.warp;
    const uint32_t runnable = w.runnable();
    const auto any = static_cast<unsigned>(__builtin_ctz(runnable));
    ++c.counters.reschedules;
    c.watch_pc = UINT64_MAX;
    if ((lanes_at(w, w.pc[any]) & runnable) == runnable) {
        w.forced = 0;
        set_active(c, runnable);
        return w.pc[any];
    }

    w.forced &= runnable;
    if (w.forced && w.clock - w.forced_since > length_of_turn)
        w.forced = 0;
    if (!w.forced) {
        unsigned oldest = any;
        for (uint32_t left = runnable; left; left &= left - 1) {
            const auto lane = static_cast<unsigned>(__builtin_ctz(left));
            if (w.stamp[lane] < w.stamp[oldest])
                oldest = lane;
        }
        if (w.clock - w.stamp[oldest] > patience_of_lane) {
            w.forced = lanes_at(w, w.pc[oldest]) & runnable;
            w.forced_since = w.clock;
        }
    }
    const uint32_t candidates = w.forced ? w.forced : runnable;
    auto best = static_cast<unsigned>(__builtin_ctz(candidates));
    for (uint32_t left = candidates; left; left &= left - 1) {
        const auto lane = static_cast<unsigned>(__builtin_ctz(left));
        const auto deeper = static_cast<int32_t>(w.depth[lane] - w.depth[best]);
        if (deeper > 0 || (deeper == 0 && w.pc[lane] < w.pc[best]))
            best = lane;
    }
    const uint64_t pc = w.pc[best];
    const uint32_t active = lanes_at(w, pc) & runnable;
    for (uint32_t left = runnable & ~active; left; left &= left - 1) {
        const uint64_t other = w.pc[static_cast<unsigned>(__builtin_ctz(left))];
        if (other > pc && other < c.watch_pc)
            c.watch_pc = other;
    }
    set_active(c, active);
    return pc;
}

// YIELD with others of the warp to run: gives the one that has waited longest a turn.
void give_turn(Context &c) {
    Warp &w = *c.warp;
    const uint32_t others = w.runnable() & ~c.active;
    auto oldest = static_cast<unsigned>(__builtin_ctz(others));
    for (uint32_t left = others; left; left &= left - 1) {
        const auto lane = static_cast<unsigned>(__builtin_ctz(left));
        if (w.stamp[lane] < w.stamp[oldest])
            oldest = lane;
    }
    w.forced = lanes_at(w, w.pc[oldest]) & others;
    w.forced_since = w.clock;
}

WarpResult run_warp(Context &c) {
    Warp &w = *c.warp;
    int64_t slice = slice_of_warp;
    uint32_t yielded = 0; // lanes that have done nothing but yield since the last turn
    c.active = 0;
    set_active(c, all_lanes);
    while (w.runnable()) {
        uint64_t pc = select_lanes(c);
        bool alone = c.active == w.runnable();
        for (;;) {
            if (pc == BRGPU_EXIT_PC) {
                exit_lanes(c, c.active);
                break;
            }
            if (!c.fetch_page(pc)) {
                c.store_pc(pc);
                c.fault.lane = static_cast<uint8_t>(__builtin_ctz(c.active));
                c.fault.pc = pc;
                return WarpResult::fault;
            }
            const uint64_t ahead = c.watch_pc - c.page->va;
            c.watch = ahead < page_bytes ? &c.page->insns[ahead / 2] : nullptr;
            const Insn *insn = &c.page->insns[(pc - c.page->va) / 2];
            c.fuel = fuel_between_polls;
            const auto active_lanes = static_cast<uint64_t>(__builtin_popcount(c.active));
            const bool full = c.active == all_lanes;
            const uint64_t calls =
                c.observer
                    ? (full ? run_lanes<true, true>(c, insn) : run_lanes<false, true>(c, insn))
                    : (full ? run_lanes<true>(c, insn) : run_lanes<false>(c, insn));
            const uint64_t count = calls - static_cast<uint64_t>(c.no_instructions);
            c.no_instructions = 0;
            c.counters.instructions += count;
            c.counters.lane_instructions += count * active_lanes;
            c.budget -= static_cast<int64_t>(calls);
            const int64_t used = fuel_between_polls - c.fuel;
            w.clock += static_cast<uint64_t>(used);
            slice -= used;

            if (c.exit == Exit::go_on) {
                pc = c.next_pc;
                const bool stop = c.budget <= 0 || c.stop_asked();
                if (!stop && alone && slice > 0) [[likely]] {
                    c.worker->observe(*c.memory);
                    continue;
                }
                c.store_pc(pc);
                stamp_active(c);
                if (stop)
                    return WarpResult::stopped;
            } else {
                stamp_active(c);
                if (c.exit == Exit::fault)
                    return WarpResult::fault;
                if (c.exit == Exit::yield) {
                    yielded |= c.active;
                    if ((w.runnable() & ~yielded) == 0)
                        return WarpResult::yield;
                    if (!alone)
                        give_turn(c);
                }
                if (c.exit == Exit::stopped || c.budget <= 0 || c.stop_asked())
                    return WarpResult::stopped;
            }
            if (slice <= 0)
                return WarpResult::slice_used;
            c.worker->observe(*c.memory);
            break;
        }
    }
    return WarpResult::idle;
}

} // namespace
} // namespace BRGPU_SIMT_BUILD

extern const InterpreterBuild BRGPU_SIMT_SYMBOL(BRGPU_SIMT_BUILD);
const InterpreterBuild BRGPU_SIMT_SYMBOL(BRGPU_SIMT_BUILD) = {
    BRGPU_SIMT_STRING(BRGPU_SIMT_BUILD),
    BRGPU_SIMT_BUILD::run_warp,
};

} // namespace brgpu::simt
