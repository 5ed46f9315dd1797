// SPDX-License-Identifier: MIT
#include "queue_progress.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "brgpu/hw/queue.h"
#include "deadline.hpp"
#include "error.hpp"
#include "fault_text.hpp"

namespace brgpu::umd {

namespace {
constexpr uint64_t count_packet_offset = 64;
constexpr uint64_t code_packet_offset = 128;
constexpr uint64_t poll_forever = UINT32_MAX * uint64_t{1000};
constexpr uint64_t poll_slice_ns = 20000000;
// What a short kernel takes is looked for in memory: to sleep and be woken takes as long.
constexpr uint64_t spin_ns = 10000;

void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}
} // namespace

QueueProgress::QueueProgress(std::shared_ptr<Vm> vm, uint32_t queue_id, uint64_t poll_ns)
    : vm_(std::move(vm)), timeline_(Timeline::create(vm_->device_reference(), 0)),
      page_(vm_, page_bytes, BRGPU_PLACEMENT_SYSTEM, BRGPU_ACCESS_RW), queue_id_(queue_id),
      poll_ns_(poll_ns) {
    brgpu_packet_signal count = {};
    count.type = BRGPU_PACKET_SIGNAL;
    count.op = BRGPU_SIGNAL_ADD;
    count.address = page_.address();
    count.value = 1;
    std::memcpy(page_.cpu() + count_packet_offset, &count, sizeof(count));
    brgpu_packet_barrier code = {};
    code.type = BRGPU_PACKET_BARRIER;
    code.ops = BRGPU_BARRIER_CODE;
    std::memcpy(page_.cpu() + code_packet_offset, &code, sizeof(code));
}

uint64_t QueueProgress::count_packet() const noexcept {
    return page_.address() + count_packet_offset;
}

uint64_t QueueProgress::code_packet() const noexcept {
    return page_.address() + code_packet_offset;
}

bool QueueProgress::succeeded(uint64_t serial) const noexcept {
    auto *count = reinterpret_cast<uint64_t *>(page_.cpu());
    return std::atomic_ref(*count).load(std::memory_order_acquire) >= serial;
}

bool QueueProgress::finished(uint64_t serial) {
    // Without a call: that a queue has stopped is found out by those who wait for it.
    if (user_mode())
        return succeeded(serial) || stopped_.load() || queue_id_.load() == 0;
    return succeeded(serial) || timeline_->value() >= serial;
}

bool QueueProgress::poll(uint64_t serial, int64_t deadline_ns, uint64_t most) const noexcept {
    const uint64_t start = monotonic_ns();
    for (unsigned i = 0; !succeeded(serial); ++i) {
        relax();
        if (i % 64)
            continue;
        const uint64_t now = monotonic_ns();
        if (now - start >= most || static_cast<int64_t>(now) >= deadline_ns)
            return false;
    }
    return true;
}

// For a user-mode queue. True: the submission has ended, well or not.
bool QueueProgress::wait_memory(uint64_t serial, int64_t deadline_ns) {
    // Who never sleeps asks now and then whether the queue still lives.
    while (!poll(serial, deadline_ns, std::min(poll_ns_, poll_slice_ns))) {
        drm_brgpu_wait_mem request = {};
        request.handle = page_.handle();
        request.compare = DRM_BRGPU_WAIT_GE | DRM_BRGPU_WAIT_QUEUE;
        request.value = serial;
        request.mask = UINT64_MAX;
        request.deadline_ns = poll_ns_ == poll_forever ? 0 : deadline_ns;
        request.queue_id = queue_id_.load();
        if (request.queue_id == 0)
            return true;
        const int error = vm_->device().call(DRM_IOCTL_BRGPU_WAIT_MEM, request);
        if (error == 0)
            return true;
        if (error == -EIO || error == -ENOENT) {
            stopped_.store(true);
            return true;
        }
        if (error != -ETIME)
            raise_errno(-error, "brgpu: waiting for submission %llu of queue %u",
                        static_cast<unsigned long long>(serial), request.queue_id);
        if (static_cast<int64_t>(monotonic_ns()) >= deadline_ns)
            return false;
    }
    return true;
}

bool QueueProgress::wait(uint64_t serial, int64_t deadline_ns, bool signals) {
    // With one processor nothing changes while this thread looks.
    static const uint64_t spin = std::thread::hardware_concurrency() > 1 ? spin_ns : 0;
    if (user_mode())
        return succeeded(serial) || wait_memory(serial, deadline_ns);
    if (!signals && poll(serial, deadline_ns, spin))
        return true;
    TimelinePoint point = {timeline_.get(), serial};
    return wait_points({&point, 1}, true, deadline_ns, nullptr);
}

void QueueProgress::check(uint64_t serial) {
    if (succeeded(serial))
        return;
    if (queue_id_.load() == 0)
        raise(BRGPU_ERROR_CANCELED, "brgpu: submission %llu was dropped with its queue",
              static_cast<unsigned long long>(serial));
    const brgpu_queue_state now = state();
    if (now.state == BRGPU_STATE_OK)
        raise(BRGPU_ERROR_CANCELED, "brgpu: submission %llu did not run to its end",
              static_cast<unsigned long long>(serial));
    raise(now.state == BRGPU_STATE_LOST ? BRGPU_ERROR_DEVICE_LOST : BRGPU_ERROR_QUEUE_STOPPED,
          "brgpu: %s", now.text);
}

brgpu_queue_state QueueProgress::state() {
    drm_brgpu_queue_get_state request = {};
    request.queue_id = queue_id_.load();
    int error = vm_->device().call(DRM_IOCTL_BRGPU_QUEUE_GET_STATE, request);
    if (error)
        raise_errno(-error, "brgpu: asking for the state of queue %u", request.queue_id);
    brgpu_queue_state state = {};
    state.state = request.state;
    state.error = request.error;
    state.submitted = request.submitted;
    state.completed = request.completed;
    if (user_mode()) {
        // The kernel counts packets.
        state.submitted = submitted_.load();
        auto *count = reinterpret_cast<uint64_t *>(page_.cpu());
        state.completed = std::atomic_ref(*count).load(std::memory_order_acquire);
        stopped_.store(request.state != DRM_BRGPU_STATE_OK);
    }
    state.busy_ns = request.busy_ns;
    state.fault = fault_info(request.fault);
    if (request.state != DRM_BRGPU_STATE_OK) {
        const std::string text = queue_error_text(request.queue_id, request.state, request.error,
                                                  state.fault, vm_.get());
        std::snprintf(state.text, sizeof(state.text), "%s", text.c_str());
    }
    return state;
}

} // namespace brgpu::umd
