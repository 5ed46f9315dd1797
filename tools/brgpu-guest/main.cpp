// SPDX-License-Identifier: MIT
//
// brgpu-guest: the launcher on the host and, started by the guest's init script with --agent, the
// guest's process 1. One program, for the guest's files are the host's.
#include "agent.hpp"
#include "launcher.hpp"
#include "options.hpp"

#include <exception>
#include <iostream>
#include <string_view>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc == 2 && std::string_view(argv[1]) == "--agent" && ::getpid() == 1)
        brgpu::guest::run_agent();
    try {
        int exit_code = 0;
        const auto options = brgpu::guest::parse_options(argc, argv, exit_code);
        return options ? brgpu::guest::launch(*options) : exit_code;
    } catch (const std::exception &error) {
        std::cerr << "brgpu-guest: " << error.what() << "\n";
        return brgpu::guest::exit_failure;
    }
}
