// SPDX-License-Identifier: MIT
#include "dispatch.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "brgpu/hw/isa.h"
#include "scheduler.hpp"

namespace brgpu::model {
namespace {

// Warp instructions between two looks at the turn: some 100 us.
constexpr uint64_t budget_interpreted = 20'000;
// Compiled code is faster, and asks more often whether it is to stop.
constexpr uint64_t budget_compiled = 500'000;
// So many budgets, and a workgroup makes room for another of its dispatch.
constexpr unsigned quantum_budgets = 16;
// So many workgroups, and the shared counters learn of them.
constexpr uint64_t groups_a_report = 64;
// A fault that the page tables don't explain is given up after so many tries at one page.
constexpr unsigned max_tries = 8;

// The worker whose thread this is, for callbacks from the engine.
thread_local Worker *engine_caller = nullptr;

// What stands behind null pages: what is read, and where writes vanish. Nobody reads the second.
alignas(simt::page_bytes) std::byte zero_page[simt::page_bytes];
alignas(simt::page_bytes) std::byte sink_page[simt::page_bytes];

simt::JitMode mode_of_environment() {
    const char *text = std::getenv("BRGPU_JIT");
    return simt::Jit::mode_by_name(text ? text : "").value_or(simt::JitMode::off);
}

simt::PageMapping refusal(uint32_t code) {
    return {.host = nullptr, .rights = 0, .fault = code, .host_write = nullptr};
}

} // namespace

// ---- VmMemory ----

simt::PageMapping VmMemory::map_page(uint64_t page_va, uint8_t wanted) noexcept {
    using Kind = Translation::Kind;
    constexpr uint8_t writing = BRGPU_ACCESS_WRITE | BRGPU_ACCESS_ATOMIC;
    Worker &worker = *engine_caller;
    // The engine may have dropped its own for a refresh that this worker has yet to see: then what
    // the worker has kept is old, too, and must not come back through here.
    if (worker.seen.load(std::memory_order_relaxed) != points_.epoch())
        worker.tlb.clear();
    Translation page = mmu_.translate(worker, vm_, page_va, wanted, May::not_block);
    if (page.kind == Kind::fault)
        return refusal(code_of(page.fault));
    if (page.kind == Kind::null)
        return {.host = zero_page, .rights = page.rights, .fault = 0, .host_write = sink_page};
    if (page.kind != Kind::pointer)
        return refusal(code_ask);
    if (page.bytes < simt::page_bytes)
        return refusal(BRGPU_FAULT_BUS);
    uint8_t rights = page.rights;
    if ((rights & BRGPU_ACCESS_WRITE) && !(wanted & writing)) {
        // The host may have given this pointer for reading only.
        Translation writable =
            mmu_.translate(worker, vm_, page_va, static_cast<uint8_t>(wanted | BRGPU_ACCESS_WRITE),
                           May::not_block);
        if (writable.kind == Kind::pointer && writable.bytes >= simt::page_bytes)
            page = writable;
        else
            rights &= static_cast<uint8_t>(~writing);
    }
    return {.host = page.pointer,
            .rights = rights,
            .fault = 0,
            .host_write = nullptr,
            .bytes = page.bytes};
}

void VmMemory::refresh(const Worker &worker) {
    uint64_t seen = worker.seen.load(std::memory_order_relaxed);
    uint64_t known = refreshed_.load(std::memory_order_acquire);
    if (known >= seen)
        return;
    invalidate_translations();
    while (known < seen && !refreshed_.compare_exchange_weak(known, seen)) {
    }
}

uint32_t VmMemory::rights_fault(uint64_t page_va, uint8_t wanted) noexcept {
    Translation page = mmu_.translate(*engine_caller, vm_, page_va, wanted, May::not_block);
    return page.kind == Translation::Kind::fault ? code_of(page.fault) : code_ask;
}

// ---- ComputeEngine ----

ComputeEngine::ComputeEngine(const SafePoints &points, Mmu &mmu, HostPort &host,
                             const Product &product, uint32_t threads)
    : points_(points), mmu_(mmu), host_(host), product_(product), jit_(mode_of_environment()),
      memories_(mmu.vms()) {
    for (uint32_t i = 0; i < threads; i++)
        seats_.push_back(std::make_unique<Seat>());
}

VmMemory &ComputeEngine::memory(uint16_t vm) {
    std::lock_guard lock(memories_mutex_);
    if (!memories_[vm])
        memories_[vm] = std::make_unique<VmMemory>(points_, mmu_, vm);
    return *memories_[vm];
}

uint32_t ComputeEngine::cu_of(uint64_t workgroup) const {
    uint64_t cu = workgroup % product_.cus;
    uint64_t spc = workgroup / product_.cus % product_.spcs;
    uint64_t die = workgroup / product_.cus / product_.spcs % product_.dies;
    return static_cast<uint32_t>(die << 16 | spc << 8 | cu);
}

// ---- DispatchOp ----

DispatchOp::DispatchOp(ComputeEngine &engine, Queue &queue, uint16_t vm,
                       const simt::DispatchParams &params, bool hung,
                       std::unique_ptr<DispatchReport> counts)
    : Op(Kind::dispatch), engine_(engine), queue_(queue), vm_(vm), memory_(engine.memory(vm)),
      counts_(std::move(counts)),
      dispatch_(params, memory_, engine, counts_ ? counts_->observer() : nullptr, &engine.jit()),
      hung_(hung), shares_(engine.workers()) {}

// ---- who runs which workgroup ----

bool DispatchOp::Share::take_first(uint64_t &index) {
    uint64_t old = run.load(std::memory_order_acquire);
    while (old & ((1 << count_bits) - 1)) {
        index = old >> count_bits;
        if (run.compare_exchange_weak(old, old - 1 + (1 << count_bits), std::memory_order_acq_rel))
            return true;
    }
    return false;
}

bool DispatchOp::Share::take_last(uint64_t &index) {
    uint64_t old = run.load(std::memory_order_acquire);
    while (uint64_t left = old & ((1 << count_bits) - 1)) {
        index = (old >> count_bits) + left - 1;
        if (run.compare_exchange_weak(old, old - 1, std::memory_order_acq_rel))
            return true;
    }
    return false;
}

// The next of this worker's own share; else a new share, in rising order; else one of another's.
bool DispatchOp::take_fresh(const Worker &worker, uint64_t &index) {
    Share &own = shares_[worker.index];
    if (own.take_first(index))
        return true;
    const uint64_t total = dispatch_.workgroups();
    uint64_t next = next_.load(std::memory_order_relaxed);
    while (next < total) {
        // Small near the end, so that all end together. Indices that don't fit into a share's word
        // would take years to reach, but are right all the same.
        uint64_t count =
            std::clamp<uint64_t>((total - next) / (4 * shares_.size()), 1, Share::max_count);
        if (next + count > UINT64_MAX >> Share::count_bits)
            count = 1;
        if (!next_.compare_exchange_weak(next, next + count, std::memory_order_acq_rel))
            continue;
        index = next;
        if (count > 1)
            own.put(next + 1, count - 1);
        return true;
    }
    for (size_t i = 1; i < shares_.size(); i++) {
        if (shares_[(worker.index + i) % shares_.size()].take_last(index))
            return true;
    }
    return false;
}

bool DispatchOp::become_resident(Tally &tally) {
    if (tally.resident)
        return true;
    uint32_t before = resident_.load(std::memory_order_relaxed);
    do {
        if (before >= engine_.product().resident_groups)
            return false;
    } while (!resident_.compare_exchange_weak(before, before + 1, std::memory_order_acq_rel));
    tally.resident = true;
    return true;
}

void DispatchOp::give_up_residence(Tally &tally) {
    if (tally.resident)
        resident_.fetch_sub(1, std::memory_order_acq_rel);
    tally.resident = false;
}

uint64_t DispatchOp::pieces_left() const {
    if (hung_)
        return 0;
    uint64_t fresh = 0;
    if (uint32_t resident = resident_.load(std::memory_order_acquire);
        resident < engine_.product().resident_groups) {
        fresh = dispatch_.workgroups() - next_.load(std::memory_order_acquire);
        for (const Share &share : shares_)
            fresh += share.count();
        fresh = std::min<uint64_t>(fresh, engine_.product().resident_groups - resident);
    }
    return fresh + parked_count_.load(std::memory_order_acquire);
}

bool DispatchOp::finished() const {
    return !hung_ && done_.load(std::memory_order_acquire) == dispatch_.workgroups();
}

// Workgroups that have not been started come before those that wait, until as many are resident as
// the contract promises to run side by side.
bool DispatchOp::claim(const Worker &worker, Tally &tally, simt::Workgroup &group) {
    if (hung_)
        return false;
    uint64_t index;
    if (become_resident(tally) && take_fresh(worker, index)) {
        if (group.start(dispatch_, index, engine_.cu_of(index)))
            return true;
        // The host has no memory for it: report what the hardware would call a failed access.
        Fault fault;
        fault.vm = vm_;
        fault.client = BRGPU_FAULT_CLIENT_SHADER;
        fault.reason = BRGPU_FAULT_BUS;
        fail(BRGPU_QUEUE_ERROR_BUS, fault);
        return false;
    }
    // One that was set aside is resident by itself.
    give_up_residence(tally);
    if (parked_count_.load(std::memory_order_acquire) == 0)
        return false;
    std::lock_guard lock(mutex_);
    if (parked_.empty())
        return false;
    group = std::move(parked_.front());
    parked_.pop_front();
    parked_count_.fetch_sub(1, std::memory_order_acq_rel);
    tally.resident = true;
    return true;
}

void DispatchOp::park(Tally &tally, simt::Workgroup &&group) {
    if (counts_)
        counts_->add_yield();
    std::lock_guard lock(mutex_);
    parked_.push_back(std::move(group));
    parked_count_.fetch_add(1, std::memory_order_acq_rel);
    tally.resident = false; // it has the place now
}

// Counters that all workers share are written now and then, not with each workgroup.
void DispatchOp::report(Tally &tally) {
    engine_.instructions.fetch_add(std::exchange(tally.instructions, 0), std::memory_order_relaxed);
    const uint64_t groups = std::exchange(tally.groups, 0);
    if (groups != 0) {
        queue_.workgroups.fetch_add(groups, std::memory_order_relaxed);
        engine_.workgroups.fetch_add(groups, std::memory_order_relaxed);
    }
    const uint64_t progress = dispatch_.progress();
    uint64_t seen = progress_seen_.load(std::memory_order_relaxed);
    while (seen < progress) {
        if (progress_seen_.compare_exchange_weak(seen, progress, std::memory_order_relaxed)) {
            queue_.progress.fetch_add(progress - seen, std::memory_order_relaxed);
            break;
        }
    }
    done_.fetch_add(groups, std::memory_order_acq_rel);
}

Fault DispatchOp::translate_fault(Worker &worker, const simt::Fault &found) {
    Fault fault;
    fault.vm = vm_;
    fault.access = found.access;
    fault.address = found.va;
    fault.pc = found.pc;
    fault.client =
        found.access & BRGPU_ACCESS_EXEC ? BRGPU_FAULT_CLIENT_FETCH : BRGPU_FAULT_CLIENT_SHADER;
    switch (found.code) {
    case simt::FaultCode::memory:
        fault.reason = found.memory_code & 0xff;
        fault.level = found.memory_code >> 8 & 7;
        if (fault.reason == BRGPU_FAULT_NONE)
            fault.reason = BRGPU_FAULT_BUS;
        break;
    case simt::FaultCode::address:
        fault.reason = BRGPU_FAULT_ADDRESS;
        if (found.va - BRGPU_LOCAL_BASE < BRGPU_APERTURE_SIZE)
            fault.reason = BRGPU_FAULT_LOCAL;
        if (found.va - BRGPU_PRIVATE_BASE < BRGPU_APERTURE_SIZE)
            fault.reason = BRGPU_FAULT_PRIVATE;
        break;
    case simt::FaultCode::misaligned:
        fault.reason = BRGPU_FAULT_MISALIGNED;
        break;
    case simt::FaultCode::environment: {
        constexpr uint32_t ecall = 0x00000073;
        uint32_t code = 0;
        Fault ignored;
        engine_.mmu().read(worker, vm_, found.pc, &code, sizeof(code), ignored);
        fault.reason = code == ecall ? BRGPU_FAULT_ECALL : BRGPU_FAULT_EBREAK;
        break;
    }
    case simt::FaultCode::trap:
        fault.reason = BRGPU_FAULT_TRAP;
        break;
    case simt::FaultCode::deadlock:
        fault.reason = BRGPU_FAULT_DEADLOCK;
        break;
    case simt::FaultCode::descriptor:
        fault.reason = BRGPU_FAULT_TENSOR;
        fault.client = BRGPU_FAULT_CLIENT_TENSOR;
        break;
    default:
        fault.reason = BRGPU_FAULT_ILLEGAL;
        break;
    }
    return fault;
}

bool DispatchOp::handle(Worker &worker, const simt::Fault &found, Tries &tries) {
    Fault fault = translate_fault(worker, found);
    if (found.code == simt::FaultCode::memory) {
        // Ask again, the host included: rights may be wider now, or the host was not asked yet.
        uint64_t page = found.va & ~(simt::page_bytes - 1);
        // A workgroup may touch many pages that the host was not asked for yet.
        if (tries.page != page)
            tries = {page, 0};
        Translation now = engine_.mmu().translate(worker, vm_, page, found.access);
        bool good = now.kind == Translation::Kind::pointer && now.bytes >= simt::page_bytes;
        if (good && (now.rights & BRGPU_ACCESS_WRITE))
            engine_.mmu().translate(worker, vm_, page, BRGPU_ACCESS_WRITE);
        if (now.kind == Translation::Kind::gone)
            return false;
        if (good && ++tries.count < max_tries) {
            if (!(found.memory_code & VmMemory::code_ask) || tries.count > 1)
                memory_.invalidate_translations();
            return true;
        }
        if (now.kind == Translation::Kind::fault) {
            fault.reason = now.fault.reason;
            fault.level = now.fault.level;
        } else {
            fault.reason = BRGPU_FAULT_BUS;
        }
    }
    fail(error_of(fault), fault);
    return false;
}

DispatchOp::Next DispatchOp::run(Worker &worker, Turn &turn, Tally &tally, simt::Workgroup &group) {
    ComputeEngine::Seat &seat = engine_.seat(worker);
    const uint64_t budget =
        engine_.jit().mode() == simt::JitMode::off ? budget_interpreted : budget_compiled;
    Tries tries;
    for (unsigned budgets = 1;; budgets++) {
        memory_.refresh(worker);
        engine_caller = &worker;
        simt::use_build(engine_.build.load(std::memory_order_relaxed));
        simt::Outcome outcome =
            group.run(seat.worker, {.budget = budget, .stop = &worker.attention});
        engine_caller = nullptr;
        tally.instructions += outcome.counters.instructions;
        if (counts_)
            counts_->add(outcome);
        if (outcome.status == simt::Status::finished) {
            tally.groups++;
            return Next::group_done;
        }
        if (outcome.status == simt::Status::faulted && engine_.host().current(worker)) {
            if (!handle(worker, outcome.fault, tries)) {
                park(tally, std::move(group));
                return Next::leave;
            }
        } else if (outcome.counters.instructions != 0) {
            tries = {};
        }
        report(tally); // what takes so long is looked at meanwhile
        if (turn.over(worker) || stopped()) {
            park(tally, std::move(group));
            return Next::leave;
        }
        bool crowded = pieces_left() > 0;
        if (crowded && (outcome.idle || budgets >= quantum_budgets)) {
            park(tally, std::move(group));
            return Next::other_group;
        }
    }
}

void DispatchOp::work(Worker &worker, Turn &turn) {
    simt::Workgroup &group = engine_.seat(worker).spare;
    Tally tally;
    while (!stopped() && claim(worker, tally, group)) {
        Next next = run(worker, turn, tally, group);
        if (next == Next::leave || turn.over(worker))
            break;
        if (tally.groups >= groups_a_report)
            report(tally);
    }
    // What is left of the share stays there for others, and for the next turn.
    give_up_residence(tally);
    report(tally);
}

void DispatchOp::save(ImageWriter &out) const {
    std::lock_guard lock(mutex_);
    out.put(next_.load());
    out.put(done_.load());
    out.put(static_cast<uint64_t>(shares_.size()));
    for (const Share &share : shares_)
        out.put(share.run.load());
    out.put(static_cast<uint64_t>(parked_.size()));
    for (const simt::Workgroup &group : parked_) {
        if (!out.fits())
            return;
        out.put_bytes(group.save());
    }
}

bool DispatchOp::restore(ImageReader &in) {
    std::lock_guard lock(mutex_);
    const auto next = in.get<uint64_t>();
    const auto done = in.get<uint64_t>();
    bool good = in.good() && next <= dispatch_.workgroups() && done <= next &&
                in.get<uint64_t>() == shares_.size();
    uint64_t fresh = 0;
    for (size_t i = 0; good && i < shares_.size(); i++) {
        const auto run = in.get<uint64_t>();
        shares_[i].run.store(run);
        const uint64_t count = shares_[i].count(), first = run >> Share::count_bits;
        good = in.good() && count <= Share::max_count && first <= next && count <= next - first;
        fresh += count;
    }
    const auto count = in.get<uint64_t>();
    good = good && in.good() && next - done == fresh + count &&
           count <= engine_.product().resident_groups;
    for (uint64_t i = 0; good && i < count; i++) {
        simt::Workgroup group;
        good = group.restore(dispatch_, in.get_bytes()) && group.index() < next;
        parked_.push_back(std::move(group));
    }
    next_ = next;
    done_ = done;
    parked_count_ = parked_.size();
    resident_ = static_cast<uint32_t>(parked_.size());
    return good;
}

} // namespace brgpu::model
