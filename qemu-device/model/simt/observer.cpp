// SPDX-License-Identifier: MIT
#include "observer.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "context.hpp"

namespace brgpu::simt {
namespace {

bool between(Op op, Op first, Op last) {
    return op >= first && op <= last;
}

bool is_load(Op op) {
    return between(op, Op::lb, Op::lwu) || between(op, Op::flh, Op::fld);
}

bool is_store(Op op) {
    return between(op, Op::sb, Op::sd) || between(op, Op::fsh, Op::fsd);
}

bool is_atomic(Op op) {
    return between(op, Op::lr_w, Op::amomaxu_d);
}

bool is_fp(Op op) {
    return between(op, Op::fmadd_h, Op::fp_exact) && !between(op, Op::fmv_x_h, Op::fmv_d_x);
}

unsigned access_bytes(Op op) {
    switch (op) {
    case Op::lb:
    case Op::lbu:
    case Op::sb:
        return 1;
    case Op::lh:
    case Op::lhu:
    case Op::sh:
    case Op::flh:
    case Op::fsh:
        return 2;
    case Op::ld:
    case Op::sd:
    case Op::fld:
    case Op::fsd:
    case Op::lr_d:
    case Op::sc_d:
        return 8;
    default:
        return between(op, Op::amoswap_d, Op::amomaxu_d) ? 8 : 4;
    }
}

bool taken(Op op, uint64_t a, uint64_t b) {
    switch (op) {
    case Op::beq:
        return a == b;
    case Op::bne:
        return a != b;
    case Op::blt:
        return static_cast<int64_t>(a) < static_cast<int64_t>(b);
    case Op::bge:
        return static_cast<int64_t>(a) >= static_cast<int64_t>(b);
    case Op::bltu:
        return a < b;
    default:
        return a >= b;
    }
}

template <typename Visit>
void each_lane(uint32_t active, Visit &&visit) {
    for (uint32_t left = active; left; left &= left - 1)
        visit(static_cast<unsigned>(std::countr_zero(left)));
}

brgpu_counter access_class(const uint64_t *at, unsigned bytes, uint32_t active) {
    const auto first = static_cast<unsigned>(std::countr_zero(active));
    const uint64_t base = at[first];
    bool uniform = true, consecutive = true, page = true, local = true, priv = true;
    each_lane(active, [&](unsigned lane) {
        const uint64_t va = at[lane];
        uniform = uniform && va == base;
        consecutive = consecutive && va - base == uint64_t{lane - first} * bytes;
        page = page && va / page_bytes == base / page_bytes &&
               (va + bytes - 1) / page_bytes == base / page_bytes;
        local = local && va - BRGPU_LOCAL_BASE < BRGPU_APERTURE_SIZE;
        priv = priv && va - BRGPU_PRIVATE_BASE < BRGPU_APERTURE_SIZE;
    });
    if (local)
        return BRGPU_COUNTER_LOCAL_ACCESSES;
    if (priv)
        return BRGPU_COUNTER_PRIVATE_ACCESSES;
    return uniform       ? BRGPU_COUNTER_GLOBAL_UNIFORM
           : consecutive ? BRGPU_COUNTER_GLOBAL_CONSECUTIVE
           : page        ? BRGPU_COUNTER_GLOBAL_PAGE
                         : BRGPU_COUNTER_GLOBAL_SCATTERED;
}

void note_access(Context &c, const Insn &insn, Observer::Counts &counts) {
    const unsigned bytes = access_bytes(insn.op);
    // Atomics have no offset.
    const uint64_t offset =
        is_atomic(insn.op) ? 0 : static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    uint64_t at[lanes] = {};
    each_lane(c.active, [&](unsigned lane) { at[lane] = c.warp->x[insn.rs1][lane] + offset; });
    const brgpu_counter where = access_class(at, bytes, c.active);
    ++counts[where];
    ++counts[is_load(insn.op)    ? BRGPU_COUNTER_LOADS
             : is_store(insn.op) ? BRGPU_COUNTER_STORES
                                 : BRGPU_COUNTER_ATOMICS];
    if (where == BRGPU_COUNTER_LOCAL_ACCESSES) {
        for (uint64_t &va : at)
            va -= BRGPU_LOCAL_BASE;
        counts[BRGPU_COUNTER_LOCAL_BANK_CONFLICTS] += bank_conflicts(at, bytes, c.active);
        return;
    }
    uint64_t global = 0;
    each_lane(c.active, [&](unsigned lane) { global += at[lane] < global_limit ? bytes : 0; });
    if (is_load(insn.op))
        counts[BRGPU_COUNTER_LOAD_BYTES] += global;
    else if (is_store(insn.op))
        counts[BRGPU_COUNTER_STORE_BYTES] += global;
}

// The first 64 bytes at an address, or false where they can't be read; no fault is noted.
bool peek(Context &c, uint64_t va, unsigned lane, void *to) {
    const Fault before = c.fault;
    uint64_t words[8];
    bool good = va % 8 == 0;
    for (unsigned i = 0; good && i < 8; ++i)
        good = c.load(va + 8 * i, 8, lane, words[i]);
    c.fault = before;
    if (good)
        std::memcpy(to, words, sizeof(words));
    return good;
}

void note_tensor(Context &c, const Insn &insn, Observer::Counts &counts) {
    // Lanes that arrive early only wait, and an interrupted instruction goes on.
    if (c.active != c.warp->live || c.warp->tensor_row != 0)
        return;
    ++counts[BRGPU_COUNTER_TENSOR_INSTRUCTIONS];
    const auto lane = static_cast<unsigned>(std::countr_zero(c.active));
    const uint64_t va = c.warp->x[insn.rs1][lane];
    brgpu_tmma_desc mma;
    brgpu_tda_desc copy;
    if (insn.rm == BRGPU_TENSOR_TMMA && peek(c, va, lane, &mma))
        counts[BRGPU_COUNTER_TENSOR_MACS] += uint64_t{mma.m} * mma.n * mma.k;
    else if (insn.rm == BRGPU_TENSOR_TDA_COPY && peek(c, va, lane, &copy))
        counts[BRGPU_COUNTER_TENSOR_COPY_BYTES] +=
            uint64_t{copy.rows} * copy.cols * copy.elem_bytes;
}

} // namespace

std::unique_ptr<Observer> Observer::create(uint64_t first_pc, uint64_t code_bytes) noexcept {
    std::unique_ptr<Observer> observer(new (std::nothrow) Observer(first_pc, code_bytes));
    if (observer && code_bytes) {
        observer->profile_.reset(new (std::nothrow) std::atomic<uint64_t>[code_bytes]());
        if (!observer->profile_)
            return nullptr;
    }
    return observer;
}

void Observer::add(const Counts &counts) noexcept {
    for (unsigned i = first_detail; i < BRGPU_COUNTERS; ++i)
        if (counts[i])
            counts_[i].fetch_add(counts[i], std::memory_order_relaxed);
}

void Observer::note(Context &c, const Insn &insn, Counts &counts) noexcept {
    const Op op = insn.op;
    if (op == Op::undecoded || op == Op::page_end)
        return; // no instructions
    if (const uint64_t offset = c.pc_of(&insn) - first_pc_; offset < code_bytes_) [[likely]]
        add_profile(offset / 2, {1, static_cast<uint64_t>(std::popcount(c.active))});
    if (is_load(op) || is_store(op) || is_atomic(op)) {
        note_access(c, insn, counts);
    } else if (between(op, Op::beq, Op::bgeu)) {
        uint32_t take = 0;
        each_lane(c.active, [&](unsigned lane) {
            if (taken(op, c.warp->x[insn.rs1][lane], c.warp->x[insn.rs2][lane]))
                take |= 1u << lane;
        });
        ++counts[BRGPU_COUNTER_BRANCHES];
        counts[BRGPU_COUNTER_DIVERGENT_BRANCHES] += take != 0 && take != c.active;
    } else if (is_fp(op)) {
        ++counts[BRGPU_COUNTER_FP_INSTRUCTIONS];
    } else if (op == Op::shuffle || op == Op::vote) {
        ++counts[BRGPU_COUNTER_SHUFFLES];
    } else if (op == Op::tensor) {
        note_tensor(c, insn, counts);
    }
}

unsigned bank_conflicts(std::span<const uint64_t, 32> offsets, unsigned bytes,
                        uint32_t active) noexcept {
    constexpr unsigned banks = 32;
    const unsigned group = bytes > 4 ? lanes * 4 / bytes : lanes;
    unsigned extra = 0;
    for (unsigned start = 0; start < lanes; start += group) {
        uint64_t words[3 * lanes]; // misaligned ones touch one more than their size
        unsigned count = 0;
        for (unsigned lane = start; lane < start + group; ++lane)
            if (active >> lane & 1)
                for (uint64_t word = offsets[lane] / 4; word <= (offsets[lane] + bytes - 1) / 4;
                     ++word)
                    words[count++] = word;
        std::sort(words, words + count);
        unsigned in_bank[banks] = {}, most = 0;
        for (unsigned i = 0; i < count; ++i)
            if (i == 0 || words[i] != words[i - 1])
                most = std::max(most, ++in_bank[words[i] % banks]);
        extra += most > 1 ? most - 1 : 0;
    }
    return extra;
}

} // namespace brgpu::simt
