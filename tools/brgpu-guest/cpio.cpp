// SPDX-License-Identifier: MIT
#include "cpio.hpp"

#include <cstdio>
#include <stdexcept>
#include <sys/stat.h>

namespace brgpu::guest {

void CpioWriter::entry(std::string_view path, std::uint32_t mode, std::string_view content,
                       std::uint32_t major, std::uint32_t minor) {
    if (content.size() > UINT32_MAX)
        throw std::runtime_error("a file of the initramfs is larger than 4 GiB");
    // newc: magic, then 13 fields of eight hexadecimal digits: inode, mode, uid, gid, links, mtime,
    // size, device (2), special device (2), length of the name with its NUL, check (0).
    char header[6 + 13 * 8 + 1];
    std::snprintf(header, sizeof header,
                  "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", next_inode_++, mode,
                  0u, 0u, 1u, 0u, static_cast<std::uint32_t>(content.size()), 0u, 0u, major, minor,
                  static_cast<std::uint32_t>(path.size() + 1), 0u);
    const auto pad = [this] { archive_.resize((archive_.size() + 3) / 4 * 4, '\0'); };
    archive_.append(header, sizeof header - 1);
    archive_.append(path);
    archive_.push_back('\0');
    pad();
    archive_.append(content);
    pad();
}

void CpioWriter::folder(std::string_view path) {
    entry(path, S_IFDIR | 0755, {});
}

void CpioWriter::file(std::string_view path, std::string_view content, std::uint32_t mode) {
    entry(path, S_IFREG | mode, content);
}

void CpioWriter::link(std::string_view path, std::string_view target) {
    entry(path, S_IFLNK | 0777, target);
}

void CpioWriter::character_device(std::string_view path, std::uint32_t major, std::uint32_t minor) {
    entry(path, S_IFCHR | 0600, {}, major, minor);
}

std::string CpioWriter::finish() {
    entry("TRAILER!!!", 0, {});
    return std::move(archive_);
}

} // namespace brgpu::guest
