// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace brgpu::guest {

/// Writes a cpio archive in the "newc" form that the kernel unpacks as its initramfs. Archives may
/// be put one after the other.
class CpioWriter {
  public:
    void folder(std::string_view path);
    void file(std::string_view path, std::string_view content, std::uint32_t mode);
    void link(std::string_view path, std::string_view target);
    void character_device(std::string_view path, std::uint32_t major, std::uint32_t minor);

    /// Ends the archive and returns it.
    std::string finish();

  private:
    void entry(std::string_view path, std::uint32_t mode, std::string_view content,
               std::uint32_t major = 0, std::uint32_t minor = 0);

    std::string archive_;
    std::uint32_t next_inode_ = 1;
};

} // namespace brgpu::guest
