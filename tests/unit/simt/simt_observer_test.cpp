// SPDX-License-Identifier: MIT
//
// Counters: what the engine counts always, and what it notes for an observer.
#include <gtest/gtest.h>

#include "simt/observer.hpp"
#include "support.hpp"

namespace brgpu::simt::test {
namespace {

struct Observed {
    Outcome outcome;
    std::unique_ptr<Observer> observer;
    uint64_t operator[](brgpu_counter which) const { return observer->count(which); }
};

Observed observe(Rig &rig, uint32_t grid, uint32_t workgroup, uint64_t code_bytes = 0) {
    Observed result;
    result.observer = Observer::create(code_va, code_bytes);
    rig.params.grid[0] = grid;
    rig.params.workgroup[0] = workgroup;
    EXPECT_EQ(check_dispatch(rig.params), DispatchError::none);
    Dispatch dispatch(rig.params, rig.memory, rig.host, result.observer.get());
    result.outcome = run_dispatch(dispatch, rig.worker);
    EXPECT_EQ(result.outcome.status, Status::finished);
    return result;
}

TEST(SimtObserver, InstructionsAreCountedExactly) {
    // Not the decoding, not the end of a page; the same with and without an observer.
    std::string text = "li t0, 10\n1: addi t0, t0, -1\n bnez t0, 1b\n";
    for (int i = 0; i < 1500; ++i)
        text += "c.nop\n";
    Rig rig(text + "ret");
    constexpr uint64_t instructions = 1 + 2 * 10 + 1500 + 1;
    const Outcome plain = rig.run(64, 64);
    EXPECT_EQ(plain.counters.instructions, 2 * instructions);
    EXPECT_EQ(plain.counters.lane_instructions, 64 * instructions);
    const Observed observed = observe(rig, 40, 64, 4096);
    EXPECT_EQ(observed.outcome.counters.instructions, 2 * instructions);
    EXPECT_EQ(observed.outcome.counters.lane_instructions, 40 * instructions);
    EXPECT_EQ(observed[BRGPU_COUNTER_BRANCHES], 2 * 10u);
    EXPECT_EQ(observed[BRGPU_COUNTER_DIVERGENT_BRANCHES], 0u);
    uint64_t total = 0, lanes_total = 0;
    for (uint64_t i = 0; i < observed.observer->profile_entries(); ++i) {
        total += observed.observer->profile(i).instructions;
        lanes_total += observed.observer->profile(i).lane_instructions;
    }
    EXPECT_EQ(total, 2 * instructions);
    EXPECT_EQ(lanes_total, 40 * instructions);
    EXPECT_EQ(observed.observer->profile(1).instructions, 2 * 10u); // the loop, at code_va + 2
    EXPECT_EQ(observed.observer->profile(1).lane_instructions, 40 * 10u);
}

TEST(SimtObserver, DivergenceShowsInTheProfile) {
    Rig rig(R"(
        .option norvc
        csrr t0, CSR_LANE_ID
        andi t1, t0, 3
        bnez t1, 1f
        nop
     1: ret
    )");
    const Observed observed = observe(rig, 32, 32, 64);
    EXPECT_EQ(observed[BRGPU_COUNTER_DIVERGENT_BRANCHES], 1u);
    EXPECT_EQ(observed.observer->profile(6).lane_instructions, 8u); // the nop, at code_va + 12
    EXPECT_EQ(observed.observer->profile(8).lane_instructions, 32u);
}

TEST(SimtObserver, AccessesAreSortedByTheirAddresses) {
    struct {
        const char *address; // from the lane in t0, to t1
        brgpu_counter where;
    } const cases[] = {
        {"mv t1, a0", BRGPU_COUNTER_GLOBAL_UNIFORM},
        {"slli t1, t0, 2\n add t1, t1, a0", BRGPU_COUNTER_GLOBAL_CONSECUTIVE},
        {"slli t1, t0, 3\n add t1, t1, a0", BRGPU_COUNTER_GLOBAL_PAGE},
        {"neg t1, t0\n slli t1, t1, 2\n addi t1, t1, 128\n add t1, t1, a0",
         BRGPU_COUNTER_GLOBAL_PAGE},
        {"slli t1, t0, 10\n add t1, t1, a0", BRGPU_COUNTER_GLOBAL_SCATTERED},
        {"slli t1, t0, 2\n add t1, t1, tp", BRGPU_COUNTER_LOCAL_ACCESSES},
        {"addi t1, sp, -64", BRGPU_COUNTER_PRIVATE_ACCESSES},
        {"mv t1, a0\n andi t2, t0, 1\n beqz t2, 1f\n addi t1, sp, -64\n1: gpu.warp_sync",
         BRGPU_COUNTER_GLOBAL_SCATTERED},
    };
    for (const auto &test : cases) {
        SCOPED_TRACE(test.address);
        Rig rig(std::string("csrr t0, CSR_LANE_ID\n") + test.address +
                    "\n lw t2, 0(t1)\n sw t2, 0(t1)\n ret",
                4096, 4096);
        const Observed observed = observe(rig, 64, 64);
        EXPECT_EQ(observed[BRGPU_COUNTER_LOADS], 2u);
        EXPECT_EQ(observed[BRGPU_COUNTER_STORES], 2u);
        for (unsigned i = BRGPU_COUNTER_GLOBAL_UNIFORM; i <= BRGPU_COUNTER_PRIVATE_ACCESSES; ++i)
            EXPECT_EQ(observed[static_cast<brgpu_counter>(i)], i == test.where ? 4u : 0u) << i;
        const bool global = test.where < BRGPU_COUNTER_LOCAL_ACCESSES;
        const bool half = std::string(test.address).find("beqz") != std::string::npos;
        EXPECT_EQ(observed[BRGPU_COUNTER_LOAD_BYTES], global ? (half ? 128u : 256u) : 0u);
        EXPECT_EQ(observed[BRGPU_COUNTER_STORE_BYTES], observed[BRGPU_COUNTER_LOAD_BYTES]);
    }
}

TEST(SimtObserver, BankConflicts) {
    const auto conflicts = [](uint64_t stride, unsigned bytes, uint32_t active = 0xffffffff) {
        uint64_t offsets[32];
        for (unsigned lane = 0; lane < 32; ++lane)
            offsets[lane] = stride * lane;
        return bank_conflicts(offsets, bytes, active);
    };
    EXPECT_EQ(conflicts(4, 4), 0u);
    EXPECT_EQ(conflicts(0, 4), 0u) << "one word for all";
    EXPECT_EQ(conflicts(1, 1), 0u) << "lanes share words";
    EXPECT_EQ(conflicts(8, 4), 1u);
    EXPECT_EQ(conflicts(128, 4), 31u);
    EXPECT_EQ(conflicts(128, 4, 0x0000ffff), 15u);
    EXPECT_EQ(conflicts(128, 4, 0), 0u);
    EXPECT_EQ(conflicts(132, 4), 0u) << "padded rows";
    EXPECT_EQ(conflicts(8, 8), 0u) << "half of the lanes at a time";
    EXPECT_EQ(conflicts(16, 8), 2u);
    EXPECT_EQ(conflicts(4, 4, 0x55555555), 0u);
}

TEST(SimtObserver, OtherKindsOfInstructions) {
    Rig rig(R"(
        fadd.s fa0, fa0, fa1
        fmv.x.w t0, fa0
        fadd.d fa0, fa0, fa1, rup
        amoadd.w zero, t0, (a0)
        lr.w t0, (a0)
        gpu.vote 0, t1, t0, zero
        gpu.shuffle 0, t1, t0, t0, zero
        gpu.barrier
        ret
    )");
    const Observed observed = observe(rig, 64, 32);
    EXPECT_EQ(observed[BRGPU_COUNTER_FP_INSTRUCTIONS], 4u);
    EXPECT_EQ(observed[BRGPU_COUNTER_ATOMICS], 4u);
    EXPECT_EQ(observed[BRGPU_COUNTER_SHUFFLES], 4u);
    EXPECT_EQ(observed[BRGPU_COUNTER_GLOBAL_UNIFORM], 4u);
    EXPECT_EQ(observed[BRGPU_COUNTER_LOAD_BYTES], 0u);
    EXPECT_EQ(observed.outcome.counters.barriers, 2u);
}

} // namespace
} // namespace brgpu::simt::test
