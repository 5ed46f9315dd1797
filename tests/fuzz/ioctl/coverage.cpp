// SPDX-License-Identifier: MIT
#include "coverage.hpp"

#include <fcntl.h>
#include <linux/kcov.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace brgpu::fuzz {

Coverage::Coverage() {
    fd_ = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
    if (fd_ < 0)
        return;
    if (ioctl(fd_, KCOV_INIT_TRACE, entries) != 0)
        return;
    void *area =
        mmap(nullptr, entries * sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (area == MAP_FAILED)
        return;
    if (ioctl(fd_, KCOV_ENABLE, KCOV_TRACE_PC) != 0) {
        munmap(area, entries * sizeof(std::uint64_t));
        return;
    }
    area_ = static_cast<std::uint64_t *>(area);
}

Coverage::~Coverage() {
    if (area_) {
        ioctl(fd_, KCOV_DISABLE, 0);
        munmap(area_, entries * sizeof(std::uint64_t));
    }
    if (fd_ >= 0)
        close(fd_);
}

void Coverage::start() {
    if (area_)
        __atomic_store_n(&area_[0], 0, __ATOMIC_RELAXED);
}

std::size_t Coverage::collect(std::unordered_set<std::uint64_t> &seen) {
    if (!area_)
        return 0;
    std::size_t fresh = 0;
    const std::uint64_t count = __atomic_load_n(&area_[0], __ATOMIC_RELAXED);
    for (std::uint64_t i = 0; i < count && i + 1 < entries; i++)
        fresh += seen.insert(area_[i + 1]).second;
    return fresh;
}

} // namespace brgpu::fuzz
