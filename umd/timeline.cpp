// SPDX-License-Identifier: MIT
#include "timeline.hpp"

#include <algorithm>
#include <cerrno>

#include "error.hpp"
#include "queue_progress.hpp"

namespace brgpu::umd {

std::shared_ptr<Timeline> Timeline::create(std::shared_ptr<Device> device, uint64_t initial) {
    drm_syncobj_create request = {};
    int error = device->call(DRM_IOCTL_SYNCOBJ_CREATE, request);
    if (error)
        raise_errno(-error, "brgpu: creating a timeline");
    std::shared_ptr<Timeline> timeline(new Timeline(std::move(device), request.handle));
    if (initial)
        timeline->signal(initial);
    return timeline;
}

std::shared_ptr<Timeline> Timeline::import(std::shared_ptr<Device> device, int fd) {
    drm_syncobj_handle request = {};
    request.fd = fd;
    int error = device->call(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, request);
    if (error)
        raise_errno(-error, "brgpu: importing timeline file %d", fd);
    return std::shared_ptr<Timeline>(new Timeline(std::move(device), request.handle));
}

Timeline::~Timeline() {
    drm_syncobj_destroy request = {};
    request.handle = handle_;
    device_->call(DRM_IOCTL_SYNCOBJ_DESTROY, request);
}

uint64_t Timeline::value() {
    uint64_t point = 0;
    drm_syncobj_timeline_array request = {};
    request.handles = reinterpret_cast<uintptr_t>(&handle_);
    request.points = reinterpret_cast<uintptr_t>(&point);
    request.count_handles = 1;
    int error = device_->call(DRM_IOCTL_SYNCOBJ_QUERY, request);
    if (error)
        raise_errno(-error, "brgpu: reading a timeline");
    return point;
}

void Timeline::signal(uint64_t value) {
    std::lock_guard lock(lock_);
    const uint64_t present = this->value();
    if (value <= present)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: signalling %llu on a timeline that stands at %llu",
              static_cast<unsigned long long>(value), static_cast<unsigned long long>(present));
    drm_syncobj_timeline_array request = {};
    request.handles = reinterpret_cast<uintptr_t>(&handle_);
    request.points = reinterpret_cast<uintptr_t>(&value);
    request.count_handles = 1;
    int error = device_->call(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, request);
    if (error)
        raise_errno(-error, "brgpu: signalling a timeline");
}

int Timeline::export_fd() {
    drm_syncobj_handle request = {};
    request.handle = handle_;
    request.fd = -1;
    int error = device_->call(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, request);
    if (error)
        raise_errno(-error, "brgpu: exporting a timeline");
    return request.fd;
}

void Timeline::note_producer(std::shared_ptr<QueueProgress> progress, uint64_t serial,
                             uint64_t value) {
    std::lock_guard lock(lock_);
    std::erase_if(producers_, [](const Producer &p) { return p.progress->succeeded(p.serial); });
    producers_.push_back({std::move(progress), serial, value});
}

void Timeline::check_producers(uint64_t value) {
    std::lock_guard lock(lock_);
    for (const Producer &producer : producers_)
        if (producer.value <= value)
            producer.progress->check(producer.serial);
}

bool wait_points(std::span<const TimelinePoint> points, bool all, int64_t deadline_ns,
                 uint32_t *first) {
    std::vector<uint32_t> handles;
    std::vector<uint64_t> values;
    for (const TimelinePoint &point : points) {
        handles.push_back(point.timeline->handle());
        values.push_back(point.value);
    }
    drm_syncobj_timeline_wait request = {};
    request.handles = reinterpret_cast<uintptr_t>(handles.data());
    request.points = reinterpret_cast<uintptr_t>(values.data());
    request.timeout_nsec = deadline_ns;
    request.count_handles = static_cast<uint32_t>(handles.size());
    request.flags =
        DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT | (all ? DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL : 0);
    int error = points[0].timeline->device().call(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, request);
    if (error == -ETIME)
        return false;
    if (error)
        raise_errno(-error, "brgpu: waiting for %zu timeline points", points.size());
    if (first)
        *first = request.first_signaled;
    return true;
}

} // namespace brgpu::umd
