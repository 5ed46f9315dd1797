// SPDX-License-Identifier: MIT
#include "scheduler.hpp"

#include <algorithm>

namespace brgpu::model {
namespace {

constexpr auto tick_time = std::chrono::milliseconds(1);
constexpr auto default_slice = std::chrono::milliseconds(1);
constexpr uint32_t max_slice_us = 100'000;
// A worker that has just worked looks for more for so long before it sleeps: waking a thread costs
// about as much.
constexpr auto spin_time = std::chrono::microseconds(10);

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

} // namespace

bool Turn::over(Worker &worker) {
    worker.attention.store(false, std::memory_order_relaxed);
    scheduler_.points_.check(worker);
    if (scheduler_.pause_wanted_.load(std::memory_order_acquire) ||
        !scheduler_.host_.current(worker) || scheduler_.front_end_.events_pending())
        return true;
    for (unsigned level = level_ + 1u; level < Scheduler::levels; level++) {
        if (scheduler_.listed_[level].load(std::memory_order_acquire))
            return true;
    }
    auto now = Clock::now();
    if (now.time_since_epoch().count() >= scheduler_.tick_at_.load(std::memory_order_acquire))
        return true;
    if (now < end_)
        return false;
    if (scheduler_.listed_[level_].load(std::memory_order_acquire))
        return true;
    end_ = now + default_slice; // nobody else wants the worker
    return false;
}

Scheduler::Scheduler(SafePoints &points, HostPort &host, FrontEnd &front_end, uint32_t queues,
                     uint32_t threads)
    : points_(points), host_(host), front_end_(front_end),
      stalled_(std::make_unique<std::atomic<bool>[]>(queues)) {
    for (uint32_t slot = 0; slot < queues; slot++)
        slots_.push_back(std::make_shared<Queue>(static_cast<uint16_t>(slot)));
    for (uint32_t i = 0; i < threads; i++)
        workers_.push_back(points_.add_worker());
}

Scheduler::~Scheduler() {
    stop();
}

void Scheduler::start() {
    for (Worker *worker : workers_)
        threads_.emplace_back([this, worker] { thread_main(*worker); });
}

void Scheduler::stop() {
    {
        std::lock_guard lock(mutex_);
        quit_ = true;
        pause_wanted_.store(true, std::memory_order_release);
        work_number_.fetch_add(1);
        for (auto &queue : slots_) {
            if (queue->sched.op)
                queue->sched.op->stop();
        }
    }
    points_.ask_attention();
    work_.notify_all();
    for (std::thread &thread : threads_)
        thread.join();
    threads_.clear();
}

// ---- lists; under the lock ----

bool Scheduler::runnable(const Queue &queue) const {
    const auto &sched = queue.sched;
    if (sched.dead)
        return false;
    return (sched.front_wanted && !sched.front_busy) ||
           (sched.op && !sched.op->stopped() && sched.op->pieces_left() > 0);
}

void Scheduler::list(const std::shared_ptr<Queue> &queue) {
    auto &sched = queue->sched;
    if (sched.listed)
        return;
    sched.listed = true;
    uint8_t level = sched.urgent ? urgent_level : sched.priority;
    lists_[level].push_back(queue);
    listed_[level].fetch_add(1, std::memory_order_release);
    notify(1);
}

void Scheduler::list_if_runnable(Queue &queue) {
    const std::shared_ptr<Queue> &present = slots_[queue.slot];
    if (present.get() == &queue && runnable(queue))
        list(present);
}

// Its front end comes before all work, wherever the queue is listed now.
void Scheduler::make_urgent(Queue &queue) {
    auto &sched = queue.sched;
    for (unsigned level = 0; level < urgent_level && sched.listed; level++) {
        if (std::erase_if(lists_[level], [&](const auto &item) { return item.get() == &queue; })) {
            listed_[level].fetch_sub(1, std::memory_order_release);
            sched.listed = false;
        }
    }
    sched.urgent = true;
    sched.front_wanted = true;
    list_if_runnable(queue);
}

void Scheduler::notify(unsigned how_many) {
    work_number_.fetch_add(1, std::memory_order_release);
    if (paused_ || spinners_.load(std::memory_order_acquire) >= how_many)
        return;
    if (sleepers_)
        work_.notify_one();
    else
        points_.ask_attention(); // everybody is busy: let them see who came
}

bool Scheduler::pick(Job &job) {
    for (int level = levels - 1; level >= 0; level--) {
        auto &waiting = lists_[level];
        while (!waiting.empty()) {
            std::shared_ptr<Queue> queue = std::move(waiting.front());
            waiting.pop_front();
            listed_[level].fetch_sub(1, std::memory_order_release);
            auto &sched = queue->sched;
            sched.listed = false;
            if (sched.dead)
                continue;
            // A command is urgent, what follows in its turn is not: packets, and restored work.
            job.level = sched.priority;
            if (sched.front_wanted && !sched.front_busy) {
                sched.front_busy = true;
                job.op.reset();
            } else if (sched.op && !sched.op->stopped() && sched.op->pieces_left() > 0) {
                sched.op_workers++;
                job.op = sched.op;
            } else {
                continue;
            }
            job.queue = queue;
            // Others may help: with more than the piece that this worker will take, or beside the
            // front end.
            if (sched.op && !sched.op->stopped() && sched.op->pieces_left() > (job.op ? 1u : 0u))
                list(queue);
            return true;
        }
    }
    return false;
}

void Scheduler::release(Job &job) {
    auto &sched = job.queue->sched;
    if (job.op) {
        sched.op_workers--;
        // This worker may have come late to an operation that is over; the one that the queue has
        // now is looked at.
        if (sched.op_workers == 0 && sched.op && (sched.op->stopped() || sched.op->finished()))
            sched.front_wanted = true;
    } else {
        sched.front_busy = false;
    }
    list_if_runnable(*job.queue);
}

void Scheduler::account(bool begin, const Op *op, Clock::time_point now) {
    if (!op)
        return;
    bool compute = op->kind() == Op::Kind::dispatch;
    uint32_t &active = compute ? compute_active_ : copy_active_;
    Clock::time_point &since = compute ? compute_since_ : copy_since_;
    Clock::duration &time = compute ? compute_time_ : copy_time_;
    if (begin) {
        if (active++ == 0)
            since = now;
    } else if (--active == 0) {
        time += now - since;
    }
}

// ---- the threads ----

void Scheduler::run(Worker &worker, Job &job) {
    auto begin = Clock::now();
    uint32_t slice_us = std::min(job.queue->sched.slice_us, max_slice_us);
    auto slice = slice_us ? Clock::duration(std::chrono::microseconds(slice_us))
                          : Clock::duration(default_slice);
    points_.enter(worker);
    Turn turn(*this, job.level, begin + slice);
    if (job.op)
        job.op->work(worker, turn);
    else
        front_end_.run_front(worker, *job.queue, turn);
    if (host_.current(worker) && front_end_.events_pending())
        front_end_.deliver_events(worker);
    points_.leave(worker);
    if (job.op) {
        auto busy = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin);
        job.queue->busy_ns.fetch_add(static_cast<uint64_t>(busy.count()),
                                     std::memory_order_relaxed);
    }
}

void Scheduler::tick(Clock::time_point now) {
    if (now < next_tick_)
        return;
    if (ticking_.empty()) {
        next_tick_ = Clock::time_point::max();
    } else {
        next_tick_ = now + tick_time;
        for (const auto &queue : ticking_) {
            queue->sched.front_wanted = true;
            list_if_runnable(*queue);
        }
    }
    tick_at_.store(next_tick_.time_since_epoch().count(), std::memory_order_release);
}

void Scheduler::idle(std::unique_lock<std::mutex> &lock, bool worked) {
    if (worked && !paused_ && spinners_.load(std::memory_order_relaxed) == 0) {
        spinners_.fetch_add(1);
        uint64_t seen = work_number_.load(std::memory_order_acquire);
        lock.unlock();
        auto end = Clock::now() + spin_time;
        bool found = false;
        for (unsigned i = 0; !found && ((i & 15) || Clock::now() < end); i++) {
            relax();
            found = work_number_.load(std::memory_order_acquire) != seen;
        }
        lock.lock();
        spinners_.fetch_sub(1);
        // What came between the last look and the lock was left to this spinner.
        if (found || work_number_.load(std::memory_order_acquire) != seen)
            return;
    }
    sleepers_++;
    Clock::time_point until = next_tick_;
    if (paused_ || until == Clock::time_point::max())
        work_.wait(lock);
    else
        work_.wait_until(lock, until);
    sleepers_--;
}

void Scheduler::thread_main(Worker &worker) {
    host_.thread_enter();
    std::unique_lock lock(mutex_);
    bool worked = false;
    while (!quit_) {
        if (paused_) {
            idle(lock, false);
            continue;
        }
        auto now = Clock::now();
        tick(now);
        worker.generation = host_.generation();
        Job job;
        if (pick(job)) {
            busy_++;
            account(true, job.op.get(), now);
            // Of two that came together only one was told.
            bool more = std::any_of(lists_.begin(), lists_.end(),
                                    [](const auto &waiting) { return !waiting.empty(); });
            if (more && sleepers_)
                work_.notify_one();
            lock.unlock();
            run(worker, job);
            lock.lock();
            auto end = Clock::now();
            account(false, job.op.get(), end);
            worker_time_ += end - now;
            busy_--;
            release(job);
            lock.unlock();
            job = {}; // may free an operation, which takes time
            lock.lock();
            worked = true;
        } else if (front_end_.events_pending()) {
            busy_++;
            lock.unlock();
            points_.enter(worker);
            front_end_.deliver_events(worker);
            points_.leave(worker);
            lock.lock();
            busy_--;
            worked = true;
        } else {
            idle(lock, worked);
            worked = false;
        }
    }
    lock.unlock();
    host_.thread_exit();
}

// ---- from the driver's side ----

void Scheduler::command(uint16_t slot, uint32_t command) {
    std::lock_guard lock(mutex_);
    Queue &queue = *slots_[slot];
    auto &sched = queue.sched;
    if (sched.busy && command != BRGPU_QUEUE_CMD_KILL)
        return;
    if (!sched.busy)
        sched.kill_error = BRGPU_QUEUE_ERROR_KILLED; // else that of an engine reset may stand
    sched.command = command;
    sched.busy = true;
    if (sched.op && (command == BRGPU_QUEUE_CMD_KILL || command == BRGPU_QUEUE_CMD_PREEMPT)) {
        sched.op->stop();
        points_.ask_attention();
    }
    make_urgent(queue);
}

void Scheduler::ignore_command(uint16_t slot) {
    std::lock_guard lock(mutex_);
    slots_[slot]->sched.busy = true;
}

void Scheduler::kill_all(uint32_t error) {
    std::lock_guard lock(mutex_);
    for (auto &queue : slots_) {
        auto &sched = queue->sched;
        if (queue->state.load() == BRGPU_QUEUE_STATE_UNMAPPED && !sched.busy)
            continue;
        sched.command = BRGPU_QUEUE_CMD_KILL;
        sched.kill_error = error;
        sched.busy = true;
        if (sched.op)
            sched.op->stop();
        make_urgent(*queue);
    }
    points_.ask_attention();
}

void Scheduler::ring(uint16_t slot) {
    std::lock_guard lock(mutex_);
    Queue &queue = *slots_[slot];
    queue.sched.front_wanted = true;
    list_if_runnable(queue);
}

void Scheduler::set_stalled(uint16_t slot, bool stalled) {
    std::lock_guard lock(mutex_);
    stalled_[slot].store(stalled, std::memory_order_release);
    slots_[slot]->sched.front_wanted = true;
    list_if_runnable(*slots_[slot]);
}

bool Scheduler::kills_pending(uint32_t error) const {
    std::lock_guard lock(mutex_);
    return std::any_of(slots_.begin(), slots_.end(), [&](const auto &queue) {
        return queue->sched.busy && queue->sched.kill_error == error;
    });
}

std::shared_ptr<Queue> Scheduler::queue(uint16_t slot) const {
    std::lock_guard lock(mutex_);
    return slots_[slot];
}

uint32_t Scheduler::status(uint16_t slot) const {
    std::lock_guard lock(mutex_);
    const Queue &queue = *slots_[slot];
    return queue.state.load() | (queue.sched.busy ? BRGPU_QUEUE_BUSY : 0);
}

void Scheduler::signalled() {
    // The signal was stored before this looks who waits; who waits is counted before it looks at
    // the signal. One of the two sees the other.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (ticking_count_.load(std::memory_order_relaxed) == 0)
        return;
    std::lock_guard lock(mutex_);
    for (const auto &queue : ticking_) {
        queue->sched.front_wanted = true;
        list_if_runnable(*queue);
    }
}

void Scheduler::wake() {
    std::lock_guard lock(mutex_);
    notify(1);
}

void Scheduler::pause() {
    std::lock_guard lock(mutex_);
    paused_++;
    pause_wanted_.store(true, std::memory_order_release);
    points_.ask_attention();
}

void Scheduler::resume() {
    std::lock_guard lock(mutex_);
    if (paused_ == 0 || --paused_ != 0)
        return;
    pause_wanted_.store(quit_, std::memory_order_release);
    work_number_.fetch_add(1);
    work_.notify_all();
}

bool Scheduler::at_rest() const {
    std::lock_guard lock(mutex_);
    return paused_ && busy_ == 0;
}

void Scheduler::reset(const std::function<void()> &mark) {
    std::vector<std::shared_ptr<Queue>> old; // freed without the lock
    std::lock_guard lock(mutex_);
    mark();
    for (auto &queue : slots_) {
        auto &sched = queue->sched;
        bool pristine = queue->state.load() == BRGPU_QUEUE_STATE_UNMAPPED && !sched.busy &&
                        !sched.front_busy && !sched.listed &&
                        queue->error.load() == BRGPU_QUEUE_ERROR_NONE && !queue->packet.load();
        if (pristine)
            continue;
        sched.dead = true;
        if (sched.op)
            sched.op->stop();
        auto fresh = std::make_shared<Queue>(queue->slot);
        old.push_back(std::move(queue));
        queue = std::move(fresh);
    }
    for (unsigned level = 0; level < levels; level++) {
        lists_[level].clear();
        listed_[level].store(0);
    }
    for (auto &queue : slots_)
        queue->sched.listed = false;
    ticking_.clear();
    ticking_count_.store(0, std::memory_order_relaxed);
    points_.ask_attention();
}

Scheduler::Times Scheduler::times() const {
    std::lock_guard lock(mutex_);
    auto now = Clock::now();
    auto ns = [](Clock::duration time) {
        return static_cast<uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
    };
    return {ns(compute_time_ + (compute_active_ ? now - compute_since_ : Clock::duration{})),
            ns(copy_time_ + (copy_active_ ? now - copy_since_ : Clock::duration{})),
            ns(worker_time_)};
}

// ---- for the front end ----

uint32_t Scheduler::take_command(Queue &queue, uint32_t &kill_error) {
    auto &sched = queue.sched;
    // First this, then a look at commands and memory: who calls later sets it again.
    if (sched.front_wanted.load(std::memory_order_relaxed))
        sched.front_wanted.exchange(false);
    if (sched.command.load() == 0)
        return 0;
    std::lock_guard lock(mutex_);
    uint32_t command = sched.command.exchange(0);
    if (command == BRGPU_QUEUE_CMD_KILL)
        kill_error = sched.kill_error;
    return command;
}

void Scheduler::command_done(Queue &queue) {
    std::lock_guard lock(mutex_);
    if (queue.sched.command)
        return; // a KILL came meanwhile
    queue.sched.busy = false;
    queue.sched.urgent = false;
}

void Scheduler::set_urgent(Queue &queue, bool urgent) {
    std::lock_guard lock(mutex_);
    queue.sched.urgent = urgent || queue.sched.command;
}

void Scheduler::set_ticking(Queue &queue, bool ticking) {
    std::lock_guard lock(mutex_);
    if (queue.sched.ticking == ticking || queue.sched.dead)
        return;
    queue.sched.ticking = ticking;
    if (ticking) {
        ticking_.push_back(slots_[queue.slot]);
        ticking_count_.fetch_add(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst); // see signalled()
        if (next_tick_ == Clock::time_point::max()) {
            next_tick_ = Clock::now() + tick_time;
            tick_at_.store(next_tick_.time_since_epoch().count(), std::memory_order_release);
            if (sleepers_)
                work_.notify_one(); // it sleeps without an end
        }
    } else {
        std::erase_if(ticking_, [&](const auto &item) { return item.get() == &queue; });
        ticking_count_.fetch_sub(1, std::memory_order_relaxed);
    }
}

void Scheduler::set_weight(Queue &queue, uint8_t priority, uint32_t slice_us) {
    std::lock_guard lock(mutex_);
    queue.sched.priority = priority;
    queue.sched.slice_us = slice_us;
}

void Scheduler::set_op(Queue &queue, std::shared_ptr<Op> op) {
    std::lock_guard lock(mutex_);
    if (queue.sched.dead)
        return;
    std::swap(queue.sched.op, op);
    uint32_t command = queue.sched.command;
    if (queue.sched.op && (command == BRGPU_QUEUE_CMD_KILL || command == BRGPU_QUEUE_CMD_PREEMPT))
        queue.sched.op->stop();
    list_if_runnable(queue);
}

bool Scheduler::enter_op(Queue &queue, const std::shared_ptr<Op> &op) {
    auto now = Clock::now();
    std::lock_guard lock(mutex_);
    auto &sched = queue.sched;
    if (sched.dead)
        return false;
    sched.op = op;
    sched.op_workers++;
    account(true, op.get(), now);
    uint32_t command = sched.command;
    if (command == BRGPU_QUEUE_CMD_KILL || command == BRGPU_QUEUE_CMD_PREEMPT)
        op->stop();
    // One piece is this worker's: with more, others may help.
    if (!op->stopped() && op->pieces_left() > 1)
        list_if_runnable(queue);
    return true;
}

bool Scheduler::leave_op(Queue &queue, const Op &op) {
    auto now = Clock::now();
    std::lock_guard lock(mutex_);
    account(false, &op, now);
    return --queue.sched.op_workers == 0;
}

std::shared_ptr<Op> Scheduler::op(Queue &queue, bool &occupied) {
    std::lock_guard lock(mutex_);
    occupied = queue.sched.op_workers != 0;
    return queue.sched.op;
}

std::shared_ptr<Op> Scheduler::stop_op(Queue &queue, bool &occupied) {
    std::lock_guard lock(mutex_);
    if (queue.sched.op) {
        queue.sched.op->stop();
        points_.ask_attention();
    }
    occupied = queue.sched.op_workers != 0;
    return queue.sched.op;
}

void Scheduler::want_front(Queue &queue) {
    std::lock_guard lock(mutex_);
    queue.sched.front_wanted = true;
}

} // namespace brgpu::model
