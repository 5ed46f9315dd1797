// SPDX-License-Identifier: MIT
//
// An open card: the kernel interface and the constant facts about the card. Every other object
// holds a reference to its device.
#ifndef BRGPU_UMD_DEVICE_HPP
#define BRGPU_UMD_DEVICE_HPP

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drm/brgpu_drm.h"
#include "kernel_interface.hpp"

namespace brgpu::umd {

class Memory;

class Device : public std::enable_shared_from_this<Device> {
  public:
    // Reads the card's facts; refuses an interface of another major version.
    static std::shared_ptr<Device> create(std::unique_ptr<KernelInterface> kernel);

    KernelInterface &kernel() noexcept { return *kernel_; }
    const drm_brgpu_query_device &facts() const noexcept { return facts_; }

    // 0 or a negative errno. In the child of a fork nothing reaches the kernel: -ENODEV.
    template <typename Argument>
    int call(unsigned long request, Argument &argument) noexcept {
        return forked() ? -19 : kernel_->ioctl(request, &argument);
    }
    bool forked() const noexcept;

    brgpu_device_properties properties() const;
    std::vector<brgpu_memory_usage> memory_usage();
    brgpu_firmware_info firmware();
    brgpu_device_status status();
    brgpu_clock clock();
    uint64_t timestamp_to_ns(uint64_t timestamp);
    // Nanoseconds of a span of device timestamps.
    uint64_t ticks_to_ns(uint64_t ticks) const noexcept;

    // The kernel gives the same GEM handle for the same dma-buf again, and one GEM_CLOSE ends it:
    // so there is one Memory a handle.
    std::shared_ptr<Memory> import_memory(int fd);
    int export_memory(const std::shared_ptr<Memory> &memory);
    void close_handle(uint32_t handle) noexcept;

  private:
    explicit Device(std::unique_ptr<KernelInterface> kernel);
    template <typename Answer>
    void query(uint32_t query, const char *what, Answer &answer);

    std::unique_ptr<KernelInterface> kernel_;
    drm_brgpu_query_device facts_ = {};
    uint32_t generation_;
    std::mutex handle_lock_; // the map, and PRIME import against GEM_CLOSE
    std::map<uint32_t, std::weak_ptr<Memory>> shared_; // exported and imported, by handle
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_DEVICE_HPP
