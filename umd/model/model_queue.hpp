// SPDX-License-Identifier: MIT
//
// A kernel queue of the model backend: its ring stands in memory that only VM 0 reaches; a user's
// packets run by CALL, and one SIGNAL behind a job's calls stores the job's number.
#ifndef BRGPU_UMD_MODEL_MODEL_QUEUE_HPP
#define BRGPU_UMD_MODEL_MODEL_QUEUE_HPP

#include <deque>
#include <memory>
#include <vector>

#include "brgpu/hw/queue.h"
#include "drm/brgpu_drm.h"
#include "model_objects.hpp"
#include "model_vm.hpp"

namespace brgpu::umd::model {

class Queue {
  public:
    struct Job {
        std::vector<drm_brgpu_command> commands;
        std::vector<FenceRef> waits;
        std::vector<FenceRef> signals;
    };

    // Null with *error = positive errno.
    static std::unique_ptr<Queue> create(Card &card, Vm &vm, uint32_t id, uint32_t slot,
                                         const drm_brgpu_queue_create &args, int *error);
    ~Queue();

    Vm &vm() noexcept { return vm_; }
    uint32_t slot() const noexcept { return slot_; }
    bool stopped() const noexcept { return state_ != DRM_BRGPU_STATE_OK; }
    // Hands it to the card at once where nothing has to be waited for. True when something is found
    // to have completed.
    bool submit(Job job);
    // Looks what has completed or failed, hands on what is ready, watches the time. True when
    // anything changed.
    bool pump(uint64_t now_ns);
    bool busy() const noexcept { return !running_.empty() || !waiting_.empty(); }
    // Has jobs that the card has not been given.
    bool waiting() const noexcept { return !waiting_.empty(); }
    void get_state(drm_brgpu_queue_get_state &args) const;

  private:
    struct Running {
        uint64_t number;
        std::vector<FenceRef> signals;
    };

    Queue(Card &card, Vm &vm, uint32_t id, uint32_t slot)
        : card_(card), vm_(vm), id_(id), slot_(slot) {}
    int map(const drm_brgpu_queue_create &args);
    uint64_t reg(uint64_t offset) const noexcept;
    uint64_t word(uint64_t offset) const noexcept;
    bool at_rest() const;
    void kill();
    void fail(uint32_t error, uint32_t state, int fence_error);
    bool complete();
    bool emit();
    bool watch(uint64_t now_ns);
    uint64_t progress() const;

    Card &card_;
    Vm &vm_;
    const uint32_t id_;
    const uint32_t slot_;
    std::unique_ptr<Block> memory_;
    uint64_t timeout_ns_ = 0;
    uint64_t write_index_ = 0;
    uint64_t submitted_ = 0; // jobs ever
    uint64_t emitted_ = 0;   // number of the last job on the ring
    uint64_t completed_ = 0;
    std::deque<Job> waiting_;
    std::deque<Running> running_;

    uint64_t job_started_ns_ = 0;
    uint64_t progress_seen_ = 0;
    uint64_t progress_ns_ = 0; // when progress was last seen

    uint32_t state_ = DRM_BRGPU_STATE_OK;
    uint32_t error_ = 0;
    uint64_t final_busy_ns_ = 0;
    drm_brgpu_fault fault_ = {};
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_QUEUE_HPP
