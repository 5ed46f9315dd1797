// SPDX-License-Identifier: MIT
#include "model_interface.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "../deadline.hpp"
#include "../error.hpp"
#include "brgpu_core_packet.h"
#include "brgpu_core_uapi.h"

namespace brgpu::umd::model {

namespace {

constexpr unsigned mmap_shift = 40; // an mmap offset is handle << shift
constexpr uint32_t most_vms = 256;  // of a file, as the kernel module's
constexpr uint32_t most_queues = 256;
constexpr int64_t ms_ns = 1000000;
constexpr int64_t idle_poll_ns = 200 * ms_ns;
constexpr int64_t busy_poll_ns = 5 * ms_ns; // time-outs are watched this finely
constexpr int64_t memory_poll_ns = 2000000;
// The doorbells of user-mode queues: a page of BAR 4, and an mmap offset below those of buffers.
constexpr uint32_t user_doorbell_page = 1;
constexpr uint64_t doorbell_offset = uint64_t{user_doorbell_page} * BRGPU_PAGE_BYTES;

const std::byte *user_bytes(uint64_t address) {
    return reinterpret_cast<const std::byte *>(static_cast<uintptr_t>(address));
}

// One element of a user array, as copy_struct_from_user() would give it.
template <typename Element>
int read_element(const drm_brgpu_array &array, uint32_t index, Element *element) {
    return brgpu_core_copy_element(element, sizeof(*element),
                                   user_bytes(array.array) + uint64_t{index} * array.stride,
                                   array.stride);
}

} // namespace

ModelInterface::ModelInterface(const brgpu_device_open_info &info)
    : card_(info, [this] { interrupted(); }),
      user_queues_(card_, card_.ident().queues - card_.ident().queues / 2,
                   card_.ident().queues / 2),
      service_([this] { service(); }) {}

ModelInterface::~ModelInterface() {
    {
        Lock lock(lock_);
        stopping_ = true;
    }
    service_bell_.ring();
    service_.join();
    signals_.clear();
    user_queues_.clear();
    queues_.clear();
    vms_.clear();
    bos_.clear();
}

int ModelInterface::refuse(const char *call, int error, const char *why) {
    log(BRGPU_LOG_DEBUG, "brgpu: model: %s refused (%s): %s", call, strerrordesc_np(-error), why);
    return error;
}

void ModelInterface::pump() {
    const uint64_t now = monotonic_ns();
    bool changed = false, again;
    do {
        again = false;
        for (auto &[id, vm] : vms_)
            again = vm->pump() || again;
        for (auto &[id, queue] : queues_) {
            const bool was_stopped = queue->stopped();
            again = queue->pump(now) || again;
            if (queue->stopped() && !was_stopped)
                ++queue_resets_;
        }
        again = pump_signals() || again;
        if (const unsigned stopped = user_queues_.pump(now)) {
            queue_resets_ += stopped;
            again = true;
        }
        changed = changed || again;
    } while (again);
    bool backlog = !user_queues_.empty() || !signals_.empty();
    for (const auto &[id, vm] : vms_)
        backlog = backlog || vm->waiting();
    for (const auto &[id, queue] : queues_)
        backlog = backlog || queue->waiting();
    backlog_.store(backlog);
    if (changed)
        changed_.ring();
}

void ModelInterface::interrupted() {
    if (!changed_.ring() && backlog_.load())
        service_bell_.ring();
}

void ModelInterface::serve_interrupt() {
    if (!card_.take_interrupt())
        return;
    card_.drain_events();
    pump();
}

void ModelInterface::sleep(Lock &lock, uint32_t seen, int64_t deadline_ns) {
    lock.unlock();
    changed_.wait(seen, deadline_ns);
    lock.lock();
    serve_interrupt();
}

void ModelInterface::service() {
    for (;;) {
        const uint32_t seen = service_bell_.number();
        int64_t deadline = static_cast<int64_t>(monotonic_ns());
        {
            Lock lock(lock_);
            if (stopping_)
                return;
            if (card_.take_interrupt())
                card_.drain_events();
            pump();
            card_.poll_sensors(monotonic_ns());
            service_rests_ = true;
            for (auto &[id, queue] : queues_)
                service_rests_ = service_rests_ && !queue->busy();
            deadline += std::min(service_rests_ ? idle_poll_ns : busy_poll_ns,
                                 user_queues_.look_ms() * ms_ns);
        }
        service_bell_.wait(seen, deadline);
    }
}

int ModelInterface::ioctl(unsigned long request, void *argument) noexcept {
    try {
        return serve(request, argument);
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (const std::exception &error) {
        log(BRGPU_LOG_ERROR, "brgpu: model: request 0x%lx: %s", request, error.what());
        return -EIO;
    }
}

int ModelInterface::serve(unsigned long request, void *argument) {
    if (!argument)
        return -EFAULT;
    Lock lock(lock_);
    serve_interrupt();
    switch (request) {
    case DRM_IOCTL_BRGPU_QUERY:
        return query(*static_cast<drm_brgpu_query *>(argument));
    case DRM_IOCTL_BRGPU_BO_CREATE:
        return bo_create(*static_cast<drm_brgpu_bo_create *>(argument));
    case DRM_IOCTL_BRGPU_BO_MMAP_OFFSET:
        return bo_mmap_offset(*static_cast<drm_brgpu_bo_mmap_offset *>(argument));
    case DRM_IOCTL_GEM_CLOSE:
        return gem_close(*static_cast<drm_gem_close *>(argument));
    case DRM_IOCTL_PRIME_HANDLE_TO_FD:
        return prime_export(*static_cast<drm_prime_handle *>(argument));
    case DRM_IOCTL_PRIME_FD_TO_HANDLE:
        return prime_import(*static_cast<drm_prime_handle *>(argument));
    case DRM_IOCTL_BRGPU_VM_CREATE:
        return vm_create(*static_cast<drm_brgpu_vm_create *>(argument));
    case DRM_IOCTL_BRGPU_VM_DESTROY:
        return vm_destroy(*static_cast<drm_brgpu_vm_destroy *>(argument));
    case DRM_IOCTL_BRGPU_VM_BIND:
        return vm_bind(*static_cast<drm_brgpu_vm_bind *>(argument), lock);
    case DRM_IOCTL_BRGPU_VM_GET_STATE:
        return vm_get_state(*static_cast<drm_brgpu_vm_get_state *>(argument));
    case DRM_IOCTL_BRGPU_QUEUE_CREATE:
        return queue_create(*static_cast<drm_brgpu_queue_create *>(argument));
    case DRM_IOCTL_BRGPU_QUEUE_DESTROY:
        return queue_destroy(*static_cast<drm_brgpu_queue_destroy *>(argument));
    case DRM_IOCTL_BRGPU_QUEUE_SUBMIT:
        return queue_submit(*static_cast<drm_brgpu_queue_submit *>(argument));
    case DRM_IOCTL_BRGPU_QUEUE_GET_STATE:
        return queue_get_state(*static_cast<drm_brgpu_queue_get_state *>(argument));
    case DRM_IOCTL_BRGPU_WAIT_MEM:
        return wait_mem(*static_cast<drm_brgpu_wait_mem *>(argument), lock);
    case DRM_IOCTL_BRGPU_SIGNAL_MEM:
        return signal_mem(*static_cast<drm_brgpu_signal_mem *>(argument));
    default:
        return serve_syncobj(request, argument, lock);
    }
}

int ModelInterface::serve_syncobj(unsigned long request, void *argument, Lock &lock) {
    const uint32_t *handles = nullptr;
    const uint64_t *points = nullptr;
    uint32_t count = 0, flags = 0, *first = nullptr;
    int64_t deadline = 0;
    int ret = 0;
    switch (request) {
    case DRM_IOCTL_SYNCOBJ_CREATE:
        return syncobjs_.create(*static_cast<drm_syncobj_create *>(argument));
    case DRM_IOCTL_SYNCOBJ_DESTROY:
        return syncobjs_.destroy(*static_cast<drm_syncobj_destroy *>(argument));
    case DRM_IOCTL_SYNCOBJ_RESET:
        return syncobjs_.reset(*static_cast<drm_syncobj_array *>(argument));
    case DRM_IOCTL_SYNCOBJ_QUERY:
        pump(); // what has completed may not have been looked at yet
        return syncobjs_.query(*static_cast<drm_syncobj_timeline_array *>(argument));
    case DRM_IOCTL_SYNCOBJ_TRANSFER:
        return syncobjs_.transfer(*static_cast<drm_syncobj_transfer *>(argument));
    case DRM_IOCTL_SYNCOBJ_SIGNAL:
        ret = syncobjs_.signal(*static_cast<drm_syncobj_array *>(argument));
        break;
    case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL:
        ret = syncobjs_.timeline_signal(*static_cast<drm_syncobj_timeline_array *>(argument));
        break;
    case DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD:
    case DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE:
        return -EOPNOTSUPP;
    case DRM_IOCTL_SYNCOBJ_WAIT: {
        auto &args = *static_cast<drm_syncobj_wait *>(argument);
        handles = reinterpret_cast<const uint32_t *>(user_bytes(args.handles));
        count = args.count_handles;
        flags = args.flags;
        first = &args.first_signaled;
        deadline = args.timeout_nsec;
        break;
    }
    case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT: {
        auto &args = *static_cast<drm_syncobj_timeline_wait *>(argument);
        handles = reinterpret_cast<const uint32_t *>(user_bytes(args.handles));
        points = reinterpret_cast<const uint64_t *>(user_bytes(args.points));
        count = args.count_handles;
        flags = args.flags;
        first = &args.first_signaled;
        deadline = args.timeout_nsec;
        break;
    }
    default:
        return -ENOTTY;
    }
    if (!first) {
        // Something may wait for what was signalled.
        pump();
        changed_.ring();
        return ret;
    }
    for (;;) {
        const uint32_t seen = changed_.number();
        serve_interrupt();
        ret = syncobjs_.check_wait(handles, points, count, flags, first);
        if (ret != -EAGAIN)
            return ret;
        if (deadline <= static_cast<int64_t>(monotonic_ns()))
            return -ETIME;
        sleep(lock, seen, deadline);
    }
}

int ModelInterface::bo_create(drm_brgpu_bo_create &args) {
    const char *why = "";
    int error = brgpu_core_check_bo_create(&args, &card_.limits(), &why);
    if (error)
        return refuse("BO_CREATE", error, why);
    if (args.vm_id && !vms_.count(args.vm_id))
        return refuse("BO_CREATE", -ENOENT, "no such VM");
    auto bo = Bo::create(card_, args.size, args.placements, args.flags, args.vm_id, &error);
    if (!bo)
        return refuse("BO_CREATE", -error, "no room");
    args.size = bo->bytes();
    args.handle = next_handle_++;
    bos_.emplace(args.handle, std::move(bo));
    return 0;
}

int ModelInterface::bo_mmap_offset(drm_brgpu_bo_mmap_offset &args) {
    const char *why = "";
    int error = brgpu_core_check_bo_mmap_offset(&args, &why);
    if (error)
        return refuse("BO_MMAP_OFFSET", error, why);
    auto bo = bos_.find(args.handle);
    if (bo == bos_.end())
        return refuse("BO_MMAP_OFFSET", -ENOENT, "no such buffer");
    if (!bo->second->cpu_mappable())
        return refuse("BO_MMAP_OFFSET", -EACCES, "not created CPU_VISIBLE");
    args.offset = uint64_t{args.handle} << mmap_shift;
    return 0;
}

void *ModelInterface::map(size_t bytes, uint64_t offset, int *error) noexcept {
    if (offset == doorbell_offset && bytes == BRGPU_PAGE_BYTES) {
        // Only its addresses are used: ring() is called with one.
        void *page =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) {
            *error = errno;
            return nullptr;
        }
        madvise(page, bytes, MADV_DONTFORK);
        return page;
    }
    Lock lock(lock_);
    auto bo = bos_.find(static_cast<uint32_t>(offset >> mmap_shift));
    if (bo == bos_.end() || offset & ((uint64_t{1} << mmap_shift) - 1) ||
        bytes > bo->second->bytes()) {
        *error = EINVAL;
        return nullptr;
    }
    void *pointer = bo->second->map(bytes, error);
    if (pointer)
        madvise(pointer, bytes, MADV_DONTFORK);
    return pointer;
}

std::byte *ModelInterface::memory_of(uint32_t handle) noexcept {
    Lock lock(lock_);
    auto bo = bos_.find(handle);
    return bo == bos_.end() ? nullptr : bo->second->cpu();
}

void ModelInterface::unmap(void *pointer, size_t bytes) noexcept {
    munmap(pointer, bytes);
}

// Any thread, without the lock: a doorbell is a store on real cards.
void ModelInterface::ring(volatile uint64_t *doorbell) noexcept {
    const uintptr_t in_page = reinterpret_cast<uintptr_t>(doorbell) % BRGPU_PAGE_BYTES;
    card_.ring_doorbell(user_doorbell_page, static_cast<uint32_t>(in_page / sizeof(uint64_t)));
}

int ModelInterface::gem_close(const drm_gem_close &args) {
    return bos_.erase(args.handle) ? 0 : -EINVAL;
}

int ModelInterface::prime_export(drm_prime_handle &args) {
    if (args.flags & ~(DRM_CLOEXEC | DRM_RDWR))
        return -EINVAL;
    auto bo = bos_.find(args.handle);
    if (bo == bos_.end())
        return -ENOENT;
    if (bo->second->vm_id())
        return refuse("PRIME_HANDLE_TO_FD", -EINVAL, "the buffer belongs to one VM");
    if (bo->second->in_vram())
        return refuse("PRIME_HANDLE_TO_FD", -EOPNOTSUPP, "the model exports system memory only");
    struct stat file;
    const int fd = fcntl(bo->second->file(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || fstat(fd, &file) != 0)
        return -errno;
    bo->second->inode = file.st_ino;
    args.fd = fd;
    return 0;
}

int ModelInterface::prime_import(drm_prime_handle &args) {
    struct stat file;
    if (fstat(args.fd, &file) != 0)
        return -EBADF;
    // Sealed or ordinary files could shrink under the card.
    if (fcntl(args.fd, F_GET_SEALS) < 0 || file.st_size <= 0 || file.st_size % 4096)
        return refuse("PRIME_FD_TO_HANDLE", -EINVAL, "not a buffer of the model backend");
    for (const auto &[handle, bo] : bos_)
        if (bo->inode == file.st_ino) {
            args.handle = handle;
            return 0;
        }
    const int fd = fcntl(args.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int error = 0;
    auto bo = Bo::import(card_, fd, static_cast<uint64_t>(file.st_size), &error);
    if (!bo) {
        close(fd);
        return -error;
    }
    bo->inode = file.st_ino;
    args.handle = next_handle_++;
    bos_.emplace(args.handle, std::move(bo));
    return 0;
}

int ModelInterface::read_syncs(const drm_brgpu_array &array, bool may_signal, Syncs *syncs) {
    const char *why = "";
    int error = brgpu_core_check_array(&array, BRGPU_CORE_SYNC_BYTES, DRM_BRGPU_MAX_SYNCS, &why);
    if (error)
        return refuse("syncs", error, why);
    for (uint32_t i = 0; i < array.count; ++i) {
        drm_brgpu_sync sync = {};
        error = read_element(array, i, &sync);
        if (!error)
            error = brgpu_core_check_sync(&sync, may_signal, &why);
        if (error)
            return refuse("syncs", error, why);
        Syncobj *object = syncobjs_.find(sync.handle);
        if (!object)
            return refuse("syncs", -ENOENT, "no such syncobj");
        if (sync.flags & DRM_BRGPU_SYNC_SIGNAL) {
            syncs->signals.emplace_back(object, sync.point);
            continue;
        }
        if (!object->has(sync.point))
            return refuse("syncs", -EINVAL, "nothing was submitted for the point");
        for (FenceRef &fence : object->fences(sync.point))
            syncs->waits.push_back(std::move(fence));
    }
    return 0;
}

std::vector<FenceRef> ModelInterface::attach(const Syncs &syncs) {
    std::vector<FenceRef> fences;
    for (const auto &[object, point] : syncs.signals) {
        auto fence = std::make_shared<Fence>();
        if (point)
            object->add(point, fence);
        else
            object->replace(fence);
        fences.push_back(std::move(fence));
    }
    return fences;
}

int ModelInterface::vm_create(drm_brgpu_vm_create &args) {
    const char *why = "";
    int error = brgpu_core_check_vm_create(&args, &card_.limits(), &why);
    if (error)
        return refuse("VM_CREATE", error, why);
    const uint32_t most = std::min(card_.ident().vms - 1, most_vms);
    uint32_t id = 1;
    while (vms_.count(id))
        ++id;
    if (id > most)
        return refuse("VM_CREATE", -ENOSPC, "no VM id is left");
    auto vm = Vm::create(card_, id, args.flags, &error);
    if (!vm)
        return refuse("VM_CREATE", -error, "no room for its page table");
    vms_.emplace(id, std::move(vm));
    args.vm_id = id;
    return 0;
}

int ModelInterface::vm_destroy(const drm_brgpu_vm_destroy &args) {
    const char *why = "";
    int error = brgpu_core_check_vm_destroy(&args, &why);
    if (error)
        return refuse("VM_DESTROY", error, why);
    auto vm = vms_.find(args.vm_id);
    if (vm == vms_.end())
        return refuse("VM_DESTROY", -ENOENT, "no such VM");
    if (vm->second->queues)
        return refuse("VM_DESTROY", -EBUSY, "it has queues");
    vms_.erase(vm);
    changed_.ring();
    return 0;
}

int ModelInterface::vm_bind(const drm_brgpu_vm_bind &args, Lock &lock) {
    const char *why = "";
    int error = brgpu_core_check_vm_bind(&args, &why);
    if (error)
        return refuse("VM_BIND", error, why);
    auto vm = vms_.find(args.vm_id);
    if (vm == vms_.end())
        return refuse("VM_BIND", -ENOENT, "no such VM");
    Vm::Bind bind;
    for (uint32_t i = 0; i < args.ops.count; ++i) {
        Vm::Op op = {};
        error = read_element(args.ops, i, &op.args);
        if (!error)
            error = brgpu_core_check_bind_op(&op.args, &card_.limits(), &why);
        if (error)
            return refuse("VM_BIND", error, why);
        if (op.args.bo_handle) {
            auto bo = bos_.find(op.args.bo_handle);
            if (bo == bos_.end())
                return refuse("VM_BIND", -ENOENT, "no such buffer");
            op.bo = bo->second;
            if (op.bo->vm_id() && op.bo->vm_id() != args.vm_id)
                return refuse("VM_BIND", -EINVAL, "the buffer belongs to another VM");
            if (op.args.op == DRM_BRGPU_BIND_MAP)
                error = brgpu_core_check_bind_bo(&op.args, op.bo->bytes(), &why);
            if (error)
                return refuse("VM_BIND", error, why);
        }
        if (op.args.op == DRM_BRGPU_BIND_MAP_USERPTR) {
            op.bo = Bo::from_host(card_, op.args.bo_offset, op.args.size,
                                  op.args.flags & DRM_BRGPU_BIND_WRITE, &error);
            if (!op.bo)
                return refuse("VM_BIND", -error, "no such memory in the process");
            // From here on it is a map of all of a buffer.
            op.args.op = DRM_BRGPU_BIND_MAP;
            op.args.bo_offset = 0;
        }
        bind.ops.push_back(std::move(op));
    }
    const bool async = args.flags & DRM_BRGPU_VM_BIND_ASYNC;
    Syncs syncs;
    error = read_syncs(args.syncs, async, &syncs);
    if (error)
        return error;
    bind.waits = std::move(syncs.waits);
    bind.signals = attach(syncs);
    const FenceRef done = bind.done;
    vm->second->enqueue(std::move(bind));
    pump();
    if (async)
        return 0;
    for (;;) {
        const uint32_t seen = changed_.number();
        serve_interrupt();
        if (done->signalled)
            return done->error;
        sleep(lock, seen, INT64_MAX);
    }
}

int ModelInterface::vm_get_state(drm_brgpu_vm_get_state &args) {
    const char *why = "";
    int error = brgpu_core_check_vm_get_state(&args, &why);
    if (error)
        return refuse("VM_GET_STATE", error, why);
    auto found = vms_.find(args.vm_id);
    if (found == vms_.end())
        return refuse("VM_GET_STATE", -ENOENT, "no such VM");
    const Vm &vm = *found->second;
    const uint32_t count =
        static_cast<uint32_t>(std::min<size_t>(args.faults.count, vm.faults().size()));
    for (uint32_t i = 0; i < count; ++i) {
        const drm_brgpu_fault &fault = vm.faults()[vm.faults().size() - count + i];
        auto *element = reinterpret_cast<std::byte *>(static_cast<uintptr_t>(args.faults.array)) +
                        uint64_t{i} * args.faults.stride;
        std::memset(element, 0, args.faults.stride);
        std::memcpy(element, &fault, std::min<size_t>(args.faults.stride, sizeof(fault)));
    }
    args.faults.count = count;
    args.state = DRM_BRGPU_STATE_OK;
    args.fault_count = vm.fault_count();
    args.bytes_bound = vm.bytes_bound();
    return 0;
}

int ModelInterface::queue_create(drm_brgpu_queue_create &args) {
    const char *why = "";
    int error = brgpu_core_check_queue_create(&args, &card_.limits(), &why);
    if (error)
        return refuse("QUEUE_CREATE", error, why);
    auto vm = vms_.find(args.vm_id);
    if (vm == vms_.end())
        return refuse("QUEUE_CREATE", -ENOENT, "no such VM");
    error = brgpu_core_check_queue_vm(&args, vm->second->flags(), &why);
    if (error)
        return refuse("QUEUE_CREATE", error, why);
    if (args.flags & DRM_BRGPU_QUEUE_USER) {
        uint32_t id = most_queues + 1;
        while (user_queues_.taken(id))
            ++id;
        if (id > 2 * most_queues)
            return refuse("QUEUE_CREATE", -ENOSPC, "no queue is left");
        error = user_queues_.create(*vm->second, id, args);
        if (error)
            return refuse("QUEUE_CREATE", error, "no memory for its state");
        args.queue_id = id;
        args.doorbell_offset = doorbell_offset;
        backlog_.store(true); // its interrupts are nobody's who waits
        service_bell_.ring();
        return 0;
    }
    uint32_t slot = 0;
    while (queues_.count(slot + 1))
        ++slot;
    if (slot >= std::min(card_.ident().queues - card_.ident().queues / 2, most_queues))
        return refuse("QUEUE_CREATE", -ENOSPC, "no queue is left");
    auto queue = Queue::create(card_, *vm->second, slot + 1, slot, args, &error);
    if (!queue)
        return refuse("QUEUE_CREATE", -error, "the card refused it");
    queues_.emplace(slot + 1, std::move(queue));
    args.queue_id = slot + 1;
    args.doorbell_offset = 0;
    args.doorbell_slot = 0;
    return 0;
}

int ModelInterface::queue_destroy(const drm_brgpu_queue_destroy &args) {
    const char *why = "";
    int error = brgpu_core_check_queue_destroy(&args, &why);
    if (error)
        return refuse("QUEUE_DESTROY", error, why);
    if (!queues_.erase(args.queue_id) && !user_queues_.destroy(args.queue_id))
        return refuse("QUEUE_DESTROY", -ENOENT, "no such queue");
    pump();
    changed_.ring();
    return 0;
}

int ModelInterface::queue_submit(const drm_brgpu_queue_submit &args) {
    const char *why = "";
    int error = brgpu_core_check_queue_submit(&args, &why);
    if (error)
        return refuse("QUEUE_SUBMIT", error, why);
    if (user_queues_.find(args.queue_id))
        return refuse("QUEUE_SUBMIT", -EINVAL, "a user-mode queue: write to its ring");
    auto queue = queues_.find(args.queue_id);
    if (queue == queues_.end())
        return refuse("QUEUE_SUBMIT", -ENOENT, "no such queue");
    Queue::Job job;
    for (uint32_t i = 0; i < args.commands.count; ++i) {
        drm_brgpu_command command = {};
        error = read_element(args.commands, i, &command);
        if (!error)
            error = brgpu_core_check_command(&command, &card_.limits(), &why);
        if (error)
            return refuse("QUEUE_SUBMIT", error, why);
        job.commands.push_back(command);
    }
    Syncs syncs;
    error = read_syncs(args.syncs, true, &syncs);
    if (error)
        return error;
    if (queue->second->stopped())
        return refuse("QUEUE_SUBMIT", -EIO, "the queue is stopped");
    job.waits = std::move(syncs.waits);
    job.signals = attach(syncs);
    if (queue->second->submit(std::move(job)))
        pump();
    else if (queue->second->waiting())
        backlog_.store(true);
    // Time-outs are watched from now on.
    if (std::exchange(service_rests_, false))
        service_bell_.ring();
    return 0;
}

int ModelInterface::queue_get_state(drm_brgpu_queue_get_state &args) {
    const char *why = "";
    int error = brgpu_core_check_queue_get_state(&args, &why);
    if (error)
        return refuse("QUEUE_GET_STATE", error, why);
    if (const UserQueue *user = user_queues_.find(args.queue_id)) {
        user->get_state(args);
        return 0;
    }
    auto queue = queues_.find(args.queue_id);
    if (queue == queues_.end())
        return refuse("QUEUE_GET_STATE", -ENOENT, "no such queue");
    pump();
    queue->second->get_state(args);
    return 0;
}

int ModelInterface::wait_mem(drm_brgpu_wait_mem &args, Lock &lock) {
    const char *why = "";
    int error = brgpu_core_check_wait_mem(&args, &why);
    if (error)
        return refuse("WAIT_MEM", error, why);
    auto found = bos_.find(args.handle);
    if (found == bos_.end())
        return refuse("WAIT_MEM", -ENOENT, "no such buffer");
    const std::shared_ptr<Bo> bo = found->second;
    error = brgpu_core_check_wait_bo(&args, bo->bytes(), &why);
    if (error)
        return refuse("WAIT_MEM", error, why);
    if (args.queue_id && !is_stopped(args.queue_id))
        return refuse("WAIT_MEM", -ENOENT, "no such queue");
    auto *word = reinterpret_cast<const uint64_t *>(bo->cpu() + args.offset);
    for (;;) {
        const uint32_t seen = changed_.number();
        serve_interrupt();
        // First this: what it wrote before it stopped is seen.
        const bool stopped = args.queue_id && is_stopped(args.queue_id).value_or(true);
        args.seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        if (brgpu_core_wait_met(brgpu_core_wait_compare(&args), args.seen, args.value, args.mask))
            return 0;
        if (stopped)
            return -EIO;
        const auto now = static_cast<int64_t>(monotonic_ns());
        if (args.deadline_ns <= now)
            return -ETIME;
        sleep(lock, seen, std::min<int64_t>(args.deadline_ns, now + memory_poll_ns));
    }
}

std::optional<bool> ModelInterface::is_stopped(uint32_t queue_id) {
    if (const UserQueue *user = user_queues_.find(queue_id))
        return user->stopped();
    auto queue = queues_.find(queue_id);
    if (queue == queues_.end())
        return std::nullopt;
    return queue->second->stopped();
}

int ModelInterface::signal_mem(const drm_brgpu_signal_mem &args) {
    const char *why = "";
    int error = brgpu_core_check_signal_mem(&args, &why);
    if (error)
        return refuse("SIGNAL_MEM", error, why);
    auto bo = bos_.find(args.handle);
    if (bo == bos_.end())
        return refuse("SIGNAL_MEM", -ENOENT, "no such buffer");
    error = brgpu_core_check_signal_bo(&args, bo->second->bytes(), &why);
    if (error)
        return refuse("SIGNAL_MEM", error, why);
    if (!bo->second->cpu_mappable())
        return refuse("SIGNAL_MEM", -EACCES, "the buffer was not created CPU_VISIBLE");
    if (args.queue_id && !user_queues_.find(args.queue_id))
        return queues_.count(args.queue_id) ? refuse("SIGNAL_MEM", -EINVAL, "not a user-mode queue")
                                            : refuse("SIGNAL_MEM", -ENOENT, "no such queue");
    Syncs syncs;
    error = read_syncs(args.syncs, false, &syncs);
    if (error)
        return error;
    if (signals_.size() >= DRM_BRGPU_MAX_SIGNALS)
        return refuse("SIGNAL_MEM", -EBUSY, "too many are still to come");
    signals_.push_back(
        {std::move(syncs.waits), bo->second, args.offset, args.value, args.queue_id});
    pump();
    return 0;
}

bool ModelInterface::pump_signals() {
    const auto ready = [this](const Signal &signal) {
        if (!all_signalled(signal.waits))
            return false;
        __atomic_store_n(reinterpret_cast<uint64_t *>(signal.bo->cpu() + signal.offset),
                         signal.value, __ATOMIC_RELEASE);
        if (const UserQueue *queue = user_queues_.find(signal.queue_id))
            card_.ring_doorbell(user_doorbell_page, queue->doorbell());
        return true;
    };
    return std::erase_if(signals_, ready) != 0;
}

int ModelInterface::inject(const char *property, const char *value, std::string *why) noexcept {
    return card_.set_property(property, value, why);
}

} // namespace brgpu::umd::model
