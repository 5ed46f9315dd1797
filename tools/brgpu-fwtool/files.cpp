// SPDX-License-Identifier: MIT
#include "image.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <sodium.h>

namespace brgpu::fwtool {

Bytes read_file(const std::string &path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        throw Error(fmt::format("{}: {}", path, std::strerror(errno)));
    std::ostringstream text;
    text << in.rdbuf();
    if (in.bad())
        throw Error(fmt::format("{}: reading failed", path));
    const std::string content = std::move(text).str();
    const auto *first = reinterpret_cast<const std::byte *>(content.data());
    return std::vector<std::byte>(first, first + content.size());
}

void write_file(const std::string &path, std::span<const std::byte> bytes, bool secret) {
    const int fd =
        open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, secret ? 0600 : 0666);
    if (fd < 0)
        throw Error(fmt::format("{}: {}", path, std::strerror(errno)));
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = write(fd, bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            const int error = errno;
            close(fd);
            throw Error(fmt::format("{}: {}", path, std::strerror(error)));
        }
        done += static_cast<std::size_t>(count);
    }
    if (close(fd) != 0)
        throw Error(fmt::format("{}: {}", path, std::strerror(errno)));
}

std::array<std::uint8_t, 32> read_key(const std::string &path) {
    const Bytes content = read_file(path);
    std::istringstream lines(
        std::string(reinterpret_cast<const char *>(content.data()), content.size()));
    std::array<std::uint8_t, 32> key{};
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.starts_with('#'))
            continue;
        std::size_t length = 0;
        if (line.size() != 64 ||
            sodium_hex2bin(key.data(), key.size(), line.data(), line.size(), nullptr, &length,
                           nullptr) != 0 ||
            length != key.size())
            throw Error(fmt::format("{}: a key is a line of 64 hexadecimal digits", path));
        return key;
    }
    throw Error(fmt::format("{}: has no key in it", path));
}

void write_key(const std::string &path, const std::array<std::uint8_t, 32> &key,
               const std::string &comment, bool secret) {
    const std::string text = fmt::format("# {}\n{}\n", comment, to_hex(key));
    write_file(path, std::as_bytes(std::span(text)), secret);
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

} // namespace brgpu::fwtool
