// SPDX-License-Identifier: MIT
//
// libFuzzer target: the input names a generated kernel, which all builds of the engine, all ways to
// interrupt it, and qemu-riscv64 must run to the same memory (tests/unit/simt/kernel_compare.hpp).
// simt-differ reproduces and reduces what it finds.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "../unit/simt/kernel_compare.hpp"

using namespace brgpu::simt::test;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t seed;
    if (size != 1 + sizeof(seed))
        return 0;
    std::memcpy(&seed, data + 1, sizeof(seed));
    static const auto reference = ReferenceMachine::start();
    const KernelClass which = all_kernel_classes[data[0] % std::size(all_kernel_classes)];
    const std::string found = compare_ways(case_of(which, seed), reference.get());
    if (found.empty())
        return 0;
    std::fprintf(stderr, "%s\nreproduce with: simt-differ --class %s --seed %llu --count 1\n",
                 found.c_str(), name_of(which), static_cast<unsigned long long>(seed));
    abort();
}
