// SPDX-License-Identifier: MIT
//
// Any bytes as an image: the boot ROM and the driver's own check must both survive, must agree on
// what is wrong with a header, and nothing without the signature may start.
#include <cstdlib>

#include <brgpu_core_fw.h>
#include <controller/boot_rom.hpp>

#include "fake_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace brgpu;
    const auto read = [&](std::uint64_t offset, std::span<std::byte> out) {
        if (offset > size || size - offset < out.size())
            return false;
        std::memcpy(out.data(), data + offset, out.size());
        return true;
    };
    const controller::BootCard card{BRGPU_PRODUCT_BR106, BRGPU_CONTRACT_MAJOR << 16,
                                    controller::development_key, 0};
    const controller::BootResult result =
        controller::check_image(card, 0, static_cast<std::uint32_t>(size), read);

    const brgpu_core_fw_card wanted{card.product, card.contract, card.rollback, 0, UINT32_MAX};
    brgpu_core_fw_info info;
    const char *why = nullptr;
    const int error = brgpu_core_fw_check(&info, data, size, &wanted, &why);

    // The driver can't see what needs the key; for all else the two must say the same.
    switch (result.error) {
    case BRGPU_BOOT_OK:
    case BRGPU_BOOT_HASH:
        if (error != 0)
            std::abort();
        break;
    case BRGPU_BOOT_KEY:
    case BRGPU_BOOT_SIGNATURE:
        if (error != 0 && error != -EBADMSG) // truncated payloads are found later by the ROM
            std::abort();
        break;
    default:
        if (error == 0)
            std::abort();
    }
    return 0;
}
