// SPDX-License-Identifier: MIT
//
// What is known of a register's values in the lanes of a sub-warp, and how it follows from an
// instruction's operands. The analysis and the lowering both ask result_kind(), so they agree.
#ifndef BRGPU_JIT_KINDS_HPP
#define BRGPU_JIT_KINDS_HPP

#include <array>

#include "code.hpp"

namespace brgpu::jit {

enum class Spread : uint8_t {
    none,     // not reached
    constant, // one value, known
    uniform,  // one value for all lanes
    affine,   // base + lane * stride
    varying,
};

// How values are held.
enum class Rep : uint8_t {
    full,        // all 64 bits of the register
    word,        // the register is the sign extension of 32 bits
    low,         // 32 bits; nobody looks at the others
    single,      // NaN-boxed single, no NaN but the canonical one
    lazy,        // NaN-boxed single; a NaN in it stands for the canonical one
    exact,       // NaN-boxed single, any bits
    lazy_double, // a double; a NaN in it stands for the canonical one
};

inline bool is_narrow(Rep rep) {
    return rep != Rep::full && rep != Rep::lazy_double;
}
inline bool is_single(Rep rep) {
    return rep == Rep::single || rep == Rep::lazy || rep == Rep::exact;
}

struct Kind {
    Spread spread = Spread::none;
    Rep rep = Rep::full;
    bool is_private = false; // likely an address of private memory
    int32_t stride = 0;
    uint64_t value = 0;

    bool operator==(const Kind &) const = default;
    bool one() const { return spread == Spread::constant || spread == Spread::uniform; }
    static Kind constant_of(uint64_t value);
    static Kind of(Spread spread, Rep rep) {
        Kind k;
        k.spread = spread;
        k.rep = rep;
        return k;
    }
    static Kind affine_of(int32_t stride) {
        Kind k = of(Spread::affine, Rep::full);
        k.stride = stride;
        return k;
    }
};

// The least kind that holds both. `low`: only the low 32 bits matter from here on.
Kind join(const Kind &a, const Kind &b, bool low);

using State = std::array<Kind, registers>;

struct Config {
    simt::jit::Shape shape;
    unsigned width = 8;
};

// Registers at kernel entry.
State entry_state(const Config &config);

// Kind of what `insn` writes to rd. `low`: nobody looks at the result's upper half.
Kind result_kind(const Config &config, const CodeUnit &unit, const State &state, bool low);
// Kind of rs1 + imm of a load or store.
Kind address_kind(const Config &config, const Insn &insn, const State &state);

// Kind of operand register r; x0 is the constant 0.
inline Kind operand(const State &state, unsigned r) {
    return r == no_register ? Kind::constant_of(0) : state[r];
}

// A kernel's graph, twice: as run by all lanes of the sub-warp, and under a mask.
struct Analysis {
    // [block][masked]
    std::vector<std::array<State, 2>> in;
    std::vector<std::array<bool, 2>> reached;
    std::vector<std::array<bool, 2>> divergent; // the branch at the end may split the lanes
    // pending[b][c]: while masked b runs, lanes may wait at c.
    std::vector<std::vector<bool>> pending;
    std::vector<bool> rejoins; // masked code goes over to the other when all lanes are there
    uint64_t blended = 0; // registers that masked code writes while other lanes need their value
    std::array<Rep, registers> blended_rep{};

    static Analysis run(const Graph &graph, const Config &config);
};

} // namespace brgpu::jit

#endif
