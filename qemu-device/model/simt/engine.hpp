// SPDX-License-Identifier: MIT
//
// The SIMT engine: runs workgroups of RV64GC + Zba + Zbb + Zfh lanes and the project's extension
// (include/brgpu/hw/isa.h, docs/isa.md). It knows nothing of queues, registers or page tables, and
// owns no thread: the device model hands it a Memory, pulls workgroups from a Dispatch, and runs
// each on any thread that has a Worker.
//
//     Dispatch dispatch(params, memory, host);          // shared by all threads
//     Worker worker;                                    // one a thread, kept for ever
//     Workgroup group;                                  // recycled from workgroup to workgroup
//     while (auto index = dispatch.take_workgroup()) {
//         group.start(dispatch, *index, cu_id);
//         Outcome out = group.run(worker, limits);      // again while out.status is yielded
//     }
#ifndef BRGPU_SIMT_ENGINE_HPP
#define BRGPU_SIMT_ENGINE_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "brgpu/hw/isa.h"

namespace brgpu::simt {

// Size of the pages that Memory hands out, whatever the page size of the VM.
inline constexpr uint64_t page_bytes = 4096;

// Access rights, also the kind of an access. An A-extension instruction needs read | write |
// atomic.
enum Rights : uint8_t {
    right_read = 1,
    right_write = 2,
    right_execute = 4,
    right_atomic = 8,
};

// Answer of Memory::map_page. Either `host` points at page_bytes bytes that stay valid as the
// epoch rules of Memory say, and `rights` are all that the page grants; or host is null and `fault`
// is a number of the model's own, handed back in Fault::memory_code.
//
// A page with another `host_write` is one that forgets (null pages): reads come from host, writes
// go to host_write and are never read back; atomics see host's value and store nothing.
//
// Where the following pages are mapped alike (same rights, contiguous in the host), `bytes` may
// cover them as well, so that the engine need not ask for each.
struct PageMapping {
    std::byte *host = nullptr;
    uint8_t rights = 0;
    uint32_t fault = 0;
    std::byte *host_write = nullptr; // null: the same as host
    uint64_t bytes = page_bytes;     // contiguous from host, at least page_bytes
};

// The translated space of one VM, [0, 2^48), as the engine sees it. Implemented by the model.
//
// The engine caches mappings and decoded instructions in each Worker. invalidate_translations()
// makes every Worker drop its mappings at its next safe point; until Worker::may_use() is false for
// all workers, old host pointers may still be used, and the memory behind them must stay mapped.
// Decoded instructions survive that if the page still maps to the same host address.
// invalidate_code() (and FENCE.I of any lane) drops decoded instructions too.
class Memory {
  public:
    Memory() noexcept;
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;
    virtual ~Memory() = default;

    // page_va is a multiple of page_bytes below 2^48; `wanted` is a set of Rights, for the fault
    // report. Called from every worker thread, concurrently; must not call into the engine, but for
    // the invalidate functions. A page that lacks a wanted right is answered by a mapping without
    // it, or by a null host with a fault code.
    virtual PageMapping map_page(uint64_t page_va, uint8_t wanted) noexcept = 0;

    // Fault code for an access to a mapped page without the right to it.
    virtual uint32_t rights_fault(uint64_t page_va, uint8_t wanted) noexcept = 0;

    // Any thread. Returns the new epoch, for Worker::may_use().
    uint64_t invalidate_translations() noexcept { return epoch_.fetch_add(1) + 1; }
    void invalidate_code() noexcept {
        code_epoch_.fetch_add(1);
        epoch_.fetch_add(1);
    }
    uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }
    uint64_t code_epoch() const noexcept { return code_epoch_.load(std::memory_order_acquire); }
    uint64_t id() const noexcept { return id_; }

  private:
    std::atomic<uint64_t> epoch_{1};
    std::atomic<uint64_t> code_epoch_{1};
    const uint64_t id_; // never reused, unlike the address of the object
};

// What else a lane can ask for. Called from any worker thread.
class Host {
  public:
    virtual ~Host() = default;
    virtual uint64_t timestamp_ns() noexcept = 0; // BRGPU_CSR_CLOCK
    // A line for whoever runs the card.
    virtual void warn(const char *) noexcept {}
};

// One dispatch packet, already read and copied: nothing here is read from guest memory again.
struct DispatchParams {
    brgpu_kernel_desc kernel = {};
    uint64_t kernel_va = 0;       // address of the descriptor
    uint32_t work_dim = 1;        // 1..3
    uint32_t grid[3] = {1, 1, 1}; // work-items; a zero makes an empty dispatch
    uint32_t workgroup[3] = {1, 1, 1};
    uint64_t offset[3] = {0, 0, 0};
    uint64_t kernarg_va = 0;
    uint32_t dynamic_local_bytes = 0;
    uint32_t queue_id = 0;
    uint64_t dispatch_id = 0;
};

// How kernels are run: docs/engine.md.
enum class JitMode : uint8_t {
    off,       // interpreted
    automatic, // interpreted until they have cost something, then compiled in the background
    sync,      // compiled before they first run: for tests
};

inline constexpr size_t jit_exit_reasons = 7;

struct JitStatistics {
    uint64_t compilations = 0;
    uint64_t failures = 0; // kernels that can't be compiled: interpreted
    uint64_t evictions = 0;
    uint64_t code_bytes = 0;               // in the cache, about
    uint64_t instructions = 0;             // warp instructions run in compiled code
    uint64_t exits[jit_exit_reasons] = {}; // from compiled code to the interpreter, by exit_name()
};

// Compiled kernels, for all dispatches that name it; one a card. Thread safe. It finds
// libbrgpu-jit.so when it is first needed; without it, everything is interpreted. Must outlive the
// workers that have used it.
class Jit {
  public:
    static constexpr uint64_t default_cache_bytes = uint64_t{64} << 20;
    explicit Jit(JitMode mode = JitMode::automatic, uint64_t cache_bytes = default_cache_bytes);
    Jit(const Jit &) = delete;
    Jit &operator=(const Jit &) = delete;
    ~Jit();

    void set_mode(JitMode mode) noexcept;
    JitMode mode() const noexcept;
    // Whether the library is there; else `problem` says why not.
    bool available(std::string *problem = nullptr);
    JitStatistics statistics() const noexcept;
    // Why the last kernel that could not be compiled could not.
    std::string last_failure() const;
    static const char *exit_name(size_t reason) noexcept;
    // "off", "auto" or "sync".
    static std::optional<JitMode> mode_by_name(std::string_view name) noexcept;
    static const char *mode_name(JitMode mode) noexcept;

    struct Impl;
    Impl &impl() noexcept { return *impl_; }

  private:
    std::unique_ptr<Impl> impl_;
};

enum class DispatchError : uint8_t {
    none,
    magic,       // kernel.magic, or the descriptor isn't 64-byte aligned
    isa_version, // another major, or a newer minor
    reserved,    // unknown flag or non-zero padding
    entry,       // entry pc odd or not below 2^48
    local_bytes, // static + dynamic above BRGPU_MAX_LOCAL_BYTES
    private_bytes,
    workgroup, // zero, above BRGPU_MAX_WORKGROUP or the kernel's max_workgroup
    required_workgroup,
    grid, // work_dim, unused dimension not 1, or more than 2^63 work-items
};
DispatchError check_dispatch(const DispatchParams &params) noexcept;
const char *to_string(DispatchError error) noexcept;

class Observer;

// Shared by all workers that run its workgroups; must outlive them. take_workgroup() and the
// counters are thread safe and lock free; the rest is constant.
class Dispatch {
  public:
    // check_dispatch(params) must be none. With an observer (observer.hpp), which must outlive the
    // dispatch, every instruction is interpreted and noted.
    // Without a `jit` it is interpreted, too.
    Dispatch(const DispatchParams &params, Memory &memory, Host &host, Observer *observer = nullptr,
             Jit *jit = nullptr) noexcept;

    const DispatchParams &params() const noexcept { return params_; }
    Memory &memory() const noexcept { return memory_; }
    Host &host() const noexcept { return host_; }
    Observer *observer() const noexcept { return observer_; }
    Jit *jit() const noexcept { return jit_; }
    uint64_t serial() const noexcept { return serial_; } // never reused
    uint64_t workgroups() const noexcept { return total_; }
    uint64_t entry_pc() const noexcept;
    uint32_t local_bytes() const noexcept;
    uint32_t num_groups(unsigned dimension) const noexcept { return groups_[dimension]; }

    // Index of a workgroup that nobody has taken yet, in rising order; x runs fastest.
    std::optional<uint64_t> take_workgroup() noexcept;

    // Counts BRGPU_CTL_PROGRESS instructions.
    uint64_t progress() const noexcept { return progress_.load(std::memory_order_relaxed); }
    void note_progress() noexcept { progress_.fetch_add(1, std::memory_order_relaxed); }

    // Upper bound of Workgroup::save()'s image for any workgroup of this dispatch.
    uint64_t max_image_bytes() const noexcept;

  private:
    DispatchParams params_;
    Memory &memory_;
    Host &host_;
    Observer *const observer_;
    Jit *jit_;
    const uint64_t serial_;
    uint32_t groups_[3];
    uint64_t total_;
    std::atomic<uint64_t> next_{0};
    std::atomic<uint64_t> progress_{0};
};

enum class FaultCode : uint8_t {
    none,
    memory,      // Memory refused: memory_code says why
    address,     // outside [0, 2^48) and the apertures' limits; fetch from an aperture
    misaligned,  // an atomic that isn't naturally aligned; a tensor operand or descriptor
    illegal,     // illegal instruction
    environment, // ECALL or EBREAK
    trap,        // BRGPU_CTL_TRAP; va is rs1
    deadlock,    // every lane waits for a rendezvous that can't complete
    descriptor,  // a tensor or TDA descriptor breaks a rule of isa.h; va is the descriptor's
};
const char *to_string(FaultCode code) noexcept;

struct Fault {
    FaultCode code = FaultCode::none;
    uint8_t access = 0;       // Rights asked for (memory and address faults)
    uint8_t lane = 0;         // 0..31
    uint16_t warp = 0;        // in the workgroup
    uint32_t memory_code = 0; // PageMapping::fault or rights_fault(), for FaultCode::memory
    uint64_t workgroup = 0;   // index
    uint64_t pc = 0;          // of the instruction, which the lane has not completed
    uint64_t va = 0;          // address that faulted; instruction bits for an illegal instruction
};

struct Counters {
    uint64_t instructions = 0;          // warp instructions
    uint64_t lane_instructions = 0;     // times active lanes
    uint64_t barriers = 0;              // barriers completed, a workgroup each
    uint64_t reschedules = 0;           // changes of a warp's active set
    uint64_t compiled_instructions = 0; // of `instructions`, those run in compiled code
};

enum class Status : uint8_t {
    finished, // all lanes have exited
    yielded,  // at a safe point: budget used, stop asked, or every warp asked to yield
    faulted,  // see fault; running again retries the faulting lane's instruction
};

struct Outcome {
    Status status = Status::finished;
    bool idle = false; // yielded: all warps spin (YIELD); others should run first
    Fault fault;
    Counters counters; // of this run() alone
};

struct RunLimits {
    uint64_t budget = UINT64_MAX;            // warp instructions, about
    const std::atomic<bool> *stop = nullptr; // yield soon once it is true
};

// Caches and scratch memory of one thread. Not thread safe, but for may_use().
class Worker {
  public:
    Worker();
    Worker(const Worker &) = delete;
    Worker &operator=(const Worker &) = delete;
    ~Worker();

    // Any thread: whether this worker may still use mappings of `memory` from before `epoch`.
    bool may_use(const Memory &memory, uint64_t epoch) const noexcept;

    // Which build of the interpreter this host runs: "avx512", "avx2" or "baseline".
    static const char *isa_name() noexcept;
    // For tests: use a build by name from now on, false if this host can't run it.
    static bool select_isa(const char *name) noexcept;
    // Likewise the tensor unit's kernels: "avx512-bf16", "avx512-vnni", "avx512", "avx2",
    // "baseline"; null for the best.
    static bool select_tensor(const char *name) noexcept;

    struct Impl;
    Impl &impl() noexcept { return *impl_; }

  private:
    std::unique_ptr<Impl> impl_;
};

// The state of one workgroup. Used by one thread at a time; any thread may continue what another
// left. Host memory: about 20 KiB a warp, local memory, tensor memory once it is used, and of the
// private memory what lanes have touched. Destroying or restarting it at any time cancels it.
class Workgroup {
  public:
    Workgroup() noexcept;
    Workgroup(Workgroup &&) noexcept;
    Workgroup &operator=(Workgroup &&) noexcept;
    ~Workgroup();

    // `dispatch` must live until the workgroup has finished or is restarted. False: host memory is
    // exhausted; the object is then empty.
    bool start(Dispatch &dispatch, uint64_t index, uint32_t cu_id) noexcept;

    // Runs until one of Status. Returns soon after limits.stop becomes true, also from a hostile
    // kernel: safe points stand at backward jumps, indirect jumps, calls, page changes and between
    // the rows of tensor operations.
    Outcome run(Worker &worker, const RunLimits &limits = {}) noexcept;

    // The whole state as bytes, between runs. The format belongs to this build of the engine.
    std::vector<std::byte> save() const;
    // Continues what save() gave, for the same dispatch. False and empty if the image is not
    // plausible; a forged image can do to its own workgroup only what its kernel could.
    bool restore(Dispatch &dispatch, std::span<const std::byte> image) noexcept;

    uint64_t index() const noexcept;

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

// Runs what is left of a dispatch on the calling thread, workgroups in order; yields are resumed.
// For tests and tools: deterministic.
Outcome run_dispatch(Dispatch &dispatch, Worker &worker, const RunLimits &limits = {});

} // namespace brgpu::simt

#endif
