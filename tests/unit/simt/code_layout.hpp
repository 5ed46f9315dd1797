// SPDX-License-Identifier: MIT
//
// Code as basic blocks, and its arrangement in memory: in the order that it was made, or in any
// other. Where blocks stand must never matter to a kernel.
#ifndef BRGPU_TESTS_SIMT_CODE_LAYOUT_HPP
#define BRGPU_TESTS_SIMT_CODE_LAYOUT_HPP

#include <cstdint>
#include <random>
#include <vector>

namespace brgpu::simt::test {

struct CodeBlock {
    struct Item {
        enum class Kind : uint8_t {
            plain,
            call,        // jal rd, target
            call_by_reg, // auipc + addi to rd, jalr ra, rd
            address,     // auipc + addi to rd: address of target
        };
        Kind kind = Kind::plain;
        uint8_t rd = 0;
        uint32_t code = 0;
        uint32_t target = 0; // block
    };
    enum class End : uint8_t {
        jump,   // to targets[0]
        branch, // funct3, rs1, rs2: to targets[0], else targets[1]
        table,  // to targets[rs1]; t1 and t2 are scratch
        leave,  // the last item is a jump of its own
    };

    std::vector<Item> items;
    End end = End::leave;
    uint8_t funct3 = 0, rs1 = 0, rs2 = 0;
    std::vector<uint32_t> targets;
};

struct LayoutOptions {
    bool permute = false;  // shuffle all blocks but the first
    bool compress = false; // use the C extension here and there
};

// Code for the blocks, the first of which stands at the start. Throws std::runtime_error if it
// becomes larger than a jump reaches.
std::vector<uint8_t> lay_out(const std::vector<CodeBlock> &blocks, const LayoutOptions &options,
                             std::mt19937_64 &random);

} // namespace brgpu::simt::test

#endif
