// SPDX-License-Identifier: MIT
//
// The life of a workgroup: start, the turns of its warps, barriers, the end.
#include <cfenv>
#include <cstring>
#include <new>

#include "jit.hpp"

namespace brgpu::simt {
namespace {

// A smaller budget is meant to be kept to: the interpreter does that. Compiled code runs to the end
// or until it is asked to stop.
constexpr uint64_t least_compiled_budget = 10'000;

// Keeps the caller's floating-point environment away from the lanes', and the reverse.
class DefaultFloatingPoint {
  public:
    DefaultFloatingPoint() noexcept {
        std::fegetenv(&saved_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~DefaultFloatingPoint() { std::fesetenv(&saved_); }
    DefaultFloatingPoint(const DefaultFloatingPoint &) = delete;
    DefaultFloatingPoint &operator=(const DefaultFloatingPoint &) = delete;

  private:
    std::fenv_t saved_;
};

// Zeroes [from, end of memory); whole pages are given back instead where that is cheaper.
void clear_from(LazyMemory &memory, size_t from) noexcept {
    if (from < memory.size())
        std::memset(memory.data() + from, 0, memory.size() - from);
}

} // namespace

Workgroup::Workgroup() noexcept = default;
Workgroup::Workgroup(Workgroup &&) noexcept = default;
Workgroup &Workgroup::operator=(Workgroup &&) noexcept = default;
Workgroup::~Workgroup() = default;

uint64_t Workgroup::index() const noexcept {
    return impl_ ? impl_->index : 0;
}

bool Workgroup::Impl::setup(Dispatch &new_dispatch, uint64_t new_index,
                            uint32_t new_cu_id) noexcept {
    const DispatchParams &params = new_dispatch.params();
    dispatch = &new_dispatch;
    index = new_index;
    cu_id = new_cu_id;
    next_warp = 0;
    tensor_used = false;
    work_items = 1;
    uint64_t rest = new_index;
    for (unsigned axis = 0; axis < 3; ++axis) {
        const uint32_t groups = new_dispatch.num_groups(axis);
        group_id[axis] = static_cast<uint32_t>(rest % groups);
        rest /= groups;
        const uint64_t start = uint64_t{group_id[axis]} * params.workgroup[axis];
        const uint64_t left = params.grid[axis] - start;
        local_size[axis] =
            left < params.workgroup[axis] ? static_cast<uint32_t>(left) : params.workgroup[axis];
        work_items *= local_size[axis];
    }
    warp_count = (work_items + lanes - 1) / lanes;
    local_bytes = new_dispatch.local_bytes();
    private_bytes = params.kernel.private_bytes;
    try {
        while (warps.size() < warp_count) {
            warps.push_back(std::make_unique<Warp>());
            warps.back()->private_low = 0;
        }
    } catch (const std::bad_alloc &) {
        return false;
    }
    // Rounded up, so that recycling between kernels of like size doesn't map anew.
    const size_t local_size_bytes = (local_bytes + page_bytes - 1) & ~(page_bytes - 1);
    if (local.size() < local_size_bytes) {
        if (!local.resize(local_size_bytes))
            return false;
    } else if (local_bytes) {
        std::memset(local.data(), 0, local_bytes);
    }
    for (uint32_t i = 0; i < warp_count; ++i) {
        Warp &warp = *warps[i];
        const size_t bytes = private_bytes * lanes;
        if (warp.private_memory.size() == bytes)
            clear_from(warp.private_memory, warp.private_low * lanes);
        else if (!warp.private_memory.resize(bytes))
            return false;
        warp.private_low = private_bytes;
    }
    fresh = true;
    return true;
}

void Workgroup::Impl::ready_warps() noexcept {
    fresh = false;
    const uint64_t entry = dispatch->entry_pc();
    const uint64_t kernarg = dispatch->params().kernarg_va;
    for (uint32_t i = 0; i < warp_count; ++i) {
        Warp &warp = *warps[i];
        const uint32_t first = i * lanes;
        warp.reset(i, work_items - first < lanes ? work_items - first : lanes);
        for (unsigned lane = 0; lane < lanes; ++lane) {
            warp.pc[lane] = entry;
            warp.x[1][lane] = BRGPU_EXIT_PC;
            warp.x[2][lane] = BRGPU_PRIVATE_BASE + private_bytes;
            warp.x[4][lane] = BRGPU_LOCAL_BASE;
            warp.x[10][lane] = kernarg;
        }
    }
}

bool Workgroup::Impl::ensure_tensor() noexcept {
    if (tensor_used)
        return true;
    if (tensor.size() == BRGPU_TENSOR_BYTES)
        std::memset(tensor.data(), 0, tensor.size());
    else if (!tensor.resize(BRGPU_TENSOR_BYTES))
        return false;
    tensor_used = true;
    return true;
}

bool Workgroup::start(Dispatch &dispatch, uint64_t index, uint32_t cu_id) noexcept {
    if (index >= dispatch.workgroups())
        return false;
    if (!impl_)
        impl_.reset(new (std::nothrow) Impl);
    if (!impl_ || !impl_->setup(dispatch, index, cu_id)) {
        impl_.reset();
        return false;
    }
    return true;
}

namespace {

enum class Step : uint8_t { go_on, finished, deadlock };

// No warp can run: either all are done, or a barrier is complete, or nothing ever happens again.
Step resolve_blocked(Workgroup::Impl &group, Counters &counters, Fault &fault) noexcept {
    bool any = false, complete = true;
    for (uint32_t i = 0; i < group.warp_count; ++i) {
        const Warp &warp = *group.warps[i];
        for (uint32_t left = warp.live; left; left &= left - 1) {
            const auto lane = static_cast<unsigned>(std::countr_zero(left));
            if (!any) {
                fault.warp = static_cast<uint16_t>(i);
                fault.lane = static_cast<uint8_t>(lane);
                fault.pc = warp.pc[lane];
            }
            any = true;
            complete = complete && warp.wait[lane] == Wait::barrier;
        }
    }
    if (!any)
        return Step::finished;
    if (!complete)
        return Step::deadlock;
    ++counters.barriers;
    for (uint32_t i = 0; i < group.warp_count; ++i) {
        Warp &warp = *group.warps[i];
        for (uint32_t left = warp.live; left; left &= left - 1) {
            const auto lane = static_cast<unsigned>(std::countr_zero(left));
            warp.pc[lane] += 4;
            warp.wait[lane] = Wait::none;
            warp.stamp[lane] = warp.clock;
        }
        warp.waiting = 0;
    }
    return Step::go_on;
}

} // namespace

Outcome Workgroup::run(Worker &worker, const RunLimits &limits) noexcept {
    Outcome outcome;
    if (!impl_)
        return outcome;
    Impl &group = *impl_;
    DefaultFloatingPoint environment;

    Context c;
    c.group = &group;
    c.dispatch = group.dispatch;
    c.memory = &group.dispatch->memory();
    c.worker = &worker.impl();
    c.build = &current_build();
    c.stop = limits.stop;
    c.budget = limits.budget > INT64_MAX ? INT64_MAX : static_cast<int64_t>(limits.budget);
    c.local = group.local.data();
    c.local_bytes = group.local_bytes;
    c.private_bytes = group.private_bytes;
    c.observer = group.dispatch->observer();
    Observer::Counts observed{};
    c.observed = &observed;
    c.worker->enter(*c.memory);

    // Who observes sees every instruction, so all are interpreted.
    Jit::Impl *jit = group.dispatch->jit() && !group.dispatch->observer()
                         ? &group.dispatch->jit()->impl()
                         : nullptr;
    jit::Runner *runner = jit ? c.worker->ready_runner() : nullptr;
    const auto finish = [&](Status status) {
        c.worker->leave();
        if (runner && c.counters.instructions > c.counters.compiled_instructions)
            jit->note_interpreted(*runner,
                                  c.counters.instructions - c.counters.compiled_instructions);
        outcome.status = status;
        outcome.counters = c.counters;
        if (c.observer)
            c.observer->add(observed);
        if (status == Status::faulted) {
            outcome.fault = c.fault;
            outcome.fault.workgroup = group.index;
        }
        return outcome;
    };

    if (group.fresh && runner && limits.budget >= least_compiled_budget && !c.stop_asked()) {
        if (jit::Compiled *compiled = jit->find(*runner, c, group)) {
            switch (run_compiled(*jit, *compiled, *runner, c)) {
            case CompiledRun::finished:
                return finish(Status::finished);
            case CompiledRun::stopped:
                return finish(Status::yielded);
            case CompiledRun::interpret:
                break;
            }
            c.worker->observe(*c.memory);
        }
    }
    if (group.fresh)
        group.ready_warps();

    uint32_t runnable = 0, yielding = 0; // warps in the current round
    uint32_t turns = 0;
    for (;;) {
        if (turns == group.warp_count) {
            if (runnable == 0) {
                switch (resolve_blocked(group, c.counters, c.fault)) {
                case Step::finished:
                    return finish(Status::finished);
                case Step::deadlock:
                    c.fault.code = FaultCode::deadlock;
                    return finish(Status::faulted);
                case Step::go_on:
                    break;
                }
            } else if (runnable == yielding) {
                outcome.idle = true;
                return finish(Status::yielded);
            }
            turns = runnable = yielding = 0;
        }
        Warp &warp = *group.warps[group.next_warp];
        ++turns;
        if (warp.runnable() == 0) {
            group.next_warp = (group.next_warp + 1) % group.warp_count;
            continue;
        }
        ++runnable;
        c.warp = &warp;
        const WarpResult result = c.build->run_warp(c);
        switch (result) {
        case WarpResult::fault:
            c.fault.warp = static_cast<uint16_t>(warp.index);
            return finish(Status::faulted);
        case WarpResult::stopped:
            return finish(Status::yielded);
        case WarpResult::yield:
            ++yielding;
            break;
        case WarpResult::idle:
        case WarpResult::slice_used:
            break;
        }
        group.next_warp = (group.next_warp + 1) % group.warp_count;
        if (c.budget <= 0 || c.stop_asked())
            return finish(Status::yielded);
        c.worker->observe(*c.memory);
    }
}

Outcome run_dispatch(Dispatch &dispatch, Worker &worker, const RunLimits &limits) {
    Outcome total;
    Workgroup group;
    RunLimits left = limits;
    const auto add = [&](const Counters &from) {
        total.counters.instructions += from.instructions;
        total.counters.lane_instructions += from.lane_instructions;
        total.counters.barriers += from.barriers;
        total.counters.reschedules += from.reschedules;
        total.counters.compiled_instructions += from.compiled_instructions;
    };
    while (const auto index = dispatch.take_workgroup()) {
        if (!group.start(dispatch, *index, 0))
            throw std::bad_alloc();
        for (;;) {
            const Outcome out = group.run(worker, left);
            add(out.counters);
            total.status = out.status;
            total.fault = out.fault;
            if (out.status == Status::faulted)
                return total;
            if (out.status == Status::finished)
                break;
            if (limits.stop && limits.stop->load())
                return total;
            if (limits.budget != UINT64_MAX) {
                if (total.counters.instructions >= limits.budget)
                    return total;
                left.budget = limits.budget - total.counters.instructions;
            }
        }
    }
    return total;
}

} // namespace brgpu::simt
