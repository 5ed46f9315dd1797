// SPDX-License-Identifier: MIT
//
// A kernel of a code object with a set of argument values. One thread at a time, as the C API says.
#ifndef BRGPU_UMD_KERNEL_HPP
#define BRGPU_UMD_KERNEL_HPP

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "code_object.hpp"

namespace brgpu::umd {

class Kernel {
  public:
    Kernel(std::shared_ptr<CodeObject> code, const std::string &name);

    Vm &vm() noexcept { return code_->vm(); }
    const std::shared_ptr<CodeObject> &code() const noexcept { return code_; }
    const char *name() const noexcept { return elf_->name.c_str(); }
    uint64_t descriptor() const noexcept { return code_->base() + elf_->descriptor_address; }
    brgpu_kernel_properties properties() const;
    brgpu_argument_info argument_info(uint32_t index) const;

    void set_value(uint32_t index, const void *value, size_t size);
    void set_address(uint32_t index, uint64_t address);
    void set_local(uint32_t index, uint64_t bytes);

    // The workgroup of a launch, chosen where the caller leaves it open; throws when it doesn't
    // fit.
    std::array<uint16_t, 3> workgroup(const brgpu_dispatch_info &info,
                                      uint32_t device_max_workgroup) const;

    struct Block {
        std::vector<std::byte> bytes;
        uint32_t dynamic_local_bytes = 0;
        std::optional<uint32_t> printf_offset; // where the printf ring's address goes
    };
    // The argument block as the kernel gets it; throws when a value is missing.
    Block argument_block(uint32_t device_local_bytes) const;

  private:
    // Throws unless it exists and is of that kind.
    const ElfArgument &argument(uint32_t index, brgpu_arg_kind kind);

    std::shared_ptr<CodeObject> code_;
    const ElfKernel *elf_;                     // in code_
    std::vector<const ElfArgument *> visible_; // those that the caller sets
    std::vector<std::byte> values_;
    std::vector<uint64_t> local_bytes_; // by index; of LOCAL arguments
    std::vector<bool> is_set_;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_KERNEL_HPP
