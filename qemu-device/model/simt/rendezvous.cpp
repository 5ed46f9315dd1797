// SPDX-License-Identifier: MIT
//
// Instructions at which lanes meet, and what happens to those who wait.
//
// A lane that arrives too early is marked as waiting, with its pc at the instruction. When the last
// participant arrives, or leaves by exiting, the marks are cleared and all of them run the
// instruction again, together: then the set of active lanes is the set of participants.
#include <cstring>

#include "context.hpp"

namespace brgpu::simt {

void Warp::reset(uint32_t warp_index, uint32_t lane_count) noexcept {
    std::memset(x, 0, sizeof(x));
    std::memset(f, 0, sizeof(f));
    for (unsigned lane = 0; lane < lanes; ++lane) {
        pc[lane] = 0;
        stamp[lane] = 0;
        wait_mask[lane] = 0;
        reserved_address[lane] = 0;
        reserved_value[lane] = 0;
        depth[lane] = 0;
        reserved_bytes[lane] = 0;
        wait[lane] = Wait::none;
        frm[lane] = 0;
        fflags[lane] = 0;
    }
    started = lane_count >= lanes ? all_lanes : (1u << lane_count) - 1u;
    live = started;
    waiting = 0;
    accruing = 0;
    forced = 0;
    tensor_row = 0;
    index = warp_index;
    boxed = 0;
    exact_fp = false;
    clock = 0;
    forced_since = 0;
}

void Warp::update_exact_fp() noexcept {
    uint8_t modes = 0;
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (live >> lane & 1)
            modes |= frm[lane];
    exact_fp = modes != 0 || (accruing & live) != 0;
}

void Warp::release_meetings() noexcept {
    uint32_t left = 0;
    for (unsigned lane = 0; lane < lanes; ++lane)
        if ((waiting >> lane & 1) && wait[lane] == Wait::meet)
            left |= 1u << lane;
    while (left) {
        const auto first = static_cast<unsigned>(std::countr_zero(left));
        uint32_t arrived = 0;
        for (unsigned lane = first; lane < lanes; ++lane)
            if ((left >> lane & 1) && pc[lane] == pc[first] && wait_mask[lane] == wait_mask[first])
                arrived |= 1u << lane;
        left &= ~arrived;
        const auto members = static_cast<uint32_t>(wait_mask[first]);
        const uint32_t expected = members ? live & members : live;
        if (arrived == expected) {
            waiting &= ~arrived;
            for (unsigned lane = 0; lane < lanes; ++lane)
                if (arrived >> lane & 1)
                    wait[lane] = Wait::none;
        }
    }
}

namespace {

// Marks `who` (active lanes) as waiting at insn.
void wait_at(Context &c, const Insn *insn, uint32_t who, Wait kind, uint64_t mask) {
    Warp &w = *c.warp;
    const uint64_t pc = c.pc_of(insn);
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (who >> lane & 1) {
            w.pc[lane] = pc;
            w.wait[lane] = kind;
            w.wait_mask[lane] = mask;
        }
    w.waiting |= who;
}

// Runs `complete(participants)` for every group of active lanes whose meeting is complete. Lanes of
// the others wait.
template <typename Complete>
const Insn *meet_by_mask(Context &c, const Insn *insn, Complete &&complete) {
    Warp &w = *c.warp;
    const uint64_t *masks = w.x[insn->rs3];
    for (unsigned lane = 0; lane < lanes; ++lane)
        if ((c.active >> lane & 1) && masks[lane] != 0 &&
            !(masks[lane] < (uint64_t{1} << 32) && (masks[lane] >> lane & 1)))
            return c.raise(insn, FaultCode::illegal, lane, insn->raw);
    const uint64_t next_pc = c.pc_of(insn) + 2u * insn->halves;
    uint32_t left = c.active, done = 0;
    while (left) {
        const auto first = static_cast<unsigned>(std::countr_zero(left));
        const uint64_t mask = masks[first];
        uint32_t arrived = 0;
        for (unsigned lane = first; lane < lanes; ++lane)
            if ((left >> lane & 1) && masks[lane] == mask)
                arrived |= 1u << lane;
        left &= ~arrived;
        const uint32_t expected = mask ? w.live & static_cast<uint32_t>(mask) : w.live;
        if (arrived == expected)
            done |= arrived;
        else
            wait_at(c, insn, arrived, Wait::meet, mask);
    }
    uint32_t todo = done;
    while (todo) {
        const auto first = static_cast<unsigned>(std::countr_zero(todo));
        const uint32_t members =
            masks[first] ? w.live & static_cast<uint32_t>(masks[first]) : w.live;
        todo &= ~members;
        complete(members);
        for (unsigned lane = 0; lane < lanes; ++lane)
            if (members >> lane & 1)
                w.pc[lane] = next_pc;
    }
    if (done == c.active)
        return insn + insn->halves;
    w.release_meetings();
    c.exit = Exit::reschedule;
    return nullptr;
}

} // namespace

bool meet_all(Context &c, const Insn *insn) noexcept {
    if (c.active == c.warp->live)
        return true;
    wait_at(c, insn, c.active, Wait::meet, 0);
    c.warp->release_meetings();
    c.exit = Exit::reschedule;
    return false;
}

const Insn *run_barrier(Context &c, const Insn *insn) noexcept {
    if (c.group->warp_count == 1 && c.active == c.warp->live) {
        ++c.counters.barriers;
        return insn + insn->halves;
    }
    wait_at(c, insn, c.active, Wait::barrier, 0);
    c.exit = Exit::reschedule;
    return nullptr;
}

const Insn *run_warp_sync(Context &c, const Insn *insn) noexcept {
    if (!meet_all(c, insn))
        return nullptr;
    std::atomic_thread_fence(std::memory_order_acq_rel);
    return insn + insn->halves;
}

const Insn *run_shuffle(Context &c, const Insn *insn) noexcept {
    Warp &w = *c.warp;
    return meet_by_mask(c, insn, [&](uint32_t members) {
        uint64_t result[lanes];
        for (unsigned lane = 0; lane < lanes; ++lane) {
            const uint64_t operand = w.x[insn->rs2][lane];
            uint64_t source = lane;
            switch (insn->rm) {
            case BRGPU_SHUFFLE_IDX:
                source = operand;
                break;
            case BRGPU_SHUFFLE_UP:
                source = operand <= lane ? lane - operand : lanes;
                break;
            case BRGPU_SHUFFLE_DOWN:
                source = operand < lanes ? lane + operand : lanes;
                break;
            default:
                source = lane ^ operand;
                break;
            }
            const bool valid = source < lanes && (members >> source & 1);
            result[lane] = w.x[insn->rs1][valid ? source : lane];
        }
        for (unsigned lane = 0; lane < lanes; ++lane)
            if (members >> lane & 1)
                w.x[insn->rd][lane] = result[lane];
    });
}

const Insn *run_vote(Context &c, const Insn *insn) noexcept {
    Warp &w = *c.warp;
    return meet_by_mask(c, insn, [&](uint32_t members) {
        uint32_t ballot = 0;
        for (unsigned lane = 0; lane < lanes; ++lane)
            if ((members >> lane & 1) && w.x[insn->rs1][lane] != 0)
                ballot |= 1u << lane;
        uint64_t result = 0;
        switch (insn->rm) {
        case BRGPU_VOTE_BALLOT:
            result = ballot;
            break;
        case BRGPU_VOTE_ANY:
            result = ballot != 0;
            break;
        case BRGPU_VOTE_ALL:
            result = ballot == members;
            break;
        default:
            result = w.x[insn->rs1][static_cast<unsigned>(std::countr_zero(members))];
            break;
        }
        for (unsigned lane = 0; lane < lanes; ++lane)
            if (members >> lane & 1)
                w.x[insn->rd][lane] = result;
    });
}

void exit_lanes(Context &c, uint32_t leaving) noexcept {
    Warp &w = *c.warp;
    w.live &= ~leaving;
    w.forced &= w.live;
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (leaving >> lane & 1)
            w.reserved_bytes[lane] = 0;
    w.update_exact_fp();
    w.release_meetings();
}

const Insn *run_lane_exit(Context &c, const Insn *) noexcept {
    exit_lanes(c, c.active);
    c.exit = Exit::reschedule;
    return nullptr;
}

} // namespace brgpu::simt
