/* SPDX-License-Identifier: MIT */
/*
 * Memory of processes in VMs (BIND_MAP_USERPTR), on the real module: what the card sees when the
 * process changes its memory in every way that it can. Run by
 * tests/guest/mem_sharing.sh and mem_iommu.sh.
 */
#define _GNU_SOURCE /* mremap, memfd_create */
#include "guest_ioctl.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RW      (DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE)
#define USER_VA (DATA_VA + 1024 * MIB)

static int bind_user(struct context *c, uint32_t flags, const void *pointer, uint64_t va,
                     uint64_t size) {
    return bind(c->fd, c->vm, DRM_BRGPU_BIND_MAP_USERPTR, flags, 0, (uintptr_t)pointer, va, size);
}

static struct context user_context(void) {
    struct context c = context_create(SYSTEM);

    if (!(query_device(c.fd).features & DRM_BRGPU_FEATURE_USERPTR)) {
        fprintf(stderr, "this kernel has no memory notifiers for drivers\n");
        exit(77);
    }
    return c;
}

static void *anonymous(uint64_t size) {
    void *pointer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(pointer != MAP_FAILED);
    return pointer;
}

static void fill(struct context *c, uint64_t va, uint64_t bytes, uint64_t pattern) {
    put_fill(&c->commands, 0, va, bytes, pattern);
    CHECK_EQ(run(c->fd, c->queue, COMMANDS_VA, 1, 60), 0);
    CHECK_EQ(queue_state(c->fd, c->queue).state, DRM_BRGPU_STATE_OK);
}

static uint64_t read_word(struct context *c, uint64_t va) {
    put_copy(&c->commands, 0, DATA_VA, va, 8);
    CHECK_EQ(run(c->fd, c->queue, COMMANDS_VA, 1, 60), 0);
    CHECK_EQ(queue_state(c->fd, c->queue).state, DRM_BRGPU_STATE_OK);
    return *(volatile uint64_t *)c->data.map;
}

/* The access stops its queue with a page fault at va; a new queue takes its place. */
static void faults(struct context *c, uint64_t va) {
    struct drm_brgpu_queue_destroy destroy = {.queue_id = c->queue};

    put_copy(&c->commands, 0, DATA_VA, va, 8);
    CHECK_EQ(run(c->fd, c->queue, COMMANDS_VA, 1, 60), 0);
    const struct drm_brgpu_queue_get_state state = queue_state(c->fd, c->queue);
    CHECK_EQ(state.state, DRM_BRGPU_STATE_STOPPED);
    CHECK_EQ(state.error, BRGPU_QUEUE_ERROR_MMU);
    CHECK_EQ(state.fault.address, va);
    CHECK_EQ(call(c->fd, DRM_IOCTL_BRGPU_QUEUE_DESTROY, &destroy), 0);
    c->queue = queue_create(c->fd, c->vm, DRM_BRGPU_QUEUE_COPY, 0);
}

static void test_basic(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(4 * MIB), *other = anonymous(4 * MIB);

    CHECK_EQ(bind_user(&c, RW, words, USER_VA, 4 * MIB), 0);
    fill(&c, USER_VA + 4096, 4 * MIB - 8192, 0x1122334455667788ull);
    CHECK_EQ(words[511], 0);
    CHECK_EQ(words[512], 0x1122334455667788ll);
    CHECK_EQ(words[4 * MIB / 8 - 513], 0x1122334455667788ll);
    CHECK_EQ(words[4 * MIB / 8 - 512], 0);
    words[7] = 77;
    CHECK_EQ(read_word(&c, USER_VA + 56), 77);

    /* The middle is replaced, a part is taken away: the rest stays what it was. */
    other[0] = 99;
    words[2 * MIB / 8 - 1] = 1;
    words[3 * MIB / 8] = 3;
    CHECK_EQ(bind_user(&c, DRM_BRGPU_BIND_READ, other, USER_VA + 2 * MIB, MIB), 0);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, USER_VA + 3 * MIB + 4096, 4096), 0);
    CHECK_EQ(read_word(&c, USER_VA + 2 * MIB - 8), 1);
    CHECK_EQ(read_word(&c, USER_VA + 2 * MIB), 99);
    CHECK_EQ(read_word(&c, USER_VA + 3 * MIB), 3);
    /* Pages change behind what was split, too. */
    CHECK_EQ(madvise(words, 4 * MIB, MADV_DONTNEED), 0);
    CHECK_EQ(read_word(&c, USER_VA + 3 * MIB), 0);
    words[3 * MIB / 8] = 4;
    words[4 * MIB / 8 - 1] = 5;
    CHECK_EQ(read_word(&c, USER_VA + 3 * MIB), 4);
    CHECK_EQ(read_word(&c, USER_VA + 4 * MIB - 8), 5);
    faults(&c, USER_VA + 3 * MIB + 4096);

    struct drm_brgpu_vm_get_state state = {.vm_id = c.vm};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_GET_STATE, &state), 0);
    CHECK_EQ(state.bytes_bound, 65536 + 4 * MIB + 4 * MIB - 4096);
    /* Two mappings of the same memory, one for reading. */
    CHECK_EQ(bind_user(&c, DRM_BRGPU_BIND_READ, words, USER_VA + 64 * MIB, 4 * MIB), 0);
    fill(&c, USER_VA, 4096, 8);
    CHECK_EQ(read_word(&c, USER_VA + 64 * MIB), 8);
}

static void test_negative(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(MIB);
    void *readable = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *hole = anonymous(MIB);

    CHECK_EQ(munmap((char *)hole + 65536, 4096), 0);
    CHECK_EQ(bind_user(&c, RW, hole, USER_VA, MIB), -EFAULT);
    CHECK_EQ(bind_user(&c, RW, hole, USER_VA, 65536), 0);
    CHECK_EQ(bind_user(&c, RW, readable, USER_VA, 8192), -EFAULT);
    CHECK_EQ(bind_user(&c, DRM_BRGPU_BIND_READ, readable, USER_VA, 8192), 0);
    /* A mapping of a device is no memory of the process. */
    CHECK_EQ(bind_user(&c, RW, c.data.map, USER_VA, 4096), -EFAULT);
    /* The kernel's half, and what reaches into it. */
    CHECK_EQ(bind_user(&c, DRM_BRGPU_BIND_READ, (void *)0xffff888000000000ul, USER_VA, 4096),
             -EFAULT);
    CHECK_EQ(bind_user(&c, DRM_BRGPU_BIND_READ, (void *)0x7ffffffff000ul, USER_VA, 8192), -EFAULT);
    CHECK_EQ(bind_user(&c, DRM_BRGPU_BIND_READ, (void *)0x10000000, USER_VA, 1ull << 42), -ENOMEM);
    CHECK_EQ(bind_user(&c, RW, (char *)words + 1, USER_VA, 4096), -EINVAL);
    CHECK_EQ(bind_user(&c, RW, NULL, USER_VA, 4096), -EINVAL);
    CHECK_EQ(bind_user(&c, 0, words, USER_VA, 4096), -EINVAL);
    CHECK_EQ(bind_user(&c, RW | DRM_BRGPU_BIND_NULL, words, USER_VA, 4096), -EINVAL);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_MAP_USERPTR, RW, c.data.handle, (uintptr_t)words,
                  USER_VA, 4096),
             -EINVAL);

    /* All or nothing. */
    struct drm_brgpu_bind_op two[2] = {{.op = DRM_BRGPU_BIND_MAP_USERPTR,
                                        .flags = RW,
                                        .bo_offset = (uintptr_t)words,
                                        .va = USER_VA + 16 * MIB,
                                        .size = 65536},
                                       {.op = DRM_BRGPU_BIND_MAP_USERPTR,
                                        .flags = RW,
                                        .bo_offset = (uintptr_t)readable,
                                        .va = USER_VA + 17 * MIB,
                                        .size = 4096}};
    struct drm_brgpu_vm_bind args = {.vm_id = c.vm, .ops = {sizeof(two[0]), 2, (uintptr_t)two}};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_BIND, &args), -EFAULT);
    faults(&c, USER_VA + 16 * MIB);
}

/* After a fork the process keeps what the card writes, the child what there was. */
static void test_fork(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(2 * MIB);
    int to_child[2], to_parent[2];
    char byte = 0;

    CHECK_EQ(bind_user(&c, RW, words, USER_VA, 2 * MIB), 0);
    fill(&c, USER_VA, 2 * MIB, 1);
    CHECK_EQ(pipe(to_child) | pipe(to_parent), 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        CHECK_EQ(read(to_child[0], &byte, 1), 1);
        for (size_t i = 0; i < 2 * MIB / 8; i++)
            CHECK_EQ(words[i], 1);
        for (size_t i = 0; i < 2 * MIB / 8; i++)
            words[i] = 3;
        CHECK_EQ(write(to_parent[1], &byte, 1), 1);
        CHECK_EQ(read(to_child[0], &byte, 1), 1);
        for (size_t i = 0; i < 2 * MIB / 8; i++)
            CHECK_EQ(words[i], 3);
        exit(0);
    }
    fill(&c, USER_VA, 2 * MIB, 2);
    CHECK_EQ(words[0], 2);
    CHECK_EQ(words[2 * MIB / 8 - 1], 2);
    CHECK_EQ(write(to_child[1], &byte, 1), 1);
    CHECK_EQ(read(to_parent[0], &byte, 1), 1);
    CHECK_EQ(read_word(&c, USER_VA + 4096), 2);
    words[512] = 4;
    CHECK_EQ(read_word(&c, USER_VA + 4096), 4);
    fill(&c, USER_VA, 2 * MIB, 5);
    CHECK_EQ(words[1], 5);
    CHECK_EQ(write(to_child[1], &byte, 1), 1);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_munmap(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(2 * MIB);

    CHECK_EQ(bind_user(&c, RW, words, USER_VA, 2 * MIB), 0);
    fill(&c, USER_VA, 2 * MIB, 1);
    CHECK_EQ(munmap((char *)words + MIB, MIB), 0);
    /* Other work of the VM does not care; the access does. */
    put_fill(&c.commands, 0, DATA_VA, 4096, 6);
    CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 1, 60), 0);
    CHECK_EQ(queue_state(c.fd, c.queue).state, DRM_BRGPU_STATE_OK);
    faults(&c, USER_VA + MIB);

    /* What is mapped there later is what the card sees. */
    CHECK(mmap((char *)words + MIB, MIB, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (char *)words + MIB);
    CHECK_EQ(read_word(&c, USER_VA + MIB), 0);
    CHECK_EQ(read_word(&c, USER_VA + MIB - 8), 1);
    fill(&c, USER_VA, 2 * MIB, 7);
    CHECK_EQ(words[0], 7);
    CHECK_EQ(words[2 * MIB / 8 - 1], 7);

    /* A mapping whose memory has gone can go, or be replaced. */
    CHECK_EQ(munmap(words, 2 * MIB), 0);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, USER_VA, MIB), 0);
    uint64_t *others = anonymous(MIB);
    others[0] = 12;
    CHECK_EQ(bind_user(&c, RW, others, USER_VA + MIB, MIB), 0);
    CHECK_EQ(read_word(&c, USER_VA + MIB), 12);
    faults(&c, USER_VA);
}

static void test_mremap(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(2 * MIB), *place = anonymous(2 * MIB);

    CHECK_EQ(bind_user(&c, RW, words, USER_VA, 2 * MIB), 0);
    fill(&c, USER_VA, 2 * MIB, 1);
    uint64_t *moved = mremap(words, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    CHECK(moved == place);
    CHECK_EQ(moved[5], 1);
    /* The mapping is of the address, not of the pages that stood there. */
    faults(&c, USER_VA);
    CHECK_EQ(moved[0], 1);
    CHECK(mmap(words, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) == words);
    fill(&c, USER_VA, 2 * MIB, 2);
    CHECK_EQ(words[9], 2);
    CHECK_EQ(moved[9], 1);
    /* And the other way: the pages come back to the address. */
    CHECK(mremap(moved, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, words) == words);
    CHECK_EQ(read_word(&c, USER_VA + 64), 1);
}

static void test_protect(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(65536);

    words[0] = 4;
    CHECK_EQ(bind_user(&c, RW, words, USER_VA, 65536), 0);
    CHECK_EQ(bind_user(&c, DRM_BRGPU_BIND_READ, words, USER_VA + MIB, 65536), 0);
    CHECK_EQ(read_word(&c, USER_VA), 4);
    CHECK_EQ(mprotect(words, 65536, PROT_READ), 0);
    CHECK_EQ(read_word(&c, USER_VA + MIB), 4);
    faults(&c, USER_VA);
    CHECK_EQ(mprotect(words, 65536, PROT_READ | PROT_WRITE), 0);
    fill(&c, USER_VA, 65536, 9);
    CHECK_EQ(words[8191], 9);
}

/* Shared memory of a file: what the card writes is in the file. */
static void test_file(void) {
    struct context c = user_context();
    const int file = memfd_create("userptr", 0);
    uint64_t word = 3;

    CHECK_EQ(ftruncate(file, MIB), 0);
    uint64_t *words = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(words != MAP_FAILED);
    CHECK_EQ(bind_user(&c, RW, words, USER_VA, MIB), 0);
    fill(&c, USER_VA, MIB, 0x55);
    CHECK_EQ(pread(file, &word, 8, MIB - 8), 8);
    CHECK_EQ(word, 0x55);
    word = 0x66;
    CHECK_EQ(pwrite(file, &word, 8, 4096), 8);
    CHECK_EQ(read_word(&c, USER_VA + 4096), 0x66);
    /* Cut off: no memory stands there any more. */
    CHECK_EQ(ftruncate(file, 4096), 0);
    faults(&c, USER_VA + 65536);
    CHECK_EQ(ftruncate(file, MIB), 0);
    CHECK_EQ(read_word(&c, USER_VA + 65536), 0);
    CHECK_EQ(read_word(&c, USER_VA), 0x55);
}

static volatile int unmapped;

static void *unmap_thread(void *pointer) {
    CHECK_EQ(munmap(pointer, MIB), 0);
    unmapped = 1;
    return NULL;
}

/* Memory is not given back while a job may use it. */
static void test_busy(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(MIB);
    volatile uint64_t *data = c.data.map;
    pthread_t thread;
    uint32_t sync;

    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &sync), 0);
    CHECK_EQ(bind_user(&c, RW, words, USER_VA, MIB), 0);
    put_wait(&c.commands, 0, DATA_VA, 1);
    put_fill(&c.commands, 1, USER_VA, MIB, 5);
    put_copy(&c.commands, 2, DATA_VA + 8, USER_VA + MIB - 8, 8);
    CHECK_EQ(submit(c.fd, c.queue, COMMANDS_VA, 3, sync, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, unmap_thread, words), 0);
    usleep(200000);
    CHECK_EQ(unmapped, 0);
    data[0] = 1;
    pthread_join(thread, NULL);
    CHECK_EQ(drmSyncobjWait(c.fd, &sync, 1, 0, 0, NULL), 0);
    CHECK_EQ(queue_state(c.fd, c.queue).state, DRM_BRGPU_STATE_OK);
    CHECK_EQ(data[1], 5);
    faults(&c, USER_VA);
}

/* A process binds its memory in a VM that it shares, and ends. */
static void test_exit(void) {
    struct context c = user_context();
    int status;

    const pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        uint64_t *words = anonymous(MIB);

        CHECK_EQ(bind_user(&c, RW, words, USER_VA, MIB), 0);
        fill(&c, USER_VA, MIB, 5);
        CHECK_EQ(words[MIB / 8 - 1], 5);
        exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    faults(&c, USER_VA);
    /* The address means nothing in this process. */
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, USER_VA, MIB), 0);
}

/* Binds in order behind fences: an unmap that waits keeps the memory until it is done. */
static void test_async(void) {
    struct context c = user_context();
    uint64_t *words = anonymous(MIB);
    volatile uint64_t *data = c.data.map;
    uint32_t timeline;
    pthread_t thread;

    CHECK_EQ(drmSyncobjCreate(c.fd, 0, &timeline), 0);
    CHECK_EQ(bind_user(&c, RW, words, USER_VA, MIB), 0);
    put_wait(&c.commands, 0, DATA_VA, 1);
    put_fill(&c.commands, 1, USER_VA, MIB, 5);
    CHECK_EQ(submit(c.fd, c.queue, COMMANDS_VA, 2, timeline, 1), 0);

    struct drm_brgpu_bind_op op = {.op = DRM_BRGPU_BIND_UNMAP, .va = USER_VA, .size = MIB};
    struct drm_brgpu_sync syncs[2] = {
        {.flags = DRM_BRGPU_SYNC_TIMELINE, .handle = timeline, .point = 1},
        {.flags = DRM_BRGPU_SYNC_TIMELINE | DRM_BRGPU_SYNC_SIGNAL, .handle = timeline, .point = 2}};
    struct drm_brgpu_vm_bind args = {.vm_id = c.vm,
                                     .flags = DRM_BRGPU_VM_BIND_ASYNC,
                                     .ops = {sizeof(op), 1, (uintptr_t)&op},
                                     .syncs = {sizeof(syncs[0]), 2, (uintptr_t)syncs}};
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_VM_BIND, &args), 0);
    unmapped = 0;
    CHECK_EQ(pthread_create(&thread, NULL, unmap_thread, words), 0);
    usleep(200000);
    CHECK_EQ(unmapped, 0);
    data[0] = 1;
    pthread_join(thread, NULL);
    uint64_t point = 2;
    CHECK_EQ(drmSyncobjTimelineWait(c.fd, &timeline, &point, 1, deadline(20), 0, NULL), 0);
    CHECK_EQ(queue_state(c.fd, c.queue).state, DRM_BRGPU_STATE_OK);
    faults(&c, USER_VA);
}

static volatile int stop;

/* Takes the memory's pages away in every way, again and again; its address stays good. */
static void *churn_thread(void *arg) {
    char *base = arg;
    unsigned int round = 0;

    while (!stop) {
        char *part = base + (round % 8) * 65536;

        switch (round++ % 4) {
        case 0:
            CHECK_EQ(madvise(part, 65536, MADV_DONTNEED), 0);
            break;
        case 1:
            CHECK(mmap(part, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                       -1, 0) == part);
            break;
        case 2:
            CHECK_EQ(mprotect(part, 65536, PROT_READ), 0);
            CHECK_EQ(mprotect(part, 65536, PROT_READ | PROT_WRITE), 0);
            break;
        default: {
            const pid_t child = fork();

            CHECK(child >= 0);
            if (!child)
                _exit(0);
            CHECK(waitpid(child, NULL, 0) == child);
        }
        }
        usleep(1000);
    }
    return NULL;
}

static void test_churn(void) {
    struct context c = user_context();
    char *base = anonymous(MIB);
    uint64_t *steady = (uint64_t *)(base + MIB / 2);
    pthread_t thread;

    CHECK_EQ(bind_user(&c, RW, base, USER_VA, MIB), 0);
    CHECK_EQ(pthread_create(&thread, NULL, churn_thread, base), 0);
    for (uint64_t i = 1; i <= 200; i++) {
        put_fill(&c.commands, 0, USER_VA + MIB / 2, MIB / 2, i);
        put_copy(&c.commands, 1, DATA_VA, USER_VA + MIB - 8, 8);
        CHECK_EQ(run(c.fd, c.queue, COMMANDS_VA, 2, 60), 0);
        /* A job that met the moment without right to write has faulted; that is what it must do. */
        if (queue_state(c.fd, c.queue).state != DRM_BRGPU_STATE_OK) {
            struct drm_brgpu_queue_destroy destroy = {.queue_id = c.queue};

            CHECK_EQ(queue_state(c.fd, c.queue).error, BRGPU_QUEUE_ERROR_MMU);
            CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_QUEUE_DESTROY, &destroy), 0);
            c.queue = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
            continue;
        }
        CHECK_EQ(*(volatile uint64_t *)c.data.map, i);
        CHECK_EQ(steady[0], i);
        CHECK_EQ(steady[MIB / 16 - 1], i);
    }
    stop = 1;
    pthread_join(thread, NULL);
}

static const struct test tests[] = {
    {"basic", test_basic, false},   {"negative", test_negative, false},
    {"fork", test_fork, false},     {"munmap", test_munmap, false},
    {"mremap", test_mremap, false}, {"protect", test_protect, false},
    {"file", test_file, false},     {"busy", test_busy, false},
    {"exit", test_exit, false},     {"async", test_async, false},
    {"churn", test_churn, false},
};

int main(int argc, char **argv) {
    return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
