// SPDX-License-Identifier: MIT
#include "memory.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <unistd.h>

#include "brgpu_core_packet.h"
#include "deadline.hpp"
#include "error.hpp"
#include "handle.hpp"

namespace brgpu::umd {

void Memory::DeleteHandle::operator()(brgpu_memory *memory) const noexcept {
    delete memory;
}

std::shared_ptr<Memory> Memory::create(std::shared_ptr<Device> device, uint64_t size,
                                       uint32_t placements, uint32_t flags, uint32_t vm_id) {
    drm_brgpu_bo_create request = {};
    request.size = size;
    request.placements = placements;
    request.flags = flags & BRGPU_MEMORY_CPU_VISIBLE ? DRM_BRGPU_BO_CPU_VISIBLE : 0;
    request.vm_id = vm_id;
    int error = device->call(DRM_IOCTL_BRGPU_BO_CREATE, request);
    if (error)
        raise_errno(-error, "brgpu: creating a buffer of %llu bytes in %s%s",
                    static_cast<unsigned long long>(size),
                    placements & BRGPU_PLACEMENT_VRAM ? "VRAM" : "system memory",
                    placements == (BRGPU_PLACEMENT_VRAM | BRGPU_PLACEMENT_SYSTEM)
                        ? " or system memory"
                        : "");
    std::shared_ptr<Memory> memory(new Memory(device, request.handle, request.size));
    memory->placements_ = placements;
    memory->flags_ = flags;
    memory->vm_id_ = vm_id;
    return memory;
}

std::shared_ptr<Memory> Memory::adopt(std::shared_ptr<Device> device, uint32_t handle, int fd) {
    off_t size = lseek(fd, 0, SEEK_END);
    if (size <= 0) {
        drm_gem_close request = {};
        request.handle = handle;
        device->call(DRM_IOCTL_GEM_CLOSE, request);
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: importing buffer file %d: it has no size", fd);
    }
    std::shared_ptr<Memory> memory(
        new Memory(std::move(device), handle, static_cast<uint64_t>(size)));
    memory->imported_ = true;
    return memory;
}

std::shared_ptr<Memory> Memory::from_host(std::shared_ptr<Device> device, void *pointer,
                                          uint64_t size) {
    std::shared_ptr<Memory> memory(new Memory(std::move(device), 0, size));
    memory->placements_ = BRGPU_PLACEMENT_SYSTEM;
    memory->host_ = memory->cpu_ = pointer;
    return memory;
}

Memory::~Memory() {
    if (host_)
        return;
    if (cpu_ && !device_->forked())
        device_->kernel().unmap(cpu_, size_);
    device_->close_handle(handle_);
}

void *Memory::map_cpu() {
    std::lock_guard lock(lock_);
    if (cpu_)
        return cpu_;
    drm_brgpu_bo_mmap_offset request = {};
    request.handle = handle_;
    int error = device_->call(DRM_IOCTL_BRGPU_BO_MMAP_OFFSET, request);
    if (error == -EACCES)
        raise(BRGPU_ERROR_UNSUPPORTED,
              "brgpu: a buffer of %llu bytes in VRAM was not created with "
              "BRGPU_MEMORY_CPU_VISIBLE and can't be mapped by the CPU",
              static_cast<unsigned long long>(size_));
    int map_error = 0;
    if (!error)
        cpu_ = device_->kernel().map(size_, request.offset, &map_error);
    if (!cpu_)
        raise_errno(error ? -error : map_error, "brgpu: mapping a buffer of %llu bytes",
                    static_cast<unsigned long long>(size_));
    return cpu_;
}

void Memory::unmap_cpu() {
    std::lock_guard lock(lock_);
    if (host_)
        return; // it is the caller's own mapping
    if (cpu_)
        device_->kernel().unmap(cpu_, size_);
    cpu_ = nullptr;
}

void *Memory::cpu_pointer() const noexcept {
    std::lock_guard lock(lock_);
    return cpu_;
}

// The kernel doesn't know the memory apart from what maps it, so this looks for itself.
uint64_t Memory::wait_host(uint64_t offset, uint32_t compare, uint64_t value, uint64_t mask,
                           int64_t deadline_ns, bool *reached) const {
    constexpr auto longest_pause = std::chrono::microseconds(500);
    if (offset % 8 || size_ < 8 || offset > size_ - 8)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: waiting for the word at offset 0x%llx of 0x%llx bytes of host memory: not a "
              "multiple of 8, or beyond the end",
              static_cast<unsigned long long>(offset), static_cast<unsigned long long>(size_));
    const auto *word =
        reinterpret_cast<const uint64_t *>(static_cast<const char *>(host_) + offset);
    auto pause = std::chrono::microseconds(1);
    for (;;) {
        const uint64_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        *reached = brgpu_core_wait_met(compare, seen, value, mask);
        if (*reached || deadline_ns <= static_cast<int64_t>(monotonic_ns()))
            return seen;
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, longest_pause);
    }
}

std::byte *Memory::direct() noexcept {
    std::call_once(asked_direct_, [this] { direct_ = device_->kernel().memory_of(handle_); });
    return direct_;
}

uint64_t Memory::wait(uint64_t offset, uint32_t compare, uint64_t value, uint64_t mask,
                      int64_t deadline_ns, bool *reached) {
    if (host_)
        return wait_host(offset, compare, value, mask, deadline_ns, reached);
    drm_brgpu_wait_mem request = {};
    request.handle = handle_;
    request.compare = compare;
    request.offset = offset;
    request.value = value;
    request.mask = mask;
    request.deadline_ns = deadline_ns;
    int error = device_->call(DRM_IOCTL_BRGPU_WAIT_MEM, request);
    if (error && error != -ETIME)
        raise_errno(
            -error, "brgpu: waiting for the word at offset 0x%llx of a buffer of %llu bytes",
            static_cast<unsigned long long>(offset), static_cast<unsigned long long>(size_));
    *reached = error == 0;
    return request.seen;
}

brgpu_memory *Memory::borrowed_handle() {
    std::lock_guard lock(lock_);
    if (!borrowed_) {
        borrowed_.reset(new brgpu_memory);
        borrowed_->borrowed = weak_from_this();
    }
    return borrowed_.get();
}

} // namespace brgpu::umd
