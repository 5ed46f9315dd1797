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
    // poll_ns: of a user-mode queue.
    QueueProgress(std::shared_ptr<Vm> vm, uint32_t queue_id, uint64_t poll_ns = 0);

    Vm &vm() noexcept { return *vm_; }
    Timeline &timeline() noexcept { return *timeline_; } // point n: submission n has ended
    uint64_t count_word() const noexcept { return page_.address(); } // device address of the count
    uint64_t count_packet() const noexcept; // device address of the packet that counts
    uint64_t code_packet() const noexcept;  // and of the one that makes new code visible

    bool succeeded(uint64_t serial) const noexcept;
    bool finished(uint64_t serial);
    // For a finished submission: throws when it failed, with the reason.
    void check(uint64_t serial);
    // False: the deadline passed. signals: what the submission signals must have been signalled,
    // too, which comes a moment after its success.
    bool wait(uint64_t serial, int64_t deadline_ns, bool signals = true);

    brgpu_queue_state state();
    // From then on the queue can't be asked any more.
    void queue_destroyed() noexcept { queue_id_.store(0); }
    // Of a user-mode queue: submission `serial` was rung for.
    void note_submitted(uint64_t serial) noexcept { submitted_.store(serial); }

  private:
    bool user_mode() const noexcept { return vm_->long_running(); }
    // Looks at memory for `most` nanoseconds.
    bool poll(uint64_t serial, int64_t deadline_ns, uint64_t most) const noexcept;
    bool wait_memory(uint64_t serial, int64_t deadline_ns);

    std::shared_ptr<Vm> vm_;
    std::shared_ptr<Timeline> timeline_;
    OwnedAllocation page_;
    std::atomic<uint32_t> queue_id_;
    const uint64_t poll_ns_;
    std::atomic<uint64_t> submitted_{0};
    std::atomic<bool> stopped_{false}; // a user-mode queue's: nothing more will be counted
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_QUEUE_PROGRESS_HPP
