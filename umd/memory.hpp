// SPDX-License-Identifier: MIT
//
// A buffer: one GEM handle, and the CPU mapping of it when somebody asked.
#ifndef BRGPU_UMD_MEMORY_HPP
#define BRGPU_UMD_MEMORY_HPP

#include <cstdint>
#include <memory>
#include <mutex>

#include "device.hpp"

namespace brgpu::umd {

class Vm;

class Memory : public std::enable_shared_from_this<Memory> {
  public:
    // `vm_id` is that of the only VM it may be bound in, or 0.
    static std::shared_ptr<Memory> create(std::shared_ptr<Device> device, uint64_t size,
                                          uint32_t placements, uint32_t flags, uint32_t vm_id);
    // Takes over a handle that PRIME import returned for `fd`.
    static std::shared_ptr<Memory> adopt(std::shared_ptr<Device> device, uint32_t handle, int fd);
    // Memory of the caller: no kernel object stands behind it until it is mapped in a VM.
    static std::shared_ptr<Memory> from_host(std::shared_ptr<Device> device, void *pointer,
                                             uint64_t size);
    ~Memory();

    Device &device() noexcept { return *device_; }
    uint32_t handle() const noexcept { return handle_; }
    uint64_t size() const noexcept { return size_; }
    uint32_t placements() const noexcept { return placements_; }
    uint32_t flags() const noexcept { return flags_; }
    bool imported() const noexcept { return imported_; }
    // The caller's memory; null for a buffer of the kernel's.
    void *host() const noexcept { return host_; }
    uint32_t vm_id() const noexcept { return vm_id_; }

    void *map_cpu();
    void unmap_cpu();
    // Null when nobody has mapped it.
    void *cpu_pointer() const noexcept;
    // KernelInterface::memory_of(), asked once.
    std::byte *direct() noexcept;

    uint64_t wait(uint64_t offset, uint32_t compare, uint64_t value, uint64_t mask,
                  int64_t deadline_ns, bool *reached);

    // The handle that brgpu_pointer_info shows; owned by this object.
    brgpu_memory *borrowed_handle();

  private:
    uint64_t wait_host(uint64_t offset, uint32_t compare, uint64_t value, uint64_t mask,
                       int64_t deadline_ns, bool *reached) const;

    Memory(std::shared_ptr<Device> device, uint32_t handle, uint64_t size)
        : device_(std::move(device)), handle_(handle), size_(size) {}

    struct DeleteHandle {
        void operator()(brgpu_memory *memory) const noexcept;
    };

    std::shared_ptr<Device> device_;
    uint32_t handle_;
    uint64_t size_;
    uint32_t placements_ = 0;
    uint32_t flags_ = 0;
    uint32_t vm_id_ = 0;
    bool imported_ = false;
    void *host_ = nullptr;
    mutable std::mutex lock_; // cpu_, borrowed_
    void *cpu_ = nullptr;
    std::byte *direct_ = nullptr;
    std::once_flag asked_direct_;
    std::unique_ptr<brgpu_memory, DeleteHandle> borrowed_;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_MEMORY_HPP
