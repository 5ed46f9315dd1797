// SPDX-License-Identifier: MIT
#include "queue.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "deadline.hpp"
#include "error.hpp"
#include "kernel.hpp"

namespace brgpu::umd {

namespace {

constexpr uint64_t staging_bytes = 4 << 20;
// While a kernel runs, its printf output is looked for this often.
constexpr uint64_t printf_poll_ns = 50000000;
constexpr size_t runs_a_call = DRM_BRGPU_MAX_COMMANDS - 2; // two are the queue's own
constexpr uint32_t default_poll_us = 50;
constexpr size_t idle_lists_kept = 64;
// Launches that may be under way before one waits for half of them, and how long at most: what
// holds the queue up may be this very thread's to signal.
constexpr size_t launches_ahead = 64;
constexpr uint64_t launch_patience_ns = 1000000;

unsigned long long number(uint64_t value) {
    return value;
}

uint32_t drm_priority(uint32_t priority) {
    switch (priority) {
    case BRGPU_PRIORITY_LEVEL_NORMAL:
        return DRM_BRGPU_PRIORITY_NORMAL;
    case BRGPU_PRIORITY_LEVEL_LOW:
        return DRM_BRGPU_PRIORITY_LOW;
    case BRGPU_PRIORITY_LEVEL_HIGH:
        return DRM_BRGPU_PRIORITY_HIGH;
    default:
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: unknown queue priority %u", priority);
    }
}

drm_brgpu_sync sync_of(const Queue::Point &point, uint32_t flags) {
    return {flags | DRM_BRGPU_SYNC_TIMELINE, point.timeline->handle(), point.value};
}

} // namespace

Queue::Queue(std::shared_ptr<Vm> vm, const drm_brgpu_queue_create &created,
             std::unique_ptr<UserRing> ring, uint32_t poll_us)
    : vm_(std::move(vm)), id_(created.queue_id), class_(created.queue_class),
      ring_(std::move(ring)),
      progress_(std::make_shared<QueueProgress>(vm_, id_, uint64_t{poll_us} * 1000)) {}

std::shared_ptr<Queue> Queue::create(std::shared_ptr<Vm> vm, const brgpu_queue_create_info &info) {
    const bool user_mode = vm->long_running();
    if (info.kind > BRGPU_QUEUE_KIND_COPY || info.flags & ~BRGPU_QUEUE_HEARTBEAT ||
        (!user_mode && (info.flags || info.poll_us)))
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: creating a queue of kind %u with flags 0x%x, poll_us %u in %s VM", info.kind,
              info.flags, info.poll_us, user_mode ? "a long-running" : "an ordinary");
    drm_brgpu_queue_create request = {};
    request.vm_id = vm->id();
    request.queue_class =
        info.kind == BRGPU_QUEUE_KIND_COPY ? DRM_BRGPU_QUEUE_COPY : DRM_BRGPU_QUEUE_COMPUTE;
    request.priority = drm_priority(info.priority);
    request.timeout_ms = info.timeout_ms;
    std::unique_ptr<UserRing> ring;
    if (user_mode) {
        ring = std::make_unique<UserRing>(vm);
        ring->describe(request);
        if (info.flags & BRGPU_QUEUE_HEARTBEAT)
            request.flags |= DRM_BRGPU_QUEUE_HEARTBEAT;
    }
    int error = vm->device().call(DRM_IOCTL_BRGPU_QUEUE_CREATE, request);
    if (error)
        raise_errno(-error, "brgpu: creating a queue (time-out %u ms)", info.timeout_ms);
    try {
        if (ring)
            ring->attach(request);
        return std::shared_ptr<Queue>(
            new Queue(vm, request, std::move(ring), info.poll_us ? info.poll_us : default_poll_us));
    } catch (...) {
        drm_brgpu_queue_destroy destroy = {};
        destroy.queue_id = request.queue_id;
        vm->device().call(DRM_IOCTL_BRGPU_QUEUE_DESTROY, destroy);
        throw;
    }
}

Queue::~Queue() {
    progress_->queue_destroyed();
    drm_brgpu_queue_destroy request = {};
    request.queue_id = id_;
    int error = vm_->device().call(DRM_IOCTL_BRGPU_QUEUE_DESTROY, request);
    if (error && error != -ENODEV)
        log(BRGPU_LOG_ERROR, "brgpu: destroying queue %u: error %d", id_, -error);
}

// Writes packets and rings: the kernel is asked for nothing but to stand by for fences.
uint64_t Queue::submit_user_locked(std::span<const drm_brgpu_command> runs,
                                   std::span<const Point> waits, std::span<const Point> signals,
                                   const brgpu_packet_wait *memory_wait) {
    if (!signals.empty())
        raise(
            BRGPU_ERROR_UNSUPPORTED,
            "brgpu: a submission to a long-running queue that signals a timeline: its work has no "
            "end that others may wait for; wait for the submission, or signal a word in memory");
    if (waits.size() > DRM_BRGPU_MAX_SYNCS)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: a submission with %zu waits: at most %u are possible", waits.size(),
              DRM_BRGPU_MAX_SYNCS);
    const uint32_t generation = vm_->code_generation();
    const uint64_t serial = serial_ + 1;
    // Known to be stopped: what is to come is over already.
    if (progress_->finished(serial))
        progress_->check(serial);
    const bool new_code = generation != code_generation_ && class_ == DRM_BRGPU_QUEUE_COMPUTE;
    const size_t packets = runs.size() + 4;
    if (packets > UserRing::most_packets)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: a submission of %zu runs: the ring has %zu packets; make fewer, longer lists",
              runs.size(), UserRing::most_packets);
    if (!ring_->make_room(packets)) {
        const brgpu_queue_state now = progress_->state();
        if (now.state != BRGPU_STATE_OK)
            progress_->check(serial);
        raise(BRGPU_ERROR_BUSY,
              "brgpu: the ring of queue %u is full: %llu of %llu submissions have ended", id_,
              number(now.completed), number(now.submitted));
    }
    try {
        if (!waits.empty()) {
            std::vector<TimelinePoint> points;
            for (const Point &wait : waits)
                points.push_back({wait.timeline.get(), wait.value});
            ring_->put_wait(points);
        }
        if (memory_wait)
            ring_->put(*memory_wait);
        const auto call = [this](uint64_t address, uint32_t count) {
            brgpu_packet_call packet = {};
            packet.type = BRGPU_PACKET_CALL;
            packet.packets = count;
            packet.address = address;
            ring_->put(packet);
        };
        if (new_code)
            call(progress_->code_packet(), 1);
        for (const drm_brgpu_command &run : runs)
            call(run.va, run.packets);
        brgpu_packet_signal count = {};
        count.type = BRGPU_PACKET_SIGNAL;
        count.op = BRGPU_SIGNAL_STORE;
        count.notify = 1;
        count.address = progress_->count_word();
        count.value = serial;
        ring_->put(count);
    } catch (...) {
        ring_->drop();
        throw;
    }
    progress_->note_submitted(serial);
    ring_->publish();
    code_generation_ = generation;
    serial_ = serial;
    return serial;
}

uint64_t Queue::submit_locked(std::span<const drm_brgpu_command> runs, std::span<const Point> waits,
                              std::span<const Point> signals) {
    if (ring_)
        return submit_user_locked(runs, waits, signals, nullptr);
    if (waits.size() + signals.size() > DRM_BRGPU_MAX_SYNCS - 1)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: a submission with %zu waits and %zu signals: at most %u are possible",
              waits.size(), signals.size(), DRM_BRGPU_MAX_SYNCS - 1);
    const uint32_t generation = vm_->code_generation();
    const uint64_t serial = serial_ + 1;
    bool first = true;
    do {
        auto &commands = commands_;
        auto &syncs = syncs_;
        commands.clear();
        syncs.clear();
        if (first) {
            if (generation != code_generation_ && class_ == DRM_BRGPU_QUEUE_COMPUTE)
                commands.push_back({progress_->code_packet(), 1, 0});
            for (const Point &wait : waits)
                syncs.push_back(sync_of(wait, 0));
        }
        const size_t count = std::min(runs.size(), runs_a_call);
        commands.insert(commands.end(), runs.begin(), runs.begin() + count);
        runs = runs.subspan(count);
        if (runs.empty()) {
            commands.push_back({progress_->count_packet(), 1, 0});
            for (const Point &signal : signals)
                syncs.push_back(sync_of(signal, DRM_BRGPU_SYNC_SIGNAL));
            syncs.push_back({DRM_BRGPU_SYNC_SIGNAL | DRM_BRGPU_SYNC_TIMELINE,
                             progress_->timeline().handle(), serial});
        }
        drm_brgpu_queue_submit request = {};
        request.queue_id = id_;
        request.commands = {sizeof(drm_brgpu_command), static_cast<uint32_t>(commands.size()),
                            reinterpret_cast<uintptr_t>(commands.data())};
        request.syncs = {sizeof(drm_brgpu_sync), static_cast<uint32_t>(syncs.size()),
                         reinterpret_cast<uintptr_t>(syncs.data())};
        int error = vm_->device().call(DRM_IOCTL_BRGPU_QUEUE_SUBMIT, request);
        if (error == -EIO) {
            const brgpu_queue_state now = progress_->state();
            raise(now.state == BRGPU_STATE_LOST ? BRGPU_ERROR_DEVICE_LOST
                                                : BRGPU_ERROR_QUEUE_STOPPED,
                  "brgpu: submitting: %s", now.text[0] ? now.text : "the queue is stopped");
        }
        if (error)
            raise_errno(-error, "brgpu: submitting %zu commands to queue %u", commands.size(), id_);
        first = false;
    } while (!runs.empty());
    code_generation_ = generation;
    serial_ = serial;
    if (!signals.empty()) {
        last_signalling_ = serial;
        if (first_signalling_ == 0)
            first_signalling_ = serial;
    }
    for (const Point &signal : signals)
        signal.timeline->note_producer(progress_, serial, signal.value);
    return serial;
}

void Queue::print_locked(bool all) {
    for (const InFlight &work : in_flight_)
        if (const auto &ring = work.commands->printf_ring())
            ring->print(printf_, printf_user_, all || progress_->succeeded(work.serial));
}

void Queue::retire_locked(bool ask) {
    // Submissions end in order.
    while (!in_flight_.empty()) {
        InFlight &work = in_flight_.front();
        if (!progress_->succeeded(work.serial) && !(ask && progress_->finished(work.serial)))
            return;
        if (const auto &ring = work.commands->printf_ring()) {
            ring->print(printf_, printf_user_, true);
            // Not while another queue already runs the list again.
            if (work.commands->idle())
                ring->reset();
        }
        if (work.transient && idle_lists_.size() < idle_lists_kept)
            idle_lists_.push_back(std::move(work.commands));
        in_flight_.pop_front();
    }
}

std::shared_ptr<Commands> Queue::take_list_locked() {
    if (idle_lists_.empty())
        retire_locked(false);
    if (idle_lists_.empty() && in_flight_.size() >= launches_ahead) {
        progress_->wait(in_flight_[in_flight_.size() / 2].serial,
                        deadline_after(launch_patience_ns), false);
        retire_locked(true);
    }
    if (idle_lists_.empty())
        return std::make_shared<Commands>(vm_);
    auto list = std::move(idle_lists_.back());
    idle_lists_.pop_back();
    list->reset();
    return list;
}

uint64_t Queue::submit(std::span<const std::shared_ptr<Commands>> commands,
                       std::span<const Point> waits, std::span<const Point> signals) {
    std::lock_guard lock(lock_);
    std::vector<drm_brgpu_command> runs;
    for (size_t i = 0; i < commands.size(); ++i) {
        Commands &list = *commands[i];
        if (&list.vm() != vm_.get())
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: submitting a command list of another address space");
        if (std::find(commands.begin(), commands.begin() + static_cast<ptrdiff_t>(i),
                      commands[i]) != commands.begin() + static_cast<ptrdiff_t>(i))
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: a command list twice in one submission");
        list.check_idle();
        runs.insert(runs.end(), list.runs().begin(), list.runs().end());
    }
    // Its printf ring starts anew: the last submission's output must be out.
    retire_locked(true);
    const uint64_t serial = submit_locked(runs, waits, signals);
    for (const auto &list : commands) {
        list->note_submitted(progress_, serial);
        in_flight_.push_back({serial, list, false});
    }
    return serial;
}

uint64_t Queue::launch(Kernel &kernel, const brgpu_dispatch_info &info,
                       std::shared_ptr<Report> report) {
    std::lock_guard lock(lock_);
    auto list = take_list_locked();
    list->dispatch(kernel, info, std::move(report));
    const uint64_t serial = submit_locked(list->runs(), {}, {});
    list->note_submitted(progress_, serial);
    in_flight_.push_back({serial, std::move(list), true});
    return serial;
}

uint64_t Queue::submit_run(const drm_brgpu_command &run) {
    std::lock_guard lock(lock_);
    return submit_locked({&run, 1}, {}, {});
}

void Queue::wait_for(const std::shared_ptr<QueueProgress> &progress, uint64_t serial) {
    std::lock_guard lock(lock_);
    if (!progress->vm().long_running()) {
        const Point point = {{progress, &progress->timeline()}, serial};
        submit_locked({}, {&point, 1}, {});
        return;
    }
    if (&progress->vm() != vm_.get())
        raise(BRGPU_ERROR_UNSUPPORTED,
              "brgpu: work outside a long-running address space can't wait for an event in it");
    // One that has stopped will not count any more.
    if (progress->finished(serial))
        return;
    brgpu_packet_wait packet = {};
    packet.type = BRGPU_PACKET_WAIT;
    packet.compare = BRGPU_WAIT_GE;
    packet.address = progress->count_word();
    packet.value = serial;
    packet.mask = UINT64_MAX;
    submit_user_locked({}, {}, {}, &packet);
}

void Queue::wait(uint64_t serial, uint64_t timeout_ns) {
    const uint64_t start = monotonic_ns();
    bool prints = false, signals;
    {
        std::lock_guard lock(lock_);
        if (serial > serial_)
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: waiting for submission %llu of queue %u, which has seen %llu",
                  number(serial), id_, number(serial_));
        if (serial == 0)
            serial = serial_;
        for (const InFlight &work : in_flight_)
            prints = prints || work.commands->printf_ring() != nullptr;
        signals = first_signalling_ && first_signalling_ <= serial;
    }
    const int64_t deadline = deadline_after(timeout_ns);
    bool done = serial == 0;
    while (!done) {
        int64_t until = deadline;
        if (prints)
            until = std::min(deadline, deadline_after(printf_poll_ns));
        done = progress_->wait(serial, until, signals);
        if (prints) {
            std::lock_guard lock(lock_);
            print_locked(false);
        }
        if (!done && until == deadline)
            break;
    }
    if (!done) {
        const brgpu_queue_state now = progress_->state();
        raise(BRGPU_ERROR_TIMEOUT,
              "brgpu: submission %llu of queue %u has not ended after %.3f s "
              "(%llu of %llu jobs have)",
              number(serial), id_, static_cast<double>(monotonic_ns() - start) * 1e-9,
              number(now.completed), number(now.submitted));
    }
    {
        std::lock_guard lock(lock_);
        if (signals)
            first_signalling_ = last_signalling_ <= serial ? 0 : serial + 1;
        retire_locked(true);
    }
    progress_->check(serial);
}

uint64_t Queue::copy_locked(uint64_t dst, uint64_t src, uint64_t bytes) {
    auto list = take_list_locked();
    list->copy(dst, src, bytes, 0);
    // A transfer comes after all earlier work of the queue.
    const uint64_t serial = submit_locked(list->runs(), {}, {});
    list->note_submitted(progress_, serial);
    in_flight_.push_back({serial, std::move(list), true});
    return serial;
}

// Moves `bytes` in parts through the staging buffer: before each part's copy, or after it,
// the caller moves the part between the staging buffer and its memory.
template <typename Addresses, typename Before, typename After>
void Queue::transfer(uint64_t bytes, uint64_t timeout_ns, Addresses addresses, Before before,
                     After after) {
    std::lock_guard transfer(transfer_lock_);
    const int64_t deadline = deadline_after(timeout_ns);
    if (!staging_)
        staging_ = OwnedAllocation(vm_, staging_bytes, BRGPU_PLACEMENT_SYSTEM, BRGPU_ACCESS_RW);
    for (uint64_t done = 0; done < bytes;) {
        const uint64_t part = std::min(bytes - done, staging_bytes);
        before(done, part);
        const auto [dst, src] = addresses(done);
        uint64_t serial;
        {
            std::lock_guard lock(lock_);
            serial = copy_locked(dst, src, part);
        }
        const int64_t left = deadline - static_cast<int64_t>(monotonic_ns());
        try {
            wait(serial, deadline == INT64_MAX ? BRGPU_FOREVER
                                               : static_cast<uint64_t>(std::max<int64_t>(left, 0)));
        } catch (const Error &error) {
            // The copy may still run: its memory must not be used for the next one.
            if (error.status() == BRGPU_ERROR_TIMEOUT)
                abandoned_staging_.push_back(std::exchange(staging_, OwnedAllocation()));
            throw;
        }
        after(done, part);
        done += part;
    }
}

std::byte *Queue::direct(uint64_t address, uint64_t bytes, uint32_t access,
                         std::shared_ptr<Memory> *keeper) {
    if (bytes == 0)
        return nullptr;
    {
        std::lock_guard lock(lock_);
        if (!progress_->succeeded(serial_))
            return nullptr;
    }
    auto mapping = vm_->find(address);
    if (!mapping || !mapping->memory || (mapping->access & access) != access)
        return nullptr;
    const uint64_t offset = address - mapping->address;
    if (mapping->size - offset < bytes)
        return nullptr;
    std::byte *base = mapping->memory->direct();
    if (!base)
        return nullptr;
    *keeper = std::move(mapping->memory);
    return base + mapping->offset + offset;
}

void Queue::upload(uint64_t dst, const void *src, uint64_t bytes, uint64_t timeout_ns) {
    std::shared_ptr<Memory> keeper;
    if (std::byte *to = direct(dst, bytes, BRGPU_ACCESS_W, &keeper)) {
        std::memcpy(to, src, bytes);
        return;
    }
    auto *from = static_cast<const std::byte *>(src);
    transfer(
        bytes, timeout_ns, [&](uint64_t done) { return std::pair(dst + done, staging_.address()); },
        [&](uint64_t done, uint64_t part) { std::memcpy(staging_.cpu(), from + done, part); },
        [](uint64_t, uint64_t) {});
}

void Queue::download(void *dst, uint64_t src, uint64_t bytes, uint64_t timeout_ns) {
    std::shared_ptr<Memory> keeper;
    if (const std::byte *from = direct(src, bytes, BRGPU_ACCESS_R, &keeper)) {
        std::memcpy(dst, from, bytes);
        return;
    }
    auto *to = static_cast<std::byte *>(dst);
    transfer(
        bytes, timeout_ns, [&](uint64_t done) { return std::pair(staging_.address(), src + done); },
        [](uint64_t, uint64_t) {},
        [&](uint64_t done, uint64_t part) { std::memcpy(to + done, staging_.cpu(), part); });
}

void Queue::set_printf(brgpu_printf_function function, void *user) {
    std::lock_guard lock(lock_);
    printf_ = function;
    printf_user_ = user;
}

} // namespace brgpu::umd
