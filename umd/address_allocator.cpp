// SPDX-License-Identifier: MIT
#include "address_allocator.hpp"

#include <algorithm>
#include <iterator>

namespace brgpu::umd {

AddressAllocator::AddressAllocator(uint64_t start, uint64_t end, uint64_t granule)
    : granule_(granule) {
    start = (start + granule - 1) / granule * granule;
    end = end / granule * granule;
    if (start < end)
        holes_.emplace(start, end);
}

void AddressAllocator::take(std::map<uint64_t, uint64_t>::iterator hole, uint64_t address,
                            uint64_t size) {
    const uint64_t start = hole->first, end = hole->second;
    used_.emplace(address, size);
    taken_ += size;
    holes_.erase(hole);
    if (start < address)
        holes_.emplace(start, address);
    if (address + size < end)
        holes_.emplace(address + size, end);
}

std::optional<uint64_t> AddressAllocator::allocate(uint64_t size, uint64_t alignment) {
    if (size == 0 || size > UINT64_MAX - granule_)
        return std::nullopt;
    size = (size + granule_ - 1) / granule_ * granule_;
    alignment = std::max(alignment, granule_);
    for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
        if (hole->first > UINT64_MAX - alignment)
            break;
        const uint64_t address = (hole->first + alignment - 1) & ~(alignment - 1);
        if (address < hole->second && hole->second - address >= size) {
            take(hole, address, size);
            return address;
        }
    }
    return std::nullopt;
}

bool AddressAllocator::allocate_at(uint64_t address, uint64_t size) {
    if (size == 0 || address % granule_ || size % granule_)
        return false;
    auto hole = holes_.upper_bound(address);
    if (hole == holes_.begin())
        return false;
    --hole;
    if (address >= hole->second || hole->second - address < size)
        return false;
    take(hole, address, size);
    return true;
}

std::optional<uint64_t> AddressAllocator::free(uint64_t address) {
    auto entry = used_.find(address);
    if (entry == used_.end())
        return std::nullopt;
    const uint64_t size = entry->second;
    uint64_t start = address, end = address + size;
    used_.erase(entry);
    taken_ -= size;

    auto next = holes_.lower_bound(start);
    if (next != holes_.end() && next->first == end) {
        end = next->second;
        next = holes_.erase(next);
    }
    if (next != holes_.begin()) {
        auto previous = std::prev(next);
        if (previous->second == start) {
            previous->second = end;
            return size;
        }
    }
    holes_.emplace(start, end);
    return size;
}

std::optional<uint64_t> AddressAllocator::size_at(uint64_t address) const {
    auto entry = used_.find(address);
    if (entry == used_.end())
        return std::nullopt;
    return entry->second;
}

bool AddressAllocator::contains(uint64_t address, uint64_t size) const {
    auto entry = used_.upper_bound(address);
    if (entry == used_.begin())
        return false;
    --entry;
    const uint64_t offset = address - entry->first;
    return offset < entry->second && entry->second - offset >= size;
}

} // namespace brgpu::umd
