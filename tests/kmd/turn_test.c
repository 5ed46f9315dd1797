/* SPDX-License-Identifier: MIT */
/* Whose turn it is when there are more user queues than slots, and when one has got stuck. */
#include "check.h"

#include "brgpu_core_turn.h"

#define MS 1000000ull

static void test_enters(void **state) {
    const struct brgpu_core_turn early = {.priority = 1, .since_ns = 5},
                                 late = {.priority = 1, .since_ns = 9},
                                 high = {.priority = 2, .since_ns = 9};
    (void)state;

    assert_true(brgpu_core_turn_enters_before(&early, &late));
    assert_false(brgpu_core_turn_enters_before(&late, &early));
    assert_true(brgpu_core_turn_enters_before(&high, &early));
    assert_false(brgpu_core_turn_enters_before(&early, &high));
}

static void test_yields(void **state) {
    const struct brgpu_core_turn low = {.priority = 0}, normal = {.priority = 1},
                                 high = {.priority = 2};
    struct brgpu_core_turn on = {.priority = 1, .since_ns = 100 * MS};
    const uint64_t over = on.since_ns + BRGPU_CORE_TURN_NS;
    (void)state;

    /* Its own priority: when its turn is over. */
    assert_false(brgpu_core_turn_yields(&on, &normal, over - 1));
    assert_true(brgpu_core_turn_yields(&on, &normal, over));
    /* A higher one at once, a lower one not at all while it works. */
    assert_true(brgpu_core_turn_yields(&on, &high, on.since_ns));
    assert_false(brgpu_core_turn_yields(&on, &low, over + 1000 * MS));
    on.idle = true;
    assert_true(brgpu_core_turn_yields(&on, &low, on.since_ns + BRGPU_CORE_IDLE_NS));
    assert_false(brgpu_core_turn_yields(&on, &low, on.since_ns + BRGPU_CORE_IDLE_NS - 1));
    /* A clock that went back. */
    assert_false(brgpu_core_turn_yields(&on, &normal, 0));
}

static void test_leaves(void **state) {
    const struct brgpu_core_turn idle = {.priority = 2, .idle = true, .since_ns = 9},
                                 low = {.priority = 0, .since_ns = 8},
                                 early = {.priority = 1, .since_ns = 3},
                                 late = {.priority = 1, .since_ns = 4};
    (void)state;

    assert_true(brgpu_core_turn_leaves_before(&idle, &low));
    assert_false(brgpu_core_turn_leaves_before(&low, &idle));
    assert_true(brgpu_core_turn_leaves_before(&low, &early));
    assert_true(brgpu_core_turn_leaves_before(&early, &late));
    assert_false(brgpu_core_turn_leaves_before(&late, &early));
}

static void test_watchdog(void **state) {
    struct brgpu_core_watchdog watchdog = {0};
    (void)state;

    /* The first look only begins. */
    assert_int_equal(brgpu_core_watchdog_look(&watchdog, 100 * MS, 7, true), 0);
    assert_int_equal(brgpu_core_watchdog_look(&watchdog, 300 * MS, 7, true), 200 * MS);
    /* What does not run gets no older, but no younger either. */
    assert_int_equal(brgpu_core_watchdog_look(&watchdog, 900 * MS, 7, false), 200 * MS);
    assert_int_equal(brgpu_core_watchdog_look(&watchdog, 1000 * MS, 7, true), 300 * MS);
    /* Any change is progress. */
    assert_int_equal(brgpu_core_watchdog_look(&watchdog, 1100 * MS, 6, true), 0);
    assert_int_equal(brgpu_core_watchdog_look(&watchdog, 1200 * MS, 6, true), 100 * MS);
    /* A clock that went back. */
    assert_int_equal(brgpu_core_watchdog_look(&watchdog, 1000 * MS, 6, true), 100 * MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enters),
        cmocka_unit_test(test_yields),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
