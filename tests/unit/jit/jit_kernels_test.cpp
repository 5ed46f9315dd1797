// SPDX-License-Identifier: MIT
//
// Kernels of the corpus, compiled and interpreted: the same bits.
#include <gtest/gtest.h>

#include "workloads.hpp"

namespace brgpu::cc::test {
namespace {

class JitKernels : public testing::TestWithParam<Workload> {};

TEST_P(JitKernels, GiveTheInterpretersBits) {
    const Workload &work = GetParam();
    simt::Jit jit(simt::JitMode::sync);
    std::string problem;
    ASSERT_TRUE(jit.available(&problem)) << problem;
    Card card(compile_file(corpus(work.source)));
    for (const unsigned scale : {1u, 2u}) {
        card.use(nullptr);
        const auto expected = work.run(card, scale);
        EXPECT_EQ(card.counters().compiled_instructions, 0u);
        card.use(&jit);
        const auto got = work.run(card, scale);
        EXPECT_EQ(got, expected);
        const simt::Counters &c = card.counters();
        EXPECT_GE(c.compiled_instructions * 100, c.instructions * work.compiled)
            << c.compiled_instructions << " of " << c.instructions << " instructions; "
            << jit.last_failure();
    }
}

INSTANTIATE_TEST_SUITE_P(Corpus, JitKernels, testing::ValuesIn(workloads()),
                         [](const auto &each) { return each.param.name; });

} // namespace
} // namespace brgpu::cc::test
