/* SPDX-License-Identifier: MIT */
/*
 * Buffers that are shared with another card, with another driver, and with memory of the machine,
 * on the real module. Run by tests/guest/mem_sharing.sh and mem_iommu.sh, which give two cards and
 * load vgem.
 */
#define _GNU_SOURCE /* memfd_create */
#include "guest_ioctl.h"

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BOTH (VRAM | SYSTEM)
#define VA   (DATA_VA + 1024 * MIB)

/* Everything that one side needs. */
static struct context second_card(void) {
    const int fd = open_node("brgpu", 1);

    if (fd < 0) {
        fprintf(stderr, "wants two cards\n");
        exit(77);
    }
    return context_on(fd, SYSTEM);
}

static void run_packets(struct context *c, uint32_t packets) {
    CHECK_EQ(run(c->fd, c->queue, COMMANDS_VA, packets, 120), 0);
    CHECK_EQ(queue_state(c->fd, c->queue).state, DRM_BRGPU_STATE_OK);
}

static void fill(struct context *c, uint64_t va, uint64_t bytes, uint64_t pattern) {
    put_fill(&c->commands, 0, va, bytes, pattern);
    run_packets(c, 1);
}

static uint64_t read_word(struct context *c, uint64_t va) {
    put_copy(&c->commands, 0, DATA_VA, va, 8);
    run_packets(c, 1);
    return *(volatile uint64_t *)c->data.map;
}

static int export_fd(int fd, const struct bo *bo) {
    int dmabuf = -1;

    CHECK_EQ(drmPrimeHandleToFD(fd, bo->handle, O_RDWR | O_CLOEXEC, &dmabuf), 0);
    return dmabuf;
}

static struct bo import_fd(int fd, int dmabuf, uint64_t size) {
    struct bo bo = {.size = size};

    CHECK_EQ(drmPrimeFDToHandle(fd, dmabuf, &bo.handle), 0);
    return bo;
}

static bool peers(void) {
    char text[128] = "";
    const int file = open("/sys/bus/pci/drivers/brgpu/0000:01:00.0/peer_dma", O_RDONLY);

    CHECK(file >= 0);
    CHECK(read(file, text, sizeof(text) - 1) > 0);
    close(file);
    CHECK(!strncmp(text, "yes\n", 4) || !strncmp(text, "no: ", 4));
    return text[0] == 'y';
}

/* One buffer, two cards: each sees what the other one writes, whoever goes first. */
static void test_cards(void) {
    struct context one = context_create(SYSTEM), two = second_card();
    struct bo bo = bo_create(one.fd, 4 * MIB, BOTH), same;

    bo_bind(one.fd, one.vm, &bo, VA);
    fill(&one, VA, 4 * MIB, 1);
    int dmabuf = export_fd(one.fd, &bo);
    struct bo imported = import_fd(two.fd, dmabuf, bo.size);
    /* Twice the same buffer is one handle. */
    same = import_fd(two.fd, dmabuf, bo.size);
    CHECK_EQ(same.handle, imported.handle);
    bo_bind(two.fd, two.vm, &imported, VA);
    CHECK_EQ(read_word(&two, VA + 4 * MIB - 8), 1);
    for (uint64_t i = 2; i < 6; i++) {
        fill(&two, VA, 4 * MIB, i);
        CHECK_EQ(read_word(&one, VA + 8 * i), i);
        fill(&one, VA + 4096, 4096, 100 + i);
        CHECK_EQ(read_word(&two, VA + 4096), 100 + i);
    }
    /* The CPU, by either. */
    const uint64_t *words = bo_map(one.fd, &bo), *others = bo_map(two.fd, &imported);
    CHECK_EQ(words[0], 5);
    CHECK_EQ(others[0], 5);
    CHECK_EQ(others[4 * MIB / 8 - 1], 5);
    struct drm_brgpu_wait_mem wait = {.handle = imported.handle, .value = 5, .mask = UINT64_MAX};
    CHECK_EQ(call(two.fd, DRM_IOCTL_BRGPU_WAIT_MEM, &wait), -EOPNOTSUPP);

    /* What was imported can be passed on, and comes home as what it was. */
    const int again = export_fd(two.fd, &imported);
    same = import_fd(one.fd, again, bo.size);
    CHECK_EQ(same.handle, bo.handle);
    close(again);
    close(dmabuf);
    /* Another dma-buf of the same buffer, after its last handle went. */
    dmabuf = export_fd(one.fd, &bo);
    bo_free(one.fd, &bo);
    same = import_fd(one.fd, dmabuf, bo.size);
    close(dmabuf);
    fill(&two, VA, 4096, 77);
    CHECK_EQ(read_word(&one, VA), 77);

    /* The exporter's file goes; the memory stays with who holds it. */
    close(one.fd);
    fill(&two, VA, 4 * MIB, 9);
    CHECK_EQ(read_word(&two, VA + MIB), 9);
    CHECK_EQ(others[3], 9);
}

/* VRAM alone is for whom pci_p2pdma lets reach it; for others the import is refused. */
static void test_vram_only(void) {
    struct context one = context_create(SYSTEM), two = second_card();
    struct bo bo = bo_create(one.fd, MIB, VRAM), imported = {.size = MIB};
    const int dmabuf = export_fd(one.fd, &bo);
    const int ret = drmPrimeFDToHandle(two.fd, dmabuf, &imported.handle);

    if (!peers()) {
        CHECK(ret < 0 && errno == EOPNOTSUPP);
        return;
    }
    if (ret < 0) {
        CHECK_EQ(errno, EOPNOTSUPP);
        fprintf(stderr, "pci_p2pdma knows no way between the cards\n");
        exit(77);
    }
    bo_bind(one.fd, one.vm, &bo, VA);
    bo_bind(two.fd, two.vm, &imported, VA);
    fill(&two, VA, MIB, 4);
    CHECK_EQ(read_word(&one, VA + MIB - 8), 4);
    fill(&one, VA, MIB, 5);
    CHECK_EQ(read_word(&two, VA + 4096), 5);
}

/*
 * A card's memory in the hands of another one has to move: the other one is told, and follows. For
 * cards of 64 MiB that reach each other.
 */
static void test_move(void) {
    struct context one = context_create(SYSTEM), two = second_card();
    struct bo bo = bo_create(one.fd, 16 * MIB, BOTH), pinned[8],
              probe = bo_create(one.fd, MIB, VRAM);
    uint32_t ignored;
    unsigned int count = 0;
    int dmabuf = export_fd(one.fd, &probe);

    if (drmPrimeFDToHandle(two.fd, dmabuf, &ignored) < 0) {
        fprintf(stderr, "the cards don't reach each other\n");
        exit(77);
    }
    close(dmabuf);
    bo_bind(one.fd, one.vm, &bo, VA);
    fill(&one, VA, 16 * MIB, 1);
    dmabuf = export_fd(one.fd, &bo);
    struct bo imported = import_fd(two.fd, dmabuf, bo.size);
    bo_bind(two.fd, two.vm, &imported, VA);
    fill(&two, VA, 16 * MIB, 2);
    for (uint64_t round = 0; round < 3; round++) {
        struct drm_brgpu_bo_create create = {.size = 8 * MIB, .placements = VRAM};

        while (count < 8 && !call(one.fd, DRM_IOCTL_BRGPU_BO_CREATE, &create))
            pinned[count++].handle = create.handle;
        CHECK(count >= 6);
        CHECK_EQ(read_word(&two, VA + 16 * MIB - 8), 2 + round);
        CHECK_EQ(read_word(&one, VA), 2 + round);
        while (count) {
            struct drm_gem_close gone = {.handle = pinned[--count].handle};

            CHECK_EQ(call(one.fd, DRM_IOCTL_GEM_CLOSE, &gone), 0);
        }
        fill(&two, VA, 16 * MIB, 3 + round);
    }
}

/* ---- vgem: another driver, whose attachments can't follow ---- */

static int open_vgem(void) {
    const int fd = open_primary("vgem");

    if (fd < 0) {
        fprintf(stderr, "wants vgem\n");
        exit(77);
    }
    return fd;
}

static void *vgem_map(int fd, uint32_t handle, uint64_t size) {
    struct drm_mode_map_dumb map = {.handle = handle};

    CHECK_EQ(call(fd, DRM_IOCTL_MODE_MAP_DUMB, &map), 0);
    void *pointer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
    CHECK(pointer != MAP_FAILED);
    return pointer;
}

static void test_vgem(void) {
    struct context c = context_create(SYSTEM);
    const int vgem = open_vgem();
    struct drm_mode_create_dumb dumb = {.width = 1024, .height = 1024, .bpp = 32};

    /* Theirs to us. */
    CHECK_EQ(call(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), 0);
    struct bo theirs = {.handle = dumb.handle, .size = dumb.size};
    uint64_t *words = vgem_map(vgem, dumb.handle, dumb.size);
    words[0] = 5;
    int dmabuf = export_fd(vgem, &theirs);
    struct bo imported = import_fd(c.fd, dmabuf, dumb.size);
    close(dmabuf);
    bo_bind(c.fd, c.vm, &imported, VA);
    CHECK_EQ(read_word(&c, VA), 5);
    fill(&c, VA, dumb.size, 6);
    CHECK_EQ(words[0], 6);
    CHECK_EQ(words[dumb.size / 8 - 1], 6);
    CHECK_EQ(((uint64_t *)bo_map(c.fd, &imported))[9], 6);

    /* Ours to them: out of VRAM, and pinned while they hold it. */
    struct bo ours = bo_create(c.fd, 4 * MIB, BOTH);
    bo_bind(c.fd, c.vm, &ours, VA + 64 * MIB);
    fill(&c, VA + 64 * MIB, 4 * MIB, 7);
    dmabuf = export_fd(c.fd, &ours);
    struct bo at_vgem = import_fd(vgem, dmabuf, ours.size);
    /* vgem maps no imports; the dma-buf itself can be mapped. */
    words = mmap(NULL, ours.size, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf, 0);
    CHECK(words != MAP_FAILED);
    close(dmabuf);
    CHECK_EQ(words[0], 7);
    CHECK_EQ(words[4 * MIB / 8 - 1], 7);
    words[1] = 8;
    CHECK_EQ(read_word(&c, VA + 64 * MIB + 8), 8);
    fill(&c, VA + 64 * MIB, 4 * MIB, 9);
    CHECK_EQ(words[12345], 9);
    /* Theirs alone in the end. */
    close(c.fd);
    CHECK_EQ(words[4], 9);
    words[4] = 10;
    CHECK_EQ(words[4], 10);
    CHECK_EQ(munmap(words, 4 * MIB), 0);

    struct context fresh = context_create(SYSTEM);
    struct bo vram_only = bo_create(fresh.fd, MIB, VRAM);
    dmabuf = export_fd(fresh.fd, &vram_only);
    CHECK(drmPrimeFDToHandle(vgem, dmabuf, &at_vgem.handle) < 0 && errno == EOPNOTSUPP);
    close(dmabuf);
    /* And it is as good as before. */
    bo_bind(fresh.fd, fresh.vm, &vram_only, VA);
    fill(&fresh, VA, MIB, 1);
    CHECK_EQ(read_word(&fresh, VA), 1);
}

/* ---- udmabuf: pages of a file of the process ---- */

static void test_udmabuf(void) {
    struct context c = context_create(SYSTEM);
    const int device = open("/dev/udmabuf", O_RDWR),
              file = memfd_create("udmabuf", MFD_ALLOW_SEALING);

    if (device < 0) {
        fprintf(stderr, "wants udmabuf\n");
        exit(77);
    }
    CHECK_EQ(ftruncate(file, 2 * MIB), 0);
    CHECK_EQ(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    uint64_t *words = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(words != MAP_FAILED);
    struct udmabuf_create create = {.memfd = (uint32_t)file, .offset = 4096, .size = MIB};
    const int dmabuf = ioctl(device, UDMABUF_CREATE, &create);
    CHECK(dmabuf >= 0);
    struct bo imported = import_fd(c.fd, dmabuf, MIB);
    close(dmabuf);
    bo_bind(c.fd, c.vm, &imported, VA);
    fill(&c, VA, MIB, 3);
    CHECK_EQ(words[511], 0);
    CHECK_EQ(words[512], 3);
    CHECK_EQ(words[512 + MIB / 8 - 1], 3);
    CHECK_EQ(words[512 + MIB / 8], 0);
    words[512] = 4;
    CHECK_EQ(read_word(&c, VA), 4);
    CHECK_EQ(((uint64_t *)bo_map(c.fd, &imported))[0], 4);
    /* The handle goes, the mapping keeps it; then all goes. */
    struct drm_gem_close gone = {.handle = imported.handle};
    CHECK_EQ(call(c.fd, DRM_IOCTL_GEM_CLOSE, &gone), 0);
    fill(&c, VA, MIB, 5);
    CHECK_EQ(words[512], 5);
    CHECK_EQ(bind(c.fd, c.vm, DRM_BRGPU_BIND_UNMAP, 0, 0, 0, VA, MIB), 0);
}

static void test_negative(void) {
    struct context c = context_create(SYSTEM);
    const int file = memfd_create("no dma-buf", 0);
    struct bo private_bo = {.size = 4096};
    struct drm_brgpu_bo_create create = {.size = 4096, .placements = SYSTEM, .vm_id = c.vm};
    uint32_t handle;
    int dmabuf;

    CHECK(drmPrimeFDToHandle(c.fd, file, &handle) < 0 && errno == EINVAL);
    CHECK(drmPrimeFDToHandle(c.fd, -1, &handle) < 0 && errno == EBADF);
    CHECK_EQ(call(c.fd, DRM_IOCTL_BRGPU_BO_CREATE, &create), 0);
    private_bo.handle = create.handle;
    CHECK(drmPrimeHandleToFD(c.fd, private_bo.handle, O_RDWR, &dmabuf) < 0 && errno == EINVAL);
    CHECK(drmPrimeHandleToFD(c.fd, 999, O_RDWR, &dmabuf) < 0 && errno == ENOENT);
}

static const struct test tests[] = {
    {"cards", test_cards, false},     {"vram_only", test_vram_only, false},
    {"move", test_move, false},       {"vgem", test_vgem, false},
    {"udmabuf", test_udmabuf, false}, {"negative", test_negative, false},
};

int main(int argc, char **argv) {
    return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
