// SPDX-License-Identifier: MIT
//
// A kernel for the guest: its image and its modules.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace brgpu::guest {

struct GuestKernel {
    std::string name;                   ///< as the user knows it
    std::filesystem::path image;        ///< what QEMU boots
    std::string release;                ///< uname -r
    std::filesystem::path modules;      ///< folder with modules.dep; empty: everything is built in
    std::filesystem::path modules_root; ///< `modprobe -d` of it; empty where there is none

    /// Folder below which fetched kernels, initramfs images and probe results are kept.
    static std::filesystem::path cache_folder();

    /// `which` is a name in the cache (tools/setup/kernels.txt), a folder in the form of a cached
    /// one, or a kernel image, whose modules are looked for beside it and in /lib/modules.
    /// `modules`, where not empty, says where they are. Throws std::runtime_error that says what to
    /// do.
    static GuestKernel find(const std::string &which, const std::filesystem::path &modules);

    /// Files (absolute) of the named modules and of what they need, in loading order.
    std::vector<std::filesystem::path> closure(const std::vector<std::string> &names) const;
};

/// Kernel release in a bzImage's header; empty where the bytes are no bzImage.
std::string bzimage_release(std::string_view image);

} // namespace brgpu::guest
