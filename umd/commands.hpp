// SPDX-License-Identifier: MIT
//
// A recorded list of packets, with the memory that they need: kernel arguments and written data
// stand beside them.
#ifndef BRGPU_UMD_COMMANDS_HPP
#define BRGPU_UMD_COMMANDS_HPP

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "printf_ring.hpp"
#include "vm.hpp"

namespace brgpu::umd {

class CodeObject;
class Kernel;
class QueueProgress;
class Report;

// Growing device-visible memory, handed out from the front; reset() starts again without freeing.
class CommandArena {
  public:
    struct Piece {
        uint64_t address;
        std::byte *cpu;
        size_t chunk;
    };
    Piece take(const std::shared_ptr<Vm> &vm, uint64_t bytes, uint64_t alignment);
    void reset() noexcept;

  private:
    struct Chunk {
        OwnedAllocation memory;
        uint64_t used = 0;
    };
    std::vector<Chunk> chunks_;
    size_t current_ = 0;
};

// One thread at a time, as the C API says.
class Commands {
  public:
    explicit Commands(std::shared_ptr<Vm> vm) : vm_(std::move(vm)) {}

    Vm &vm() noexcept { return *vm_; }
    void reset();
    // `report` may be null.
    void dispatch(Kernel &kernel, const brgpu_dispatch_info &info, std::shared_ptr<Report> report);
    void copy(uint64_t dst, uint64_t src, uint64_t bytes, uint32_t flags);
    void copy_region(const brgpu_copy_region &region);
    void fill(uint64_t dst, const void *pattern, uint32_t pattern_bytes, uint64_t bytes,
              uint32_t flags);
    void write(uint64_t dst, const void *data, uint32_t bytes, uint32_t flags);
    void barrier();
    void wait_value(uint64_t address, uint32_t compare, uint64_t value, uint64_t mask);
    void signal_value(uint64_t address, uint32_t operation, uint64_t value);
    void timestamp(uint64_t address);
    void packets(const void *data, uint32_t count);

    // Runs of packets in order.
    std::span<const drm_brgpu_command> runs() const noexcept { return runs_; }
    const std::shared_ptr<PrintfRing> &printf_ring() const noexcept { return printf_; }

    // Throws BUSY while the last submission hasn't ended.
    void check_idle();
    bool idle();
    void note_submitted(std::shared_ptr<QueueProgress> progress, uint64_t serial);

  private:
    void append(const void *packet);

    std::shared_ptr<Vm> vm_;
    CommandArena packet_memory_;
    CommandArena data_memory_;
    std::vector<drm_brgpu_command> runs_;
    std::vector<std::shared_ptr<CodeObject>> code_;
    std::vector<std::shared_ptr<Report>> reports_;
    std::shared_ptr<PrintfRing> printf_;
    std::mutex submitted_lock_;                   // the queue looks here too
    std::shared_ptr<QueueProgress> submitted_to_; // null: idle
    uint64_t serial_ = 0;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_COMMANDS_HPP
