// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "files.hpp"
#include "guest_kernel.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <stdexcept>

namespace brgpu::guest {

namespace fs = std::filesystem;

namespace {

/// Where the build (or installation) lies that this program belongs to: bin/ is beside lib/.
fs::path prefix() {
    return fs::read_symlink("/proc/self/exe").parent_path().parent_path();
}

/// First of the places that exists, or else the first: it is what the error message names.
fs::path first_existing(std::initializer_list<fs::path> places) {
    for (const auto &place : places)
        if (fs::exists(place))
            return place;
    return *places.begin();
}

/// A folder beside the build that both sides can write, for files that should leave the guest.
fs::path default_share() {
    const auto build = prefix();
    if (fs::exists(build / "CMakeCache.txt") && ::access(build.c_str(), W_OK) == 0)
        return build / "exchange";
    return GuestKernel::cache_folder() / "exchange";
}

constexpr const char *description =
    "Boots a QEMU guest with a virtual card, loads brgpu.ko, and runs COMMAND in it (without one: "
    "a\n"
    "shell). The guest sees this machine's files, read-only and under the same names; /tmp is its\n"
    "own. COMMAND runs as root, in the same directory, with the same PATH (and sbin).";

constexpr const char *footer =
    "Exit status:\n"
    "  COMMAND's own, or 128 + N where signal N ended it; 126 or 127 where it cannot be run\n"
    "  3    with --strict: the guest's kernel complained\n"
    "  124  the time of --timeout is over\n"
    "  125  the guest did not come up, or went down under COMMAND\n"
    "\n"
    "Examples:\n"
    "  brgpu-guest                                a shell in a guest with one br106\n"
    "  brgpu-guest -- brgpu-smi                   one command\n"
    "  brgpu-guest --card br110,vram=4G --share out -- ./render out/image.png";

} // namespace

std::uint64_t parse_size(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    unsigned shift = 0;
    if (!unit.empty()) {
        const auto position = std::string_view("KMGT").find(
            static_cast<char>(std::toupper(static_cast<unsigned char>(unit[0]))));
        shift =
            position == std::string_view::npos ? 64 : 10 * (static_cast<unsigned>(position) + 1);
        unit.remove_prefix(1);
    }
    if (error != std::errc() || shift > 40 || !unit.empty() || value == 0 ||
        value > (UINT64_MAX >> shift))
        throw std::invalid_argument("'" + std::string(text) +
                                    "' is no size: give a number with K, M, G or T, e.g. 512M");
    return value << shift;
}

Card Card::parse(std::string_view text) {
    Card card;
    std::size_t start = 0;
    while (start <= text.size()) {
        const auto end = std::min(text.find(',', start), text.size());
        const auto part = text.substr(start, end - start);
        if (start == 0) {
            const bool plain = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
                return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
            });
            if (!plain)
                throw std::invalid_argument("'" + std::string(text) +
                                            "' names no card: give e.g. br106 or br106,vram=1G");
            card.type = part;
        } else {
            if (part.find('=') == std::string_view::npos || part.front() == '=')
                throw std::invalid_argument("'" + std::string(part) + "' in card '" +
                                            std::string(text) + "' has not the form NAME=VALUE");
            if (part.starts_with("bus=") || part.starts_with("id="))
                throw std::invalid_argument("the launcher itself gives the card its bus and id: '" +
                                            std::string(part) + "' cannot be set");
            card.properties.emplace_back(part);
        }
        start = end + 1;
    }
    if (const auto vram = card.property("vram"))
        parse_size(*vram);
    return card;
}

std::optional<std::string_view> Card::property(std::string_view name) const {
    for (const std::string_view property : properties)
        if (property.substr(0, property.find('=')) == name)
            return property.substr(name.size() + 1);
    return std::nullopt;
}

std::optional<Options> parse_options(int argc, char **argv, int &exit_code) {
    Options options;
    std::vector<std::string> cards;
    bool no_card = false;
    bool no_module = false;
    bool no_default_share = false;
    bool initramfs = false;
    std::vector<fs::path> shares;

    CLI::App app(description, "brgpu-guest");
    app.footer(footer);
    app.set_version_flag("--version", "brgpu-guest " BRGPU_VERSION);
    app.get_formatter()->column_width(34);
    app.option_defaults()->always_capture_default(false);

    app.add_option("--card", cards,
                   "a card: TYPE[,PROPERTY=VALUE]...; several make several (br106)")
        ->allow_extra_args(false);
    app.add_flag("--no-card", no_card, "no card");
    app.add_option("--kernel", options.kernel,
                   "a name of 'fetch-kernel --list' or an image (debian-6.12)");
    app.add_option("--kernel-modules", options.modules,
                   "folder with modules.dep, where it is not beside the image");
    app.add_option("--append", options.append, "more words for the kernel's command line");
    app.add_option("--memory,-m", options.memory, "the guest's memory (2G)");
    app.add_option("--cpus", options.cpus, "the guest's processors (2)")
        ->check(CLI::Range(1, 64).description(""));
    app.add_flag("--iommu", options.iommu, "the guest's devices stand behind an Intel IOMMU");
    app.add_option("--timeout", options.timeout, "seconds until the guest is ended (no limit)")
        ->check(CLI::Validator(CLI::NonNegativeNumber).description(""));
    app.add_option("--boot-timeout", options.boot_timeout,
                   "seconds until the command must have started (120)")
        ->check(CLI::Validator(CLI::PositiveNumber).description(""));
    app.add_option("--accel", options.accelerator,
                   "auto, kvm or tcg; auto takes KVM where a trial boot succeeds (auto)")
        ->transform(
            CLI::CheckedTransformer(std::map<std::string, Accelerator>{{"auto", Accelerator::Auto},
                                                                       {"kvm", Accelerator::Kvm},
                                                                       {"tcg", Accelerator::Tcg}},
                                    CLI::ignore_case)
                .description(""));
    app.add_option("--module", options.module, "brgpu.ko (that of this build)");
    app.add_flag("--no-module", no_module, "do not load brgpu.ko");
    app.add_option("--module-args", options.module_arguments,
                   "parameters for brgpu.ko, as for insmod");
    app.add_option("--load", options.extra_modules, "another module of the guest's kernel to load")
        ->allow_extra_args(false);
    app.add_option("--firmware", options.firmware,
                   "folder that holds brgpu/*.fw (that of this build)");
    app.add_option("--share", shares,
                   "a folder that the guest may write, under the same name; the first is\n"
                   "$BRGPU_EXCHANGE in the guest (exchange/ in the build)")
        ->allow_extra_args(false);
    app.add_flag("--no-share", no_default_share, "no exchange folder at all");
    app.add_flag("--initramfs", initramfs,
                 "run the command from the initramfs, without the host's files and without\n"
                 "exchange folders: a guest that can be suspended");
    app.add_option("--file", options.files,
                   "with --initramfs: a file or folder of the host that is there too, with the\n"
                   "libraries that its programs need")
        ->allow_extra_args(false);
    app.add_option("--env", options.environment,
                   "NAME or NAME=VALUE, for the command's environment")
        ->allow_extra_args(false);
    app.add_option("--qmp", options.qmp, "socket to make, on which QEMU listens for QMP");
    app.add_option("--qemu", options.qemu, "the QEMU program (qemu-system-x86_64)");
    app.add_option("--plugin", options.plugin, "the device for QEMU (that of this build)");
    app.add_option("--qemu-arg", options.qemu_arguments, "another argument for QEMU, as it is")
        ->allow_extra_args(false);
    app.add_flag(
        "--strict", options.strict,
        "fail where the guest's kernel warns, oopses or stalls, or brgpu.ko cannot be unloaded "
        "at the end");
    app.add_option("--console-log", options.console_log, "file for the guest's kernel log");
    app.add_option("--json", options.json, "file for a summary of the run, as JSON");
    app.add_flag("--verbose,-v", options.verbose,
                 "show progress and the kernel's log on standard error");
    app.add_flag("--print-command", options.print_command, "show QEMU's command line and end");
    app.add_option("command", options.command, "what to run, after --");
    app.positionals_at_end();
    for (const auto &[name, value] : std::initializer_list<std::pair<const char *, const char *>>{
             {"--card", "CARD"},          {"--kernel", "NAME|FILE"},
             {"--kernel-modules", "DIR"}, {"--append", "WORDS"},
             {"--memory", "SIZE"},        {"--cpus", "N"},
             {"--timeout", "SECONDS"},    {"--boot-timeout", "SECONDS"},
             {"--accel", "NAME"},         {"--module", "FILE"},
             {"--module-args", "WORDS"},  {"--load", "NAME"},
             {"--firmware", "DIR"},       {"--share", "DIR"},
             {"--env", "NAME[=VALUE]"},   {"--qmp", "SOCKET"},
             {"--file", "PATH"},          {"--qemu", "FILE"},
             {"--plugin", "FILE"},        {"--qemu-arg", "ARG"},
             {"--console-log", "FILE"},   {"--json", "FILE"},
             {"command", "COMMAND"}})
        app.get_option(name)->type_name(value);
    // A caller may put its own after a script's: the last one counts.
    for (const char *name :
         {"--kernel", "--kernel-modules", "--append", "--memory", "--cpus", "--timeout",
          "--boot-timeout", "--accel", "--module", "--module-args", "--firmware", "--qmp", "--qemu",
          "--plugin", "--console-log", "--json"})
        app.get_option(name)->take_last();

    try {
        app.parse(argc, argv);
        if (no_card && !cards.empty())
            throw CLI::ValidationError("--no-card", "contradicts --card");
        if (no_module && !options.module.empty())
            throw CLI::ValidationError("--no-module", "contradicts --module");
        if (no_default_share && !shares.empty())
            throw CLI::ValidationError("--no-share", "contradicts --share");
        if (initramfs && !shares.empty())
            throw CLI::ValidationError("--initramfs", "contradicts --share");
        if (!initramfs && !options.files.empty())
            throw CLI::ValidationError("--file", "wants --initramfs");
        for (const auto &file : options.files)
            if (!fs::exists(file))
                throw CLI::ValidationError("--file", "there is no " + file.string());
        try {
            parse_size(options.memory);
            if (cards.empty() && !no_card)
                cards = {"br106"};
            for (const auto &card : cards)
                options.cards.push_back(Card::parse(card));
        } catch (const std::invalid_argument &error) {
            throw CLI::ValidationError(error.what());
        }
        for (const auto &share : shares)
            if (!fs::is_directory(share))
                throw CLI::ValidationError("--share", share.string() + " is no folder");
        for (const auto &variable : options.environment)
            if (variable.empty() || variable.front() == '=')
                throw CLI::ValidationError("--env", "'" + variable + "' has no name");
    } catch (const CLI::ParseError &error) {
        exit_code = app.exit(error);
        // The command's own exit codes must not be mistaken for a wrong command line.
        if (exit_code != 0)
            exit_code = 125;
        return std::nullopt;
    }

    const auto build = prefix();
    if (options.plugin.empty())
        options.plugin =
            first_existing({build / "lib/brgpu-qemu.so", build / "lib/brgpu/brgpu-qemu.so"});
    if (options.firmware.empty())
        options.firmware = first_existing({build / "firmware", build / "lib/firmware"});
    if (no_module)
        options.module.clear();
    else if (options.module.empty())
        options.module = first_existing({build / ("kmd-" + options.kernel) / "brgpu.ko",
                                         build / "kmd/brgpu.ko", build / "lib/brgpu/brgpu.ko"});
    if (!no_module && !fs::exists(options.module)) // of the places above, name the usual one
        options.module = options.module.parent_path().filename() == "kmd" ? options.module
                                                                          : build / "kmd/brgpu.ko";
    if (options.qemu.empty())
        options.qemu = find_program("qemu-system-x86_64");
    options.host_root = !initramfs;
    if (shares.empty() && !no_default_share && !initramfs) {
        shares = {default_share()};
        fs::create_directories(shares.front());
    }
    for (const auto &share : shares)
        options.shares.push_back(fs::canonical(share));
    return options;
}

} // namespace brgpu::guest
