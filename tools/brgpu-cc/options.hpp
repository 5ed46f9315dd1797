// SPDX-License-Identifier: MIT
//
// The command line of brgpu-cc.
#ifndef BRGPU_CC_OPTIONS_HPP
#define BRGPU_CC_OPTIONS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace brgpu::cc {

struct Options {
    std::vector<std::string> inputs;
    std::string output;
    std::string dump;                       // --dump FILE: describe a code object, compile nothing
    std::vector<std::string> frontend_args; // handed to clang as they are
    std::string cl_std = "CL3.0";
    std::string c_std = "gnu17";
    char opt_level = '2';
    bool debug_info = false;
    bool emit_bitcode_only = false; // -c: stop after the front end
    bool save_temps = false;
    bool verbose = false;
    bool json = false;
    bool assembly = false; // -S: RISC-V assembly instead of a code object
    std::optional<uint32_t> stack_bytes;
};

enum class ParseResult { run, done, usage_error };

// Fills `options` from the command line. `done`: --help or --version has been answered.
// `usage_error`: a message has been written to stderr.
ParseResult parse_options(int argc, char **argv, Options &options);

} // namespace brgpu::cc

#endif
