// SPDX-License-Identifier: MIT
#include "events.hpp"

#include <cstddef>
#include <cstring>

#include "brgpu/hw/mmu.h"

namespace brgpu::model {
namespace {

// Records that wait for a thread to write them. More pile up only if the driver commands faster
// than the card can write; then they are lost as if the ring were full.
constexpr size_t max_waiting = 8192;
constexpr uint32_t min_size_log2 = 4;
constexpr uint32_t max_size_log2 = 16;

uint64_t low(uint64_t old, uint32_t value) {
    return (old & ~uint64_t{0xffffffff}) | value;
}
uint64_t high(uint64_t old, uint32_t value) {
    return (old & 0xffffffff) | uint64_t{value} << 32;
}

} // namespace

EventRings::EventRings(HostPort &host, uint32_t queues, std::function<void()> wake)
    : host_(host), wake_(std::move(wake)), signals_(queues), users_(queues) {}

void EventRings::announce(bool wake) {
    pending_.store(true, std::memory_order_release);
    if (wake)
        wake_();
}

void EventRings::queue_record(const brgpu_event_record &record) {
    Ring &ring = rings_[class_of(record.type)];
    if (!ring.enabled)
        return;
    if (ring.waiting.size() >= max_waiting) {
        ring.status |= BRGPU_EVENT_STATUS_OVERFLOW;
        if (ring.lost != UINT32_MAX)
            ring.lost++;
        return;
    }
    ring.waiting.push_back(record);
}

void EventRings::post(uint8_t type, uint16_t queue, uint32_t info, uint64_t data0, uint64_t data1) {
    brgpu_event_record record = {};
    record.type = type;
    record.queue = queue;
    record.info = info;
    record.data0 = data0;
    record.data1 = data1;
    record.timestamp = host_.timestamp();
    {
        std::lock_guard lock(mutex_);
        queue_record(record);
    }
    announce();
}

void EventRings::post_merged(std::vector<Merge> &merges, uint8_t type, uint16_t queue,
                             uint64_t data) {
    {
        std::lock_guard lock(mutex_);
        if (!rings_[class_of(type)].enabled)
            return;
        Merge &merge = merges[queue];
        merge.count++;
        merge.data = data;
        if (merge.in_ring)
            return;
        merge.in_ring = true;
        merge.placed = false;
        brgpu_event_record record = {};
        record.type = type;
        record.queue = queue;
        record.data0 = data;
        record.data1 = type == BRGPU_EVENT_USER ? merge.count : 0;
        record.timestamp = host_.timestamp();
        merge.count = 0;
        queue_record(record);
    }
    announce(false); // the worker that met the packet delivers it
}

void EventRings::post_signal(uint16_t queue, uint64_t value) {
    post_merged(signals_, BRGPU_EVENT_SIGNAL, queue, value);
}

void EventRings::post_user(uint16_t queue, uint64_t payload) {
    post_merged(users_, BRGPU_EVENT_USER, queue, payload);
}

void EventRings::note_placed(const brgpu_event_record &record, uint32_t index) {
    if (record.type != BRGPU_EVENT_SIGNAL && record.type != BRGPU_EVENT_USER)
        return;
    Merge &merge = (record.type == BRGPU_EVENT_SIGNAL ? signals_ : users_)[record.queue];
    merge.placed = true;
    merge.at = index;
}

// The driver has taken records. What was merged into one of them may have come after the driver
// looked at memory, so it is announced again.
void EventRings::consumed(Ring &ring) {
    if (&ring != &rings_[BRGPU_EVENT_CLASS_COMPLETION])
        return;
    auto look = [&](std::vector<Merge> &merges, uint8_t type) {
        for (size_t queue = 0; queue < merges.size(); queue++) {
            Merge &merge = merges[queue];
            if (!merge.in_ring || !merge.placed ||
                static_cast<int32_t>(ring.consumer - merge.at) <= 0)
                continue;
            merge.in_ring = false;
            if (merge.count == 0)
                continue;
            brgpu_event_record record = {};
            record.type = type;
            record.queue = static_cast<uint16_t>(queue);
            record.data0 = merge.data;
            record.data1 = type == BRGPU_EVENT_USER ? merge.count : 0;
            record.timestamp = host_.timestamp();
            merge = {};
            merge.in_ring = true;
            queue_record(record);
        }
    };
    look(signals_, BRGPU_EVENT_SIGNAL);
    look(users_, BRGPU_EVENT_USER);
}

void EventRings::forget_merges() {
    for (Merge &merge : signals_)
        merge = {};
    for (Merge &merge : users_)
        merge = {};
}

bool EventRings::place(Ring &ring, brgpu_event_record &record, uint64_t &address) {
    if (ring.waiting.empty())
        return false;
    record = ring.waiting.front();
    ring.waiting.pop_front();
    uint32_t size = uint32_t{1} << ring.size_log2;
    if (ring.producer - ring.consumer >= size) {
        ring.status |= BRGPU_EVENT_STATUS_OVERFLOW;
        if (ring.lost != UINT32_MAX)
            ring.lost++;
        // A merged record that never got a place must not keep later ones out.
        if (record.type == BRGPU_EVENT_SIGNAL)
            signals_[record.queue] = {};
        if (record.type == BRGPU_EVENT_USER)
            users_[record.queue] = {};
        address = 0;
        return true;
    }
    record.phase = (ring.producer >> ring.size_log2 & 1) ? 0 : 1;
    address = ring.base + uint64_t{ring.producer & (size - 1)} * sizeof(record);
    return true;
}

bool EventRings::deliver_one(Worker &worker, unsigned cls) {
    Ring &ring = rings_[cls];
    brgpu_event_record record;
    uint64_t address = 0;
    uint64_t era;
    bool raise_only;
    {
        std::lock_guard lock(mutex_);
        era = ring.era;
        raise_only = ring.raise;
        if (!raise_only) {
            if (!place(ring, record, address))
                return false;
            if (address == 0 && ring.producer - ring.consumer >= uint32_t{1} << ring.size_log2)
                return true; // dropped
        }
    }
    if (!raise_only) {
        // The first 8 bytes carry the phase: last, and at once.
        bool written;
        constexpr size_t head = offsetof(brgpu_event_record, data0);
        auto *bytes = reinterpret_cast<std::byte *>(&record);
        HostPort::Mapping ram = host_.map(worker, address, true);
        if (ram.bytes >= sizeof(record)) {
            uint64_t first;
            std::memcpy(&first, bytes, sizeof(first));
            std::memcpy(ram.pointer + head, bytes + head, sizeof(record) - head);
            __atomic_store_n(reinterpret_cast<uint64_t *>(ram.pointer), first, __ATOMIC_RELEASE);
            written = true;
        } else {
            written = host_.write(worker, address + head, bytes + head, sizeof(record) - head) &&
                      host_.write(worker, address, bytes, head);
        }
        std::lock_guard lock(mutex_);
        if (ring.era != era || !ring.enabled)
            return true; // switched off meanwhile
        if (!written) {
            ring.status |= BRGPU_EVENT_STATUS_DMA_ERROR;
            if (ring.lost != UINT32_MAX)
                ring.lost++;
            if (record.type == BRGPU_EVENT_SIGNAL)
                signals_[record.queue] = {};
            if (record.type == BRGPU_EVENT_USER)
                users_[record.queue] = {};
            return true;
        }
        note_placed(record, ring.producer);
        ring.producer++;
        if (!ring.armed)
            return true;
    }
    unsigned vector;
    {
        std::lock_guard lock(mutex_);
        if (ring.era != era || !ring.enabled)
            return true;
        ring.armed = false;
        ring.raise = false;
        vector = ring.vector;
    }
    uint32_t lose = lose_interrupts.load(std::memory_order_relaxed);
    while (lose != 0 && !lose_interrupts.compare_exchange_weak(lose, lose - 1)) {
    }
    if (lose != 0)
        return true;
    if (host_.raise(worker, vector))
        interrupts_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void EventRings::deliver(Worker &worker) {
    while (pending_.load(std::memory_order_acquire)) {
        if (delivering_.exchange(true, std::memory_order_acq_rel))
            return; // who is at it looks again before it leaves
        pending_.store(false, std::memory_order_seq_cst);
        for (unsigned cls = 0; cls < BRGPU_EVENT_CLASSES; cls++) {
            while (host_.current(worker) && deliver_one(worker, cls)) {
            }
        }
        // Reads what others have written there, so that their pending_ is seen.
        delivering_.exchange(false, std::memory_order_acq_rel);
        if (!host_.current(worker)) {
            // Records of the new generation are for a thread that is in it.
            announce();
            return;
        }
    }
}

uint32_t EventRings::read(unsigned cls, uint32_t offset) const {
    std::lock_guard lock(mutex_);
    const Ring &ring = rings_[cls];
    switch (offset) {
    case BRGPU_EVENT_BASE:
        return static_cast<uint32_t>(ring.base);
    case BRGPU_EVENT_BASE + 4:
        return static_cast<uint32_t>(ring.base >> 32);
    case BRGPU_EVENT_SIZE:
        return ring.size_log2;
    case BRGPU_EVENT_VECTOR:
        return ring.vector;
    case BRGPU_EVENT_CONSUMER:
        return ring.consumer;
    case BRGPU_EVENT_PRODUCER:
        return ring.producer;
    case BRGPU_EVENT_STATUS:
        return ring.status;
    case BRGPU_EVENT_LOST:
        return ring.lost;
    case BRGPU_EVENT_ENABLE:
        return ring.enabled;
    default:
        return 0;
    }
}

void EventRings::write(unsigned cls, uint32_t offset, uint32_t value) {
    constexpr uint64_t base_mask = ((uint64_t{1} << BRGPU_DMA_BITS) - 1) & ~(BRGPU_PAGE_BYTES - 1);
    bool wake = false;
    {
        std::lock_guard lock(mutex_);
        Ring &ring = rings_[cls];
        switch (offset) {
        case BRGPU_EVENT_BASE:
            if (!ring.enabled)
                ring.base = low(ring.base, value) & base_mask;
            break;
        case BRGPU_EVENT_BASE + 4:
            if (!ring.enabled)
                ring.base = high(ring.base, value) & base_mask;
            break;
        case BRGPU_EVENT_SIZE:
            if (!ring.enabled)
                ring.size_log2 = value & 0x1f;
            break;
        case BRGPU_EVENT_VECTOR:
            ring.vector = value & (BRGPU_MAX_VECTORS - 1);
            break;
        case BRGPU_EVENT_CONSUMER:
            ring.consumer = value;
            if (!ring.enabled)
                break;
            ring.armed = true;
            consumed(ring);
            ring.raise = ring.producer != ring.consumer;
            wake = ring.raise || !ring.waiting.empty();
            break;
        case BRGPU_EVENT_STATUS:
            ring.status &= ~value;
            break;
        case BRGPU_EVENT_ENABLE: {
            bool on =
                (value & 1) && ring.size_log2 >= min_size_log2 && ring.size_log2 <= max_size_log2;
            if (on == ring.enabled)
                break;
            ring.era++;
            ring.enabled = on;
            ring.waiting.clear();
            ring.raise = false;
            ring.armed = on;
            if (on) {
                ring.producer = ring.consumer = ring.lost = 0;
                ring.status = 0;
            }
            if (cls == BRGPU_EVENT_CLASS_COMPLETION)
                forget_merges();
            break;
        }
        default:
            break;
        }
    }
    if (wake)
        announce();
}

uint32_t EventRings::pending_classes() const {
    std::lock_guard lock(mutex_);
    uint32_t classes = 0;
    for (unsigned cls = 0; cls < BRGPU_EVENT_CLASSES; cls++) {
        if (rings_[cls].producer != rings_[cls].consumer)
            classes |= 1u << cls;
    }
    return classes;
}

void EventRings::reset() {
    std::lock_guard lock(mutex_);
    for (Ring &ring : rings_) {
        uint64_t era = ring.era + 1;
        ring = {};
        ring.era = era;
    }
    forget_merges();
}

} // namespace brgpu::model
