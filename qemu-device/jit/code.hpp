// SPDX-License-Identifier: MIT
//
// A kernel's control-flow graph, and which registers matter where.
#ifndef BRGPU_JIT_CODE_HPP
#define BRGPU_JIT_CODE_HPP

#include <cstdint>
#include <vector>

#include "simt/jit_abi.hpp"

namespace brgpu::jit {

using simt::Insn;
using simt::Op;
using simt::jit::CodeUnit;

// Registers are numbered 0 to 31 (integer) and 32 to 63 (floating point).
inline constexpr unsigned registers = 64;
inline constexpr unsigned no_register = 64;
inline constexpr unsigned link_register = 1;

// A set of registers, and those of which more than the low 32 bits matter.
struct Demand {
    uint64_t any = 0;
    uint64_t full = 0;
    bool operator==(const Demand &) const = default;
    Demand &operator|=(const Demand &other) {
        any |= other.any;
        full |= other.full;
        return *this;
    }
};
inline constexpr Demand everything = {~uint64_t{1}, ~uint64_t{1}};

// What an instruction reads and writes, given which of its result is wanted.
struct Operands {
    unsigned rd = no_register;
    unsigned source[3] = {no_register, no_register, no_register};
    bool low[3] = {}; // only the low 32 bits of the source matter
};
// `low_result`: nobody looks at the upper half of rd.
Operands operands_of(const Insn &insn, bool low_result);

enum class End : uint8_t {
    fall,     // to next
    branch,   // to taken or next
    indirect, // jalr
    returns,  // jalr to a return address: behind one of the calls, or the kernel's end
    finish,   // the lane ends
    barrier,  // then to next
    leave,    // the interpreter runs the last instruction
};

struct Block {
    uint64_t pc = 0;
    uint32_t first = 0; // of Graph::code
    uint32_t count = 0; // including the instruction that ends it
    End end = End::fall;
    int taken = -1; // -1: not compiled code, a side exit
    int next = -1;
    uint64_t taken_pc = 0;
    uint64_t next_pc = 0;
    std::vector<unsigned> returns; // for End::returns: blocks behind calls
    bool loop_header = false;      // a block that comes not before it in the order leads here
    Demand live_in;
    std::vector<Demand> before; // of each instruction

    template <typename Visit>
    void each_successor(Visit &&visit) const {
        for (const int to : {taken, next})
            if (to >= 0)
                visit(static_cast<unsigned>(to));
        for (const unsigned to : returns)
            visit(to);
    }
};

// Blocks stand in the order in which lanes that are apart run: the lowest first.
struct Graph {
    std::vector<CodeUnit> code;
    std::vector<Block> blocks;
    unsigned entry = 0;
    bool links = false; // the link register is written
    bool meets = false; // there are instructions at which a whole warp meets
    bool barriers = false;

    static Graph build(const simt::jit::Request &request);

  private:
    void split(uint64_t entry_pc);
    void order();
    void find_live();
};

// What is live behind instruction k of the block.
Demand live_after(const Graph &graph, const Block &block, uint32_t k);

} // namespace brgpu::jit

#endif
