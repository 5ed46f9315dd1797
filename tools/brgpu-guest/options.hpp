// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace brgpu::guest {

/// A virtual card: the type of a QEMU device and its properties.
struct Card {
    std::string type;                    ///< "br106"
    std::vector<std::string> properties; ///< "vram=1G"

    /// From "br106,vram=1G". Throws std::invalid_argument that says what is wrong.
    static Card parse(std::string_view text);

    /// The property's value, where it is given.
    std::optional<std::string_view> property(std::string_view name) const;
};

enum class Accelerator { Auto, Kvm, Tcg };

struct Options {
    std::vector<Card> cards;
    std::string kernel = "debian-6.12";
    std::filesystem::path modules;
    std::string append;
    std::string memory = "2G";
    unsigned cpus = 2;
    bool iommu = false; ///< the cards behind an emulated Intel IOMMU
    double timeout = 0; ///< seconds for the whole run; 0: none
    double boot_timeout = 120;
    Accelerator accelerator = Accelerator::Auto;
    std::filesystem::path qemu;
    std::filesystem::path plugin;
    std::filesystem::path module; ///< empty: none is loaded
    std::string module_arguments;
    std::vector<std::string> extra_modules;
    std::filesystem::path firmware;
    std::vector<std::filesystem::path> shares;
    bool host_root = true;                    ///< false: the command runs from the initramfs
    std::vector<std::filesystem::path> files; ///< in that initramfs, beside the command's own
    std::filesystem::path qmp;
    std::vector<std::string> qemu_arguments;
    std::vector<std::string> environment; ///< NAME or NAME=VALUE
    std::filesystem::path console_log;
    std::filesystem::path json;
    bool strict = false;
    bool verbose = false;
    bool print_command = false;
    std::vector<std::string> command;
};

/// A size such as "512M" or "1G" in bytes. Throws std::invalid_argument.
std::uint64_t parse_size(std::string_view text);

/// Parses the command line. Returns nothing where the program is done (--help, --version, an
/// error), with `exit_code` set.
std::optional<Options> parse_options(int argc, char **argv, int &exit_code);

} // namespace brgpu::guest
