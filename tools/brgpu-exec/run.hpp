// SPDX-License-Identifier: MIT
//
// What brgpu-exec does once the command line is understood.
#ifndef BRGPU_EXEC_RUN_HPP
#define BRGPU_EXEC_RUN_HPP

#include <string>
#include <vector>

#include "argument_spec.hpp"
#include "brgpu/brgpu.hpp"

namespace brgpu::exec {

struct Options {
    std::string backend = "any";
    uint32_t device = 0;
    std::string file;
    std::string kernel;
    std::string global;
    std::string local;
    std::vector<std::string> arguments;
    uint32_t repeat = 1;
    double timeout_s = 120;
    bool json = false;
    bool list = false;
    bool counters = false;
    bool profile = false;
};

// 0 after success, 1 when the run failed; throws UsageError (2) and brgpu::Error (1).
int run(const Options &options);

} // namespace brgpu::exec

#endif // BRGPU_EXEC_RUN_HPP
