// SPDX-License-Identifier: MIT
//
// DISPATCH: workgroups of a kernel, run by the SIMT engine on the card's workers.
#ifndef BRGPU_MODEL_DISPATCH_HPP
#define BRGPU_MODEL_DISPATCH_HPP

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "mmu.hpp"
#include "op.hpp"
#include "products.hpp"
#include "queue.hpp"
#include "report.hpp"
#include "simt/builds.hpp"
#include "simt/engine.hpp"

namespace brgpu::model {

// A VM as the engine sees it. Lives as long as the card; used by every worker. It never asks the
// host: what the host has to be asked for is answered by code_ask, resolved outside of the engine,
// and tried again.
class VmMemory final : public simt::Memory {
  public:
    static constexpr uint32_t code_ask = 1u << 31;

    VmMemory(const SafePoints &points, Mmu &mmu, uint16_t vm)
        : points_(points), mmu_(mmu), vm_(vm) {}

    // Before a worker runs a workgroup: what the engine has kept from before the epoch that the
    // worker has seen is dropped when it enters.
    void refresh(const Worker &worker);

    simt::PageMapping map_page(uint64_t page_va, uint8_t wanted) noexcept override;
    uint32_t rights_fault(uint64_t page_va, uint8_t wanted) noexcept override;

    static uint32_t code_of(const Fault &fault) { return fault.reason | fault.level << 8; }

  private:
    const SafePoints &points_;
    Mmu &mmu_;
    const uint16_t vm_;
    std::atomic<uint64_t> refreshed_{0}; // epoch of the last refresh
};

// The part of the card that runs kernels: the engine's state of each worker, and the VMs.
class ComputeEngine final : public simt::Host {
  public:
    ComputeEngine(const SafePoints &points, Mmu &mmu, HostPort &host, const Product &product,
                  uint32_t threads);

    VmMemory &memory(uint16_t vm);
    void invalidate_code(uint16_t vm) { memory(vm).invalidate_code(); }

    // Compiled kernels. At first in the mode that the environment variable BRGPU_JIT names, if it
    // names one.
    simt::Jit &jit() { return jit_; }

    uint64_t timestamp_ns() noexcept override { return host_.timestamp(); }
    void warn(const char *text) noexcept override { host_.log(BRGPU_MODEL_LOG_INFO, text); }
    uint32_t cu_of(uint64_t workgroup) const;

    struct Seat {
        simt::Worker worker;
        simt::Workgroup spare;
    };
    Seat &seat(const Worker &worker) { return *seats_[worker.index]; }
    size_t workers() const { return seats_.size(); }

    Mmu &mmu() { return mmu_; }
    HostPort &host() { return host_; }
    const Product &product() const { return product_; }

    // Which build runs; null: the host's best. Any thread.
    std::atomic<const simt::InterpreterBuild *> build{nullptr};

    std::atomic<uint64_t> instructions{0};
    std::atomic<uint64_t> workgroups{0};
    std::atomic<uint64_t> dispatches{0};

  private:
    const SafePoints &points_;
    Mmu &mmu_;
    HostPort &host_;
    const Product &product_;
    simt::Jit jit_;                            // before the seats, which use it
    std::vector<std::unique_ptr<Seat>> seats_; // by Worker::index
    std::mutex memories_mutex_;                // protects memories_; a leaf lock
    std::vector<std::unique_ptr<VmMemory>> memories_;
};

class DispatchOp final : public Op {
  public:
    // check_dispatch(params) has been none. A hung one never runs anything (fault on demand).
    // `counts` is null where the packet asks for no report.
    DispatchOp(ComputeEngine &engine, Queue &queue, uint16_t vm, const simt::DispatchParams &params,
               bool hung, std::unique_ptr<DispatchReport> counts);

    uint64_t pieces_left() const override;
    bool finished() const override;
    void work(Worker &worker, Turn &turn) override;
    void save(ImageWriter &out) const override;
    bool restore(ImageReader &in);

    const simt::DispatchParams &params() const { return dispatch_.params(); }
    const DispatchReport *counts() const { return counts_.get(); }

  private:
    enum class Next { group_done, other_group, leave };

    // Workgroups that have not been started, of which one worker takes the first and others steal
    // the last: a run of at most max_count, packed into a word.
    struct alignas(64) Share {
        static constexpr unsigned count_bits = 8;
        static constexpr uint64_t max_count = 32;
        std::atomic<uint64_t> run{0}; // first << count_bits | count

        uint64_t count() const {
            return run.load(std::memory_order_acquire) & ((1 << count_bits) - 1);
        }
        // Only while it is empty.
        void put(uint64_t first, uint64_t count) {
            run.store(first << count_bits | count, std::memory_order_release);
        }
        bool take_first(uint64_t &index);
        bool take_last(uint64_t &index);
    };
    // Of a workgroup that faults where translation finds nothing wrong.
    struct Tries {
        uint64_t page = 0;
        unsigned count = 0;
    };
    // What a worker has done since it last said so.
    struct Tally {
        uint64_t groups = 0;
        uint64_t instructions = 0;
        bool resident = false; // it may have a workgroup that is neither parked nor finished
    };

    bool claim(const Worker &worker, Tally &tally, simt::Workgroup &group);
    bool take_fresh(const Worker &worker, uint64_t &index);
    bool become_resident(Tally &tally);
    void give_up_residence(Tally &tally);
    void park(Tally &tally, simt::Workgroup &&group);
    void report(Tally &tally);
    Next run(Worker &worker, Turn &turn, Tally &tally, simt::Workgroup &group);
    // What to do about a fault: true to try again.
    bool handle(Worker &worker, const simt::Fault &fault, Tries &tries);
    Fault translate_fault(Worker &worker, const simt::Fault &fault);

    ComputeEngine &engine_;
    Queue &queue_;
    const uint16_t vm_;
    VmMemory &memory_;
    const std::unique_ptr<DispatchReport> counts_; // before dispatch_, which may have its observer
    simt::Dispatch dispatch_;
    const bool hung_;

    std::vector<Share> shares_;         // by Worker::index
    std::atomic<uint64_t> next_{0};     // first workgroup that nobody has a share in
    std::atomic<uint64_t> done_{0};     // that workers have reported
    std::atomic<uint32_t> resident_{0}; // started and not finished
    std::atomic<uint64_t> parked_count_{0};
    std::atomic<uint64_t> progress_seen_{0};
    mutable std::mutex mutex_; // protects parked_; a leaf lock, for what is set aside
    std::deque<simt::Workgroup> parked_;
};

} // namespace brgpu::model

#endif
