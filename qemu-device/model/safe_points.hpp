// SPDX-License-Identifier: MIT
//
// Who may still be using a pointer, a translation or work from before: epochs that every thread of
// the card passes at its safe points.
#ifndef BRGPU_MODEL_SAFE_POINTS_HPP
#define BRGPU_MODEL_SAFE_POINTS_HPP

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tlb.hpp"

namespace brgpu::model {

enum class Activity : uint32_t {
    idle,    // holds nothing
    running, // may hold pointers and translations until its next safe point
    // Inside a call of the host that may take long or need a lock of the host's. Holds no pointer
    // that it will use again without looking whether the epoch has moved; what it asked of the host
    // is still under way.
    blocked,
};

// State of one thread of the card. Owned by that thread; the atomics are for others.
struct Worker {
    explicit Worker(uint32_t number) : index(number) {}

    const uint32_t index;
    std::atomic<Activity> activity{Activity::idle};
    std::atomic<uint64_t> seen{0};
    // "Come to a safe point soon." Set by anyone, cleared by the owner at a safe point.
    std::atomic<bool> attention{false};

    // The card's generation when the thread took up its present work: after a reset it is over.
    uint64_t generation = 0;
    // Counts returns from a blocked section in which the epoch had moved: pointers from before are
    // void.
    uint64_t interruptions = 0;
    LocalTlb tlb;
};

// Epochs of one card. `advance` tells everybody to let go of what they hold; `passed` and `wait`
// tell when they have. All functions are thread safe; those that take a Worker are for its thread.
class SafePoints {
  public:
    // Before any thread uses it.
    Worker *add_worker();

    void enter(Worker &worker);
    void leave(Worker &worker);
    // At a safe point of a running worker: true if the epoch has moved since its last one.
    bool check(Worker &worker);

    void block(Worker &worker);
    void unblock(Worker &worker);

    uint64_t epoch() const { return epoch_.load(std::memory_order_seq_cst); }
    // A new epoch; every worker is asked for attention.
    uint64_t advance();
    void ask_attention();

    // Whether nobody holds anything from before `epoch`. What blocked workers asked of the host
    // counts only with `include_blocked`.
    bool passed(uint64_t epoch, bool include_blocked) const;
    // Waits until passed(epoch, false): as long as the longest way between two safe points.
    void wait(uint64_t epoch) const;

    // Called after a worker has passed a safe point at which the epoch had moved, or became idle.
    void on_progress(std::function<void()> callback) { progress_ = std::move(callback); }

  private:
    std::atomic<uint64_t> epoch_{1};
    std::vector<std::unique_ptr<Worker>> workers_;
    std::function<void()> progress_;
};

// A call of the host that may wait for a lock of the host's.
class BlockedSection {
  public:
    BlockedSection(SafePoints &points, Worker &worker) : points_(points), worker_(worker) {
        points_.block(worker_);
    }
    BlockedSection(const BlockedSection &) = delete;
    BlockedSection &operator=(const BlockedSection &) = delete;
    ~BlockedSection() { points_.unblock(worker_); }

  private:
    SafePoints &points_;
    Worker &worker_;
};

} // namespace brgpu::model

#endif
