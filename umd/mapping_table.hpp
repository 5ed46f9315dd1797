// SPDX-License-Identifier: MIT
//
// What is mapped where in an address space: the library's shadow that answers pointer queries, and
// the model backend's list of bindings.
#ifndef BRGPU_UMD_MAPPING_TABLE_HPP
#define BRGPU_UMD_MAPPING_TABLE_HPP

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

namespace brgpu::umd {

template <typename Object>
struct BasicMapping {
    uint64_t address = 0;
    uint64_t size = 0;
    std::shared_ptr<Object> memory; // null: reads zero
    uint64_t offset = 0;            // in memory, of `address`
    uint32_t access = 0;
};

// Not thread safe: the owner locks. Mappings never overlap.
template <typename Object>
class BasicMappingTable {
  public:
    using Entry = BasicMapping<Object>;

    // Cuts the range out of what is there, then puts the mapping in.
    void insert(const Entry &mapping) {
        erase(mapping.address, mapping.size);
        by_address_.emplace(mapping.address, mapping);
    }

    void erase(uint64_t address, uint64_t size) {
        const uint64_t end = address + size;
        auto entry = by_address_.upper_bound(address);
        if (entry != by_address_.begin())
            --entry;
        while (entry != by_address_.end() && entry->first < end) {
            Entry old = entry->second;
            const uint64_t old_end = old.address + old.size;
            if (old_end <= address) {
                ++entry;
                continue;
            }
            entry = by_address_.erase(entry);
            if (old_end > end) {
                Entry tail = old;
                tail.address = end;
                tail.size = old_end - end;
                if (tail.memory)
                    tail.offset += end - old.address;
                entry = by_address_.emplace(end, std::move(tail)).first;
            }
            if (old.address < address) {
                old.size = address - old.address;
                by_address_.emplace(old.address, std::move(old));
            }
        }
    }

    std::optional<Entry> find(uint64_t address) const {
        auto entry = by_address_.upper_bound(address);
        if (entry == by_address_.begin())
            return std::nullopt;
        --entry;
        if (address - entry->first >= entry->second.size)
            return std::nullopt;
        return entry->second;
    }

    template <typename Predicate>
    std::optional<Entry> find_if(Predicate matches) const {
        for (const auto &[address, mapping] : by_address_)
            if (matches(mapping))
                return mapping;
        return std::nullopt;
    }

    uint64_t bytes() const noexcept {
        uint64_t sum = 0;
        for (const auto &[address, mapping] : by_address_)
            sum += mapping.size;
        return sum;
    }
    size_t count() const noexcept { return by_address_.size(); }

  private:
    std::map<uint64_t, Entry> by_address_;
};

class Memory;
using Mapping = BasicMapping<Memory>;
using MappingTable = BasicMappingTable<Memory>;

} // namespace brgpu::umd

#endif // BRGPU_UMD_MAPPING_TABLE_HPP
