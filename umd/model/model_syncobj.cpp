// SPDX-License-Identifier: MIT
#include "model_syncobj.hpp"

#include <algorithm>
#include <cerrno>

namespace brgpu::umd::model {

namespace {

constexpr uint32_t most_handles = 65536;

template <typename Element>
const Element *array_at(uint64_t address) {
    return reinterpret_cast<const Element *>(static_cast<uintptr_t>(address));
}

FenceRef signalled_fence() {
    return std::make_shared<Fence>(Fence{true, 0});
}

} // namespace

void Syncobj::replace(FenceRef fence) {
    reset();
    binary_ = std::move(fence);
}

void Syncobj::add(uint64_t point, FenceRef fence) {
    settle();
    // A point that is not above the last one can't be told apart from it: both have to be reached.
    if (point <= last_submitted())
        point = last_submitted() + 1;
    points_.emplace(point, std::move(fence));
}

void Syncobj::reset() {
    binary_.reset();
    points_.clear();
    value_ = 0;
}

void Syncobj::settle() {
    while (!points_.empty() && points_.begin()->second->signalled) {
        value_ = points_.begin()->first;
        points_.erase(points_.begin());
    }
}

uint64_t Syncobj::value() {
    settle();
    return value_;
}

uint64_t Syncobj::last_submitted() const {
    return points_.empty() ? value_ : points_.rbegin()->first;
}

bool Syncobj::has(uint64_t point) {
    settle();
    if (point == 0)
        return binary_ || value_ || !points_.empty();
    return point <= last_submitted();
}

bool Syncobj::reached(uint64_t point) {
    settle();
    if (point == 0)
        return binary_ ? binary_->signalled : has(0) && points_.empty();
    return point <= value_;
}

std::vector<FenceRef> Syncobj::fences(uint64_t point) {
    settle();
    std::vector<FenceRef> list;
    if (point == 0 && binary_)
        list.push_back(binary_);
    if (point > value_ || point == 0)
        for (const auto &[at, fence] : points_) {
            list.push_back(fence);
            if (point && at >= point)
                break;
        }
    return list;
}

Syncobj *SyncobjTable::find(uint32_t handle) {
    auto entry = objects_.find(handle);
    return entry == objects_.end() ? nullptr : &entry->second;
}

int SyncobjTable::create(drm_syncobj_create &args) {
    if (args.flags & ~DRM_SYNCOBJ_CREATE_SIGNALED)
        return -EINVAL;
    if (objects_.size() >= most_handles)
        return -ENOMEM;
    args.handle = next_++;
    Syncobj &object = objects_[args.handle];
    if (args.flags & DRM_SYNCOBJ_CREATE_SIGNALED)
        object.replace(signalled_fence());
    return 0;
}

int SyncobjTable::destroy(const drm_syncobj_destroy &args) {
    if (args.pad)
        return -EINVAL;
    return objects_.erase(args.handle) ? 0 : -EINVAL;
}

int SyncobjTable::reset(const drm_syncobj_array &args) {
    if (args.pad || args.count_handles == 0)
        return -EINVAL;
    auto *handles = array_at<uint32_t>(args.handles);
    for (uint32_t i = 0; i < args.count_handles; ++i)
        if (!find(handles[i]))
            return -ENOENT;
    for (uint32_t i = 0; i < args.count_handles; ++i)
        find(handles[i])->reset();
    return 0;
}

int SyncobjTable::signal(const drm_syncobj_array &args) {
    if (args.pad || args.count_handles == 0)
        return -EINVAL;
    auto *handles = array_at<uint32_t>(args.handles);
    for (uint32_t i = 0; i < args.count_handles; ++i)
        if (!find(handles[i]))
            return -ENOENT;
    for (uint32_t i = 0; i < args.count_handles; ++i)
        find(handles[i])->replace(signalled_fence());
    return 0;
}

int SyncobjTable::timeline_signal(const drm_syncobj_timeline_array &args) {
    if (args.flags || args.count_handles == 0)
        return -EINVAL;
    auto *handles = array_at<uint32_t>(args.handles);
    auto *points = array_at<uint64_t>(args.points);
    for (uint32_t i = 0; i < args.count_handles; ++i)
        if (!find(handles[i]))
            return -ENOENT;
    for (uint32_t i = 0; i < args.count_handles; ++i) {
        if (points[i])
            find(handles[i])->add(points[i], signalled_fence());
        else
            find(handles[i])->replace(signalled_fence());
    }
    return 0;
}

int SyncobjTable::query(const drm_syncobj_timeline_array &args) {
    if (args.flags & ~DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED || args.count_handles == 0)
        return -EINVAL;
    auto *handles = array_at<uint32_t>(args.handles);
    auto *points = reinterpret_cast<uint64_t *>(static_cast<uintptr_t>(args.points));
    for (uint32_t i = 0; i < args.count_handles; ++i) {
        Syncobj *object = find(handles[i]);
        if (!object)
            return -ENOENT;
        points[i] = args.flags ? object->last_submitted() : object->value();
    }
    return 0;
}

int SyncobjTable::transfer(const drm_syncobj_transfer &args) {
    Syncobj *from = find(args.src_handle);
    Syncobj *to = find(args.dst_handle);
    if (!from || !to)
        return -ENOENT;
    if (args.pad || args.flags & ~DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT ||
        !from->has(args.src_point))
        return -EINVAL;
    const std::vector<FenceRef> fences = from->fences(args.src_point);
    // Fences of one syncobj signal in order of their points: the last one stands for all.
    FenceRef fence = fences.empty() ? signalled_fence() : fences.back();
    if (args.dst_point)
        to->add(args.dst_point, std::move(fence));
    else
        to->replace(std::move(fence));
    return 0;
}

int SyncobjTable::check_wait(const uint32_t *handles, const uint64_t *points, uint32_t count,
                             uint32_t flags, uint32_t *first) {
    constexpr uint32_t known = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL |
                               DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
                               DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
    if (flags & ~known || count == 0)
        return -EINVAL;
    uint32_t ready = 0;
    bool found = false;
    for (uint32_t i = 0; i < count; ++i) {
        Syncobj *object = find(handles[i]);
        if (!object)
            return -ENOENT;
        const uint64_t point = points ? points[i] : 0;
        if (!object->has(point) && !(flags & (DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
                                              DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE)))
            return -EINVAL;
        const bool is_ready = flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
                                  ? object->has(point)
                                  : object->has(point) && object->reached(point);
        if (!is_ready)
            continue;
        ++ready;
        if (!found)
            *first = i;
        found = true;
    }
    const bool over = flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL ? ready == count : found;
    return over ? 0 : -EAGAIN;
}

} // namespace brgpu::umd::model
