// SPDX-License-Identifier: MIT
//
// Save and restore at safe points, on other workers, and images that somebody has tampered with.
#include <random>

#include <gtest/gtest.h>

#include "support.hpp"

namespace brgpu::simt::test {
namespace {

// Divergent, with barriers, private and local memory, calls, shuffles, LR/SC and rounding modes.
constexpr const char *busy_kernel = R"(
        csrr s0, CSR_LOCAL_LINEAR_ID
        csrr s1, CSR_GLOBAL_ID
        slli s1, s1, 3
        add s1, s1, a0
        mv s4, ra
        andi t0, s0, 1
        fsrm t0
        fsflags zero
        li s2, 20
        mv s3, s0
        slli s5, s0, 3
        add s5, s5, tp
     1: andi t0, s3, 7
     2: beqz t0, 3f
        addi t0, t0, -1
        jal ra, mix
        j 2b
     3: sd s3, 0(s5)
        gpu.barrier
        csrr t1, CSR_LOCAL_SIZE
        addi t2, s0, 1
        remu t2, t2, t1
        slli t2, t2, 3
        add t2, t2, tp
        ld t3, 0(t2)
        gpu.barrier
        add s3, s3, t3
        csrr t4, CSR_LANE_ID
        xori t4, t4, 5
        gpu.shuffle 0, t5, s3, t4, zero
        xor s3, s3, t5
        addi t6, a0, 1024
        slli t6, t6, 0
        li t1, 1
     4: lr.d t2, (t6)
        add t2, t2, t1
        sc.d t3, t2, (t6)
        bnez t3, 4b
        addi s2, s2, -1
        bnez s2, 1b
        frflags t1
        slli t1, t1, 60
        xor s3, s3, t1
        sd s3, 0(s1)
        jr s4
    mix:
        addi sp, sp, -32
        sd s3, 5(sp)
        sd ra, 16(sp)
        fcvt.s.l fa0, s3
        li t3, 3
        fcvt.s.l fa1, t3
        fdiv.s fa0, fa0, fa1
        fmv.x.w t3, fa0
        ld s3, 5(sp)
        add s3, s3, t3
        slli t3, s3, 3
        xor s3, s3, t3
        ld ra, 16(sp)
        addi sp, sp, 32
        ret
)";

std::vector<uint64_t> results(const Rig &rig) {
    auto v = rig.memory.get_all<uint64_t>(data_va, 100);
    v.push_back(rig.memory.get<uint64_t>(data_va + 1024));
    return v;
}

std::vector<uint64_t> expected() {
    Rig rig(busy_kernel, 512, 8 * 100);
    EXPECT_EQ(rig.run(100, 100).status, Status::finished);
    return results(rig);
}

TEST(SimtSnapshot, EverySafePointGivesTheSameResult) {
    const std::vector<uint64_t> want = expected();
    EXPECT_EQ(want.back(), 2000u);
    Rig rig(busy_kernel, 512, 8 * 100);
    auto d = rig.dispatch(100, 100);
    std::optional<Workgroup> group;
    group.emplace();
    ASSERT_TRUE(group->start(*d, 0, 7));
    Worker workers[2];
    RunLimits limits;
    limits.budget = 1; // up to the next safe point
    unsigned saves = 0;
    for (;; ++saves) {
        const Outcome out = group->run(workers[saves % 2], limits);
        if (out.status == Status::finished)
            break;
        ASSERT_EQ(out.status, Status::yielded) << to_string(out.fault.code);
        const std::vector<std::byte> image = group->save();
        ASSERT_LE(image.size(), d->max_image_bytes());
        group.reset();
        group.emplace();
        ASSERT_TRUE(group->restore(*d, image));
        ASSERT_EQ(group->save(), image);
    }
    EXPECT_GT(saves, 1000u);
    EXPECT_EQ(results(rig), want);
}

TEST(SimtSnapshot, StopsAtRandomBudgetsGiveTheSameResult) {
    const std::vector<uint64_t> want = expected();
    std::mt19937 random(1);
    for (int round = 0; round < 20; ++round) {
        Rig rig(busy_kernel, 512, 8 * 100);
        auto d = rig.dispatch(100, 100);
        Workgroup group;
        ASSERT_TRUE(group.start(*d, 0, 0));
        RunLimits limits;
        do {
            limits.budget = random() % 3000;
        } while (group.run(rig.worker, limits).status == Status::yielded);
        EXPECT_EQ(results(rig), want);
    }
}

TEST(SimtSnapshot, DamagedImagesAreRefusedOrHarmless) {
    Rig rig(busy_kernel, 512, 8 * 100);
    auto d = rig.dispatch(100, 100);
    Workgroup group;
    ASSERT_TRUE(group.start(*d, 0, 0));
    RunLimits limits;
    limits.budget = 3000;
    ASSERT_EQ(group.run(rig.worker, limits).status, Status::yielded);
    const std::vector<std::byte> image = group.save();

    Workgroup other;
    EXPECT_FALSE(other.restore(*d, {}));
    for (size_t cut = 1; cut < image.size(); cut += 997)
        EXPECT_FALSE(other.restore(*d, std::span(image).first(image.size() - cut)));
    std::vector<std::byte> longer = image;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(other.restore(*d, longer));
    EXPECT_FALSE(other.restore(*d, {})) << "an empty workgroup stays usable";
    EXPECT_EQ(other.run(rig.worker).status, Status::finished) << "an empty workgroup has no lanes";

    // Whatever else is in the bytes, the engine must survive it.
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::byte> forged = image;
        const size_t count = 1 + random() % 40;
        for (size_t i = 0; i < count; ++i) {
            // Half of the damage goes to the small control fields behind the register files.
            const size_t at =
                random() % 2 ? random() % forged.size() : 56 + 800 + 16384 + random() % 2400;
            forged[at % forged.size()] = static_cast<std::byte>(random());
        }
        if (other.restore(*d, forged))
            other.run(rig.worker, limits);
    }
}

TEST(SimtSnapshot, ImageOfAnotherDispatchIsRefused) {
    Rig rig(busy_kernel, 512, 8 * 100);
    auto d = rig.dispatch(100, 100);
    Workgroup group;
    ASSERT_TRUE(group.start(*d, 0, 0));
    const auto image = group.save();
    Rig larger(busy_kernel, 1024, 8 * 100);
    auto e = larger.dispatch(100, 100);
    EXPECT_FALSE(group.restore(*e, image));
    auto f = rig.dispatch(64, 64);
    EXPECT_FALSE(group.restore(*f, image));
}

TEST(SimtSnapshot, CancelledWorkgroupsLeaveNothingBehind) {
    Rig rig(busy_kernel, 512, 8 * 100);
    auto d = rig.dispatch(300, 100);
    Workgroup group;
    RunLimits limits;
    limits.budget = 500;
    for (uint64_t index = 0; index < 2; ++index) {
        ASSERT_TRUE(group.start(*d, index, 0));
        ASSERT_EQ(group.run(rig.worker, limits).status, Status::yielded);
    }
    rig.memory.put<uint64_t>(data_va + 1024, 0);
    ASSERT_TRUE(group.start(*d, 0, 0));
    ASSERT_EQ(group.run(rig.worker).status, Status::finished);
    EXPECT_EQ(results(rig), expected());
}

} // namespace
} // namespace brgpu::simt::test
