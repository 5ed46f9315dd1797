// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace brgpu::controller {

/// The 32-bit instruction that a 16-bit one of RV32C (without F and D) stands for; 0, which is no
/// instruction, where it stands for none. The low two bits of `parcel` are not 3.
std::uint32_t expand_compressed(std::uint16_t parcel);

} // namespace brgpu::controller
