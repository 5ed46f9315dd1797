// SPDX-License-Identifier: MIT
//
// The core's syncobj calls for the model backend: binary and timeline. Handles are per file.
#ifndef BRGPU_UMD_MODEL_MODEL_SYNCOBJ_HPP
#define BRGPU_UMD_MODEL_MODEL_SYNCOBJ_HPP

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "drm/brgpu_drm.h"
#include "model_objects.hpp"

namespace brgpu::umd::model {

// A point is reached when its fence and those of all earlier points have signalled.
class Syncobj {
  public:
    void replace(FenceRef fence); // binary
    void add(uint64_t point, FenceRef fence);
    void reset();
    uint64_t value();
    uint64_t last_submitted() const;
    // point 0: the binary fence.
    bool has(uint64_t point);
    bool reached(uint64_t point);
    std::vector<FenceRef> fences(uint64_t point);

  private:
    void settle();

    FenceRef binary_;
    uint64_t value_ = 0;
    std::map<uint64_t, FenceRef> points_; // not yet reached
};

class SyncobjTable {
  public:
    // Each serves one ioctl: 0 or a negative errno. The interface's lock is held.
    int create(drm_syncobj_create &args);
    int destroy(const drm_syncobj_destroy &args);
    int reset(const drm_syncobj_array &args);
    int signal(const drm_syncobj_array &args);
    int timeline_signal(const drm_syncobj_timeline_array &args);
    int query(const drm_syncobj_timeline_array &args);
    int transfer(const drm_syncobj_transfer &args);

    // Whether a wait is over. 0: yes, *first set; -EAGAIN: no; other errno: malformed.
    int check_wait(const uint32_t *handles, const uint64_t *points, uint32_t count, uint32_t flags,
                   uint32_t *first);

    // For bind and submit: null when there is no such handle.
    Syncobj *find(uint32_t handle);

  private:
    std::map<uint32_t, Syncobj> objects_;
    uint32_t next_ = 1;
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_SYNCOBJ_HPP
