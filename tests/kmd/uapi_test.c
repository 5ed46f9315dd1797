/* SPDX-License-Identifier: MIT */
/* Every argument check: what is right is accepted, and each field made wrong is refused with a
 * reason. */
#include "check.h"

#include "brgpu_core_uapi.h"

static const struct brgpu_core_limits limits = {
    .va_start = 0x10000,
    .va_end = 1ull << 48,
    .max_bo_bytes = 1ull << 40,
    .features = DRM_BRGPU_FEATURE_EVICTION,
    .job_timeout_ms = 10000,
};

static const struct brgpu_core_limits all_features = {
    .va_start = 0x10000,
    .va_end = 1ull << 48,
    .max_bo_bytes = 1ull << 40,
    .features =
        DRM_BRGPU_FEATURE_USER_QUEUES | DRM_BRGPU_FEATURE_FAULT_RETRY | DRM_BRGPU_FEATURE_USERPTR,
    .job_timeout_ms = 10000,
};

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        const char *why = NULL;                                                                    \
        assert_int_equal(call, 0);                                                                 \
        (void)why;                                                                                 \
    } while (0)
#define BAD(error, call)                                                                           \
    do {                                                                                           \
        const char *why = NULL;                                                                    \
        assert_int_equal(call, -(error));                                                          \
        assert_non_null(why);                                                                      \
        assert_true(strlen(why) > 0);                                                              \
    } while (0)

static void test_array(void **state) {
    struct drm_brgpu_array array = {.stride = 16, .count = 1, .array = 0x1000};
    (void)state;

    GOOD(brgpu_core_check_array(&array, 16, 4, &why));
    array.count = 4;
    GOOD(brgpu_core_check_array(&array, 16, 4, &why));
    array.count = 5;
    BAD(EINVAL, brgpu_core_check_array(&array, 16, 4, &why));
    array.count = 1;
    array.stride = 8;
    BAD(EINVAL, brgpu_core_check_array(&array, 16, 4, &why));
    array.stride = 20;
    BAD(EINVAL, brgpu_core_check_array(&array, 16, 4, &why));
    array.stride = 8192;
    BAD(E2BIG, brgpu_core_check_array(&array, 16, 4, &why));
    array.stride = 24;
    array.array = 0;
    BAD(EFAULT, brgpu_core_check_array(&array, 16, 4, &why));
    /* An empty array is not looked at. */
    array = (struct drm_brgpu_array){0};
    GOOD(brgpu_core_check_array(&array, 16, 4, &why));
}

static void test_copy_element(void **state) {
    unsigned char from[32] = {0}, to[16];
    (void)state;

    memset(from, 7, 8);
    memset(to, 0xee, sizeof(to));
    assert_int_equal(brgpu_core_copy_element(to, 16, from, 8), 0);
    assert_int_equal(to[7], 7);
    assert_int_equal(to[8], 0);
    assert_int_equal(to[15], 0);
    assert_int_equal(brgpu_core_copy_element(to, 16, from, 32), 0);
    from[31] = 1;
    assert_int_equal(brgpu_core_copy_element(to, 16, from, 32), -E2BIG);
    assert_int_equal(brgpu_core_copy_element(to, 16, from, 31), 0);
}

static void test_query(void **state) {
    (void)state;
    for (uint32_t query = 0; query < 40; query++) {
        const struct drm_brgpu_query args = {.query = query};

        if (query <= DRM_BRGPU_QUERY_STATUS)
            GOOD(brgpu_core_check_query(&args, &why));
        else
            BAD(EINVAL, brgpu_core_check_query(&args, &why));
    }
}

static void test_bo_create(void **state) {
    const struct drm_brgpu_bo_create good = {.size = 1, .placements = DRM_BRGPU_PLACEMENT_VRAM};
    struct drm_brgpu_bo_create args = good;
    (void)state;

    GOOD(brgpu_core_check_bo_create(&args, &limits, &why));
    args.size = limits.max_bo_bytes;
    GOOD(brgpu_core_check_bo_create(&args, &limits, &why));
    args.size++;
    BAD(EINVAL, brgpu_core_check_bo_create(&args, &limits, &why));
    args.size = 0;
    BAD(EINVAL, brgpu_core_check_bo_create(&args, &limits, &why));
    args = good;
    args.placements = 0;
    BAD(EINVAL, brgpu_core_check_bo_create(&args, &limits, &why));
    for (unsigned int bit = 2; bit < 32; bit++) {
        args.placements = 1 | 1u << bit;
        BAD(EINVAL, brgpu_core_check_bo_create(&args, &limits, &why));
    }
    args = good;
    for (unsigned int bit = 0; bit < 32; bit++) {
        args.flags = 1u << bit;
        if (args.flags & DRM_BRGPU_BO_FLAGS)
            GOOD(brgpu_core_check_bo_create(&args, &limits, &why));
        else
            BAD(EINVAL, brgpu_core_check_bo_create(&args, &limits, &why));
    }
}

static void test_pads(void **state) {
    (void)state;
    GOOD(brgpu_core_check_bo_mmap_offset(&(struct drm_brgpu_bo_mmap_offset){0}, &why));
    BAD(EINVAL,
        brgpu_core_check_bo_mmap_offset(&(struct drm_brgpu_bo_mmap_offset){.pad = 1}, &why));
    GOOD(brgpu_core_check_vm_destroy(&(struct drm_brgpu_vm_destroy){0}, &why));
    BAD(EINVAL, brgpu_core_check_vm_destroy(&(struct drm_brgpu_vm_destroy){.pad = 1}, &why));
    GOOD(brgpu_core_check_queue_destroy(&(struct drm_brgpu_queue_destroy){0}, &why));
    BAD(EINVAL, brgpu_core_check_queue_destroy(&(struct drm_brgpu_queue_destroy){.pad = 1}, &why));
    GOOD(brgpu_core_check_queue_get_state(&(struct drm_brgpu_queue_get_state){0}, &why));
    BAD(EINVAL,
        brgpu_core_check_queue_get_state(&(struct drm_brgpu_queue_get_state){.flags = 1}, &why));
    GOOD(brgpu_core_check_vm_get_state(&(struct drm_brgpu_vm_get_state){0}, &why));
    BAD(EINVAL, brgpu_core_check_vm_get_state(&(struct drm_brgpu_vm_get_state){.flags = 1}, &why));
    BAD(EINVAL, brgpu_core_check_vm_get_state(&(struct drm_brgpu_vm_get_state){.pad = 1}, &why));
    BAD(EINVAL, brgpu_core_check_vm_get_state(
                    &(struct drm_brgpu_vm_get_state){.faults = {24, 1, 4096}}, &why));
}

static void test_vm_create(void **state) {
    struct drm_brgpu_vm_create args = {0};
    (void)state;

    GOOD(brgpu_core_check_vm_create(&args, &limits, &why));
    args.flags = 4;
    BAD(EINVAL, brgpu_core_check_vm_create(&args, &limits, &why));
    args.flags = DRM_BRGPU_VM_FAULT_RETRY;
    BAD(EINVAL, brgpu_core_check_vm_create(&args, &all_features, &why));
    args.flags = DRM_BRGPU_VM_LONG_RUNNING;
    BAD(EOPNOTSUPP, brgpu_core_check_vm_create(&args, &limits, &why));
    GOOD(brgpu_core_check_vm_create(&args, &all_features, &why));
    args.flags |= DRM_BRGPU_VM_FAULT_RETRY;
    GOOD(brgpu_core_check_vm_create(&args, &all_features, &why));
}

static void test_bind_op(void **state) {
    const struct drm_brgpu_bind_op map = {.op = DRM_BRGPU_BIND_MAP,
                                          .flags = DRM_BRGPU_BIND_READ,
                                          .bo_handle = 1,
                                          .va = 0x10000,
                                          .size = 0x1000};
    struct drm_brgpu_bind_op op = map;
    (void)state;

    GOOD(brgpu_core_check_bind_op(&op, &limits, &why));
#define FIELD(base, field, value)                                                                  \
    do {                                                                                           \
        op = (base);                                                                               \
        op.field = (value);                                                                        \
        BAD(EINVAL, brgpu_core_check_bind_op(&op, &limits, &why));                                 \
    } while (0)
    FIELD(map, pad, 1);
    FIELD(map, op, 4);
    FIELD(map, flags, 0);
    FIELD(map, flags, DRM_BRGPU_BIND_READ | 16);
    FIELD(map, bo_handle, 0);
    FIELD(map, bo_offset, 1);
    FIELD(map, va, 0x10001);
    FIELD(map, va, 0xf000);        /* before va_start */
    FIELD(map, va, limits.va_end); /* behind va_end */
    FIELD(map, va, ~0xfffull);     /* wraps around */
    FIELD(map, size, 0);
    FIELD(map, size, 0x1001);
    FIELD(map, size, ~0xfffull);
    FIELD(map, flags, DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_NULL); /* with a buffer */
    op = map;
    op.va = limits.va_end - 0x1000;
    GOOD(brgpu_core_check_bind_op(&op, &limits, &why));

    struct drm_brgpu_bind_op null = map;
    null.flags = DRM_BRGPU_BIND_NULL | DRM_BRGPU_BIND_READ;
    null.bo_handle = 0;
    op = null;
    GOOD(brgpu_core_check_bind_op(&op, &limits, &why));
    FIELD(null, flags, DRM_BRGPU_BIND_NULL);
    FIELD(null, flags, DRM_BRGPU_BIND_NULL | DRM_BRGPU_BIND_EXEC);
    FIELD(null, bo_offset, 0x1000);

    /* Memory of the process: an address instead of a buffer. */
    struct drm_brgpu_bind_op userptr = map;
    userptr.op = DRM_BRGPU_BIND_MAP_USERPTR;
    userptr.bo_handle = 0;
    userptr.bo_offset = 0x7f0000000000;
    op = userptr;
    GOOD(brgpu_core_check_bind_op(&op, &all_features, &why));
    BAD(EOPNOTSUPP, brgpu_core_check_bind_op(&op, &limits, &why));
    FIELD(userptr, bo_handle, 1);
    FIELD(userptr, bo_offset, 0);
    FIELD(userptr, bo_offset, 0x7f0000000001);
    FIELD(userptr, flags, 0);
    FIELD(userptr, flags, DRM_BRGPU_BIND_READ | 16);
    FIELD(userptr, flags, DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_NULL);
    FIELD(userptr, va, 0xf000);
    FIELD(userptr, size, 0);
    op = userptr;
    op.size = 0x2000;
    op.bo_offset = ~0xfffull; /* the last page, and what would follow it */
    BAD(EINVAL, brgpu_core_check_bind_op(&op, &all_features, &why));

    const struct drm_brgpu_bind_op unmap = {
        .op = DRM_BRGPU_BIND_UNMAP, .va = 0x10000, .size = 0x1000};
    op = unmap;
    GOOD(brgpu_core_check_bind_op(&op, &limits, &why));
    FIELD(unmap, flags, 1);
    FIELD(unmap, bo_handle, 1);
    FIELD(unmap, bo_offset, 0x1000);
    FIELD(unmap, size, 0);

    const struct drm_brgpu_bind_op unmap_bo = {.op = DRM_BRGPU_BIND_UNMAP_BO, .bo_handle = 1};
    op = unmap_bo;
    GOOD(brgpu_core_check_bind_op(&op, &limits, &why));
    FIELD(unmap_bo, bo_handle, 0);
    FIELD(unmap_bo, va, 0x10000);
    FIELD(unmap_bo, size, 0x1000);
    FIELD(unmap_bo, bo_offset, 0x1000);
    FIELD(unmap_bo, flags, 1);
}

static void test_bind_bo(void **state) {
    struct drm_brgpu_bind_op op = {.bo_offset = 0x1000, .size = 0x2000};
    (void)state;

    GOOD(brgpu_core_check_bind_bo(&op, 0x3000, &why));
    BAD(EINVAL, brgpu_core_check_bind_bo(&op, 0x2000, &why));
    BAD(EINVAL, brgpu_core_check_bind_bo(&op, 0x1000, &why));
    op.bo_offset = ~0xfffull;
    BAD(EINVAL, brgpu_core_check_bind_bo(&op, 0x3000, &why));
}

static void test_sync(void **state) {
    struct drm_brgpu_sync sync = {.handle = 1};
    (void)state;

    GOOD(brgpu_core_check_sync(&sync, false, &why));
    sync.point = 1;
    BAD(EINVAL, brgpu_core_check_sync(&sync, true, &why));
    sync.flags = DRM_BRGPU_SYNC_TIMELINE;
    GOOD(brgpu_core_check_sync(&sync, false, &why));
    sync.point = 0;
    BAD(EINVAL, brgpu_core_check_sync(&sync, false, &why));
    sync = (struct drm_brgpu_sync){.handle = 1, .flags = DRM_BRGPU_SYNC_SIGNAL};
    GOOD(brgpu_core_check_sync(&sync, true, &why));
    BAD(EINVAL, brgpu_core_check_sync(&sync, false, &why));
    sync.flags = 4;
    BAD(EINVAL, brgpu_core_check_sync(&sync, true, &why));
    sync = (struct drm_brgpu_sync){0};
    BAD(EINVAL, brgpu_core_check_sync(&sync, true, &why));
}

static void test_queue_create(void **state) {
    struct drm_brgpu_queue_create args = {.vm_id = 1, .timeout_ms = 10000};
    (void)state;

    GOOD(brgpu_core_check_queue_create(&args, &limits, &why));
    args.timeout_ms = 10001;
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &limits, &why));
    args = (struct drm_brgpu_queue_create){.flags = 2};
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &limits, &why));
    args = (struct drm_brgpu_queue_create){.queue_class = 2};
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &limits, &why));
    args = (struct drm_brgpu_queue_create){.priority = 3};
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &limits, &why));
    args = (struct drm_brgpu_queue_create){.ring_log2 = 4};
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &limits, &why));
    args = (struct drm_brgpu_queue_create){.read_index_va = 8};
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &limits, &why));

    const struct drm_brgpu_queue_create user = {.flags = DRM_BRGPU_QUEUE_USER,
                                                .ring_log2 = 4,
                                                .ring_va = 0x10000,
                                                .write_index_va = 0x20000,
                                                .read_index_va = 0x20008};
    BAD(EOPNOTSUPP, brgpu_core_check_queue_create(&user, &limits, &why));
    GOOD(brgpu_core_check_queue_create(&user, &all_features, &why));
    args = user;
    args.flags |= DRM_BRGPU_QUEUE_HEARTBEAT;
    GOOD(brgpu_core_check_queue_create(&args, &all_features, &why));
    args.flags = DRM_BRGPU_QUEUE_HEARTBEAT;
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &all_features, &why));
    args = user;
    args.ring_log2 = 3;
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &all_features, &why));
    args.ring_log2 = 21;
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &all_features, &why));
    args = user;
    args.ring_va += 32;
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &all_features, &why));
    args = user;
    args.ring_va = all_features.va_end - 64;
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &all_features, &why));
    args = user;
    args.write_index_va = 4;
    BAD(EINVAL, brgpu_core_check_queue_create(&args, &all_features, &why));
}

static void test_submit(void **state) {
    struct drm_brgpu_command command = {.va = 0x10000, .packets = 1};
    struct drm_brgpu_queue_submit args = {.queue_id = 1};
    (void)state;

    GOOD(brgpu_core_check_queue_submit(&args, &why));
    args.commands = (struct drm_brgpu_array){16, DRM_BRGPU_MAX_COMMANDS + 1, 4096};
    BAD(EINVAL, brgpu_core_check_queue_submit(&args, &why));
    args.commands.count--;
    GOOD(brgpu_core_check_queue_submit(&args, &why));
    args.syncs = (struct drm_brgpu_array){8, 1, 4096};
    BAD(EINVAL, brgpu_core_check_queue_submit(&args, &why));
    args = (struct drm_brgpu_queue_submit){.flags = 1};
    BAD(EINVAL, brgpu_core_check_queue_submit(&args, &why));

    GOOD(brgpu_core_check_command(&command, &limits, &why));
    command.packets = 65536;
    GOOD(brgpu_core_check_command(&command, &limits, &why));
    command.packets = 65537;
    BAD(EINVAL, brgpu_core_check_command(&command, &limits, &why));
    command.packets = 0;
    BAD(EINVAL, brgpu_core_check_command(&command, &limits, &why));
    command.packets = 2;
    command.va = 0x10020;
    BAD(EINVAL, brgpu_core_check_command(&command, &limits, &why));
    command.va = limits.va_end - 64;
    BAD(EINVAL, brgpu_core_check_command(&command, &limits, &why));
    command.va = UINT64_MAX - 63;
    BAD(EINVAL, brgpu_core_check_command(&command, &limits, &why));
    command.va = 0;
    BAD(EINVAL, brgpu_core_check_command(&command, &limits, &why));
    command = (struct drm_brgpu_command){.va = 0x10000, .packets = 1, .flags = 1};
    BAD(EINVAL, brgpu_core_check_command(&command, &limits, &why));
}

static void test_vm_bind(void **state) {
    struct drm_brgpu_vm_bind args = {.vm_id = 1, .flags = DRM_BRGPU_VM_BIND_ASYNC};
    (void)state;

    GOOD(brgpu_core_check_vm_bind(&args, &why));
    args.ops = (struct drm_brgpu_array){40, DRM_BRGPU_MAX_BIND_OPS, 4096};
    GOOD(brgpu_core_check_vm_bind(&args, &why));
    args.ops.count++;
    BAD(EINVAL, brgpu_core_check_vm_bind(&args, &why));
    args.ops.count = 0;
    args.syncs = (struct drm_brgpu_array){16, DRM_BRGPU_MAX_SYNCS + 1, 4096};
    BAD(EINVAL, brgpu_core_check_vm_bind(&args, &why));
    args = (struct drm_brgpu_vm_bind){.flags = 2};
    BAD(EINVAL, brgpu_core_check_vm_bind(&args, &why));
}

static void test_wait_mem(void **state) {
    struct drm_brgpu_wait_mem args = {.compare = DRM_BRGPU_WAIT_LT, .offset = 8};
    (void)state;

    GOOD(brgpu_core_check_wait_mem(&args, &why));
    GOOD(brgpu_core_check_wait_bo(&args, 16, &why));
    BAD(EINVAL, brgpu_core_check_wait_bo(&args, 15, &why));
    BAD(EINVAL, brgpu_core_check_wait_bo(&args, 0, &why));
    args.offset = UINT64_MAX - 7;
    BAD(EINVAL, brgpu_core_check_wait_bo(&args, 4096, &why));
    args.offset = 4;
    BAD(EINVAL, brgpu_core_check_wait_mem(&args, &why));
    args = (struct drm_brgpu_wait_mem){.compare = 4};
    BAD(EINVAL, brgpu_core_check_wait_mem(&args, &why));
    args = (struct drm_brgpu_wait_mem){.compare = DRM_BRGPU_WAIT_GE | DRM_BRGPU_WAIT_QUEUE,
                                       .queue_id = 3};
    GOOD(brgpu_core_check_wait_mem(&args, &why));
    assert_int_equal(brgpu_core_wait_compare(&args), DRM_BRGPU_WAIT_GE);
    args.pad = 1;
    BAD(EINVAL, brgpu_core_check_wait_mem(&args, &why));
    args = (struct drm_brgpu_wait_mem){.compare = DRM_BRGPU_WAIT_QUEUE};
    BAD(EINVAL, brgpu_core_check_wait_mem(&args, &why));
    args = (struct drm_brgpu_wait_mem){.queue_id = 3};
    BAD(EINVAL, brgpu_core_check_wait_mem(&args, &why));
    args = (struct drm_brgpu_wait_mem){.compare = DRM_BRGPU_WAIT_QUEUE << 1, .queue_id = 3};
    BAD(EINVAL, brgpu_core_check_wait_mem(&args, &why));
}

static void test_signal_mem(void **state) {
    struct drm_brgpu_signal_mem args = {.offset = 8,
                                        .syncs = {.stride = 16, .count = 1, .array = 8}};
    (void)state;

    GOOD(brgpu_core_check_signal_mem(&args, &why));
    GOOD(brgpu_core_check_signal_bo(&args, 16, &why));
    BAD(EINVAL, brgpu_core_check_signal_bo(&args, 15, &why));
    args.syncs.count = DRM_BRGPU_MAX_SYNCS + 1;
    BAD(EINVAL, brgpu_core_check_signal_mem(&args, &why));
    args = (struct drm_brgpu_signal_mem){.offset = 12};
    BAD(EINVAL, brgpu_core_check_signal_mem(&args, &why));
    args = (struct drm_brgpu_signal_mem){.flags = 1};
    BAD(EINVAL, brgpu_core_check_signal_mem(&args, &why));
    args = (struct drm_brgpu_signal_mem){.pad = 1};
    BAD(EINVAL, brgpu_core_check_signal_mem(&args, &why));
    /* Nothing to wait for is fine. */
    args = (struct drm_brgpu_signal_mem){0};
    GOOD(brgpu_core_check_signal_mem(&args, &why));
}

static void test_queue_vm(void **state) {
    const struct drm_brgpu_queue_create user = {.flags = DRM_BRGPU_QUEUE_USER}, fence = {0};
    const uint32_t retry = DRM_BRGPU_VM_LONG_RUNNING | DRM_BRGPU_VM_FAULT_RETRY;
    (void)state;

    GOOD(brgpu_core_check_queue_vm(&fence, 0, &why));
    GOOD(brgpu_core_check_queue_vm(&user, DRM_BRGPU_VM_LONG_RUNNING, &why));
    GOOD(brgpu_core_check_queue_vm(&user, retry, &why));
    BAD(EINVAL, brgpu_core_check_queue_vm(&user, 0, &why));
    BAD(EINVAL, brgpu_core_check_queue_vm(&fence, DRM_BRGPU_VM_LONG_RUNNING, &why));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array),    cmocka_unit_test(test_copy_element),
        cmocka_unit_test(test_query),    cmocka_unit_test(test_bo_create),
        cmocka_unit_test(test_pads),     cmocka_unit_test(test_vm_create),
        cmocka_unit_test(test_bind_op),  cmocka_unit_test(test_bind_bo),
        cmocka_unit_test(test_sync),     cmocka_unit_test(test_queue_create),
        cmocka_unit_test(test_submit),   cmocka_unit_test(test_vm_bind),
        cmocka_unit_test(test_wait_mem), cmocka_unit_test(test_signal_mem),
        cmocka_unit_test(test_queue_vm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
