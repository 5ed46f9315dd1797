// SPDX-License-Identifier: MIT
#include "elf_notes.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>

#include "error.hpp"

namespace brgpu::umd {

namespace {

constexpr size_t most_kernels = 4096;

template <typename Type>
Type take(std::span<const std::byte> &from, const char *what) {
    if (from.size() < sizeof(Type))
        raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: truncated %s in a kernel note", what);
    Type value;
    std::memcpy(&value, from.data(), sizeof(value));
    from = from.subspan(sizeof(value));
    return value;
}

std::string string_at(std::span<const std::byte> strings, uint32_t offset) {
    if (offset >= strings.size())
        raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: kernel note: string beyond its table");
    const auto *start = reinterpret_cast<const char *>(strings.data()) + offset;
    const size_t most = strings.size() - offset;
    const size_t length = strnlen(start, most);
    if (length == most)
        raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: kernel note: string without end");
    return {start, length};
}

ElfArgument argument(const brgpu_note_arg &note, std::span<const std::byte> strings,
                     const std::string &kernel, uint32_t kernarg_bytes) {
    ElfArgument a;
    a.kind = static_cast<brgpu_arg_kind>(note.kind);
    a.flags = note.flags;
    a.alignment = note.align ? note.align : 1;
    a.offset = note.offset;
    a.size = note.size;
    a.name = string_at(strings, note.name);
    a.type_name = string_at(strings, note.type_name);
    if (note.kind > BRGPU_ARG_PRINTF || note.pad || (a.alignment & (a.alignment - 1)))
        raise(BRGPU_ERROR_CODE_OBJECT,
              "brgpu: code object: kernel %s: argument %s has kind %u, alignment %u",
              kernel.c_str(), a.name.c_str(), note.kind, a.alignment);
    if (a.kind != BRGPU_ARG_VALUE && a.size != 8)
        raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: kernel %s: address %s has %u bytes",
              kernel.c_str(), a.name.c_str(), a.size);
    if (a.size == 0 || a.offset > kernarg_bytes || kernarg_bytes - a.offset < a.size)
        raise(
            BRGPU_ERROR_CODE_OBJECT,
            "brgpu: code object: kernel %s: argument %s at %u, %u bytes, is beyond the block's %u",
            kernel.c_str(), a.name.c_str(), a.offset, a.size, kernarg_bytes);
    return a;
}

ElfKernel kernel_note(std::span<const std::byte> descriptor) {
    const auto note = take<brgpu_note_kernel>(descriptor, "head");
    if (note.version != BRGPU_NOTE_VERSION || note.struct_bytes != sizeof(brgpu_note_kernel) ||
        note.arg_bytes != sizeof(brgpu_note_arg) || note.pad)
        raise(BRGPU_ERROR_CODE_OBJECT,
              "brgpu: code object: kernel note of version %u; this library knows %u", note.version,
              BRGPU_NOTE_VERSION);
    if (note.arg_count > BRGPU_MAX_KERNEL_ARGS || note.kernarg_bytes > BRGPU_MAX_KERNARG_BYTES)
        raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: a kernel with %u arguments in %u bytes",
              note.arg_count, note.kernarg_bytes);
    const size_t argument_bytes = size_t{note.arg_count} * sizeof(brgpu_note_arg);
    if (descriptor.size() < argument_bytes ||
        descriptor.size() - argument_bytes < note.string_bytes)
        raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: truncated kernel note");
    const auto strings = descriptor.subspan(argument_bytes, note.string_bytes);

    ElfKernel kernel = {};
    kernel.name = string_at(strings, note.name);
    kernel.attributes = string_at(strings, note.attributes);
    if (kernel.name.empty())
        raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: a kernel without name");
    for (unsigned i = 0; i < note.arg_count; ++i) {
        ElfArgument a = argument(take<brgpu_note_arg>(descriptor, "argument"), strings, kernel.name,
                                 note.kernarg_bytes);
        for (const ElfArgument &other : kernel.arguments)
            if (a.offset < other.offset + other.size && other.offset < a.offset + a.size)
                raise(BRGPU_ERROR_CODE_OBJECT,
                      "brgpu: code object: kernel %s: arguments %s and %s overlap",
                      kernel.name.c_str(), other.name.c_str(), a.name.c_str());
        kernel.arguments.push_back(std::move(a));
    }
    return kernel;
}

size_t padded(uint32_t size) {
    return (size_t{size} + 3) & ~size_t{3};
}

} // namespace

void parse_kernel_notes(std::span<const std::byte> section, std::vector<ElfKernel> &kernels) {
    while (!section.empty()) {
        const auto head = take<Elf64_Nhdr>(section, "note header");
        const size_t name_bytes = padded(head.n_namesz), descriptor_bytes = padded(head.n_descsz);
        if (name_bytes > section.size() || head.n_descsz > section.size() - name_bytes)
            raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: a note beyond its section");
        const bool ours = head.n_namesz == sizeof(BRGPU_NOTE_NAME) &&
                          !std::memcmp(section.data(), BRGPU_NOTE_NAME, sizeof(BRGPU_NOTE_NAME)) &&
                          head.n_type == BRGPU_NOTE_KERNEL;
        const auto descriptor = section.subspan(name_bytes, head.n_descsz);
        if (ours) {
            ElfKernel kernel = kernel_note(descriptor);
            for (const ElfKernel &other : kernels)
                if (other.name == kernel.name)
                    raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: kernel %s twice",
                          kernel.name.c_str());
            if (kernels.size() == most_kernels)
                raise(BRGPU_ERROR_CODE_OBJECT, "brgpu: code object: more than %zu kernels",
                      most_kernels);
            kernels.push_back(std::move(kernel));
        }
        section = section.subspan(std::min(name_bytes + descriptor_bytes, section.size()));
    }
}

} // namespace brgpu::umd
