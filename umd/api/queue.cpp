// SPDX-License-Identifier: MIT
#include "../queue.hpp"

#include "../kernel.hpp"
#include "../report.hpp"
#include "boundary.hpp"

using namespace brgpu::umd;

namespace {

std::vector<Queue::Point> points_of(const brgpu_timeline_point *points, uint32_t count,
                                    Queue &queue, const char *what) {
    std::vector<Queue::Point> list;
    if (count)
        require(points, what);
    for (uint32_t i = 0; i < count; ++i) {
        list.push_back({object_of(points[i].timeline, "timeline"), points[i].value});
        if (&list[i].timeline->device() != &queue.vm().device())
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s: a timeline of another device", what);
        if (points[i].value == 0)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s: value 0", what);
    }
    return list;
}

constexpr uint32_t most_lists = 65536;

} // namespace

brgpu_status brgpu_queue_create(brgpu_vm *vm, const brgpu_queue_create_info *info,
                                brgpu_queue **queue) {
    return at_boundary([&] {
        auto owner = object_of(vm, "vm");
        const auto wanted = read_info(info, "queue info", true);
        require(queue, "queue");
        *queue = make_handle<brgpu_queue>(Queue::create(owner, wanted));
    });
}

void brgpu_queue_destroy(brgpu_queue *queue) {
    destroy_handle(queue);
}

brgpu_status brgpu_queue_submit(brgpu_queue *queue, const brgpu_submit_info *info,
                                uint64_t *serial) {
    return at_boundary([&] {
        auto object = object_of(queue, "queue");
        const auto wanted = read_info(info, "submit info");
        if (wanted.flags || wanted.command_count > most_lists ||
            wanted.wait_count > DRM_BRGPU_MAX_SYNCS || wanted.signal_count > DRM_BRGPU_MAX_SYNCS)
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: submitting %u lists, %u waits, %u signals, flags 0x%x",
                  wanted.command_count, wanted.wait_count, wanted.signal_count, wanted.flags);
        std::vector<std::shared_ptr<Commands>> lists;
        if (wanted.command_count)
            require(wanted.commands, "commands");
        for (uint32_t i = 0; i < wanted.command_count; ++i)
            lists.push_back(object_of(wanted.commands[i], "commands"));
        const auto waits = points_of(wanted.waits, wanted.wait_count, *object, "waits");
        const auto signals = points_of(wanted.signals, wanted.signal_count, *object, "signals");
        const uint64_t number = object->submit(lists, waits, signals);
        if (serial)
            *serial = number;
    });
}

brgpu_status brgpu_queue_wait(brgpu_queue *queue, uint64_t serial, uint64_t timeout_ns) {
    return at_boundary([&] { object_of(queue, "queue")->wait(serial, timeout_ns); });
}

brgpu_status brgpu_queue_launch(brgpu_queue *queue, brgpu_kernel *kernel,
                                const brgpu_dispatch_info *info, uint64_t *serial) {
    return at_boundary([&] {
        auto object = object_of(queue, "queue");
        auto work = object_of(kernel, "kernel");
        const auto known = read_info(info, "dispatch info");
        const uint64_t number = object->launch(
            *work, known, known.report ? object_of(known.report, "report") : nullptr);
        if (serial)
            *serial = number;
    });
}

brgpu_status brgpu_queue_upload(brgpu_queue *queue, uint64_t dst, const void *src, uint64_t bytes,
                                uint64_t timeout_ns) {
    return at_boundary([&] {
        auto object = object_of(queue, "queue");
        if (bytes)
            require(src, "src");
        object->upload(dst, src, bytes, timeout_ns);
    });
}

brgpu_status brgpu_queue_download(brgpu_queue *queue, void *dst, uint64_t src, uint64_t bytes,
                                  uint64_t timeout_ns) {
    return at_boundary([&] {
        auto object = object_of(queue, "queue");
        if (bytes)
            require(dst, "dst");
        object->download(dst, src, bytes, timeout_ns);
    });
}

brgpu_status brgpu_queue_get_state(brgpu_queue *queue, brgpu_queue_state *state) {
    return at_boundary([&] {
        auto object = object_of(queue, "queue");
        check_out(state, "queue state");
        write_info(state, object->state());
    });
}

brgpu_status brgpu_queue_set_printf(brgpu_queue *queue, brgpu_printf_function function,
                                    void *user) {
    return at_boundary([&] { object_of(queue, "queue")->set_printf(function, user); });
}
