/* SPDX-License-Identifier: MIT */
/*
 * A 32-bit client of the module: the uAPI needs no translation, so it does what 64-bit ones do. It
 * uses no C library, which a 64-bit machine need not have in 32 bits. Exits with 0, with 77 where
 * there is no card, and else with the line of the check that failed.
 */
#include <drm/brgpu_drm.h>

#include <brgpu/hw/queue.h>

#define O_RDWR          2
#define PROT_READ_WRITE 3
#define MAP_SHARED      1
#define SYS_EXIT        1
#define SYS_WRITE       4
#define SYS_OPEN        5
#define SYS_IOCTL       54
#define SYS_MMAP2       192
#define ERROR_FAULT     (-14)
#define ERROR_INVALID   (-22)

static int syscall6(int number, long a, long b, long c, long d, long e, long f) {
    /* The sixth argument goes in ebp, the last register, through which the compiler may find
     * others. */
    const long both[2] = {number, f};
    int result;

    __asm__ volatile("push %%ebp\n\t"
                     "mov 4(%%eax), %%ebp\n\t"
                     "mov (%%eax), %%eax\n\t"
                     "int $0x80\n\t"
                     "pop %%ebp"
                     : "=a"(result)
                     : "a"(both), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory");
    return result;
}

static int call(int fd, unsigned long request, void *arg) {
    return syscall6(SYS_IOCTL, fd, (long)request, (long)arg, 0, 0, 0);
}

static void leave(int code) {
    syscall6(SYS_EXIT, code, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

static void say(const char *text) {
    int length = 0;

    while (text[length])
        length++;
    syscall6(SYS_WRITE, 1, (long)text, length, 0, 0, 0);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            say("not so: " #condition "\n");                                                       \
            leave(__LINE__ % 250 + 1);                                                             \
        }                                                                                          \
    } while (0)

/* What clang calls where it copies or clears structs. */
void *memset(void *to, int value, __SIZE_TYPE__ bytes);
void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes);

void *memset(void *to, int value, __SIZE_TYPE__ bytes) {
    volatile char *at = to;

    while (bytes--)
        *at++ = (char)value;
    return to;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ bytes) {
    volatile char *at = to;
    const char *source = from;

    while (bytes--)
        *at++ = *source++;
    return to;
}

static int open_card(void) {
    char path[] = "/dev/dri/renderD128";
    char name[8];

    for (int minor = 128; minor < 138; minor++) {
        path[17] = (char)('0' + minor / 10 % 10);
        path[18] = (char)('0' + minor % 10);
        const int fd = syscall6(SYS_OPEN, (long)path, O_RDWR, 0, 0, 0, 0);
        if (fd < 0)
            continue;
        struct drm_version version = {.name = name, .name_len = sizeof(name)};
        if (call(fd, DRM_IOCTL_VERSION, &version) == 0 && name[0] == 'b' && name[1] == 'r' &&
            name[2] == 'g')
            return fd;
    }
    say("no render node of brgpu\n");
    leave(77);
    return -1;
}

static __u64 address_of(const void *pointer) {
    return (__u32)(unsigned long)pointer;
}

static __u32 *map(int fd, __u32 handle) {
    struct drm_brgpu_bo_mmap_offset args = {.handle = handle};

    CHECK(call(fd, DRM_IOCTL_BRGPU_BO_MMAP_OFFSET, &args) == 0);
    /* mmap2() takes pages: 32 bits reach. */
    const int at = syscall6(SYS_MMAP2, 0, 4096, PROT_READ_WRITE, MAP_SHARED, fd,
                            (long)(__u32)(args.offset >> 12));
    CHECK((__u32)at < 0xfffff000u);
    return (__u32 *)at;
}

void _start(void);

__attribute__((force_align_arg_pointer)) void _start(void) {
    const __u64 packets_va = 0x10000000, data_va = 0x800000000000 - 0x1000;
    const int fd = open_card();

    struct drm_brgpu_query_device device;
    struct drm_brgpu_query query = {
        .query = DRM_BRGPU_QUERY_DEVICE, .size = sizeof(device), .data = address_of(&device)};
    CHECK(call(fd, DRM_IOCTL_BRGPU_QUERY, &query) == 0);
    CHECK(query.size >= sizeof(device) && device.name[0] == 'B');
    /* An address that 32 bits do not have. */
    query.data |= 1ull << 40;
    CHECK(call(fd, DRM_IOCTL_BRGPU_QUERY, &query) == ERROR_FAULT);

    struct drm_brgpu_bo_create bos[2] = {
        {.size = 4096, .placements = DRM_BRGPU_PLACEMENT_SYSTEM},
        {.size = 4096, .placements = DRM_BRGPU_PLACEMENT_VRAM, .flags = DRM_BRGPU_BO_CPU_VISIBLE}};
    CHECK(call(fd, DRM_IOCTL_BRGPU_BO_CREATE, &bos[0]) == 0);
    CHECK(call(fd, DRM_IOCTL_BRGPU_BO_CREATE, &bos[1]) == 0);
    struct drm_brgpu_vm_create vm = {0};
    CHECK(call(fd, DRM_IOCTL_BRGPU_VM_CREATE, &vm) == 0);

    struct drm_brgpu_bind_op ops[2] = {{.flags = DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE,
                                        .bo_handle = bos[0].handle,
                                        .va = packets_va,
                                        .size = 4096},
                                       {.flags = DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE,
                                        .bo_handle = bos[1].handle,
                                        .va = data_va,
                                        .size = 4096}};
    struct drm_brgpu_vm_bind bind = {.vm_id = vm.vm_id,
                                     .ops = {sizeof(ops[0]), 2, address_of(ops)}};
    CHECK(call(fd, DRM_IOCTL_BRGPU_VM_BIND, &bind) == 0);
    ops[0].pad = 1;
    CHECK(call(fd, DRM_IOCTL_BRGPU_VM_BIND, &bind) == ERROR_INVALID);
    bind.ops.array |= 1ull << 32;
    CHECK(call(fd, DRM_IOCTL_BRGPU_VM_BIND, &bind) == ERROR_FAULT);

    struct drm_brgpu_queue_create queue = {.vm_id = vm.vm_id,
                                           .queue_class = DRM_BRGPU_QUEUE_COPY,
                                           .priority = DRM_BRGPU_PRIORITY_NORMAL};
    CHECK(call(fd, DRM_IOCTL_BRGPU_QUEUE_CREATE, &queue) == 0);

    /* A packet that stores a word beyond 4 GiB. */
    volatile __u32 *data = map(fd, bos[1].handle);
    struct brgpu_packet_write *packet = (void *)map(fd, bos[0].handle);
    CHECK(data[4] == 0);
    packet->type = BRGPU_PACKET_WRITE;
    packet->flags = BRGPU_PACKET_BARRIER_BIT;
    packet->bytes = 8;
    packet->dst = data_va + 16;
    memcpy(packet->data, "brgpu32", 8);

    struct drm_syncobj_create syncobj = {0};
    CHECK(call(fd, DRM_IOCTL_SYNCOBJ_CREATE, &syncobj) == 0);
    struct drm_brgpu_command command = {.va = packets_va, .packets = 1};
    struct drm_brgpu_sync sync = {.flags = DRM_BRGPU_SYNC_SIGNAL, .handle = syncobj.handle};
    struct drm_brgpu_queue_submit submit = {.queue_id = queue.queue_id,
                                            .commands = {sizeof(command), 1, address_of(&command)},
                                            .syncs = {sizeof(sync), 1, address_of(&sync)}};
    CHECK(call(fd, DRM_IOCTL_BRGPU_QUEUE_SUBMIT, &submit) == 0);
    struct drm_syncobj_wait wait = {.handles = address_of(&syncobj.handle),
                                    .timeout_nsec = 0x7fffffffffffffff,
                                    .count_handles = 1};
    CHECK(call(fd, DRM_IOCTL_SYNCOBJ_WAIT, &wait) == 0);
    CHECK(data[4] == 0x70677262 && data[5] == 0x00323375);

    say("a 32-bit client works\n");
    leave(0);
}
