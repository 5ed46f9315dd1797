// SPDX-License-Identifier: MIT
//
// What a DISPATCH tells about itself, if its packet asks for it: struct brgpu_dispatch_report.
#ifndef BRGPU_MODEL_REPORT_HPP
#define BRGPU_MODEL_REPORT_HPP

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "brgpu/hw/queue.h"
#include "image.hpp"
#include "mmu.hpp"
#include "simt/engine.hpp"
#include "simt/observer.hpp"

namespace brgpu::model {

class DispatchReport {
  public:
    // Null: `head`, as it stands at `address`, breaks the contract.
    static std::unique_ptr<DispatchReport> create(uint64_t address,
                                                  const brgpu_dispatch_report &head);

    // Null where neither details nor a profile are wanted.
    simt::Observer *observer() const { return observer_.get(); }

    // Of one run of a workgroup. Any worker.
    void add(const simt::Outcome &outcome);
    void add_yield() { counts_[BRGPU_COUNTER_YIELDS].fetch_add(1, std::memory_order_relaxed); }

    // Once all workgroups have ended.
    Access write(Mmu &mmu, Worker &worker, uint16_t vm, const simt::DispatchParams &params,
                 uint64_t start, uint64_t end, Fault &fault) const;

    void save(ImageWriter &out) const;
    // Null: not plausible.
    static std::unique_ptr<DispatchReport> restore(ImageReader &in);

  private:
    DispatchReport(uint64_t address, const brgpu_dispatch_report &head)
        : address_(address), head_(head) {}
    std::array<uint64_t, BRGPU_COUNTERS> counters(const simt::DispatchParams &params) const;

    const uint64_t address_;
    const brgpu_dispatch_report head_;
    std::unique_ptr<simt::Observer> observer_;
    std::array<std::atomic<uint64_t>, simt::Observer::first_detail> counts_{};
};

} // namespace brgpu::model

#endif
