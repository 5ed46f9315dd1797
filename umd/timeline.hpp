// SPDX-License-Identifier: MIT
//
// A timeline syncobj, and who is to signal its points: a syncobj's point also signals when the work
// behind it failed, and the waiter has to be told.
#ifndef BRGPU_UMD_TIMELINE_HPP
#define BRGPU_UMD_TIMELINE_HPP

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "device.hpp"

namespace brgpu::umd {

class QueueProgress;

class Timeline {
  public:
    static std::shared_ptr<Timeline> create(std::shared_ptr<Device> device, uint64_t initial);
    static std::shared_ptr<Timeline> import(std::shared_ptr<Device> device, int fd);
    ~Timeline();

    Device &device() noexcept { return *device_; }
    uint32_t handle() const noexcept { return handle_; }
    uint64_t value();
    void signal(uint64_t value);
    int export_fd();

    // Submission `serial` of a queue will signal `value`.
    void note_producer(std::shared_ptr<QueueProgress> progress, uint64_t serial, uint64_t value);
    // Throws when the work that should have signalled a point up to `value` failed.
    void check_producers(uint64_t value);

  private:
    Timeline(std::shared_ptr<Device> device, uint32_t handle)
        : device_(std::move(device)), handle_(handle) {}

    struct Producer {
        std::shared_ptr<QueueProgress> progress;
        uint64_t serial;
        uint64_t value;
    };

    std::shared_ptr<Device> device_;
    uint32_t handle_;
    std::mutex lock_;
    std::vector<Producer> producers_;
};

struct TimelinePoint {
    Timeline *timeline;
    uint64_t value;
};

// False: the deadline (CLOCK_MONOTONIC) passed. Points that nobody has submitted are waited for.
// Doesn't look whether the work succeeded.
bool wait_points(std::span<const TimelinePoint> points, bool all, int64_t deadline_ns,
                 uint32_t *first);

} // namespace brgpu::umd

#endif // BRGPU_UMD_TIMELINE_HPP
