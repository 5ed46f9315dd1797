// SPDX-License-Identifier: MIT
//
// Address translation and the card's access to its virtual address spaces.
#ifndef BRGPU_MODEL_MMU_HPP
#define BRGPU_MODEL_MMU_HPP

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "brgpu/hw/events.h"
#include "brgpu/hw/mmu.h"
#include "host.hpp"
#include "safe_points.hpp"
#include "tlb.hpp"
#include "vram.hpp"

namespace brgpu::model {

struct Fault {
    uint16_t vm = 0;
    uint8_t access = 0; // BRGPU_ACCESS_*
    uint8_t level = 0;
    uint8_t client = 0; // enum brgpu_fault_client
    uint8_t reason = BRGPU_FAULT_NONE;
    uint64_t address = 0;
    uint64_t pc = 0;

    uint32_t info() const { return BRGPU_FAULT_INFO(vm, access, level, client, reason); }
};

// What became of an access. Void: the card was reset meanwhile, the work is to be dropped.
enum class Access : uint8_t { ok, fault, gone };

struct Translation {
    enum class Kind : uint8_t {
        pointer,
        bus,
        null,
        fault,
        ask,  // only without leave to block: the host has to be asked first
        gone, // the card was reset
    };
    Kind kind = Kind::fault;
    std::byte *pointer = nullptr;
    uint64_t bus = 0;   // DMA address
    uint64_t bytes = 0; // contiguous, from the address asked for
    uint8_t rights = 0; // of the page
    bool system = false;
    Fault fault; // all but `client` and `pc`
};

enum class May : uint8_t { block, not_block };

// Page-fault and ECC faults on demand that the MMU has to be asked for. Implemented by faults.cpp.
class AccessFaults {
  public:
    virtual ~AccessFaults() = default;
    // Whether anything is armed: the way of a translation that is not cached asks only then.
    virtual bool armed() const = 0;
    // Whether this access is to fault although it is mapped.
    virtual bool take_page_fault(uint16_t vm, uint64_t va) = 0;
    // Whether the 4 KiB of VRAM at this offset are poisoned; counts and reports the error once.
    virtual bool poisoned(uint64_t vram_offset, uint8_t access) = 0;
};

// The card's MMU. All functions are thread safe; those with a Worker are for its thread. A pointer
// is good until the worker's next safe point or blocked section, and every function here that takes
// a Worker may contain one of the latter (Worker::interruptions tells).
class Mmu {
  public:
    Mmu(uint32_t vms, Vram &vram, HostPort &host, AccessFaults &faults);

    uint32_t vms() const { return vms_; }

    Translation translate(Worker &worker, uint16_t vm, uint64_t va, uint8_t access,
                          May may = May::block);

    // Copies over any page boundary. On fault, what stands before the faulting page has been done.
    Access read(Worker &worker, uint16_t vm, uint64_t va, void *buffer, uint64_t bytes,
                Fault &fault);
    Access write(Worker &worker, uint16_t vm, uint64_t va, const void *buffer, uint64_t bytes,
                 Fault &fault);
    // One access of 64 bits, naturally aligned: load with acquire, store with release order.
    Access load64(Worker &worker, uint16_t vm, uint64_t va, uint64_t &value, Fault &fault);
    Access store64(Worker &worker, uint16_t vm, uint64_t va, uint64_t value, Fault &fault);
    // Atomic against everybody, the host's CPUs included, in RAM; read, then written elsewhere.
    Access add64(Worker &worker, uint16_t vm, uint64_t va, uint64_t value, Fault &fault);

    // Where system memory is slow (a fault on demand): waits. May be a blocked section.
    void delay(Worker &worker) { host_.delay(worker); }

    // Registers.
    uint64_t root(uint16_t vm) const { return contexts_[vm].root.load(std::memory_order_relaxed); }
    void set_root(uint16_t vm, uint64_t value) { contexts_[vm].root.store(value); }
    uint32_t control(uint16_t vm) const { return contexts_[vm].control.load(); }
    void set_control(uint16_t vm, uint32_t v) { contexts_[vm].control.store(v); }
    uint32_t status(uint16_t vm) const { return contexts_[vm].status.load(); }
    void clear_status(uint16_t vm, uint32_t bits) { contexts_[vm].status.fetch_and(~bits); }
    void note_fault(uint16_t vm);
    bool retries(const Fault &fault) const;

    SharedTlb &tlb() { return tlb_; }
    uint64_t walks() const { return walks_.load(std::memory_order_relaxed); }
    uint64_t fault_count() const { return fault_count_.load(std::memory_order_relaxed); }
    void reset();

  private:
    struct Context {
        std::atomic<uint64_t> root{0};
        std::atomic<uint32_t> control{0};
        std::atomic<uint32_t> status{0};
    };
    struct Walk {
        Translation::Kind kind = Translation::Kind::fault; // pointer: found
        PageEntry entry;
        uint8_t reason = BRGPU_FAULT_NONE;
        uint8_t level = 0;
    };

    Walk find(Worker &worker, uint16_t vm, uint64_t va, uint8_t access, May may);
    Walk walk(Worker &worker, uint16_t vm, uint64_t va, May may, bool use_directory);
    Walk walk_from(Worker &worker, uint16_t vm, uint64_t va, May may, unsigned level,
                   uint64_t directory, uint64_t stamp);
    Walk leaf(uint16_t vm, uint64_t va, unsigned level, uint64_t pte, uint64_t stamp);
    Translation::Kind load_entry(Worker &worker, uint64_t directory, unsigned index, May may,
                                 uint64_t &value, uint8_t &reason);
    Translation resolve(Worker &worker, uint16_t vm, uint64_t va, uint8_t access, May may,
                        const PageEntry &entry);

    const uint32_t vms_;
    Vram &vram_;
    HostPort &host_;
    AccessFaults &faults_;
    SharedTlb tlb_;
    std::unique_ptr<Context[]> contexts_;
    std::atomic<uint64_t> walks_{0};
    std::atomic<uint64_t> fault_count_{0};
};

} // namespace brgpu::model

#endif
