// SPDX-License-Identifier: MIT
#include "drm_interface.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "../error.hpp"
#include "drm/brgpu_drm.h"

namespace brgpu::umd {

std::unique_ptr<DrmInterface> DrmInterface::open(const std::string &node) {
    const int fd = ::open(node.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        const int error = errno;
        if (error == EACCES || error == EPERM)
            raise(BRGPU_ERROR_NO_PERMISSION,
                  "brgpu: %s may not be opened by user %u: add the user to the node's group "
                  "(usually render) and log in again",
                  node.c_str(), static_cast<unsigned>(geteuid()));
        raise(error == ENODEV || error == ENXIO ? BRGPU_ERROR_DEVICE_LOST : BRGPU_ERROR_SYSTEM,
              "brgpu: opening %s: %s", node.c_str(), strerrordesc_np(error));
    }
    std::unique_ptr<DrmInterface> kernel(new DrmInterface(fd, node));
    drmVersionPtr version = drmGetVersion(fd);
    if (!version)
        raise(BRGPU_ERROR_SYSTEM, "brgpu: %s does not tell its driver's version: %s", node.c_str(),
              strerrordesc_np(errno));
    const std::string name(version->name, static_cast<size_t>(version->name_len));
    const int major = version->version_major, minor = version->version_minor;
    drmFreeVersion(version);
    if (name != "brgpu")
        raise(BRGPU_ERROR_NO_DEVICE, "brgpu: %s belongs to driver %s", node.c_str(), name.c_str());
    if (major != DRM_BRGPU_UAPI_MAJOR)
        raise(BRGPU_ERROR_VERSION_MISMATCH,
              "brgpu: the module behind %s speaks interface %d.%d, this library %d.x: install both "
              "of the same major version",
              node.c_str(), major, minor, DRM_BRGPU_UAPI_MAJOR);
    return kernel;
}

DrmInterface::~DrmInterface() {
    close(fd_);
}

int DrmInterface::ioctl(unsigned long request, void *argument) noexcept {
    return drmIoctl(fd_, request, argument) == 0 ? 0 : -errno;
}

void *DrmInterface::map(size_t bytes, uint64_t offset, int *error) noexcept {
    void *pointer =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(offset));
    if (pointer == MAP_FAILED) {
        *error = errno;
        return nullptr;
    }
    // A child of fork() has no use for it, and must not keep the buffer alive.
    madvise(pointer, bytes, MADV_DONTFORK);
    return pointer;
}

void DrmInterface::unmap(void *pointer, size_t bytes) noexcept {
    munmap(pointer, bytes);
}

} // namespace brgpu::umd
