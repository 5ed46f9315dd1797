/* SPDX-License-Identifier: MIT */
/*
 * What the way to the card costs in a guest, beside what everybody knows: a ping-pong of two
 *threads over eventfds, a direct read of 4 KiB from QEMU's NVMe device, memcpy. All in one run, so
 *that the ratios mean something on any host.
 *
 *	guest_latency [--module FILE] [--nvme DEVICE]
 *
 * --module: loads the module first and measures how long it takes until the first kernel is done.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include "../kmd/guest_ioctl.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <brgpu/hw/isa.h>

#define VRAM   DRM_BRGPU_PLACEMENT_VRAM
#define SYSTEM DRM_BRGPU_PLACEMENT_SYSTEM
#define MIB    (1ull << 20)
#define VA     0x200000000ull
#define ROUNDS 2000

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* The median of ROUNDS calls, seconds. */
static double median(void (*round)(void *), void *context) {
    static double times[ROUNDS];

    for (unsigned int i = 0; i < ROUNDS / 10; i++)
        round(context);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        const double start = now();

        round(context);
        times[i] = now() - start;
    }
    qsort(times, ROUNDS, sizeof(times[0]), compare);
    return times[ROUNDS / 2];
}

static void show(const char *what, double value, const char *unit, double beside, double limit,
                 bool most) {
    if (beside > 0)
        printf("%-44s %10.2f %-3s %7.2fx (%s %.1fx)%s\n", what, value, unit, beside,
               most ? "at most" : "at least", limit,
               (most ? beside <= limit : beside >= limit) ? "" : "  MISSED");
    else
        printf("%-44s %10.2f %-3s\n", what, value, unit);
}

/* ---- what everybody knows ---- */

static int ping, pong;

static void *ping_pong_thread(void *context) {
    uint64_t value;

    (void)context;
    while (read(ping, &value, sizeof(value)) == sizeof(value) && value == 1)
        CHECK(write(pong, &value, sizeof(value)) == sizeof(value));
    return NULL;
}

static void ping_pong(void *context) {
    uint64_t value = 1;

    (void)context;
    CHECK(write(ping, &value, sizeof(value)) == sizeof(value));
    CHECK(read(pong, &value, sizeof(value)) == sizeof(value));
}

static double bench_ping_pong(void) {
    const uint64_t end = 2;
    pthread_t thread;

    ping = eventfd(0, EFD_CLOEXEC);
    pong = eventfd(0, EFD_CLOEXEC);
    CHECK_EQ(pthread_create(&thread, NULL, ping_pong_thread, NULL), 0);
    const double seconds = median(ping_pong, NULL);
    CHECK(write(ping, &end, sizeof(end)) == sizeof(end));
    pthread_join(thread, NULL);
    return seconds;
}

struct disk {
    int fd;
    void *buffer;
    unsigned int block;
};

static void read_block(void *context) {
    struct disk *disk = context;

    CHECK(pread(disk->fd, disk->buffer, 4096, (off_t)(disk->block++ % 4096) * 4096) == 4096);
}

/* ---- the card ---- */

struct bench {
    int fd;
    uint32_t vm, queue;
    struct bo memory; /* indices, the word, ring */
    volatile uint64_t *write, *done, *doorbell;
    uint64_t count;
    bool polls;
    uint32_t fence_vm, fence_queue, syncobj;
    struct bo commands;
};

#define RING_LOG2 8

static void make_user_queue(struct bench *b) {
    struct drm_brgpu_vm_create vm = {.flags = DRM_BRGPU_VM_LONG_RUNNING};

    CHECK_EQ(call(b->fd, DRM_IOCTL_BRGPU_VM_CREATE, &vm), 0);
    b->vm = vm.vm_id;
    b->memory = bo_create(b->fd, 4096 + (BRGPU_PACKET_BYTES << RING_LOG2), SYSTEM);
    bo_map(b->fd, &b->memory);
    CHECK_EQ(bind(b->fd, b->vm, DRM_BRGPU_BIND_MAP,
                  DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE | DRM_BRGPU_BIND_EXEC,
                  b->memory.handle, 0, VA, b->memory.size),
             0);
    struct drm_brgpu_queue_create args = {.vm_id = b->vm,
                                          .flags = DRM_BRGPU_QUEUE_USER,
                                          .priority = DRM_BRGPU_PRIORITY_NORMAL,
                                          .ring_log2 = RING_LOG2,
                                          .ring_va = VA + 4096,
                                          .write_index_va = VA,
                                          .read_index_va = VA + 64};
    CHECK_EQ(call(b->fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &args), 0);
    b->queue = args.queue_id;
    b->write = b->memory.map;
    b->done = b->write + 16;
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, (off_t)args.doorbell_offset);
    CHECK(page != MAP_FAILED);
    b->doorbell = (volatile uint64_t *)page + args.doorbell_slot;
}

static unsigned int next_slot(struct bench *b) {
    return 64 + (unsigned int)(b->count++ & ((1u << RING_LOG2) - 1));
}

static void ring(struct bench *b) {
    __atomic_store_n(b->write, b->count, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *b->doorbell = 1;
}

static void wait_for(struct bench *b, uint64_t value) {
    struct drm_brgpu_wait_mem args = {.handle = b->memory.handle,
                                      .compare = DRM_BRGPU_WAIT_GE | DRM_BRGPU_WAIT_QUEUE,
                                      .offset = 128,
                                      .value = value,
                                      .mask = UINT64_MAX,
                                      .deadline_ns = deadline(60),
                                      .queue_id = b->queue};

    CHECK_EQ(call(b->fd, DRM_IOCTL_BRGPU_WAIT_MEM, &args), 0);
}

static void user_round(void *context) {
    struct bench *b = context;
    const uint64_t value = b->count + 1;
    const double give_up = now() + 60;

    put_signal(&b->memory, next_slot(b), VA + 128, value, !b->polls);
    ring(b);
    if (!b->polls) {
        wait_for(b, value);
        return;
    }
    for (unsigned int i = 1; *b->done != value; i++)
        CHECK(i % 1024 || now() < give_up);
}

static void ioctl_round(void *context) {
    struct bench *b = context;

    CHECK_EQ(submit(b->fd, b->fence_queue, VA, 1, b->syncobj, 0), 0);
    CHECK_EQ(drmSyncobjWait(b->fd, &b->syncobj, 1, deadline(60), 0, NULL), 0);
}

/* One kernel that returns at once. */
static void first_kernel(struct bench *b) {
    const struct brgpu_kernel_desc desc = {.magic = BRGPU_KERNEL_DESC_MAGIC,
                                           .isa_major = BRGPU_ISA_MAJOR,
                                           .entry_offset = sizeof(desc)};
    const uint32_t ret = 0x00008067;
    const struct brgpu_packet_dispatch packet = {.type = BRGPU_PACKET_DISPATCH,
                                                 .work_dim = 1,
                                                 .workgroup = {32, 1, 1},
                                                 .grid = {32, 1, 1},
                                                 .kernel = VA + 2048};

    memcpy((char *)b->memory.map + 2048, &desc, sizeof(desc));
    memcpy((char *)b->memory.map + 2048 + sizeof(desc), &ret, sizeof(ret));
    memcpy((char *)b->memory.map + (size_t)next_slot(b) * BRGPU_PACKET_BYTES, &packet,
           sizeof(packet));
    put_signal(&b->memory, next_slot(b), VA + 128, b->count + 1, true);
    ring(b);
    wait_for(b, b->count);
}

/* Seconds a range of one VM_BIND call of `count` maps, and its unmap. */
static double bench_bind(struct bench *b, uint32_t count) {
    struct drm_brgpu_bind_op *ops = calloc(count, sizeof(*ops));
    struct bo bo = bo_create(b->fd, 65536, SYSTEM);
    const uint64_t va = 0x10000000000ull;

    CHECK(ops);
    for (uint32_t i = 0; i < count; i++)
        ops[i] = (struct drm_brgpu_bind_op){.op = DRM_BRGPU_BIND_MAP,
                                            .flags = DRM_BRGPU_BIND_READ,
                                            .bo_handle = bo.handle,
                                            .bo_offset = 4096 * (i % 16),
                                            .va = va + 8192 * (uint64_t)i,
                                            .size = 4096};
    struct drm_brgpu_vm_bind args = {.vm_id = b->fence_vm,
                                     .ops = {sizeof(*ops), count, (uintptr_t)ops}};
    const double start = now();
    CHECK_EQ(call(b->fd, DRM_IOCTL_BRGPU_VM_BIND, &args), 0);
    const double seconds = now() - start;
    CHECK_EQ(bind(b->fd, b->fence_vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, va, 8192 * (uint64_t)count),
             0);
    free(ops);
    bo_free(b->fd, &bo);
    return seconds / count;
}

/* From the start of finit_module() to the end of the first kernel. */
static double load_module(const char *path, struct bench *b) {
    const int module = open(path, O_RDONLY | O_CLOEXEC);

    CHECK(module >= 0);
    const double start = now();
    CHECK_EQ(syscall(SYS_finit_module, module, "", 0), 0);
    close(module);
    b->fd = open_card();
    make_user_queue(b);
    first_kernel(b);
    return now() - start;
}

/* Between the card's line in the kernel's log and that of its firmware, seconds; 0: not found. */
static double firmware_seconds(void) {
    const int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    unsigned long long time, card = 0, firmware = 0;
    char line[2048];
    ssize_t bytes;

    if (log < 0)
        return 0;
    while ((bytes = read(log, line, sizeof(line) - 1)) > 0) {
        line[bytes] = 0;
        if (!strstr(line, "brgpu") || sscanf(line, "%*u,%*u,%llu", &time) != 1)
            continue;
        if (strstr(line, ", serial "))
            card = time;
        else if (card && strstr(line, "firmware brgpu/"))
            firmware = time;
    }
    close(log);
    return firmware > card ? (double)(firmware - card) * 1e-6 : 0;
}

static double copy_rate(void *dst, const void *src, size_t bytes) {
    double best = 0;

    for (unsigned int i = 0; i < 5; i++) {
        const double start = now();

        memcpy(dst, src, bytes);
        const double rate = (double)bytes / (now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

int main(int argc, char **argv) {
    const char *module = NULL, *nvme = "/dev/nvme0n1";
    struct bench b = {.fd = -1};

    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--module"))
            module = argv[i + 1];
        else if (!strcmp(argv[i], "--nvme"))
            nvme = argv[i + 1];
    }
    if (module) {
        const double seconds = load_module(module, &b), firmware = firmware_seconds();

        show("module load to first kernel done", seconds, "s", seconds, 1.5, true);
        if (firmware > 0)
            show("  of which firmware", firmware, "s", firmware / seconds, 0.3334, true);
    } else {
        b.fd = open_card();
        make_user_queue(&b);
    }
    b.fence_vm = vm_create(b.fd);
    b.fence_queue = queue_create(b.fd, b.fence_vm, DRM_BRGPU_QUEUE_COPY, 0);
    b.commands = bo_create(b.fd, 4096, SYSTEM);
    bo_map(b.fd, &b.commands); /* zeros: NOPs */
    bo_bind(b.fd, b.fence_vm, &b.commands, VA);
    CHECK_EQ(drmSyncobjCreate(b.fd, 0, &b.syncobj), 0);

    const double pair = bench_ping_pong();
    show("eventfd ping-pong of two threads", pair * 1e6, "us", 0, 0, true);
    struct disk disk = {.fd = open(nvme, O_RDONLY | O_DIRECT | O_CLOEXEC)};
    double direct = 0;
    if (disk.fd >= 0) {
        CHECK_EQ(posix_memalign(&disk.buffer, 4096, 4096), 0);
        direct = median(read_block, &disk);
        show("NVMe, direct read of 4 KiB at depth 1", direct * 1e6, "us", 0, 0, true);
    }
    b.polls = true;
    const double polling = median(user_round, &b);
    show("user-mode queue, polling", polling * 1e6, "us", polling / pair, 0.2, true);
    b.polls = false;
    const double interrupt = median(user_round, &b);
    show("user-mode queue, by interrupt", interrupt * 1e6, "us", direct ? interrupt / direct : 0,
         1.2, true);
    const double fences = median(ioctl_round, &b);
    show("QUEUE_SUBMIT and a syncobj", fences * 1e6, "us", direct ? fences / direct : 0, 2, true);

    bench_bind(&b, 1000);
    const double few = bench_bind(&b, 1000), many = bench_bind(&b, 100000);
    show("VM_BIND, a range of 1,000", few * 1e6, "us", 0, 0, true);
    show("VM_BIND, a range of 100,000", many * 1e6, "us", many / few, 2, true);

    const size_t bytes = 32 * MIB;
    struct bo movable = bo_create(b.fd, bytes, VRAM | SYSTEM);
    void *plain = malloc(bytes), *other = malloc(bytes);
    CHECK(plain && other);
    memset(plain, 1, bytes);
    memset(other, 2, bytes);
    const double host = copy_rate(other, plain, bytes);
    show("memcpy", host / 1e6, "MB/s", 0, 0, false);
    bo_map(b.fd, &movable);
    memset(movable.map, 3, bytes);
    const double to_card = copy_rate(movable.map, plain, bytes);
    show("CPU copy to a buffer in VRAM", to_card / 1e6, "MB/s", to_card / host, 0.7, false);
    return 0;
}
