// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <brgpu/hw/firmware.h>

namespace brgpu::fwtool {

/// A problem with what the user gave; its text says what, where, and what was found.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

using Bytes = std::vector<std::byte>;
using Seed = std::array<std::uint8_t, 32>;
using PublicKey = std::array<std::uint8_t, 32>;

Bytes read_file(const std::string &path);
void write_file(const std::string &path, std::span<const std::byte> bytes, bool secret = false);

/// Key files: a line of 64 hexadecimal digits; lines that start with # are comments.
std::array<std::uint8_t, 32> read_key(const std::string &path);
void write_key(const std::string &path, const std::array<std::uint8_t, 32> &key,
               const std::string &comment, bool secret);
PublicKey public_key(const Seed &seed);

/// What an ELF executable for the controller loads: one segment.
struct Program {
    std::uint32_t load_address = 0;
    std::uint32_t entry = 0;
    std::uint32_t bss_bytes = 0;
    Bytes payload;
};
Program read_program(std::span<const std::byte> elf, const std::string &name);

/// Fields of the header that the program does not say.
struct Release {
    std::vector<std::uint16_t> products;
    std::uint32_t fw_version = 0;
    std::uint16_t contract_major_min = 0;
    std::uint16_t contract_major_max = 0;
    std::uint32_t mailbox_min = 0;
    std::uint32_t mailbox_max = 0;
    std::uint32_t rollback = 0;
    std::string build_id; ///< empty: made from the payload's hash
};
Bytes sign_image(const Program &program, const Release &release, const Seed &seed);

/// The header of an image that is long enough to have one, whatever it says.
brgpu_fw_header read_header(std::span<const std::byte> image, const std::string &name);

std::string to_hex(std::span<const std::uint8_t> bytes);

} // namespace brgpu::fwtool
