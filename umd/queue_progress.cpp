// SPDX-License-Identifier: MIT
#include "queue_progress.hpp"

#include <cstdio>
#include <cstring>

#include "brgpu/hw/queue.h"
#include "error.hpp"
#include "fault_text.hpp"

namespace brgpu::umd {

namespace {
constexpr uint64_t count_packet_offset = 64;
constexpr uint64_t code_packet_offset = 128;
} // namespace

QueueProgress::QueueProgress(std::shared_ptr<Vm> vm, uint32_t queue_id)
    : vm_(std::move(vm)), timeline_(Timeline::create(vm_->device_reference(), 0)),
      page_(vm_, page_bytes, BRGPU_PLACEMENT_SYSTEM, BRGPU_ACCESS_RW), queue_id_(queue_id) {
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
    return succeeded(serial) || timeline_->value() >= serial;
}

bool QueueProgress::wait(uint64_t serial, int64_t deadline_ns) {
    if (succeeded(serial))
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
