// SPDX-License-Identifier: MIT
#include "memory.hpp"

#include <cerrno>
#include <unistd.h>

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

Memory::~Memory() {
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
    if (cpu_)
        device_->kernel().unmap(cpu_, size_);
    cpu_ = nullptr;
}

void *Memory::cpu_pointer() const noexcept {
    std::lock_guard lock(lock_);
    return cpu_;
}

uint64_t Memory::wait(uint64_t offset, uint32_t compare, uint64_t value, uint64_t mask,
                      int64_t deadline_ns, bool *reached) {
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
