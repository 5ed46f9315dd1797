// SPDX-License-Identifier: MIT
#ifndef BRGPU_UMD_DEADLINE_HPP
#define BRGPU_UMD_DEADLINE_HPP

#include <cstdint>
#include <ctime>

namespace brgpu::umd {

inline uint64_t monotonic_ns() noexcept {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// CLOCK_MONOTONIC time that the kernel's waits take; saturates at "never".
inline int64_t deadline_after(uint64_t timeout_ns) noexcept {
    const uint64_t now = monotonic_ns();
    return timeout_ns >= static_cast<uint64_t>(INT64_MAX) - now
               ? INT64_MAX
               : static_cast<int64_t>(now + timeout_ns);
}

} // namespace brgpu::umd

#endif // BRGPU_UMD_DEADLINE_HPP
