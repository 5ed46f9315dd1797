// SPDX-License-Identifier: MIT
//
// The architectural state of a warp and of a workgroup.
#ifndef BRGPU_SIMT_WARP_HPP
#define BRGPU_SIMT_WARP_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "ops.hpp"

namespace brgpu::simt {

inline constexpr unsigned lanes = BRGPU_WARP_LANES;
inline constexpr uint32_t all_lanes = 0xffffffffu;

// What a lane waits for. A lane that waits stands with its pc at the instruction.
enum class Wait : uint8_t {
    none,
    barrier, // rendezvous of the workgroup, whatever the pc
    meet,    // rendezvous of lanes at one pc with one mask value: all others
};

// Zeroed, page-granular host memory that costs nothing until it is touched.
class LazyMemory {
  public:
    LazyMemory() = default;
    LazyMemory(const LazyMemory &) = delete;
    LazyMemory &operator=(const LazyMemory &) = delete;
    ~LazyMemory() { release(); }

    // Contents are lost (zero) if the size changes. False: host memory is exhausted.
    bool resize(size_t bytes) noexcept;
    std::byte *data() const noexcept { return data_; }
    size_t size() const noexcept { return size_; }

  private:
    void release() noexcept;
    std::byte *data_ = nullptr;
    size_t size_ = 0;
};

struct alignas(64) Warp {
    // Row sink_register takes writes to x0.
    uint64_t x[lanes + 1][lanes];
    uint64_t f[lanes][lanes];
    uint64_t pc[lanes];
    uint64_t stamp[lanes]; // clock when the lane last ran
    uint64_t wait_mask[lanes];
    uint64_t reserved_address[lanes];
    uint64_t reserved_value[lanes];
    uint32_t depth[lanes];         // calls minus returns, a hint for the scheduler only
    uint8_t reserved_bytes[lanes]; // 0: no reservation
    Wait wait[lanes];
    uint8_t frm[lanes];
    uint8_t fflags[lanes];

    uint32_t started; // lanes that exist
    uint32_t live;    // not yet exited
    uint32_t waiting;
    uint32_t accruing;   // lanes that have written fflags or fcsr: only they collect flags
    uint32_t forced;     // lanes whose turn it is, against the usual priority; 0: nobody's
    uint32_t tensor_row; // rows of the interrupted tensor instruction that are done
    uint32_t index;
    uint32_t boxed; // bit r: f[r] of all live lanes is a NaN-boxed single
    bool exact_fp;  // some lane has frm != 0 or collects flags
    uint64_t clock; // fuel used
    uint64_t forced_since;

    LazyMemory private_memory;
    uint64_t private_low; // lowest private offset that may be non-zero

    [[gnu::always_inline]] uint32_t runnable() const { return live & ~waiting; }
    void reset(uint32_t warp_index, uint32_t lane_count) noexcept;
    void update_exact_fp() noexcept;
    // Clears the wait of every meeting that is complete; its lanes then run the instruction again.
    void release_meetings() noexcept;
    // Rows of private memory are 8-byte units, 32 lanes side by side.
    [[gnu::always_inline]] std::byte *private_unit(uint64_t offset, unsigned lane) const {
        return private_memory.data() + (offset / 8) * (8 * lanes) + lane * 8 + offset % 8;
    }
};

struct Workgroup::Impl {
    Dispatch *dispatch = nullptr;
    uint64_t index = 0;
    uint32_t cu_id = 0;
    uint32_t group_id[3] = {};
    uint32_t local_size[3] = {}; // of this workgroup
    uint32_t work_items = 0;
    uint32_t warp_count = 0;
    uint32_t next_warp = 0;
    uint64_t private_bytes = 0;
    std::vector<std::unique_ptr<Warp>> warps; // capacity survives restarts
    LazyMemory local;
    uint32_t local_bytes = 0;
    LazyMemory tensor; // BRGPU_TENSOR_BYTES once a tensor instruction has run
    bool tensor_used = false;
    bool fresh = false; // nothing has run, and the warps are not set up

    bool setup(Dispatch &new_dispatch, uint64_t new_index, uint32_t new_cu_id) noexcept;
    // Sets up the warps of a fresh workgroup, with all lanes at the kernel's entry.
    void ready_warps() noexcept;
    bool ensure_tensor() noexcept;
};

} // namespace brgpu::simt

#endif
