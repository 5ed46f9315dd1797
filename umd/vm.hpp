// SPDX-License-Identifier: MIT
//
// An address space: which addresses are reserved, what is mapped where, and the allocations
// (address, buffer and mapping in one) that most callers use.
#ifndef BRGPU_UMD_VM_HPP
#define BRGPU_UMD_VM_HPP

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "address_allocator.hpp"
#include "device.hpp"
#include "mapping_table.hpp"
#include "memory.hpp"

namespace brgpu::umd {

inline constexpr uint64_t page_bytes = 4096;
inline constexpr uint64_t big_page_bytes = 2 << 20;

class Vm : public std::enable_shared_from_this<Vm> {
  public:
    // flags: DRM_BRGPU_VM_*.
    static std::shared_ptr<Vm> create(std::shared_ptr<Device> device, uint32_t flags = 0);
    ~Vm();

    Device &device() noexcept { return *device_; }
    const std::shared_ptr<Device> &device_reference() const noexcept { return device_; }
    uint32_t id() const noexcept { return id_; }
    // Its queues are user-mode queues.
    bool long_running() const noexcept { return flags_ & DRM_BRGPU_VM_LONG_RUNNING; }

    // address 0: anywhere.
    uint64_t reserve(uint64_t size, uint64_t alignment, uint64_t address);
    void release(uint64_t address);
    void map(uint64_t address, uint64_t size, std::shared_ptr<Memory> memory, uint64_t offset,
             uint32_t access);
    void unmap(uint64_t address, uint64_t size);

    struct Allocation {
        uint64_t address = 0;
        uint64_t size = 0;
        std::shared_ptr<Memory> memory;
    };
    Allocation allocate(uint64_t size, uint64_t alignment, uint32_t placements, uint32_t flags,
                        uint32_t access);
    void free(uint64_t address);

    std::optional<Mapping> find(uint64_t address);
    std::optional<Mapping> find_cpu(const void *pointer);
    // CPU pointer of a mapped address, and how many bytes of the mapping are behind it.
    void *cpu_pointer(uint64_t address, uint64_t *behind);

    brgpu_vm_state state();
    std::vector<drm_brgpu_fault> faults();

    // Counts loads of code: queues make new code visible to instruction fetch.
    uint32_t code_generation() const noexcept { return code_generation_.load(); }
    void note_new_code() noexcept { code_generation_.fetch_add(1); }

  private:
    Vm(std::shared_ptr<Device> device, uint32_t id, uint32_t flags);
    uint64_t reserve_locked(uint64_t size, uint64_t alignment, uint64_t address);
    void unmap_locked(uint64_t address, uint64_t size);
    void bind(const drm_brgpu_bind_op &op, const char *what);

    std::shared_ptr<Device> device_;
    const uint32_t id_;
    const uint32_t flags_;
    std::atomic<uint32_t> code_generation_{0};
    std::mutex lock_; // what follows, and the order of VM_BIND calls
    AddressAllocator addresses_;
    MappingTable mappings_;
    std::map<uint64_t, std::shared_ptr<Memory>> allocations_;
};

// Frees an allocation when it goes; for the library's own memory in a VM.
class OwnedAllocation {
  public:
    OwnedAllocation() = default;
    OwnedAllocation(std::shared_ptr<Vm> vm, uint64_t size, uint32_t placements, uint32_t access);
    OwnedAllocation(OwnedAllocation &&other) noexcept;
    OwnedAllocation &operator=(OwnedAllocation &&other) noexcept;
    ~OwnedAllocation();

    uint64_t address() const noexcept { return allocation_.address; }
    uint64_t size() const noexcept { return allocation_.size; }
    std::byte *cpu() const noexcept { return cpu_; }
    uint32_t handle() const noexcept { return allocation_.memory->handle(); }
    explicit operator bool() const noexcept { return cpu_ != nullptr; }

  private:
    std::shared_ptr<Vm> vm_;
    Vm::Allocation allocation_;
    std::byte *cpu_ = nullptr;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_VM_HPP
