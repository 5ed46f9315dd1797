// SPDX-License-Identifier: MIT
#include "vram.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace brgpu::model {

Vram::Vram(void *host, uint64_t bytes) : bytes_(bytes) {
    if (host) {
        data_ = static_cast<std::byte *>(host);
        return;
    }
    fd_ = memfd_create("brgpu-vram", MFD_CLOEXEC);
    if (fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "memfd for device memory");
    void *mapping = MAP_FAILED;
    if (ftruncate(fd_, static_cast<off_t>(bytes)) == 0)
        mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
    if (mapping == MAP_FAILED) {
        int error = errno;
        close(fd_);
        throw std::system_error(error, std::generic_category(), "mapping device memory");
    }
    data_ = static_cast<std::byte *>(mapping);
    // A core dump of the process isn't a dump of the card.
    madvise(data_, bytes_, MADV_DONTDUMP);
}

Vram::~Vram() {
    if (fd_ >= 0) {
        munmap(data_, bytes_);
        close(fd_);
    }
}

void Vram::clear() {
    // Punching the hole frees the pages of shared memory. The host's memory may be private, where
    // only MADV_DONTNEED does that, or be backed by a file, where neither zeroes: so look.
    if (madvise(data_, bytes_, MADV_REMOVE) == 0)
        return;
    auto *probe = reinterpret_cast<volatile unsigned char *>(data_);
    *probe = 1;
    if (madvise(data_, bytes_, MADV_DONTNEED) == 0 && *probe == 0)
        return;
    std::memset(data_, 0, bytes_);
}

uint64_t Vram::resident_bytes() const {
    struct stat status = {};
    if (fd_ >= 0)
        return fstat(fd_, &status) == 0 ? static_cast<uint64_t>(status.st_blocks) * 512 : 0;

    const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    constexpr uint64_t step_pages = 1u << 16;
    std::vector<unsigned char> map(step_pages);
    uint64_t resident = 0;
    for (uint64_t at = 0; at < bytes_; at += step_pages * page) {
        uint64_t length = std::min(bytes_ - at, step_pages * page);
        if (mincore(data_ + at, length, map.data()) != 0)
            return resident;
        for (uint64_t i = 0; i < (length + page - 1) / page; i++)
            resident += (map[i] & 1) ? page : 0;
    }
    return resident;
}

} // namespace brgpu::model
