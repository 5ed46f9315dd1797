// SPDX-License-Identifier: MIT
//
// Random instructions of generated kernels, and the blocks that they go to.
//
// Registers: data in `data_regs` and all of f0 to f31 (singles, doubles, halves, a few of any
// kind); x3, x8, x9, x26 bases of the work-item's memory; x18 to x21 loop counters by depth; x22
// recursion depth; x23 a mask of lanes; x24 the work-item's id; t0 to t2 scratch, never a source of
// data. sp, tp, ra and pcs never become data: they differ from machine to machine and from layout
// to layout.
#ifndef BRGPU_TESTS_SIMT_KERNEL_BUILDER_HPP
#define BRGPU_TESTS_SIMT_KERNEL_BUILDER_HPP

#include <array>
#include <initializer_list>
#include <random>
#include <vector>

#include "code_layout.hpp"
#include "encoding.hpp"
#include "kernel_generator.hpp"

namespace brgpu::simt::test {

// Random numbers are drawn one statement at a time: the order in which arguments of a call are
// evaluated differs between compilers.
class KernelBuilder {
  public:
    explicit KernelBuilder(const KernelOptions &options)
        : options_(options), random_(options.seed) {}

  protected:
    using Reg = rv::Reg;
    using Kind = CodeBlock::Item::Kind;
    using End = CodeBlock::End;

    static constexpr Reg slot_base = 3, table_base = 8, row4_base = 9, row8_base = 26;
    static constexpr Reg recursion = 22, lane_mask = 23, item_id = 24, first_counter = 18;
    static constexpr std::array<Reg, 14> data_regs = {10, 11, 12, 13, 14, 15, 16,
                                                      17, 25, 27, 28, 29, 30, 31};
    static constexpr uint32_t local_slots = 512; // 16 bytes each

    uint32_t pick(uint32_t count) { return static_cast<uint32_t>(random_() % count); }
    bool one_in(uint32_t count) { return pick(count) == 0; }
    uint32_t any_of(std::initializer_list<uint32_t> from) {
        return from.begin()[pick(static_cast<uint32_t>(from.size()))];
    }
    Reg data() { return data_regs[pick(data_regs.size())]; }
    Reg source();
    Reg fp_reg(uint32_t fmt); // one that holds the format, most of the time
    uint32_t rounding();
    uint32_t condition() { return any_of({0, 1, 4, 5, 6, 7}); } // funct3 of a branch

    CodeBlock &block() { return blocks_[current_]; }
    uint32_t new_block() {
        blocks_.emplace_back();
        return static_cast<uint32_t>(blocks_.size() - 1);
    }
    void put(uint32_t code) { block().items.push_back({Kind::plain, 0, code, 0}); }
    void put(Kind kind, Reg rd, uint32_t target) {
        block().items.push_back({kind, static_cast<uint8_t>(rd), 0, target});
    }
    void end_jump(uint32_t target);
    void end_branch(uint32_t funct3, Reg rs1, Reg rs2, uint32_t taken, uint32_t other);

    void straight(); // a few instructions on data
    void integer();
    void integer_immediate(Reg rd, Reg a);
    void floating();
    void floating_state();
    // A load or store at base + offset, which belongs to the work-item.
    void element(uint32_t width, Reg base, int32_t offset);
    void own_memory();
    void table_read();
    void atomics();
    void shared_atomics(uint32_t width);
    // Offset from table + 2047 of a number of moderate size.
    int32_t moderate(uint32_t width);

    const KernelOptions &options_;
    std::mt19937_64 random_;
    std::vector<CodeBlock> blocks_;
    uint32_t current_ = 0;
};

} // namespace brgpu::simt::test

#endif
