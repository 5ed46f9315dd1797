// SPDX-License-Identifier: MIT
//
// What the interpreter works with while it runs one warp, and the parts of it that need no vector
// code: translation, instruction fetch, per-lane memory access, CSRs, rendezvous, tensor unit.
#ifndef BRGPU_SIMT_CONTEXT_HPP
#define BRGPU_SIMT_CONTEXT_HPP

#include <array>
#include <atomic>

#include "observer.hpp"
#include "warp.hpp"

namespace brgpu::simt {

inline constexpr unsigned page_halves = page_bytes / 2;
inline constexpr uint64_t global_limit = uint64_t{1} << 48;

// Decoded instructions of one page, an entry for each possible start. An instruction that crosses
// into the next page stands at its last entry; the two entries after it end the page.
struct CodePage {
    uint64_t va = UINT64_MAX;
    uint64_t memory_id = 0;
    uint64_t epoch = 0;
    uint64_t code_epoch = 0;
    const std::byte *host = nullptr;
    const std::byte *next_host = nullptr; // of the following page, if an instruction crosses
    std::array<Insn, page_halves + 2> insns;
};

struct TlbEntry {
    uint64_t page = UINT64_MAX;
    std::byte *host = nullptr;
    std::byte *host_write = nullptr;
    uint32_t pages = 0; // contiguous from this one on, all with these rights
    uint8_t rights = 0;

    [[gnu::always_inline]] std::byte *host_for(uint8_t wanted) const {
        return wanted & right_write ? host_write : host;
    }
};

// Why the inner loop gave up the current set of lanes.
enum class Exit : uint8_t {
    reschedule, // pcs are stored; pick lanes anew
    go_on,      // the set goes on together at Context::next_pc: new page, or a safe point is due
    fault,      // pcs are stored
    yield,      // YIELD: pcs are stored
    stopped,    // a tensor instruction was asked to stop between two rows: pcs are stored
};

struct Context;

// One build of the interpreter for a class of hosts.
enum class WarpResult : uint8_t { idle, slice_used, yield, stopped, fault };
struct InterpreterBuild {
    const char *name;
    // Runs the warp until it has no runnable lane, its slice is used, it yields, stops or faults.
    WarpResult (*run_warp)(Context &);
};
const InterpreterBuild &current_build() noexcept;

// Slot of a page in a table of 2^bits entries. Buffers at equal offsets of large powers of two are
// common, so that plain low bits would collide.
[[gnu::always_inline]] inline unsigned page_slot(uint64_t va, unsigned bits) {
    return static_cast<unsigned>((va / page_bytes * 0x9e3779b97f4a7c15u) >> (64 - bits));
}

// Enough for the largest operand of the tensor unit and the longest row of a tile copy.
inline constexpr size_t staging_bytes = size_t{2} << 20;

namespace jit {
struct Runner;
}

struct Worker::Impl {
    static constexpr unsigned tlb_bits = 9;
    static constexpr unsigned code_bits = 7;

    std::atomic<uint64_t> active_memory{0}; // Memory::id(), 0 while idle
    std::atomic<uint64_t> observed_epoch{0};

    uint64_t tlb_memory = 0;
    uint64_t tlb_epoch = 0;
    std::array<TlbEntry, 1u << tlb_bits> tlb;
    std::array<std::unique_ptr<CodePage>, 1u << code_bits> code;

    LazyMemory operand_a; // staging of the tensor unit, staging_bytes each
    LazyMemory operand_b;

    std::unique_ptr<jit::Runner> runner; // once compiled code may run

    Impl();
    ~Impl();
    jit::Runner *ready_runner() noexcept; // null: out of memory

    void enter(const Memory &memory) noexcept;
    void leave() noexcept;
    [[gnu::always_inline]] TlbEntry &slot(uint64_t va) noexcept {
        return tlb[page_slot(va, tlb_bits)];
    }
    // At a safe point: drops what an invalidation has made stale.
    void observe(const Memory &memory) noexcept;
};

struct alignas(64) Context {
    uint64_t mask[lanes]; // all ones where the lane is active
    Warp *warp = nullptr;
    uint32_t active = 0;
    Exit exit = Exit::reschedule;
    uint64_t next_pc = 0;
    uint64_t watch_pc = UINT64_MAX; // lowest pc of other runnable lanes ahead of us
    const Insn *watch = nullptr;    // its entry, if it stands in the current page
    CodePage *page = nullptr;
    int64_t fuel = 0; // safe points until the next poll
    std::byte *local = nullptr;
    uint64_t local_bytes = 0;
    uint64_t private_bytes = 0;

    Workgroup::Impl *group = nullptr;
    Dispatch *dispatch = nullptr;
    Memory *memory = nullptr;
    Worker::Impl *worker = nullptr;
    const InterpreterBuild *build = nullptr;
    const std::atomic<bool> *stop = nullptr;
    int64_t budget = 0; // warp instructions left
    Fault fault;
    Counters counters;
    int64_t no_instructions = 0; // handler calls that ran none (undecoded, page_end)
    Observer *observer = nullptr;
    Observer::Counts *observed = nullptr; // with an observer

    [[gnu::always_inline]] uint64_t pc_of(const Insn *insn) const {
        return page->va + 2 * static_cast<uint64_t>(insn - page->insns.data());
    }
    [[gnu::always_inline]] bool stop_asked() const {
        return stop && stop->load(std::memory_order_relaxed);
    }

    // Stores one pc to all active lanes.
    void store_pc(uint64_t pc) noexcept;
    // Records a fault of `lane` at `insn`; all active lanes stand at it. Returns null.
    const Insn *raise(const Insn *insn, FaultCode code, unsigned lane, uint64_t va,
                      uint8_t access = 0) noexcept;
    // Records a memory or address fault in `fault`, but for lane and pc.
    void note_fault(FaultCode code, uint64_t va, uint8_t access, uint32_t memory_code) noexcept;
    // Splits the active lanes: those below `lane` have completed `insn`, `lane` has faulted (as
    // noted) and with the higher ones is to run it again. Returns null.
    const Insn *fault_from(const Insn *insn, unsigned lane) noexcept;

    // Host address of a page for these rights, or null with the fault noted. `va` is the address to
    // report.
    [[gnu::always_inline]] std::byte *translate(uint64_t va, uint8_t rights) noexcept {
        const uint64_t page_va = va & ~(page_bytes - 1);
        const TlbEntry &entry = worker->slot(va);
        if (entry.page == page_va && (entry.rights & rights) == rights) [[likely]]
            return entry.host_for(rights);
        return translate_miss(va, rights);
    }
    std::byte *translate_miss(uint64_t va, uint8_t rights) noexcept;
    // Host address of `va`, global or local, and how many bytes are contiguous from there on; null
    // with the fault noted. Good until the worker observes an invalidation.
    std::byte *resolve_run(uint64_t va, uint8_t rights, uint64_t &bytes) noexcept;

    // Whether `va`, which has just been translated, is in a page that forgets what is written; then
    // `host` gets the address to read.
    bool forgets(uint64_t va, const std::byte *&host) const noexcept;

    // Host address of [va, va + bytes), which must not cross a page or private unit; null with the
    // fault noted. Any aperture, seen by `lane`.
    std::byte *resolve(uint64_t va, unsigned bytes, uint8_t rights, unsigned lane) noexcept;
    // Up to 8 bytes, any alignment. False: the fault is noted, nothing was written.
    bool load(uint64_t va, unsigned bytes, unsigned lane, uint64_t &value) noexcept;
    bool store(uint64_t va, unsigned bytes, unsigned lane, uint64_t value) noexcept;
    // Whether such an access would succeed. False: the fault is noted.
    bool probe(uint64_t va, unsigned bytes, uint8_t rights, unsigned lane) noexcept;
    // Longer ranges, for descriptors and operands: runs `visit(host, bytes)` over contiguous pieces
    // of global or local memory. False: the fault is noted.
    template <typename Visit>
    bool for_each_piece(uint64_t va, uint64_t bytes, uint8_t rights, Visit &&visit) {
        while (bytes != 0) {
            uint64_t piece = 0;
            std::byte *host = resolve_run(va, rights, piece);
            if (!host)
                return false;
            piece = bytes < piece ? bytes : piece;
            visit(host, piece);
            va += piece;
            bytes -= piece;
        }
        return true;
    }

    // Makes `page` the one of next_pc. False: fault noted for a fetch by the lowest active lane.
    bool fetch_page(uint64_t pc) noexcept;
    // Decodes the entry at `insn` of the current page. False as above.
    bool decode_at(Insn *insn) noexcept;
};

// One AMO on naturally aligned memory, by its op; returns what rd gets.
uint64_t read_modify_write(Op op, std::byte *host, uint64_t operand) noexcept;

// A rendezvous of all live lanes of the warp: true if the active ones are all of them; else they
// wait and Context::exit is set.
bool meet_all(Context &context, const Insn *insn) noexcept;

// Slow instructions: each returns the next instruction, or null with Context::exit set.
const Insn *run_csr(Context &context, const Insn *insn) noexcept;
const Insn *run_fp_exact(Context &context, const Insn *insn) noexcept;
const Insn *run_atomic(Context &context, const Insn *insn) noexcept;
const Insn *run_barrier(Context &context, const Insn *insn) noexcept;
const Insn *run_warp_sync(Context &context, const Insn *insn) noexcept;
const Insn *run_shuffle(Context &context, const Insn *insn) noexcept;
const Insn *run_vote(Context &context, const Insn *insn) noexcept;
const Insn *run_tensor(Context &context, const Insn *insn) noexcept;
const Insn *run_lane_exit(Context &context, const Insn *insn) noexcept;
// The active lanes stand at BRGPU_EXIT_PC.
void exit_lanes(Context &context, uint32_t lanes_leaving) noexcept;

} // namespace brgpu::simt

#endif
