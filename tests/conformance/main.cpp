// SPDX-License-Identifier: MIT
//
// conformance [--backend drm|model] [--kernels FOLDER] [GoogleTest's options]: the library's whole
// public interface, the same tests on every backend.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "suite.hpp"

namespace brgpu::conformance {

namespace {
brgpu_backend chosen = BRGPU_BACKEND_ANY;
std::string kernels;
std::unique_ptr<Device> device;
} // namespace

brgpu_backend backend() {
    return chosen;
}

const std::vector<std::byte> &code() {
    static const std::vector<std::byte> bytes = [] {
        std::ifstream file(kernels + "/conformance.elf", std::ios::binary);
        const std::vector<char> data(std::istreambuf_iterator<char>(file), {});
        if (data.empty())
            throw std::runtime_error(kernels + "/conformance.elf can't be read");
        const auto *start = reinterpret_cast<const std::byte *>(data.data());
        return std::vector<std::byte>(start, start + data.size());
    }();
    return bytes;
}

const Device &shared_device() {
    if (!device)
        device = std::make_unique<Device>(Device::open(chosen));
    return *device;
}

Device new_device() {
    return Device::open(chosen);
}

} // namespace brgpu::conformance

int main(int argc, char **argv) {
    using namespace brgpu::conformance;
    testing::InitGoogleTest(&argc, argv);
    kernels =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../share/brgpu/kernels")
            .string();
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
        if (option == "--backend" && (value == "drm" || value == "model")) {
            chosen = value == "drm" ? BRGPU_BACKEND_DRM : BRGPU_BACKEND_MODEL;
        } else if (option == "--kernels" && !value.empty()) {
            kernels = value;
        } else {
            fprintf(stderr, "usage: %s [--backend drm|model] [--kernels FOLDER]\n", argv[0]);
            return 2;
        }
        ++i;
    }
    const int result = RUN_ALL_TESTS();
    device.reset();
    return result;
}
