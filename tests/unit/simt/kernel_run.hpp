// SPDX-License-Identifier: MIT
//
// Runs generated kernels on the engine, in several ways that must all give the same memory, and on
// an independent RISC-V.
#ifndef BRGPU_TESTS_SIMT_KERNEL_RUN_HPP
#define BRGPU_TESTS_SIMT_KERNEL_RUN_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernel_generator.hpp"
#include "simt/engine.hpp"

namespace brgpu::simt::test {

// What a generated kernel reads and writes: the regions of `space`.
struct KernelMemory {
    std::vector<std::byte> table, slots, rows4, rows8, dump, shared;

    // Random numbers, many of them edge cases; the same for the same seed.
    static KernelMemory make(uint64_t seed);
    bool operator==(const KernelMemory &) const = default;
    // "" if equal; else where the first difference is, in words.
    std::string difference(const KernelMemory &other) const;
};

struct RunWay {
    const char *isa = nullptr; // build of the interpreter, nullptr: the host's best
    uint32_t workgroup = 64;
    uint64_t budget = UINT64_MAX; // instructions between two yields
    bool save = false;            // save and restore at each yield
    bool missing_pages = false;   // pages of data appear when they are needed
    uint64_t most_instructions = 50'000'000;
};

struct KernelResult {
    Outcome outcome; // of the last run
    Counters total;
    KernelMemory memory;
    uint32_t resumed = 0; // faults and yields
};

// One worker, workgroups in order. `items` up to space::row_items.
KernelResult run_kernel(const GeneratedKernel &kernel, const KernelMemory &memory, uint32_t items,
                        const RunWay &way);

// qemu-riscv64 as a process that runs kernels with KernelOptions::plain one after the other.
class ReferenceMachine {
  public:
    // nullptr: no qemu-riscv64 on this machine. Throws std::runtime_error if it doesn't start.
    static std::unique_ptr<ReferenceMachine> start();
    ~ReferenceMachine();
    ReferenceMachine(const ReferenceMachine &) = delete;
    ReferenceMachine &operator=(const ReferenceMachine &) = delete;

    KernelMemory run(const GeneratedKernel &kernel, const KernelMemory &memory, uint32_t items);

  private:
    ReferenceMachine() = default;
    void send(const void *from, size_t bytes);
    void receive(void *to, size_t bytes);

    int child_ = 0;
    int to_ = -1;
    int from_ = -1;
};

} // namespace brgpu::simt::test

#endif
