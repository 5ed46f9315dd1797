// SPDX-License-Identifier: MIT
//
// The ring of a user-mode queue: packets are written and rung for in the caller's thread, without a
// system call. The producer's side of brgpu/hw/queue.h.
#ifndef BRGPU_UMD_USER_RING_HPP
#define BRGPU_UMD_USER_RING_HPP

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "brgpu/hw/queue.h"
#include "drm/brgpu_drm.h"
#include "timeline.hpp"
#include "vm.hpp"

namespace brgpu::umd {

// One caller at a time.
class UserRing {
  public:
    explicit UserRing(std::shared_ptr<Vm> vm);
    ~UserRing();
    UserRing(const UserRing &) = delete;
    UserRing &operator=(const UserRing &) = delete;

    // The fields of a creation that tell where the ring is.
    void describe(drm_brgpu_queue_create &request) const noexcept;
    // What the creation answered. Throws when the doorbell can't be mapped.
    void attach(const drm_brgpu_queue_create &created);

    // Waits until `packets` fit, and then as many can be put; false: not within a second.
    bool make_room(size_t packets);
    template <typename Packet>
    void put(const Packet &packet) noexcept {
        static_assert(sizeof(Packet) == BRGPU_PACKET_BYTES);
        put_bytes(&packet);
    }
    // A packet that waits until the points are signalled, for which the kernel stands by. One
    // packet of room. Throws, with nothing put.
    void put_wait(std::span<const TimelinePoint> points);
    // Makes what was put visible to the device.
    void publish() noexcept;
    // Forgets what was put since.
    void drop() noexcept { written_ = published_; }

    static constexpr uint32_t ring_log2 = 12;
    static constexpr size_t most_packets = size_t{1} << ring_log2;

  private:
    void put_bytes(const void *packet) noexcept;
    uint64_t read_index() const noexcept;
    bool wait_read(uint64_t index);

    static constexpr size_t words = 256; // that fences are told by

    std::shared_ptr<Vm> vm_;
    OwnedAllocation memory_;
    uint32_t queue_id_ = 0;
    void *doorbells_ = nullptr;
    volatile uint64_t *doorbell_ = nullptr;
    uint64_t written_ = 0;
    uint64_t published_ = 0;
    uint64_t waits_ = 0;
    std::array<uint64_t, words> used_until_ = {}; // a word is free when so many packets are read
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_USER_RING_HPP
