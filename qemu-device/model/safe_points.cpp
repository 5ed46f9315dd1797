// SPDX-License-Identifier: MIT
#include "safe_points.hpp"

#include <thread>

namespace brgpu::model {

Worker *SafePoints::add_worker() {
    workers_.push_back(std::make_unique<Worker>(static_cast<uint32_t>(workers_.size())));
    return workers_.back().get();
}

// The worker publishes what it does and then reads the epoch; advance() moves the epoch and then
// reads what workers do. Both sequentially consistent: one of the two sees the other.
void SafePoints::enter(Worker &worker) {
    worker.activity.store(Activity::running, std::memory_order_seq_cst);
    check(worker);
}

void SafePoints::leave(Worker &worker) {
    bool moved = worker.seen.load(std::memory_order_relaxed) != epoch();
    worker.activity.store(Activity::idle, std::memory_order_seq_cst);
    if ((moved || worker.seen.load(std::memory_order_relaxed) != epoch()) && progress_)
        progress_();
}

bool SafePoints::check(Worker &worker) {
    uint64_t now = epoch();
    if (worker.seen.load(std::memory_order_relaxed) == now)
        return false;
    worker.tlb.clear();
    worker.seen.store(now, std::memory_order_seq_cst);
    if (progress_)
        progress_();
    return true;
}

void SafePoints::block(Worker &worker) {
    worker.activity.store(Activity::blocked, std::memory_order_seq_cst);
}

void SafePoints::unblock(Worker &worker) {
    worker.activity.store(Activity::running, std::memory_order_seq_cst);
    if (check(worker))
        worker.interruptions++;
}

uint64_t SafePoints::advance() {
    uint64_t now = epoch_.fetch_add(1, std::memory_order_seq_cst) + 1;
    ask_attention();
    return now;
}

void SafePoints::ask_attention() {
    for (auto &worker : workers_)
        worker->attention.store(true, std::memory_order_release);
}

bool SafePoints::passed(uint64_t epoch, bool include_blocked) const {
    for (const auto &worker : workers_) {
        Activity activity = worker->activity.load(std::memory_order_seq_cst);
        if (activity == Activity::idle || (activity == Activity::blocked && !include_blocked))
            continue;
        if (worker->seen.load(std::memory_order_seq_cst) < epoch)
            return false;
    }
    return true;
}

void SafePoints::wait(uint64_t epoch) const {
    while (!passed(epoch, false))
        std::this_thread::yield();
}

} // namespace brgpu::model
