// SPDX-License-Identifier: MIT
//
// Number formats of the tensor unit, as bits.
#ifndef BRGPU_SIMT_TENSOR_FORMATS_HPP
#define BRGPU_SIMT_TENSOR_FORMATS_HPP

#include <bit>
#include <cstdint>

namespace brgpu::simt {
namespace { // used by translation units that are compiled for different hosts

constexpr uint32_t nan_single = 0x7fc00000u;

[[maybe_unused]] constexpr bool is_nan(uint32_t single) {
    return (single & 0x7fffffffu) > 0x7f800000u;
}

[[maybe_unused]] constexpr uint32_t round_to_tf32(uint32_t bits) {
    // Infinity has no bits that could carry.
    const uint32_t rounded = (bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu;
    return is_nan(bits) ? nan_single : rounded;
}

// Exact. A subnormal is a small integer, which the host converts.
[[maybe_unused]] constexpr uint32_t f16_to_f32(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
    const uint32_t normal = (exponent + 112) << 23 | fraction << 13;
    const uint32_t special = fraction ? nan_single : 0x7f800000u;
    const auto tiny = std::bit_cast<uint32_t>(static_cast<float>(fraction) * 0x1p-24f);
    const uint32_t magnitude = exponent == 31 ? special : exponent == 0 ? tiny : normal;
    return magnitude == nan_single ? nan_single : sign | magnitude;
}

[[maybe_unused]] constexpr uint16_t f32_to_bf16(uint32_t bits) {
    if (is_nan(bits))
        return nan_single >> 16;
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

} // namespace
} // namespace brgpu::simt

#endif
