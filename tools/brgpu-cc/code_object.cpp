// SPDX-License-Identifier: MIT
#include "code_object.hpp"

#include "brgpu/hw/isa.h"

#include <cstring>
#include <elf.h>
#include <map>

#include <nlohmann/json.hpp>

namespace brgpu::cc {
namespace {

// Copies a T out of the file. Nothing in it is believed, an offset least of all.
template <typename T>
bool read(std::span<const uint8_t> file, uint64_t offset, T &value) {
    if (offset > file.size() || file.size() - offset < sizeof(T))
        return false;
    std::memcpy(&value, file.data() + offset, sizeof(T));
    return true;
}

bool slice(std::span<const uint8_t> file, uint64_t offset, uint64_t size,
           std::span<const uint8_t> &result) {
    if (offset > file.size() || file.size() - offset < size)
        return false;
    result = file.subspan(offset, size);
    return true;
}

bool string_at(std::span<const uint8_t> table, uint64_t offset, std::string &result) {
    if (offset >= table.size())
        return false;
    const auto *begin = reinterpret_cast<const char *>(table.data()) + offset;
    const size_t length = strnlen(begin, table.size() - offset);
    if (length == table.size() - offset)
        return false;
    result.assign(begin, length);
    return true;
}

bool parse_note(std::span<const uint8_t> desc, KernelInfo &info, std::string &error) {
    brgpu_note_kernel header = {};
    if (!read(desc, 0, header) || header.version != BRGPU_NOTE_VERSION ||
        header.struct_bytes != sizeof(header) || header.arg_bytes != sizeof(brgpu_note_arg) ||
        header.arg_count > BRGPU_MAX_KERNEL_ARGS) {
        error = "a kernel note has another version or shape";
        return false;
    }
    std::span<const uint8_t> strings;
    if (!slice(desc, sizeof(header) + size_t{header.arg_count} * sizeof(brgpu_note_arg),
               header.string_bytes, strings) ||
        !string_at(strings, header.name, info.name) ||
        !string_at(strings, header.attributes, info.attributes)) {
        error = "a kernel note is shorter than it says";
        return false;
    }
    info.kernarg_bytes = header.kernarg_bytes;
    for (size_t i = 0; i < 3; i++)
        info.required_workgroup[i] = header.required_workgroup[i];
    for (uint16_t i = 0; i < header.arg_count; i++) {
        brgpu_note_arg note = {};
        KernelArg arg;
        if (!read(desc, sizeof(header) + size_t{i} * sizeof(note), note) ||
            !string_at(strings, note.name, arg.name) ||
            !string_at(strings, note.type_name, arg.type_name) ||
            note.offset > info.kernarg_bytes || info.kernarg_bytes - note.offset < note.size) {
            error = "kernel " + info.name + ": argument " + std::to_string(i) + " is out of range";
            return false;
        }
        arg.kind = note.kind;
        arg.flags = note.flags;
        arg.align = note.align;
        arg.offset = note.offset;
        arg.size = note.size;
        info.args.push_back(arg);
    }
    return true;
}

bool parse_notes(std::span<const uint8_t> notes, CodeObject &object, std::string &error) {
    size_t offset = 0;
    while (offset < notes.size()) {
        Elf64_Nhdr header = {};
        std::span<const uint8_t> name;
        std::span<const uint8_t> desc;
        if (!read(notes, offset, header) ||
            !slice(notes, offset + sizeof(header), header.n_namesz, name) ||
            !slice(notes, offset + sizeof(header) + (uint64_t{header.n_namesz} + 3) / 4 * 4,
                   header.n_descsz, desc)) {
            error = "a note is shorter than it says";
            return false;
        }
        offset += sizeof(header) + (uint64_t{header.n_namesz} + 3) / 4 * 4 +
                  (uint64_t{header.n_descsz} + 3) / 4 * 4;
        if (name.size() != sizeof(BRGPU_NOTE_NAME) ||
            std::memcmp(name.data(), BRGPU_NOTE_NAME, name.size()) != 0 ||
            header.n_type != BRGPU_NOTE_KERNEL)
            continue;
        CodeObjectKernel kernel;
        if (!parse_note(desc, kernel.info, error))
            return false;
        object.kernels.push_back(std::move(kernel));
    }
    return true;
}

// File offset of [address, address + size) of the loaded image.
bool file_offset(const std::vector<Elf64_Phdr> &headers, uint64_t address, uint64_t size,
                 uint64_t &offset) {
    for (const Elf64_Phdr &header : headers)
        if (header.p_type == PT_LOAD && address >= header.p_vaddr &&
            address - header.p_vaddr <= header.p_filesz &&
            header.p_filesz - (address - header.p_vaddr) >= size) {
            offset = header.p_offset + (address - header.p_vaddr);
            return true;
        }
    return false;
}

bool read_descriptor(std::span<const uint8_t> file, const std::vector<Elf64_Phdr> &headers,
                     CodeObjectKernel &kernel, std::string &error) {
    brgpu_kernel_desc desc = {};
    uint64_t offset = 0;
    if (!file_offset(headers, kernel.descriptor_address, sizeof(desc), offset) ||
        !read(file, offset, desc) || desc.magic != BRGPU_KERNEL_DESC_MAGIC) {
        error = "kernel " + kernel.info.name + " has no valid descriptor";
        return false;
    }
    kernel.entry_address = kernel.descriptor_address + static_cast<uint64_t>(desc.entry_offset);
    kernel.info.static_local_bytes = desc.static_local_bytes;
    kernel.info.private_bytes = desc.private_bytes;
    kernel.info.uses_tensor = (desc.flags & BRGPU_KERNEL_USES_TENSOR) != 0;
    return true;
}

const char *kind_name(uint8_t kind) {
    switch (kind) {
    case BRGPU_ARG_VALUE:
        return "value";
    case BRGPU_ARG_GLOBAL:
        return "global";
    case BRGPU_ARG_LOCAL:
        return "local";
    case BRGPU_ARG_PRINTF:
        return "printf";
    default:
        return "unknown";
    }
}

} // namespace

bool parse_code_object(std::span<const uint8_t> file, CodeObject &object, std::string &error) {
    Elf64_Ehdr header = {};
    if (!read(file, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_RISCV || header.e_type != ET_DYN) {
        error = "not a RISC-V shared object of 64 bits";
        return false;
    }
    std::vector<Elf64_Phdr> programs(header.e_phnum);
    for (size_t i = 0; i < programs.size(); i++) {
        if (!read(file, header.e_phoff + i * sizeof(Elf64_Phdr), programs[i])) {
            error = "the program headers are cut off";
            return false;
        }
        if (programs[i].p_type == PT_LOAD)
            object.segments.push_back({programs[i].p_vaddr, programs[i].p_filesz,
                                       programs[i].p_memsz, programs[i].p_flags});
    }
    std::map<std::string, uint64_t> descriptors;
    for (size_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section = {};
        std::span<const uint8_t> contents;
        if (!read(file, header.e_shoff + i * sizeof(section), section)) {
            error = "the section headers are cut off";
            return false;
        }
        if (section.sh_type == SHT_NOBITS || section.sh_size == 0)
            continue;
        if (!slice(file, section.sh_offset, section.sh_size, contents)) {
            error = "section " + std::to_string(i) + " is cut off";
            return false;
        }
        if (section.sh_type == SHT_NOTE && !parse_notes(contents, object, error))
            return false;
        if (section.sh_type != SHT_DYNSYM)
            continue;
        Elf64_Shdr string_section = {};
        std::span<const uint8_t> strings;
        if (section.sh_link >= header.e_shnum ||
            !read(file, header.e_shoff + section.sh_link * sizeof(section), string_section) ||
            !slice(file, string_section.sh_offset, string_section.sh_size, strings)) {
            error = "the symbol table has no strings";
            return false;
        }
        for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= contents.size(); at += sizeof(Elf64_Sym)) {
            Elf64_Sym symbol = {};
            std::string name;
            if (read(contents, at, symbol) && string_at(strings, symbol.st_name, name) &&
                symbol.st_shndx != SHN_UNDEF)
                descriptors[name] = symbol.st_value;
        }
    }
    for (CodeObjectKernel &kernel : object.kernels) {
        const auto found = descriptors.find(kernel.info.name + ".kd");
        if (found == descriptors.end()) {
            error = "kernel " + kernel.info.name + " has no symbol " + kernel.info.name + ".kd";
            return false;
        }
        kernel.descriptor_address = found->second;
        if (!read_descriptor(file, programs, kernel, error))
            return false;
    }
    return true;
}

std::string describe_text(const CodeObject &object) {
    std::string text;
    char line[256];
    for (const CodeObjectSegment &segment : object.segments) {
        std::snprintf(line, sizeof(line), "segment %#10llx %8llu bytes %c%c%c\n",
                      static_cast<unsigned long long>(segment.address),
                      static_cast<unsigned long long>(segment.memory_bytes),
                      (segment.flags & PF_R) != 0 ? 'r' : '-',
                      (segment.flags & PF_W) != 0 ? 'w' : '-',
                      (segment.flags & PF_X) != 0 ? 'x' : '-');
        text += line;
    }
    for (const CodeObjectKernel &kernel : object.kernels) {
        text += "kernel " + kernel.info.name + "\n";
        std::snprintf(line, sizeof(line),
                      "  kernarg %u, local %u, private %u bytes; entry %#llx, descriptor %#llx%s\n",
                      kernel.info.kernarg_bytes, kernel.info.static_local_bytes,
                      kernel.info.private_bytes,
                      static_cast<unsigned long long>(kernel.entry_address),
                      static_cast<unsigned long long>(kernel.descriptor_address),
                      kernel.info.uses_tensor ? "; tensor" : "");
        text += line;
        if (!kernel.info.attributes.empty())
            text += "  " + kernel.info.attributes + "\n";
        for (const KernelArg &arg : kernel.info.args) {
            std::snprintf(line, sizeof(line), "  %5u +%-4u %-6s ", arg.offset, arg.size,
                          kind_name(arg.kind));
            text += line + arg.type_name + " " + arg.name + "\n";
        }
    }
    return text;
}

std::string describe_json(const CodeObject &object) {
    nlohmann::ordered_json root;
    root["kernels"] = nlohmann::ordered_json::array();
    for (const CodeObjectKernel &kernel : object.kernels) {
        nlohmann::ordered_json item;
        item["name"] = kernel.info.name;
        item["attributes"] = kernel.info.attributes;
        item["kernarg_bytes"] = kernel.info.kernarg_bytes;
        item["local_bytes"] = kernel.info.static_local_bytes;
        item["private_bytes"] = kernel.info.private_bytes;
        item["required_workgroup"] = kernel.info.required_workgroup;
        item["tensor"] = kernel.info.uses_tensor;
        item["entry"] = kernel.entry_address;
        item["descriptor"] = kernel.descriptor_address;
        item["args"] = nlohmann::ordered_json::array();
        for (const KernelArg &arg : kernel.info.args)
            item["args"].push_back({{"name", arg.name},
                                    {"type", arg.type_name},
                                    {"kind", kind_name(arg.kind)},
                                    {"offset", arg.offset},
                                    {"size", arg.size},
                                    {"align", arg.align},
                                    {"const", (arg.flags & BRGPU_ARG_CONST) != 0},
                                    {"volatile", (arg.flags & BRGPU_ARG_VOLATILE) != 0},
                                    {"restrict", (arg.flags & BRGPU_ARG_RESTRICT) != 0}});
        root["kernels"].push_back(item);
    }
    root["segments"] = nlohmann::ordered_json::array();
    for (const CodeObjectSegment &segment : object.segments)
        root["segments"].push_back({{"address", segment.address},
                                    {"file_bytes", segment.file_bytes},
                                    {"memory_bytes", segment.memory_bytes},
                                    {"read", (segment.flags & PF_R) != 0},
                                    {"write", (segment.flags & PF_W) != 0},
                                    {"execute", (segment.flags & PF_X) != 0}});
    return root.dump(2) + "\n";
}

} // namespace brgpu::cc
