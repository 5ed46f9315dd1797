// SPDX-License-Identifier: MIT
#include "fake_host.hpp"

#include <sodium.h>

#include <brgpu-fwtool/image.hpp>

namespace brgpu::test {

std::vector<std::byte> built_image(const std::string &product) {
    return fwtool::read_file(std::string(BRGPU_FIRMWARE_DIR) + "/" + product + ".fw");
}

void sign(brgpu_fw_header &header, std::span<const std::byte> payload) {
    const fwtool::Seed seed = fwtool::read_key(BRGPU_DEVELOPMENT_KEY);
    std::uint8_t public_key[32];
    std::uint8_t secret[64];
    crypto_sign_seed_keypair(public_key, secret, seed.data());
    crypto_hash_sha512(header.payload_hash, reinterpret_cast<const std::uint8_t *>(payload.data()),
                       payload.size());
    crypto_sign_detached(header.signature, nullptr, reinterpret_cast<const std::uint8_t *>(&header),
                         BRGPU_FW_SIGNED_BYTES, secret);
}

std::vector<std::byte> resigned(std::vector<std::byte> image,
                                const std::function<void(brgpu_fw_header &)> &change) {
    brgpu_fw_header header;
    std::memcpy(&header, image.data(), sizeof header);
    change(header);
    sign(header, std::span(image).subspan(sizeof header));
    std::memcpy(image.data(), &header, sizeof header);
    return image;
}

std::vector<std::byte> image_of(const std::vector<std::uint32_t> &code) {
    fwtool::Program program;
    program.load_address = program.entry = BRGPU_CTL_SRAM;
    const auto bytes = std::as_bytes(std::span(code));
    program.payload.assign(bytes.begin(), bytes.end());
    fwtool::Release release;
    release.products = {BRGPU_PRODUCT_BR106};
    release.contract_major_min = release.contract_major_max = BRGPU_CONTRACT_MAJOR;
    release.mailbox_min = release.mailbox_max = BRGPU_MBOX_VERSION_CURRENT;
    return fwtool::sign_image(program, release, fwtool::read_key(BRGPU_DEVELOPMENT_KEY));
}

} // namespace brgpu::test
