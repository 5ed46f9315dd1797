// SPDX-License-Identifier: MIT
#include "image.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>

#include <fmt/format.h>
#include <sodium.h>

namespace brgpu::fwtool {
namespace {

template <class T>
T read_at(std::span<const std::byte> bytes, std::uint64_t offset, const std::string &name) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T))
        throw Error(fmt::format("{}: ends within a header", name));
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

} // namespace

PublicKey public_key(const Seed &seed) {
    PublicKey key{};
    std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> secret{};
    crypto_sign_seed_keypair(key.data(), secret.data(), seed.data());
    sodium_memzero(secret.data(), secret.size());
    return key;
}

Program read_program(std::span<const std::byte> elf, const std::string &name) {
    const auto header = read_at<Elf32_Ehdr>(elf, 0, name);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS32 || header.e_machine != EM_RISCV ||
        header.e_type != ET_EXEC || header.e_phentsize != sizeof(Elf32_Phdr))
        throw Error(fmt::format("{}: is no 32-bit RISC-V executable", name));
    Program program;
    program.entry = header.e_entry;
    for (unsigned index = 0; index < header.e_phnum; ++index) {
        const auto segment = read_at<Elf32_Phdr>(
            elf, std::uint64_t{header.e_phoff} + index * sizeof(Elf32_Phdr), name);
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0)
            continue;
        if (!program.payload.empty())
            throw Error(fmt::format("{}: has more than one segment to load", name));
        if (segment.p_filesz == 0 || segment.p_filesz > segment.p_memsz ||
            std::uint64_t{segment.p_offset} + segment.p_filesz > elf.size())
            throw Error(fmt::format("{}: segment {} is malformed", name, index));
        program.load_address = segment.p_vaddr;
        const auto content = elf.subspan(segment.p_offset, segment.p_filesz);
        program.payload.assign(content.begin(), content.end());
        program.payload.resize((program.payload.size() + 3) & ~std::size_t{3});
        const std::uint32_t memory = (segment.p_memsz + 3) & ~3u;
        program.bss_bytes = memory - static_cast<std::uint32_t>(program.payload.size());
    }
    if (program.payload.empty())
        throw Error(fmt::format("{}: has no segment to load", name));
    return program;
}

Bytes sign_image(const Program &program, const Release &release, const Seed &seed) {
    if (release.products.empty() || release.products.size() > BRGPU_FW_MAX_PRODUCTS)
        throw Error(fmt::format("an image is for 1 to {} products, not {}", BRGPU_FW_MAX_PRODUCTS,
                                release.products.size()));
    brgpu_fw_header header{};
    header.magic = BRGPU_FW_MAGIC;
    header.header_version = BRGPU_FW_HEADER_VERSION;
    header.header_bytes = BRGPU_FW_HEADER_BYTES;
    std::copy(release.products.begin(), release.products.end(), header.products);
    header.fw_version = release.fw_version;
    header.contract_major_min = release.contract_major_min;
    header.contract_major_max = release.contract_major_max;
    header.mailbox_min = release.mailbox_min;
    header.mailbox_max = release.mailbox_max;
    header.load_address = program.load_address;
    header.entry = program.entry;
    header.payload_bytes = static_cast<std::uint32_t>(program.payload.size());
    header.bss_bytes = program.bss_bytes;
    header.rollback = release.rollback;
    crypto_hash_sha512(header.payload_hash,
                       reinterpret_cast<const std::uint8_t *>(program.payload.data()),
                       program.payload.size());
    const std::string build_id = release.build_id.empty()
                                     ? to_hex(std::span(header.payload_hash).first(8))
                                     : release.build_id;
    if (build_id.size() > sizeof header.build_id)
        throw Error(fmt::format("build id '{}' is longer than {} characters", build_id,
                                sizeof header.build_id));
    build_id.copy(header.build_id, sizeof header.build_id);

    PublicKey key{};
    std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> secret{};
    crypto_sign_seed_keypair(key.data(), secret.data(), seed.data());
    std::array<std::uint8_t, crypto_hash_sha512_BYTES> key_hash{};
    crypto_hash_sha512(key_hash.data(), key.data(), key.size());
    std::copy_n(key_hash.begin(), sizeof header.key_id, header.key_id);
    std::array<std::uint8_t, BRGPU_FW_SIGNED_BYTES> message{};
    std::memcpy(message.data(), &header, message.size());
    crypto_sign_detached(header.signature, nullptr, message.data(), message.size(), secret.data());
    sodium_memzero(secret.data(), secret.size());

    Bytes image(sizeof header + program.payload.size());
    std::memcpy(image.data(), &header, sizeof header);
    std::memcpy(image.data() + sizeof header, program.payload.data(), program.payload.size());
    return image;
}

brgpu_fw_header read_header(std::span<const std::byte> image, const std::string &name) {
    const auto header = read_at<brgpu_fw_header>(image, 0, name);
    if (header.magic != BRGPU_FW_MAGIC)
        throw Error(fmt::format("{}: is no firmware image: magic is {:#010x}, not {:#010x}", name,
                                header.magic, BRGPU_FW_MAGIC));
    return header;
}

} // namespace brgpu::fwtool
