// SPDX-License-Identifier: MIT
//
// Generated kernels, each run in many ways that must give the same memory: on every build of the
// interpreter, in slices, saved and restored, with pages that come late, with its blocks in another
// order, and on an independent RISC-V.
#include <gtest/gtest.h>

#include "kernel_compare.hpp"

namespace brgpu::simt::test {
namespace {

// So many kernels of a kind: a few seconds in all.
constexpr uint64_t seeds = 100;

class SimtGenerated : public testing::TestWithParam<KernelClass> {};

TEST_P(SimtGenerated, AllWaysAgree) {
    const auto reference = ReferenceMachine::start();
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
        const std::string found = compare_ways(case_of(GetParam(), seed), reference.get());
        ASSERT_EQ(found, "") << "reproduce with: simt-differ --class " << name_of(GetParam())
                             << " --seed " << seed;
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, SimtGenerated, testing::ValuesIn(all_kernel_classes),
                         [](const auto &given) { return std::string(name_of(given.param)); });

// Seeds in reports must mean the same kernel on every host and for every compiler.
TEST(SimtGeneratedKernels, AreTheSameEverywhere) {
    uint64_t hash = 0xcbf29ce484222325;
    for (const KernelClass which : all_kernel_classes)
        for (const uint8_t byte : generate_kernel(case_of(which, 1).options).code)
            hash = (hash ^ byte) * 0x100000001b3;
    EXPECT_EQ(hash, 1086582549529919044u)
        << "the generator has changed: numbers of seeds in older reports are void";
}

// Every statement counts: without it the memory is another one.
TEST(SimtGeneratedKernels, StatementsLeaveTraces) {
    unsigned seen = 0, tried = 0;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        KernelCase test = case_of(KernelClass::warps, seed);
        const KernelMemory memory = KernelMemory::make(seed);
        const auto run = [&] {
            return run_kernel(generate_kernel(test.options), memory, test.options.items,
                              {.workgroup = test.workgroup});
        };
        const uint32_t statements = generate_kernel(test.options).statements;
        const KernelResult whole = run();
        ASSERT_EQ(whole.outcome.status, Status::finished);
        for (uint32_t number = 0; number < statements; number += 5) {
            test.options.skip = {number};
            const KernelResult less = run();
            ASSERT_EQ(less.outcome.status, Status::finished);
            ++tried;
            seen += !whole.memory.difference(less.memory).empty();
        }
    }
    EXPECT_GT(seen, tried / 2); // some are in functions that nobody calls
}

} // namespace
} // namespace brgpu::simt::test
