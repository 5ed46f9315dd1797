// SPDX-License-Identifier: MIT
//
// What became of a queue's submissions. Outlives the queue: timelines and events ask it.
#ifndef BRGPU_UMD_QUEUE_PROGRESS_HPP
#define BRGPU_UMD_QUEUE_PROGRESS_HPP

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "timeline.hpp"
#include "vm.hpp"

namespace brgpu::umd {

// Each submission ends with a packet that counts it: a queue that fails runs nothing behind the
// failure, so submissions 1..n have succeeded when the count is n, and no call is needed to know.
class QueueProgress {
  public:
    QueueProgress(std::shared_ptr<Vm> vm, uint32_t queue_id);

    Vm &vm() noexcept { return *vm_; }
    Timeline &timeline() noexcept { return *timeline_; } // point n: submission n has ended
    uint64_t count_packet() const noexcept;              // device address of the packet that counts
    uint64_t code_packet() const noexcept; // and of the one that makes new code visible

    bool succeeded(uint64_t serial) const noexcept;
    bool finished(uint64_t serial);
    // For a finished submission: throws when it failed, with the reason.
    void check(uint64_t serial);
    // False: the deadline passed.
    bool wait(uint64_t serial, int64_t deadline_ns);

    brgpu_queue_state state();
    // From then on the queue can't be asked any more.
    void queue_destroyed() noexcept { queue_id_.store(0); }

  private:
    std::shared_ptr<Vm> vm_;
    std::shared_ptr<Timeline> timeline_;
    OwnedAllocation page_;
    std::atomic<uint32_t> queue_id_;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_QUEUE_PROGRESS_HPP
