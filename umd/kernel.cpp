// SPDX-License-Identifier: MIT
#include "kernel.hpp"

#include <algorithm>
#include <cstring>

#include "brgpu/hw/isa.h"
#include "error.hpp"

namespace brgpu::umd {

namespace {

const char *kind_text(brgpu_arg_kind kind) {
    switch (kind) {
    case BRGPU_ARG_VALUE:
        return "a value";
    case BRGPU_ARG_GLOBAL:
        return "a device address";
    default:
        return "local memory";
    }
}

constexpr uint32_t static_local_alignment = 16; // of the dynamic part behind it

} // namespace

Kernel::Kernel(std::shared_ptr<CodeObject> code, const std::string &name)
    : code_(std::move(code)), elf_(code_->kernel(name)) {
    if (!elf_)
        raise(BRGPU_ERROR_NOT_FOUND, "brgpu: the code object has no kernel %s", name.c_str());
    for (const ElfArgument &argument : elf_->arguments)
        if (argument.kind != BRGPU_ARG_PRINTF)
            visible_.push_back(&argument);
    values_.resize(elf_->descriptor.kernarg_bytes);
    local_bytes_.resize(visible_.size());
    is_set_.resize(visible_.size());
}

brgpu_kernel_properties Kernel::properties() const {
    const brgpu_kernel_desc &d = elf_->descriptor;
    brgpu_kernel_properties p = {};
    p.name = elf_->name.c_str();
    p.attributes = elf_->attributes.c_str();
    p.arg_count = static_cast<uint32_t>(visible_.size());
    p.kernarg_bytes = d.kernarg_bytes;
    p.static_local_bytes = d.static_local_bytes;
    p.private_bytes = d.private_bytes;
    std::copy(std::begin(d.required_workgroup), std::end(d.required_workgroup),
              p.required_workgroup);
    p.max_workgroup = d.max_workgroup ? d.max_workgroup : BRGPU_MAX_WORKGROUP;
    p.descriptor = descriptor();
    return p;
}

brgpu_argument_info Kernel::argument_info(uint32_t index) const {
    if (index >= visible_.size())
        raise(BRGPU_ERROR_NOT_FOUND, "brgpu: kernel %s has %zu arguments, not %u", name(),
              visible_.size(), index + 1);
    const ElfArgument &a = *visible_[index];
    brgpu_argument_info info = {};
    info.kind = a.kind;
    info.flags = a.flags;
    info.size = a.size;
    info.alignment = a.alignment;
    info.name = a.name.c_str();
    info.type_name = a.type_name.c_str();
    return info;
}

const ElfArgument &Kernel::argument(uint32_t index, brgpu_arg_kind kind) {
    if (index >= visible_.size())
        raise(BRGPU_ERROR_ARGUMENTS, "brgpu: kernel %s has %zu arguments: there is no argument %u",
              name(), visible_.size(), index);
    const ElfArgument &a = *visible_[index];
    if (a.kind != kind)
        raise(BRGPU_ERROR_ARGUMENTS, "brgpu: kernel %s: argument %u (%s %s) takes %s, not %s",
              name(), index, a.type_name.c_str(), a.name.c_str(), kind_text(a.kind),
              kind_text(kind));
    return a;
}

void Kernel::set_value(uint32_t index, const void *value, size_t size) {
    const ElfArgument &a = argument(index, BRGPU_ARG_VALUE);
    if (size != a.size)
        raise(BRGPU_ERROR_ARGUMENTS, "brgpu: kernel %s: argument %u (%s %s) has %u bytes, not %zu",
              name(), index, a.type_name.c_str(), a.name.c_str(), a.size, size);
    std::memcpy(values_.data() + a.offset, value, size);
    is_set_[index] = true;
}

void Kernel::set_address(uint32_t index, uint64_t address) {
    const ElfArgument &a = argument(index, BRGPU_ARG_GLOBAL);
    std::memcpy(values_.data() + a.offset, &address, sizeof(address));
    is_set_[index] = true;
}

void Kernel::set_local(uint32_t index, uint64_t bytes) {
    const ElfArgument &a = argument(index, BRGPU_ARG_LOCAL);
    if (bytes == 0 || bytes > BRGPU_MAX_LOCAL_BYTES)
        raise(BRGPU_ERROR_ARGUMENTS,
              "brgpu: kernel %s: argument %u (%s %s): %llu bytes of local memory; 1 to %u are "
              "possible",
              name(), index, a.type_name.c_str(), a.name.c_str(),
              static_cast<unsigned long long>(bytes), BRGPU_MAX_LOCAL_BYTES);
    local_bytes_[index] = bytes;
    is_set_[index] = true;
}

std::array<uint16_t, 3> Kernel::workgroup(const brgpu_dispatch_info &info,
                                          uint32_t device_max_workgroup) const {
    const brgpu_kernel_desc &d = elf_->descriptor;
    const uint32_t most = std::min<uint32_t>(
        d.max_workgroup ? d.max_workgroup : BRGPU_MAX_WORKGROUP, device_max_workgroup);
    const bool required = d.required_workgroup[0] != 0;
    std::array<uint32_t, 3> local = {1, 1, 1};
    if (!info.local[0] && !info.local[1] && !info.local[2]) {
        if (required) {
            std::copy(std::begin(d.required_workgroup), std::end(d.required_workgroup),
                      local.begin());
        } else {
            static constexpr uint32_t wanted[3][3] = {{256, 1, 1}, {16, 16, 1}, {8, 8, 4}};
            for (unsigned i = 0; i < info.work_dim; ++i)
                local[i] = std::clamp(info.global[i], 1u, wanted[info.work_dim - 1][i]);
            while (uint64_t{local[0]} * local[1] * local[2] > most)
                *std::max_element(local.begin(), local.end()) /= 2;
        }
    } else {
        for (unsigned i = 0; i < info.work_dim; ++i)
            local[i] = info.local[i];
    }
    const uint64_t items = uint64_t{local[0]} * local[1] * local[2];
    if (std::count(local.begin(), local.end(), 0u) ||
        std::any_of(local.begin(), local.end(), [&](uint32_t n) { return n > most; }) ||
        items > most)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: kernel %s: a workgroup of %u x %u x %u work-items; at most %u are possible",
              name(), local[0], local[1], local[2], most);
    if (required)
        for (unsigned i = 0; i < 3; ++i)
            if (local[i] != d.required_workgroup[i])
                raise(BRGPU_ERROR_INVALID_ARGUMENT,
                      "brgpu: kernel %s requires workgroups of %u x %u x %u, not %u x %u x %u",
                      name(), d.required_workgroup[0], d.required_workgroup[1],
                      d.required_workgroup[2], local[0], local[1], local[2]);
    return {static_cast<uint16_t>(local[0]), static_cast<uint16_t>(local[1]),
            static_cast<uint16_t>(local[2])};
}

Kernel::Block Kernel::argument_block(uint32_t device_local_bytes) const {
    Block block;
    block.bytes = values_;
    const uint64_t dynamic_start =
        (uint64_t{elf_->descriptor.static_local_bytes} + static_local_alignment - 1) /
        static_local_alignment * static_local_alignment;
    uint64_t local_end = dynamic_start;
    for (size_t i = 0; i < visible_.size(); ++i) {
        const ElfArgument &a = *visible_[i];
        if (!is_set_[i])
            raise(BRGPU_ERROR_ARGUMENTS, "brgpu: kernel %s: argument %zu (%s %s) was never set",
                  name(), i, a.type_name.c_str(), a.name.c_str());
        if (a.kind != BRGPU_ARG_LOCAL)
            continue;
        local_end = (local_end + a.alignment - 1) / a.alignment * a.alignment;
        const uint64_t address = BRGPU_LOCAL_BASE + local_end;
        std::memcpy(block.bytes.data() + a.offset, &address, sizeof(address));
        local_end += local_bytes_[i];
    }
    if (local_end > device_local_bytes)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: kernel %s: %llu bytes of local memory, the device has %u a workgroup", name(),
              static_cast<unsigned long long>(local_end), device_local_bytes);
    block.dynamic_local_bytes = static_cast<uint32_t>(local_end - dynamic_start);
    for (const ElfArgument &a : elf_->arguments)
        if (a.kind == BRGPU_ARG_PRINTF)
            block.printf_offset = a.offset;
    return block;
}

} // namespace brgpu::umd
