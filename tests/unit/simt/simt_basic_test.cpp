// SPDX-License-Identifier: MIT
//
// Entry state, CSRs, exits, the checks of a dispatch, faults that stop a kernel.
#include <gtest/gtest.h>

#include "support.hpp"

namespace brgpu::simt::test {
namespace {

TEST(SimtBasic, EntryStateIsDefined) {
    // Every lane stores x1..x31, f0..f31 and fcsr.
    Rig rig(R"(
        sd t0, -8(sp)
        sd a1, -16(sp)
        csrr t0, CSR_GLOBAL_ID
        slli t0, t0, 9
        add t0, t0, a0
        sd x1, 0(t0)
        sd x2, 8(t0)
        sd x3, 16(t0)
        sd x4, 24(t0)
        ld a1, -8(sp)
        sd a1, 32(t0)
        sd x6, 40(t0)
        sd x10, 48(t0)
        ld a1, -16(sp)
        sd a1, 56(t0)
        sd x31, 64(t0)
        fsd f0, 72(t0)
        fsd f31, 80(t0)
        csrr a1, fcsr
        sd a1, 88(t0)
        ret
    )");
    const Outcome out = rig.run(64, 64);
    ASSERT_EQ(out.status, Status::finished) << to_string(out.fault.code);
    for (unsigned i = 0; i < 64; ++i) {
        const auto v = rig.memory.get_all<uint64_t>(data_va + i * 512, 12);
        EXPECT_EQ(v[0], BRGPU_EXIT_PC);
        EXPECT_EQ(v[1], BRGPU_PRIVATE_BASE + 4096);
        EXPECT_EQ(v[2], 0u);
        EXPECT_EQ(v[3], BRGPU_LOCAL_BASE);
        EXPECT_EQ(v[4], 0u);
        EXPECT_EQ(v[5], 0u);
        EXPECT_EQ(v[6], data_va);
        for (unsigned at = 7; at < 12; ++at)
            EXPECT_EQ(v[at], 0u) << at;
    }
}

TEST(SimtBasic, IdentityRegistersOfAnUnevenGrid) {
    Rig rig(R"(
        csrr t0, CSR_GLOBAL_LINEAR_ID
        slli t0, t0, 8
        add t0, t0, a0
        .set at, 0
        .irp csr, 0xcc0,0xcc1,0xcc2,0xcc4,0xcc5,0xcc6,0xcc8,0xcc9,0xcca,0xccc,0xccd,0xcce,0xcd0,0xcd1,0xcd2,0xcd4,0xcd5,0xcd6,0xcd8,0xcd9,0xcda,0xcdc,0xcdd,0xcde,0xce0,0xce1,0xce2,0xce3,0xce4,0xce5
        csrr t1, \csr
        sd t1, at(t0)
        .set at, at + 8
        .endr
        ret
    )");
    auto &p = rig.params;
    p.work_dim = 3;
    p.grid[0] = 11, p.grid[1] = 7, p.grid[2] = 3;
    p.workgroup[0] = 4, p.workgroup[1] = 4, p.workgroup[2] = 2;
    p.offset[0] = 100, p.offset[1] = uint64_t{1} << 40, p.offset[2] = 5;
    ASSERT_EQ(check_dispatch(p), DispatchError::none);
    Dispatch d(p, rig.memory, rig.host);
    EXPECT_EQ(d.workgroups(), 3u * 2 * 2);
    const Outcome out = run_dispatch(d, rig.worker);
    ASSERT_EQ(out.status, Status::finished) << to_string(out.fault.code);
    for (uint64_t z = 0; z < 3; ++z)
        for (uint64_t y = 0; y < 7; ++y)
            for (uint64_t x = 0; x < 11; ++x) {
                const uint64_t linear = (z * 7 + y) * 11 + x;
                const auto v = rig.memory.get_all<uint64_t>(data_va + linear * 256, 30);
                const uint64_t local[3] = {x % 4, y % 4, z % 2}, group[3] = {x / 4, y / 4, z / 2};
                const uint64_t size[3] = {group[0] == 2 ? 3u : 4u, group[1] == 1 ? 3u : 4u,
                                          group[2] == 1 ? 1u : 2u};
                const uint64_t global[3] = {x, y, z};
                for (unsigned a = 0; a < 3; ++a) {
                    EXPECT_EQ(v[a], local[a]);
                    EXPECT_EQ(v[3 + a], group[a]);
                    EXPECT_EQ(v[6 + a], size[a]);
                    EXPECT_EQ(v[9 + a], p.workgroup[a]);
                    EXPECT_EQ(v[12 + a], p.grid[a]);
                    EXPECT_EQ(v[15 + a], p.offset[a]);
                    EXPECT_EQ(v[18 + a], d.num_groups(a));
                    EXPECT_EQ(v[21 + a], p.offset[a] + global[a]);
                }
                const uint64_t linear_id = (local[2] * size[1] + local[1]) * size[0] + local[0];
                const uint64_t items = size[0] * size[1] * size[2];
                EXPECT_EQ(v[24], 3u);
                EXPECT_EQ(v[25], linear_id % 32);
                EXPECT_EQ(v[26], linear_id / 32);
                EXPECT_EQ(v[27], (items + 31) / 32);
                EXPECT_EQ(v[28], std::min<uint64_t>(32, items - linear_id / 32 * 32));
                EXPECT_EQ(v[29], linear_id);
            }
}

TEST(SimtBasic, EmptyGridHasNoWorkgroups) {
    Rig rig("ret");
    EXPECT_EQ(rig.dispatch(0, 64)->workgroups(), 0u);
    EXPECT_EQ(rig.run(0, 64).status, Status::finished);
}

TEST(SimtBasic, DispatchesAreChecked) {
    Rig rig("ret");
    const DispatchParams good = rig.params;
    ASSERT_EQ(check_dispatch(good), DispatchError::none);
    const auto with = [&](auto &&change) {
        DispatchParams p = good;
        change(p);
        return check_dispatch(p);
    };
    using E = DispatchError;
    EXPECT_EQ(with([](auto &p) { p.kernel.magic ^= 1; }), E::magic);
    EXPECT_EQ(with([](auto &p) { p.kernel_va += 4; }), E::magic);
    EXPECT_EQ(with([](auto &p) { p.kernel.isa_major = 2; }), E::isa_version);
    EXPECT_EQ(with([](auto &p) { p.kernel.isa_minor = BRGPU_ISA_MINOR + 1; }), E::isa_version);
    EXPECT_EQ(with([](auto &p) { p.kernel.flags = 2; }), E::reserved);
    EXPECT_EQ(with([](auto &p) { p.kernel.pad0 = 1; }), E::reserved);
    EXPECT_EQ(with([](auto &p) { p.kernel.pad1[2] = 1; }), E::reserved);
    EXPECT_EQ(with([](auto &p) { p.kernel.entry_offset = 65; }), E::entry);
    EXPECT_EQ(with([](auto &p) { p.kernel.entry_offset = -0x100000; }), E::entry);
    EXPECT_EQ(with([](auto &p) { p.kernel.static_local_bytes = 65537; }), E::local_bytes);
    EXPECT_EQ(with([](auto &p) { p.dynamic_local_bytes = UINT32_MAX; }), E::local_bytes);
    EXPECT_EQ(with([](auto &p) { p.kernel.private_bytes = 8; }), E::private_bytes);
    EXPECT_EQ(with([](auto &p) { p.kernel.private_bytes = BRGPU_MAX_PRIVATE_BYTES + 16; }),
              E::private_bytes);
    EXPECT_EQ(with([](auto &p) { p.workgroup[0] = 0; }), E::workgroup);
    EXPECT_EQ(with([](auto &p) { p.workgroup[0] = 1025; }), E::workgroup);
    EXPECT_EQ(with([](auto &p) { p.work_dim = 2, p.workgroup[0] = 64, p.workgroup[1] = 17; }),
              E::workgroup);
    EXPECT_EQ(with([](auto &p) { p.kernel.max_workgroup = 63, p.workgroup[0] = 64; }),
              E::workgroup);
    EXPECT_EQ(with([](auto &p) { p.kernel.required_workgroup[0] = 64; }), E::required_workgroup);
    EXPECT_EQ(with([](auto &p) { p.work_dim = 0; }), E::grid);
    EXPECT_EQ(with([](auto &p) { p.work_dim = 4; }), E::grid);
    EXPECT_EQ(with([](auto &p) { p.grid[1] = 2; }), E::grid);
    EXPECT_EQ(with([](auto &p) {
                  p.work_dim = 3;
                  p.grid[0] = p.grid[1] = p.grid[2] = UINT32_MAX;
              }),
              E::grid);
    EXPECT_EQ(with([](auto &p) { p.grid[0] = UINT32_MAX; }), E::none);
}

struct FaultCase {
    const char *text;
    FaultCode code;
    uint64_t va;
    uint64_t pc_offset;
};

TEST(SimtBasic, FaultsNameTheLaneAndThePc) {
    const FaultCase cases[] = {
        {"nop\n .half 0", FaultCode::illegal, 0, 2},
        {"nop\n .word 0xffffffff", FaultCode::illegal, 0xffffffff, 2},
        {"ecall", FaultCode::environment, 0, 0},
        {"ebreak", FaultCode::environment, 0, 0},
        {"c.ebreak", FaultCode::environment, 0, 0},
        {"li t0, 1234\n gpu.trap t0", FaultCode::trap, 1234, 4},
        {"csrw 0xcc0, t0", FaultCode::illegal, 0xcc029073, 0},
        {"csrr t0, 0xcc3", FaultCode::illegal, 0xcc3022f3, 0},
        {"csrr t0, 0xced", FaultCode::illegal, 0xced022f3, 0},
        {"csrr t0, cycle", FaultCode::illegal, 0xc00022f3, 0},
        {"csrr t0, 0x300", FaultCode::illegal, 0x300022f3, 0},
        {"fsrmi 5\n fadd.s f0, f0, f0", FaultCode::illegal, 0x00007053, 4},
        {".insn r 0x53, 5, 0, f0, f0, f0", FaultCode::illegal, 0x00005053, 0},
        {"lw t0, 0(zero)", FaultCode::memory, 0, 0},
        {"li t0, -4\n lw t0, 2(t0)", FaultCode::address, UINT64_MAX - 1, 2},
        {"lw t0, 0(tp)", FaultCode::address, BRGPU_LOCAL_BASE, 0},
        {"lw t0, -4(tp)", FaultCode::memory, BRGPU_LOCAL_BASE - 4, 0},
        {"ld t0, -4(tp)", FaultCode::address, BRGPU_LOCAL_BASE - 4, 0},
        {"lw t0, 0(sp)", FaultCode::address, BRGPU_PRIVATE_BASE + 4096, 0},
        {"sd t0, -4(sp)", FaultCode::address, BRGPU_PRIVATE_BASE + 4096, 0},
        {"amoadd.w t0, t1, (a0)\n addi a0, a0, 2\n amoadd.w t0, t1, (a0)", FaultCode::misaligned,
         data_va + 2, 6},
        {"lr.d t0, (zero)", FaultCode::memory, 0, 0},
        {"jr zero", FaultCode::memory, 0, 0},
        {"jr tp", FaultCode::address, BRGPU_LOCAL_BASE, 0},
        {"jr sp", FaultCode::address, BRGPU_PRIVATE_BASE + 4096, 0},
        {".insn r 0x0b, 0, 6, x0, x0, x0", FaultCode::illegal, 0x0c00000b, 0},
        {".insn r 0x0b, 0, 0, x1, x0, x0", FaultCode::illegal, 0x0000008b, 0},
        {".insn r 0x0b, 0, 0, x0, x1, x0", FaultCode::illegal, 0x0000800b, 0},
        {".insn r 0x2b, 0, 5, x0, x0, x0", FaultCode::illegal, 0x0a00002b, 0},
    };
    // One program, so that the assembler runs once: a case every 256 bytes.
    std::string text;
    for (const FaultCase &test : cases)
        text += std::string(".balign 256\n") + test.text + "\n";
    uint64_t start = 0;
    for (const FaultCase &test : cases) {
        SCOPED_TRACE(test.text);
        Rig rig(text);
        rig.params.kernel.entry_offset = static_cast<int64_t>(64 + start);
        const Outcome out = rig.run(1, 1);
        ASSERT_EQ(out.status, Status::faulted);
        EXPECT_EQ(to_string(out.fault.code), std::string(to_string(test.code)));
        const uint64_t fetch = std::string(test.text).substr(0, 2) == "jr" ? test.va : 0;
        EXPECT_EQ(out.fault.va, test.va);
        EXPECT_EQ(out.fault.pc, fetch || std::string(test.text) == "jr zero"
                                    ? fetch
                                    : code_va + start + test.pc_offset);
        EXPECT_EQ(out.fault.lane, 0u);
        start += 256;
    }
}

TEST(SimtBasic, CountsTrailingZerosOfWords) {
    Rig rig("li t0, 0x7ff0000000000000\n ctzw t1, t0\n sd t1, 0(a0)\n"
            "li t0, 0x7ff0000000000400\n ctzw t1, t0\n sd t1, 8(a0)\n ret");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    EXPECT_EQ(rig.memory.get<uint64_t>(data_va), 32u);
    EXPECT_EQ(rig.memory.get<uint64_t>(data_va + 8), 10u);
}

TEST(SimtBasic, LanesExitOnTheirOwn) {
    Rig rig(R"(
        csrr t0, CSR_LANE_ID
        andi t1, t0, 1
        slli t2, t0, 3
        add t2, t2, a0
        beqz t1, 1f
        gpu.exit
     1: li t3, 7
        sd t3, 0(t2)
        ret
    )");
    ASSERT_EQ(rig.run(32, 32).status, Status::finished);
    const auto v = rig.memory.get_all<uint64_t>(data_va, 32);
    for (unsigned i = 0; i < 32; ++i)
        EXPECT_EQ(v[i], i % 2 ? 0u : 7u);
}

TEST(SimtBasic, StopsInEveryKindOfEndlessLoop) {
    const char *loops[] = {
        "j .",
        "1: beqz zero, 1b",
        "la t0, 1f\n1: jr t0",
        "1: gpu.yield\n j 1b",
        "1: fence.i\n j 1b",
        "csrr t0, CSR_LANE_ID\n andi t0, t0, 1\n1: bnez t0, 1b\n2: j 2b",
        "1: jal ra, 2f\n2: jal ra, 1b",
        "1: amoadd.w t0, t0, (a0)\n j 1b",
        "1: lr.w t0, (a0)\n sc.w t1, t0, (a0)\n j 1b",
        "1: gpu.barrier\n j 1b",
        "1: gpu.warp_sync\n j 1b",
        "1: gpu.vote 1, t0, t1, zero\n j 1b",
    };
    std::string text;
    for (const char *loop : loops)
        text += std::string(".balign 256\n") + loop + "\n";
    uint64_t start = 0;
    for (const char *loop : loops) {
        SCOPED_TRACE(loop);
        Rig rig(text);
        rig.params.kernel.entry_offset = static_cast<int64_t>(64 + start);
        start += 256;
        auto d = rig.dispatch(64, 64);
        Workgroup group;
        ASSERT_TRUE(group.start(*d, 0, 0));
        RunLimits limits;
        limits.budget = 100000;
        uint64_t ran = 0;
        for (int i = 0; i < 100 && ran < 100000; ++i) { // idle yields come early
            const Outcome out = group.run(rig.worker, limits);
            ASSERT_EQ(out.status, Status::yielded) << to_string(out.fault.code);
            ran += out.counters.instructions;
            EXPECT_LT(out.counters.instructions, 200000u);
        }
        std::atomic<bool> stop{true};
        limits.stop = &stop;
        limits.budget = UINT64_MAX;
        const Outcome out = group.run(rig.worker, limits);
        EXPECT_EQ(out.status, Status::yielded);
        EXPECT_LT(out.counters.instructions, 200000u);
    }
}

TEST(SimtBasic, StraightLineCodeOverAliasedPagesStops) {
    // One page of c.nop, mapped over and over: no jump backward ever comes.
    PagedMemory memory;
    memory.map(code_va, page_bytes);
    for (unsigned i = 0; i < page_bytes; i += 2)
        memory.put<uint16_t>(code_va + i, 1);
    for (unsigned i = 1; i < 2000; ++i)
        memory.alias(code_va + i * page_bytes, code_va);
    Rig rig("ret");
    Dispatch d(rig.params, memory, rig.host);
    Workgroup group;
    ASSERT_TRUE(group.start(d, 0, 0));
    RunLimits limits;
    limits.budget = 1000;
    const Outcome out = group.run(rig.worker, limits);
    EXPECT_EQ(out.status, Status::yielded);
    EXPECT_LT(out.counters.instructions, 10000u);
}

TEST(SimtBasic, ProgressIsCounted) {
    Rig rig("gpu.progress\n gpu.progress\n ret");
    auto d = rig.dispatch(64, 32);
    EXPECT_EQ(run_dispatch(*d, rig.worker).status, Status::finished);
    EXPECT_EQ(d->progress(), 4u);
}

TEST(SimtBasic, SpinningWarpsAreReportedIdle) {
    Rig rig("1: gpu.yield\n ld t0, 0(a0)\n beqz t0, 1b\n ret");
    auto d = rig.dispatch(96, 96);
    Workgroup group;
    ASSERT_TRUE(group.start(*d, 0, 0));
    Outcome out = group.run(rig.worker);
    ASSERT_EQ(out.status, Status::yielded);
    EXPECT_TRUE(out.idle);
    rig.memory.put<uint64_t>(data_va, 1);
    for (int i = 0; i < 10 && out.status == Status::yielded; ++i)
        out = group.run(rig.worker);
    EXPECT_EQ(out.status, Status::finished);
}

} // namespace
} // namespace brgpu::simt::test
