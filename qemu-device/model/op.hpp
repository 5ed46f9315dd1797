// SPDX-License-Identifier: MIT
//
// An operation of a queue that takes more than a moment: a dispatch or a copy. Several workers may
// help; each leaves at its safe points, and what it leaves behind another can take up.
#ifndef BRGPU_MODEL_OP_HPP
#define BRGPU_MODEL_OP_HPP

#include <atomic>
#include <cstdint>
#include <mutex>

#include "brgpu/hw/queue.h"
#include "image.hpp"
#include "mmu.hpp"

namespace brgpu::model {

class Turn;

class Op {
  public:
    enum class Kind : uint8_t { copy = 1, dispatch = 2 };

    struct Failure {
        brgpu_queue_error error = BRGPU_QUEUE_ERROR_NONE;
        Fault fault;
    };

    explicit Op(Kind kind) : kind_(kind) {}
    Op(const Op &) = delete;
    Op &operator=(const Op &) = delete;
    virtual ~Op() = default;

    Kind kind() const { return kind_; }

    // How many pieces wait for a worker. Called under the scheduler's lock: never blocks.
    virtual uint64_t pieces_left() const = 0;
    // All is done.
    virtual bool finished() const = 0;
    // Runs pieces until the turn is over, none is left, or `stopped`. Many workers at once.
    virtual void work(Worker &worker, Turn &turn) = 0;
    // State as bytes, while no worker is in it.
    virtual void save(ImageWriter &out) const = 0;

    // Workers leave at their next safe point; what they had stays.
    void stop() { stop_.store(true, std::memory_order_release); }
    void restart() {
        {
            std::lock_guard lock(failure_mutex_);
            failure_ = {};
        }
        stop_.store(false, std::memory_order_release);
    }
    bool stopped() const { return stop_.load(std::memory_order_acquire); }

    // The first failure counts, and stops the operation.
    void fail(brgpu_queue_error error, const Fault &fault) {
        {
            std::lock_guard lock(failure_mutex_);
            if (failure_.error == BRGPU_QUEUE_ERROR_NONE)
                failure_ = {error, fault};
        }
        stop();
    }
    Failure failure() const {
        std::lock_guard lock(failure_mutex_);
        return failure_;
    }

  private:
    const Kind kind_;
    std::atomic<bool> stop_{false};
    mutable std::mutex failure_mutex_; // protects failure_; a leaf lock
    Failure failure_;
};

// The queue error that a fault of memory becomes.
inline brgpu_queue_error error_of(const Fault &fault) {
    switch (fault.reason) {
    case BRGPU_FAULT_BUS:
        return BRGPU_QUEUE_ERROR_BUS;
    case BRGPU_FAULT_POISON:
        return BRGPU_QUEUE_ERROR_ECC;
    case BRGPU_FAULT_NOT_MAPPED:
    case BRGPU_FAULT_RIGHTS:
    case BRGPU_FAULT_ENTRY:
    case BRGPU_FAULT_ADDRESS:
        return BRGPU_QUEUE_ERROR_MMU;
    default:
        return BRGPU_QUEUE_ERROR_SHADER;
    }
}

} // namespace brgpu::model

#endif
