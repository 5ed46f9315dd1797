// SPDX-License-Identifier: MIT
//
// What a guest boots from: modules and their order, the initramfs, the kernel's log.
#include "console_log.hpp"
#include "cpio.hpp"
#include "files.hpp"
#include "guest_kernel.hpp"
#include "initramfs.hpp"
#include "module_file.hpp"

#include <cstring>
#include <elf.h>
#include <gtest/gtest.h>

namespace brgpu::guest {
namespace {

/// A minimal module: header, .modinfo, names, section table.
std::string make_module(std::string_view modinfo) {
    const std::string names("\0.modinfo\0.shstrtab\0", 20);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    header.e_shstrndx = 2;
    Elf64_Shdr sections[3]{};
    sections[1].sh_name = 1;
    sections[1].sh_type = SHT_PROGBITS;
    sections[1].sh_offset = sizeof header;
    sections[1].sh_size = modinfo.size();
    sections[2].sh_name = 10;
    sections[2].sh_type = SHT_STRTAB;
    sections[2].sh_offset = sizeof header + modinfo.size();
    sections[2].sh_size = names.size();
    header.e_shoff = sizeof header + modinfo.size() + names.size();
    std::string elf(reinterpret_cast<const char *>(&header), sizeof header);
    elf.append(modinfo).append(names);
    elf.append(reinterpret_cast<const char *>(sections), sizeof sections);
    return elf;
}

constexpr std::string_view modinfo("license=GPL\0depends=drm,gpu-sched\0name=brgpu\0"
                                   "vermagic=6.12.1-test SMP preempt \0",
                                   79);

TEST(GuestModule, TellsItsNeeds) {
    const auto info = parse_module_info(make_module(modinfo), "test.ko");
    EXPECT_EQ(info.name, "brgpu");
    EXPECT_EQ(info.kernel_release, "6.12.1-test");
    EXPECT_EQ(info.depends, (std::vector<std::string>{"drm", "gpu-sched"}));
}

TEST(GuestModule, DamagedFilesAreNamed) {
    const std::string whole = make_module(modinfo);
    for (std::size_t length = 0; length < whole.size(); length++) {
        try {
            parse_module_info(std::string_view(whole).substr(0, length), "test.ko");
            FAIL() << "accepted with " << length << " bytes";
        } catch (const std::runtime_error &error) {
            EXPECT_NE(std::string(error.what()).find("test.ko"), std::string::npos);
        }
    }
}

TEST(GuestModule, AnyOneByteMayBeWrong) {
    const std::string whole = make_module(modinfo);
    for (std::size_t i = 0; i < whole.size(); i++)
        for (const char value : {'\x00', '\x7f', '\xff'}) {
            std::string damaged = whole;
            damaged[i] = value;
            try {
                parse_module_info(damaged, "test.ko");
            } catch (const std::runtime_error &) {
                continue; // refused: as good as ignored
            }
        }
}

TEST(GuestModules, NeedsComeFirstAndOnce) {
    ModuleIndex index("kernel/a.ko.xz:\n"
                      "kernel/b-x.ko.xz: kernel/a.ko.xz\n"
                      "kernel/c.ko: kernel/b-x.ko.xz kernel/a.ko.xz\n");
    index.add_builtin("kernel/virtio.ko\n");
    EXPECT_EQ(index.closure({"c", "b_x", "virtio"}),
              (std::vector<std::string>{"kernel/a.ko.xz", "kernel/b-x.ko.xz", "kernel/c.ko"}));
    EXPECT_EQ(index.closure({"b-x"}), index.closure({"b_x"}));
    EXPECT_THROW(index.closure({"missing"}), std::runtime_error);
    EXPECT_THROW(ModuleIndex("no colon\n"), std::runtime_error);
}

TEST(GuestCpio, IsReadByBusybox) {
    CpioWriter writer;
    writer.folder("bin");
    writer.file("bin/odd", "abc", 0755);
    writer.file("empty", "", 0600);
    writer.link("bin/link", "odd");
    const std::string archive = writer.finish();
    EXPECT_EQ(archive.size() % 4, 0u);
    const UniqueFd file = memory_file("test", archive);
    const std::string listing =
        output_of({"sh", "-c",
                   "busybox cpio -tv < /proc/" + std::to_string(::getpid()) + "/fd/" +
                       std::to_string(file.get())});
    EXPECT_NE(listing.find("-rwxr-xr-x"), std::string::npos) << listing;
    EXPECT_NE(listing.find(" bin/odd"), std::string::npos) << listing;
    EXPECT_NE(listing.find("bin/link -> odd"), std::string::npos) << listing;
    EXPECT_NE(listing.find(" empty"), std::string::npos) << listing;
}

TEST(GuestInitramfs, NamesWithQuotesReachTheShellWhole) {
    InitConfig config;
    config.agent = "/a b/it's";
    config.firmware = "/fw/$HOME`x`";
    config.shares = {"/one", "/two \"2\""};
    const std::string shown = output_of(
        {"sh", "-c",
         config.to_shell() + "printf '%s|%s|%s|%s|%s' \"$agent\" \"$firmware\" \"$shares\" "
                             "\"$share_0\" \"$share_1\""});
    EXPECT_EQ(shown, "/a b/it's|/fw/$HOME`x`|2|/one|/two \"2\"");
}

TEST(GuestKernelImage, TellsItsRelease) {
    std::string image(0x1000, '\0');
    std::memcpy(image.data() + 0x202, "HdrS", 4);
    const std::uint16_t offset = 0x400;
    std::memcpy(image.data() + 0x20e, &offset, sizeof offset);
    std::strcpy(image.data() + 0x600, "6.12.9-amd64 (builder@host) #1");
    EXPECT_EQ(bzimage_release(image), "6.12.9-amd64");
    EXPECT_EQ(bzimage_release(image.substr(0, 0x210)), "");
    EXPECT_EQ(bzimage_release("ELF"), "");
}

TEST(GuestKernelImage, AMissingOneSaysWhatToDo) {
    try {
        GuestKernel::find("no-such-kernel", {});
        FAIL();
    } catch (const std::runtime_error &error) {
        EXPECT_NE(std::string(error.what()).find("make setup"), std::string::npos);
    }
    EXPECT_THROW(GuestKernel::find("/nonexistent/vmlinuz", {}), std::runtime_error);
    EXPECT_THROW(GuestKernel::find("/proc", {}), std::runtime_error);
}

TEST(GuestConsole, FindsComplaintsAcrossPieces) {
    ConsoleLog log;
    log.feed("[ 1.0] usual line\r\n[ 2.0] WARN");
    EXPECT_TRUE(log.complaints().empty());
    log.feed("ING: CPU: 0 PID: 1 at x.c:1\r\n[ 2.1] unfinished");
    ASSERT_EQ(log.complaints().size(), 1u);
    EXPECT_EQ(log.complaints()[0], "[ 2.0] WARNING: CPU: 0 PID: 1 at x.c:1");
    EXPECT_EQ(log.tail(2), (std::vector<std::string>{log.complaints()[0], "[ 2.1] unfinished"}));
    EXPECT_FALSE(log.panicked());
    log.feed("\nKernel panic - not syncing: Fatal exception\n");
    EXPECT_TRUE(log.panicked());
}

TEST(GuestConsole, KnowsReportsFromOrdinaryLines) {
    for (const char *line :
         {"BUG: unable to handle page fault for address: 0000", "Oops: general protection fault",
          "BUG: KASAN: slab-use-after-free in x", "WARNING: possible circular locking dependency",
          "watchdog: BUG: soft lockup - CPU#0 stuck", "INFO: task foo:12 blocked for more than 120",
          "rcu: INFO: rcu_preempt self-detected stall on CPU", "UBSAN: shift-out-of-bounds",
          "ODEBUG: free active (active state 0) object: x",
          "DMA-API: device driver has pending DMA allocations while released from device",
          "INFO: trying to register non-static key.",
          "] BUG kmalloc-64 (Tainted): Poison overwritten",
          "refcount_t: underflow; use-after-free.", "irq 16: nobody cared (try booting with"})
        EXPECT_TRUE(ConsoleLog::is_complaint(line)) << line;
    for (const char *line :
         {"brgpu 0000:01:00.0: firmware 1.0", "mtrr: probably your BIOS does not setup all CPUs.",
          "PCI: Using host bridge windows from ACPI; if necessary, use \"pci=nocrs\" and report a "
          "bug",
          "brgpu: loading out-of-tree module taints kernel."})
        EXPECT_FALSE(ConsoleLog::is_complaint(line)) << line;
}

TEST(GuestConsole, EndlessOutputStaysBounded) {
    ConsoleLog log;
    for (int i = 0; i < 1000; i++)
        log.feed(std::string(5000, 'x') + "WARNING: y\n");
    EXPECT_LE(log.tail(SIZE_MAX).size(), 401u);
    EXPECT_LE(log.complaints().size(), 100u);
}

} // namespace
} // namespace brgpu::guest
