// SPDX-License-Identifier: MIT
#include "peripherals.hpp"

namespace brgpu::controller {

bool SharedWindow::load(std::uint32_t offset, unsigned bytes, std::uint32_t &value) const {
    if (offset >= BRGPU_SHARED_BYTES || BRGPU_SHARED_BYTES - offset < bytes)
        return false;
    const std::uint32_t index = offset / 4;
    const unsigned shift = offset % 4 * 8;
    std::uint64_t pair = load_word(index);
    if (offset % 4 + bytes > 4)
        pair |= std::uint64_t{load_word(index + 1)} << 32;
    const std::uint64_t mask = (std::uint64_t{1} << 8 * bytes) - 1;
    value = static_cast<std::uint32_t>(pair >> shift & mask);
    return true;
}

bool SharedWindow::store(std::uint32_t offset, unsigned bytes, std::uint32_t value) {
    if (offset >= BRGPU_SHARED_BYTES || BRGPU_SHARED_BYTES - offset < bytes)
        return false;
    const unsigned shift = offset % 4 * 8;
    const std::uint64_t mask = ((std::uint64_t{1} << 8 * bytes) - 1) << shift;
    const std::uint64_t shifted = std::uint64_t{value} << shift & mask;
    // The driver may be writing the word's other bytes: leave them alone.
    const auto merge = [this](std::uint32_t index, std::uint32_t word_mask, std::uint32_t bits) {
        std::uint32_t old = words_[index].load(std::memory_order_relaxed);
        while (!words_[index].compare_exchange_weak(old, (old & ~word_mask) | bits,
                                                    std::memory_order_relaxed)) {
        }
    };
    merge(offset / 4, static_cast<std::uint32_t>(mask), static_cast<std::uint32_t>(shifted));
    if ((mask >> 32) != 0)
        merge(offset / 4 + 1, static_cast<std::uint32_t>(mask >> 32),
              static_cast<std::uint32_t>(shifted >> 32));
    return true;
}

void SharedWindow::clear(std::uint32_t offset, std::uint32_t bytes) {
    for (std::uint32_t index = offset / 4; index < (offset + bytes) / 4; ++index)
        store_word(index, 0);
}

} // namespace brgpu::controller
