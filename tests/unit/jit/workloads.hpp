// SPDX-License-Identifier: MIT
//
// Kernels of the corpus with arguments, to be run in more ways than one.
#ifndef BRGPU_TESTS_JIT_WORKLOADS_HPP
#define BRGPU_TESTS_JIT_WORKLOADS_HPP

#include <functional>
#include <string>
#include <vector>

#include "card.hpp"

namespace brgpu::cc::test {

struct Workload {
    std::string name;
    std::string source; // file in tests/kernels
    // Runs once on the card, sizes about in proportion to `scale`; what the kernel has written.
    // Called several times for a card, it uses the same buffers again.
    std::function<std::vector<uint32_t>(Card &card, unsigned scale)> run;
    // Share of its instructions, in per cent, that compiled code must run at least.
    unsigned compiled = 95;
};

const std::vector<Workload> &workloads();

} // namespace brgpu::cc::test

#endif
