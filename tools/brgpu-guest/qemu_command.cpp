// SPDX-License-Identifier: MIT
#include "qemu_command.hpp"

#include <algorithm>
#include <bit>

namespace brgpu::guest {

namespace {

/// QEMU's option parser takes a comma for a separator, unless it is doubled.
std::string escaped(std::string text) {
    for (std::size_t i = 0; (i = text.find(',', i)) != std::string::npos; i += 2)
        text.insert(i, 1, ',');
    return text;
}

} // namespace

std::uint64_t card_window(const Card &card) {
    // A window that holds the aperture at its natural alignment and leaves room beside it. The
    // default holds every product's default aperture.
    constexpr std::uint64_t smallest = std::uint64_t{16} << 30;
    const auto vram = card.property("vram");
    return vram ? std::max(smallest,
                           std::bit_ceil(std::min(parse_size(*vram), std::uint64_t{1} << 40)) * 2)
                : smallest;
}

std::string kernel_command_line(const std::string &append) {
    // panic=-1 with QEMU's -no-reboot: a panic ends the guest at once; so does an oops.
    // loglevel=7: all but debug messages; the console is a log file and not the command's output.
    // The watchdogs' limits are those of real processors; an emulated one may stand still for long.
    // mitigations=off: nothing in here is worth attacking, and emulated retpolines are slow.
    // maxcpus=1: the kernel patches its own code while it boots, and QEMU before 8.1 may go on with
    // an old translation when another processor runs there ("Oops: int3"). init starts the others.
    // lsm, initcall_blacklist: security modules, a random-number self-test and BPF's type checks
    // cost a quarter of the boot, and nothing here uses them.
    std::string line =
        "console=ttyS0 loglevel=7 panic=-1 oops=panic mitigations=off tsc=reliable no_timer_check "
        "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=100 random.trust_cpu=on lsm=capability "
        "maxcpus=1 cryptomgr.notests=1 initcall_blacklist=jent_mod_init,bpf_tcp_ca_kfunc_init,"
        "bpf_dummy_struct_ops_init,bpf_prog_test_run_init";
    if (!append.empty())
        line += " " + append;
    return line;
}

std::vector<std::string> qemu_base_command(const std::filesystem::path &qemu,
                                           const GuestKernel &kernel,
                                           const std::filesystem::path &initramfs,
                                           Accelerator accelerator) {
    const bool kvm = accelerator == Accelerator::Kvm;
    return {
        qemu.string(),
        "-no-user-config",
        "-nodefaults",
        "-no-reboot",
        "-display",
        "none",
        "-M",
        "q35",
        "-accel",
        kvm ? "kvm" : "tcg,thread=multi",
        // Five-level page tables only make the emulated walks longer.
        "-cpu",
        kvm ? "host" : "max,la57=off",
        "-kernel",
        kernel.image.string(),
        "-initrd",
        initramfs.string(),
    };
}

std::vector<std::string> qemu_command(const Options &options, const GuestKernel &kernel,
                                      const RunFiles &files, Accelerator accelerator) {
    auto command = qemu_base_command(options.qemu, kernel, files.initramfs, accelerator);
    const auto add = [&command](std::initializer_list<std::string> words) {
        command.insert(command.end(), words);
    };
    add({"-smp", std::to_string(options.cpus), "-m", options.memory});
    // The kernel does not use the IOMMU unless it is told to. The user's own words may tell
    // otherwise.
    add({"-append",
         kernel_command_line((options.iommu ? "intel_iommu=on " : "") + options.append)});
    // Before all devices: those that QEMU has made earlier would not stand behind it. In caching
    // mode it tells the cards what is unmapped, without which each of their accesses is slow.
    if (options.iommu)
        add({"-device", "intel-iommu,caching-mode=on"});

    add({"-chardev", "socket,id=console,fd=" + std::to_string(files.console_fd)});
    add({"-serial", "chardev:console"});
    add({"-device", "virtio-serial-pci,id=serial"});
    add({"-chardev", "socket,id=control,fd=" + std::to_string(files.control_fd)});
    add({"-device", "virtserialport,chardev=control,name=org.brgpu.control"});
    add({"-chardev", "socket,id=input,fd=" + std::to_string(files.input_fd)});
    add({"-device", "virtserialport,chardev=input,name=org.brgpu.input"});

    if (options.host_root)
        add({"-virtfs", "local,id=root,path=/"
                        ",mount_tag=brgpu-root,security_model=none,multidevs=remap,readonly=on"});
    for (std::size_t i = 0; i < options.shares.size(); i++) {
        const auto number = std::to_string(i);
        add({"-virtfs", "local,id=share" + number + ",path=" + escaped(options.shares[i].string()) +
                            ",mount_tag=brgpu-share" + number +
                            ",security_model=none,multidevs=remap"});
    }

    // Under KVM the device is preloaded instead: QEMU's plugins need TCG.
    if (!options.cards.empty() && accelerator == Accelerator::Tcg)
        add({"-plugin", escaped(options.plugin.string())});
    for (std::size_t i = 0; i < options.cards.size(); i++) {
        const auto number = std::to_string(i);
        // Behind a port of its own: devices on the root bus cannot be unplugged.
        add({"-device", "pcie-root-port,id=port" + number + ",chassis=" + std::to_string(i + 1) +
                            ",slot=" + std::to_string(i + 1) +
                            ",pref64-reserve=" + std::to_string(card_window(options.cards[i]))});
        std::string device = options.cards[i].type + ",id=card" + number + ",bus=port" + number;
        for (const auto &property : options.cards[i].properties)
            device += "," + property;
        add({"-device", device});
    }

    if (!options.qmp.empty())
        add({"-qmp", "unix:" + escaped(options.qmp.string()) + ",server=on,wait=off"});
    command.insert(command.end(), options.qemu_arguments.begin(), options.qemu_arguments.end());
    return command;
}

} // namespace brgpu::guest
