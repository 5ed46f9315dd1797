// SPDX-License-Identifier: MIT
//
// The kernel interface on a render node.
#ifndef BRGPU_UMD_DRM_DRM_INTERFACE_HPP
#define BRGPU_UMD_DRM_DRM_INTERFACE_HPP

#include <memory>
#include <string>

#include "../kernel_interface.hpp"

namespace brgpu::umd {

class DrmInterface final : public KernelInterface {
  public:
    // Throws with the reason: permission, another driver, another interface version.
    static std::unique_ptr<DrmInterface> open(const std::string &node);
    ~DrmInterface() override;

    int ioctl(unsigned long request, void *argument) noexcept override;
    void *map(size_t bytes, uint64_t offset, int *error) noexcept override;
    void unmap(void *pointer, size_t bytes) noexcept override;
    brgpu_backend backend() const noexcept override { return BRGPU_BACKEND_DRM; }
    int fd() const noexcept override { return fd_; }
    std::string node() const override { return node_; }

  private:
    DrmInterface(int fd, std::string node) : fd_(fd), node_(std::move(node)) {}

    int fd_;
    std::string node_;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_DRM_DRM_INTERFACE_HPP
