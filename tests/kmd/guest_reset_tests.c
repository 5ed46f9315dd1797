/* SPDX-License-Identifier: MIT */
/*
 * What clients see of resets, removal and sleep, on a card in a guest. The scenarios
 * tests/guest/reset_*.sh, pci_*.sh and pm_*.sh break the card and say which outcome to expect:
 *
 *   brgpu-kmd-reset-tests ladder kill|engine|device|function|wedged
 *       One queue hangs and is guilty; beside it stand a queue with work and an idle one. Ends when
 *       all have been told what the rung means for them.
 *   brgpu-kmd-reset-tests bystander device|function FILE
 *       The same without a guilty one: makes FILE when ready, and waits for the reset.
 *   brgpu-kmd-reset-tests removal FILE
 *       Maps buffers, makes FILE, and waits until the card has gone; then every call fails with
 *       ENODEV and what was mapped can still be touched.
 *   brgpu-kmd-reset-tests sleep [busy]
 *       Fills VRAM, suspends the machine by /sys/power/state, and looks at everything afterwards.
 *   brgpu-kmd-reset-tests remap FILE SECONDS
 *       Takes the BARs of the device with that configuration space (sysfs) out of the memory map
 * and puts them back, over and over: meanwhile the others' must answer as ever.
 */
#include "guest_ioctl.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define VRAM        DRM_BRGPU_PLACEMENT_VRAM
#define SYSTEM      DRM_BRGPU_PLACEMENT_SYSTEM
#define COMMANDS_VA 0x100000000ull
#define DATA_VA     0x200000000ull
#define MIB         (1ull << 20)
#define PATIENCE    150 /* s: an emulated machine under load, and a ladder of four rungs */

struct client {
    int fd;
    uint32_t vm;
    struct bo commands, data;
    volatile uint64_t *words;
};

static struct client client_create(void) {
    struct client c = {.fd = open_card()};

    c.vm = vm_create(c.fd);
    c.commands = bo_create(c.fd, 65536, SYSTEM);
    bo_map(c.fd, &c.commands);
    bo_bind(c.fd, c.vm, &c.commands, COMMANDS_VA);
    c.data = bo_create(c.fd, 4 * MIB, VRAM);
    c.words = bo_map(c.fd, &c.data);
    bo_bind(c.fd, c.vm, &c.data, DATA_VA);
    for (size_t i = 0; i < c.data.size / 8; i += 512)
        c.words[i] = 0xcafe0000 + i;
    return c;
}

/* A queue that waits until word `index` of the buffer is 1. */
static uint32_t busy_queue(struct client *c, unsigned int index, uint32_t timeout_ms,
                           uint32_t *sync) {
    const uint32_t queue = queue_create(c->fd, c->vm, DRM_BRGPU_QUEUE_COPY, timeout_ms);

    c->words[index] = 0;
    CHECK_EQ(drmSyncobjCreate(c->fd, 0, sync), 0);
    put_wait(&c->commands, index, DATA_VA + 8 * index, 1);
    CHECK_EQ(submit(c->fd, queue, COMMANDS_VA + 64 * index, 1, *sync, 0), 0);
    return queue;
}

/* Whether the queue takes a job, and does it. */
static bool works(struct client *c, uint32_t queue) {
    static uint64_t value = 1;

    value++;
    put_signal(&c->commands, 20, DATA_VA + 8 * 20, value, false);
    return run(c->fd, queue, COMMANDS_VA + 64 * 20, 1, PATIENCE) == 0 &&
           queue_state(c->fd, queue).state == DRM_BRGPU_STATE_OK && c->words[20] == value;
}

static uint32_t vm_state(struct client *c) {
    struct drm_brgpu_vm_get_state state = {.vm_id = c->vm};

    CHECK_EQ(call(c->fd, DRM_IOCTL_BRGPU_VM_GET_STATE, &state), 0);
    return state.state;
}

static void check_content(struct client *c, bool kept) {
    for (size_t i = 512; i < c->data.size / 8; i += 512)
        CHECK_EQ(c->words[i], kept ? 0xcafe0000 + i : 0);
}

static void wait_for(struct client *c, uint32_t sync) {
    CHECK_EQ(drmSyncobjWait(c->fd, &sync, 1, deadline(PATIENCE), 0, NULL), 0);
}

/* What a busy bystander and an idle one are told after `rung`. */
static void check_bystanders(struct client *c, const char *rung, uint32_t busy, uint32_t busy_sync,
                             uint32_t idle) {
    const bool killed = !strcmp(rung, "kill"), lost = !strcmp(rung, "function");

    if (killed) {
        CHECK_EQ(queue_state(c->fd, busy).state, DRM_BRGPU_STATE_OK);
        c->words[1] = 1;
    }
    wait_for(c, busy_sync);
    CHECK_EQ(queue_state(c->fd, busy).state, killed ? DRM_BRGPU_STATE_OK : DRM_BRGPU_STATE_LOST);
    CHECK_EQ(queue_state(c->fd, busy).completed, 1);
    if (!killed)
        CHECK_EQ(submit(c->fd, busy, COMMANDS_VA + 64, 1, 0, 0), -EIO);

    if (!strcmp(rung, "wedged")) {
        struct drm_brgpu_queue_create create = {.vm_id = c->vm,
                                                .queue_class = DRM_BRGPU_QUEUE_COPY};

        CHECK_EQ(queue_state(c->fd, idle).state, DRM_BRGPU_STATE_LOST);
        CHECK_EQ(vm_state(c), DRM_BRGPU_STATE_LOST);
        CHECK_EQ(call(c->fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &create), -EIO);
        CHECK_EQ(submit(c->fd, idle, COMMANDS_VA, 1, 0, 0), -EIO);
        return;
    }
    CHECK_EQ(queue_state(c->fd, idle).state, DRM_BRGPU_STATE_OK);
    CHECK_EQ(vm_state(c), lost ? DRM_BRGPU_STATE_LOST : DRM_BRGPU_STATE_OK);
    check_content(c, !lost);
    if (lost) {
        struct client again;

        CHECK_EQ(submit(c->fd, idle, COMMANDS_VA, 1, 0, 0), -EIO);
        CHECK_EQ(bind(c->fd, c->vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, DATA_VA, 4096), -EIO);
        again = client_create();
        CHECK(works(&again, queue_create(again.fd, again.vm, DRM_BRGPU_QUEUE_COPY, 0)));
    } else {
        CHECK(works(c, idle));
        CHECK(works(c, queue_create(c->fd, c->vm, DRM_BRGPU_QUEUE_COPY, 0)));
    }
}

static void ladder(const char *rung) {
    struct client c = client_create();
    uint32_t guilty_sync, busy_sync;
    const uint32_t idle = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    uint32_t busy, guilty;

    CHECK(works(&c, idle));
    busy = busy_queue(&c, 1, 0, &busy_sync);
    guilty = busy_queue(&c, 2, 700, &guilty_sync);
    wait_for(&c, guilty_sync);
    CHECK_EQ(queue_state(c.fd, guilty).state, DRM_BRGPU_STATE_STOPPED);
    CHECK_EQ(queue_state(c.fd, guilty).error, DRM_BRGPU_QUEUE_ERROR_TIMEOUT);
    CHECK_EQ(queue_state(c.fd, guilty).completed, 1);
    check_bystanders(&c, rung, busy, busy_sync, idle);
}

static void make_file(const char *name) {
    const int fd = open(name, O_CREAT | O_WRONLY, 0644);

    CHECK(fd >= 0);
    close(fd);
}

static void bystander(const char *rung, const char *file) {
    struct client c = client_create();
    const uint32_t idle = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    uint32_t busy, sync;

    CHECK(works(&c, idle));
    busy = busy_queue(&c, 1, 0, &sync);
    make_file(file);
    check_bystanders(&c, rung, busy, sync, idle);
}

/* An argument of zeros is wrong for most calls, but the card's absence comes first. */
static void check_all_gone(int fd, struct client *c, uint32_t queue) {
    struct drm_brgpu_bo_create bo = {.size = 4096, .placements = VRAM};
    struct drm_brgpu_vm_create vm = {0};
    struct drm_brgpu_queue_create create = {.vm_id = c->vm, .queue_class = DRM_BRGPU_QUEUE_COPY};
    struct drm_brgpu_query query = {.query = DRM_BRGPU_QUERY_DEVICE};
    struct drm_version version = {0};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_BO_CREATE, &bo), -ENODEV);
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_VM_CREATE, &vm), -ENODEV);
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &create), -ENODEV);
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_QUERY, &query), -ENODEV);
    CHECK_EQ(submit(fd, queue, COMMANDS_VA, 1, 0, 0), -ENODEV);
    CHECK_EQ(bind(fd, c->vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, DATA_VA, 4096), -ENODEV);
    CHECK_EQ(call(fd, DRM_IOCTL_VERSION, &version), -ENODEV);
}

static void removal(const char *file) {
    struct client c = client_create();
    const uint32_t queue = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct drm_brgpu_query query = {.query = DRM_BRGPU_QUERY_DEVICE};
    struct bo late = bo_create(c.fd, MIB, VRAM), system_bo = bo_create(c.fd, MIB, SYSTEM);
    volatile uint64_t *untouched = bo_map(c.fd, &late), *system_words = bo_map(c.fd, &system_bo);
    uint32_t sync;

    CHECK(works(&c, queue));
    busy_queue(&c, 1, 0, &sync);
    system_words[0] = 7;
    make_file(file);
    for (int i = 0; i < PATIENCE * 10; i++) {
        if (call(c.fd, DRM_IOCTL_BRGPU_QUERY, &query) == -ENODEV)
            break;
        usleep(100000);
    }
    check_all_gone(c.fd, &c, queue);
    /* The kernel refuses calls first, and takes the mappings away once nobody is in the driver. */
    for (int i = 0; i < PATIENCE * 10 && c.words[512]; i++)
        usleep(100000);
    /* Mapped and used before, and mapped but never touched: both can be read and written. */
    CHECK_EQ(c.words[512], 0);
    c.words[512] = 5;
    CHECK_EQ(c.words[512], 5);
    CHECK_EQ(untouched[0], 0);
    untouched[1] = 1;
    system_words[1] = 1;
    CHECK_EQ(munmap((void *)c.words, c.data.size), 0);
    close(c.fd);
}

static void suspend_machine(void) {
    const int fd = open("/sys/power/state", O_WRONLY);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "mem", 3), 3);
    close(fd);
}

static void sleep_test(bool busy) {
    struct client c = client_create();
    const uint32_t queue = queue_create(c.fd, c.vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct bo only[3], both[3];
    uint32_t sync = 0, lost = 0;

    for (unsigned int i = 0; i < 3; i++) {
        only[i] = bo_create(c.fd, 4 * MIB, VRAM);
        both[i] = bo_create(c.fd, 4 * MIB, VRAM | SYSTEM);
        bo_bind(c.fd, c.vm, &only[i], DATA_VA + (64 + 8 * i) * MIB);
        bo_bind(c.fd, c.vm, &both[i], DATA_VA + (128 + 8 * i) * MIB);
        put_fill(&c.commands, 2 * i, only[i].va, only[i].size, 0x1000 + i);
        put_fill(&c.commands, 2 * i + 1, both[i].va, both[i].size, 0x2000 + i);
    }
    CHECK_EQ(run(c.fd, queue, COMMANDS_VA, 6, PATIENCE), 0);
    CHECK(works(&c, queue));
    if (busy)
        lost = busy_queue(&c, 1, 0, &sync);
    suspend_machine();

    if (busy) {
        wait_for(&c, sync);
        CHECK_EQ(queue_state(c.fd, lost).state, DRM_BRGPU_STATE_LOST);
    }
    CHECK_EQ(vm_state(&c), DRM_BRGPU_STATE_OK);
    CHECK_EQ(queue_state(c.fd, queue).state, DRM_BRGPU_STATE_OK);
    check_content(&c, true);
    CHECK(works(&c, queue));
    /* The card's view of it too. */
    for (unsigned int i = 0; i < 3; i++) {
        put_copy(&c.commands, 2 * i, DATA_VA + 256 + 16 * i, only[i].va + 4 * MIB - 8, 8);
        put_copy(&c.commands, 2 * i + 1, DATA_VA + 256 + 16 * i + 8, both[i].va + 4 * MIB - 8, 8);
    }
    CHECK_EQ(run(c.fd, queue, COMMANDS_VA, 6, PATIENCE), 0);
    for (unsigned int i = 0; i < 3; i++) {
        const volatile uint64_t *words = bo_map(c.fd, &only[i]);

        CHECK_EQ(c.words[32 + 2 * i], 0x1000 + i);
        CHECK_EQ(c.words[33 + 2 * i], 0x2000 + i);
        for (size_t j = 0; j < only[i].size / 8; j += 512)
            CHECK_EQ(words[j], 0x1000 + i);
    }
}

static uint64_t monotonic_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void remap(const char *config, unsigned int seconds) {
    const uint16_t decoding = 0x2;
    const int fd = open(config, O_RDWR);
    const uint64_t end = monotonic_ms() + seconds * 1000ull;
    uint16_t command, off;
    unsigned int rounds = 0;

    CHECK(fd >= 0);
    CHECK_EQ(pread(fd, &command, 2, 4), 2);
    command |= decoding;
    off = command & (uint16_t)~decoding;
    for (; monotonic_ms() < end; rounds++) {
        CHECK_EQ(pwrite(fd, &off, 2, 4), 2);
        CHECK_EQ(pwrite(fd, &command, 2, 4), 2);
    }
    CHECK(rounds > 0);
    fprintf(stderr, "remap: %u rounds\n", rounds);
    close(fd);
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "ladder"))
        ladder(argv[2]);
    else if (argc == 4 && !strcmp(argv[1], "bystander"))
        bystander(argv[2], argv[3]);
    else if (argc == 3 && !strcmp(argv[1], "removal"))
        removal(argv[2]);
    else if ((argc == 2 || argc == 3) && !strcmp(argv[1], "sleep"))
        sleep_test(argc == 3);
    else if (argc == 4 && !strcmp(argv[1], "remap"))
        remap(argv[2], (unsigned int)atoi(argv[3]));
    else {
        fprintf(stderr, "usage: see the head of %s\n", __FILE__);
        return 2;
    }
    printf("%s: as it should be\n", argv[1]);
    return 0;
}
