// SPDX-License-Identifier: MIT
#include "guest_kernel.hpp"

#include "files.hpp"
#include "module_file.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace brgpu::guest {

namespace fs = std::filesystem;

namespace {

std::string first_line(const fs::path &file) {
    const std::string text = read_file(file);
    return text.substr(0, text.find('\n'));
}

GuestKernel from_folder(const std::string &name, const fs::path &folder) {
    GuestKernel kernel;
    kernel.name = name;
    kernel.release = first_line(folder / "release");
    // The unpacked image boots faster; it is there where the fetched one could be unpacked.
    kernel.image = fs::exists(folder / "vmlinux") ? folder / "vmlinux" : folder / "vmlinuz";
    kernel.modules_root = folder / "root";
    kernel.modules = kernel.modules_root / "lib/modules" / kernel.release;
    return kernel;
}

GuestKernel from_image(const fs::path &image) {
    std::string start(4096 * 5, '\0');
    std::ifstream stream(image, std::ios::binary);
    stream.read(start.data(), static_cast<std::streamsize>(start.size()));
    start.resize(static_cast<std::size_t>(stream.gcount()));

    GuestKernel kernel;
    kernel.name = image.filename().string();
    kernel.image = image;
    kernel.release = bzimage_release(start);
    for (const fs::path &root : {image.parent_path().parent_path(), fs::path("/")}) {
        const auto modules = root / "lib/modules" / kernel.release;
        if (!kernel.release.empty() && fs::exists(modules / "modules.dep")) {
            kernel.modules = modules;
            kernel.modules_root = root;
            break;
        }
    }
    return kernel;
}

} // namespace

std::string bzimage_release(std::string_view image) {
    // Boot protocol: "HdrS" at 0x202; at 0x20e the offset, less 0x200, of the version's text.
    if (image.size() < 0x210 || image.substr(0x202, 4) != "HdrS")
        return {};
    std::uint16_t offset;
    std::memcpy(&offset, image.data() + 0x20e, sizeof offset);
    if (offset == 0 || offset + 0x200u >= image.size())
        return {};
    const auto text = image.substr(offset + 0x200u, 128);
    return std::string(text.substr(0, text.find_first_of(std::string_view(" \0", 2))));
}

fs::path GuestKernel::cache_folder() {
    const auto variable = [](const char *name) {
        const char *value = std::getenv(name);
        return std::string(value ? value : "");
    };
    if (const auto own = variable("BRGPU_CACHE"); !own.empty())
        return fs::absolute(own);
    if (const auto xdg = variable("XDG_CACHE_HOME"); !xdg.empty())
        return fs::path(xdg) / "brgpu";
    if (const auto home = variable("HOME"); !home.empty())
        return fs::path(home) / ".cache/brgpu";
    throw std::runtime_error("none of BRGPU_CACHE, XDG_CACHE_HOME and HOME is set: where are the "
                             "guest's kernels?");
}

GuestKernel GuestKernel::find(const std::string &which, const fs::path &modules) {
    GuestKernel kernel;
    const fs::path path(which);
    if (which.find('/') == std::string::npos && !fs::exists(path)) {
        const auto folder = cache_folder() / "kernels" / which;
        if (!fs::exists(folder / "release"))
            throw std::runtime_error("no kernel '" + which + "' in " +
                                     (cache_folder() / "kernels").string() +
                                     ": fetch it with 'make setup KERNEL=" + which +
                                     "', or give --kernel a kernel's image");
        kernel = from_folder(which, folder);
    } else if (fs::is_directory(path)) {
        if (!fs::exists(path / "release"))
            throw std::runtime_error(which + " has no file 'release': it is no folder of "
                                             "tools/setup/fetch-kernel");
        kernel = from_folder(path.filename().string(), fs::canonical(path));
    } else if (fs::exists(path)) {
        const auto folder = fs::absolute(path).parent_path();
        if (fs::exists(folder / "release") && fs::exists(folder / "root"))
            kernel = from_folder(folder.filename().string(), folder);
        else
            kernel = from_image(fs::canonical(path));
        kernel.image = fs::canonical(path);
    } else {
        throw std::runtime_error("no kernel image " + which);
    }
    if (!modules.empty()) {
        kernel.modules = fs::canonical(modules);
        kernel.modules_root.clear();
        if (kernel.release.empty())
            kernel.release = kernel.modules.filename().string();
    }
    if (!kernel.modules.empty() && !fs::exists(kernel.modules / "modules.dep"))
        throw std::runtime_error(kernel.modules.string() +
                                 " has no modules.dep: run depmod, or fetch "
                                 "the kernel again with tools/setup/fetch-kernel --update");
    return kernel;
}

std::vector<fs::path> GuestKernel::closure(const std::vector<std::string> &names) const {
    std::vector<fs::path> files;
    if (modules.empty())
        return files;
    ModuleIndex index(read_file(modules / "modules.dep"));
    if (fs::exists(modules / "modules.builtin"))
        index.add_builtin(read_file(modules / "modules.builtin"));
    for (const auto &file : index.closure(names))
        files.push_back(modules / file);
    return files;
}

} // namespace brgpu::guest
