// SPDX-License-Identifier: MIT
//
// Which addresses of a VM are taken. Knows no memory and no mapping.
#ifndef BRGPU_UMD_ADDRESS_ALLOCATOR_HPP
#define BRGPU_UMD_ADDRESS_ALLOCATOR_HPP

#include <cstdint>
#include <map>
#include <optional>

namespace brgpu::umd {

// Not thread safe: the owner locks. First fit from the start of the range; sizes and addresses are
// multiples of `granule`.
class AddressAllocator {
  public:
    AddressAllocator(uint64_t start, uint64_t end, uint64_t granule);

    // alignment: a power of two. Nothing when there is no room.
    std::optional<uint64_t> allocate(uint64_t size, uint64_t alignment);
    // Exactly there; false when part of it is taken or outside.
    bool allocate_at(uint64_t address, uint64_t size);
    // Size of what was freed; nothing when no allocation starts there.
    std::optional<uint64_t> free(uint64_t address);
    std::optional<uint64_t> size_at(uint64_t address) const;
    // True when one allocation holds the whole range.
    bool contains(uint64_t address, uint64_t size) const;
    uint64_t bytes_taken() const noexcept { return taken_; }

  private:
    void take(std::map<uint64_t, uint64_t>::iterator hole, uint64_t address, uint64_t size);

    uint64_t granule_;
    uint64_t taken_ = 0;
    std::map<uint64_t, uint64_t> holes_; // start -> end, never adjacent
    std::map<uint64_t, uint64_t> used_;  // start -> size
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_ADDRESS_ALLOCATOR_HPP
