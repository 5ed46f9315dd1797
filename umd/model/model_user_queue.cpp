// SPDX-License-Identifier: MIT
#include "model_user_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "../deadline.hpp"
#include "../error.hpp"
#include "brgpu/hw/events.h"
#include "brgpu/hw/regs.h"
#include "brgpu_core_fault.h"

namespace brgpu::umd::model {

namespace {

// The kernel module's values.
constexpr uint64_t save_at = 4096;
constexpr uint64_t save_bytes_compute = 16 << 20;
constexpr uint64_t save_bytes_copy = 64 << 10;
constexpr uint64_t slack_ms = 2000;
constexpr unsigned fault_repeats = 64;
constexpr int watch_ms = 100;
constexpr int idle_ms = 200;

constexpr uint32_t doorbell_page = 1; // page 0 is the kernel's

} // namespace

uint64_t UserQueue::reg(uint64_t offset) const noexcept {
    return BRGPU_REG_QUEUE(static_cast<uint64_t>(slot_)) + offset;
}

uint32_t UserQueue::hw_state() const {
    return slot_ < 0 ? BRGPU_QUEUE_STATE_UNMAPPED
                     : card_.read32(reg(BRGPU_QUEUE_STATUS)) & BRGPU_QUEUE_STATE_MASK;
}

std::unique_ptr<UserQueue> UserQueue::create(Card &card, Vm &vm, uint32_t id, uint32_t doorbell,
                                             const drm_brgpu_queue_create &args, int *error) {
    const uint64_t save_bytes =
        args.queue_class == DRM_BRGPU_QUEUE_COPY ? save_bytes_copy : save_bytes_compute;
    auto memory = card.arena().allocate(save_at + save_bytes, error);
    if (!memory)
        return nullptr;
    std::unique_ptr<UserQueue> queue(new UserQueue(card, vm, id, doorbell, args));
    queue->memory_ = std::move(memory);
    queue->since_ns_ = monotonic_ns();
    ++vm.queues;
    return queue;
}

UserQueue::~UserQueue() {
    stop(BRGPU_QUEUE_ERROR_KILLED, DRM_BRGPU_STATE_STOPPED);
    --vm_.queues;
}

bool UserQueue::finish(bool at_rest) const {
    const uint64_t give_up = monotonic_ns() + (2 * card_.ident().preempt_ms + slack_ms) * 1000000u;
    for (;;) {
        const uint32_t status = card_.read32(reg(BRGPU_QUEUE_STATUS));
        const uint32_t state = status & BRGPU_QUEUE_STATE_MASK;
        const bool rests = state == BRGPU_QUEUE_STATE_UNMAPPED ||
                           state == BRGPU_QUEUE_STATE_ERROR || state == BRGPU_QUEUE_STATE_PREEMPTED;
        if (!(status & BRGPU_QUEUE_BUSY) && (rests || !at_rest))
            return true;
        if (monotonic_ns() > give_up)
            return false;
        const timespec pause = {0, 20000};
        nanosleep(&pause, nullptr);
    }
}

void UserQueue::map(uint32_t slot, uint64_t now_ns) {
    const uint64_t base = BRGPU_VM0_SYSTEM | memory_->dma();
    brgpu_hw_queue_desc desc;
    // Of a saved state the hardware has left its size there.
    std::memcpy(&desc, memory_->cpu(), sizeof(desc));
    desc.ring = args_.ring_va;
    desc.write_index = args_.write_index_va;
    desc.read_index = args_.read_index_va;
    desc.ring_log2 = args_.ring_log2;
    desc.ring_vm = desc.vm = static_cast<uint16_t>(vm_.hw_id());
    desc.queue_class = static_cast<uint8_t>(args_.queue_class);
    desc.priority = priority();
    desc.flags = saved_ ? BRGPU_QUEUE_DESC_RESTORE : 0;
    desc.doorbell = doorbell_page * BRGPU_DOORBELLS_A_PAGE + doorbell_;
    desc.start_index = packets_;
    desc.save_area = base + save_at;
    desc.save_bytes = memory_->bytes() - save_at;
    std::memcpy(memory_->cpu(), &desc, sizeof(desc));
    slot_ = static_cast<int>(slot);
    since_ns_ = now_ns;
    card_.write64(reg(BRGPU_QUEUE_DESC), base);
    card_.write32(reg(BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_MAP);
    if (!finish(false))
        stop(BRGPU_QUEUE_ERROR_PREEMPT, DRM_BRGPU_STATE_STOPPED);
}

UserQueue::Counters UserQueue::counters() const {
    Counters sum = before_;
    if (slot_ >= 0) {
        sum.busy_ns += card_.read64(reg(BRGPU_QUEUE_BUSY_NS));
        sum.workgroups += card_.read64(reg(BRGPU_QUEUE_WORKGROUPS));
        sum.dispatches += card_.read64(reg(BRGPU_QUEUE_DISPATCHES));
        sum.heartbeats += card_.read64(reg(BRGPU_QUEUE_PROGRESS));
    }
    return sum;
}

uint64_t UserQueue::progress(const Counters &counted) const {
    return counted.workgroups + counted.dispatches +
           (args_.flags & DRM_BRGPU_QUEUE_HEARTBEAT ? counted.heartbeats : 0) +
           card_.read64(reg(BRGPU_QUEUE_READ_INDEX)) + card_.read64(reg(BRGPU_QUEUE_PACKET));
}

void UserQueue::release(uint64_t now_ns) {
    before_ = counters();
    packets_ = card_.read64(reg(BRGPU_QUEUE_READ_INDEX));
    slot_ = -1;
    since_ns_ = now_ns;
}

void UserQueue::leave(uint64_t now_ns) {
    watch(now_ns, false);
    card_.write32(reg(BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_PREEMPT);
    if (!finish(true)) {
        stop(BRGPU_QUEUE_ERROR_PREEMPT, DRM_BRGPU_STATE_STOPPED);
        return;
    }
    if (hw_state() == BRGPU_QUEUE_STATE_ERROR) {
        stop(card_.read32(reg(BRGPU_QUEUE_ERROR)), DRM_BRGPU_STATE_STOPPED);
        return;
    }
    saved_ = hw_state() == BRGPU_QUEUE_STATE_PREEMPTED;
    release(now_ns);
}

// Drops what it does; never runs again.
void UserQueue::stop(uint32_t error, uint32_t state) {
    if (!stopped()) {
        state_ = state;
        error_ = error;
        if (slot_ >= 0 && brgpu_core_fault_is_told(error)) {
            fault_ = card_.read_fault(static_cast<uint32_t>(slot_), id_);
            vm_.note_fault(fault_);
        }
    }
    if (slot_ < 0)
        return;
    card_.write32(reg(BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_KILL);
    if (!finish(true)) {
        log(BRGPU_LOG_ERROR, "brgpu: model: queue slot %d survived KILL: resetting the engines",
            slot_);
        card_.write32(BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_ENGINE);
    }
    release(monotonic_ns());
}

brgpu_core_turn UserQueue::turn() const {
    brgpu_core_turn turn = {};
    turn.priority = priority();
    turn.idle = hw_state() == BRGPU_QUEUE_STATE_IDLE;
    turn.since_ns = since_ns_;
    return turn;
}

bool UserQueue::runs() const {
    return hw_state() == BRGPU_QUEUE_STATE_RUNNING;
}

// Whether it has run for too long without progress.
bool UserQueue::watch(uint64_t now_ns, bool outranked) {
    const Counters counted = counters();
    // Kept from the engines: not its fault. The time off the hardware does not count either.
    const bool counts = runs() && !(outranked && counted.busy_ns == seen_busy_ns_);
    seen_busy_ns_ = counted.busy_ns;
    watchdog_.looked_ns = std::max(watchdog_.looked_ns, since_ns_);
    const uint64_t stuck_ns =
        brgpu_core_watchdog_look(&watchdog_, now_ns, progress(counted), counts);
    return watchdog_ms_ && stuck_ns >= uint64_t{watchdog_ms_} * 1000000u;
}

// A fault in a retrying VM. True when it stopped the queue.
bool UserQueue::mend(uint64_t) {
    const uint64_t address = card_.read64(reg(BRGPU_QUEUE_FAULT_ADDRESS));
    const uint32_t info = card_.read32(reg(BRGPU_QUEUE_FAULT_INFO));
    const uint64_t now_at = progress(counters());
    if (address != fault_address_ || now_at != fault_progress_)
        fault_repeats_ = 0;
    fault_address_ = address;
    fault_progress_ = now_at;
    switch (vm_.bound(address, info >> BRGPU_FAULT_INFO_ACCESS_SHIFT & 0xf)) {
    case Vm::Bound::later:
        return false;
    case Vm::Bound::yes:
        if (fault_repeats_++ < fault_repeats) {
            card_.write32(reg(BRGPU_QUEUE_COMMAND), BRGPU_QUEUE_CMD_RESUME);
            finish(false);
            return false;
        }
        break;
    case Vm::Bound::no:
        break;
    }
    stop(BRGPU_QUEUE_ERROR_MMU, DRM_BRGPU_STATE_STOPPED);
    return true;
}

bool UserQueue::look(uint64_t now_ns, bool outranked) {
    if (stopped() || slot_ < 0)
        return false;
    const uint32_t state = hw_state();
    if (state == BRGPU_QUEUE_STATE_ERROR) {
        const uint32_t error = card_.read32(reg(BRGPU_QUEUE_ERROR));
        stop(error,
             error == BRGPU_QUEUE_ERROR_RESET ? DRM_BRGPU_STATE_LOST : DRM_BRGPU_STATE_STOPPED);
        return true;
    }
    if (state == BRGPU_QUEUE_STATE_FAULTED)
        return mend(now_ns);
    if (!watch(now_ns, outranked))
        return false;
    log(BRGPU_LOG_WARNING, "brgpu: model: user queue %u stopped: no progress in %u ms", id_,
        watchdog_ms_);
    stop(DRM_BRGPU_QUEUE_ERROR_TIMEOUT, DRM_BRGPU_STATE_STOPPED);
    return true;
}

void UserQueue::get_state(drm_brgpu_queue_get_state &args) const {
    args.state = state_;
    args.error = error_;
    args.submitted = 0;
    args.completed = slot_ < 0 ? packets_ : card_.read64(reg(BRGPU_QUEUE_READ_INDEX));
    args.busy_ns = counters().busy_ns;
    args.fault = fault_;
}

// ---- all of them ----

int UserQueues::create(Vm &vm, uint32_t id, drm_brgpu_queue_create &args) {
    uint32_t doorbell = 0;
    while (std::any_of(queues_.begin(), queues_.end(),
                       [&](const auto &item) { return item.second->doorbell() == doorbell; }))
        ++doorbell;
    int error = 0;
    auto queue = UserQueue::create(card_, vm, id, doorbell, args, &error);
    if (!queue)
        return -error;
    queues_.emplace(id, std::move(queue));
    args.doorbell_slot = doorbell;
    fill(monotonic_ns());
    return 0;
}

bool UserQueues::destroy(uint32_t id) {
    if (!queues_.erase(id))
        return false;
    fill(monotonic_ns());
    return true;
}

UserQueue *UserQueues::find(uint32_t id) noexcept {
    auto queue = queues_.find(id);
    return queue == queues_.end() ? nullptr : queue->second.get();
}

int UserQueues::free_slot() const {
    for (uint32_t slot = first_slot_; slot < first_slot_ + slots_; ++slot)
        if (std::none_of(queues_.begin(), queues_.end(), [&](const auto &item) {
                return item.second->slot() == static_cast<int>(slot);
            }))
            return static_cast<int>(slot);
    return -1;
}

UserQueue *UserQueues::next_in(uint64_t before_ns) {
    UserQueue *best = nullptr;
    for (auto &[id, queue] : queues_) {
        if (queue->stopped() || queue->on_hardware() || queue->since_ns() >= before_ns)
            continue;
        const brgpu_core_turn turn = queue->turn();
        const brgpu_core_turn best_turn = best ? best->turn() : turn;
        if (!best || brgpu_core_turn_enters_before(&turn, &best_turn))
            best = queue.get();
    }
    return best;
}

UserQueue *UserQueues::next_out(const UserQueue &waiting, uint64_t now_ns) {
    const brgpu_core_turn waits = waiting.turn();
    UserQueue *best = nullptr;
    for (auto &[id, queue] : queues_) {
        if (!queue->on_hardware())
            continue;
        const brgpu_core_turn turn = queue->turn();
        const brgpu_core_turn best_turn = best ? best->turn() : turn;
        if (brgpu_core_turn_yields(&turn, &waits, now_ns) &&
            (!best || brgpu_core_turn_leaves_before(&turn, &best_turn)))
            best = queue.get();
    }
    return best;
}

void UserQueues::fill(uint64_t now_ns) {
    crowded_ = false;
    while (UserQueue *queue = next_in(UINT64_MAX)) {
        const int slot = free_slot();
        if (slot < 0) {
            crowded_ = true;
            return;
        }
        queue->map(static_cast<uint32_t>(slot), now_ns);
    }
}

void UserQueues::take_turns(uint64_t now_ns) {
    for (uint32_t i = 0; i < slots_; ++i) {
        UserQueue *in = next_in(now_ns);
        UserQueue *out = in ? next_out(*in, now_ns) : nullptr;
        if (!out)
            return;
        const int slot = out->slot();
        out->leave(now_ns);
        in->map(static_cast<uint32_t>(slot), now_ns);
    }
}

unsigned UserQueues::pump(uint64_t now_ns) {
    unsigned stopped = 0;
    for (auto &[id, queue] : queues_) {
        const bool outranked = std::any_of(queues_.begin(), queues_.end(), [&](const auto &item) {
            return item.second->priority() > queue->priority() && item.second->runs();
        });
        stopped += queue->look(now_ns, outranked);
    }
    if (crowded_)
        take_turns(now_ns);
    fill(now_ns);
    return stopped;
}

int UserQueues::look_ms() const noexcept {
    if (crowded_)
        return BRGPU_CORE_TURN_LOOK_MS;
    return queues_.empty() ? idle_ms : watch_ms;
}

} // namespace brgpu::umd::model
