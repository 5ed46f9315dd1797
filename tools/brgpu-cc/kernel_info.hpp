// SPDX-License-Identifier: MIT
//
// What brgpu-cc knows of a kernel while it compiles it.
#ifndef BRGPU_CC_KERNEL_INFO_HPP
#define BRGPU_CC_KERNEL_INFO_HPP

#include "brgpu/code_object.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace brgpu::cc {

struct KernelArg {
    uint8_t kind = BRGPU_ARG_VALUE; // enum brgpu_arg_kind
    uint8_t flags = 0;
    uint16_t align = 1;
    uint32_t offset = 0;
    uint32_t size = 0;
    std::string name;
    std::string type_name;
};

struct KernelInfo {
    std::string name;
    std::string entry; // symbol of the entry function
    std::string attributes;
    std::vector<KernelArg> args;
    uint32_t kernarg_bytes = 0;
    std::array<uint16_t, 3> required_workgroup = {0, 0, 0};
    uint32_t static_local_bytes = 0;
    uint32_t private_bytes = 0;
    bool uses_tensor = false;
};

} // namespace brgpu::cc

#endif
