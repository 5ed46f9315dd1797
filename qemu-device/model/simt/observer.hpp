// SPDX-License-Identifier: MIT
//
// What a dispatch does, instruction by instruction, for those who ask. A dispatch without an
// observer pays one test a stretch of instructions.
#ifndef BRGPU_SIMT_OBSERVER_HPP
#define BRGPU_SIMT_OBSERVER_HPP

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "brgpu/hw/queue.h"

namespace brgpu::simt {

struct Context;
struct Insn;

// Counts the details of include/brgpu/hw/queue.h, and instructions by pc. Shared by all workers
// that run the dispatch; thread safe.
class Observer {
  public:
    static constexpr unsigned first_detail = BRGPU_COUNTER_BRANCHES;
    using Counts = std::array<uint64_t, BRGPU_COUNTERS>;

    // No profile where code_bytes is 0. Null: host memory is exhausted.
    static std::unique_ptr<Observer> create(uint64_t first_pc, uint64_t code_bytes) noexcept;

    void add(const Counts &counts) noexcept;
    uint64_t count(brgpu_counter which) const noexcept {
        return counts_[which].load(std::memory_order_relaxed);
    }

    // Two numbers for each 2 bytes of code, as struct brgpu_report_entry has them.
    uint64_t profile_entries() const noexcept { return code_bytes_ / 2; }
    brgpu_report_entry profile(uint64_t entry) const noexcept {
        return {profile_[2 * entry].load(std::memory_order_relaxed),
                profile_[2 * entry + 1].load(std::memory_order_relaxed)};
    }
    void add_profile(uint64_t entry, const brgpu_report_entry &counts) noexcept {
        profile_[2 * entry].fetch_add(counts.instructions, std::memory_order_relaxed);
        profile_[2 * entry + 1].fetch_add(counts.lane_instructions, std::memory_order_relaxed);
    }

    // Before the active lanes run the instruction.
    void note(Context &context, const Insn &insn, Counts &counts) noexcept;

  private:
    Observer(uint64_t first_pc, uint64_t code_bytes) noexcept
        : first_pc_(first_pc), code_bytes_(code_bytes) {}

    const uint64_t first_pc_;
    const uint64_t code_bytes_;
    std::array<std::atomic<uint64_t>, BRGPU_COUNTERS> counts_{};
    std::unique_ptr<std::atomic<uint64_t>[]> profile_;
};

// Turns beyond one that an access of these lanes to local memory takes: 32 banks, 4 bytes wide, of
// which each serves one word a turn, to any number of lanes. Accesses of 8 bytes are served to half
// of the lanes at a time. Offsets of inactive lanes are not looked at.
unsigned bank_conflicts(std::span<const uint64_t, 32> offsets, unsigned bytes,
                        uint32_t active) noexcept;

} // namespace brgpu::simt

#endif
