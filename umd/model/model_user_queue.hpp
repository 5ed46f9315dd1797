// SPDX-License-Identifier: MIT
//
// A user-mode queue of the model backend: the ring is the caller's. Which of them are on the
// hardware, and when one has got stuck, is decided as in the kernel module (kmd/core).
#ifndef BRGPU_UMD_MODEL_MODEL_USER_QUEUE_HPP
#define BRGPU_UMD_MODEL_MODEL_USER_QUEUE_HPP

#include <map>
#include <memory>

#include "brgpu/hw/queue.h"
#include "brgpu_core_turn.h"
#include "drm/brgpu_drm.h"
#include "model_objects.hpp"
#include "model_vm.hpp"

namespace brgpu::umd::model {

class UserQueue {
  public:
    // Null with *error = positive errno. Not on the hardware yet. doorbell: slot in the page of
    // user queues.
    static std::unique_ptr<UserQueue> create(Card &card, Vm &vm, uint32_t id, uint32_t doorbell,
                                             const drm_brgpu_queue_create &args, int *error);
    ~UserQueue();

    Vm &vm() noexcept { return vm_; }
    uint32_t doorbell() const noexcept { return doorbell_; }
    bool stopped() const noexcept { return state_ != DRM_BRGPU_STATE_OK; }
    bool on_hardware() const noexcept { return slot_ >= 0; }
    int slot() const noexcept { return slot_; }
    bool watched() const noexcept { return watchdog_ms_ != 0; }
    void map(uint32_t slot, uint64_t now_ns);
    // Its state is saved; the slot is free then.
    void leave(uint64_t now_ns);
    brgpu_core_turn turn() const;
    uint64_t since_ns() const noexcept { return since_ns_; }
    // outranked: one of a higher priority runs. True when it was stopped.
    bool look(uint64_t now_ns, bool outranked);
    bool runs() const;
    uint8_t priority() const noexcept { return static_cast<uint8_t>(args_.priority); }
    void get_state(drm_brgpu_queue_get_state &args) const;

  private:
    UserQueue(Card &card, Vm &vm, uint32_t id, uint32_t doorbell,
              const drm_brgpu_queue_create &args)
        : card_(card), vm_(vm), id_(id), doorbell_(doorbell), args_(args),
          watchdog_ms_(args.timeout_ms) {}
    struct Counters {
        uint64_t busy_ns, workgroups, dispatches, heartbeats;
    };
    uint64_t reg(uint64_t offset) const noexcept;
    uint32_t hw_state() const;
    // Waits for the end of a command; false: it takes too long.
    bool finish(bool at_rest) const;
    Counters counters() const;
    uint64_t progress(const Counters &counted) const;
    void release(uint64_t now_ns);
    void stop(uint32_t error, uint32_t state);
    bool watch(uint64_t now_ns, bool outranked);
    bool mend(uint64_t now_ns);

    Card &card_;
    Vm &vm_;
    const uint32_t id_;
    const uint32_t doorbell_;
    const drm_brgpu_queue_create args_;
    const uint32_t watchdog_ms_;
    std::unique_ptr<Block> memory_; // descriptor and save area
    int slot_ = -1;
    bool saved_ = false;
    uint64_t packets_ = 0; // read index when it left the hardware
    uint64_t since_ns_ = 0;
    Counters before_ = {};
    brgpu_core_watchdog watchdog_ = {};
    uint64_t seen_busy_ns_ = 0;
    uint64_t fault_address_ = 0;
    uint64_t fault_progress_ = 0;
    unsigned fault_repeats_ = 0;

    uint32_t state_ = DRM_BRGPU_STATE_OK;
    uint32_t error_ = 0;
    drm_brgpu_fault fault_ = {};
};

// All of an open file, and their slots.
class UserQueues {
  public:
    UserQueues(Card &card, uint32_t first_slot, uint32_t slots)
        : card_(card), first_slot_(first_slot), slots_(slots) {}

    int create(Vm &vm, uint32_t id, drm_brgpu_queue_create &args);
    bool destroy(uint32_t id);
    UserQueue *find(uint32_t id) noexcept;
    bool taken(uint32_t id) const noexcept { return queues_.count(id) != 0; }
    bool empty() const noexcept { return queues_.empty(); }
    void clear() { queues_.clear(); }
    size_t size() const noexcept { return queues_.size(); }
    // How many of them were stopped.
    unsigned pump(uint64_t now_ns);
    // How soon to look again, ms.
    int look_ms() const noexcept;

  private:
    void fill(uint64_t now_ns);
    void take_turns(uint64_t now_ns);
    UserQueue *next_in(uint64_t before_ns);
    UserQueue *next_out(const UserQueue &waiting, uint64_t now_ns);
    int free_slot() const;

    Card &card_;
    const uint32_t first_slot_;
    const uint32_t slots_;
    std::map<uint32_t, std::unique_ptr<UserQueue>> queues_;
    bool crowded_ = false;
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_USER_QUEUE_HPP
