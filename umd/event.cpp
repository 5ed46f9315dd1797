// SPDX-License-Identifier: MIT
#include "event.hpp"

#include <cstring>

#include "brgpu/hw/queue.h"
#include "deadline.hpp"
#include "error.hpp"

namespace brgpu::umd {

namespace {
constexpr uint64_t packet_offset = 64;
}

Event::Event(std::shared_ptr<Vm> vm)
    : vm_(std::move(vm)), page_(vm_, page_bytes, BRGPU_PLACEMENT_SYSTEM, BRGPU_ACCESS_RW) {
    brgpu_packet_timestamp packet = {};
    packet.type = BRGPU_PACKET_TIMESTAMP;
    packet.address = page_.address();
    std::memcpy(page_.cpu() + packet_offset, &packet, sizeof(packet));
}

void Event::record(Queue &queue) {
    if (&queue.vm() != vm_.get())
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: event and queue are of different address spaces");
    std::lock_guard lock(lock_);
    serial_ = queue.submit_run({page_.address() + packet_offset, 1, 0});
    progress_ = queue.progress();
}

std::shared_ptr<QueueProgress> Event::mark(uint64_t *serial) {
    std::lock_guard lock(lock_);
    *serial = serial_;
    return progress_;
}

void Event::wait(uint64_t timeout_ns) {
    uint64_t serial;
    auto progress = mark(&serial);
    if (!progress)
        return;
    if (!progress->wait(serial, deadline_after(timeout_ns), false))
        raise(BRGPU_ERROR_TIMEOUT,
              "brgpu: an event behind submission %llu of its queue was not reached in %.3f s",
              static_cast<unsigned long long>(serial - 1), static_cast<double>(timeout_ns) * 1e-9);
    progress->check(serial);
}

void Event::make_wait(Queue &queue) {
    uint64_t serial;
    auto progress = mark(&serial);
    if (!progress)
        return;
    queue.wait_for(progress, serial);
}

uint64_t Event::timestamp() {
    uint64_t serial;
    auto progress = mark(&serial);
    if (!progress || !progress->finished(serial))
        raise(BRGPU_ERROR_BUSY, "brgpu: the event has not been reached");
    progress->check(serial);
    uint64_t value;
    std::memcpy(&value, page_.cpu(), sizeof(value));
    return value;
}

} // namespace brgpu::umd
