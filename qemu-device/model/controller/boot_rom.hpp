// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <brgpu/hw/firmware.h>

#include "controller.hpp"

namespace brgpu::controller {

/// Reads [offset, offset + out.size()) of the image; false where memory does not answer.
using ImageReader = std::function<bool(std::uint64_t offset, std::span<std::byte> out)>;

struct BootCard {
    std::uint16_t product;
    std::uint32_t contract;
    PublicKey fused_key;
    std::uint32_t rollback; ///< lowest counter accepted
};

struct BootResult {
    brgpu_boot_error error = BRGPU_BOOT_OK;
    std::string reason; ///< for the log, when refused
    brgpu_fw_header header{};
    std::vector<std::byte> payload; ///< when accepted
};

/// The boot ROM's checks, in the order of enum brgpu_boot_error. Header and payload are each read
/// once; `corrupt` flips a bit of the payload on its way (a fault on demand).
BootResult check_image(const BootCard &card, std::uint64_t address, std::uint32_t bytes,
                       const ImageReader &read, bool corrupt = false);

} // namespace brgpu::controller
