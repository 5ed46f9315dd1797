// SPDX-License-Identifier: MIT
#include "../timeline.hpp"

#include "../deadline.hpp"
#include "../event.hpp"
#include "boundary.hpp"

using namespace brgpu::umd;

brgpu_status brgpu_timeline_create(brgpu_device *device, uint64_t initial,
                                   brgpu_timeline **timeline) {
    return at_boundary([&] {
        auto owner = object_of(device, "device");
        require(timeline, "timeline");
        *timeline = make_handle<brgpu_timeline>(Timeline::create(owner, initial));
    });
}

void brgpu_timeline_destroy(brgpu_timeline *timeline) {
    destroy_handle(timeline);
}

brgpu_status brgpu_timeline_get_value(brgpu_timeline *timeline, uint64_t *value) {
    return at_boundary([&] {
        auto object = object_of(timeline, "timeline");
        require(value, "value");
        *value = object->value();
    });
}

brgpu_status brgpu_timeline_signal(brgpu_timeline *timeline, uint64_t value) {
    return at_boundary([&] { object_of(timeline, "timeline")->signal(value); });
}

brgpu_status brgpu_timeline_wait(brgpu_timeline *timeline, uint64_t value, uint64_t timeout_ns) {
    const brgpu_timeline_point point = {timeline, value};
    return value == 0 ? at_boundary([&] { object_of(timeline, "timeline"); })
                      : brgpu_timeline_wait_many(&point, 1, BRGPU_WAIT_ALL, timeout_ns, nullptr);
}

brgpu_status brgpu_timeline_wait_many(const brgpu_timeline_point *points, uint32_t count,
                                      uint32_t mode, uint64_t timeout_ns, uint32_t *first) {
    return at_boundary([&] {
        require(points, "points");
        if (count == 0 || count > 1024 || mode > BRGPU_WAIT_ANY)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: waiting for %u points, mode %u", count,
                  mode);
        std::vector<std::shared_ptr<Timeline>> timelines;
        std::vector<TimelinePoint> wanted;
        for (uint32_t i = 0; i < count; ++i) {
            timelines.push_back(object_of(points[i].timeline, "timeline"));
            if (points[i].value == 0)
                raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: waiting for value 0 (point %u)", i);
            if (&timelines[i]->device() != &timelines[0]->device())
                raise(BRGPU_ERROR_INVALID_ARGUMENT,
                      "brgpu: waiting for timelines of several devices at once");
            wanted.push_back({timelines[i].get(), points[i].value});
        }
        uint32_t reached = 0;
        if (!wait_points(wanted, mode == BRGPU_WAIT_ALL, deadline_after(timeout_ns), &reached)) {
            for (const TimelinePoint &point : wanted) {
                const uint64_t value = point.timeline->value();
                if (value < point.value)
                    raise(BRGPU_ERROR_TIMEOUT,
                          "brgpu: a timeline stands at %llu, waited %.3f s for %llu",
                          static_cast<unsigned long long>(value),
                          static_cast<double>(timeout_ns) * 1e-9,
                          static_cast<unsigned long long>(point.value));
            }
            raise(BRGPU_ERROR_TIMEOUT, "brgpu: waited %.3f s for %u timeline points",
                  static_cast<double>(timeout_ns) * 1e-9, count);
        }
        if (mode == BRGPU_WAIT_ANY) {
            reached = std::min(reached, count - 1);
            timelines[reached]->check_producers(points[reached].value);
            if (first)
                *first = reached;
        } else {
            for (uint32_t i = 0; i < count; ++i)
                timelines[i]->check_producers(points[i].value);
        }
    });
}

brgpu_status brgpu_timeline_export_fd(brgpu_timeline *timeline, int *fd) {
    return at_boundary([&] {
        auto object = object_of(timeline, "timeline");
        require(fd, "fd");
        *fd = object->export_fd();
    });
}

brgpu_status brgpu_timeline_import_fd(brgpu_device *device, int fd, brgpu_timeline **timeline) {
    return at_boundary([&] {
        auto owner = object_of(device, "device");
        require(timeline, "timeline");
        *timeline = make_handle<brgpu_timeline>(Timeline::import(owner, fd));
    });
}

brgpu_status brgpu_event_create(brgpu_vm *vm, brgpu_event **event) {
    return at_boundary([&] {
        auto owner = object_of(vm, "vm");
        require(event, "event");
        *event = make_handle<brgpu_event>(std::make_shared<Event>(owner));
    });
}

void brgpu_event_destroy(brgpu_event *event) {
    destroy_handle(event);
}

brgpu_status brgpu_queue_record_event(brgpu_queue *queue, brgpu_event *event) {
    return at_boundary([&] { object_of(event, "event")->record(*object_of(queue, "queue")); });
}

brgpu_status brgpu_event_wait(brgpu_event *event, uint64_t timeout_ns) {
    return at_boundary([&] { object_of(event, "event")->wait(timeout_ns); });
}

brgpu_status brgpu_queue_wait_event(brgpu_queue *queue, brgpu_event *event) {
    return at_boundary([&] {
        auto waiter = object_of(queue, "queue");
        auto mark = object_of(event, "event");
        if (&waiter->vm().device() != &mark->vm().device())
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: event and queue are of different devices");
        mark->make_wait(*waiter);
    });
}

brgpu_status brgpu_event_elapsed(brgpu_event *start, brgpu_event *end, uint64_t *nanoseconds) {
    return at_boundary([&] {
        auto from = object_of(start, "start");
        auto to = object_of(end, "end");
        require(nanoseconds, "nanoseconds");
        const uint64_t a = from->timestamp(), b = to->timestamp();
        if (b < a)
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: the end event comes before the start event");
        *nanoseconds = to->vm().device().ticks_to_ns(b - a);
    });
}
