// SPDX-License-Identifier: MIT
//
// Reads the kernels of a code object back, for --dump and --json, and checks it against the
// contract of brgpu/code_object.h on the way.
#ifndef BRGPU_CC_CODE_OBJECT_HPP
#define BRGPU_CC_CODE_OBJECT_HPP

#include "kernel_info.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace brgpu::cc {

struct CodeObjectKernel {
    KernelInfo info;
    uint64_t descriptor_address = 0; // relative to the load address
    uint64_t entry_address = 0;
};

struct CodeObjectSegment {
    uint64_t address = 0;
    uint64_t file_bytes = 0;
    uint64_t memory_bytes = 0;
    uint32_t flags = 0; // PF_*
};

struct CodeObject {
    std::vector<CodeObjectKernel> kernels;
    std::vector<CodeObjectSegment> segments;
};

// Parses a file's bytes. On failure returns false with the reason in `error`.
bool parse_code_object(std::span<const uint8_t> file, CodeObject &object, std::string &error);

std::string describe_text(const CodeObject &object);
std::string describe_json(const CodeObject &object);

} // namespace brgpu::cc

#endif
