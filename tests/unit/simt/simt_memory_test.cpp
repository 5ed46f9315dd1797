// SPDX-License-Identifier: MIT
//
// Apertures, page crossings, faults that are resumed, translation and code caches.
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "support.hpp"

namespace brgpu::simt::test {
namespace {

TEST(SimtMemory, PrivateMemoryIsPerLaneAndZeroed) {
    // Each lane reads what it wrote, at every alignment and width; what it did not write is zero,
    // also in the second workgroup, which reuses the first one's memory.
    Rig rig(R"(
        csrr s0, CSR_GLOBAL_ID
        slli s1, s0, 6
        add s1, s1, a0
        ld t0, -512(sp)
        sd t0, 0(s1)
        addi t1, sp, -512
        li t2, 0x1122334455667788
        add t2, t2, s0
        sd t2, 0(t1)
        ld t3, 0(t1)
        sd t3, 8(s1)
        sd t2, 13(t1)
        ld t3, 13(t1)
        sd t3, 16(s1)
        sb s0, 3(t1)
        ld t3, 0(t1)
        sd t3, 24(s1)
        lh t3, 7(t1)
        sd t3, 32(s1)
        slli t4, s0, 3
        andi t4, t4, 255
        sub t4, sp, t4
        sw s0, -300(t4)
        lwu t3, -300(t4)
        sd t3, 40(s1)
        lbu t3, -1(sp)
        sd t3, 48(s1)
        ret
    )");
    ASSERT_EQ(rig.run(64, 32).status, Status::finished);
    for (uint64_t i = 0; i < 64; ++i) {
        const auto v = rig.memory.get_all<uint64_t>(data_va + 64 * i, 7);
        const uint64_t value = 0x1122334455667788 + i;
        EXPECT_EQ(v[0], 0u);
        EXPECT_EQ(v[1], value);
        EXPECT_EQ(v[2], value);
        EXPECT_EQ(v[3], (value & ~uint64_t{0xff000000}) | i << 24);
        EXPECT_EQ(v[4], value >> 56);
        EXPECT_EQ(v[5], i);
        EXPECT_EQ(v[6], 0u);
    }
}

TEST(SimtMemory, LocalMemoryIsSharedBoundedAndZeroed) {
    Rig rig(R"(
        csrr s0, CSR_LOCAL_LINEAR_ID
        csrr t0, CSR_GLOBAL_ID
        slli t0, t0, 3
        add s1, t0, a0
        ld t1, 0(tp)
        gpu.barrier
        slli t2, s0, 2
        add t2, t2, tp
        addi t3, s0, 1
        sw t3, 0(t2)
        gpu.barrier
        xori t2, s0, 32
        slli t2, t2, 2
        add t2, t2, tp
        lw t4, 0(t2)
        add t4, t4, t1
        sd t4, 0(s1)
        ret
    )",
            256, 256);
    ASSERT_EQ(rig.run(192, 64).status, Status::finished);
    for (uint64_t i = 0; i < 192; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), (i % 64 ^ 32) + 1);
    // One byte past the end, from any lane, is a fault of that lane.
    Rig beyond("csrr t0, CSR_LANE_ID\n slli t0, t0, 2\n add t0, t0, tp\n lw t1, 132(t0)\n ret", 256,
               256);
    const Outcome out = beyond.run(32, 32);
    ASSERT_EQ(out.status, Status::faulted);
    EXPECT_EQ(out.fault.code, FaultCode::address);
    EXPECT_EQ(out.fault.lane, 31u);
    EXPECT_EQ(out.fault.va, BRGPU_LOCAL_BASE + 256);
}

TEST(SimtMemory, LoadsOfEveryShape) {
    // Strides of 0, 1, 4, 8, -4, 36 bytes and a permutation, at odd starts, 4-byte loads and
    // stores.
    for (const int stride : {0, 1, 4, 8, -4, 36, 1000, 4100}) {
        for (const int start : {0, 1, 4090}) {
            SCOPED_TRACE(stride * 10000 + start);
            Rig rig(R"(
                csrr s0, CSR_LANE_ID
                ld t0, 0(a0)
                ld t1, 8(a0)
                mul t0, t0, s0
                add t0, t0, t1
                lw t2, 0(t0)
                slli t3, s0, 3
                add t3, t3, a0
                sd t2, 64(t3)
                ld t1, 16(a0)
                ld t0, 0(a0)
                mul t0, t0, s0
                add t0, t0, t1
                sw s0, 0(t0)
                ret
            )");
            constexpr uint64_t source = 0x50000000, target = 0x60000000;
            rig.memory.map(source - 8192, 1 << 18);
            rig.memory.map(target - 8192, 1 << 18);
            for (uint64_t at = source - 8192; at < source - 8192 + (1 << 18); at += 4)
                rig.memory.put<uint32_t>(at, static_cast<uint32_t>(at * 2654435761u));
            rig.memory.put<int64_t>(data_va, stride);
            rig.memory.put<uint64_t>(data_va + 8, source + static_cast<uint64_t>(start));
            rig.memory.put<uint64_t>(data_va + 16, target + static_cast<uint64_t>(start));
            PagedMemory expected;
            expected.map(target - 8192, 1 << 18);
            ASSERT_EQ(rig.run(32, 32).status, Status::finished);
            for (int i = 0; i < 32; ++i) {
                const auto at = static_cast<uint64_t>(start + stride * i);
                EXPECT_EQ(rig.memory.get<int64_t>(data_va + 64 + 8 * static_cast<uint64_t>(i)),
                          rig.memory.get<int32_t>(source + at));
                expected.put<int32_t>(target + at, i); // the last lane wins
            }
            EXPECT_EQ(rig.memory.get_all<uint8_t>(target - 8192, 1 << 18),
                      expected.get_all<uint8_t>(target - 8192, 1 << 18));
        }
    }
}

TEST(SimtMemory, MaskedAccessesTouchOnlyTheirLanes) {
    // Lanes 16 to 31 would touch an unmapped page, and stores of lanes 0 to 15 must leave holes.
    Rig rig(R"(
        csrr s0, CSR_LANE_ID
        li t0, 16
        bgeu s0, t0, 1f
        andi t1, s0, 1
        slli t2, s0, 2
        li t3, 0x50000fc0
        add t2, t2, t3
        lw t4, 0(t2)
        bnez t1, 1f
        sw s0, 0(t2)
     1: ret
    )");
    rig.memory.map(0x50000000, page_bytes);
    for (unsigned i = 0; i < 16; ++i)
        rig.memory.put<uint32_t>(0x50000fc0 + 4 * i, 1000 + i);
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint32_t i = 0; i < 16; ++i)
        EXPECT_EQ(rig.memory.get<uint32_t>(0x50000fc0 + 4 * i), i % 2 ? 1000 + i : i);
}

TEST(SimtMemory, RightsAreChecked) {
    const struct {
        const char *text;
        uint8_t rights;
        bool works;
    } cases[] = {
        {"lw t0, 0(s0)", right_read, true},
        {"lw t0, 0(s0)", right_write, false},
        {"sw t0, 0(s0)", right_read, false},
        {"sw t0, 0(s0)", right_read | right_write, true},
        {"amoadd.w t0, t0, (s0)", right_read | right_write, false},
        {"amoadd.w t0, t0, (s0)", right_read | right_atomic, false},
        {"amoadd.w t0, t0, (s0)", right_read | right_write | right_atomic, true},
        {"lr.w t0, (s0)", right_read, false},
        {"jr s0", right_read | right_write, false},
    };
    for (const auto &test : cases) {
        SCOPED_TRACE(test.text);
        Rig rig(std::string("li s0, 0x50000000\n") + test.text + "\n ret");
        rig.memory.map(0x50000000, page_bytes, test.rights);
        const Outcome out = rig.run(32, 32);
        EXPECT_EQ(out.status, test.works ? Status::finished : Status::faulted);
        if (!test.works) {
            EXPECT_EQ(out.fault.code, FaultCode::memory);
            EXPECT_EQ(out.fault.memory_code, rights_fault_code);
            EXPECT_EQ(out.fault.va, 0x50000000u);
        }
    }
}

TEST(SimtMemory, NullPagesReadZeroAndForget) {
    Rig rig(R"(
        csrr s0, CSR_LANE_ID
        slli t0, s0, 3
        li s1, 0x50000000
        add s1, s1, t0
        add s2, a0, t0
        li t1, -1
        sd t1, 0(s1)
        fence
        ld t2, 0(s1)
        sd t1, 1(s1)
        ld t3, 1(s1)
        or t2, t2, t3
        amoadd.d t3, t1, (s1)
        or t2, t2, t3
        amoswap.w t3, t1, (s1)
        or t2, t2, t3
        lr.d t3, (s1)
        or t2, t2, t3
        sc.d t3, t1, (s1)
        or t2, t2, t3
        lw t3, 0(s1)
        or t2, t2, t3
        addi t2, t2, 1
        sd t2, 0(s2)
        ret
    )");
    rig.memory.map_null(0x50000000);
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    for (uint64_t i = 0; i < 32; ++i)
        EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8 * i), 1u);
    EXPECT_EQ(rig.memory.get<uint64_t>(0x50000000), 0u);
}

TEST(SimtMemory, FaultsAreResumedWithoutRepeatingWhatIsDone) {
    // Every lane adds to a word of its own page; pages appear one by one, in reverse of need.
    Rig rig(R"(
        csrr s0, CSR_LANE_ID
        slli t0, s0, 12
        li t1, 0x50000000
        add t0, t0, t1
        li t2, 1
        amoadd.w t3, t2, (t0)
        addi t0, t0, -2
        ld t4, 0(t0)
        sd t4, 8(t0)
        ret
    )");
    rig.memory.map(0x4ffff000, page_bytes);
    auto d = rig.dispatch(32, 32);
    Workgroup group;
    ASSERT_TRUE(group.start(*d, 0, 0));
    unsigned faults = 0;
    Outcome out;
    for (;;) {
        out = group.run(rig.worker);
        if (out.status != Status::faulted)
            break;
        ASSERT_LT(++faults, 100u);
        ASSERT_EQ(out.fault.code, FaultCode::memory);
        ASSERT_EQ(out.fault.memory_code, no_page_fault);
        EXPECT_EQ(out.fault.va >> 12, 0x50000u + out.fault.lane);
        rig.memory.map(out.fault.va & ~(page_bytes - 1), page_bytes);
    }
    EXPECT_EQ(out.status, Status::finished);
    EXPECT_EQ(faults, 32u);
    for (uint64_t i = 0; i < 32; ++i)
        EXPECT_EQ(rig.memory.get<uint16_t>(0x50000000 + i * page_bytes), 1u);
}

TEST(SimtMemory, FetchFaultsAreResumed) {
    Rig rig("la t0, 1f\n li t1, 0x50000ffe\n jr t1\n1: sd ra, 0(a0)\n ret");
    // A 4-byte jump back that crosses from one page to the next; the pages come late.
    const std::vector<std::byte> jump = assemble(".option norvc\n jr t0");
    auto d = rig.dispatch(32, 32);
    Workgroup group;
    ASSERT_TRUE(group.start(*d, 0, 0));
    Outcome out = group.run(rig.worker);
    ASSERT_EQ(out.status, Status::faulted);
    EXPECT_EQ(out.fault.va, 0x50000ffeu);
    EXPECT_EQ(out.fault.access, right_execute);
    rig.memory.map(0x50000000, page_bytes);
    rig.memory.write(0x50000ffe, jump.data(), 2);
    out = group.run(rig.worker);
    ASSERT_EQ(out.status, Status::faulted);
    EXPECT_EQ(out.fault.va, 0x50001000u);
    EXPECT_EQ(out.fault.pc, 0x50000ffeu);
    rig.memory.map(0x50001000, page_bytes);
    rig.memory.write(0x50001000, jump.data() + 2, 2);
    out = group.run(rig.worker);
    EXPECT_EQ(out.status, Status::finished);
    EXPECT_EQ(rig.memory.get<uint64_t>(data_va), BRGPU_EXIT_PC);
}

TEST(SimtMemory, EndOfTheTranslatedSpaceIsAWall) {
    // Data and code in the last page below 2^48 don't run over into the local aperture.
    Rig rig("li t0, 0xfffffffffff0\n ld t1, 8(t0)\n ld t1, 9(t0)\n ret", 256, 4096);
    rig.memory.map(0xfffffffff000, page_bytes);
    Outcome out = rig.run(32, 32);
    ASSERT_EQ(out.status, Status::faulted);
    EXPECT_EQ(out.fault.code, FaultCode::address);
    EXPECT_EQ(out.fault.va, 0xfffffffffff9u);
    Rig code("li t0, 0xfffffffffffc\n jr t0", 256, 4096);
    code.memory.map(0xfffffffff000, page_bytes);
    code.memory.put<uint16_t>(0xfffffffffffc, 1);
    code.memory.put<uint16_t>(0xfffffffffffe, 0x0013); // first half of a 4-byte nop
    out = code.run(32, 32);
    ASSERT_EQ(out.status, Status::faulted);
    EXPECT_EQ(out.fault.code, FaultCode::address);
    code.memory.put<uint16_t>(0xfffffffffffe, 1);
    out = code.run(32, 32);
    ASSERT_EQ(out.status, Status::faulted);
    EXPECT_EQ(out.fault.va, BRGPU_LOCAL_BASE);
}

TEST(SimtMemory, TranslationsAreKeptUntilInvalidated) {
    Rig rig("ld t0, 0(a0)\n sd t0, 8(a0)\n ret");
    rig.memory.put<uint64_t>(data_va, 1);
    ASSERT_EQ(rig.run(1, 1).status, Status::finished);
    const uint64_t before = rig.memory.lookups;
    ASSERT_EQ(rig.run(1, 1).status, Status::finished);
    EXPECT_EQ(rig.memory.lookups, before);
    const uint64_t epoch = rig.memory.invalidate_translations();
    EXPECT_FALSE(rig.worker.may_use(rig.memory, epoch)); // idle
    rig.memory.unmap(data_va, page_bytes);
    EXPECT_EQ(rig.run(1, 1).status, Status::faulted);
}

TEST(SimtMemory, InvalidationReachesARunningKernel) {
    Rig rig("1: ld t0, 0(a0)\n beqz t0, 1b\n ret");
    auto d = rig.dispatch(32, 32);
    Workgroup group;
    ASSERT_TRUE(group.start(*d, 0, 0));
    Outcome out;
    std::thread runner([&] { out = group.run(rig.worker); });
    while (rig.memory.lookups < 2)
        std::this_thread::yield();
    // The loop reads the old page until the epoch changes.
    rig.memory.map(0x70000000, page_bytes);
    rig.memory.put<uint64_t>(0x70000000, 1);
    rig.memory.alias(data_va, 0x70000000);
    const uint64_t epoch = rig.memory.invalidate_translations();
    while (rig.worker.may_use(rig.memory, epoch))
        std::this_thread::yield();
    runner.join();
    EXPECT_EQ(out.status, Status::finished);
}

TEST(SimtMemory, CodeWritesAreSeenAfterFenceI) {
    // Rewrites `li t1, 1` as `li t1, 2`, first without FENCE.I (stale is allowed, so not checked),
    // then with it.
    Rig rig(R"(
        la t0, patch
        lhu t2, new
        jal t4, patch
        sh t2, 0(t0)
        fence.i
        jal t4, patch
        sd t1, 0(a0)
        ret
    patch:
        c.li t1, 1
        jr t4
    new:
        c.li t1, 2
    )");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    EXPECT_EQ(rig.memory.get<uint64_t>(data_va), 2u);
}

TEST(SimtMemory, HostInvalidatesCode) {
    Rig rig("c.li t1, 1\n sd t1, 0(a0)\n ret");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    rig.memory.put<uint16_t>(code_va, 0x4309); // c.li t1, 2
    rig.memory.invalidate_code();
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    EXPECT_EQ(rig.memory.get<uint64_t>(data_va), 2u);
}

TEST(SimtMemory, RemappedCodeIsSeenAfterATranslationInvalidate) {
    Rig rig("c.li t1, 1\n sd t1, 0(a0)\n ret");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    const auto other = assemble("c.li t1, 3\n sd t1, 0(a0)\n ret");
    rig.memory.map(0x70000000, page_bytes);
    rig.memory.write(0x70000000, other.data(), other.size());
    rig.memory.alias(code_va, 0x70000000);
    rig.memory.invalidate_translations();
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    EXPECT_EQ(rig.memory.get<uint64_t>(data_va), 3u);
}

TEST(SimtMemory, AtomicsAreAtomicAgainstTheHost) {
    Rig rig(
        "li t0, 2000\n li t1, 1\n1: amoadd.w zero, t1, (a0)\n addi t0, t0, -1\n bnez t0, 1b\n ret");
    auto *word = reinterpret_cast<uint32_t *>(rig.memory.host(data_va));
    std::atomic<bool> done{false};
    uint32_t added = 0;
    std::thread host([&] {
        while (!done) {
            __atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
            ++added;
        }
    });
    const Outcome out = rig.run(64, 64);
    done = true;
    host.join();
    ASSERT_EQ(out.status, Status::finished);
    EXPECT_EQ(*word, 64 * 2000 + added);
}

TEST(SimtMemory, WorkersShareADispatch) {
    Rig rig("csrr t0, CSR_GLOBAL_ID\n slli t0, t0, 2\n add t0, t0, a0\n lw t1, 0(t0)\n"
            "addi t1, t1, 1\n sw t1, 0(t0)\n ret");
    auto d = rig.dispatch(100000, 64);
    const auto work = [&] {
        Worker worker;
        Workgroup group;
        while (const auto index = d->take_workgroup()) {
            ASSERT_TRUE(group.start(*d, *index, 0));
            ASSERT_EQ(group.run(worker).status, Status::finished);
        }
    };
    std::thread a(work), b(work), c(work);
    a.join();
    b.join();
    c.join();
    for (const uint32_t v : rig.memory.get_all<uint32_t>(data_va, 100000))
        ASSERT_EQ(v, 1u);
}

} // namespace
} // namespace brgpu::simt::test
