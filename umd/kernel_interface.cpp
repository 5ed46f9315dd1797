// SPDX-License-Identifier: MIT
#include "kernel_interface.hpp"

#include <cerrno>

namespace brgpu::umd {

int KernelInterface::inject(const char *, const char *, std::string *) noexcept {
    return -EOPNOTSUPP;
}

} // namespace brgpu::umd
