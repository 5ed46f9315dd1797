// SPDX-License-Identifier: MIT
#pragma once

#include "guest_kernel.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace brgpu::guest {

/// What the init script is told for one run.
struct InitConfig {
    std::filesystem::path agent;               ///< program to hand over to, a path of the host
    bool host_root = true;                     ///< false: the initramfs is all that there is
    std::filesystem::path directory = "/";     ///< where the command starts
    std::filesystem::path firmware;            ///< folder that the kernel searches for firmware
    std::vector<std::filesystem::path> shares; ///< mounted writable at the same path

    std::string to_shell() const;
};

/// The part that depends only on the kernel: busybox, the init script, and the modules `names` with
/// what they need, unpacked. Kept in the kernel's cache folder where that can be written.
/// Throws std::runtime_error.
std::string base_initramfs(const GuestKernel &kernel, const std::vector<std::string> &names);

/// base_initramfs() with the configuration after it.
std::string run_initramfs(const GuestKernel &kernel, const std::vector<std::string> &names,
                          const InitConfig &config);

/// Files of the host, under their names, for a guest without the host's root: folders with all that
/// is in them, programs with the libraries that they need. Throws std::runtime_error.
std::string files_initramfs(const std::vector<std::filesystem::path> &files);

/// Boots, writes `message` to the console and powers off.
std::string probe_initramfs(std::string_view message);

} // namespace brgpu::guest
