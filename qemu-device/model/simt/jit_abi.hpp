// SPDX-License-Identifier: MIT
//
// What the engine and libbrgpu-jit.so say to each other. The library is optional and found at run
// time; both sides are built from one tree, and a library of another version is not used.
//
// A compiled kernel runs `width` lanes of a warp together, a sub-warp: there are 32 / width of them
// in a warp, and each runs by itself until it ends, waits at a barrier, or leaves compiled code at
// an instruction that the interpreter then runs (a side exit). See docs/engine.md.
#ifndef BRGPU_SIMT_JIT_ABI_HPP
#define BRGPU_SIMT_JIT_ABI_HPP

#include <cstddef>
#include <cstdint>

#include "ops.hpp"

namespace brgpu::simt::jit {

inline constexpr uint32_t abi_version = 1;

// An instruction of the kernel with its address. The engine collects them, so that the library
// never touches guest memory.
struct CodeUnit {
    uint64_t pc;
    Insn insn;
};

// Addresses [low, low + count) may be used as the first of an access at this place of the code; the
// host's address is the guest's plus delta. count is 0 when nothing is known.
struct Site {
    uint64_t low;
    uint64_t count;
    uint64_t delta;
};

enum class ExitReason : uint32_t {
    none,
    unsupported, // an instruction that is not compiled
    access,      // a memory access that faults, or is of a kind that the code did not expect
    guard,       // a value did not have the shape that was assumed
    indirect,    // a jump to where compiled code does not know the way
    divergence,  // lanes stand at different places where they should meet
    poll,        // asked to stop, or has run for long
    count
};

struct Thread;

inline constexpr uint32_t no_site = UINT32_MAX;

// Functions of the engine that compiled code calls. `lanes` are bits of the sub-warp; those with a
// site refresh it, so that [va, va + span) from its low address on can be used without asking.
struct Helpers {
    // One by one, at Thread::address, to or from Thread::value. Loads do not extend. False: an
    // access faults; nothing has been stored then.
    uint32_t (*load)(Thread *, uint32_t lanes, uint32_t bytes, uint32_t site, uint32_t span);
    uint32_t (*store)(Thread *, uint32_t lanes, uint32_t bytes, uint32_t site, uint32_t span);
    // An atomic of the A extension, by op; operands in Thread::value, which gets the results.
    uint32_t (*atomic)(Thread *, uint32_t lanes, uint32_t op);
    // One load for all lanes, to Thread::value[0]. False: a fault, or private memory, where one
    // address is as many places as there are lanes.
    uint32_t (*load_one)(Thread *, uint64_t va, uint32_t bytes, uint32_t site);
    // fp::execute() for each lane: operands in value, value_b, value_c; results in value.
    void (*floating)(Thread *, uint32_t lanes, uint32_t op, uint32_t mode);
    // Fuel has run out: true if the lanes have to leave. Refills Thread::fuel otherwise.
    uint32_t (*poll)(Thread *);
};

inline constexpr unsigned axes = 3;
inline constexpr unsigned max_lanes = 32;

// State of a thread while it runs compiled code, in the order in which code uses it.
struct Thread {
    const Helpers *helpers;
    Site *sites;
    int64_t fuel; // instructions of a sub-warp until the next poll

    uint64_t kernarg;
    uint64_t group_id[axes];
    uint64_t local_size[axes];
    uint64_t enqueued_local_size[axes];
    uint64_t global_size[axes];
    uint64_t global_offset[axes];
    uint64_t num_groups[axes];
    uint64_t global_base[axes];  // offset + group id * enqueued local size
    uint64_t group_origin[axes]; // without the offset
    uint64_t work_dim;
    uint64_t work_items;
    uint64_t num_warps;
    uint64_t local_bytes;
    uint64_t static_local_bytes;
    uint64_t queue_id;
    uint64_t cu_id;
    uint64_t dispatch_id;
    const uint32_t *local_id[axes]; // by local linear id

    std::byte *const *private_rows; // private memory of each warp

    // Results of a run.
    uint32_t sub;        // the sub-warp that runs, or has stopped
    uint32_t next_entry; // where it goes on after a barrier
    ExitReason exit_reason;
    uint32_t exit_lanes;  // lanes that have not ended; each stands at its exit_pc
    uint64_t exit_rows_x; // registers that hold something
    uint64_t exit_rows_f;

    alignas(64) uint64_t address[max_lanes];
    alignas(64) uint64_t value[max_lanes];
    alignas(64) uint64_t value_b[max_lanes];
    alignas(64) uint64_t value_c[max_lanes];
    alignas(64) uint64_t exit_pc[max_lanes];
    alignas(64) uint64_t exit_x[max_lanes][max_lanes];
    alignas(64) uint64_t exit_f[max_lanes][max_lanes];
    alignas(64) std::byte dump[64]; // where stores of inactive lanes go
};

enum class Result : uint32_t { finished, barrier, exited };

// Runs sub-warps [first, end) from the kernel's entry (entry 0), or one from behind a barrier, with
// what it had saved in `frame`. `leave`: only to leave by a side exit at once.
using Run = uint32_t (*)(Thread *, uint32_t first, uint32_t end, uint32_t entry, void *frame,
                         uint32_t leave);

// What a kernel is compiled for. All of it is part of the cache's key.
struct Shape {
    uint32_t x_multiple = 0;    // the power of two that divides the workgroup's x size, at most 32
    bool one_dimension = false; // y and z sizes are 1
    bool partial = false;       // the work-items are no multiple of 32
    bool affine_guards = true;  // assume that 32-bit sums of consecutive values don't wrap
    bool uniform_loads = true;  // assume that one address means one value (not private memory)
    uint32_t private_bytes = 0;
    bool operator==(const Shape &) const = default;
};

struct Request {
    const CodeUnit *code;
    size_t count;
    uint64_t entry;
    Shape shape;
    const char *isa;  // InterpreterBuild::name
    const char *name; // for profilers
};

struct Kernel {
    Run run = nullptr;
    uint32_t width = 0; // lanes of a sub-warp
    uint32_t sites = 0;
    uint32_t entries = 0;     // 1 + barriers
    uint64_t frame_bytes = 0; // of a sub-warp at a barrier
    uint64_t code_bytes = 0;
    uint64_t private_low = 0; // lowest private offset that is stored to without asking
    void *handle = nullptr;
};

struct Library {
    uint32_t version;
    const char *description;
    // May be null: out of memory, or a host that LLVM can't compile for.
    void *(*create)();
    void (*destroy)(void *compiler);
    // One thread at a time for a compiler. False: `error` gets a reason.
    bool (*compile)(void *compiler, const Request &request, Kernel &kernel, char *error,
                    size_t error_bytes);
    // No thread may run the kernel any more.
    void (*release)(void *compiler, void *handle);
};

inline constexpr char library_symbol[] = "brgpu_jit_library"; // const Library *()

} // namespace brgpu::simt::jit

#endif
