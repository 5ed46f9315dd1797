// SPDX-License-Identifier: MIT
//
// Random kernels that are valid: they end, fault only where they are told to, and their results
// depend on nothing that docs/isa.md leaves open. The same seed and options give the same code on
// every host.
#ifndef BRGPU_TESTS_SIMT_KERNEL_GENERATOR_HPP
#define BRGPU_TESTS_SIMT_KERNEL_GENERATOR_HPP

#include <cstdint>
#include <set>
#include <vector>

namespace brgpu::simt::test {

// Where a generated kernel finds its memory. A work-item writes only what belongs to it (by its
// linear global id), and the shared words by atomics whose order doesn't matter.
namespace space {
inline constexpr uint64_t code = 0x02000000;
inline constexpr uint64_t table = 0x30000000; // read-only, random and well-known numbers
inline constexpr uint64_t table_bytes = 3 * 4096;
inline constexpr uint64_t slots = 0x40000000; // slot_bytes a work-item
inline constexpr uint64_t slot_bytes = 1024;
inline constexpr uint64_t rows4 = 0x44000000; // `rows` rows, 4 bytes a work-item in each
inline constexpr uint64_t rows8 = 0x48000000; // 8 bytes a work-item in each
inline constexpr uint64_t rows = 4;
inline constexpr uint64_t row_items = 512;   // most work-items
inline constexpr uint64_t dump = 0x4c000000; // registers at the end, dump_bytes a work-item
inline constexpr uint64_t dump_bytes = 512;
inline constexpr uint64_t shared = 0x50000000;
inline constexpr uint64_t shared_bytes = 4096;
inline constexpr uint32_t private_bytes = 4096;
inline constexpr uint32_t local_bytes = 16384; // a 16-byte slot a work-item, then shared words
} // namespace space

struct KernelOptions {
    uint64_t seed = 1;
    uint32_t statements = 24; // of the kernel's body; nested ones come on top
    // Per-lane RV64 only: runs on any RISC-V. The work-item's id is in a1 then, not in a CSR.
    bool plain = false;
    bool floating = true;
    bool exact = false;   // rounding modes and flags
    bool permute = false; // blocks in random order
    bool fault = false;   // one work-item faults near the end
    uint32_t items = 64;  // work-items, for the choice of the one that faults
    // Statements to leave out, by number. Everything else stays as it was.
    std::set<uint32_t> skip;
};

struct GeneratedKernel {
    std::vector<uint8_t> code;
    uint32_t statements = 0;    // numbered, with the nested ones
    uint32_t faulting_item = 0; // with KernelOptions::fault
};

GeneratedKernel generate_kernel(const KernelOptions &options);

} // namespace brgpu::simt::test

#endif
