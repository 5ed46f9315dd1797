// SPDX-License-Identifier: MIT
#include "initramfs.hpp"

#include "cpio.hpp"
#include "files.hpp"
#include "init_script.hpp"
#include "module_file.hpp"

#include <cstring>
#include <elf.h>
#include <set>
#include <sstream>
#include <stdexcept>

namespace brgpu::guest {

namespace fs = std::filesystem;

namespace {

constexpr const char *applets[] = {
    "sh",          "mount",  "mkdir",    "insmod",   "poweroff", "ln", "chmod", "sleep",
    "switch_root", "printf", "hostname", "ifconfig", "cat",      "ls", "dmesg", "umount"};

/// Whether an ELF program or library needs others to run; false for every other file.
bool is_dynamic(std::string_view bytes) {
    Elf64_Ehdr header{};
    if (!bytes.starts_with("\x7f"
                           "ELF") ||
        bytes.size() < sizeof header)
        return false;
    std::memcpy(&header, bytes.data(), sizeof header);
    for (std::size_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment{};
        const auto offset = header.e_phoff + i * sizeof segment;
        if (offset > bytes.size() || sizeof segment > bytes.size() - offset)
            break;
        std::memcpy(&segment, bytes.data() + offset, sizeof segment);
        if (segment.p_type == PT_INTERP)
            return true;
    }
    return false;
}

/// busybox, which must be the static one: the initramfs has no libraries.
std::string busybox() {
    const auto program = find_program("busybox");
    if (program.empty())
        throw std::runtime_error("no busybox on this machine: install busybox-static");
    std::string bytes = read_file(program);
    if (is_dynamic(bytes))
        throw std::runtime_error(program.string() +
                                 " is not statically linked: install busybox-static");
    return bytes;
}

/// Puts files of the host into an archive, each once, with the folders above it.
class HostFiles {
  public:
    void add(const fs::path &path) {
        const auto file = fs::absolute(path).lexically_normal();
        if (fs::is_directory(file)) {
            for (const auto &entry : fs::recursive_directory_iterator(file))
                if (entry.is_regular_file())
                    add_file(entry.path());
        } else {
            add_file(file);
        }
    }
    std::string finish() { return archive_.finish(); }

  private:
    void add_folder(const fs::path &folder) {
        if (folder == folder.root_path() || !present_.insert(folder.string()).second)
            return;
        add_folder(folder.parent_path());
        archive_.folder(folder.relative_path().string());
    }

    void add_file(const fs::path &file) {
        if (!present_.insert(file.string()).second)
            return;
        add_folder(file.parent_path());
        const std::string bytes = read_file(file);
        const auto mode = static_cast<std::uint32_t>(fs::status(file).permissions()) & 0777;
        archive_.file(file.relative_path().string(), bytes, mode);
        if (is_dynamic(bytes))
            add_libraries(file);
    }

    /// ldd's lines: "name => /path (0x...)", or "/path (0x...)" for the loader.
    void add_libraries(const fs::path &program) {
        std::istringstream lines(output_of({"ldd", program.string()}));
        for (std::string line; std::getline(lines, line);) {
            if (line.find("not found") != std::string::npos)
                throw std::runtime_error(program.string() + " needs a library that is not there: " +
                                         line.substr(line.find_first_not_of(" \t")));
            const auto begin = line.find('/');
            if (begin != std::string::npos)
                add_file(line.substr(begin, line.find(" (", begin) - begin));
        }
    }

    CpioWriter archive_;
    std::set<std::string> present_;
};

/// The kernel could unpack a module itself, but emulated it takes far longer than here.
std::string unpacked_module(const fs::path &file) {
    const auto extension = file.extension();
    if (extension == ".xz")
        return output_of({"xz", "-dc", file.string()});
    if (extension == ".zst")
        return output_of({"zstd", "-qdc", file.string()});
    if (extension == ".gz")
        return output_of({"gzip", "-dc", file.string()});
    return read_file(file);
}

void add_busybox(CpioWriter &archive) {
    archive.folder("bin");
    archive.file("bin/busybox", busybox(), 0755);
    for (const char *applet : applets)
        archive.link(std::string("bin/") + applet, "busybox");
    for (const char *folder : {"dev", "proc", "sys", "newroot", "volatile"})
        archive.folder(folder);
    archive.character_device("dev/console", 5, 1);
}

/// FNV-1a, 64 bits: names a cached image by what it is made of.
std::uint64_t hash(std::string_view bytes, std::uint64_t state = 0xcbf29ce484222325u) {
    for (const char c : bytes)
        state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return state;
}

} // namespace

std::string InitConfig::to_shell() const {
    std::string text = "agent=" + shell_quote(agent.string()) + "\n";
    text += "firmware=" + shell_quote(firmware.string()) + "\n";
    text += std::string("root=") + (host_root ? "host" : "initramfs") + "\n";
    text += "directory=" + shell_quote(directory.string()) + "\n";
    text += "shares=" + std::to_string(shares.size()) + "\n";
    for (std::size_t i = 0; i < shares.size(); i++)
        text += "share_" + std::to_string(i) + "=" + shell_quote(shares[i].string()) + "\n";
    return text;
}

std::string base_initramfs(const GuestKernel &kernel, const std::vector<std::string> &names) {
    const auto files = kernel.closure(names);

    std::uint64_t key = hash(init_script);
    const auto program = find_program("busybox");
    for (const auto &file : files)
        key = hash(file.string() + std::to_string(fs::file_size(file)), key);
    if (!program.empty())
        key = hash(program.string() + std::to_string(fs::file_size(program)), key);
    char cached_name[64];
    std::snprintf(cached_name, sizeof cached_name, "initramfs-%016llx.cpio",
                  static_cast<unsigned long long>(key));
    fs::path cached;
    if (!kernel.modules_root.empty() && kernel.modules_root != "/")
        cached = kernel.modules_root.parent_path() / cached_name;
    if (!cached.empty() && fs::exists(cached))
        return read_file(cached);

    CpioWriter archive;
    add_busybox(archive);
    archive.file("init", init_script, 0755);
    archive.folder("modules");
    std::string order;
    for (const auto &file : files) {
        const std::string name = module_name(file.string()) + ".ko";
        archive.file("modules/" + name, unpacked_module(file), 0644);
        order += name + "\n";
    }
    archive.file("modules/order", order, 0644);
    std::string bytes = archive.finish();
    if (!cached.empty() && ::access(cached.parent_path().c_str(), W_OK) == 0)
        write_file(cached, bytes);
    return bytes;
}

std::string run_initramfs(const GuestKernel &kernel, const std::vector<std::string> &names,
                          const InitConfig &config) {
    std::string bytes = base_initramfs(kernel, names);
    // The kernel takes archives one after the other, each starting at a multiple of four.
    bytes.resize((bytes.size() + 3) / 4 * 4, '\0');
    CpioWriter archive;
    archive.file("config", config.to_shell(), 0644);
    return bytes + archive.finish();
}

std::string files_initramfs(const std::vector<fs::path> &files) {
    HostFiles archive;
    for (const auto &file : files)
        archive.add(file);
    return archive.finish();
}

std::string probe_initramfs(std::string_view message) {
    CpioWriter archive;
    add_busybox(archive);
    archive.file("init",
                 "#!/bin/sh\nexport PATH=/bin\necho " + shell_quote(message) +
                     " >/dev/console\npoweroff -f\n",
                 0755);
    return archive.finish();
}

} // namespace brgpu::guest
