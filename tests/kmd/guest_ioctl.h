/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the real module share: a thin layer over the ioctls that keeps no state, and
 * checks that say what was expected, where, and what came.
 */
#ifndef BRGPU_TESTS_GUEST_IOCTL_H
#define BRGPU_TESTS_GUEST_IOCTL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xf86drm.h>

#include <brgpu/hw/queue.h>
#include <drm/brgpu_drm.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s (errno %d: %s)\n", __FILE__, __LINE__, #condition,  \
                    errno, strerror(errno));                                                       \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_EQ(got, want)                                                                        \
    do {                                                                                           \
        const long long got_ = (long long)(got), want_ = (long long)(want);                        \
        if (got_ != want_) {                                                                       \
            fprintf(stderr, "%s:%d: %s is %lld (0x%llx), not %lld\n", __FILE__, __LINE__, #got,    \
                    got_, (unsigned long long)got_, want_);                                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* The ioctl's result: 0 or -errno. */
int call(int fd, unsigned long request, void *arg);

/* The number-th render node of a driver, or its first primary node; negative: there is none. */
int open_node(const char *driver, unsigned int number);
int open_primary(const char *driver);
/* A render node of ours; exits with 77 when there is none. */
int open_card(void);

struct bo {
    uint32_t handle;
    uint64_t size;
    uint64_t va; /* where bo_bind() put it */
    void *map;   /* after bo_map() */
};

struct bo bo_create(int fd, uint64_t size, uint32_t placements);
void *bo_map(int fd, struct bo *bo);
void bo_free(int fd, struct bo *bo);

uint32_t vm_create(int fd);
/* One synchronous operation; 0 or -errno. */
int bind(int fd, uint32_t vm, uint32_t op, uint32_t flags, uint32_t handle, uint64_t offset,
         uint64_t va, uint64_t size);
/* Maps all of it at va, readable, writable; checked. */
void bo_bind(int fd, uint32_t vm, struct bo *bo, uint64_t va);

uint32_t queue_create(int fd, uint32_t vm, uint32_t queue_class, uint32_t timeout_ms);
struct drm_brgpu_queue_get_state queue_state(int fd, uint32_t queue);

/* Packets into a mapped buffer, at slot `i`. */
void put_fill(struct bo *bo, unsigned int i, uint64_t dst, uint64_t bytes, uint64_t pattern);
void put_copy(struct bo *bo, unsigned int i, uint64_t dst, uint64_t src, uint32_t bytes);
void put_write(struct bo *bo, unsigned int i, uint64_t dst, const void *data, uint16_t bytes);
void put_signal(struct bo *bo, unsigned int i, uint64_t address, uint64_t value, bool notify);
void put_wait(struct bo *bo, unsigned int i, uint64_t address, uint64_t value);

/* Runs `packets` packets at va; signals `handle` (`point` 0: binary) if handle is not 0. */
int submit(int fd, uint32_t queue, uint64_t va, uint32_t packets, uint32_t handle, uint64_t point);
/* Submits and waits; 0 when the fence signalled within `seconds`. */
int run(int fd, uint32_t queue, uint64_t va, uint32_t packets, int seconds);

int64_t deadline(double seconds);

#define VRAM        DRM_BRGPU_PLACEMENT_VRAM
#define SYSTEM      DRM_BRGPU_PLACEMENT_SYSTEM
#define COMMANDS_VA 0x100000000ull
#define DATA_VA     0x200000000ull
#define MIB         (1ull << 20)

struct drm_brgpu_query_device query_device(int fd);

/* A copy queue in a VM of an open card, with packets at COMMANDS_VA and 4 MiB at DATA_VA, mapped.
 */
struct context {
    int fd;
    uint32_t vm, queue;
    struct bo commands, data;
};
struct context context_create(uint32_t placements);
/* On an open node. */
struct context context_on(int fd, uint32_t placements);

/* A test exits at its first failure, so each runs in a process of its own. */
struct test {
    const char *name;
    void (*run)(void);
    bool special; /* only when named */
};
/* Those that are named, or all that are not special. The exit status. */
int run_tests(const struct test *tests, size_t count, int argc, char **argv);

#endif /* BRGPU_TESTS_GUEST_IOCTL_H */
