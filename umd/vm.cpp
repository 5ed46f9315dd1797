// SPDX-License-Identifier: MIT
#include "vm.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "error.hpp"

namespace brgpu::umd {

namespace {

unsigned long long hex(uint64_t value) {
    return value;
}

bool page_multiple(uint64_t value) {
    return value % page_bytes == 0;
}

constexpr uint32_t all_access = BRGPU_ACCESS_R | BRGPU_ACCESS_W | BRGPU_ACCESS_X;

uint32_t bind_flags(uint32_t access) {
    return (access & BRGPU_ACCESS_R ? DRM_BRGPU_BIND_READ : 0) |
           (access & BRGPU_ACCESS_W ? DRM_BRGPU_BIND_WRITE : 0) |
           (access & BRGPU_ACCESS_X ? DRM_BRGPU_BIND_EXEC : 0);
}

} // namespace

Vm::Vm(std::shared_ptr<Device> device, uint32_t id, uint32_t flags)
    : device_(std::move(device)), id_(id), flags_(flags),
      addresses_(device_->facts().va_start, device_->facts().va_end, page_bytes) {}

std::shared_ptr<Vm> Vm::create(std::shared_ptr<Device> device, uint32_t flags) {
    drm_brgpu_vm_create request = {};
    request.flags = flags;
    int error = device->call(DRM_IOCTL_BRGPU_VM_CREATE, request);
    if (error)
        raise_errno(-error, "brgpu: creating %san address space",
                    flags & DRM_BRGPU_VM_LONG_RUNNING ? "the long-running kind of " : "");
    return std::shared_ptr<Vm>(new Vm(std::move(device), request.vm_id, flags));
}

Vm::~Vm() {
    drm_brgpu_vm_destroy request = {};
    request.vm_id = id_;
    int error = device_->call(DRM_IOCTL_BRGPU_VM_DESTROY, request);
    if (error && error != -ENODEV)
        log(BRGPU_LOG_ERROR, "brgpu: destroying address space %u: error %d", id_, -error);
}

void Vm::bind(const drm_brgpu_bind_op &op, const char *what) {
    drm_brgpu_vm_bind request = {};
    request.vm_id = id_;
    request.ops = {sizeof(op), 1, reinterpret_cast<uintptr_t>(&op)};
    request.syncs.stride = sizeof(drm_brgpu_sync);
    int error = device_->call(DRM_IOCTL_BRGPU_VM_BIND, request);
    if (error)
        raise_errno(-error, "brgpu: %s [0x%llx, +0x%llx)", what, hex(op.va), hex(op.size));
}

uint64_t Vm::reserve_locked(uint64_t size, uint64_t alignment, uint64_t address) {
    if (size == 0 || size > device_->facts().va_end)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: reserving 0x%llx bytes of addresses: the "
              "address space has 0x%llx",
              hex(size), hex(device_->facts().va_end));
    if (alignment == 0)
        alignment = size >= big_page_bytes ? big_page_bytes : page_bytes;
    if (!std::has_single_bit(alignment))
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: alignment 0x%llx is not a power of two",
              hex(alignment));
    size = (size + page_bytes - 1) & ~(page_bytes - 1);
    if (address) {
        if (address % std::max(alignment, page_bytes))
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: address 0x%llx is not aligned to 0x%llx",
                  hex(address), hex(std::max(alignment, page_bytes)));
        if (!addresses_.allocate_at(address, size))
            raise(BRGPU_ERROR_OUT_OF_ADDRESS_SPACE,
                  "brgpu: addresses [0x%llx, +0x%llx) are taken or outside of [0x%llx, 0x%llx)",
                  hex(address), hex(size), hex(device_->facts().va_start),
                  hex(device_->facts().va_end));
        return address;
    }
    auto found = addresses_.allocate(size, alignment);
    if (!found)
        raise(BRGPU_ERROR_OUT_OF_ADDRESS_SPACE,
              "brgpu: no hole of 0x%llx bytes, aligned to 0x%llx, is left in the address space",
              hex(size), hex(alignment));
    return *found;
}

uint64_t Vm::reserve(uint64_t size, uint64_t alignment, uint64_t address) {
    std::lock_guard lock(lock_);
    return reserve_locked(size, alignment, address);
}

void Vm::unmap_locked(uint64_t address, uint64_t size) {
    drm_brgpu_bind_op op = {};
    op.op = DRM_BRGPU_BIND_UNMAP;
    op.va = address;
    op.size = size;
    bind(op, "unmapping");
    mappings_.erase(address, size);
}

void Vm::release(uint64_t address) {
    std::lock_guard lock(lock_);
    auto size = addresses_.size_at(address);
    if (!size || allocations_.count(address))
        raise(BRGPU_ERROR_NOT_FOUND, "brgpu: no reservation starts at 0x%llx", hex(address));
    unmap_locked(address, *size);
    addresses_.free(address);
}

void Vm::map(uint64_t address, uint64_t size, std::shared_ptr<Memory> memory, uint64_t offset,
             uint32_t access) {
    if (size == 0 || !page_multiple(address) || !page_multiple(size) || !page_multiple(offset))
        raise(
            BRGPU_ERROR_INVALID_ARGUMENT,
            "brgpu: mapping [0x%llx, +0x%llx) from offset 0x%llx: all must be multiples of 4 KiB, "
            "the size above zero",
            hex(address), hex(size), hex(offset));
    if (access == 0 || access & ~all_access)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: mapping with access 0x%x", access);
    if (memory) {
        if (&memory->device() != device_.get())
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: mapping a buffer of another device");
        if (offset > memory->size() || memory->size() - offset < size)
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: mapping [0x%llx, +0x%llx) of a buffer of 0x%llx bytes", hex(offset),
                  hex(size), hex(memory->size()));
    } else if (offset || access & BRGPU_ACCESS_X) {
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: a mapping without buffer has no offset and can't be executed");
    }
    std::lock_guard lock(lock_);
    if (!addresses_.contains(address, size))
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: mapping [0x%llx, +0x%llx): not reserved",
              hex(address), hex(size));
    drm_brgpu_bind_op op = {};
    op.flags = bind_flags(access) | (memory ? 0 : DRM_BRGPU_BIND_NULL);
    if (memory && memory->host()) {
        op.op = DRM_BRGPU_BIND_MAP_USERPTR;
        op.bo_offset = reinterpret_cast<uintptr_t>(memory->host()) + offset;
    } else {
        op.op = DRM_BRGPU_BIND_MAP;
        op.bo_handle = memory ? memory->handle() : 0;
        op.bo_offset = offset;
    }
    op.va = address;
    op.size = size;
    bind(op, "mapping");
    mappings_.insert({address, size, std::move(memory), offset, access});
}

void Vm::unmap(uint64_t address, uint64_t size) {
    if (size == 0 || !page_multiple(address) || !page_multiple(size))
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: unmapping [0x%llx, +0x%llx): both must be multiples of 4 KiB, the size above "
              "zero",
              hex(address), hex(size));
    std::lock_guard lock(lock_);
    if (!addresses_.contains(address, size))
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: unmapping [0x%llx, +0x%llx): not reserved",
              hex(address), hex(size));
    unmap_locked(address, size);
}

Vm::Allocation Vm::allocate(uint64_t size, uint64_t alignment, uint32_t placements, uint32_t flags,
                            uint32_t access) {
    if (size == 0)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: allocating zero bytes");
    if (size > device_->facts().va_end)
        raise(BRGPU_ERROR_OUT_OF_DEVICE_MEMORY,
              "brgpu: allocating 0x%llx bytes: more than the "
              "address space has",
              hex(size));
    auto memory = Memory::create(device_, size, placements, flags, id_);
    Allocation allocation;
    allocation.size = (size + page_bytes - 1) & ~(page_bytes - 1);
    allocation.memory = memory;

    std::lock_guard lock(lock_);
    allocation.address = reserve_locked(allocation.size, alignment, 0);
    try {
        drm_brgpu_bind_op op = {};
        op.op = DRM_BRGPU_BIND_MAP;
        op.flags = bind_flags(access);
        op.bo_handle = memory->handle();
        op.va = allocation.address;
        op.size = allocation.size;
        bind(op, "mapping");
        mappings_.insert({allocation.address, allocation.size, memory, 0, access});
        allocations_.emplace(allocation.address, memory);
    } catch (...) {
        mappings_.erase(allocation.address, allocation.size);
        addresses_.free(allocation.address);
        throw;
    }
    return allocation;
}

void Vm::free(uint64_t address) {
    std::shared_ptr<Memory> memory; // released after the lock
    std::lock_guard lock(lock_);
    auto entry = allocations_.find(address);
    if (entry == allocations_.end())
        raise(BRGPU_ERROR_NOT_FOUND, "brgpu: no allocation starts at 0x%llx", hex(address));
    unmap_locked(address, *addresses_.size_at(address));
    addresses_.free(address);
    memory = std::move(entry->second);
    allocations_.erase(entry);
}

std::optional<Mapping> Vm::find(uint64_t address) {
    std::lock_guard lock(lock_);
    return mappings_.find(address);
}

std::optional<Mapping> Vm::find_cpu(const void *pointer) {
    const auto wanted = reinterpret_cast<uintptr_t>(pointer);
    std::lock_guard lock(lock_);
    return mappings_.find_if([wanted](const Mapping &mapping) {
        if (!mapping.memory)
            return false;
        const auto base = reinterpret_cast<uintptr_t>(mapping.memory->cpu_pointer());
        return base && wanted >= base + mapping.offset &&
               wanted - base - mapping.offset < mapping.size;
    });
}

void *Vm::cpu_pointer(uint64_t address, uint64_t *behind) {
    auto mapping = find(address);
    if (!mapping || !mapping->memory)
        raise(BRGPU_ERROR_NOT_FOUND, "brgpu: no buffer is mapped at 0x%llx", hex(address));
    auto *base = static_cast<std::byte *>(mapping->memory->map_cpu());
    const uint64_t offset = address - mapping->address;
    if (behind)
        *behind = mapping->size - offset;
    return base + mapping->offset + offset;
}

brgpu_vm_state Vm::state() {
    drm_brgpu_vm_get_state request = {};
    request.vm_id = id_;
    request.faults.stride = sizeof(drm_brgpu_fault);
    int error = device_->call(DRM_IOCTL_BRGPU_VM_GET_STATE, request);
    if (error)
        raise_errno(-error, "brgpu: asking for the state of address space %u", id_);
    brgpu_vm_state state = {};
    state.state = request.state;
    state.fault_count = request.fault_count;
    state.bytes_bound = request.bytes_bound;
    return state;
}

std::vector<drm_brgpu_fault> Vm::faults() {
    std::vector<drm_brgpu_fault> faults(64);
    drm_brgpu_vm_get_state request = {};
    request.vm_id = id_;
    request.faults = {sizeof(drm_brgpu_fault), static_cast<uint32_t>(faults.size()),
                      reinterpret_cast<uintptr_t>(faults.data())};
    int error = device_->call(DRM_IOCTL_BRGPU_VM_GET_STATE, request);
    if (error)
        raise_errno(-error, "brgpu: asking for the faults of address space %u", id_);
    faults.resize(std::min<size_t>(request.faults.count, faults.size()));
    return faults;
}

OwnedAllocation::OwnedAllocation(std::shared_ptr<Vm> vm, uint64_t size, uint32_t placements,
                                 uint32_t access)
    : vm_(std::move(vm)),
      allocation_(vm_->allocate(size, 0, placements, BRGPU_MEMORY_CPU_VISIBLE, access)) {
    try {
        cpu_ = static_cast<std::byte *>(allocation_.memory->map_cpu());
    } catch (...) {
        vm_->free(allocation_.address);
        throw;
    }
}

OwnedAllocation::OwnedAllocation(OwnedAllocation &&other) noexcept
    : vm_(std::move(other.vm_)), allocation_(std::move(other.allocation_)), cpu_(other.cpu_) {
    other.cpu_ = nullptr;
}

OwnedAllocation &OwnedAllocation::operator=(OwnedAllocation &&other) noexcept {
    std::swap(vm_, other.vm_);
    std::swap(allocation_, other.allocation_);
    std::swap(cpu_, other.cpu_);
    return *this;
}

OwnedAllocation::~OwnedAllocation() {
    if (!cpu_)
        return;
    try {
        vm_->free(allocation_.address);
    } catch (const std::exception &) {
        // The card has gone or the process forked: the kernel frees it with the file.
    }
}

} // namespace brgpu::umd
