// SPDX-License-Identifier: MIT
//
// Which worker does what: queues by priority, time slices among equals, a front end and an
// operation of each queue side by side.
#ifndef BRGPU_MODEL_SCHEDULER_HPP
#define BRGPU_MODEL_SCHEDULER_HPP

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "host.hpp"
#include "queue.hpp"
#include "safe_points.hpp"

namespace brgpu::model {

class Scheduler;

// A worker's time with one queue.
class Turn {
  public:
    Turn(Scheduler &scheduler, uint8_t level, Clock::time_point end)
        : scheduler_(scheduler), level_(level), end_(end) {}

    // To be asked at every safe point: passes it, and says whether to leave.
    bool over(Worker &worker);

  private:
    Scheduler &scheduler_;
    const uint8_t level_;
    Clock::time_point end_;
};

// What the scheduler makes its workers do.
class FrontEnd {
  public:
    virtual ~FrontEnd() = default;
    // Commands and packets of one queue; one worker at a time for each queue.
    virtual void run_front(Worker &worker, Queue &queue, Turn &turn) = 0;
    virtual bool events_pending() const = 0;
    virtual void deliver_events(Worker &worker) = 0;
};

// Owns the worker threads. Thread safe. The lock is never held while a worker works or the host is
// called.
class Scheduler {
  public:
    struct Times {
        uint64_t compute_ns;
        uint64_t copy_ns;
        uint64_t worker_ns;
    };

    Scheduler(SafePoints &points, HostPort &host, FrontEnd &front_end, uint32_t queues,
              uint32_t threads);
    ~Scheduler();

    void start();
    void stop();

    // From the driver's side.
    void command(uint16_t slot, uint32_t command);
    // A command that the queue never carries out: BUSY until a reset (fault on demand).
    void ignore_command(uint16_t slot);
    void kill_all(uint32_t error);
    // Whether a kill_all() with this error is still under way.
    bool kills_pending(uint32_t error) const;
    void ring(uint16_t slot);
    // A fault on demand: the slot's front end takes no packets.
    void set_stalled(uint16_t slot, bool stalled);
    bool is_stalled(uint16_t slot) const { return stalled_[slot].load(std::memory_order_acquire); }

    // Registers of the slot's present queue, and its STATUS.
    std::shared_ptr<Queue> queue(uint16_t slot) const;
    uint32_t status(uint16_t slot) const;

    // Somebody signalled: queues that wait look again. Takes no lock when none waits.
    void signalled();
    void wake();

    void pause();
    void resume();
    bool at_rest() const;

    // All queues start anew. The caller makes the old work void (HostPort::next_generation) in
    // `mark`, which is called under the lock.
    void reset(const std::function<void()> &mark);

    Times times() const;

    // For the front end, which holds the queue. Takes no lock when there is none.
    uint32_t take_command(Queue &queue, uint32_t &kill_error);
    void command_done(Queue &queue);
    void set_urgent(Queue &queue, bool urgent);
    // Look again every millisecond, and at every signal.
    void set_ticking(Queue &queue, bool ticking);
    void set_weight(Queue &queue, uint8_t priority, uint32_t slice_us);
    void set_op(Queue &queue, std::shared_ptr<Op> op);
    // As set_op(), with the front end's worker in it, which is to work on it and then to leave it.
    // False: the card was reset.
    bool enter_op(Queue &queue, const std::shared_ptr<Op> &op);
    // False: others are in it still; the last one that leaves calls the front end.
    bool leave_op(Queue &queue, const Op &op);
    static bool has_op(const Queue &queue) { return queue.sched.op != nullptr; }
    // The operation, and whether workers are in it.
    std::shared_ptr<Op> op(Queue &queue, bool &occupied);
    // As op(), and stops it: no worker enters any more.
    std::shared_ptr<Op> stop_op(Queue &queue, bool &occupied);
    void want_front(Queue &queue);

  private:
    friend class Turn;
    static constexpr unsigned levels = 5; // priorities, and urgent above them
    static constexpr uint8_t urgent_level = 4;

    struct Job {
        std::shared_ptr<Queue> queue;
        std::shared_ptr<Op> op; // null: the front end
        uint8_t level = 0;
    };

    void thread_main(Worker &worker);
    bool pick(Job &job);
    void run(Worker &worker, Job &job);
    void release(Job &job);
    bool runnable(const Queue &queue) const;
    void list(const std::shared_ptr<Queue> &queue);
    void list_if_runnable(Queue &queue);
    void make_urgent(Queue &queue);
    void notify(unsigned how_many);
    void tick(Clock::time_point now);
    void idle(std::unique_lock<std::mutex> &lock, bool worked);
    void account(bool begin, const Op *op, Clock::time_point now);

    SafePoints &points_;
    HostPort &host_;
    FrontEnd &front_end_;
    std::vector<Worker *> workers_;
    std::vector<std::thread> threads_;

    mutable std::mutex mutex_; // protects all below; the order is: this, then leaf locks
    std::condition_variable work_;
    std::vector<std::shared_ptr<Queue>> slots_;
    std::array<std::deque<std::shared_ptr<Queue>>, levels> lists_;
    std::vector<std::shared_ptr<Queue>> ticking_;
    uint32_t sleepers_ = 0;
    uint32_t busy_ = 0; // workers that have left the lock to do something
    uint32_t paused_ = 0;
    bool quit_ = false;
    Clock::time_point next_tick_ = Clock::time_point::max();
    uint32_t compute_active_ = 0, copy_active_ = 0;
    Clock::time_point compute_since_, copy_since_;
    Clock::duration compute_time_{}, copy_time_{}, worker_time_{};

    const std::unique_ptr<std::atomic<bool>[]> stalled_; // by slot

    // Copies of the above for workers that don't want the lock.
    std::atomic<uint32_t> ticking_count_{0};
    std::array<std::atomic<uint32_t>, levels> listed_{};
    std::atomic<int64_t> tick_at_{INT64_MAX}; // Clock ticks
    std::atomic<bool> pause_wanted_{false};
    std::atomic<uint64_t> work_number_{0};
    std::atomic<uint32_t> spinners_{0};
};

} // namespace brgpu::model

#endif
