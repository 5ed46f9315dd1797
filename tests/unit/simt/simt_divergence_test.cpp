// SPDX-License-Identifier: MIT
//
// Lanes that part and meet: hostile control flow, waiting on each other, rendezvous, deadlocks.
#include <gtest/gtest.h>

#include "support.hpp"

namespace brgpu::simt::test {
namespace {

constexpr const char *lane_slot = R"(
        csrr s0, CSR_LOCAL_LINEAR_ID
        slli s1, s0, 3
        add s1, s1, a0
)";

TEST(SimtDivergence, NestedBranchesAndLoopsOfDifferentLength) {
    Rig rig(std::string(lane_slot) + R"(
        li t0, 0
        li t1, 0
     1: bgtu t1, s0, 3f
        andi t2, t1, 1
        beqz t2, 2f
        addi t0, t0, 100
        j 4f
     2: addi t0, t0, 1
     4: addi t1, t1, 1
        j 1b
     3: sd t0, 0(s1)
        ret
    )");
    ASSERT_EQ(rig.run(100, 100).status, Status::finished);
    for (uint64_t i = 0; i < 100; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), (i + 1) / 2 * 100 + (i + 2) / 2);
}

TEST(SimtDivergence, JumpTableSendsEveryLaneElsewhere) {
    Rig rig(std::string(lane_slot) + R"(
        andi t0, s0, 31
        sll t0, t0, 3
        la t1, 1f
        add t1, t1, t0
        jr t1
        .balign 8
     1:
        .set n, 0
        .rept 32
        .option push
        .option norvc
        li t2, n * 3
        j 2f
        .option pop
        .set n, n + 1
        .endr
     2: sd t2, 0(s1)
        ret
    )");
    ASSERT_EQ(rig.run(64, 64).status, Status::finished);
    for (uint64_t i = 0; i < 64; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), i % 32 * 3);
}

TEST(SimtDivergence, IrreducibleLoopEnteredInTwoPlaces) {
    // Odd lanes enter the loop in its middle.
    Rig rig(std::string(lane_slot) + R"(
        andi t0, s0, 1
        li t1, 0
        li t2, 20
        bnez t0, 2f
     1: addi t1, t1, 1
        addi t2, t2, -1
     2: addi t1, t1, 1000
        addi t2, t2, -1
        bgtz t2, 1b
        sd t1, 0(s1)
        ret
    )");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint64_t i = 0; i < 32; ++i) {
        int64_t t1 = 0, t2 = 20;
        bool middle = i & 1;
        do {
            if (!middle) {
                t1 += 1;
                --t2;
            }
            middle = false;
            t1 += 1000;
            --t2;
        } while (t2 > 0);
        EXPECT_EQ(rig.memory.get<int64_t>(data_va + 8 * i), t1);
    }
}

TEST(SimtDivergence, RecursionInDivergentArms) {
    // fib(lane % 12), recursive, on the private stack.
    Rig rig(std::string(lane_slot) + R"(
        mv s4, ra
        li t0, 12
        remu a0, s0, t0
        call fib
        sd a0, 0(s1)
        jr s4
    fib:
        li t0, 2
        bltu a0, t0, 1f
        addi sp, sp, -32
        sd ra, 0(sp)
        sd s2, 8(sp)
        sd s3, 16(sp)
        mv s2, a0
        addi a0, a0, -1
        call fib
        mv s3, a0
        addi a0, s2, -2
        call fib
        add a0, a0, s3
        ld ra, 0(sp)
        ld s2, 8(sp)
        ld s3, 16(sp)
        addi sp, sp, 32
     1: ret
    )");
    ASSERT_EQ(rig.run(64, 64).status, Status::finished);
    const uint64_t fib[12] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89};
    for (uint64_t i = 0; i < 64; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), fib[i % 12]);
}

// A spin lock around a counter: lanes of one warp, of several warps, of several workgroups.
std::string lock_kernel(const std::string &acquire) {
    return "li t6, 1\n1:\n" + acquire + R"(
        bnez t0, 1b
        ld t1, 8(a0)
        addi t1, t1, 1
        sd t1, 8(a0)
        fence rw, w
        sw zero, 0(a0)
        ret
    )";
}

TEST(SimtDivergence, SpinLocksDoNotLivelock) {
    const std::string ways[] = {
        "amoswap.w.aq t0, t6, (a0)",
        "lr.w t0, (a0)\n bnez t0, 1b\n sc.w t0, t6, (a0)",
        "lw t0, 0(a0)\n bnez t0, 1b\n amoswap.w.aq t0, t6, (a0)",
        "gpu.yield\n amoswap.w.aq t0, t6, (a0)",
    };
    for (const std::string &way : ways)
        for (const uint32_t workgroup : {32u, 256u, 5u}) {
            SCOPED_TRACE(way);
            Rig rig(lock_kernel(way));
            rig.limits.budget = 200'000'000;
            const Outcome out = rig.run(512, workgroup);
            ASSERT_EQ(out.status, Status::finished);
            EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8), 512u);
        }
}

TEST(SimtDivergence, LaneWaitsForAHigherLaneOfItsWarp) {
    // The waiting loop stands at the lowest pc and would always win a plain lowest-pc choice.
    Rig rig(std::string(lane_slot) + R"(
        j 2f
     1: ld t0, 512(a0)
        beqz t0, 1b
        sd t0, 0(s1)
        ret
     2: andi t1, s0, 31
        li t2, 31
        bne t1, t2, 1b
        li t0, 5
        sd t0, 512(a0)
        j 1b
    )");
    rig.limits.budget = 10'000'000;
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint64_t i = 0; i < 32; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), 5u);
}

TEST(SimtDivergence, WarpsWaitForEachOtherWithoutBarrier) {
    // A token goes through all warps, last one first.
    Rig rig(R"(
        csrr t0, CSR_WARP_ID
     1: ld t1, 0(a0)
        bne t1, t0, 1b
        gpu.warp_sync
        addi t1, t1, -1
        sd t1, 0(a0)
        ret
    )");
    rig.memory.put<uint64_t>(data_va, 15);
    rig.limits.budget = 50'000'000;
    ASSERT_EQ(rig.run(512, 512).status, Status::finished);
    EXPECT_EQ(rig.memory.get<uint64_t>(data_va), UINT64_MAX);
}

TEST(SimtDivergence, ExactlyOneLaneWinsAStoreConditional) {
    for (const char *value : {"s0", "zero"}) { // zero: the value doesn't even change
        Rig rig(std::string(lane_slot) + "lr.w t0, (a0)\n gpu.warp_sync\n sc.w t1, " + value +
                ", (a0)\n addi t2, a0, 256\n add t2, t2, s1\n sub t2, t2, a0\n sd t1, 0(t2)\n ret");
        ASSERT_EQ(rig.run(32, 32).status, Status::finished);
        unsigned winners = 0;
        for (uint64_t i = 0; i < 32; ++i)
            winners += rig.memory.get<uint64_t>(data_va + 256 + 8 * i) == 0;
        EXPECT_EQ(winners, 1u);
    }
}

TEST(SimtDivergence, ByteAtomicsByLoopsProgress) {
    // An 8-bit add by LR/SC on the word around it, as a compiler emits it, with divergence before.
    Rig rig(R"(
        csrr s0, CSR_LANE_ID
        andi t0, s0, 3
        slli t0, t0, 3
        andi t1, s0, 1
        beqz t1, 1f
        nop
     1: lr.w t2, (a0)
        srl t3, t2, t0
        addi t3, t3, 1
        andi t3, t3, 255
        sll t3, t3, t0
        li t4, 255
        sll t4, t4, t0
        andn t2, t2, t4
        or t2, t2, t3
        sc.w t5, t2, (a0)
        bnez t5, 1b
        ret
    )");
    rig.limits.budget = 50'000'000;
    ASSERT_EQ(rig.run(256, 128).status, Status::finished);
    EXPECT_EQ(rig.memory.get<uint32_t>(data_va), 0x40404040u);
}

TEST(SimtDivergence, ShuffleAfterColdBlockMotion) {
    // The body of an if is moved behind the join, as compilers do with unlikely ones. A lowest-pc
    // machine reaches the shuffle before those lanes are back.
    Rig rig(std::string(lane_slot) + R"(
        mv t0, s0
        andi t1, s0, 3
        beqz t1, cold
    join:
        csrr t2, CSR_LANE_ID
        xori t2, t2, 1
        gpu.shuffle 0, t3, t0, t2, zero
        sd t3, 0(s1)
        ret
    cold:
        addi t0, t0, 1000
        j join
    )");
    ASSERT_EQ(rig.run(64, 64).status, Status::finished);
    for (uint64_t i = 0; i < 64; ++i) {
        const uint64_t other = i ^ 1;
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), other + (other % 4 ? 0 : 1000));
    }
}

TEST(SimtDivergence, ShuffleSources) {
    Rig rig(std::string(lane_slot) + R"(
        slli s1, s0, 6
        add s1, s1, a0
        li t4, 3
        gpu.shuffle 1, t0, s0, t4, zero
        sd t0, 0(s1)
        gpu.shuffle 2, t0, s0, t4, zero
        sd t0, 8(s1)
        gpu.shuffle 3, t0, s0, t4, zero
        sd t0, 16(s1)
        li t4, 31
        sub t4, t4, s0
        gpu.shuffle 0, t0, s0, t4, zero
        sd t0, 24(s1)
        li t4, -1
        gpu.shuffle 0, t0, s0, t4, zero
        sd t0, 32(s1)
        gpu.shuffle 1, t0, s0, t4, zero
        sd t0, 40(s1)
        gpu.shuffle 2, t0, s0, t4, zero
        sd t0, 48(s1)
        li t4, 32
        gpu.shuffle 3, t0, s0, t4, zero
        sd t0, 56(s1)
        ret
    )");
    ASSERT_EQ(rig.run(20, 20).status, Status::finished); // lanes 20 to 31 don't exist
    for (uint64_t i = 0; i < 20; ++i) {
        const auto v = rig.memory.get_all<uint64_t>(data_va + 64 * i, 8);
        EXPECT_EQ(v[0], i >= 3 ? i - 3 : i);
        EXPECT_EQ(v[1], i + 3 < 20 ? i + 3 : i);
        EXPECT_EQ(v[2], (i ^ 3) < 20 ? i ^ 3 : i);
        EXPECT_EQ(v[3], 31 - i < 20 ? 31 - i : i);
        for (unsigned at = 4; at < 8; ++at)
            EXPECT_EQ(v[at], i) << at;
    }
}

TEST(SimtDivergence, VotesCountParticipantsOnly) {
    // Lanes below 8 exit; two groups vote at one instruction with masks of their own.
    Rig rig(std::string(lane_slot) + R"(
        slli s1, s0, 5
        add s1, s1, a0
        li t0, 8
        bgeu s0, t0, 1f
        ret
     1: andi t1, s0, 2
        li t2, 0x55555555
        andi t3, s0, 1
        li t4, 0x55555555
        beqz t3, 2f
        slli t4, t4, 1
     2: gpu.vote 0, t5, t1, t4
        sd t5, 0(s1)
        gpu.vote 1, t5, t1, zero
        sd t5, 8(s1)
        gpu.vote 2, t5, t1, zero
        sd t5, 16(s1)
        gpu.vote 3, t5, s0, t4
        sd t5, 24(s1)
        ret
    )");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint64_t i = 8; i < 32; ++i) {
        const auto v = rig.memory.get_all<uint64_t>(data_va + 32 * i, 4);
        EXPECT_EQ(v[0], (i % 2 ? 0xaaaaaaaau : 0x55555555u) & 0xcccccc00u) << i;
        EXPECT_EQ(v[1], 1u);
        EXPECT_EQ(v[2], 0u);
        EXPECT_EQ(v[3], i % 2 ? 9u : 8u);
    }
}

TEST(SimtDivergence, LaneOutsideItsOwnMaskIsIllegal) {
    for (const char *mask : {"li t0, 2", "li t0, 0x100000000", "li t0, 0x100000001"}) {
        Rig rig(std::string(mask) + "\n gpu.vote 0, t1, zero, t0\n ret");
        const Outcome out = rig.run(1, 1);
        ASSERT_EQ(out.status, Status::faulted);
        EXPECT_EQ(out.fault.code, FaultCode::illegal);
    }
}

TEST(SimtDivergence, BarrierAcrossDivergentPathsAndExits) {
    // A third of the lanes exits, a third waits at another barrier instruction than the rest.
    Rig rig(std::string(lane_slot) + R"(
        li t0, 3
        remu t0, s0, t0
        beqz t0, out
        li t1, 1
        amoadd.d zero, t1, (tp)
        addi t0, t0, -1
        bnez t0, 1f
        gpu.barrier
        j 2f
     1: gpu.barrier
     2: ld t2, 0(tp)
        sd t2, 0(s1)
    out: ret
    )",
            4096, 64);
    const Outcome out = rig.run(300, 300);
    ASSERT_EQ(out.status, Status::finished) << to_string(out.fault.code);
    EXPECT_EQ(out.counters.barriers, 1u);
    for (uint64_t i = 0; i < 300; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), i % 3 ? 200u : 0u);
}

TEST(SimtDivergence, BarriersInALoopKeepWarpsInStep) {
    Rig rig(std::string(lane_slot) + R"(
        slli t0, s0, 3
        add t0, t0, tp
        csrr t1, CSR_LOCAL_SIZE
        addi t2, s0, 1
        remu t2, t2, t1
        slli t2, t2, 3
        add t2, t2, tp
        li t3, 50
        sd s0, 0(t0)
     1: gpu.barrier
        ld t4, 0(t2)
        gpu.barrier
        sd t4, 0(t0)
        addi t3, t3, -1
        bnez t3, 1b
        sd t4, 0(s1)
        ret
    )",
            4096, 8 * 1024);
    const Outcome out = rig.run(1000, 1000);
    ASSERT_EQ(out.status, Status::finished);
    EXPECT_EQ(out.counters.barriers, 100u);
    for (uint64_t i = 0; i < 1000; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), (i + 50) % 1000);
}

TEST(SimtDivergence, DeadlocksAreFaults) {
    const char *kernels[] = {
        // Half waits at a barrier, half for all lanes of the warp.
        "csrr t0, CSR_LANE_ID\n andi t0, t0, 1\n beqz t0, 1f\n gpu.barrier\n ret\n"
        "1: gpu.warp_sync\n ret",
        // Warp syncs at different places don't match.
        "csrr t0, CSR_LANE_ID\n andi t0, t0, 1\n beqz t0, 1f\n gpu.warp_sync\n ret\n"
        "1: gpu.warp_sync\n ret",
        // Masks that don't agree.
        "csrr t0, CSR_LANE_ID\n li t1, 3\n beqz t0, 1f\n li t1, 0xffffffff\n"
        "1: gpu.vote 0, t2, t0, t1\n ret",
        // One warp waits at a barrier, the other meets only half.
        "csrr t0, CSR_WARP_ID\n beqz t0, 1f\n csrr t0, CSR_LANE_ID\n beqz t0, 1f\n gpu.warp_sync\n"
        "1: gpu.barrier\n ret",
    };
    for (const char *text : kernels) {
        SCOPED_TRACE(text);
        Rig rig(text);
        const Outcome out = rig.run(64, 64);
        ASSERT_EQ(out.status, Status::faulted);
        EXPECT_EQ(out.fault.code, FaultCode::deadlock);
    }
}

TEST(SimtDivergence, ExitCompletesARendezvous) {
    Rig rig(std::string(lane_slot) + R"(
        andi t0, s0, 1
        bnez t0, 1f
        gpu.vote 0, t1, s0, zero
        sd t1, 0(s1)
        ret
     1: li t2, 1000
     2: addi t2, t2, -1
        bnez t2, 2b
        ret
    )");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint64_t i = 0; i < 32; i += 2)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), 0x55555554u);
}

TEST(SimtDivergence, StackPointerValuesDoNotMatter) {
    // Every lane has another, wild sp while they diverge and call.
    Rig rig(std::string(lane_slot) + R"(
        mv s4, ra
        mul sp, s0, s0
        slli sp, sp, 40
        andi t0, s0, 7
        li t1, 0
     1: jal ra, 2f
        addi t0, t0, -1
        bgez t0, 1b
        sd t1, 0(s1)
        jr s4
     2: addi t1, t1, 3
        ret
    )");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint64_t i = 0; i < 32; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), (i % 8 + 1) * 3);
}

TEST(SimtDivergence, FloatingPointStateIsPerLane) {
    // Odd lanes round up, even ones down; flags only where a lane asked for them.
    Rig rig(std::string(lane_slot) + R"(
        slli s1, s0, 5
        add s1, s1, a0
        andi t0, s0, 1
        addi t1, t0, 2
        fsrm t1
        li t2, 1
        fcvt.s.w fa0, t2
        li t2, 3
        fcvt.s.w fa1, t2
        fdiv.s fa2, fa0, fa1
        fmv.x.w t3, fa2
        sd t3, 0(s1)
        csrr t3, fcsr
        sd t3, 8(s1)
        beqz t0, 1f
        fsflags zero
     1: fdiv.s fa2, fa0, fa1
        frflags t3
        sd t3, 16(s1)
        ret
    )");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint64_t i = 0; i < 32; ++i) {
        const auto v = rig.memory.get_all<uint64_t>(data_va + 32 * i, 3);
        EXPECT_EQ(v[0], i % 2 ? 0x3eaaaaabu : 0x3eaaaaaau);
        EXPECT_EQ(v[1], (i % 2 ? 3u : 2u) << 5);
        EXPECT_EQ(v[2], i % 2);
    }
}

} // namespace
} // namespace brgpu::simt::test
