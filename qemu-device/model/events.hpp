// SPDX-License-Identifier: MIT
//
// The event rings: records to the driver, with phase, overflow, arming and coalescing.
#ifndef BRGPU_MODEL_EVENTS_HPP
#define BRGPU_MODEL_EVENTS_HPP

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "brgpu/hw/events.h"
#include "brgpu/hw/regs.h"
#include "host.hpp"

namespace brgpu::model {

// Any thread posts; a thread of the card delivers, because delivering calls the host. One thread
// delivers at a time and nobody waits for it, so records stay in the order in which they were
// posted.
class EventRings {
  public:
    // `wake` gets a thread of the card to call deliver() soon.
    EventRings(HostPort &host, uint32_t queues, std::function<void()> wake);

    void post(uint8_t type, uint16_t queue, uint32_t info, uint64_t data0 = 0, uint64_t data1 = 0);
    // Coalesced: at most one record of each kind and queue is in the ring.
    void post_signal(uint16_t queue, uint64_t value);
    void post_user(uint16_t queue, uint64_t payload);

    // Writes what is pending. True if there may be more (another thread was at it, and has left).
    void deliver(Worker &worker);
    // Whether deliver() would find something to do.
    bool pending() const {
        return pending_.load(std::memory_order_acquire) &&
               !delivering_.load(std::memory_order_acquire);
    }

    // Registers; offset within the block of a class.
    uint32_t read(unsigned cls, uint32_t offset) const;
    void write(unsigned cls, uint32_t offset, uint32_t value);
    uint32_t pending_classes() const;
    void reset();

    // A fault on demand: this many interrupts get lost.
    std::atomic<uint32_t> lose_interrupts{0};
    uint64_t interrupts() const { return interrupts_.load(std::memory_order_relaxed); }

  private:
    struct Ring {
        uint64_t base = 0;
        uint32_t size_log2 = 4;
        uint32_t vector = 0;
        uint32_t consumer = 0;
        uint32_t producer = 0;
        uint32_t status = 0;
        uint32_t lost = 0;
        bool enabled = false;
        bool armed = false;
        bool raise = false; // owed to a write of CONSUMER or to a record
        uint64_t era = 0;   // counts enablings
        std::deque<brgpu_event_record> waiting;
    };
    // Coalescing of one kind of record of a queue.
    struct Merge {
        bool in_ring = false; // posted, and not consumed as far as we know
        bool placed = false;  // has its place in the ring: `at`
        uint32_t at = 0;
        uint64_t count = 0; // merged since
        uint64_t data = 0;
    };

    static unsigned class_of(uint8_t type) { return (type >> 4) - 1u; }
    void queue_record(const brgpu_event_record &record);
    void post_merged(std::vector<Merge> &merges, uint8_t type, uint16_t queue, uint64_t data);
    void consumed(Ring &ring);
    void note_placed(const brgpu_event_record &record, uint32_t index);
    void forget_merges();
    // wake: a worker has to come and deliver; else this thread is one that will.
    void announce(bool wake = true);
    bool deliver_one(Worker &worker, unsigned cls);
    // Where to write the next record; false: nothing to do. Fills in the phase.
    bool place(Ring &ring, brgpu_event_record &record, uint64_t &address);

    HostPort &host_;
    const std::function<void()> wake_;

    mutable std::mutex mutex_; // protects rings and merges; a leaf lock, never held in a host call
    std::array<Ring, BRGPU_EVENT_CLASSES> rings_;
    std::vector<Merge> signals_;
    std::vector<Merge> users_;

    std::atomic<bool> pending_{false};
    std::atomic<bool> delivering_{false};
    std::atomic<uint64_t> interrupts_{0};
};

} // namespace brgpu::model

#endif
