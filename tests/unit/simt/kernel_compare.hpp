// SPDX-License-Identifier: MIT
//
// Differential tests of generated kernels: one case, all ways to run it.
#ifndef BRGPU_TESTS_SIMT_KERNEL_COMPARE_HPP
#define BRGPU_TESTS_SIMT_KERNEL_COMPARE_HPP

#include <string>

#include "kernel_run.hpp"

namespace brgpu::simt::test {

enum class KernelClass : uint8_t {
    lanes,       // per-lane code, default rounding; also on the reference machine
    lanes_exact, // the same with rounding modes and flags
    integers,    // no floating point
    warps,       // with shuffles, votes, barriers, atomics, exits
    warps_exact,
    faults, // one work-item faults
};
inline constexpr KernelClass all_kernel_classes[] = {
    KernelClass::lanes, KernelClass::lanes_exact, KernelClass::integers,
    KernelClass::warps, KernelClass::warps_exact, KernelClass::faults};
const char *name_of(KernelClass which);
// False: no class has this name.
bool class_by_name(const std::string &name, KernelClass &which);

struct KernelCase {
    KernelOptions options;
    uint32_t workgroup = 64;
    KernelClass which = KernelClass::lanes;
};
// Sizes that leave warps and workgroups incomplete come with some seeds.
KernelCase case_of(KernelClass which, uint64_t seed);

// A plain kernel with the work-item's id from the CSR, as the engine has it.
GeneratedKernel for_engine(GeneratedKernel kernel, const KernelOptions &options);

// "" if all ways agree, else which two differ and where. `reference` may be null.
std::string compare_ways(const KernelCase &test, ReferenceMachine *reference);

// Leaves out statements for as long as the ways still differ; returns what is needed.
KernelCase shrink(KernelCase test, ReferenceMachine *reference);

} // namespace brgpu::simt::test

#endif
