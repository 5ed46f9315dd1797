// SPDX-License-Identifier: MIT
//
// Kernel metadata: the notes of section .note.brgpu (brgpu/code_object.h).
#ifndef BRGPU_UMD_ELF_NOTES_HPP
#define BRGPU_UMD_ELF_NOTES_HPP

#include <cstddef>
#include <span>
#include <vector>

#include "elf_image.hpp"

namespace brgpu::umd {

// Appends the kernels that the section describes, without their descriptors. Throws Error
// (BRGPU_ERROR_CODE_OBJECT).
void parse_kernel_notes(std::span<const std::byte> section, std::vector<ElfKernel> &kernels);

} // namespace brgpu::umd

#endif // BRGPU_UMD_ELF_NOTES_HPP
