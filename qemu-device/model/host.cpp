// SPDX-License-Identifier: MIT
#include "host.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string>

namespace brgpu::model {
namespace {

// How much is asked of the host at once: guest RAM comes in few, large pieces.
constexpr uint64_t map_bytes = uint64_t{1} << 30;
// The cache starts anew beyond this many pieces (hosts that map page by page).
constexpr size_t max_ranges = 65536;

} // namespace

HostPort::HostPort(const brgpu_model_host_ops &ops, void *context, SafePoints &points)
    : context_(context), points_(points) {
    std::memcpy(&ops_, &ops, std::min(ops.struct_size, sizeof(ops_)));
    restart_time();
}

HostPort::~HostPort() {
    invalidate(0, 0);
}

HostPort::Mapping HostPort::find(const Ranges &ranges, uint64_t address) const {
    auto next = ranges.upper_bound(address);
    if (next == ranges.begin())
        return {};
    const auto &[start, range] = *std::prev(next);
    uint64_t offset = address - start;
    if (offset >= range.bytes)
        return {};
    return {range.pointer + offset, range.bytes - offset};
}

HostPort::Mapping HostPort::cached(uint64_t address, bool write) {
    std::shared_lock lock(ranges_mutex_);
    return find(write ? writable_ : readable_, address);
}

HostPort::Mapping HostPort::map(Worker &worker, uint64_t address, bool write) {
    if (!current(worker))
        return {};
    if (Mapping known = cached(address, write); known.pointer)
        return known;

    for (int attempt = 0; attempt < 4; attempt++) {
        uint64_t before;
        {
            std::shared_lock lock(ranges_mutex_);
            before = invalidations_;
        }
        size_t bytes = map_bytes;
        void *pointer;
        {
            BlockedSection blocked(points_, worker);
            pointer = ops_.dma_map(context_, address, &bytes, write);
        }
        if (!pointer)
            return {};
        auto *start = static_cast<std::byte *>(pointer);
        std::vector<Range> dropped;
        Mapping result;
        {
            std::unique_lock lock(ranges_mutex_);
            Ranges &ranges = write ? writable_ : readable_;
            if (Mapping other = find(ranges, address); other.pointer) {
                dropped.push_back({start, bytes, write, bytes}); // another worker was faster
                result = other;
            } else if (before != invalidations_ || !current(worker)) {
                dropped.push_back({start, bytes, write, bytes});
            } else {
                uint64_t usable = bytes;
                if (auto next = ranges.upper_bound(address); next != ranges.end())
                    usable = std::min<uint64_t>(usable, next->first - address);
                ranges[address] = {start, usable, write, bytes};
                result = {start, usable};
            }
        }
        for (const Range &range : dropped)
            ops_.dma_unmap(context_, range.pointer, range.asked, write, 0);
        if (result.pointer) {
            bool full;
            {
                std::shared_lock lock(ranges_mutex_);
                full = readable_.size() + writable_.size() > max_ranges;
            }
            if (!full)
                return result;
            // Nobody may hold a pointer when it is unmapped, this worker included.
            {
                BlockedSection blocked(points_, worker);
                invalidate(0, 0);
            }
        }
        if (!current(worker))
            return {};
    }
    return {};
}

bool HostPort::read(Worker &worker, uint64_t address, void *buffer, size_t bytes) {
    if (!current(worker))
        return false;
    bool done;
    {
        delay(worker);
        BlockedSection blocked(points_, worker);
        done = current(worker) && ops_.dma_read(context_, address, buffer, bytes) == 0;
    }
    return done && current(worker);
}

bool HostPort::write(Worker &worker, uint64_t address, const void *buffer, size_t bytes) {
    if (!current(worker))
        return false;
    bool done;
    {
        delay(worker);
        BlockedSection blocked(points_, worker);
        done = current(worker) && ops_.dma_write(context_, address, buffer, bytes) == 0;
    }
    return done && current(worker);
}

bool HostPort::raise(Worker &worker, unsigned vector) {
    if (!current(worker))
        return false;
    ops_.raise_vector(context_, vector);
    return true;
}

void HostPort::take(Ranges &from, uint64_t address, uint64_t bytes, std::vector<Range> &out) {
    auto item = bytes ? from.upper_bound(address) : from.begin();
    if (bytes && item != from.begin()) {
        auto previous = std::prev(item);
        if (address - previous->first < previous->second.asked)
            item = previous;
    }
    while (item != from.end() &&
           (bytes == 0 || item->first - address < bytes || item->first <= address)) {
        out.push_back(item->second);
        item = from.erase(item);
    }
}

void HostPort::invalidate(uint64_t address, uint64_t bytes) {
    std::vector<Range> dropped;
    {
        std::unique_lock lock(ranges_mutex_);
        invalidations_++;
        take(readable_, address, bytes, dropped);
        take(writable_, address, bytes, dropped);
    }
    points_.wait(points_.advance());
    for (const Range &range : dropped)
        ops_.dma_unmap(context_, range.pointer, range.asked, range.write,
                       range.write ? range.asked : 0);
}

void HostPort::log(brgpu_model_log_level level, std::string_view text) const {
    if (ops_.log)
        ops_.log(context_, level, std::string(text).c_str());
}

void HostPort::delay(Worker &worker) {
    uint32_t us = slow_dma_us.load(std::memory_order_relaxed);
    if (us == 0)
        return;
    timespec time = {static_cast<time_t>(us / 1000000), static_cast<long>(us % 1000000) * 1000};
    BlockedSection blocked(points_, worker);
    nanosleep(&time, nullptr);
}

} // namespace brgpu::model
