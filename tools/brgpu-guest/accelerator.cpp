// SPDX-License-Identifier: MIT
#include "accelerator.hpp"

#include "files.hpp"
#include "initramfs.hpp"
#include "process.hpp"
#include "qemu_command.hpp"

#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <system_error>

namespace brgpu::guest {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds trial_time{10};
constexpr std::string_view trial_message = "brgpu: the trial boot has succeeded";

bool trial_boot(const Options &options, const GuestKernel &kernel) {
    const UniqueFd initramfs = memory_file("initramfs", probe_initramfs(trial_message));
    auto command = qemu_base_command(
        options.qemu, kernel, "/proc/self/fd/" + std::to_string(initramfs.get()), Accelerator::Kvm);
    for (const std::string word :
         {"-m", "512M", "-serial", "stdio", "-append", "console=ttyS0 loglevel=1 panic=-1"})
        command.push_back(word);

    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw_errno("cannot make a pipe");
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    OwnedProcess qemu(command, writer.get(), {initramfs.get()});
    writer.reset();

    std::string output;
    const auto limit = std::chrono::steady_clock::now() + trial_time;
    while (output.find(trial_message) == std::string::npos) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            limit - std::chrono::steady_clock::now());
        pollfd wait{reader.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0)
            return false;
        char buffer[4096];
        const ssize_t count = ::read(reader.get(), buffer, sizeof buffer);
        if (count <= 0)
            return false;
        output.append(buffer, static_cast<std::size_t>(count));
    }
    return true;
}

} // namespace

Accelerator choose_accelerator(const Options &options, const GuestKernel &kernel) {
    if (options.accelerator != Accelerator::Auto)
        return options.accelerator;
    if (::access("/dev/kvm", R_OK | W_OK) != 0)
        return Accelerator::Tcg;

    // What the answer depends on: this boot of this machine, the QEMU, the guest's kernel.
    std::error_code ignored;
    const std::string key =
        read_file("/proc/sys/kernel/random/boot_id") + options.qemu.string() + " " +
        std::to_string(fs::last_write_time(options.qemu, ignored).time_since_epoch().count()) +
        " " + kernel.image.string() + " " + kernel.release + "\n";
    const auto answers = GuestKernel::cache_folder() / "kvm-trial";
    if (fs::exists(answers, ignored)) {
        const std::string known = read_file(answers);
        if (known.starts_with(key))
            return known.substr(key.size()) == "yes\n" ? Accelerator::Kvm : Accelerator::Tcg;
    }
    const bool works = trial_boot(options, kernel);
    fs::create_directories(answers.parent_path(), ignored);
    try {
        write_file(answers, key + (works ? "yes\n" : "no\n"));
    } catch (const std::system_error &) {
        // A cache that cannot be written costs a trial each time, and nothing else.
    }
    return works ? Accelerator::Kvm : Accelerator::Tcg;
}

} // namespace brgpu::guest
