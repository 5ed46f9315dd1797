// SPDX-License-Identifier: MIT
//
// A code object in a VM: checked, copied, relocated, mapped with the rights of its segments.
#ifndef BRGPU_UMD_CODE_OBJECT_HPP
#define BRGPU_UMD_CODE_OBJECT_HPP

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "elf_image.hpp"
#include "vm.hpp"

namespace brgpu::umd {

class CodeObject {
  public:
    static std::shared_ptr<CodeObject> load(std::shared_ptr<Vm> vm,
                                            std::span<const std::byte> file);
    ~CodeObject();

    Vm &vm() noexcept { return *vm_; }
    uint64_t base() const noexcept { return base_; }
    const ElfImage &image() const noexcept { return image_; }
    // Null when there is none.
    const ElfKernel *kernel(const std::string &name) const noexcept;

  private:
    CodeObject(std::shared_ptr<Vm> vm, ElfImage image)
        : vm_(std::move(vm)), image_(std::move(image)) {}
    void place(std::span<const std::byte> file);

    std::shared_ptr<Vm> vm_;
    ElfImage image_;
    std::shared_ptr<Memory> memory_;
    uint64_t base_ = 0; // 0: nothing reserved yet
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_CODE_OBJECT_HPP
