// SPDX-License-Identifier: MIT
//
// The programs and files that brgpu-cc works with: clang, ld.lld, the device library and headers;
// running the programs; temporary files.
#ifndef BRGPU_CC_TOOLCHAIN_HPP
#define BRGPU_CC_TOOLCHAIN_HPP

#include "options.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace brgpu::cc {

struct Toolchain {
    std::filesystem::path clang;
    std::filesystem::path lld;
    std::filesystem::path device_library; // bitcode
    std::filesystem::path include_dir;    // holds brgpu/device/
};

// Finds everything, or writes to stderr what is missing and how to get it.
bool find_toolchain(Toolchain &toolchain);

// Runs argv[0] with the given arguments and returns its exit status, 128 + signal, or 127 when it
// can't be started (a message has then been written).
int run_program(const std::vector<std::string> &argv, bool verbose);

// A folder that is removed with everything in it when the object dies.
class TemporaryDirectory {
  public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory &) = delete;
    TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;

    bool valid() const { return !path_.empty(); }
    const std::filesystem::path &path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// Compiles one source to unoptimised LLVM bitcode. Diagnostics are clang's own, on stderr.
bool run_frontend(const Toolchain &toolchain, const Options &options, const std::string &input,
                  const std::filesystem::path &output);

// Links objects to a code object.
bool run_linker(const Toolchain &toolchain, const Options &options,
                const std::vector<std::filesystem::path> &objects,
                const std::filesystem::path &output);

} // namespace brgpu::cc

#endif
