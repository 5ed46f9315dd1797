// SPDX-License-Identifier: MIT
#include "user_ring.hpp"

#include <atomic>
#include <cstring>
#include <ctime>
#include <vector>

#include "deadline.hpp"
#include "error.hpp"

namespace brgpu::umd {

namespace {

// The layout: a cache line for each index, then the words, then the ring.
constexpr uint64_t write_at = 0;
constexpr uint64_t read_at = 64;
constexpr uint64_t words_at = 1024;
constexpr uint64_t ring_at = 4096;

constexpr uint64_t room_timeout_ns = 1000000000;

} // namespace

UserRing::UserRing(std::shared_ptr<Vm> vm)
    : vm_(std::move(vm)), memory_(vm_, ring_at + (uint64_t{BRGPU_PACKET_BYTES} << ring_log2),
                                  BRGPU_PLACEMENT_SYSTEM, BRGPU_ACCESS_RW) {
    static_assert(words_at + words * sizeof(uint64_t) <= ring_at);
}

UserRing::~UserRing() {
    // In the child of a fork there is no mapping, and something else may stand there.
    if (doorbells_ && !vm_->device().forked())
        vm_->device().kernel().unmap(doorbells_, page_bytes);
}

void UserRing::describe(drm_brgpu_queue_create &request) const noexcept {
    request.flags |= DRM_BRGPU_QUEUE_USER;
    request.ring_log2 = ring_log2;
    request.ring_va = memory_.address() + ring_at;
    request.write_index_va = memory_.address() + write_at;
    request.read_index_va = memory_.address() + read_at;
}

void UserRing::attach(const drm_brgpu_queue_create &created) {
    int error = 0;
    doorbells_ = vm_->device().kernel().map(page_bytes, created.doorbell_offset, &error);
    if (!doorbells_)
        raise_errno(error, "brgpu: mapping the doorbell of queue %u", created.queue_id);
    doorbell_ = static_cast<volatile uint64_t *>(doorbells_) + created.doorbell_slot;
    queue_id_ = created.queue_id;
}

uint64_t UserRing::read_index() const noexcept {
    return __atomic_load_n(reinterpret_cast<const uint64_t *>(memory_.cpu() + read_at),
                           __ATOMIC_ACQUIRE);
}

bool UserRing::wait_read(uint64_t index) {
    const uint64_t give_up = monotonic_ns() + room_timeout_ns;
    while (read_index() < index) {
        if (monotonic_ns() > give_up)
            return false;
        const timespec pause = {0, 50000};
        nanosleep(&pause, nullptr);
    }
    return true;
}

bool UserRing::make_room(size_t packets) {
    return packets <= most_packets &&
           (written_ + packets <= most_packets || wait_read(written_ + packets - most_packets));
}

void UserRing::put_bytes(const void *packet) noexcept {
    const uint64_t slot = written_++ & (most_packets - 1);
    std::memcpy(memory_.cpu() + ring_at + slot * BRGPU_PACKET_BYTES, packet, BRGPU_PACKET_BYTES);
}

void UserRing::put_wait(std::span<const TimelinePoint> points) {
    const size_t word = waits_ % words;
    if (!wait_read(used_until_[word]))
        raise(BRGPU_ERROR_BUSY, "brgpu: queue %u: %zu submissions wait for fences already",
              queue_id_, words);
    std::vector<drm_brgpu_sync> syncs;
    for (const TimelinePoint &point : points)
        syncs.push_back({DRM_BRGPU_SYNC_TIMELINE, point.timeline->handle(), point.value});

    drm_brgpu_signal_mem request = {};
    request.handle = memory_.handle();
    request.offset = words_at + word * sizeof(uint64_t);
    request.value = waits_ + 1;
    request.queue_id = queue_id_;
    request.syncs = {sizeof(drm_brgpu_sync), static_cast<uint32_t>(syncs.size()),
                     reinterpret_cast<uintptr_t>(syncs.data())};
    int error = vm_->device().call(DRM_IOCTL_BRGPU_SIGNAL_MEM, request);
    if (error)
        raise_errno(-error, "brgpu: having queue %u wait for %zu points", queue_id_, points.size());

    brgpu_packet_wait packet = {};
    packet.type = BRGPU_PACKET_WAIT;
    packet.compare = BRGPU_WAIT_EQ;
    packet.address = memory_.address() + request.offset;
    packet.value = request.value;
    packet.mask = UINT64_MAX;
    put(packet);
    ++waits_;
    used_until_[word] = written_;
}

void UserRing::publish() noexcept {
    published_ = written_;
    __atomic_store_n(reinterpret_cast<uint64_t *>(memory_.cpu() + write_at), written_,
                     __ATOMIC_RELEASE);
    vm_->device().kernel().ring(doorbell_);
}

} // namespace brgpu::umd
