// SPDX-License-Identifier: MIT
//
// How tests run kernels: by the environment variable BRGPU_JIT, which is off (if not set), auto or
// sync. Every program that runs kernels on the engine can so be run both ways.
#ifndef BRGPU_TESTS_SIMT_JIT_ENVIRONMENT_HPP
#define BRGPU_TESTS_SIMT_JIT_ENVIRONMENT_HPP

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "simt/engine.hpp"

namespace brgpu::simt::test {

// Null for off. Throws if the variable is wrong, or there is no JIT.
inline Jit *jit_of_environment() {
    const char *text = std::getenv("BRGPU_JIT");
    const std::string wanted = text ? text : "off";
    const auto mode = Jit::mode_by_name(wanted);
    if (!mode)
        throw std::runtime_error("BRGPU_JIT is '" + wanted + "': expected off, auto or sync");
    if (*mode == JitMode::off)
        return nullptr;
    static Jit jit(*mode);
    if (std::string problem; !jit.available(&problem))
        throw std::runtime_error("BRGPU_JIT=" + wanted + ": " + problem);
    return &jit;
}

} // namespace brgpu::simt::test

#endif
