// SPDX-License-Identifier: MIT
#include "kernel_interface.hpp"

#include <cerrno>

namespace brgpu::umd {

std::byte *KernelInterface::memory_of(uint32_t) noexcept {
    return nullptr;
}

int KernelInterface::inject(const char *, const char *, std::string *) noexcept {
    return -EOPNOTSUPP;
}

} // namespace brgpu::umd
