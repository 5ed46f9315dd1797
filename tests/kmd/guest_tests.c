/* SPDX-License-Identifier: MIT */
/*
 * Tests of brgpu.ko with a card, to be run in a guest: guest_tests [NAME]... runs those, or all but
 * the ones that need a special card.
 */
#include "guest_ioctl.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static void test_query(void) {
    const int fd = open_card();
    unsigned char room[512];
    struct drm_brgpu_query args = {.query = DRM_BRGPU_QUERY_DEVICE};
    const struct drm_brgpu_query_device device = query_device(fd);

    CHECK_EQ(device.uapi_version, DRM_BRGPU_UAPI_MAJOR << 16 | DRM_BRGPU_UAPI_MINOR);
    CHECK(!strncmp(device.name, "BR1", 3));
    CHECK(device.va_end > device.va_start);

    /* size 0 asks for the size; a longer buffer is zeroed behind the answer; a shorter one is cut.
     */
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &args), 0);
    CHECK_EQ(args.size, sizeof(device));
    memset(room, 0xee, sizeof(room));
    args.size = sizeof(room);
    args.data = (uintptr_t)room;
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &args), 0);
    for (size_t i = sizeof(device); i < sizeof(room); i++)
        CHECK_EQ(room[i], 0);
    memset(room, 0xee, sizeof(room));
    args.size = 4;
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &args), 0);
    CHECK_EQ(room[3], 0);
    CHECK_EQ(room[4], 0xee);

    for (uint32_t query = 0; query <= DRM_BRGPU_QUERY_STATUS; query++) {
        args =
            (struct drm_brgpu_query){.query = query, .size = sizeof(room), .data = (uintptr_t)room};
        CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &args), 0);
        CHECK(args.size > 0 && args.size <= sizeof(room));
        args = (struct drm_brgpu_query){.query = query, .size = 16, .data = 8};
        CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &args), -EFAULT);
    }
    args = (struct drm_brgpu_query){.query = 5};
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &args), -EINVAL);
}

/* Each field of each call made wrong, one at a time. */
static void test_negative(void) {
    const int fd = open_card();
    const uint32_t vm = vm_create(fd), other_vm = vm_create(fd);
    const uint32_t queue = queue_create(fd, vm, DRM_BRGPU_QUEUE_COPY, 0);
    const struct drm_brgpu_query_device device = query_device(fd);
    struct bo bo = bo_create(fd, 4096, SYSTEM);
    uint32_t syncobj;

#define REFUSED(error, request, type, ...)                                                         \
    do {                                                                                           \
        struct type args_ = {__VA_ARGS__};                                                         \
        CHECK_EQ(call(fd, request, &args_), -(error));                                             \
    } while (0)

#define BO(error, ...) REFUSED(error, DRM_IOCTL_BRGPU_BO_CREATE, drm_brgpu_bo_create, __VA_ARGS__)
    BO(EINVAL, .size = 0, .placements = SYSTEM);
    BO(EINVAL, .size = UINT64_MAX, .placements = SYSTEM);
    BO(EINVAL, .size = 4096, .placements = 0);
    BO(EINVAL, .size = 4096, .placements = 4);
    BO(EINVAL, .size = 4096, .placements = SYSTEM, .flags = 2);
    BO(ENOENT, .size = 4096, .placements = SYSTEM, .vm_id = 77);
    BO(ENOSPC, .size = 1ull << 44, .placements = VRAM);

#define OFFSET(error, ...)                                                                         \
    REFUSED(error, DRM_IOCTL_BRGPU_BO_MMAP_OFFSET, drm_brgpu_bo_mmap_offset, __VA_ARGS__)
    OFFSET(EINVAL, .handle = bo.handle, .pad = 1);
    OFFSET(ENOENT, .handle = 999);

#define VM(error, ...) REFUSED(error, DRM_IOCTL_BRGPU_VM_CREATE, drm_brgpu_vm_create, __VA_ARGS__)
    VM(EINVAL, .flags = 4);
    VM(EINVAL, .flags = DRM_BRGPU_VM_FAULT_RETRY);
    if (!(device.features & DRM_BRGPU_FEATURE_USER_QUEUES))
        VM(EOPNOTSUPP, .flags = DRM_BRGPU_VM_LONG_RUNNING);
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_VM_DESTROY, drm_brgpu_vm_destroy, .vm_id = vm, .pad = 1);
    REFUSED(ENOENT, DRM_IOCTL_BRGPU_VM_DESTROY, drm_brgpu_vm_destroy, .vm_id = 99);
    REFUSED(EBUSY, DRM_IOCTL_BRGPU_VM_DESTROY, drm_brgpu_vm_destroy, .vm_id = vm);

    const uint32_t rw = DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE;
    const uint64_t va = DATA_VA;
    CHECK_EQ(bind(fd, 99, DRM_BRGPU_BIND_MAP, rw, bo.handle, 0, va, 4096), -ENOENT);
    CHECK_EQ(bind(fd, vm, 4, rw, bo.handle, 0, va, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, 0, bo.handle, 0, va, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, 16, bo.handle, 0, va, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, 0, 0, va, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, 999, 0, va, 4096), -ENOENT);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, bo.handle, 4096, va, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, bo.handle, 0, va, 8192), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, bo.handle, 0, va + 1, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, bo.handle, 0, va, 0), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, bo.handle, 0, 0, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, bo.handle, 0, device.va_end, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, UINT64_MAX - 4095, 8192), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_UNMAP, 1, 0, 0, va, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_UNMAP_BO, 0, bo.handle, 0, va, 4096), -EINVAL);

    REFUSED(EINVAL, DRM_IOCTL_BRGPU_VM_BIND, drm_brgpu_vm_bind, .vm_id = vm, .flags = 2);
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_VM_BIND, drm_brgpu_vm_bind, .vm_id = vm,
            .ops = {.stride = 32, .count = 1, .array = 8});
    REFUSED(EFAULT, DRM_IOCTL_BRGPU_VM_BIND, drm_brgpu_vm_bind, .vm_id = vm,
            .ops = {.stride = 40, .count = 1, .array = 8});
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_VM_BIND, drm_brgpu_vm_bind, .vm_id = vm,
            .ops = {.stride = 40, .count = DRM_BRGPU_MAX_BIND_OPS + 1, .array = 8});
    /* A longer element is fine while its tail is zero. */
    uint64_t longer[8] = {0};
    struct drm_brgpu_bind_op unmap = {.op = DRM_BRGPU_BIND_UNMAP, .va = va, .size = 4096};
    memcpy(longer, &unmap, sizeof(unmap));
    struct drm_brgpu_vm_bind args = {.vm_id = vm, .ops = {64, 1, (uintptr_t)longer}};
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_VM_BIND, &args), 0);
    longer[7] = 1;
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_VM_BIND, &args), -E2BIG);

    /* A buffer of one VM in another. */
    struct drm_brgpu_bo_create private_bo = {.size = 4096, .placements = SYSTEM, .vm_id = vm};
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_BO_CREATE, &private_bo), 0);
    CHECK_EQ(bind(fd, other_vm, DRM_BRGPU_BIND_MAP, rw, private_bo.handle, 0, va, 4096), -EINVAL);
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, rw, private_bo.handle, 0, va, 4096), 0);
    int dmabuf = -1;
    CHECK(drmPrimeHandleToFD(fd, private_bo.handle, O_RDWR, &dmabuf) != 0);

    /* Either all operations or none. */
    struct drm_brgpu_bind_op two[2] = {
        {.op = DRM_BRGPU_BIND_MAP,
         .flags = rw,
         .bo_handle = bo.handle,
         .va = va + 4096,
         .size = 4096},
        {.op = DRM_BRGPU_BIND_MAP, .flags = rw, .bo_handle = 999, .va = va + 8192, .size = 4096}};
    args = (struct drm_brgpu_vm_bind){.vm_id = vm, .ops = {sizeof(two[0]), 2, (uintptr_t)two}};
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_VM_BIND, &args), -ENOENT);
    struct drm_brgpu_vm_get_state state = {.vm_id = vm};
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_VM_GET_STATE, &state), 0);
    CHECK_EQ(state.bytes_bound, 4096);
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_VM_GET_STATE, drm_brgpu_vm_get_state, .vm_id = vm, .flags = 1);
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_VM_GET_STATE, drm_brgpu_vm_get_state, .vm_id = vm, .pad = 1);
    REFUSED(ENOENT, DRM_IOCTL_BRGPU_VM_GET_STATE, drm_brgpu_vm_get_state, .vm_id = 99);

#define QUEUE(error, ...)                                                                          \
    REFUSED(error, DRM_IOCTL_BRGPU_QUEUE_CREATE, drm_brgpu_queue_create, __VA_ARGS__)
    QUEUE(ENOENT, .vm_id = 99);
    QUEUE(EINVAL, .vm_id = vm, .flags = 2);
    QUEUE(EINVAL, .vm_id = vm, .queue_class = 2);
    QUEUE(EINVAL, .vm_id = vm, .priority = 3);
    QUEUE(EINVAL, .vm_id = vm, .timeout_ms = device.job_timeout_ms + 1);
    QUEUE(EINVAL, .vm_id = vm, .ring_va = 4096);
    if (!(device.features & DRM_BRGPU_FEATURE_USER_QUEUES))
        QUEUE(EOPNOTSUPP, .vm_id = vm, .flags = DRM_BRGPU_QUEUE_USER);
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_QUEUE_DESTROY, drm_brgpu_queue_destroy, .queue_id = queue,
            .pad = 1);
    REFUSED(ENOENT, DRM_IOCTL_BRGPU_QUEUE_DESTROY, drm_brgpu_queue_destroy, .queue_id = 99);
    REFUSED(ENOENT, DRM_IOCTL_BRGPU_QUEUE_GET_STATE, drm_brgpu_queue_get_state, .queue_id = 99);
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_QUEUE_GET_STATE, drm_brgpu_queue_get_state, .queue_id = queue,
            .flags = 1);

    CHECK_EQ(submit(fd, 99, COMMANDS_VA, 1, 0, 0), -ENOENT);
    CHECK_EQ(submit(fd, queue, COMMANDS_VA + 1, 1, 0, 0), -EINVAL);
    CHECK_EQ(submit(fd, queue, COMMANDS_VA, 65537, 0, 0), -EINVAL);
    CHECK_EQ(submit(fd, queue, device.va_end - 64, 2, 0, 0), -EINVAL);
    CHECK_EQ(submit(fd, queue, COMMANDS_VA, 1, 4711, 0), -ENOENT);
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, drm_brgpu_queue_submit, .queue_id = queue,
            .flags = 1);
    CHECK_EQ(drmSyncobjCreate(fd, 0, &syncobj), 0);
    struct drm_brgpu_sync sync = {.handle = syncobj, .point = 3};
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, drm_brgpu_queue_submit, .queue_id = queue,
            .syncs = {sizeof(sync), 1, (uintptr_t)&sync});
    /* A wait for a syncobj without a fence. */
    sync.point = 0;
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, drm_brgpu_queue_submit, .queue_id = queue,
            .syncs = {sizeof(sync), 1, (uintptr_t)&sync});
    /* A synchronous bind signals nothing. */
    sync.flags = DRM_BRGPU_SYNC_SIGNAL;
    REFUSED(EINVAL, DRM_IOCTL_BRGPU_VM_BIND, drm_brgpu_vm_bind, .vm_id = vm,
            .syncs = {sizeof(sync), 1, (uintptr_t)&sync});

#define WAIT(error, ...) REFUSED(error, DRM_IOCTL_BRGPU_WAIT_MEM, drm_brgpu_wait_mem, __VA_ARGS__)
    WAIT(EINVAL, .handle = bo.handle, .compare = 4);
    WAIT(EINVAL, .handle = bo.handle, .offset = 4);
    WAIT(EINVAL, .handle = bo.handle, .offset = 4096);
    WAIT(EINVAL, .handle = bo.handle, .offset = UINT64_MAX - 7);
    WAIT(ENOENT, .handle = 999);
    WAIT(ETIME, .handle = bo.handle, .value = 1, .mask = UINT64_MAX);
}

static void test_bo(void) {
    const int fd = open_card();
    const uint32_t kinds[] = {VRAM, SYSTEM, VRAM | SYSTEM};

    for (unsigned int round = 0; round < 2; round++) {
        for (unsigned int i = 0; i < 3; i++) {
            struct bo bo = bo_create(fd, 3 * MIB + 5, kinds[i]);
            const uint64_t *words = bo_map(fd, &bo);

            CHECK_EQ(bo.size, 3 * MIB + 4096);
            for (size_t j = 0; j < bo.size / 8; j++)
                CHECK_EQ(words[j], 0);
            /* So that the next round sees whether freed memory is cleared. */
            memset(bo.map, 0xa5, bo.size);
            CHECK_EQ(words[bo.size / 8 - 1], 0xa5a5a5a5a5a5a5a5ull);
            bo_free(fd, &bo);
        }
    }
}

static void test_submit(void) {
    const uint32_t kinds[] = {VRAM, SYSTEM, VRAM | SYSTEM};

    for (unsigned int i = 0; i < 3; i++) {
        struct context c = context_create(kinds[i]);
        const volatile uint64_t *words = c.data.map;

        put_fill(&c.commands, 0, DATA_VA, MIB, 0x0123456789abcdefull);
        put_copy(&c.commands, 1, DATA_VA + 2 * MIB, DATA_VA, MIB);
        put_write(&c.commands, 2, DATA_VA + 3 * MIB, "hello, card", 12);
        put_signal(&c.commands, 3, DATA_VA + 4 * MIB - 8, 42, false);
        CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 4, 20), 0);
        CHECK_EQ(words[0], 0x0123456789abcdefll);
        CHECK_EQ(words[MIB / 8 - 1], 0x0123456789abcdefll);
        CHECK_EQ(words[MIB / 8], 0);
        CHECK_EQ(words[2 * MIB / 8], 0x0123456789abcdefll);
        CHECK_EQ(words[3 * MIB / 8 - 1], 0x0123456789abcdefll);
        CHECK(!strcmp((const char *)c.data.map + 3 * MIB, "hello, card"));
        CHECK_EQ(words[4 * MIB / 8 - 1], 42);

        struct drm_brgpu_queue_get_state state = queue_state(c.fd, c.queue);
        CHECK_EQ(state.state, DRM_BRGPU_STATE_OK);
        CHECK_EQ(state.submitted, 1);
        CHECK_EQ(state.completed, 1);
        close(c.fd);
    }
}

/* Many jobs in flight: the ring wraps, credits hold back. */
static void test_stream(void) {
    struct context c = context_create(VRAM);
    struct drm_brgpu_command commands[DRM_BRGPU_MAX_COMMANDS];
    uint32_t timeline;

    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &timeline), 0);
    for (unsigned int i = 0; i < DRM_BRGPU_MAX_COMMANDS; i++) {
        const uint64_t value = i;

        put_write(&c.commands, i, DATA_VA + 8 * i, &value, 8);
        commands[i] = (struct drm_brgpu_command){.va = COMMANDS_VA + 64 * i, .packets = 1};
    }
    struct drm_brgpu_sync sync = {.flags = DRM_BRGPU_SYNC_SIGNAL | DRM_BRGPU_SYNC_TIMELINE,
                                  .handle = timeline};
    struct drm_brgpu_queue_submit args = {
        .queue_id = c.queue,
        .commands = {sizeof(commands[0]), DRM_BRGPU_MAX_COMMANDS, (uintptr_t)commands},
        .syncs = {sizeof(sync), 1, (uintptr_t)&sync}};
    for (sync.point = 1; sync.point <= 40; sync.point++)
        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, &args), 0);

    uint64_t last = 40;
    CHECK_EQ(drmSyncobjTimelineWait(c.fd, &timeline, &last, 1, deadline(60), 0, NULL), 0);
    for (unsigned int i = 0; i < DRM_BRGPU_MAX_COMMANDS; i++)
        CHECK_EQ(((uint64_t *)c.data.map)[i], i);
    CHECK_EQ(queue_state(c.fd, c.queue).completed, 40);
}

/* A timeline orders two queues and an asynchronous bind. */
static void test_timeline(void) {
    struct context c = context_create(VRAM);
    const uint32_t second = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    struct bo late = bo_create(c.fd, 65536, SYSTEM);
    uint32_t timeline, gate;
    uint64_t point;

    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &timeline), 0);
    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &gate), 0);

    /* Queue 1 waits in memory for the CPU; then it fills. */
    put_wait(&c.commands, 0, DATA_VA, 1);
    put_fill(&c.commands, 1, DATA_VA + 4096, 4096, 7);
    CHECK_EQ(submit(c.fd, c.queue, COMMANDS_VA, 2, timeline, 1), 0);

    /* A bind that waits for point 1 and is point 2. */
    struct drm_brgpu_bind_op op = {.op = DRM_BRGPU_BIND_MAP,
                                   .flags = DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE,
                                   .bo_handle = late.handle,
                                   .va = DATA_VA + 64 * MIB,
                                   .size = late.size};
    struct drm_brgpu_sync syncs[2] = {
        {.flags = DRM_BRGPU_SYNC_TIMELINE, .handle = timeline, .point = 1},
        {.flags = DRM_BRGPU_SYNC_TIMELINE | DRM_BRGPU_SYNC_SIGNAL, .handle = timeline, .point = 2}};
    struct drm_brgpu_vm_bind bind_args = {.vm_id = c.vm,
                                          .flags = DRM_BRGPU_VM_BIND_ASYNC,
                                          .ops = {sizeof(op), 1, (uintptr_t)&op},
                                          .syncs = {sizeof(syncs[0]), 2, (uintptr_t)syncs}};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_BIND, &bind_args), 0);

    /* Queue 2 waits for point 2, copies what queue 1 filled to what was bound, and is point 3. */
    put_copy(&c.commands, 2, DATA_VA + 64 * MIB, DATA_VA + 4096, 4096);
    struct drm_brgpu_command command = {.va = COMMANDS_VA + 128, .packets = 1};
    syncs[0].point = 2;
    syncs[1].point = 3;
    struct drm_brgpu_queue_submit args = {.queue_id = second,
                                          .commands = {sizeof(command), 1, (uintptr_t)&command},
                                          .syncs = {sizeof(syncs[0]), 2, (uintptr_t)syncs}};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, &args), 0);

    point = 1;
    CHECK_EQ(drmSyncobjTimelineWait(c.fd, &timeline, &point, 1, deadline(0.2), 0, NULL), -ETIME);
    *(volatile uint64_t *)c.data.map = 1;
    point = 3;
    CHECK_EQ(drmSyncobjTimelineWait(c.fd, &timeline, &point, 1, deadline(20), 0, NULL), 0);
    CHECK_EQ(((uint64_t *)bo_map(c.fd, &late))[511], 7);

    /* No commands: synchronises only. */
    CHECK_EQ(submit(c.fd, c.queue, 0, 0, gate, 0), 0);
    CHECK_EQ(drmSyncobjWait(c.fd, &gate, 1, deadline(20), 0, NULL), 0);
}

/* Mappings are cut, replaced and moved; stale ones are seen to be gone. */
static void test_bind(void) {
    struct context c = context_create(VRAM);
    struct bo big = bo_create(c.fd, 8 * MIB, VRAM), small = bo_create(c.fd, 65536, SYSTEM);
    const uint64_t va = DATA_VA + 1024 * MIB;
    uint64_t *words = c.data.map, *big_words = bo_map(c.fd, &big),
             *small_words = bo_map(c.fd, &small);

    for (size_t i = 0; i < big.size / 4096; i++)
        big_words[i * 512] = 1000 + i;
    for (size_t i = 0; i < small.size / 4096; i++)
        small_words[i * 512] = 5000 + i;

    bo_bind(c.fd, c.vm, &big, va);
    put_copy(&c.commands, 0, DATA_VA, va + 5 * MIB, 8);
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 1, 20), 0);
    CHECK_EQ(words[0], 1000 + 5 * 256);

    /* 64 KiB of something else in the middle; both sides stay. */
    bo_bind(c.fd, c.vm, &small, va + 5 * MIB);
    put_copy(&c.commands, 0, DATA_VA, va + 5 * MIB, 8);
    put_copy(&c.commands, 1, DATA_VA + 8, va + 5 * MIB - 4096, 8);
    put_copy(&c.commands, 2, DATA_VA + 16, va + 5 * MIB + 65536, 8);
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 3, 20), 0);
    CHECK_EQ(words[0], 5000);
    CHECK_EQ(words[1], 1000 + 5 * 256 - 1);
    CHECK_EQ(words[2], 1000 + 5 * 256 + 16);

    /* NULL pages read zero and swallow writes. */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP,
                  DRM_BRGPU_BIND_NULL | DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE, 0, 0,
                  va + 5 * MIB, 4 * MIB),
             0);
    words[0] = 99;
    put_fill(&c.commands, 0, va + 6 * MIB, 4096, 3);
    put_copy(&c.commands, 1, DATA_VA, va + 6 * MIB, 8);
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 2, 20), 0);
    CHECK_EQ(words[0], 0);
    CHECK_EQ(big_words[6 * MIB / 8], 1000 + 6 * 256);

    /* Everything of one buffer. */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP_BO, 0, big.handle, 0, 0, 0), 0);
    struct drm_brgpu_vm_get_state state = {.vm_id = c.vm};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_GET_STATE, &state), 0);
    CHECK_EQ(state.bytes_bound, 65536 + 4 * MIB + 4 * MIB);

    /* A huge sparse range costs little, and goes again. */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP, DRM_BRGPU_BIND_NULL | DRM_BRGPU_BIND_READ, 0, 0,
                  1ull << 46, (1ull << 46) - 4096),
             0);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, 1ull << 46, 1ull << 46), 0);

    /* Unmapped is unmapped: the queue ends with a fault, which the VM tells. */
    put_copy(&c.commands, 0, DATA_VA, va, 8);
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 1, 20), 0);
    struct drm_brgpu_queue_get_state queue = queue_state(c.fd, c.queue);
    CHECK_EQ(queue.state, DRM_BRGPU_STATE_STOPPED);
    CHECK_EQ(queue.error, BRGPU_QUEUE_ERROR_MMU);
    CHECK_EQ(queue.fault.address, va);
    CHECK_EQ(submit(c.fd, c.queue, COMMANDS_VA, 1, 0, 0), -EIO);
    struct drm_brgpu_fault faults[4] = {{0}};
    /* The fault's interrupt is another one than the queue's. */
    for (unsigned int i = 0; i < 100; i++) {
        state = (struct drm_brgpu_vm_get_state){
            .vm_id = c.vm, .faults = {sizeof(faults[0]), 4, (uintptr_t)faults}};
        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_GET_STATE, &state), 0);
        if (state.fault_count)
            break;
        usleep(100000);
    }
    CHECK_EQ(state.fault_count, 1);
    CHECK_EQ(state.faults.count, 1);
    CHECK_EQ(faults[0].address, va);
    CHECK_EQ(faults[0].queue_id, c.queue);
    CHECK_EQ(state.state, DRM_BRGPU_STATE_OK);
}

/* A queue with a bad packet, and one that hangs, are stopped alone. */
static void test_kill(void) {
    struct context c = context_create(SYSTEM);
    const uint32_t bad = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    const uint32_t hung = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 700);
    volatile uint64_t *words = c.data.map;
    uint32_t sync;

    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &sync), 0);
    put_wait(&c.commands, 0, DATA_VA, 12345);
    CHECK_EQ(submit(c.fd, hung, COMMANDS_VA, 1, sync, 0), 0);

    memset((char *)c.commands.map + 64, 0x77, 64);
    CHECK_EQ(run(c.fd, bad, COMMANDS_VA + 64, 1, 20), 0);
    CHECK_EQ(queue_state(c.fd, bad).state, DRM_BRGPU_STATE_STOPPED);
    CHECK_EQ(queue_state(c.fd, bad).error, BRGPU_QUEUE_ERROR_PACKET);

    for (unsigned int i = 1; i <= 20; i++) {
        put_signal(&c.commands, 2, DATA_VA + 8, i, false);
        CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA + 128, 1, 20), 0);
        CHECK_EQ(words[1], i);
    }

    CHECK_EQ(drmSyncobjWait(c.fd, &sync, 1, deadline(20), 0, NULL), 0);
    CHECK_EQ(queue_state(c.fd, hung).state, DRM_BRGPU_STATE_STOPPED);
    CHECK_EQ(queue_state(c.fd, hung).error, DRM_BRGPU_QUEUE_ERROR_TIMEOUT);
    CHECK_EQ(queue_state(c.fd, c.queue).state, DRM_BRGPU_STATE_OK);

    /* CALL inside a called buffer. */
    const uint32_t nested = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct brgpu_packet_call packet = {
        .type = BRGPU_PACKET_CALL, .packets = 1, .address = COMMANDS_VA};
    memcpy((char *)c.commands.map + 64, &packet, sizeof(packet));
    CHECK_EQ(run(c.fd, nested, COMMANDS_VA + 64, 1, 20), 0);
    CHECK_EQ(queue_state(c.fd, nested).error, BRGPU_QUEUE_ERROR_CALL);

    /* A queue with work in flight is destroyed; the fence signals. */
    const uint32_t busy = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    CHECK_EQ(drmSyncobjReset(c.fd, &sync, 1), 0);
    put_wait(&c.commands, 0, DATA_VA, 12345);
    CHECK_EQ(submit(c.fd, busy, COMMANDS_VA, 1, sync, 0), 0);
    struct drm_brgpu_queue_destroy destroy = {.queue_id = busy};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_QUEUE_DESTROY, &destroy), 0);
    CHECK_EQ(drmSyncobjWait(c.fd, &sync, 1, deadline(20), 0, NULL), 0);
}

static void *signal_later(void *arg) {
    struct context *c = arg;

    usleep(100000);
    put_signal(&c->commands, 0, DATA_VA + 8, 5, true);
    CHECK_EQ(submit(c->fd, c->queue, COMMANDS_VA, 1, 0, 0), 0);
    return NULL;
}

static void test_wait_mem(void) {
    const uint32_t kinds[] = {VRAM, SYSTEM};

    for (unsigned int i = 0; i < 2; i++) {
        struct context c = context_create(kinds[i]);
        struct drm_brgpu_wait_mem args = {.handle = c.data.handle,
                                          .compare = DRM_BRGPU_WAIT_GE,
                                          .offset = 8,
                                          .value = 5,
                                          .mask = UINT64_MAX,
                                          .deadline_ns = deadline(0.05)};
        pthread_t thread;

        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_WAIT_MEM, &args), -ETIME);
        CHECK_EQ(args.seen, 0);
        args.deadline_ns = deadline(20);
        CHECK_EQ(pthread_create(&thread, NULL, signal_later, &c), 0);
        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_WAIT_MEM, &args), 0);
        CHECK_EQ(args.seen, 5);
        pthread_join(thread, NULL);

        /* Writers other than the card are seen too. */
        args.compare = DRM_BRGPU_WAIT_EQ;
        args.value = 77;
        ((volatile uint64_t *)c.data.map)[1] = 77;
        CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_WAIT_MEM, &args), 0);
        close(c.fd);
    }
}

static void test_prime(void) {
    const int other = open_card();
    struct context c = context_create(VRAM);
    const uint32_t other_vm = vm_create(other);
    const uint32_t other_queue = queue_create(other, other_vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct bo commands = bo_create(other, 4096, SYSTEM), shared = {0};
    int dmabuf;

    CHECK_EQ(drmPrimeHandleToFD(c.fd, c.data.handle, O_RDWR | O_CLOEXEC, &dmabuf), 0);
    CHECK_EQ(drmPrimeFDToHandle(other, dmabuf, &shared.handle), 0);
    shared.size = c.data.size;
    bo_map(other, &shared);
    bo_bind(other, other_vm, &shared, DATA_VA);
    bo_map(other, &commands);
    bo_bind(other, other_vm, &commands, COMMANDS_VA);
    put_fill(&commands, 0, DATA_VA, 4096, 0x1122334455667788ull);
    CHECK_EQ(run(other, other_queue, COMMANDS_VA, 1, 20), 0);
    CHECK_EQ(*(uint64_t *)c.data.map, 0x1122334455667788ll);
    CHECK_EQ(*(uint64_t *)shared.map, 0x1122334455667788ll);
    close(dmabuf);
    /* The exporter goes first. */
    close(c.fd);
    put_fill(&commands, 0, DATA_VA, 4096, 3);
    CHECK_EQ(run(other, other_queue, COMMANDS_VA, 1, 20), 0);
    CHECK_EQ(*(uint64_t *)shared.map, 3);
}

/* For a card with 64 MiB: more than fits is used at once, and nothing is lost. */
static void test_evict(void) {
    struct context c = context_create(VRAM);
    const struct drm_brgpu_query_device device = query_device(c.fd);
    struct drm_brgpu_query_memory memory[2];
    struct drm_brgpu_query query = {
        .query = DRM_BRGPU_QUERY_MEMORY, .size = sizeof(memory), .data = (uintptr_t)memory};
    struct bo flexible[12], pinned[5];

    CHECK(device.features & DRM_BRGPU_FEATURE_EVICTION);
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_QUERY, &query), 0);
    if (memory[0].total != 64 * MIB) {
        fprintf(stderr, "evict: wants --card br106,vram=64M\n");
        exit(77);
    }
    for (unsigned int i = 0; i < 12; i++) {
        flexible[i] = bo_create(c.fd, 8 * MIB, VRAM | SYSTEM);
        bo_bind(c.fd, c.vm, &flexible[i], DATA_VA + (16 + 8 * i) * MIB);
        put_fill(&c.commands, i, flexible[i].va, flexible[i].size, 0x100 + i);
    }
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 12, 60), 0);

    /* VRAM-only buffers push them out; each moves with its content. */
    for (unsigned int i = 0; i < 5; i++) {
        pinned[i] = bo_create(c.fd, 8 * MIB, VRAM);
        CHECK_EQ(*(uint64_t *)bo_map(c.fd, &pinned[i]), 0);
        bo_bind(c.fd, c.vm, &pinned[i], DATA_VA + (256 + 8 * i) * MIB);
        put_fill(&c.commands, i, pinned[i].va, pinned[i].size, 0x200 + i);
    }
    for (unsigned int i = 0; i < 12; i++)
        put_copy(&c.commands, 5 + i, DATA_VA + 8 * i, flexible[i].va + 8 * MIB - 8, 8);
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 17, 60), 0);
    CHECK_EQ(queue_state(c.fd, c.queue).state, DRM_BRGPU_STATE_OK);
    for (unsigned int i = 0; i < 12; i++) {
        CHECK_EQ(((uint64_t *)c.data.map)[i], 0x100 + i);
        CHECK_EQ(((uint64_t *)bo_map(c.fd, &flexible[i]))[MIB - 1], 0x100 + i);
    }
    for (unsigned int i = 0; i < 5; i++)
        CHECK_EQ(((uint64_t *)pinned[i].map)[MIB - 1], 0x200 + i);

    /* More VRAM-only memory than there is. */
    struct drm_brgpu_bo_create too_much = {.size = 40 * MIB, .placements = VRAM};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_BO_CREATE, &too_much), -ENOSPC);

    /* Room again: they come back when they are used. */
    for (unsigned int i = 0; i < 5; i++) {
        CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP_BO, 0, pinned[i].handle, 0, 0, 0), 0);
        bo_free(c.fd, &pinned[i]);
    }
    for (unsigned int i = 0; i < 12; i++)
        put_copy(&c.commands, i, DATA_VA + 8 * i, flexible[i].va + 4096, 8);
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 12, 60), 0);
    for (unsigned int i = 0; i < 12; i++)
        CHECK_EQ(((uint64_t *)c.data.map)[i], 0x100 + i);
}

/* Objects come and go in several threads until the card goes or the time is over. */
static volatile int load_stop;

static void *load_thread(void *arg) {
    const int fd = open_card();
    unsigned int rounds = 0;

    (void)arg;
    while (!load_stop) {
        struct drm_brgpu_vm_create vm = {0};
        struct drm_brgpu_queue_create queue = {.queue_class = DRM_BRGPU_QUEUE_COPY, .priority = 1};
        struct drm_brgpu_bo_create create = {
            .size = MIB, .placements = rounds % 3 + 1, .flags = DRM_BRGPU_BO_CPU_VISIBLE};
        struct bo bo = {.size = MIB};
        uint32_t sync = 0;

        if (call(fd, DRM_IOCTL_BRGPU_VM_CREATE, &vm) ||
            call(fd, DRM_IOCTL_BRGPU_BO_CREATE, &create))
            break;
        queue.vm_id = vm.vm_id;
        if (call(fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &queue))
            break;
        bo.handle = create.handle;
        struct drm_brgpu_bo_mmap_offset offset = {.handle = create.handle};
        if (call(fd, DRM_IOCTL_BRGPU_BO_MMAP_OFFSET, &offset))
            break;
        bo.map = mmap(NULL, bo.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset.offset);
        if (bo.map == MAP_FAILED)
            break;
        if (bind(fd, vm.vm_id, DRM_BRGPU_BIND_MAP, DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE,
                 bo.handle, 0, DATA_VA, MIB))
            break;
        drmSyncobjCreate(fd, 0, &sync);
        for (unsigned int i = 0; i < 20; i++) {
            put_fill(&bo, 0, DATA_VA + 4096, 65536, i);
            if (submit(fd, queue.queue_id, DATA_VA, 1, sync, 0))
                break;
            if (i % 4 == 0)
                drmSyncobjWait(fd, &sync, 1, deadline(5), 0, NULL);
        }
        drmSyncobjDestroy(fd, sync);
        struct drm_brgpu_queue_destroy queue_gone = {.queue_id = queue.queue_id};
        struct drm_brgpu_vm_destroy vm_gone = {.vm_id = vm.vm_id};
        if (rounds % 2) {
            call(fd, DRM_IOCTL_BRGPU_QUEUE_DESTROY, &queue_gone);
            call(fd, DRM_IOCTL_BRGPU_VM_DESTROY, &vm_gone);
        }
        munmap(bo.map, bo.size);
        struct drm_gem_close bo_gone = {.handle = bo.handle};
        call(fd, DRM_IOCTL_GEM_CLOSE, &bo_gone);
        rounds++;
    }
    close(fd);
    printf("load: %u rounds\n", rounds);
    return (void *)(uintptr_t)rounds;
}

static void run_load(unsigned int seconds) {
    pthread_t threads[4];
    uintptr_t total = 0;

    for (unsigned int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, load_thread, NULL), 0);
    for (unsigned int i = 0; i < seconds * 10; i++)
        usleep(100000);
    load_stop = 1;
    for (unsigned int i = 0; i < 4; i++) {
        void *rounds;

        pthread_join(threads[i], &rounds);
        total += (uintptr_t)rounds;
    }
    CHECK(total > 0);
}

static void test_load(void) {
    run_load(5);
}

static const struct test tests[] = {
    {"query", test_query, false},
    {"negative", test_negative, false},
    {"bo", test_bo, false},
    {"submit", test_submit, false},
    {"stream", test_stream, false},
    {"timeline", test_timeline, false},
    {"bind", test_bind, false},
    {"kill", test_kill, false},
    {"wait_mem", test_wait_mem, false},
    {"prime", test_prime, false},
    {"load", test_load, false},
    {"evict", test_evict, true},
};

int main(int argc, char **argv) {
    return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
