// SPDX-License-Identifier: MIT
//
// Faults and queue errors in words.
#ifndef BRGPU_UMD_FAULT_TEXT_HPP
#define BRGPU_UMD_FAULT_TEXT_HPP

#include <string>

#include "brgpu/brgpu.h"
#include "drm/brgpu_drm.h"

namespace brgpu::umd {

class Vm;

brgpu_fault_info fault_info(const drm_brgpu_fault &fault) noexcept;
// vm may be null: then nothing is said about what is mapped near the address.
std::string fault_text(const brgpu_fault_info &fault, Vm *vm);
std::string queue_error_text(uint32_t queue_id, uint32_t state, uint32_t error,
                             const brgpu_fault_info &fault, Vm *vm);

} // namespace brgpu::umd

#endif // BRGPU_UMD_FAULT_TEXT_HPP
