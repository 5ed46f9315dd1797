/* SPDX-License-Identifier: MIT */
/* What a fault is about, in the uAPI's words. */
#include "check.h"

#include "brgpu_core_fault.h"

#include <brgpu/hw/mmu.h>
#include <brgpu/hw/queue.h>
#include <drm/brgpu_drm.h>

static void test_told(void **state) {
    (void)state;

    assert_true(brgpu_core_fault_is_told(BRGPU_QUEUE_ERROR_MMU));
    assert_true(brgpu_core_fault_is_told(BRGPU_QUEUE_ERROR_SHADER));
    assert_true(brgpu_core_fault_is_told(BRGPU_QUEUE_ERROR_BUS));
    assert_true(brgpu_core_fault_is_told(BRGPU_QUEUE_ERROR_ECC));
    assert_false(brgpu_core_fault_is_told(BRGPU_QUEUE_ERROR_NONE));
    assert_false(brgpu_core_fault_is_told(BRGPU_QUEUE_ERROR_KILLED));
    assert_false(brgpu_core_fault_is_told(DRM_BRGPU_QUEUE_ERROR_TIMEOUT));
}

static void test_needs(void **state) {
    const uint32_t rw = DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE;
    (void)state;

    assert_int_equal(brgpu_core_fault_needs(0), 0);
    assert_int_equal(brgpu_core_fault_needs(BRGPU_ACCESS_READ), DRM_BRGPU_BIND_READ);
    assert_int_equal(brgpu_core_fault_needs(BRGPU_ACCESS_WRITE), DRM_BRGPU_BIND_WRITE);
    assert_int_equal(brgpu_core_fault_needs(BRGPU_ACCESS_EXEC), DRM_BRGPU_BIND_EXEC);
    assert_int_equal(brgpu_core_fault_needs(BRGPU_ACCESS_ATOMIC), rw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
