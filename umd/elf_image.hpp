// SPDX-License-Identifier: MIT
//
// Reads a code object (brgpu/code_object.h) and believes nothing of it. The result holds only what
// was checked: the loader copies bytes and adds a base to it, and decides nothing.
#ifndef BRGPU_UMD_ELF_IMAGE_HPP
#define BRGPU_UMD_ELF_IMAGE_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "brgpu/code_object.h"
#include "brgpu/hw/isa.h"

namespace brgpu::umd {

struct ElfSegment {
    uint64_t address; // of the first byte, relative to the base
    uint64_t memory_bytes;
    uint64_t file_offset;
    uint64_t file_bytes; // the rest is zero
    bool read, write, execute;
};

struct ElfRelocation {
    uint64_t address; // of the 64-bit word, within one segment's memory
    uint64_t value;   // the base is added to it
};

struct ElfSymbol {
    uint64_t address;
    uint64_t size;
};

struct ElfArgument {
    brgpu_arg_kind kind;
    uint32_t flags;
    uint32_t alignment;
    uint32_t offset;
    uint32_t size;
    std::string name;
    std::string type_name;
};

struct ElfKernel {
    std::string name;
    std::string attributes;
    uint64_t descriptor_address;
    brgpu_kernel_desc descriptor;
    std::vector<ElfArgument> arguments; // PRINTF included
};

struct ElfImage {
    std::vector<ElfSegment> segments; // by address, no two on one page
    uint64_t span_bytes = 0;          // from address 0 to behind the last
    std::vector<ElfRelocation> relocations;
    std::map<std::string, ElfSymbol> symbols; // global, defined
    std::vector<ElfKernel> kernels;
};

// Throws Error (BRGPU_ERROR_CODE_OBJECT) with the first thing that is wrong.
ElfImage parse_elf(std::span<const std::byte> file);

} // namespace brgpu::umd

#endif // BRGPU_UMD_ELF_IMAGE_HPP
