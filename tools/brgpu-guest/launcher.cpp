// SPDX-License-Identifier: MIT
#include "launcher.hpp"

#include "accelerator.hpp"
#include "files.hpp"
#include "guest_kernel.hpp"
#include "initramfs.hpp"
#include "module_file.hpp"
#include "qemu_command.hpp"
#include "session.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <sys/stat.h>

namespace brgpu::guest {

namespace fs = std::filesystem;

namespace {

/// Variables of the caller that a command in the guest expects; --env adds others.
constexpr std::string_view passed_variables[] = {
    "HOME",      "USER",  "LOGNAME", "SHELL",    "TERM",           "LANG", "TZ", "LD_LIBRARY_PATH",
    "COLORTERM", "PAGER", "EDITOR",  "NO_COLOR", "XDG_CACHE_HOME",
};
constexpr std::string_view passed_prefixes[] = {"LC_",    "BRGPU_", "GTEST_", "ASAN_",
                                                "UBSAN_", "LSAN_",  "TSAN_"};

bool is_passed(std::string_view variable) {
    const auto name = variable.substr(0, variable.find('='));
    for (const auto passed : passed_variables)
        if (name == passed)
            return true;
    for (const auto prefix : passed_prefixes)
        if (name.starts_with(prefix))
            return true;
    return false;
}

std::vector<std::string> guest_environment(const Options &options, const GuestKernel &kernel) {
    std::vector<std::string> variables;
    for (char **variable = environ; *variable; ++variable)
        if (is_passed(*variable))
            variables.emplace_back(*variable);
    // COMMAND runs as root; the caller may be one whose search path has no rmmod.
    variables.push_back("PATH=" + search_path());
    variables.emplace_back("BRGPU_GUEST=1");
    if (!options.shares.empty())
        variables.push_back("BRGPU_EXCHANGE=" + options.shares.front().string());
    if (!kernel.modules_root.empty())
        variables.push_back("MODPROBE_OPTIONS=-d " + kernel.modules_root.string());
    for (const auto &variable : options.environment) {
        if (variable.find('=') != std::string::npos) {
            variables.push_back(variable);
        } else if (const char *value = std::getenv(variable.c_str())) {
            variables.push_back(variable + "=" + value);
        }
    }
    return variables;
}

void require_file(const fs::path &file, const std::string &what, const std::string &advice) {
    if (file.empty() || !fs::exists(file))
        throw std::runtime_error("no " + what + (file.empty() ? "" : " " + file.string()) + ": " +
                                 advice);
}

/// The modules that the initramfs carries.
std::vector<std::string> modules_to_carry(const Options &options, const GuestKernel &kernel) {
    std::vector<std::string> names;
    if (options.host_root)
        names = {"9p", "9pnet_virtio", "overlay"};
    if (!options.module.empty()) {
        const auto info = read_module_info(options.module);
        if (!kernel.release.empty() && info.kernel_release != kernel.release)
            throw std::runtime_error(options.module.string() + " is for kernel " +
                                     info.kernel_release + ", the guest's is " + kernel.release +
                                     ": build it with 'make module KERNEL=" + kernel.name +
                                     "', or give --module another");
        names.insert(names.end(), info.depends.begin(), info.depends.end());
    }
    names.insert(names.end(), options.extra_modules.begin(), options.extra_modules.end());
    return names;
}

/// What a guest without the host's root needs of it.
std::vector<fs::path> files_to_carry(const Options &options) {
    std::vector<fs::path> files = {fs::read_symlink("/proc/self/exe")};
    files.insert(files.end(), options.files.begin(), options.files.end());
    if (!options.module.empty())
        files.push_back(fs::canonical(options.module));
    if (fs::exists(options.firmware))
        files.push_back(fs::canonical(options.firmware));
    // A program by its name alone is one of busybox's.
    if (!options.command.empty() && options.command.front().find('/') != std::string::npos)
        files.emplace_back(options.command.front());
    return files;
}

/// Both streams lead to the same place: they must stay in order.
bool same_stream(int first, int second) {
    struct stat a{};
    struct stat b{};
    return ::fstat(first, &a) == 0 && ::fstat(second, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino && a.st_rdev == b.st_rdev;
}

} // namespace

int launch(const Options &options) {
    require_file(options.qemu, "QEMU", "install qemu-system-x86, or give --qemu");
    if (!options.cards.empty())
        require_file(options.plugin, "device for QEMU",
                     "build it with 'make build', or give --plugin or --no-card");
    if (!options.module.empty())
        require_file(options.module, "module",
                     "build it with 'make module', or give --module or --no-module");
    auto kernel = GuestKernel::find(options.kernel, options.modules);
    // QEMU writes what it has loaded unpacked to memory again at every reset, that of a machine
    // that wakes up included, and ruins what runs there.
    const auto packed = kernel.image.parent_path() / "vmlinuz";
    if (!options.host_root && kernel.image.filename() == "vmlinux" && fs::exists(packed))
        kernel.image = packed;

    Session::Plan plan;
    plan.kernel = kernel;
    plan.initramfs =
        run_initramfs(kernel, modules_to_carry(options, kernel),
                      {.agent = fs::read_symlink("/proc/self/exe"),
                       .host_root = options.host_root,
                       .directory = fs::current_path(),
                       .firmware = fs::exists(options.firmware) ? fs::canonical(options.firmware)
                                                                : options.firmware,
                       .shares = options.shares});
    if (!options.host_root)
        plan.initramfs += files_initramfs(files_to_carry(options));
    plan.request.command = options.command;
    plan.request.directory = fs::current_path().string();
    plan.request.environment = guest_environment(options, kernel);
    plan.request.terminal = ::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO);
    plan.request.merge_output = same_stream(STDOUT_FILENO, STDERR_FILENO);
    plan.request.module = options.module.empty() ? "" : fs::canonical(options.module).string();
    plan.request.module_arguments = options.module_arguments;
    plan.request.unload_at_end = options.strict && !options.module.empty();

    if (options.print_command) {
        for (const auto &word : qemu_command(
                 options, kernel, {3, 4, 5, "INITRAMFS"},
                 options.accelerator == Accelerator::Kvm ? Accelerator::Kvm : Accelerator::Tcg))
            std::cout << shell_quote(word) << ' ';
        std::cout << '\n';
        return 0;
    }
    plan.accelerator = choose_accelerator(options, kernel);
    Session session(options, std::move(plan));
    return session.run();
}

} // namespace brgpu::guest
