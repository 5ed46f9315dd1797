/* SPDX-License-Identifier: MIT */
#include "guest_ioctl.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "brgpu_core_packet.h"

int call(int fd, unsigned long request, void *arg) {
    int ret;

    do {
        ret = ioctl(fd, request, arg);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static int find_node(const char *prefix, int first, const char *driver, unsigned int number) {
    char path[64];

    for (int minor = first; minor < first + 64; minor++) {
        snprintf(path, sizeof(path), "%s%d", prefix, minor);
        const int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        drmVersionPtr version = drmGetVersion(fd);
        const bool wanted = version && !strcmp(version->name, driver);
        drmFreeVersion(version);
        if (wanted && !number--)
            return fd;
        close(fd);
    }
    return -1;
}

int open_node(const char *driver, unsigned int number) {
    return find_node("/dev/dri/renderD", 128, driver, number);
}

int open_primary(const char *driver) {
    return find_node("/dev/dri/card", 0, driver, 0);
}

int open_card(void) {
    const int fd = open_node("brgpu", 0);

    if (fd < 0) {
        fprintf(stderr, "no render node of brgpu\n");
        exit(77);
    }
    return fd;
}

struct bo bo_create(int fd, uint64_t size, uint32_t placements) {
    struct drm_brgpu_bo_create args = {
        .size = size, .placements = placements, .flags = DRM_BRGPU_BO_CPU_VISIBLE};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_BO_CREATE, &args), 0);
    return (struct bo){.handle = args.handle, .size = args.size};
}

void *bo_map(int fd, struct bo *bo) {
    struct drm_brgpu_bo_mmap_offset args = {.handle = bo->handle};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_BO_MMAP_OFFSET, &args), 0);
    bo->map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)args.offset);
    CHECK(bo->map != MAP_FAILED);
    return bo->map;
}

void bo_free(int fd, struct bo *bo) {
    struct drm_gem_close args = {.handle = bo->handle};

    if (bo->map)
        munmap(bo->map, bo->size);
    CHECK_EQ(call(fd, DRM_IOCTL_GEM_CLOSE, &args), 0);
    memset(bo, 0, sizeof(*bo));
}

uint32_t vm_create(int fd) {
    struct drm_brgpu_vm_create args = {0};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_VM_CREATE, &args), 0);
    CHECK(args.vm_id != 0);
    return args.vm_id;
}

int bind(int fd, uint32_t vm, uint32_t op, uint32_t flags, uint32_t handle, uint64_t offset,
         uint64_t va, uint64_t size) {
    struct drm_brgpu_bind_op operation = {
        .op = op, .flags = flags, .bo_handle = handle, .bo_offset = offset, .va = va, .size = size};
    struct drm_brgpu_vm_bind args = {.vm_id = vm,
                                     .ops = {sizeof(operation), 1, (uintptr_t)&operation}};

    return call(fd, DRM_IOCTL_BRGPU_VM_BIND, &args);
}

void bo_bind(int fd, uint32_t vm, struct bo *bo, uint64_t va) {
    CHECK_EQ(bind(fd, vm, DRM_BRGPU_BIND_MAP, DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE,
                  bo->handle, 0, va, bo->size),
             0);
    bo->va = va;
}

uint32_t queue_create(int fd, uint32_t vm, uint32_t queue_class, uint32_t timeout_ms) {
    struct drm_brgpu_queue_create args = {.vm_id = vm,
                                          .queue_class = queue_class,
                                          .priority = DRM_BRGPU_PRIORITY_NORMAL,
                                          .timeout_ms = timeout_ms};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &args), 0);
    CHECK(args.queue_id != 0);
    return args.queue_id;
}

struct drm_brgpu_queue_get_state queue_state(int fd, uint32_t queue) {
    struct drm_brgpu_queue_get_state args = {.queue_id = queue};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUEUE_GET_STATE, &args), 0);
    return args;
}

static void *slot(struct bo *bo, unsigned int i) {
    return (char *)bo->map + (size_t)i * BRGPU_PACKET_BYTES;
}

void put_fill(struct bo *bo, unsigned int i, uint64_t dst, uint64_t bytes, uint64_t pattern) {
    brgpu_core_packet_fill(slot(bo, i), BRGPU_PACKET_BARRIER_BIT, dst, bytes, pattern);
}

void put_copy(struct bo *bo, unsigned int i, uint64_t dst, uint64_t src, uint32_t bytes) {
    brgpu_core_packet_copy(slot(bo, i), BRGPU_PACKET_BARRIER_BIT, dst, src, bytes);
}

void put_write(struct bo *bo, unsigned int i, uint64_t dst, const void *data, uint16_t bytes) {
    struct brgpu_packet_write packet = {
        .type = BRGPU_PACKET_WRITE, .flags = BRGPU_PACKET_BARRIER_BIT, .bytes = bytes, .dst = dst};

    memcpy(packet.data, data, bytes);
    memcpy(slot(bo, i), &packet, sizeof(packet));
}

void put_signal(struct bo *bo, unsigned int i, uint64_t address, uint64_t value, bool notify) {
    brgpu_core_packet_signal(slot(bo, i), 0, address, value, notify, 0);
}

void put_wait(struct bo *bo, unsigned int i, uint64_t address, uint64_t value) {
    brgpu_core_packet_wait(slot(bo, i), 0, BRGPU_WAIT_EQ, address, value, UINT64_MAX);
}

int submit(int fd, uint32_t queue, uint64_t va, uint32_t packets, uint32_t handle, uint64_t point) {
    struct drm_brgpu_command command = {.va = va, .packets = packets};
    struct drm_brgpu_sync sync = {.flags =
                                      DRM_BRGPU_SYNC_SIGNAL | (point ? DRM_BRGPU_SYNC_TIMELINE : 0),
                                  .handle = handle,
                                  .point = point};
    struct drm_brgpu_queue_submit args = {
        .queue_id = queue,
        .commands = {sizeof(command), packets ? 1 : 0, (uintptr_t)&command},
        .syncs = {sizeof(sync), handle ? 1 : 0, (uintptr_t)&sync}};

    return call(fd, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, &args);
}

int64_t deadline(double seconds) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec + (int64_t)(seconds * 1e9);
}

int run(int fd, uint32_t queue, uint64_t va, uint32_t packets, int seconds) {
    uint32_t handle;
    int ret;

    CHECK_EQ(drmSyncobjCreate(fd, 0, &handle), 0);
    ret = submit(fd, queue, va, packets, handle, 0);
    if (!ret)
        ret = drmSyncobjWait(fd, &handle, 1, deadline(seconds), 0, NULL);
    CHECK_EQ(drmSyncobjDestroy(fd, handle), 0);
    return ret;
}

struct drm_brgpu_query_device query_device(int fd) {
    struct drm_brgpu_query_device device = {0};
    struct drm_brgpu_query args = {
        .query = DRM_BRGPU_QUERY_DEVICE, .size = sizeof(device), .data = (uintptr_t)&device};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &args), 0);
    CHECK_EQ(args.size, sizeof(device));
    return device;
}

struct context context_create(uint32_t placements) {
    return context_on(open_card(), placements);
}

struct context context_on(int fd, uint32_t placements) {
    struct context c = {.fd = fd};

    c.vm = vm_create(c.fd);
    c.queue = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    c.commands = bo_create(c.fd, 65536, SYSTEM);
    bo_map(c.fd, &c.commands);
    bo_bind(c.fd, c.vm, &c.commands, COMMANDS_VA);
    c.data = bo_create(c.fd, 4 * MIB, placements);
    bo_map(c.fd, &c.data);
    bo_bind(c.fd, c.vm, &c.data, DATA_VA);
    return c;
}

int run_tests(const struct test *tests, size_t count, int argc, char **argv) {
    unsigned int ran = 0;
    bool failed = false;

    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < count; i++) {
        bool wanted = argc == 1 && !tests[i].special;

        for (int j = 1; j < argc; j++)
            wanted |= !strcmp(argv[j], tests[i].name);
        if (!wanted)
            continue;
        ran++;
        const pid_t child = fork();
        CHECK(child >= 0);
        if (!child) {
            tests[i].run();
            exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        const bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == 77;
        const bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        printf("%-10s %s\n", tests[i].name, passed ? "passed" : skipped ? "skipped" : "FAILED");
        failed |= !passed && !skipped;
    }
    if (!ran) {
        fprintf(stderr, "no test of that name\n");
        return 2;
    }
    return failed;
}
