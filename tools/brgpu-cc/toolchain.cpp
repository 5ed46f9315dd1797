// SPDX-License-Identifier: MIT
#include "toolchain.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

extern char **environ;

namespace fs = std::filesystem;

namespace brgpu::cc {
namespace {

bool is_executable(const fs::path &path) {
    std::error_code error;
    return fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

fs::path find_in_path(const std::string &name) {
    const char *path = std::getenv("PATH");
    std::string rest = path != nullptr ? path : "";
    while (!rest.empty()) {
        const size_t colon = rest.find(':');
        const fs::path candidate = fs::path(rest.substr(0, colon)) / name;
        if (is_executable(candidate))
            return candidate;
        rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    }
    return {};
}

// Version 19 exactly: the bitcode goes through the LLVM library that brgpu-cc is linked with.
fs::path find_tool(const char *variable, const char *llvm_name,
                   std::initializer_list<const char *> path_names) {
    if (const char *override_path = std::getenv(variable);
        override_path != nullptr && *override_path != '\0')
        return is_executable(override_path) ? fs::path(override_path) : fs::path();
    fs::path in_llvm = fs::path("/usr/lib/llvm-19/bin") / llvm_name;
    if (is_executable(in_llvm))
        return in_llvm;
    for (const char *name : path_names)
        if (fs::path found = find_in_path(name); !found.empty())
            return found;
    return {};
}

fs::path own_directory() {
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    return error ? fs::path() : self.parent_path();
}

bool file_exists(const fs::path &path) {
    std::error_code error;
    return fs::exists(path, error);
}

} // namespace

bool find_toolchain(Toolchain &toolchain) {
    toolchain.clang = find_tool("BRGPU_CLANG", "clang", {"clang-19"});
    if (toolchain.clang.empty()) {
        std::fprintf(stderr, "brgpu-cc: no clang 19 in /usr/lib/llvm-19/bin, $PATH or $BRGPU_CLANG:"
                             " install the package clang-19\n");
        return false;
    }
    toolchain.lld = find_tool("BRGPU_LLD", "ld.lld", {"ld.lld-19"});
    if (toolchain.lld.empty()) {
        std::fprintf(stderr, "brgpu-cc: no ld.lld 19 in /usr/lib/llvm-19/bin, $PATH or $BRGPU_LLD:"
                             " install the package lld-19\n");
        return false;
    }
    const fs::path own = own_directory();
    toolchain.device_library = own / "../lib/brgpu/device.bc";
    if (!file_exists(toolchain.device_library)) {
        std::fprintf(stderr,
                     "brgpu-cc: the device library %s is missing: build the target "
                     "brgpu_device_library or install brgpu-cc completely\n",
                     toolchain.device_library.c_str());
        return false;
    }
    // Installed beside the program, or the source tree that the program was built from.
    toolchain.include_dir = own / "../lib/brgpu/include";
    if (!file_exists(toolchain.include_dir / "brgpu/device"))
        toolchain.include_dir = BRGPU_CC_INCLUDE_DIR;
    return true;
}

int run_program(const std::vector<std::string> &argv, bool verbose) {
    std::vector<char *> raw;
    for (const auto &arg : argv) {
        if (verbose)
            std::fprintf(stderr, "%s ", arg.c_str());
        raw.push_back(const_cast<char *>(arg.c_str()));
    }
    if (verbose)
        std::fputc('\n', stderr);
    raw.push_back(nullptr);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, raw[0], nullptr, nullptr, raw.data(), environ);
    if (error != 0) {
        std::fprintf(stderr, "brgpu-cc: cannot start %s: %s\n", raw[0], std::strerror(error));
        return 127;
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    if (WIFSIGNALED(status)) {
        std::fprintf(stderr, "brgpu-cc: %s died of signal %d\n", raw[0], WTERMSIG(status));
        return 128 + WTERMSIG(status);
    }
    return WEXITSTATUS(status);
}

TemporaryDirectory::TemporaryDirectory() {
    std::error_code error;
    const fs::path base = fs::temp_directory_path(error);
    std::string name = ((error ? fs::path("/tmp") : base) / "brgpu-cc-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        std::fprintf(stderr, "brgpu-cc: cannot make a temporary folder %s: %s\n", name.c_str(),
                     std::strerror(errno));
    else
        path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    if (valid()) {
        std::error_code error;
        fs::remove_all(path_, error);
    }
}

bool run_frontend(const Toolchain &toolchain, const Options &options, const std::string &input,
                  const fs::path &output) {
    const bool is_c = fs::path(input).extension() == ".c";
    // The SPIR target is used for its front end alone: it passes vectors and structs to functions
    // as they are, has all address spaces, and keeps the arguments of kernels recognisable. The
    // bitcode is retargeted to RISC-V before anything is optimised.
    std::vector<std::string> argv = {toolchain.clang,
                                     "--target=spir64-unknown-unknown",
                                     "-x",
                                     is_c ? "c" : "cl",
                                     is_c ? "-std=" + options.c_std : "-cl-std=" + options.cl_std,
                                     "-emit-llvm",
                                     "-c",
                                     std::string("-O") + options.opt_level,
                                     "-Xclang",
                                     "-disable-llvm-passes",
                                     "-fno-discard-value-names",
                                     "-ffp-contract=on",
                                     "-U__SPIR__",
                                     "-U__SPIR64__",
                                     "-D__BRGPU__=1"};
    if (is_c) {
        argv.insert(argv.end(),
                    {"-ffreestanding", "-fconvergent-functions", "-Wno-atomic-alignment",
                     "-isystem", toolchain.include_dir / "brgpu/device/libc"});
    } else {
        argv.insert(argv.end(),
                    {"-D__OPENCL_VERSION__=300", "-Xclang", "-finclude-default-header", "-Xclang",
                     "-fdeclare-opencl-builtins", "-Xclang", "-cl-ext=" BRGPU_OPENCL_EXTENSIONS});
        const bool has_features = options.cl_std >= "CL2.0" && options.cl_std.starts_with("CL");
        if (has_features)
            for (const char *feature : {BRGPU_OPENCL_FEATURES})
                argv.push_back(std::string("-D") + feature + "=1");
    }
    argv.push_back("-isystem");
    argv.push_back(toolchain.include_dir);
    if (options.debug_info)
        argv.push_back("-g");
    argv.insert(argv.end(), options.frontend_args.begin(), options.frontend_args.end());
    argv.insert(argv.end(), {"-o", output, input});
    return run_program(argv, options.verbose) == 0;
}

bool run_linker(const Toolchain &toolchain, const Options &options,
                const std::vector<fs::path> &objects, const fs::path &output) {
    // Segments of different rights must not share a 64 KiB page. A read-only .dynamic keeps objects
    // with no writable data free of a writable segment.
    std::vector<std::string> argv = {toolchain.lld,
                                     "-m",
                                     "elf64lriscv",
                                     "-pie",
                                     "--no-dynamic-linker",
                                     "-z",
                                     "max-page-size=65536",
                                     "-z",
                                     "common-page-size=65536",
                                     "-z",
                                     "norelro",
                                     "-z",
                                     "rodynamic",
                                     "-z",
                                     "nognustack",
                                     "--build-id=sha1",
                                     "--hash-style=sysv",
                                     "--gc-sections",
                                     "--no-relax",
                                     "--discard-locals",
                                     "--export-dynamic-symbol=*.kd",
                                     "--no-undefined",
                                     "-e",
                                     "0"};
    if (!options.debug_info)
        argv.push_back("--strip-debug");
    argv.insert(argv.end(), objects.begin(), objects.end());
    argv.insert(argv.end(), {"-o", output});
    return run_program(argv, options.verbose) == 0;
}

} // namespace brgpu::cc
