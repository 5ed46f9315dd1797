/* SPDX-License-Identifier: MIT */
/*
 * Tests of user-mode queues on brgpu.ko with a card, to be run in a guest: userq_tests [NAME]...
 * runs those, or all but the ones that need a special card. Each runs in a process of its own.
 */
#include "guest_ioctl.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <brgpu/hw/events.h>
#include <brgpu/hw/isa.h>

#define VRAM     DRM_BRGPU_PLACEMENT_VRAM
#define SYSTEM   DRM_BRGPU_PLACEMENT_SYSTEM
#define MIB      (1ull << 20)
#define DATA_VA  0x200000000ull
#define CODE_VA  0x300000000ull
#define QUEUE_VA 0x400000000ull

/*
 * Kernels, by hand: a loop without end, one with, one that says that it lives, one that waits for a
 * word. COUNTED adds to the word at its argument, FLAGGED to the one behind it.
 */
enum { ENDLESS = 0, COUNTED = 1, BEATING = 2, FLAGGED = 3, KERNELS = 4 };
#define CODE_STRIDE 256
static const uint32_t code[KERNELS][6] = {
    [ENDLESS] = {0x0000006f /* j . */},
    [COUNTED] = {0 /* lui t0, rounds */, 0xfff28293 /* addi t0, t0, -1 */,
                 0xfe029ee3 /* bnez t0, -4 */, 0x00100313 /* li t1, 1 */,
                 0x0065302f /* amoadd.d x0, t1, (a0) */, 0x00008067 /* ret */},
    [BEATING] = {0x0800000b /* progress */, 0xffdff06f /* j -4 */},
    [FLAGGED] = {0x00053283 /* ld t0, (a0) */, 0xfe028ee3 /* beqz t0, -4 */,
                 0x00100313 /* li t1, 1 */, 0x00850513 /* addi a0, a0, 8 */,
                 0x0065302f /* amoadd.d x0, t1, (a0) */, 0x00008067 /* ret */},
};

struct vm {
    int fd;
    uint32_t id;
    struct bo data; /* 1 MiB at DATA_VA */
    struct bo code;
};

/* Loop rounds of COUNTED are a multiple of 4096. */
static struct vm make_vm(int fd, uint32_t flags, uint32_t rounds_4096) {
    struct drm_brgpu_vm_create args = {.flags = DRM_BRGPU_VM_LONG_RUNNING | flags};
    struct vm vm = {.fd = fd};

    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_VM_CREATE, &args), 0);
    vm.id = args.vm_id;
    vm.data = bo_create(fd, MIB, SYSTEM);
    bo_map(fd, &vm.data);
    bo_bind(fd, vm.id, &vm.data, DATA_VA);
    vm.code = bo_create(fd, 4096, SYSTEM);
    bo_map(fd, &vm.code);
    CHECK_EQ(bind(fd, vm.id, DRM_BRGPU_BIND_MAP, DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_EXEC,
                  vm.code.handle, 0, CODE_VA, 4096),
             0);
    for (unsigned int i = 0; i < KERNELS; i++) {
        struct brgpu_kernel_desc desc = {.magic = BRGPU_KERNEL_DESC_MAGIC,
                                         .isa_major = BRGPU_ISA_MAJOR,
                                         .entry_offset = sizeof(desc)};
        char *at = (char *)vm.code.map + i * CODE_STRIDE;
        uint32_t first = code[i][0];

        if (i == COUNTED)
            first = rounds_4096 << 12 | 5 << 7 | 0x37;
        memcpy(at, &desc, sizeof(desc));
        memcpy(at + sizeof(desc), code[i], sizeof(code[i]));
        memcpy(at + sizeof(desc), &first, sizeof(first));
    }
    return vm;
}

/* A user-mode queue: one buffer with the indices in the first page, then the ring. */
struct userq {
    struct vm *vm;
    uint32_t id;
    uint32_t log2;
    struct bo memory;
    volatile uint64_t *write, *read, *done;
    uint64_t written;
    volatile uint64_t *doorbell;
    void *page;
};

static uint64_t next_queue_va = QUEUE_VA;

static struct drm_brgpu_queue_create userq_args(struct vm *vm, uint64_t va, uint32_t log2) {
    return (struct drm_brgpu_queue_create){.vm_id = vm->id,
                                           .flags = DRM_BRGPU_QUEUE_USER,
                                           .priority = DRM_BRGPU_PRIORITY_NORMAL,
                                           .ring_log2 = log2,
                                           .ring_va = va + 4096,
                                           .write_index_va = va,
                                           .read_index_va = va + 64};
}

static struct userq make_queue_of(struct vm *vm, struct drm_brgpu_queue_create *args,
                                  uint32_t log2) {
    struct userq queue = {.vm = vm, .log2 = log2};
    const uint64_t va = next_queue_va;

    next_queue_va += 16 * MIB;
    queue.memory = bo_create(vm->fd, 4096 + (BRGPU_PACKET_BYTES << log2), SYSTEM);
    bo_map(vm->fd, &queue.memory);
    bo_bind(vm->fd, vm->id, &queue.memory, va);
    const struct drm_brgpu_queue_create defaults = userq_args(vm, va, log2);
    args->vm_id = defaults.vm_id;
    args->flags |= defaults.flags;
    args->ring_log2 = log2;
    args->ring_va = defaults.ring_va;
    args->write_index_va = defaults.write_index_va;
    args->read_index_va = defaults.read_index_va;
    CHECK_EQ(call(vm->fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, args), 0);
    CHECK(args->queue_id != 0);
    CHECK(args->doorbell_offset != 0 && args->doorbell_slot < 512);
    queue.id = args->queue_id;
    queue.write = queue.memory.map;
    queue.read = queue.write + 8;
    queue.done = queue.write + 16;
    queue.page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vm->fd, (off_t)args->doorbell_offset);
    CHECK(queue.page != MAP_FAILED);
    queue.doorbell = (volatile uint64_t *)queue.page + args->doorbell_slot;
    return queue;
}

static struct userq make_queue(struct vm *vm, uint32_t queue_class, uint32_t watchdog_ms) {
    struct drm_brgpu_queue_create args = {.queue_class = queue_class,
                                          .priority = DRM_BRGPU_PRIORITY_NORMAL,
                                          .timeout_ms = watchdog_ms};

    return make_queue_of(vm, &args, 6);
}

static void destroy_queue(struct userq *queue) {
    struct drm_brgpu_queue_destroy args = {.queue_id = queue->id};

    CHECK_EQ(call(queue->vm->fd, DRM_IOCTL_BRGPU_QUEUE_DESTROY, &args), 0);
}

static uint64_t queue_va(struct userq *queue) {
    return queue->memory.va;
}

/* Where the next packet goes; the queue has room. */
static struct bo *slot_of(struct userq *queue, unsigned int *slot) {
    while (queue->written - *queue->read >= 1u << queue->log2)
        usleep(1000);
    *slot = 64 + (unsigned int)(queue->written++ & ((1u << queue->log2) - 1));
    return &queue->memory;
}

static void ring(struct userq *queue) {
    __atomic_store_n(queue->write, queue->written, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *queue->doorbell = 1;
}

static void push_fill(struct userq *queue, uint64_t dst, uint64_t bytes, uint64_t pattern) {
    unsigned int slot;
    struct bo *bo = slot_of(queue, &slot);

    put_fill(bo, slot, dst, bytes, pattern);
}

static void push_signal(struct userq *queue, uint64_t value) {
    unsigned int slot;
    struct bo *bo = slot_of(queue, &slot);

    put_signal(bo, slot, queue_va(queue) + 128, value, true);
}

static void push_wait(struct userq *queue, uint64_t address, uint64_t value) {
    unsigned int slot;
    struct bo *bo = slot_of(queue, &slot);

    put_wait(bo, slot, address, value);
}

static void push_dispatch(struct userq *queue, unsigned int kernel, uint32_t groups,
                          uint64_t kernarg) {
    struct brgpu_packet_dispatch packet = {.type = BRGPU_PACKET_DISPATCH,
                                           .flags = BRGPU_PACKET_BARRIER_BIT,
                                           .work_dim = 1,
                                           .workgroup = {32, 1, 1},
                                           .grid = {32 * groups, 1, 1},
                                           .kernel = CODE_VA + kernel * CODE_STRIDE,
                                           .kernarg = kernarg};
    unsigned int slot;
    struct bo *bo = slot_of(queue, &slot);

    memcpy((char *)bo->map + (size_t)slot * BRGPU_PACKET_BYTES, &packet, sizeof(packet));
}

/* WAIT_MEM for the queue's own word; 0 or -errno. */
static int wait_done(struct userq *queue, uint64_t value, double seconds) {
    struct drm_brgpu_wait_mem args = {.handle = queue->memory.handle,
                                      .compare = DRM_BRGPU_WAIT_GE | DRM_BRGPU_WAIT_QUEUE,
                                      .offset = 128,
                                      .value = value,
                                      .mask = UINT64_MAX,
                                      .deadline_ns = deadline(seconds),
                                      .queue_id = queue->id};

    const int ret = call(queue->vm->fd, DRM_IOCTL_BRGPU_WAIT_MEM, &args);

    if (ret == -EIO) {
        /* Wanted or not: whoever reads of a failure wants to know why the queue stopped. */
        struct drm_brgpu_queue_get_state state = {.queue_id = queue->id};

        if (call(queue->vm->fd, DRM_IOCTL_BRGPU_QUEUE_GET_STATE, &state) == 0)
            fprintf(stderr, "queue %u: state %u, error %u, fault at 0x%llx, pc 0x%llx, info 0x%x\n",
                    queue->id, state.state, state.error, (unsigned long long)state.fault.address,
                    (unsigned long long)state.fault.pc, state.fault.info);
    }
    return ret;
}

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- tests ---- */

static void test_basic(void) {
    struct vm vm = make_vm(open_card(), 0, 1);
    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    const volatile uint64_t *words = vm.data.map;

    /* Several times round the ring; no call but for the wait. */
    for (uint64_t i = 1; i <= 200; i++) {
        push_fill(&queue, DATA_VA + 4096, 64, i);
        push_signal(&queue, i);
        ring(&queue);
        CHECK_EQ(wait_done(&queue, i, 30), 0);
        CHECK_EQ(words[512 + 7], i);
    }
    push_dispatch(&queue, COUNTED, 100, DATA_VA);
    push_signal(&queue, 201);
    ring(&queue);
    CHECK_EQ(wait_done(&queue, 201, 30), 0);
    CHECK_EQ(words[0], 3200);
    while (*queue.read != queue.written)
        usleep(1000);

    struct drm_brgpu_queue_get_state state = queue_state(vm.fd, queue.id);
    CHECK_EQ(state.state, DRM_BRGPU_STATE_OK);
    CHECK_EQ(state.completed, queue.written);
    CHECK(state.busy_ns > 0);

    /* By polling. */
    push_signal(&queue, 202);
    ring(&queue);
    const double give_up = now() + 30;
    while (*queue.done != 202)
        CHECK(now() < give_up);

    /* A second queue of the file has its own word in the same page. */
    struct userq other = make_queue(&vm, DRM_BRGPU_QUEUE_COPY, 0);
    CHECK((char *)other.doorbell - (char *)other.page !=
          (char *)queue.doorbell - (char *)queue.page);
    push_wait(&other, DATA_VA + 8, 5);
    push_signal(&other, 1);
    ring(&other);
    CHECK_EQ(wait_done(&other, 1, 0.1), -ETIME);
    push_fill(&queue, DATA_VA + 8, 8, 5);
    ring(&queue);
    CHECK_EQ(wait_done(&other, 1, 30), 0);
    struct drm_brgpu_vm_destroy destroy = {.vm_id = vm.id};
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_VM_DESTROY, &destroy), -EBUSY);
    destroy_queue(&queue);
    destroy_queue(&other);
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_VM_DESTROY, &destroy), 0);
}

static int try_create(int fd, struct drm_brgpu_queue_create args) {
    return call(fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &args);
}

static void test_negative(void) {
    const int fd = open_card();
    struct vm vm = make_vm(fd, 0, 1);
    const uint32_t fence_vm = vm_create(fd);
    const struct drm_brgpu_queue_create good = userq_args(&vm, QUEUE_VA, 6);
    struct drm_brgpu_queue_create args;

#define WITH(field, wrong) (args = good, args.field = (wrong), try_create(fd, args))
    CHECK_EQ(WITH(vm_id, fence_vm), -EINVAL);
    CHECK_EQ(WITH(vm_id, 99), -ENOENT);
    CHECK_EQ(WITH(flags, 4 | DRM_BRGPU_QUEUE_USER), -EINVAL);
    CHECK_EQ(WITH(flags, DRM_BRGPU_QUEUE_HEARTBEAT), -EINVAL);
    CHECK_EQ(WITH(ring_log2, 3), -EINVAL);
    CHECK_EQ(WITH(ring_log2, 21), -EINVAL);
    CHECK_EQ(WITH(ring_va, QUEUE_VA + 32), -EINVAL);
    CHECK_EQ(WITH(ring_va, UINT64_MAX - 63), -EINVAL);
    CHECK_EQ(WITH(write_index_va, QUEUE_VA + 4), -EINVAL);
    CHECK_EQ(WITH(read_index_va, 0), -EINVAL);
    CHECK_EQ(WITH(queue_class, 2), -EINVAL);
    args = (struct drm_brgpu_queue_create){.vm_id = vm.id};
    CHECK_EQ(try_create(fd, args), -EINVAL); /* a fence queue in a long-running VM */

    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    CHECK_EQ(submit(fd, queue.id, QUEUE_VA + 4096, 1, 0, 0), -EINVAL);

    struct drm_brgpu_wait_mem wait = {.handle = queue.memory.handle,
                                      .mask = UINT64_MAX,
                                      .compare = DRM_BRGPU_WAIT_NE | DRM_BRGPU_WAIT_QUEUE};
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_WAIT_MEM, &wait), -EINVAL);
    wait.queue_id = 77;
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_WAIT_MEM, &wait), -ENOENT);
    wait.compare = DRM_BRGPU_WAIT_NE;
    CHECK_EQ(call(fd, DRM_IOCTL_BRGPU_WAIT_MEM, &wait), -EINVAL);

    struct drm_brgpu_sync sync = {.handle = 99};
    struct drm_brgpu_signal_mem signal = {.handle = vm.data.handle};
    struct drm_brgpu_signal_mem wrong;
#define SIGNAL(...) (wrong = signal, __VA_ARGS__, call(fd, DRM_IOCTL_BRGPU_SIGNAL_MEM, &wrong))
    CHECK_EQ(SIGNAL(wrong.flags = 1), -EINVAL);
    CHECK_EQ(SIGNAL(wrong.pad = 1), -EINVAL);
    CHECK_EQ(SIGNAL(wrong.offset = 4), -EINVAL);
    CHECK_EQ(SIGNAL(wrong.offset = MIB), -EINVAL);
    CHECK_EQ(SIGNAL(wrong.handle = 99), -ENOENT);
    CHECK_EQ(SIGNAL(wrong.queue_id = 99), -ENOENT);
    CHECK_EQ(SIGNAL(wrong.syncs = (struct drm_brgpu_array){sizeof(sync), 1, (uintptr_t)&sync}),
             -ENOENT);
    sync.flags = DRM_BRGPU_SYNC_SIGNAL;
    CHECK_EQ(SIGNAL(wrong.syncs = (struct drm_brgpu_array){sizeof(sync), 1, (uintptr_t)&sync}),
             -EINVAL);
    /* Nothing to wait for: at once. */
    CHECK_EQ(SIGNAL(wrong.value = 3), 0);
    const double give_up = now() + 30;
    while (*(volatile uint64_t *)vm.data.map != 3)
        CHECK(now() < give_up);
}

static void test_signal(void) {
    struct vm vm = make_vm(open_card(), 0, 1);
    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COPY, 0);
    const uint32_t fence_vm = vm_create(vm.fd);
    const uint32_t fence_queue = queue_create(vm.fd, fence_vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct bo commands = bo_create(vm.fd, 4096, SYSTEM);
    uint32_t timeline;

    bo_map(vm.fd, &commands);
    bo_bind(vm.fd, fence_vm, &commands, DATA_VA);
    CHECK_EQ(drmSyncobjCreate(vm.fd, 0, &timeline), 0);
    /* A fence job that waits for the CPU; its fence opens the user-mode queue's way. */
    put_wait(&commands, 0, DATA_VA + 2048, 1);
    CHECK_EQ(submit(vm.fd, fence_queue, DATA_VA, 1, timeline, 7), 0);
    push_wait(&queue, DATA_VA + 64, 9);
    push_signal(&queue, 1);
    ring(&queue);

    struct drm_brgpu_sync sync = {.flags = DRM_BRGPU_SYNC_TIMELINE, .handle = timeline, .point = 7};
    struct drm_brgpu_signal_mem args = {.handle = vm.data.handle,
                                        .offset = 64,
                                        .value = 9,
                                        .queue_id = queue.id,
                                        .syncs = {sizeof(sync), 1, (uintptr_t)&sync}};
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_SIGNAL_MEM, &args), 0);
    args.queue_id = fence_queue;
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_SIGNAL_MEM, &args), -EINVAL);
    /* A point that nobody has submitted: refused, and the timeline's fence stays what it is. */
    args.queue_id = queue.id;
    sync.point = 8;
    for (int i = 0; i < 100; i++)
        CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_SIGNAL_MEM, &args), -EINVAL);
    CHECK_EQ(wait_done(&queue, 1, 0.2), -ETIME);
    ((volatile uint64_t *)commands.map)[2048 / 8] = 1;
    CHECK_EQ(wait_done(&queue, 1, 30), 0);

    /* Some that never come; the file is closed with them. */
    ((volatile uint64_t *)commands.map)[2048 / 8] = 0;
    CHECK_EQ(submit(vm.fd, fence_queue, DATA_VA, 1, timeline, 8), 0);
    unsigned int count = 0;
    int ret;
    while (!(ret = call(vm.fd, DRM_IOCTL_BRGPU_SIGNAL_MEM, &args)))
        count++;
    CHECK_EQ(ret, -EBUSY);
    CHECK_EQ(count, DRM_BRGPU_MAX_SIGNALS);
    close(vm.fd);
}

/* Whatever a client does to ring, indices and doorbells, it does to its own queue. */
static void test_hostile(void) {
    struct vm vm = make_vm(open_card(), 0, 1);
    struct userq honest = make_queue(&vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct drm_brgpu_queue_get_state state;
    uint64_t rounds = 0;
    unsigned int seed = 1;

    for (unsigned int round = 0; round < 24; round++) {
        struct userq victim = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 2000);

        switch (round % 6) {
        case 0: /* a write index out of reach */
            victim.written = 1u << 30;
            break;
        case 1: /* one below the read index */
            victim.written = UINT64_MAX;
            break;
        case 2: /* anything for packets */
            for (size_t i = 0; i < 64 * 64; i++)
                ((unsigned char *)victim.memory.map)[4096 + i] =
                    (unsigned char)(rand_r(&seed) >> 8);
            victim.written = 64;
            break;
        case 3: /* the ring goes away under it */
            push_fill(&victim, DATA_VA, 8, 1);
            CHECK_EQ(bind(vm.fd, vm.id, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, queue_va(&victim),
                          victim.memory.size),
                     0);
            break;
        case 4: /* a CALL of what is not there */
            ((struct brgpu_packet_call *)((char *)victim.memory.map + 4096))[0] =
                (struct brgpu_packet_call){
                    .type = BRGPU_PACKET_CALL, .packets = 5, .address = 0x500000000ull};
            victim.written = 1;
            break;
        default: /* nothing is wrong, but it goes in mid-work */
            push_fill(&victim, DATA_VA + 65536, 65536, 7);
            break;
        }
        ring(&victim);
        /* Words that are nobody's, and everybody's of the file. */
        for (unsigned int i = 0; i < 512; i++)
            ((volatile uint64_t *)victim.page)[i] = UINT64_MAX;
        for (unsigned int i = 0; i < 3; i++) {
            push_signal(&honest, ++rounds);
            ring(&honest);
            CHECK_EQ(wait_done(&honest, rounds, 30), 0);
        }
        if (round % 6 < 5) {
            CHECK_EQ(wait_done(&victim, 1000, 60), -EIO);
            state = queue_state(vm.fd, victim.id);
            CHECK_EQ(state.state, DRM_BRGPU_STATE_STOPPED);
            CHECK(state.error != 0);
        }
        destroy_queue(&victim);
        munmap(victim.page, 4096);
    }
    CHECK_EQ(queue_state(vm.fd, honest.id).state, DRM_BRGPU_STATE_OK);
}

static void test_doorbell(void) {
    struct vm vm = make_vm(open_card(), 0, 1);
    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COPY, 0), again;
    struct drm_brgpu_queue_create args = {.priority = DRM_BRGPU_PRIORITY_NORMAL};
    const int stranger = open_card();

    again = make_queue_of(&vm, &args, 4);
    const off_t offset = (off_t)args.doorbell_offset;
    /* Alone, shared, of this file. */
    CHECK(mmap(NULL, 8192, PROT_WRITE, MAP_SHARED, vm.fd, offset) == MAP_FAILED);
    CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE, vm.fd, offset) == MAP_FAILED);
    CHECK(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_SHARED, vm.fd, offset) == MAP_FAILED);
    CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, vm.fd, 0) == MAP_FAILED);
    CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, vm.fd, offset + 4096) == MAP_FAILED);
    CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, stranger, offset) == MAP_FAILED);

    /* A child has no doorbell. */
    const pid_t child = fork();
    CHECK(child >= 0);
    if (!child) {
        *queue.doorbell = 1;
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);

    /* Without a queue the page is memory of no meaning; with one again it rings. */
    destroy_queue(&queue);
    destroy_queue(&again);
    for (unsigned int i = 0; i < 512; i++)
        ((volatile uint64_t *)queue.page)[i] = 1;
    void *late = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vm.fd, offset);
    CHECK(late != MAP_FAILED);
    ((volatile uint64_t *)late)[0] = 1;
    queue = make_queue(&vm, DRM_BRGPU_QUEUE_COPY, 0);
    push_signal(&queue, 1);
    __atomic_store_n(queue.write, queue.written, __ATOMIC_RELEASE);
    ((volatile uint64_t *)late)[((char *)queue.doorbell - (char *)queue.page) / 8] = 1;
    CHECK_EQ(wait_done(&queue, 1, 30), 0);
}

static void test_watchdog(void) {
    struct vm vm = make_vm(open_card(), 0, 64);
    struct userq endless = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 1500);
    struct userq patient = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    struct userq honest = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 3000);
    struct userq waiting = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 500);
    struct drm_brgpu_queue_create beats = {.flags = DRM_BRGPU_QUEUE_HEARTBEAT,
                                           .priority = DRM_BRGPU_PRIORITY_NORMAL,
                                           .timeout_ms = 1500};
    struct userq beating = make_queue_of(&vm, &beats, 4);
    struct userq deaf = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 1500);
    const double start = now();

    push_dispatch(&endless, ENDLESS, 1, 0);
    ring(&endless);
    push_dispatch(&patient, ENDLESS, 1, 0);
    ring(&patient);
    /* Long in all, but its workgroups end. */
    push_dispatch(&honest, COUNTED, 1u << 20, DATA_VA);
    ring(&honest);
    push_wait(&waiting, DATA_VA + 512, 1);
    push_signal(&waiting, 1);
    ring(&waiting);
    push_dispatch(&beating, BEATING, 1, 0);
    ring(&beating);
    push_dispatch(&deaf, BEATING, 1, 0);
    ring(&deaf);

    CHECK_EQ(wait_done(&endless, 1, 120), -EIO);
    CHECK(now() - start >= 1.5);
    struct drm_brgpu_queue_get_state state = queue_state(vm.fd, endless.id);
    CHECK_EQ(state.state, DRM_BRGPU_STATE_STOPPED);
    CHECK_EQ(state.error, DRM_BRGPU_QUEUE_ERROR_TIMEOUT);
    /* A heartbeat that the queue did not opt into is none. */
    CHECK_EQ(wait_done(&deaf, 1, 120), -EIO);
    usleep(2000000);
    CHECK_EQ(queue_state(vm.fd, patient.id).state, DRM_BRGPU_STATE_OK);
    CHECK_EQ(queue_state(vm.fd, honest.id).state, DRM_BRGPU_STATE_OK);
    CHECK_EQ(queue_state(vm.fd, waiting.id).state, DRM_BRGPU_STATE_OK);
    CHECK_EQ(queue_state(vm.fd, beating.id).state, DRM_BRGPU_STATE_OK);
    ((volatile uint64_t *)vm.data.map)[64] = 1;
    CHECK_EQ(wait_done(&waiting, 1, 60), 0);
    CHECK(((volatile uint64_t *)vm.data.map)[0] > 0);
}

/* A VM is set aside while its memory moves, in the middle of its work, and goes on. */
static void test_evict(void) {
    struct vm vm = make_vm(open_card(), 0, 1);
    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    struct userq copy = make_queue(&vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct bo both = bo_create(vm.fd, 24 * MIB, VRAM | SYSTEM);
    const uint64_t both_va = DATA_VA + 1024 * MIB;
    const uint32_t groups = 16;
    volatile uint64_t *words;

    bo_bind(vm.fd, vm.id, &both, both_va);
    push_dispatch(&queue, FLAGGED, groups, both_va);
    push_signal(&queue, 1);
    ring(&queue);
    /* Others want its VRAM, again and again. */
    for (unsigned int i = 0; i < 6; i++) {
        struct drm_brgpu_bo_create args = {
            .size = 40 * MIB, .placements = VRAM, .flags = DRM_BRGPU_BO_CPU_VISIBLE};

        push_fill(&copy, both_va + 8 * MIB, 8 * MIB, i + 1);
        push_signal(&copy, i + 1);
        ring(&copy);
        const int ret = call(vm.fd, DRM_IOCTL_BRGPU_BO_CREATE, &args);
        CHECK(ret == 0 || ret == -ENOSPC);
        CHECK_EQ(wait_done(&copy, i + 1, 120), 0);
        if (!ret) {
            struct bo big = {.handle = args.handle, .size = args.size};

            bo_free(vm.fd, &big);
        }
    }
    words = bo_map(vm.fd, &both);
    CHECK_EQ(words[1], 0);
    words[0] = 1;
    CHECK_EQ(wait_done(&queue, 1, 240), 0);
    CHECK_EQ(words[1], 32 * groups);
    CHECK_EQ(words[MIB], 6);
    CHECK_EQ(words[2 * MIB - 1], 6);
    CHECK_EQ(queue_state(vm.fd, queue.id).state, DRM_BRGPU_STATE_OK);
}

/* An access waits for the bind that is still to come; one to nothing ends its queue. */
static void test_fault(void) {
    struct vm vm = make_vm(open_card(), DRM_BRGPU_VM_FAULT_RETRY, 1);
    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 1000);
    struct bo late = bo_create(vm.fd, 65536, VRAM);
    const uint32_t fence_vm = vm_create(vm.fd);
    const uint32_t fence_queue = queue_create(vm.fd, fence_vm, DRM_BRGPU_QUEUE_COPY, 0);
    struct bo gate = bo_create(vm.fd, 4096, SYSTEM);
    const uint64_t late_va = DATA_VA + 1024 * MIB;
    uint32_t timeline;

    bo_map(vm.fd, &gate);
    bo_bind(vm.fd, fence_vm, &gate, DATA_VA);
    CHECK_EQ(drmSyncobjCreate(vm.fd, 0, &timeline), 0);
    put_wait(&gate, 0, DATA_VA + 2048, 1);
    CHECK_EQ(submit(vm.fd, fence_queue, DATA_VA, 1, timeline, 1), 0);

    struct drm_brgpu_bind_op op = {.op = DRM_BRGPU_BIND_MAP,
                                   .flags = DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE,
                                   .bo_handle = late.handle,
                                   .va = late_va,
                                   .size = late.size};
    struct drm_brgpu_sync sync = {.flags = DRM_BRGPU_SYNC_TIMELINE, .handle = timeline, .point = 1};
    struct drm_brgpu_vm_bind args = {.vm_id = vm.id,
                                     .flags = DRM_BRGPU_VM_BIND_ASYNC,
                                     .ops = {sizeof(op), 1, (uintptr_t)&op},
                                     .syncs = {sizeof(sync), 1, (uintptr_t)&sync}};
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_VM_BIND, &args), 0);
    push_dispatch(&queue, COUNTED, 40, late_va);
    push_fill(&queue, late_va + 4096, 4096, 3);
    push_signal(&queue, 1);
    ring(&queue);
    CHECK_EQ(wait_done(&queue, 1, 2), -ETIME); /* longer than its watchdog: it does not run */
    ((volatile uint64_t *)gate.map)[2048 / 8] = 1;
    CHECK_EQ(wait_done(&queue, 1, 60), 0);
    CHECK_EQ(((volatile uint64_t *)bo_map(vm.fd, &late))[0], 40 * 32);
    CHECK_EQ(((volatile uint64_t *)late.map)[1023], 3);

    push_fill(&queue, late_va + MIB, 4096, 3);
    push_signal(&queue, 2);
    ring(&queue);
    CHECK_EQ(wait_done(&queue, 2, 60), -EIO);
    struct drm_brgpu_queue_get_state state = queue_state(vm.fd, queue.id);
    CHECK_EQ(state.error, BRGPU_QUEUE_ERROR_MMU);
    CHECK_EQ(state.fault.address, late_va + MIB);
    CHECK_EQ(state.fault.queue_id, queue.id);
    struct drm_brgpu_fault fault;
    struct drm_brgpu_vm_get_state faults = {.vm_id = vm.id,
                                            .faults = {sizeof(fault), 1, (uintptr_t)&fault}};
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_VM_GET_STATE, &faults), 0);
    CHECK_EQ(faults.fault_count, 1);
    CHECK_EQ(fault.address, late_va + MIB);
}

/* So many that they must take turns, on a card with few slots; with endless kernels among them. */
#define CROWD 10
static void test_crowd(void) {
    struct vm vm = make_vm(open_card(), 0, 64);
    struct userq queues[CROWD], endless = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    uint64_t least = UINT64_MAX, most = 0, before[CROWD];

    push_dispatch(&endless, ENDLESS, 1, 0);
    ring(&endless);
    for (unsigned int i = 0; i < CROWD; i++) {
        queues[i] = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
        push_dispatch(&queues[i], COUNTED, 1u << 20, DATA_VA + 16 * i);
        ring(&queues[i]);
    }
    for (unsigned int i = 0; i < CROWD; i++)
        before[i] = queue_state(vm.fd, queues[i].id).busy_ns;
    const double end = now() + 12;
    while (now() < end)
        usleep(100000);
    for (unsigned int i = 0; i < CROWD; i++) {
        const struct drm_brgpu_queue_get_state state = queue_state(vm.fd, queues[i].id);
        const uint64_t busy = state.busy_ns - before[i];

        CHECK_EQ(state.state, DRM_BRGPU_STATE_OK);
        least = busy < least ? busy : least;
        most = busy > most ? busy : most;
        printf("queue %u: busy %.3f s, %llu lanes\n", i, (double)busy * 1e-9,
               (unsigned long long)((volatile uint64_t *)vm.data.map)[2 * i]);
    }
    printf("shares: least to most busy %.2f\n", (double)least / (double)most);
    /* How even the shares are, a busy host decides too. */
    CHECK(least > 0);
    /* One that had nothing to do hears that it is wanted. */
    struct userq idle = make_queue(&vm, DRM_BRGPU_QUEUE_COPY, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        usleep(300000);
        push_signal(&idle, i);
        ring(&idle);
        CHECK_EQ(wait_done(&idle, i, 60), 0);
    }
    /* Each work ends where it was begun, once. */
    for (unsigned int i = 0; i < CROWD; i++)
        destroy_queue(&queues[i]);
    struct userq last = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    push_dispatch(&last, COUNTED, 50, DATA_VA + 1024);
    push_signal(&last, 1);
    ring(&last);
    CHECK_EQ(wait_done(&last, 1, 120), 0);
    CHECK_EQ(((volatile uint64_t *)vm.data.map)[128], 50 * 32);
}

/* Two of one priority share; one of a lower priority waits for them. */
static void test_shares(void) {
    struct vm vm = make_vm(open_card(), 0, 16);
    const uint32_t priorities[3] = {DRM_BRGPU_PRIORITY_NORMAL, DRM_BRGPU_PRIORITY_NORMAL,
                                    DRM_BRGPU_PRIORITY_LOW};
    struct userq queues[3];
    uint64_t busy[3];

    for (unsigned int i = 0; i < 3; i++) {
        struct drm_brgpu_queue_create args = {.priority = priorities[i]};

        queues[i] = make_queue_of(&vm, &args, 4);
        /* More workgroups at a time than engines, so that each alone would fill the card. */
        push_dispatch(&queues[i], COUNTED, 1u << 22, DATA_VA + 16 * i);
    }
    for (unsigned int i = 0; i < 3; i++)
        ring(&queues[i]);
    const double end = now() + 6;
    while (now() < end)
        usleep(100000);
    for (unsigned int i = 0; i < 3; i++) {
        const struct drm_brgpu_queue_get_state state = queue_state(vm.fd, queues[i].id);

        busy[i] = state.busy_ns;
        printf("queue %u, priority %u: busy %.3f s, state %u, error %u\n", i, priorities[i],
               (double)busy[i] * 1e-9, state.state, state.error);
    }
    const double share = (double)busy[0] / (double)(busy[0] + busy[1]);
    printf("shares: %.3f of two equal ones, %.4f of the lower one\n", share,
           (double)busy[2] / (double)(busy[0] + busy[1] + busy[2]));
    /* Room for a busy host. */
    CHECK(share > 0.2 && share < 0.8);
    CHECK(busy[2] * 20 < busy[0] + busy[1]);
    destroy_queue(&queues[0]);
    destroy_queue(&queues[1]);
    const uint64_t before = queue_state(vm.fd, queues[2].id).busy_ns;
    const double give_up = now() + 60;
    while (queue_state(vm.fd, queues[2].id).busy_ns == before) {
        CHECK(now() < give_up);
        usleep(10000);
    }
}

/* With faults injected from outside: every one of them is mended. */
static void test_retry(void) {
    struct vm vm = make_vm(open_card(), DRM_BRGPU_VM_FAULT_RETRY, 1);
    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    struct drm_brgpu_vm_get_state state = {.vm_id = vm.id};

    for (uint64_t i = 1; i <= 60; i++) {
        push_fill(&queue, DATA_VA + 8192, 65536, i);
        push_dispatch(&queue, COUNTED, 4, DATA_VA);
        push_signal(&queue, i);
        ring(&queue);
        CHECK_EQ(wait_done(&queue, i, 120), 0);
        CHECK_EQ(((volatile uint64_t *)vm.data.map)[0], i * 4 * 32);
        CHECK_EQ(((volatile uint64_t *)vm.data.map)[8192 / 8 + 8191], i);
    }
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_VM_GET_STATE, &state), 0);
    CHECK_EQ(state.fault_count, 0);
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");

    CHECK(file);
    CHECK(fputs(text, file) >= 0);
    CHECK_EQ(fclose(file), 0);
}

/* The driver is unbound while an endless kernel runs and somebody waits for it. */
static void test_unbind(void) {
    const char *drivers = "/sys/bus/pci/drivers/brgpu";
    struct vm vm = make_vm(open_card(), 0, 1);
    struct userq queue = make_queue(&vm, DRM_BRGPU_QUEUE_COMPUTE, 0);
    const struct drm_brgpu_query_device device = {0};
    struct drm_brgpu_query query = {
        .query = DRM_BRGPU_QUERY_DEVICE, .size = sizeof(device), .data = (uintptr_t)&device};
    char path[128];

    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_QUERY, &query), 0);
    push_dispatch(&queue, ENDLESS, 8, 0);
    ring(&queue);
    const pid_t waiter = fork();
    CHECK(waiter >= 0);
    if (!waiter) {
        const int ret = wait_done(&queue, 1, 120);

        _exit(ret == -EIO || ret == -ENODEV ? 0 : 1);
    }
    usleep(500000);
    snprintf(path, sizeof(path), "%s/unbind", drivers);
    write_file(path, device.pci_address);

    int status;
    CHECK(waitpid(waiter, &status, 0) == waiter);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* What was mapped, and what is mapped now, can still be written. */
    for (unsigned int i = 0; i < 512; i++)
        ((volatile uint64_t *)queue.page)[i] = 1;
    struct drm_brgpu_queue_create args = userq_args(&vm, QUEUE_VA, 6);
    CHECK_EQ(call(vm.fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &args), -ENODEV);
    CHECK(wait_done(&queue, 1, 1) < 0);

    snprintf(path, sizeof(path), "%s/bind", drivers);
    write_file(path, device.pci_address);
    struct vm again = make_vm(open_card(), 0, 1);
    struct userq fresh = make_queue(&again, DRM_BRGPU_QUEUE_COMPUTE, 0);
    push_signal(&fresh, 1);
    ring(&fresh);
    CHECK_EQ(wait_done(&fresh, 1, 60), 0);
    /* The old one's end, with the new one at work. */
    ((volatile uint64_t *)queue.page)[0] = 1;
    close(vm.fd);
    push_signal(&fresh, 2);
    ring(&fresh);
    CHECK_EQ(wait_done(&fresh, 2, 60), 0);
}

static const struct test tests[] = {
    {"basic", test_basic, false},       {"negative", test_negative, false},
    {"signal", test_signal, false},     {"hostile", test_hostile, false},
    {"doorbell", test_doorbell, false}, {"fault", test_fault, false},
    {"watchdog", test_watchdog, false}, {"shares", test_shares, false},
    {"evict", test_evict, true},        {"retry", test_retry, true},
    {"unbind", test_unbind, true},      {"crowd", test_crowd, true},
};

int main(int argc, char **argv) {
    return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
