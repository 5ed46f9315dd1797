// SPDX-License-Identifier: MIT
//
// The front end of the queues: commands, the ring, and the packets that are over in a moment.
// Longer packets become operations of the scheduler.
#ifndef BRGPU_MODEL_COMMAND_PROCESSOR_HPP
#define BRGPU_MODEL_COMMAND_PROCESSOR_HPP

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "dispatch.hpp"
#include "events.hpp"
#include "faults.hpp"
#include "mmu.hpp"
#include "queue.hpp"
#include "scheduler.hpp"

namespace brgpu::model {

// Which queue slot a doorbell wakes. Thread safe.
class Doorbells {
  public:
    static constexpr uint16_t none = 0xffff;

    explicit Doorbells(uint32_t pages);
    uint32_t count() const { return count_; }
    uint16_t slot(uint32_t index) const { return slots_[index].load(std::memory_order_acquire); }
    // False: in use.
    bool take(uint32_t index, uint16_t slot);
    void give_back(uint32_t index, uint16_t slot);
    void reset();

  private:
    const uint32_t count_;
    std::unique_ptr<std::atomic<uint16_t>[]> slots_;
};

// All functions run on a worker that has the queue's front end to itself.
class CommandProcessor {
  public:
    struct Parts {
        HostPort &host;
        Mmu &mmu;
        EventRings &events;
        FaultInjector &faults;
        ComputeEngine &engine;
        Doorbells &doorbells;
        const Product &product;
    };

    CommandProcessor(const Parts &parts, std::function<bool()> ready);
    // The scheduler is made after its front end.
    void attach(Scheduler &scheduler) { scheduler_ = &scheduler; }

    void run(Worker &worker, Queue &queue, Turn &turn);

    // Register DESC of a slot. Any thread.
    std::atomic<uint64_t> &desc(uint16_t slot) { return descs_[slot]; }

    std::atomic<uint64_t> copy_bytes{0};
    // Called after each KILL.
    std::function<void()> on_kill;

  private:
    enum class Step {
        next,   // done: look for more
        repeat, // begun: look at the operation
        rest,   // nothing to do until somebody calls
        failed, // the queue is in another state now
    };

    // commands.cpp
    bool carry_out(Worker &worker, Queue &queue);
    bool map(Worker &worker, Queue &queue);
    bool check_descriptor(const brgpu_hw_queue_desc &desc) const;
    void finish_command(Queue &queue);
    void unmap(Queue &queue, uint32_t state);
    void release_doorbell(Queue &queue);
    bool finish_preempt(Worker &worker, Queue &queue);
    bool finish_kill(Queue &queue);
    bool save(Worker &worker, Queue &queue, Op *op);
    bool restore(Worker &worker, Queue &queue, const brgpu_hw_queue_desc &desc);
    uint64_t descriptor_address(const Queue &queue) const { return descs_[queue.slot].load(); }

    // command_processor.cpp
    Step begin_op(Worker &worker, Queue &queue, Turn &turn, const std::shared_ptr<Op> &op);
    Step conclude_op(Worker &worker, Queue &queue);
    Step step(Worker &worker, Queue &queue, Turn &turn);
    Step fetch(Worker &worker, Queue &queue, uint64_t &address);
    Step execute(Worker &worker, Queue &queue, Turn &turn);
    Step dispatch(Worker &worker, Queue &queue, Turn &turn);
    Step wait(Worker &worker, Queue &queue);
    Step signal(Worker &worker, Queue &queue);
    Step retire(Worker &worker, Queue &queue);
    Step write_read_index(Worker &worker, Queue &queue);
    Step fail(Queue &queue, brgpu_queue_error error, const Fault *fault = nullptr);
    // The queue state that an access leads to; `next` if it went well.
    Step check(Queue &queue, Access result, Fault &fault, uint8_t client);
    Step write_timestamp(Worker &worker, Queue &queue, uint16_t vm, uint64_t address);
    void set_state(Queue &queue, uint32_t state);

    Parts parts_;
    const std::function<bool()> ready_;
    Scheduler *scheduler_ = nullptr;

    std::unique_ptr<std::atomic<uint64_t>[]> descs_;
};

} // namespace brgpu::model

#endif
