// SPDX-License-Identifier: MIT
#include "boot_rom.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>
#include <sodium.h>

#include <brgpu/hw/controller.h>

namespace brgpu::controller {
namespace {

static_assert(sizeof(brgpu_fw_header::signature) == crypto_sign_BYTES);
static_assert(sizeof(brgpu_fw_header::payload_hash) == crypto_hash_sha512_BYTES);
static_assert(sizeof(PublicKey) == crypto_sign_PUBLICKEYBYTES);

template <class Array>
bool all_zero(const Array &bytes) {
    return std::all_of(std::begin(bytes), std::end(bytes), [](auto b) { return b == 0; });
}

/// Printable characters, then zeros only.
bool is_build_id(std::span<const char> id) {
    const auto end = std::find(id.begin(), id.end(), '\0');
    return std::all_of(id.begin(), end, [](char c) { return c >= ' ' && c <= '~'; }) &&
           std::all_of(end, id.end(), [](char c) { return c == '\0'; });
}

bool in_bounds(const brgpu_fw_header &h) {
    // 64 bits: no sum of 32-bit fields can wrap.
    const std::uint64_t start = h.load_address;
    const std::uint64_t payload_end = start + h.payload_bytes;
    const std::uint64_t end = payload_end + h.bss_bytes;
    return h.load_address % 16 == 0 && h.payload_bytes % 4 == 0 && h.bss_bytes % 4 == 0 &&
           h.payload_bytes >= 4 && start >= BRGPU_CTL_SRAM &&
           end <= std::uint64_t{BRGPU_CTL_SRAM} + BRGPU_CTL_SRAM_BYTES && h.entry % 2 == 0 &&
           h.entry >= start && h.entry < payload_end;
}

/// All checks that need no more than the header; sets error and reason of the first that fails.
void check_header(const BootCard &card, BootResult &result) {
    const brgpu_fw_header &h = result.header;
    const auto refuse = [&result](brgpu_boot_error error, std::string reason) {
        result.error = error;
        result.reason = std::move(reason);
    };
    if (h.magic != BRGPU_FW_MAGIC)
        return refuse(BRGPU_BOOT_MAGIC, fmt::format("magic is {:#010x}", h.magic));
    if (h.header_version != BRGPU_FW_HEADER_VERSION || h.header_bytes != BRGPU_FW_HEADER_BYTES)
        return refuse(BRGPU_BOOT_HEADER_VERSION, fmt::format("header version {} of {} bytes",
                                                             h.header_version, h.header_bytes));
    if (h.flags != 0 || !all_zero(h.reserved) || !is_build_id(h.build_id))
        return refuse(BRGPU_BOOT_RESERVED, "reserved fields are not zero");
    if (card.product == 0 || std::find(std::begin(h.products), std::end(h.products),
                                       card.product) == std::end(h.products))
        return refuse(BRGPU_BOOT_PRODUCT, fmt::format("not for product {:#06x}", card.product));
    const std::uint32_t contract_major = card.contract >> 16;
    if (contract_major < h.contract_major_min || contract_major > h.contract_major_max)
        return refuse(BRGPU_BOOT_CONTRACT,
                      fmt::format("for contract {} to {}, the card has {}", h.contract_major_min,
                                  h.contract_major_max, contract_major));
    if (BRGPU_MBOX_VERSION_MAJOR(h.mailbox_min) == 0 || h.mailbox_min > h.mailbox_max)
        return refuse(BRGPU_BOOT_MAILBOX,
                      fmt::format("mailbox range {:#x} to {:#x}", h.mailbox_min, h.mailbox_max));
    if (!in_bounds(h))
        return refuse(BRGPU_BOOT_BOUNDS,
                      fmt::format("{} + {} bytes at {:#x} with entry {:#x} do not fit SRAM",
                                  h.payload_bytes, h.bss_bytes, h.load_address, h.entry));
    std::array<std::uint8_t, crypto_hash_sha512_BYTES> key_hash{};
    crypto_hash_sha512(key_hash.data(), card.fused_key.data(), card.fused_key.size());
    if (!std::equal(std::begin(h.key_id), std::end(h.key_id), key_hash.begin()))
        return refuse(BRGPU_BOOT_KEY, "signed with another key than the fused one");
    std::array<std::uint8_t, BRGPU_FW_SIGNED_BYTES> message{};
    std::memcpy(message.data(), &h, message.size());
    if (crypto_sign_verify_detached(h.signature, message.data(), message.size(),
                                    card.fused_key.data()) != 0)
        return refuse(BRGPU_BOOT_SIGNATURE, "the signature does not verify");
}

} // namespace

BootResult check_image(const BootCard &card, std::uint64_t address, std::uint32_t bytes,
                       const ImageReader &read, bool corrupt) {
    BootResult result;
    const auto refuse = [&result](brgpu_boot_error error, std::string reason) {
        result.error = error;
        result.reason = std::move(reason);
        return result;
    };
    if (address % BRGPU_FW_ALIGN != 0)
        return refuse(BRGPU_BOOT_UNREADABLE, fmt::format("address {:#x} is misaligned", address));
    const std::uint32_t probe = std::min<std::uint32_t>(bytes, BRGPU_FW_HEADER_BYTES);
    std::array<std::byte, BRGPU_FW_HEADER_BYTES> header{};
    if (probe != 0 && !read(0, std::span(header).first(probe)))
        return refuse(BRGPU_BOOT_UNREADABLE, fmt::format("nothing answers at {:#x}", address));
    if (bytes < BRGPU_FW_HEADER_BYTES)
        return refuse(BRGPU_BOOT_TRUNCATED, fmt::format("{} bytes are less than a header", bytes));
    std::memcpy(&result.header, header.data(), sizeof result.header);
    check_header(card, result);
    if (result.error != BRGPU_BOOT_OK)
        return result;

    const brgpu_fw_header &h = result.header;
    if (bytes - BRGPU_FW_HEADER_BYTES < h.payload_bytes)
        return refuse(BRGPU_BOOT_TRUNCATED, fmt::format("{} bytes, the header says {}", bytes,
                                                        BRGPU_FW_HEADER_BYTES + h.payload_bytes));
    std::vector<std::byte> payload(h.payload_bytes);
    if (!read(BRGPU_FW_HEADER_BYTES, payload))
        return refuse(BRGPU_BOOT_UNREADABLE,
                      fmt::format("nothing answers behind the header at {:#x}", address));
    if (corrupt)
        payload[payload.size() / 2] ^= std::byte{1};
    std::array<std::uint8_t, crypto_hash_sha512_BYTES> hash{};
    crypto_hash_sha512(hash.data(), reinterpret_cast<const std::uint8_t *>(payload.data()),
                       payload.size());
    if (sodium_memcmp(hash.data(), h.payload_hash, hash.size()) != 0)
        return refuse(BRGPU_BOOT_HASH, "the payload is not the one that was signed");
    if (h.rollback < card.rollback)
        return refuse(BRGPU_BOOT_ROLLBACK, fmt::format("rollback counter {}, at least {} is needed",
                                                       h.rollback, card.rollback));
    result.payload = std::move(payload);
    return result;
}

} // namespace brgpu::controller
