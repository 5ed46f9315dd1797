// SPDX-License-Identifier: MIT
//
// The TLB registers: invalidations, and when they have completed.
#ifndef BRGPU_MODEL_INVALIDATION_HPP
#define BRGPU_MODEL_INVALIDATION_HPP

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>

#include "events.hpp"
#include "mmu.hpp"
#include "safe_points.hpp"

namespace brgpu::model {

// Any thread. An invalidation takes effect for new translations at once, and has completed when
// every worker has passed a safe point since.
class Invalidation {
  public:
    Invalidation(SafePoints &points, Mmu &mmu, EventRings &events)
        : points_(points), mmu_(mmu), events_(events) {}

    uint64_t address() const;
    uint64_t length() const;
    void set_address(uint64_t value, uint64_t mask);
    void set_length(uint64_t value, uint64_t mask);
    void command(uint32_t value);
    uint32_t issued() const;
    uint32_t completed() const;

    // Looks which invalidations have completed.
    void progress();
    void reset();

    // A fault on demand: the next commands complete, but invalidate nothing.
    std::atomic<uint32_t> lose_invalidations{0};

  private:
    struct Pending {
        uint64_t epoch;
        bool event;
    };

    void invalidate(uint32_t kind, uint16_t vm); // mutex_ is held

    SafePoints &points_;
    Mmu &mmu_;
    EventRings &events_;
    mutable std::mutex mutex_; // protects all below; a leaf lock
    uint64_t address_ = 0;
    uint64_t length_ = 0;
    uint32_t issued_ = 0;
    uint32_t completed_ = 0;
    std::deque<Pending> pending_;
    std::atomic<bool> waiting_{false}; // pending_ is not empty
};

} // namespace brgpu::model

#endif
