// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "brgpu/hw/isa.h"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace brgpu::cc {
namespace {

constexpr const char *help_text =
    R"(usage: brgpu-cc [options] file.cl|file.c|file.bc... -o out.elf
       brgpu-cc --dump out.elf [--json]

Compiles OpenCL C 3.0 and C kernels to a brgpu code object.

  -o FILE             output file
  -O0 -O1 -O2 -O3     optimisation level (default -O2); -Os and -Oz for size
  -g                  DWARF debug information
  -I DIR, -D M[=V], -U M, -include FILE, -isystem DIR
                      as for clang
  -cl-std=STD         OpenCL C version: CL1.0, CL1.1, CL1.2, CL2.0, CL3.0 (default)
  -std=STD            version of C for .c files (default gnu17)
  -cl-...             OpenCL options of clang: -cl-fast-relaxed-math, -cl-mad-enable, ...
  -W..., -w, -f...    warning and language options, handed to clang
  -c                  stop after the front end: write LLVM bitcode (one input), to be linked later
  -S                  write RISC-V assembly instead of a code object
  --stack-bytes N     private memory of a work-item for kernels with recursion or indirect calls
                      whose depth is not known (default 8192, at most 262144)
  --save-temps        keep the intermediate files beside the output
  --json              describe the kernels of the result as JSON on stdout
  --dump FILE         describe the kernels of a code object
  -v, --verbose       print the commands that are run
  --help, --version

Environment: BRGPU_CLANG, BRGPU_LLD name the clang-19 and ld.lld-19 programs to use.
Exit status: 0 success, 1 compilation failed, 2 wrong usage, 3 a tool or the device library is missing.
)";

bool starts_with_any(std::string_view arg, std::initializer_list<std::string_view> prefixes) {
    for (const auto prefix : prefixes)
        if (arg.starts_with(prefix))
            return true;
    return false;
}

void usage_error(const std::string &text) {
    std::fprintf(stderr, "brgpu-cc: %s (see brgpu-cc --help)\n", text.c_str());
}

bool parse_stack_bytes(std::string_view text, Options &options) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value == 0 ||
        value > BRGPU_MAX_PRIVATE_BYTES) {
        usage_error("--stack-bytes " + std::string(text) + ": not a number from 1 to " +
                    std::to_string(BRGPU_MAX_PRIVATE_BYTES));
        return false;
    }
    options.stack_bytes = value;
    return true;
}

} // namespace

ParseResult parse_options(int argc, char **argv, Options &options) {
    const std::vector<std::string> args(argv + 1, argv + argc);
    for (size_t i = 0; i < args.size(); i++) {
        const std::string &arg = args[i];
        const auto next = [&](std::string &out) {
            if (i + 1 == args.size()) {
                usage_error(arg + " needs an argument");
                return false;
            }
            out = args[++i];
            return true;
        };
        if (arg == "--help" || arg == "-h") {
            std::fputs(help_text, stdout);
            return ParseResult::done;
        }
        if (arg == "--version") {
            std::printf("brgpu-cc %s (ISA %d.%d)\n", BRGPU_CC_VERSION, BRGPU_ISA_MAJOR,
                        BRGPU_ISA_MINOR);
            return ParseResult::done;
        }
        std::string value;
        if (arg == "-o") {
            if (!next(options.output))
                return ParseResult::usage_error;
        } else if (arg == "--dump") {
            if (!next(options.dump))
                return ParseResult::usage_error;
        } else if (arg == "--stack-bytes" || arg.starts_with("--stack-bytes=")) {
            if (arg == "--stack-bytes") {
                if (!next(value))
                    return ParseResult::usage_error;
            } else {
                value = arg.substr(std::strlen("--stack-bytes="));
            }
            if (!parse_stack_bytes(value, options))
                return ParseResult::usage_error;
        } else if (arg == "-g") {
            options.debug_info = true;
        } else if (arg == "-c") {
            options.emit_bitcode_only = true;
        } else if (arg == "-S") {
            options.assembly = true;
        } else if (arg == "--save-temps" || arg == "-save-temps") {
            options.save_temps = true;
        } else if (arg == "-v" || arg == "--verbose") {
            options.verbose = true;
        } else if (arg == "--json") {
            options.json = true;
        } else if (arg == "-O") {
            options.opt_level = '1';
        } else if (arg.size() == 3 && arg.starts_with("-O") &&
                   std::strchr("0123sz", arg[2]) != nullptr) {
            options.opt_level = arg[2];
        } else if (arg.starts_with("-cl-std=")) {
            options.cl_std = arg.substr(std::strlen("-cl-std="));
        } else if (arg.starts_with("-std=")) {
            options.c_std = arg.substr(std::strlen("-std="));
        } else if (arg == "-cl-opt-disable") {
            options.opt_level = '0';
        } else if (arg == "-I" || arg == "-D" || arg == "-U" || arg == "-include" ||
                   arg == "-isystem" || arg == "-iquote") {
            if (!next(value))
                return ParseResult::usage_error;
            options.frontend_args.insert(options.frontend_args.end(), {arg, value});
        } else if (starts_with_any(arg, {"-I", "-D", "-U", "-W", "-f", "-cl-", "-isystem"}) ||
                   arg == "-w" || arg == "-pedantic" || arg == "-ansi") {
            if (arg.starts_with("-fpass-plugin") || arg.starts_with("-fplugin")) {
                usage_error(arg + " is not supported");
                return ParseResult::usage_error;
            }
            options.frontend_args.push_back(arg);
        } else if (arg.size() > 1 && arg[0] == '-') {
            usage_error("unknown option " + arg);
            return ParseResult::usage_error;
        } else {
            options.inputs.push_back(arg);
        }
    }
    if (!options.dump.empty()) {
        if (!options.inputs.empty()) {
            usage_error("--dump compiles nothing: " + options.inputs.front() + " is unexpected");
            return ParseResult::usage_error;
        }
        return ParseResult::run;
    }
    if (options.inputs.empty()) {
        usage_error("no input file");
        return ParseResult::usage_error;
    }
    if (options.output.empty()) {
        usage_error("no output file: add -o FILE");
        return ParseResult::usage_error;
    }
    if (options.emit_bitcode_only && options.inputs.size() != 1) {
        usage_error("-c takes one input file");
        return ParseResult::usage_error;
    }
    return ParseResult::run;
}

} // namespace brgpu::cc
