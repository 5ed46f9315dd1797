// SPDX-License-Identifier: MIT
//
// Runs workgroups in compiled code, and hands them to the interpreter where that has to go on.
#include <algorithm>
#include <cstring>
#include <new>

#include "jit.hpp"

namespace brgpu::simt {

using jit::Compiled;
using jit::ExitReason;
using jit::Result;
using jit::Runner;
using jit::Thread;

namespace {

constexpr int64_t first_fuel = 8192;

class Run {
  public:
    Run(Jit::Impl &jit, Compiled &compiled, Runner &runner, Context &context)
        : jit_(jit), compiled_(compiled), kernel_(compiled.kernel), r_(runner), t_(runner.thread),
          c_(context), group_(*context.group),
          subs_((group_.work_items + kernel_.width - 1) / kernel_.width) {}

    CompiledRun go() {
        prepare();
        const CompiledRun result = kernel_.entries == 1 ? straight() : phases();
        account();
        return result;
    }

  private:
    Jit::Impl &jit_;
    Compiled &compiled_;
    const jit::Kernel &kernel_;
    Runner &r_;
    Thread &t_;
    Context &c_;
    Workgroup::Impl &group_;
    const uint32_t subs_;

    void prepare();
    void account();
    Result enter(uint32_t first, uint32_t end, uint32_t entry, void *frame, bool leave);
    CompiledRun straight();
    CompiledRun phases();
    CompiledRun finished();
    // Gives the warps the state of sub-warps; the running one may have left by a side exit.
    void hand_over(uint32_t begun, bool exited);
    void import_sub(uint32_t sub, bool waits, bool after_barrier);
    void end_sub(uint32_t sub);
    void note_exit();
    // Asked to stop, out of budget, or what has been translated is no longer valid.
    bool must_leave() const {
        return c_.stop_asked() || r_.over_budget() || c_.memory->epoch() != c_.worker->tlb_epoch;
    }
    // After hand_over().
    CompiledRun ended_early() const {
        return c_.stop_asked() || r_.over_budget() ? CompiledRun::stopped : CompiledRun::interpret;
    }
    void *frame(uint32_t sub) { return r_.frames.data() + sub * kernel_.frame_bytes; }
};

void Run::prepare() {
    const DispatchParams &p = group_.dispatch->params();
    if (r_.compiled != &compiled_ || r_.memory != c_.memory->id() || r_.local != c_.local ||
        r_.local_bytes != c_.local_bytes || r_.epoch_of_sites != c_.worker->tlb_epoch) {
        r_.sites.assign(kernel_.sites, jit::Site{0, 0, 0});
        if (r_.memory != c_.memory->id() || r_.epoch_of_sites != c_.worker->tlb_epoch)
            for (auto &ranges : r_.ranges) {
                ranges.clear();
                ranges.reserve(64);
            }
        r_.compiled = &compiled_;
        r_.memory = c_.memory->id();
        r_.local = c_.local;
        r_.local_bytes = c_.local_bytes;
        r_.epoch_of_sites = c_.worker->tlb_epoch;
    }
    r_.context = &c_;
    r_.group = &group_;
    t_.helpers = &jit::helpers;
    t_.sites = r_.sites.data();
    t_.kernarg = p.kernarg_va;
    for (unsigned axis = 0; axis < jit::axes; ++axis) {
        t_.group_id[axis] = group_.group_id[axis];
        t_.local_size[axis] = group_.local_size[axis];
        t_.enqueued_local_size[axis] = p.workgroup[axis];
        t_.global_size[axis] = p.grid[axis];
        t_.global_offset[axis] = p.offset[axis];
        t_.num_groups[axis] = group_.dispatch->num_groups(axis);
        t_.group_origin[axis] = uint64_t{group_.group_id[axis]} * p.workgroup[axis];
        t_.global_base[axis] = p.offset[axis] + t_.group_origin[axis];
    }
    t_.work_dim = p.work_dim;
    t_.work_items = group_.work_items;
    t_.num_warps = group_.warp_count;
    t_.local_bytes = group_.dispatch->local_bytes();
    t_.static_local_bytes = p.kernel.static_local_bytes;
    t_.queue_id = p.queue_id;
    t_.cu_id = group_.cu_id;
    t_.dispatch_id = p.dispatch_id;
    if (!std::equal(std::begin(r_.local_size), std::end(r_.local_size), group_.local_size)) {
        // Padded, so that a vector may be read at the last sub-warp.
        for (auto &ids : r_.local_id)
            ids.assign(group_.work_items + lanes, 0);
        for (uint32_t i = 0; i < group_.work_items; ++i) {
            r_.local_id[0][i] = i % group_.local_size[0];
            r_.local_id[1][i] = i / group_.local_size[0] % group_.local_size[1];
            r_.local_id[2][i] = i / group_.local_size[0] / group_.local_size[1];
        }
        std::copy(std::begin(group_.local_size), std::end(group_.local_size), r_.local_size);
    }
    for (unsigned axis = 0; axis < jit::axes; ++axis)
        t_.local_id[axis] = r_.local_id[axis].data();
    r_.private_rows.resize(group_.warp_count);
    for (uint32_t i = 0; i < group_.warp_count; ++i) {
        Warp &warp = *group_.warps[i];
        r_.private_rows[i] = warp.private_memory.data();
        if (kernel_.private_low < warp.private_low)
            warp.private_low = kernel_.private_low & ~uint64_t{7};
    }
    t_.private_rows = r_.private_rows.data();
    r_.spent = r_.spent_by_sub = 0;
    r_.spending = 0;
    t_.fuel = r_.granted = first_fuel;
}

void Run::account() {
    r_.spent += static_cast<uint64_t>(r_.granted - t_.fuel);
    const uint64_t instructions = r_.spent * kernel_.width / lanes;
    c_.counters.instructions += instructions;
    c_.counters.compiled_instructions += instructions;
    c_.counters.lane_instructions += r_.spent * kernel_.width;
    jit_.instructions.fetch_add(instructions, std::memory_order_relaxed);
}

Result Run::enter(uint32_t first, uint32_t end, uint32_t entry, void *frame, bool leave) {
    t_.sub = first;
    t_.exit_lanes = 0;
    t_.exit_rows_x = t_.exit_rows_f = 0;
    t_.exit_reason = ExitReason::none;
    return static_cast<Result>(kernel_.run(&t_, first, end, entry, frame, leave));
}

void Run::note_exit() {
    jit_.exits[static_cast<size_t>(t_.exit_reason)].fetch_add(1, std::memory_order_relaxed);
    switch (t_.exit_reason) {
    case ExitReason::guard:
        compiled_.guard_exits.fetch_add(1, std::memory_order_relaxed);
        break;
    case ExitReason::access:
        if (r_.met_private)
            compiled_.private_exits.fetch_add(1, std::memory_order_relaxed);
        r_.met_private = false;
        break;
    case ExitReason::poll:
        if (!must_leave())
            compiled_.long_runs.fetch_add(1, std::memory_order_relaxed);
        break;
    default:
        break;
    }
}

CompiledRun Run::finished() {
    group_.fresh = false;
    for (uint32_t i = 0; i < group_.warp_count; ++i)
        group_.warps[i]->live = group_.warps[i]->waiting = 0;
    return CompiledRun::finished;
}

CompiledRun Run::straight() {
    for (uint32_t next = 0; next < subs_;) {
        const Result result = enter(next, subs_, 0, nullptr, false);
        next = t_.sub;
        if (result == Result::exited) {
            note_exit();
            for (uint32_t sub = 0; sub < next; ++sub)
                r_.subs[sub].done = true;
            hand_over(next, true);
            return ended_early();
        }
        if (next == subs_)
            break;
        // Between two sub-warps.
        r_.spent += static_cast<uint64_t>(r_.granted - t_.fuel);
        t_.fuel = r_.granted = first_fuel;
        if (must_leave()) {
            for (uint32_t sub = 0; sub < next; ++sub)
                r_.subs[sub].done = true;
            hand_over(UINT32_MAX, false);
            return ended_early();
        }
    }
    return finished();
}

CompiledRun Run::phases() {
    for (;;) {
        uint32_t waiting = 0;
        for (uint32_t sub = 0; sub < subs_; ++sub) {
            Runner::Sub &s = r_.subs[sub];
            if (s.done)
                continue;
            switch (enter(sub, sub + 1, s.entry, frame(sub), false)) {
            case Result::finished:
                s.done = true;
                break;
            case Result::barrier:
                s.entry = t_.next_entry;
                s.waits = true;
                ++waiting;
                break;
            case Result::exited:
                note_exit();
                s.entry = 0;
                hand_over(sub, true);
                return ended_early();
            }
            if (t_.fuel < 0) {
                r_.spent += static_cast<uint64_t>(r_.granted - t_.fuel);
                t_.fuel = r_.granted = first_fuel;
                if (must_leave()) {
                    hand_over(UINT32_MAX, false);
                    return ended_early();
                }
            }
        }
        if (waiting == 0)
            break;
        ++c_.counters.barriers;
        for (Runner::Sub &s : r_.subs)
            s.waits = false;
    }
    return finished();
}

void Run::end_sub(uint32_t sub) {
    const unsigned first = jit::first_lane_of(r_, sub);
    Warp &warp = *group_.warps[first / lanes];
    const auto bits = static_cast<uint32_t>((uint64_t{1} << kernel_.width) - 1);
    warp.live &= ~(bits << (first % lanes));
}

// From the exit buffers to the warp. Lanes of the sub-warp that are not there have ended.
void Run::import_sub(uint32_t sub, bool waits, bool after_barrier) {
    const unsigned first = jit::first_lane_of(r_, sub);
    Warp &warp = *group_.warps[first / lanes];
    const unsigned base = first % lanes;
    const auto bits = static_cast<uint32_t>((uint64_t{1} << kernel_.width) - 1);
    warp.live &= ~((bits & ~t_.exit_lanes) << base);
    for (unsigned i = 0; i < kernel_.width; ++i) {
        if (!(t_.exit_lanes >> i & 1) || !(warp.live >> (base + i) & 1))
            continue;
        const unsigned lane = base + i;
        warp.pc[lane] = t_.exit_pc[i] + (after_barrier ? 4 : 0);
        for (unsigned reg = 1; reg < lanes; ++reg)
            warp.x[reg][lane] = t_.exit_rows_x >> reg & 1 ? t_.exit_x[reg][i] : 0;
        for (unsigned reg = 0; reg < lanes; ++reg)
            warp.f[reg][lane] = t_.exit_rows_f >> reg & 1 ? t_.exit_f[reg][i] : 0;
        if (waits) {
            warp.wait[lane] = Wait::barrier;
            warp.waiting |= 1u << lane;
        }
    }
}

// `exited`: the exit buffers hold the state of sub-warp `begun`.
void Run::hand_over(uint32_t begun, bool exited) {
    group_.ready_warps();
    if (exited)
        import_sub(begun, false, false);
    for (uint32_t sub = 0; sub < subs_; ++sub) {
        if (exited && sub == begun)
            continue;
        const Runner::Sub &s = r_.subs[sub];
        if (s.done) {
            end_sub(sub);
        } else if (s.entry != 0) {
            // Reads its frame and leaves at once: it waits, or all have arrived and it has not gone
            // on.
            enter(sub, sub + 1, s.entry, frame(sub), true);
            import_sub(sub, s.waits, !s.waits);
        }
    }
}

} // namespace

CompiledRun run_compiled(Jit::Impl &jit, Compiled &compiled, Runner &runner,
                         Context &context) noexcept {
    const Workgroup::Impl &group = *context.group;
    const uint32_t width = compiled.kernel.width;
    const uint32_t subs = (group.work_items + width - 1) / width;
    try {
        runner.subs.assign(subs, {});
        runner.frames.resize(std::max(runner.frames.size(), subs * compiled.kernel.frame_bytes));
        return Run(jit, compiled, runner, context).go();
    } catch (const std::bad_alloc &) {
        // Before anything has run: what allocates stands at the start.
        context.group->ready_warps();
        return CompiledRun::interpret;
    }
}

} // namespace brgpu::simt
