// SPDX-License-Identifier: MIT
#include "../memory.hpp"
#include "../deadline.hpp"
#include "../vm.hpp"
#include "boundary.hpp"

using namespace brgpu::umd;

namespace {

constexpr uint32_t all_placements = BRGPU_PLACEMENT_VRAM | BRGPU_PLACEMENT_SYSTEM;
constexpr uint32_t all_access = BRGPU_ACCESS_R | BRGPU_ACCESS_W | BRGPU_ACCESS_X;

void check_placements(uint32_t placements) {
    if (placements == 0 || placements & ~all_placements)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: placements 0x%x", placements);
}

brgpu_pointer_info describe(const Mapping &mapping, uint64_t offset) {
    brgpu_pointer_info info = {};
    info.base = mapping.address;
    info.size = mapping.size;
    info.offset = offset;
    info.access = mapping.access;
    if (mapping.memory) {
        info.placements = mapping.memory->placements();
        info.memory = mapping.memory->borrowed_handle();
        if (auto *base = static_cast<char *>(mapping.memory->cpu_pointer()))
            info.cpu_pointer = base + mapping.offset + offset;
    }
    return info;
}

} // namespace

brgpu_status brgpu_memory_create(brgpu_device *device, const brgpu_memory_create_info *info,
                                 brgpu_memory **memory) {
    return at_boundary([&] {
        auto owner = object_of(device, "device");
        const auto wanted = read_info(info, "memory info");
        require(memory, "memory");
        check_placements(wanted.placements);
        if (wanted.size == 0)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: a buffer of zero bytes");
        if (wanted.flags & ~(BRGPU_MEMORY_CPU_VISIBLE | BRGPU_MEMORY_PRIVATE) ||
            ((wanted.flags & BRGPU_MEMORY_PRIVATE) != 0) != (wanted.vm != nullptr))
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: memory flags 0x%x (a VM goes with BRGPU_MEMORY_PRIVATE)", wanted.flags);
        uint32_t vm_id = 0;
        if (wanted.vm) {
            auto vm = object_of(wanted.vm, "vm");
            if (&vm->device() != owner.get())
                raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: the VM is of another device");
            vm_id = vm->id();
        }
        *memory = make_handle<brgpu_memory>(
            Memory::create(owner, wanted.size, wanted.placements, wanted.flags, vm_id));
    });
}

brgpu_status brgpu_memory_from_host(brgpu_device *device, void *pointer, uint64_t size,
                                    brgpu_memory **memory) {
    return at_boundary([&] {
        auto owner = object_of(device, "device");
        require(pointer, "pointer");
        require(memory, "memory");
        const auto address = reinterpret_cast<uintptr_t>(pointer);
        if (!(owner->facts().features & DRM_BRGPU_FEATURE_USERPTR))
            raise(BRGPU_ERROR_UNSUPPORTED,
                  "brgpu: %llu bytes of host memory as a buffer: the driver has no "
                  "BRGPU_DEVICE_HOST_POINTERS",
                  static_cast<unsigned long long>(size));
        if (size == 0 || address % page_bytes || size % page_bytes || size > -address)
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: %llu bytes of host memory at %p as a buffer: both must be multiples of "
                  "4 KiB, the size above zero",
                  static_cast<unsigned long long>(size), pointer);
        *memory = make_handle<brgpu_memory>(Memory::from_host(owner, pointer, size));
    });
}

void brgpu_memory_destroy(brgpu_memory *memory) {
    destroy_handle(memory);
}

brgpu_status brgpu_memory_get_info(brgpu_memory *memory, brgpu_memory_info *info) {
    return at_boundary([&] {
        auto object = object_of(memory, "memory");
        check_out(info, "memory info");
        brgpu_memory_info value = {};
        value.size = object->size();
        value.placements = object->placements();
        value.flags = object->flags();
        value.imported = object->imported();
        value.handle = object->handle();
        write_info(info, value);
    });
}

brgpu_status brgpu_memory_map_cpu(brgpu_memory *memory, void **pointer) {
    return at_boundary([&] {
        auto object = object_of(memory, "memory");
        require(pointer, "pointer");
        *pointer = object->map_cpu();
    });
}

brgpu_status brgpu_memory_unmap_cpu(brgpu_memory *memory) {
    return at_boundary([&] { object_of(memory, "memory")->unmap_cpu(); });
}

brgpu_status brgpu_memory_export_fd(brgpu_memory *memory, int *fd) {
    return at_boundary([&] {
        auto object = object_of(memory, "memory");
        require(fd, "fd");
        if (object->host())
            raise(BRGPU_ERROR_UNSUPPORTED,
                  "brgpu: host memory is the caller's own and can't be exported");
        *fd = object->device().export_memory(object);
    });
}

brgpu_status brgpu_memory_import_fd(brgpu_device *device, int fd, brgpu_memory **memory) {
    return at_boundary([&] {
        auto owner = object_of(device, "device");
        require(memory, "memory");
        *memory = make_handle<brgpu_memory>(owner->import_memory(fd));
    });
}

brgpu_status brgpu_memory_wait(brgpu_memory *memory, uint64_t offset, int compare, uint64_t value,
                               uint64_t mask, uint64_t timeout_ns, uint64_t *seen) {
    return at_boundary([&] {
        auto object = object_of(memory, "memory");
        if (compare < BRGPU_COMPARE_EQ || compare > BRGPU_COMPARE_LT)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: unknown comparison %d", compare);
        bool reached = false;
        const uint64_t last = object->wait(offset, static_cast<uint32_t>(compare), value, mask,
                                           deadline_after(timeout_ns), &reached);
        if (seen)
            *seen = last;
        if (!reached)
            raise(BRGPU_ERROR_TIMEOUT,
                  "brgpu: the word at offset 0x%llx of a buffer stayed at 0x%llx for %.3f s",
                  static_cast<unsigned long long>(offset), static_cast<unsigned long long>(last),
                  static_cast<double>(timeout_ns) * 1e-9);
    });
}

brgpu_status brgpu_vm_create(brgpu_device *device, const brgpu_vm_create_info *info,
                             brgpu_vm **vm) {
    return at_boundary([&] {
        auto owner = object_of(device, "device");
        const auto wanted = read_info(info, "VM info", true);
        require(vm, "vm");
        if (wanted.flags & ~(BRGPU_VM_LONG_RUNNING | BRGPU_VM_FAULT_RETRY))
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: VM flags 0x%x", wanted.flags);
        // The kernel's numbers are the same.
        *vm = make_handle<brgpu_vm>(Vm::create(owner, wanted.flags));
    });
}

void brgpu_vm_destroy(brgpu_vm *vm) {
    destroy_handle(vm);
}

brgpu_status brgpu_vm_reserve(brgpu_vm *vm, uint64_t size, uint64_t alignment, uint64_t address,
                              uint64_t *reserved) {
    return at_boundary([&] {
        auto object = object_of(vm, "vm");
        require(reserved, "reserved");
        *reserved = object->reserve(size, alignment, address);
    });
}

brgpu_status brgpu_vm_release(brgpu_vm *vm, uint64_t address) {
    return at_boundary([&] { object_of(vm, "vm")->release(address); });
}

brgpu_status brgpu_vm_map(brgpu_vm *vm, uint64_t address, uint64_t size, brgpu_memory *memory,
                          uint64_t offset, uint32_t access) {
    return at_boundary([&] {
        auto object = object_of(vm, "vm");
        object->map(address, size, memory ? object_of(memory, "memory") : nullptr, offset, access);
    });
}

brgpu_status brgpu_vm_unmap(brgpu_vm *vm, uint64_t address, uint64_t size) {
    return at_boundary([&] { object_of(vm, "vm")->unmap(address, size); });
}

brgpu_status brgpu_vm_allocate(brgpu_vm *vm, const brgpu_allocation_info *info, uint64_t *address) {
    return at_boundary([&] {
        auto object = object_of(vm, "vm");
        const auto wanted = read_info(info, "allocation info");
        require(address, "address");
        const uint32_t placements = wanted.placements ? wanted.placements : BRGPU_PLACEMENT_VRAM;
        const uint32_t access = wanted.access ? wanted.access : BRGPU_ACCESS_RW;
        check_placements(placements);
        if (wanted.flags & ~BRGPU_MEMORY_CPU_VISIBLE || access & ~all_access)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: allocation flags 0x%x, access 0x%x",
                  wanted.flags, access);
        *address = object->allocate(wanted.size, wanted.alignment, placements, wanted.flags, access)
                       .address;
    });
}

brgpu_status brgpu_vm_free(brgpu_vm *vm, uint64_t address) {
    return at_boundary([&] { object_of(vm, "vm")->free(address); });
}

brgpu_status brgpu_vm_query_address(brgpu_vm *vm, uint64_t address, brgpu_pointer_info *info) {
    return at_boundary([&] {
        auto object = object_of(vm, "vm");
        check_out(info, "pointer info");
        auto mapping = object->find(address);
        if (!mapping)
            raise(BRGPU_ERROR_NOT_FOUND, "brgpu: nothing is mapped at 0x%llx",
                  static_cast<unsigned long long>(address));
        write_info(info, describe(*mapping, address - mapping->address));
    });
}

brgpu_status brgpu_vm_query_pointer(brgpu_vm *vm, const void *pointer, brgpu_pointer_info *info) {
    return at_boundary([&] {
        auto object = object_of(vm, "vm");
        check_out(info, "pointer info");
        auto mapping = object->find_cpu(pointer);
        if (!mapping)
            raise(BRGPU_ERROR_NOT_FOUND, "brgpu: %p is not in a buffer of the VM", pointer);
        auto *base = static_cast<const char *>(mapping->memory->cpu_pointer());
        const auto offset =
            static_cast<uint64_t>(static_cast<const char *>(pointer) - base) - mapping->offset;
        write_info(info, describe(*mapping, offset));
    });
}

brgpu_status brgpu_vm_cpu_pointer(brgpu_vm *vm, uint64_t address, void **pointer) {
    return at_boundary([&] {
        auto object = object_of(vm, "vm");
        require(pointer, "pointer");
        *pointer = object->cpu_pointer(address, nullptr);
    });
}
