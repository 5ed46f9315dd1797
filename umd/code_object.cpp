// SPDX-License-Identifier: MIT
#include "code_object.hpp"

#include <cstring>

#include "error.hpp"

namespace brgpu::umd {

namespace {
constexpr uint64_t base_alignment = 64 << 10;
}

std::shared_ptr<CodeObject> CodeObject::load(std::shared_ptr<Vm> vm,
                                             std::span<const std::byte> file) {
    std::shared_ptr<CodeObject> object(new CodeObject(std::move(vm), parse_elf(file)));
    object->place(file);
    return object;
}

void CodeObject::place(std::span<const std::byte> file) {
    memory_ = Memory::create(vm_->device_reference(), image_.span_bytes,
                             BRGPU_PLACEMENT_VRAM | BRGPU_PLACEMENT_SYSTEM,
                             BRGPU_MEMORY_CPU_VISIBLE, vm_->id());
    auto *bytes = static_cast<std::byte *>(memory_->map_cpu());
    base_ = vm_->reserve(image_.span_bytes, base_alignment, 0);
    // The memory is new, so zero: what a segment has no file bytes for needs nothing.
    for (const ElfSegment &segment : image_.segments)
        std::memcpy(bytes + segment.address, file.data() + segment.file_offset, segment.file_bytes);
    for (const ElfRelocation &relocation : image_.relocations) {
        const uint64_t value = base_ + relocation.value;
        std::memcpy(bytes + relocation.address, &value, sizeof(value));
    }
    for (const ElfSegment &segment : image_.segments) {
        const uint64_t first = segment.address & ~(page_bytes - 1);
        const uint64_t end =
            (segment.address + segment.memory_bytes + page_bytes - 1) & ~(page_bytes - 1);
        const uint32_t access = BRGPU_ACCESS_R | (segment.write ? BRGPU_ACCESS_W : 0) |
                                (segment.execute ? BRGPU_ACCESS_X : 0);
        vm_->map(base_ + first, end - first, memory_, first, access);
    }
    vm_->note_new_code();
}

CodeObject::~CodeObject() {
    try {
        if (base_)
            vm_->release(base_);
    } catch (const std::exception &) {
        // The card has gone: the kernel unmaps with the address space.
    }
}

const ElfKernel *CodeObject::kernel(const std::string &name) const noexcept {
    for (const ElfKernel &kernel : image_.kernels)
        if (kernel.name == name)
            return &kernel;
    return nullptr;
}

} // namespace brgpu::umd
