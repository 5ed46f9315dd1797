// SPDX-License-Identifier: MIT
//
// Every instruction on edge operands and random ones, in every rounding mode, against an
// independent RISC-V: the same code runs once as a kernel, a lane for each operand set, and once as
// a program under qemu-riscv64, in a loop.
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "support.hpp"
#include "variants.hpp"

namespace brgpu::simt::test {
namespace {

constexpr uint32_t sets = 1280; // operand sets
constexpr uint64_t variants_va = code_va;
constexpr uint64_t operands_va = 0x10000000;
constexpr uint64_t scratch_va = 0x11000000;
constexpr uint64_t results_va = 0x20000000;

struct Operands {
    uint64_t a, b, c, pad;
};
struct Results {
    uint64_t a0, fa0, fflags, memory0, memory1, pad[3];
    bool operator==(const Results &) const = default;
};

const uint64_t int_edges[] = {0,
                              1,
                              2,
                              UINT64_MAX,
                              UINT64_MAX - 1,
                              INT64_MAX,
                              uint64_t{1} << 63,
                              0x7fffffff,
                              0x80000000,
                              0xffffffff,
                              0xffffffff80000000,
                              0xffffffff7fffffff,
                              0x100000000,
                              63,
                              64,
                              31,
                              32,
                              0x5555555555555555,
                              0x00ff00ff00ff00ff,
                              0x8000000080000000};
const uint16_t half_edges[] = {0,      0x8000, 1,      0x8001, 0x03ff, 0x0400, 0x8400, 0x3bff,
                               0x3c00, 0xbc00, 0x3c01, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7c01,
                               0x7e00, 0xfe01, 0x7dff, 0x4200, 0x3800, 0x6400, 0x1400};
const uint32_t single_edges[] = {
    0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x3effffff,
    0x3f000000, 0x3f7fffff, 0x3f800000, 0xbf800000, 0x3f800001, 0x3fc00000, 0x40200000, 0x7f7fffff,
    0xff7fffff, 0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffc12345, 0x7fbfffff, 0x4effffff,
    0x4f000000, 0xcf000000, 0xcf000001, 0x4f800000, 0x5f000000, 0xdf000000, 0x5f800000, 0x38800000,
    0x33000000, 0x33000001, 0x477fefff, 0x477ff000, 0x34000000};
const uint64_t double_edges[] = {0,
                                 0x8000000000000000,
                                 1,
                                 0x8000000000000001,
                                 0x000fffffffffffff,
                                 0x0010000000000000,
                                 0x3fe0000000000000,
                                 0x3fdfffffffffffff,
                                 0x3ff0000000000000,
                                 0xbff0000000000000,
                                 0x3ff0000000000001,
                                 0x3ff8000000000000,
                                 0x4004000000000000,
                                 0x7fefffffffffffff,
                                 0xffefffffffffffff,
                                 0x7ff0000000000000,
                                 0xfff0000000000000,
                                 0x7ff0000000000001,
                                 0x7ff8000000000000,
                                 0xfff8000000000123,
                                 0x41dfffffffc00000,
                                 0x41e0000000000000,
                                 0xc1e0000000200000,
                                 0x41efffffffe00000,
                                 0x43e0000000000000,
                                 0xc3e0000000000000,
                                 0x43f0000000000000,
                                 0x36a0000000000000,
                                 0x3690000000000000,
                                 0x3690000000000001,
                                 0x47efffffe0000000,
                                 0x47effffff0000000,
                                 0x3f10000000000000,
                                 0x3e60000000000000,
                                 0x3e60000000000001,
                                 0x40effc0000000000,
                                 0x40effe0000000000};

std::vector<Operands> make_operands() {
    std::mt19937_64 random(20240229);
    const auto pick = [&](const auto &from) { return from[random() % std::size(from)]; };
    // Random values whose exponents are near each other, so that sums cancel and round.
    const auto random_single = [&] {
        return static_cast<uint32_t>((random() & 0x807fffff) | ((118 + random() % 20) << 23));
    };
    const auto random_half = [&] {
        return static_cast<uint16_t>((random() & 0x83ff) | ((8 + random() % 14) << 10));
    };
    const auto random_double = [&] {
        return (random() & 0x800fffffffffffff) | ((1000 + random() % 46) << 52);
    };
    const auto value = [&](unsigned category) -> uint64_t {
        const bool edge = random() % 2;
        switch (category) {
        case 0:
            return edge ? pick(int_edges) : random() >> random() % 64;
        case 1:
            return 0xffffffffffff0000 | (edge ? pick(half_edges) : random_half());
        case 2:
            return 0xffffffff00000000 | (edge ? pick(single_edges) : random_single());
        case 3:
            return edge ? pick(double_edges) : random_double();
        case 4: // sparse fractions: exact ties and exact results
            return 0xffffffff00000000 | (random_single() & 0xfff80000 & ~(random() & 0x00700000));
        case 5:
            return 0xffffffffffff0000 | (random() & 0xffff);
        default:
            return random();
        }
    };
    std::vector<Operands> all(sets);
    for (uint32_t i = 0; i < sets; ++i) {
        // Most sets hold one kind of value. Kinds change every 32 sets, so that whole warps are
        // boxed singles and take the vector code; a tenth is mixed.
        const auto kind = [&] {
            return random() % 10 == 0 && i / 32 % 2 ? static_cast<unsigned>(random() % 7)
                                                    : i / 32 % 7;
        };
        all[i] = {value(kind()), value(kind()), value(kind()), 0};
    }
    return all;
}

// The pieces as subroutines, and a table of their addresses. With `flags`, fflags are cleared
// before and read after each piece.
std::string common_text(const std::vector<std::string> &variants) {
    std::string text = ".option norelax\n";
    for (size_t i = 0; i < variants.size(); ++i)
        text += "v" + std::to_string(i) + ": " + variants[i] + "\n ret\n";
    text += ".balign 8\ntable:\n";
    for (size_t i = 0; i < variants.size(); ++i)
        text += ".dword v" + std::to_string(i) + "\n";
    text += ".dword 0\n";
    return text;
}

// s0 operand set, s1 scratch, s2 table, s3 results; s4 bytes of results a piece.
std::string step_text(bool flags) {
    return std::string(R"(
        ld a1, 0(s0)
        ld a2, 8(s0)
        ld a3, 16(s0)
        fmv.d.x fa1, a1
        fmv.d.x fa2, a2
        fmv.d.x fa3, a3
        mv a4, s1
        sd a1, 0(a4)
        sd a2, 8(a4)
        li a0, -559038737
        fmv.d.x fa0, a0
        li t4, 0
    )") + (flags ? "fsflags zero\n" : "") +
           "jalr ra, 0(t6)\n" + (flags ? "frflags t4\n" : "") + R"(
        sd a0, 0(s3)
        fsd fa0, 8(s3)
        sd t4, 16(s3)
        ld t5, 0(s1)
        sd t5, 24(s3)
        ld t5, 8(s1)
        sd t5, 32(s3)
    )";
}

std::string kernel_text(const std::vector<std::string> &variants, bool flags) {
    return R"(
        mv s8, ra
        csrr t0, CSR_GLOBAL_ID
        li s0, 0x10000000
        slli t1, t0, 5
        add s0, s0, t1
        li s1, 0x11000000
        add s1, s1, t1
        li s3, 0x20000000
        slli t1, t0, 6
        add s3, s3, t1
        csrr s4, CSR_GLOBAL_SIZE
        slli s4, s4, 6
        la s2, table
     9: ld t6, 0(s2)
        beqz t6, 8f
    )" + step_text(flags) +
           R"(
        add s3, s3, s4
        addi s2, s2, 8
        j 9b
     8: jr s8
    )" + common_text(variants);
}

// The same under Linux: operands on standard input, results on standard output.
std::string program_text(const std::vector<std::string> &variants) {
    return R"(
        .globl _start
        _start:
        la s6, operands
        li a0, 0
        mv a1, s6
        li a2, )" +
           std::to_string(sets * sizeof(Operands)) + R"(
        li a7, 63
        ecall
        la s2, table
     9: ld t6, 0(s2)
        beqz t6, 8f
        la s0, operands
        la s3, results
        li s7, )" +
           std::to_string(sets) + R"(
     7: la s1, scratch
        ld t6, 0(s2)
    )" + step_text(true) +
           R"(
        addi s0, s0, 32
        addi s3, s3, 64
        addi s7, s7, -1
        bnez s7, 7b
        la s1, results
        li s7, )" +
           std::to_string(sets * sizeof(Results)) + R"(
     6: li a0, 1
        mv a1, s1
        mv a2, s7
        li a7, 64
        ecall
        blez a0, 5f
        add s1, s1, a0
        sub s7, s7, a0
        bnez s7, 6b
        addi s2, s2, 8
        j 9b
     8: li a0, 0
        li a7, 93
        ecall
     5: li a0, 1
        li a7, 93
        ecall
    )" + common_text(variants) +
           R"(
        .bss
        .balign 64
        operands: .space )" +
           std::to_string(sets * sizeof(Operands)) + R"(
        results: .space )" +
           std::to_string(sets * sizeof(Results)) + R"(
        scratch: .space 64
    )";
}

std::vector<Results> run_reference(const std::vector<std::string> &variants,
                                   const std::vector<Operands> &operands) {
    namespace fs = std::filesystem;
    std::string folder = (fs::temp_directory_path() / "brgpu-simt-XXXXXX").string();
    if (!mkdtemp(folder.data()))
        throw std::runtime_error("no temporary folder");
    std::ofstream(folder + "/p.S") << program_text(variants);
    std::ofstream(folder + "/in", std::ios::binary)
        .write(reinterpret_cast<const char *>(operands.data()),
               static_cast<std::streamsize>(operands.size() * sizeof(Operands)));
    const std::string build = SIMT_CLANG " --target=riscv64 -march=" BRGPU_ISA_MARCH
                                         " -mno-relax -nostdlib -static -fuse-ld=" SIMT_LLD " " +
                              folder + "/p.S -o " + folder + "/p 2>&1";
    // QEMU 7 spells the property Zfh.
    const auto run = [&](const char *cpu) {
        const std::string command = std::string(SIMT_QEMU " -cpu ") + cpu + " " + folder + "/p < " +
                                    folder + "/in > " + folder + "/out 2> " + folder + "/log";
        return std::system(command.c_str()) == 0;
    };
    std::vector<Results> results(variants.size() * operands.size());
    if (std::system(build.c_str()) != 0 ||
        (!run("rv64,zfh=true,zba=true,zbb=true") && !run("rv64,Zfh=true,zba=true,zbb=true"))) {
        results.clear();
    } else {
        std::ifstream out(folder + "/out", std::ios::binary);
        out.read(reinterpret_cast<char *>(results.data()),
                 static_cast<std::streamsize>(results.size() * sizeof(Results)));
        if (static_cast<size_t>(out.gcount()) != results.size() * sizeof(Results))
            results.clear();
    }
    fs::remove_all(folder);
    return results;
}

std::vector<Results> run_engine(const std::vector<std::string> &variants,
                                const std::vector<Operands> &operands, bool flags,
                                uint32_t workgroup) {
    Rig rig(kernel_text(variants, flags));
    const auto count = static_cast<uint32_t>(operands.size());
    rig.memory.map(operands_va, count * sizeof(Operands));
    rig.memory.write(operands_va, operands.data(), count * sizeof(Operands));
    rig.memory.map(scratch_va, count * 32);
    rig.memory.map(results_va, variants.size() * count * sizeof(Results));
    const Outcome out = rig.run(count, workgroup);
    EXPECT_EQ(out.status, Status::finished) << to_string(out.fault.code) << " pc " << std::hex
                                            << out.fault.pc << " va " << out.fault.va;
    return rig.memory.get_all<Results>(results_va, variants.size() * count);
}

class SimtInstructions : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (std::string(SIMT_QEMU).empty())
            return;
        variants = instruction_variants();
        operands = make_operands();
        reference = run_reference(variants, operands);
    }
    void SetUp() override {
        if (std::string(SIMT_QEMU).empty())
            GTEST_SKIP() << "qemu-riscv64 is not installed (package qemu-user): nothing to compare "
                            "with";
        ASSERT_FALSE(reference.empty()) << "the reference program did not run";
    }
    void compare(bool flags, uint32_t workgroup) {
        const std::vector<Results> results = run_engine(variants, operands, flags, workgroup);
        ASSERT_EQ(results.size(), reference.size());
        unsigned shown = 0;
        for (size_t v = 0; v < variants.size(); ++v) {
            unsigned wrong = 0;
            for (size_t i = 0; i < operands.size(); ++i) {
                Results want = reference[v * operands.size() + i];
                const Results &got = results[v * operands.size() + i];
                if (!flags)
                    want.fflags = 0;
                if (got == want)
                    continue;
                if (wrong++ == 0 && shown++ < 20)
                    ADD_FAILURE() << variants[v] << std::hex << "\n operands " << operands[i].a
                                  << ' ' << operands[i].b << ' ' << operands[i].c << "\n got  "
                                  << got.a0 << ' ' << got.fa0 << " flags " << got.fflags
                                  << " memory " << got.memory0 << ' ' << got.memory1 << "\n want "
                                  << want.a0 << ' ' << want.fa0 << " flags " << want.fflags
                                  << " memory " << want.memory0 << ' ' << want.memory1;
            }
        }
        EXPECT_EQ(shown, 0u) << "variants that differ";
    }

    static std::vector<std::string> variants;
    static std::vector<Operands> operands;
    static std::vector<Results> reference;
};

std::vector<std::string> SimtInstructions::variants;
std::vector<Operands> SimtInstructions::operands;
std::vector<Results> SimtInstructions::reference;

TEST_F(SimtInstructions, ExactWithFlags) {
    compare(true, 32);
}

TEST_F(SimtInstructions, EveryBuildAllLanes) {
    for (const char *isa : {"baseline", "avx2", "avx512"}) {
        if (!Worker::select_isa(isa))
            continue; // not on this host
        SCOPED_TRACE(isa);
        compare(false, 64);
    }
    Worker::select_isa(nullptr);
}

TEST_F(SimtInstructions, EveryBuildSomeLanes) {
    for (const char *isa : {"baseline", "avx2", "avx512"}) {
        if (!Worker::select_isa(isa))
            continue;
        SCOPED_TRACE(isa);
        compare(false, 20);
    }
    Worker::select_isa(nullptr);
}

TEST(SimtBuilds, NamesOfUnknownBuildsAreRefused) {
    EXPECT_FALSE(Worker::select_isa("vax"));
    EXPECT_TRUE(Worker::select_isa("baseline"));
    EXPECT_STREQ(Worker::isa_name(), "baseline");
    EXPECT_TRUE(Worker::select_isa(nullptr));
}

} // namespace
} // namespace brgpu::simt::test
