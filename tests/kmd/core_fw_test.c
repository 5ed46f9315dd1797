// SPDX-License-Identifier: MIT
/* Image headers, version negotiation, crash records and the mailbox's framing, as brgpu.ko sees
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <brgpu/hw/controller.h>
#include <brgpu/hw/regs.h>

#include "brgpu_core_fw.h"
#include "brgpu_core_mbox.h"

#define PAYLOAD_BYTES 64

struct image {
    struct brgpu_fw_header header;
    uint8_t payload[PAYLOAD_BYTES];
};

static const struct brgpu_core_fw_card card = {
    .product = BRGPU_PRODUCT_BR106,
    .contract = 1 << 16 | 7,
    .rollback = 3,
    .mailbox_min = BRGPU_MBOX_VERSION(1, 2),
    .mailbox_max = BRGPU_MBOX_VERSION(2, 0xffff),
};

static struct image good_image(void) {
    struct image image = {
        .header =
            {
                .magic = BRGPU_FW_MAGIC,
                .header_version = BRGPU_FW_HEADER_VERSION,
                .header_bytes = BRGPU_FW_HEADER_BYTES,
                .products = {BRGPU_PRODUCT_BR110, BRGPU_PRODUCT_BR106},
                .fw_version = BRGPU_FW_VERSION_MAKE(1, 2, 3),
                .contract_major_min = 1,
                .contract_major_max = 1,
                .mailbox_min = BRGPU_MBOX_VERSION(1, 0),
                .mailbox_max = BRGPU_MBOX_VERSION(1, 5),
                .load_address = BRGPU_CTL_SRAM,
                .entry = BRGPU_CTL_SRAM + 2,
                .payload_bytes = PAYLOAD_BYTES,
                .bss_bytes = 128,
                .rollback = 3,
                .build_id = "a build",
            },
    };
    return image;
}

static int check(const struct image *image, size_t bytes) {
    struct brgpu_core_fw_info info;
    const char *why = NULL;
    int error = brgpu_core_fw_check(&info, image, bytes, &card, &why);
    assert_non_null(why);
    if (error)
        assert_true(why[0] != '\0');
    return error;
}

static void accepts_a_good_image(void **state) {
    struct image image = good_image();
    struct brgpu_core_fw_info info;
    const char *why = NULL;
    (void)state;
    assert_int_equal(brgpu_core_fw_check(&info, &image, sizeof(image), &card, &why), 0);
    assert_int_equal(info.version, 0x01020003);
    assert_int_equal(info.image_bytes, sizeof(image));
    assert_string_equal(info.build_id, "a build");
    /* The last byte that the stack and bss may reach. */
    image.header.bss_bytes = BRGPU_CTL_SRAM_BYTES - PAYLOAD_BYTES;
    assert_int_equal(check(&image, sizeof(image)), 0);
    memset(image.header.build_id, 'x', sizeof(image.header.build_id));
    assert_int_equal(brgpu_core_fw_check(&info, &image, sizeof(image), &card, &why), 0);
    assert_int_equal(strlen(info.build_id), sizeof(image.header.build_id));
}

static void refuses_every_truncation(void **state) {
    const struct image image = good_image();
    (void)state;
    for (size_t bytes = 0; bytes < sizeof(image); bytes++)
        assert_int_equal(check(&image, bytes), -EBADMSG);
}

#define REFUSES(error, change)                                                                     \
    do {                                                                                           \
        struct image image = good_image();                                                         \
        struct brgpu_fw_header *h = &image.header;                                                 \
        change;                                                                                    \
        assert_int_equal(check(&image, sizeof(image)), error);                                     \
    } while (0)

static void refuses_each_bad_field(void **state) {
    (void)state;
    REFUSES(-EBADMSG, h->magic++);
    REFUSES(-EBADMSG, h->header_version = 2);
    REFUSES(-EBADMSG, h->header_bytes = 255);
    REFUSES(-EBADMSG, h->flags = 1);
    REFUSES(-EBADMSG, h->reserved[0] = 1);
    REFUSES(-EBADMSG, h->build_id[3] = '\n');
    REFUSES(-EBADMSG, h->build_id[9] = 'x');
    REFUSES(-ENODEV, h->products[1] = 0);
    REFUSES(-EPROTONOSUPPORT, h->contract_major_min = 2);
    REFUSES(-EPROTONOSUPPORT, h->contract_major_max = 0);
    REFUSES(-EBADMSG, h->mailbox_min = 5);
    REFUSES(-EBADMSG, h->mailbox_max = h->mailbox_min - 1);
    REFUSES(-EPROTONOSUPPORT, h->mailbox_max = BRGPU_MBOX_VERSION(1, 1));
    REFUSES(-EPROTONOSUPPORT, h->mailbox_min = h->mailbox_max = BRGPU_MBOX_VERSION(3, 0));
    REFUSES(-EBADMSG, h->load_address -= 16);
    REFUSES(-EBADMSG, h->load_address += 8);
    REFUSES(-EBADMSG, h->load_address = 0xfffffff0);
    REFUSES(-EBADMSG, h->bss_bytes = 0xfffffffc);
    REFUSES(-EBADMSG, h->bss_bytes = 2);
    REFUSES(-EBADMSG, h->payload_bytes = 0);
    REFUSES(-EBADMSG, h->payload_bytes = PAYLOAD_BYTES + 4);
    REFUSES(-EBADMSG, h->entry = h->load_address + PAYLOAD_BYTES);
    REFUSES(-EBADMSG, h->entry += 1);
    REFUSES(-EPERM, h->rollback = 2);
}

static void negotiates_ranges_not_equality(void **state) {
    uint32_t agreed = 1;
    (void)state;
    assert_int_equal(brgpu_core_fw_negotiate(5, 9, 1, 7, &agreed), 0);
    assert_int_equal(agreed, 7);
    assert_int_equal(brgpu_core_fw_negotiate(1, 7, 7, 9, &agreed), 0);
    assert_int_equal(agreed, 7);
    assert_int_equal(brgpu_core_fw_negotiate(1, 6, 7, 9, &agreed), -EPROTONOSUPPORT);
    assert_int_equal(agreed, 0);
    assert_int_equal(brgpu_core_fw_negotiate(9, 5, 1, 20, &agreed), -EPROTONOSUPPORT);
}

static void has_words_for_every_code(void **state) {
    (void)state;
    assert_int_equal(brgpu_core_fw_boot_errno(BRGPU_BOOT_OK), 0);
    for (uint32_t i = BRGPU_BOOT_UNREADABLE; i <= BRGPU_BOOT_ROLLBACK; i++) {
        assert_string_not_equal(brgpu_core_fw_boot_error_text(i), "unknown boot error");
        assert_true(brgpu_core_fw_boot_errno(i) < 0);
    }
    assert_string_equal(brgpu_core_fw_boot_error_text(999), "unknown boot error");
    assert_int_equal(brgpu_core_fw_boot_errno(999), -EBADMSG);
    for (uint32_t i = BRGPU_BOOT_STATE_OFF; i <= BRGPU_BOOT_STATE_HALTED; i++)
        assert_string_not_equal(brgpu_core_fw_boot_state_text(i), "unknown state");
    for (uint32_t i = BRGPU_FW_NOTIFY_THROTTLE; i <= BRGPU_FW_NOTIFY_STARTED; i++)
        assert_string_not_equal(brgpu_core_fw_notify_text(i), "unknown notification");
    for (uint32_t i = BRGPU_MBOX_UNSUPPORTED; i <= BRGPU_MBOX_BUSY; i++) {
        assert_string_not_equal(brgpu_core_mbox_status_text(i), "unknown status");
        assert_true(brgpu_core_mbox_status_errno(i) < 0);
    }
    assert_string_equal(brgpu_core_fw_cause_text(BRGPU_FW_CAUSE_WATCHDOG), "watchdog");
    assert_string_equal(brgpu_core_fw_cause_text(77), "unknown cause");
}

static void crash_records_are_checked_and_terminated(void **state) {
    struct brgpu_fw_crash crash = {
        .magic = BRGPU_FW_CRASH_MAGIC, .version = BRGPU_FW_CRASH_VERSION, .bytes = sizeof(crash)};
    const char *why;
    (void)state;
    memset(crash.text, 'x', sizeof(crash.text));
    crash.text[1] = '\x1b';
    memset(crash.build_id, 0xff, sizeof(crash.build_id));
    assert_int_equal(brgpu_core_fw_check_crash(&crash, &why), 0);
    assert_int_equal(strlen(crash.text), sizeof(crash.text) - 1);
    assert_int_equal(crash.text[1], '?');
    assert_int_equal(crash.build_id[0], 0);
    crash.bytes--;
    assert_int_equal(brgpu_core_fw_check_crash(&crash, &why), -EBADMSG);
    crash.magic = 0;
    assert_int_equal(brgpu_core_fw_check_crash(&crash, &why), -EBADMSG);
}

static void log_range(uint32_t written, uint32_t seen, uint32_t first, uint32_t bytes) {
    uint32_t got_first;
    uint32_t got_bytes;
    brgpu_core_fw_log_range(written, seen, &got_first, &got_bytes);
    assert_int_equal(got_first, first);
    assert_int_equal(got_bytes, bytes);
}

static void log_ranges_never_pass_the_ring(void **state) {
    (void)state;
    log_range(0, 0, 0, 0);
    log_range(100, 40, 40, 60);
    log_range(10000, 0, 10000 - BRGPU_FW_LOG_BYTES, BRGPU_FW_LOG_BYTES);
    log_range(10, 0xfffffff0, 0xfffffff0, 26);
    log_range(5, 10, 5 - BRGPU_FW_LOG_BYTES, BRGPU_FW_LOG_BYTES); /* the counter went back */
}

static void requests_and_responses_match(void **state) {
    struct brgpu_core_mbox mbox;
    struct brgpu_mbox_message sent[BRGPU_MBOX_SLOTS];
    struct brgpu_mbox_message extra;
    const uint8_t payload[BRGPU_MBOX_PAYLOAD_BYTES + 1] = {1, 2, 3};
    unsigned int handle = 77;
    const char *why;
    (void)state;
    assert_int_equal(brgpu_core_mbox_open(&mbox, 0), -EINVAL);
    assert_int_equal(brgpu_core_mbox_open(&mbox, 0xabcd), 0);
    assert_int_equal(brgpu_core_mbox_request(&mbox, &extra, BRGPU_MBOX_PING, payload, 49),
                     -EMSGSIZE);
    for (int i = 0; i < (int)BRGPU_MBOX_SLOTS; i++) {
        assert_int_equal(brgpu_core_mbox_request(&mbox, &sent[i], BRGPU_MBOX_PING, payload, 3), i);
        assert_int_equal(sent[i].session, 0xabcd);
        assert_int_equal(sent[i].length, 3);
        if (i)
            assert_int_equal(sent[i].sequence, sent[i - 1].sequence + 1);
    }
    assert_int_equal(brgpu_core_mbox_request(&mbox, &extra, BRGPU_MBOX_PING, NULL, 0), -EBUSY);

    for (int i = BRGPU_MBOX_SLOTS - 1; i > 0; i--) { /* any order */
        sent[i].flags = BRGPU_MBOX_FLAG_RESPONSE;
        assert_int_equal(brgpu_core_mbox_match(&mbox, &sent[i], &handle, &why), 0);
        assert_int_equal(handle, i);
        assert_int_equal(brgpu_core_mbox_match(&mbox, &sent[i], &handle, &why), -ENOENT);
    }
    assert_int_equal(mbox.dropped, BRGPU_MBOX_SLOTS - 1);
    sent[0].flags = BRGPU_MBOX_FLAG_RESPONSE;
    sent[0].session ^= 1;
    assert_int_equal(brgpu_core_mbox_match(&mbox, &sent[0], &handle, &why), -ENOENT);
    sent[0].session ^= 1;
    brgpu_core_mbox_abandon(&mbox, 0);
    brgpu_core_mbox_abandon(&mbox, 12345);
    assert_int_equal(brgpu_core_mbox_match(&mbox, &sent[0], &handle, &why), -ENOENT);
}

static void malformed_responses_end_their_request(void **state) {
    struct brgpu_core_mbox mbox;
    (void)state;
    assert_int_equal(brgpu_core_mbox_open(&mbox, 1), 0);
    for (int kind = 0; kind < 3; kind++) {
        struct brgpu_mbox_message message;
        unsigned int handle = 77;
        const char *why;
        assert_int_equal(brgpu_core_mbox_request(&mbox, &message, BRGPU_MBOX_PING, NULL, 0), 0);
        message.flags = kind == 0 ? 0 : BRGPU_MBOX_FLAG_RESPONSE;
        message.type = kind == 1 ? BRGPU_MBOX_HELLO : BRGPU_MBOX_PING;
        message.length = kind == 2 ? 49 : 0;
        assert_int_equal(brgpu_core_mbox_match(&mbox, &message, &handle, &why), -EBADMSG);
        assert_int_equal(handle, 0);
        assert_true(why[0] != '\0');
        assert_int_equal(brgpu_core_mbox_match(&mbox, &message, &handle, &why), -ENOENT);
    }
}

static void payloads_are_cut_and_extended(void **state) {
    struct brgpu_mbox_message message = {.length = 0xffff, .payload = {1, 2, 3, 4}};
    uint8_t out[64];
    (void)state;
    memset(out, 0xee, sizeof(out));
    brgpu_core_mbox_payload(&message, out, sizeof(out));
    assert_int_equal(out[3], 4);
    assert_int_equal(out[BRGPU_MBOX_PAYLOAD_BYTES], 0);
    message.length = 2;
    memset(out, 0xee, sizeof(out));
    brgpu_core_mbox_payload(&message, out, 4);
    assert_int_equal(out[1], 2);
    assert_int_equal(out[2], 0);
    assert_int_equal(out[4], 0xee);
}

static void ring_arithmetic(void **state) {
    (void)state;
    assert_int_equal(brgpu_core_mbox_used(5, 5), 0);
    assert_int_equal(brgpu_core_mbox_used(3, 0xfffffffe), 5);
    assert_int_equal(brgpu_core_mbox_used(BRGPU_MBOX_SLOTS, 0), BRGPU_MBOX_SLOTS);
    assert_int_equal(brgpu_core_mbox_used(BRGPU_MBOX_SLOTS + 1, 0), -ERANGE);
    assert_int_equal(brgpu_core_mbox_used(0, 1), -ERANGE);
    assert_int_equal(brgpu_core_mbox_request_offset(17), BRGPU_MBOX_REQUESTS + 64);
    assert_int_equal(brgpu_core_mbox_response_offset(0xffffffff), BRGPU_MBOX_RESPONSES + 15 * 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_a_good_image),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_each_bad_field),
        cmocka_unit_test(negotiates_ranges_not_equality),
        cmocka_unit_test(has_words_for_every_code),
        cmocka_unit_test(crash_records_are_checked_and_terminated),
        cmocka_unit_test(log_ranges_never_pass_the_ring),
        cmocka_unit_test(requests_and_responses_match),
        cmocka_unit_test(malformed_responses_end_their_request),
        cmocka_unit_test(payloads_are_cut_and_extended),
        cmocka_unit_test(ring_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
