// SPDX-License-Identifier: MIT
//
// The registers of BAR 0 as a table, and the access rules of brgpu/hw/regs.h.
#ifndef BRGPU_MODEL_REGISTERS_HPP
#define BRGPU_MODEL_REGISTERS_HPP

#include <atomic>
#include <cstdint>
#include <span>

namespace brgpu::model {

class Card;

enum class RegisterAccess : uint8_t { ro, wo, rw, w1c };

// One register, or one of each element of an array of blocks.
struct RegisterRow {
    uint32_t offset; // in its block
    uint8_t bits;    // 32 or 64
    RegisterAccess access;
    const char *name;
    uint64_t (*read)(Card &card, uint32_t index);
    // The bits of `mask` are written: half of a 64-bit register may be.
    void (*write)(Card &card, uint32_t index, uint64_t value, uint64_t mask);
};

// `count` blocks of rows, `stride` bytes apart.
struct RegisterBlock {
    uint32_t base;
    uint32_t stride;
    uint32_t count;
    std::span<const RegisterRow> rows;
};

// Any thread.
class RegisterFile {
  public:
    explicit RegisterFile(Card &card) : card_(card) {}

    uint64_t read(uint64_t offset, unsigned size);
    void write(uint64_t offset, uint64_t value, unsigned size);
    uint32_t bad_accesses() const { return bad_.load(std::memory_order_relaxed); }
    void reset() { bad_.store(0); }

    // For tests and documentation: all blocks of the contract, arrays at their greatest size.
    static std::span<const RegisterBlock> blocks();

    // Their implementation reaches into the card.
    struct Rows;

  private:
    struct Target {
        const RegisterRow *row = nullptr;
        uint32_t index = 0;
        bool high = false; // the upper half of a 64-bit register
    };
    Target find(uint32_t offset) const;
    uint64_t read_word(const Target &target);
    void note_bad();

    Card &card_;
    std::atomic<uint32_t> bad_{0};
};

} // namespace brgpu::model

#endif
