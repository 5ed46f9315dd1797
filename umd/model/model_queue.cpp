// SPDX-License-Identifier: MIT
#include "model_queue.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>

#include "../deadline.hpp"
#include "../error.hpp"
#include "brgpu/hw/events.h"
#include "brgpu/hw/regs.h"
#include "brgpu_core_fault.h"
#include "brgpu_core_packet.h"

namespace brgpu::umd::model {

namespace {

// The layout of the queue's own memory: one cache line for each word that two sides write.
constexpr uint64_t desc_at = 0;
constexpr uint64_t write_at = 128;
constexpr uint64_t read_at = 192;
constexpr uint64_t completion_at = 256;
constexpr uint64_t ring_at = 4096;
constexpr uint32_t ring_log2 = 9;
static_assert((1u << ring_log2) > DRM_BRGPU_MAX_COMMANDS + 1);

// The kernel module's values.
constexpr uint64_t job_limit_ns = 120000000000;
constexpr uint64_t default_timeout_ms = 10000;
constexpr uint64_t slack_ms = 2000; // beyond the hardware's own limit for a command

} // namespace

uint64_t Queue::reg(uint64_t offset) const noexcept {
    return BRGPU_REG_QUEUE(uint64_t{slot_}) + offset;
}

uint64_t Queue::word(uint64_t offset) const noexcept {
    return __atomic_load_n(reinterpret_cast<const uint64_t *>(memory_->cpu() + offset),
                           __ATOMIC_ACQUIRE);
}

std::unique_ptr<Queue> Queue::create(Card &card, Vm &vm, uint32_t id, uint32_t slot,
                                     const drm_brgpu_queue_create &args, int *error) {
    std::unique_ptr<Queue> queue(new Queue(card, vm, id, slot));
    queue->memory_ = card.arena().allocate(ring_at + (BRGPU_PACKET_BYTES << ring_log2), error);
    if (!queue->memory_)
        return nullptr;
    *error = queue->map(args);
    if (*error)
        return nullptr;
    ++vm.queues;
    queue->timeout_ns_ = (args.timeout_ms ? args.timeout_ms : default_timeout_ms) * 1000000u;
    return queue;
}

int Queue::map(const drm_brgpu_queue_create &args) {
    const uint64_t base = BRGPU_VM0_SYSTEM | memory_->dma();
    brgpu_hw_queue_desc desc = {};
    desc.ring = base + ring_at;
    desc.write_index = base + write_at;
    desc.read_index = base + read_at;
    desc.ring_log2 = ring_log2;
    desc.ring_vm = 0;
    desc.vm = static_cast<uint16_t>(vm_.hw_id());
    desc.queue_class = static_cast<uint8_t>(args.queue_class);
    desc.priority = static_cast<uint8_t>(args.priority);
    desc.doorbell = slot_; // page 0 is the kernel's
    std::memcpy(memory_->cpu() + desc_at, &desc, sizeof(desc));
    card_.write64(reg(BRGPU_QUEUE_DESC), base + desc_at);
    card_.write32(reg(BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_MAP);
    const uint64_t give_up = monotonic_ns() + (card_.ident().preempt_ms + slack_ms) * 1000000u;
    while (card_.read32(reg(BRGPU_QUEUE_STATUS)) & BRGPU_QUEUE_BUSY) {
        if (monotonic_ns() > give_up)
            return EIO;
        const timespec pause = {0, 20000};
        nanosleep(&pause, nullptr);
    }
    if (at_rest()) {
        log(BRGPU_LOG_ERROR, "brgpu: model: queue slot %u refused MAP: error %u", slot_,
            card_.read32(reg(BRGPU_QUEUE_ERROR)));
        return EIO;
    }
    return 0;
}

bool Queue::at_rest() const {
    const uint32_t status = card_.read32(reg(BRGPU_QUEUE_STATUS));
    const uint32_t state = status & BRGPU_QUEUE_STATE_MASK;
    return status == UINT32_MAX ||
           (!(status & BRGPU_QUEUE_BUSY) &&
            (state == BRGPU_QUEUE_STATE_UNMAPPED || state == BRGPU_QUEUE_STATE_ERROR));
}

void Queue::kill() {
    card_.write32(reg(BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_KILL);
    const uint64_t give_up = monotonic_ns() + (card_.ident().preempt_ms + slack_ms) * 1000000u;
    while (!at_rest()) {
        if (monotonic_ns() > give_up) {
            log(BRGPU_LOG_ERROR, "brgpu: model: queue slot %u survived KILL: resetting the engines",
                slot_);
            card_.write32(BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_ENGINE);
            return;
        }
        const timespec pause = {0, 20000};
        nanosleep(&pause, nullptr);
    }
}

Queue::~Queue() {
    if (!memory_)
        return;
    if (!at_rest())
        kill();
    complete();
    fail(BRGPU_QUEUE_ERROR_KILLED, DRM_BRGPU_STATE_STOPPED, -ECANCELED);
    if (timeout_ns_) // set when creation was complete
        --vm_.queues;
}

bool Queue::submit(Job job) {
    ++submitted_;
    waiting_.push_back(std::move(job));
    const bool completed = complete();
    emit();
    return completed;
}

bool Queue::complete() {
    const uint64_t value = word(completion_at);
    bool any = false;
    while (!running_.empty() && running_.front().number <= value) {
        signal_all(running_.front().signals, 0);
        running_.pop_front();
        ++completed_;
        job_started_ns_ = 0;
        any = true;
    }
    return any;
}

bool Queue::emit() {
    bool any = false;
    while (!waiting_.empty() && all_signalled(waiting_.front().waits)) {
        Job &job = waiting_.front();
        if (brgpu_core_ring_room(write_index_, word(read_at), ring_log2) < job.commands.size() + 1)
            break;
        std::byte *ring = memory_->cpu() + ring_at;
        for (const drm_brgpu_command &command : job.commands)
            brgpu_core_packet_call(ring + brgpu_core_ring_offset(write_index_++, ring_log2),
                                   BRGPU_PACKET_BARRIER_BIT, command.va, command.packets);
        brgpu_core_packet_signal(ring + brgpu_core_ring_offset(write_index_++, ring_log2), 0,
                                 (BRGPU_VM0_SYSTEM | memory_->dma()) + completion_at, ++emitted_,
                                 true, 0);
        running_.push_back({emitted_, std::move(job.signals)});
        waiting_.pop_front();
        any = true;
    }
    if (any) {
        __atomic_store_n(reinterpret_cast<uint64_t *>(memory_->cpu() + write_at), write_index_,
                         __ATOMIC_RELEASE);
        card_.ring_doorbell(0, slot_);
    }
    return any;
}

uint64_t Queue::progress() const {
    return card_.read64(reg(BRGPU_QUEUE_READ_INDEX)) + card_.read64(reg(BRGPU_QUEUE_WORKGROUPS)) +
           card_.read64(reg(BRGPU_QUEUE_DISPATCHES)) + card_.read64(reg(BRGPU_QUEUE_PROGRESS)) +
           card_.read64(reg(BRGPU_QUEUE_PACKET));
}

bool Queue::watch(uint64_t now_ns) {
    if (running_.empty()) {
        job_started_ns_ = 0;
        return false;
    }
    const uint64_t seen = progress();
    if (job_started_ns_ == 0 || seen != progress_seen_)
        progress_ns_ = now_ns;
    if (job_started_ns_ == 0)
        job_started_ns_ = now_ns;
    progress_seen_ = seen;
    if (now_ns - progress_ns_ < timeout_ns_ && now_ns - job_started_ns_ < job_limit_ns)
        return false;
    kill();
    complete();
    fail(DRM_BRGPU_QUEUE_ERROR_TIMEOUT, DRM_BRGPU_STATE_STOPPED, -ETIME);
    return true;
}

void Queue::fail(uint32_t error, uint32_t state, int fence_error) {
    final_busy_ns_ = card_.read64(reg(BRGPU_QUEUE_BUSY_NS));
    state_ = state;
    error_ = error;
    if (brgpu_core_fault_is_told(error)) {
        fault_ = card_.read_fault(slot_, id_);
        vm_.note_fault(fault_);
    }
    for (Running &job : running_)
        signal_all(job.signals, fence_error);
    for (Job &job : waiting_)
        signal_all(job.signals, -ECANCELED);
    completed_ += running_.size() + waiting_.size();
    running_.clear();
    waiting_.clear();
}

bool Queue::pump(uint64_t now_ns) {
    if (stopped())
        return false;
    bool any = complete();
    const uint32_t status = card_.read32(reg(BRGPU_QUEUE_STATUS));
    if (!(status & BRGPU_QUEUE_BUSY) &&
        (status & BRGPU_QUEUE_STATE_MASK) == BRGPU_QUEUE_STATE_ERROR) {
        // What completed before the error is told first.
        complete();
        const uint32_t error = card_.read32(reg(BRGPU_QUEUE_ERROR));
        const bool lost = error == BRGPU_QUEUE_ERROR_RESET;
        fail(error, lost ? DRM_BRGPU_STATE_LOST : DRM_BRGPU_STATE_STOPPED,
             lost ? -ECANCELED : -EIO);
        return true;
    }
    any = emit() || any;
    return watch(now_ns) || any;
}

void Queue::get_state(drm_brgpu_queue_get_state &args) const {
    args.state = state_;
    args.error = error_;
    args.submitted = submitted_;
    args.completed = completed_;
    args.busy_ns = stopped() ? final_busy_ns_ : card_.read64(reg(BRGPU_QUEUE_BUSY_NS));
    args.fault = fault_;
}

} // namespace brgpu::umd::model
