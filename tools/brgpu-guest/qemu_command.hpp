// SPDX-License-Identifier: MIT
#pragma once

#include "guest_kernel.hpp"
#include "options.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace brgpu::guest {

/// The descriptors that QEMU inherits, and the files of one run.
struct RunFiles {
    int console_fd = -1;
    int control_fd = -1;
    int input_fd = -1;
    std::filesystem::path initramfs;
};

/// QEMU's command line. `accelerator` is Kvm or Tcg.
std::vector<std::string> qemu_command(const Options &options, const GuestKernel &kernel,
                                      const RunFiles &files, Accelerator accelerator);

/// What the machine has in common with the trial boot: machine, processor, kernel.
std::vector<std::string> qemu_base_command(const std::filesystem::path &qemu,
                                           const GuestKernel &kernel,
                                           const std::filesystem::path &initramfs,
                                           Accelerator accelerator);

/// Words that every guest's kernel is started with.
std::string kernel_command_line(const std::string &append);

/// Size of the prefetchable window that a card's root port reserves.
std::uint64_t card_window(const Card &card);

} // namespace brgpu::guest
