/* SPDX-License-Identifier: MIT */
/* Identity registers, event rings, packets. */
#include "check.h"

#include <brgpu/hw/mmu.h>
#include <brgpu/hw/regs.h>

#include "brgpu_core_event.h"
#include "brgpu_core_ident.h"
#include "brgpu_core_packet.h"

/* ---- identity ---- */

struct card {
    unsigned char registers[0x1000];
    unsigned int reads;
    unsigned int gone_after; /* 0: never */
};

static void set32(struct card *card, uint32_t offset, uint32_t value) {
    memcpy(card->registers + offset, &value, 4);
}

static void set64(struct card *card, uint32_t offset, uint64_t value) {
    memcpy(card->registers + offset, &value, 8);
}

static uint64_t read_register(void *ctx, uint32_t offset, unsigned int bytes) {
    struct card *card = ctx;
    uint64_t value = 0;

    assert_true(offset + bytes <= sizeof(card->registers) && offset % bytes == 0);
    card->reads++;
    if (card->gone_after && card->reads > card->gone_after)
        return bytes == 8 ? UINT64_MAX : UINT32_MAX;
    memcpy(&value, card->registers + offset, bytes);
    return value;
}

static struct card good_card(void) {
    struct card card = {{0}, 0, 0};

    set32(&card, BRGPU_REG_MAGIC, BRGPU_MAGIC);
    set32(&card, BRGPU_REG_CONTRACT, BRGPU_CONTRACT_MAJOR << 16 | 7);
    set32(&card, BRGPU_REG_PRODUCT, BRGPU_PRODUCT_BR110);
    set64(&card, BRGPU_REG_VRAM_BYTES, 1ull << 30);
    set64(&card, BRGPU_REG_APERTURE_BYTES, 1ull << 28);
    set32(&card, BRGPU_REG_DIES, 1);
    set32(&card, BRGPU_REG_SPCS, 1);
    set32(&card, BRGPU_REG_CUS, 1);
    set32(&card, BRGPU_REG_EUS, 1);
    set32(&card, BRGPU_REG_QUEUES, 128);
    set32(&card, BRGPU_REG_VMS, 16);
    set32(&card, BRGPU_REG_VA_BITS, 48);
    set32(&card, BRGPU_REG_DMA_BITS, 47);
    set64(&card, BRGPU_REG_PAGE_SIZES, 0x211000);
    set32(&card, BRGPU_REG_VECTORS, 4);
    set32(&card, BRGPU_REG_DOORBELL_PAGES, 2);
    set32(&card, BRGPU_REG_PREEMPT_MS, 100);
    set64(&card, BRGPU_REG_TIMESTAMP_HZ, 1000000000);
    return card;
}

static int identify(struct card card) {
    struct brgpu_core_ident ident;
    const char *why = NULL;
    const int ret = brgpu_core_ident_read(&ident, read_register, &card, &why);

    assert_non_null(why);
    assert_true(!ret || strlen(why) > 0);
    return ret;
}

static void test_ident(void **state) {
    struct card card = good_card();
    struct brgpu_core_ident ident;
    const char *why;
    (void)state;

    set32(&card, BRGPU_REG_QUEUES, 5000);
    set64(&card, BRGPU_REG_APERTURE_BYTES, 1ull << 40);
    assert_int_equal(brgpu_core_ident_read(&ident, read_register, &card, &why), 0);
    assert_int_equal(ident.queues, BRGPU_MAX_QUEUES);
    assert_int_equal(ident.aperture_bytes, ident.vram_bytes);
    assert_string_equal(brgpu_core_ident_name(&ident), "BR110");
    ident.product = 1;
    assert_string_equal(brgpu_core_ident_name(&ident), "BR1xx");

#define BAD32(error, offset, value)                                                                \
    do {                                                                                           \
        card = good_card();                                                                        \
        set32(&card, offset, value);                                                               \
        assert_int_equal(identify(card), -(error));                                                \
    } while (0)
    BAD32(ENODEV, BRGPU_REG_MAGIC, 0);
    BAD32(ENODEV, BRGPU_REG_MAGIC, UINT32_MAX);
    BAD32(EPROTONOSUPPORT, BRGPU_REG_CONTRACT, (BRGPU_CONTRACT_MAJOR + 1) << 16);
    BAD32(EPROTONOSUPPORT, BRGPU_REG_CONTRACT, 0);
    BAD32(EINVAL, BRGPU_REG_VRAM_BYTES, 0x800);
    BAD32(EINVAL, BRGPU_REG_APERTURE_BYTES, 0x10000800);
    BAD32(EINVAL, BRGPU_REG_VA_BITS, 47);
    BAD32(EINVAL, BRGPU_REG_DMA_BITS, 31);
    BAD32(EINVAL, BRGPU_REG_DMA_BITS, 48);
    BAD32(EINVAL, BRGPU_REG_PAGE_SIZES, 0x10000);
    BAD32(EINVAL, BRGPU_REG_DIES, 0);
    BAD32(EINVAL, BRGPU_REG_EUS, 0);
    BAD32(EINVAL, BRGPU_REG_QUEUES, 1);
    BAD32(EINVAL, BRGPU_REG_VMS, 1);
    BAD32(EINVAL, BRGPU_REG_VECTORS, 0);
    BAD32(EINVAL, BRGPU_REG_DOORBELL_PAGES, 0);
    BAD32(EINVAL, BRGPU_REG_PREEMPT_MS, 0);
    BAD32(EINVAL, BRGPU_REG_PREEMPT_MS, 100000);
    BAD32(EINVAL, BRGPU_REG_TIMESTAMP_HZ, 0);

    /* Gone at any moment. */
    card = good_card();
    assert_int_equal(identify(card), 0);
    for (unsigned int reads = 1; reads < 30; reads++) {
        card = good_card();
        card.gone_after = reads;
        assert_true(identify(card) < 0);
    }
}

/* ---- event rings: a device that follows the contract, and one that floods ---- */

#define RING_LOG2 4
#define RING_SIZE (1u << RING_LOG2)

static bool produce(struct brgpu_event_record *records, uint32_t *produced, uint32_t consumed,
                    uint64_t value) {
    struct brgpu_event_record *record = &records[*produced % RING_SIZE];

    if (*produced - consumed == RING_SIZE)
        return false;
    record->data0 = value;
    record->phase = !((*produced >> RING_LOG2) & 1);
    ++*produced;
    return true;
}

static void test_event(void **state) {
    struct brgpu_event_record records[RING_SIZE] = {{0}}, record;
    struct brgpu_core_event_ring ring;
    uint32_t produced = 0, consumer = 0;
    bool lost;
    (void)state;

    assert_int_equal(brgpu_core_event_init(&ring, records, 3), -EINVAL);
    assert_int_equal(brgpu_core_event_init(&ring, records, 17), -EINVAL);
    assert_int_equal(brgpu_core_event_init(&ring, records, RING_LOG2), 0);
    assert_false(brgpu_core_event_pending(&ring));
    assert_false(brgpu_core_event_next(&ring, &record));

    /* Many passes with bursts of all lengths. */
    for (uint64_t value = 0, seen = 0, burst = 0; value < 5000; burst = (burst + 1) % RING_SIZE) {
        for (uint64_t i = 0; i < burst; i++)
            assert_true(produce(records, &produced, consumer, value++));
        while (brgpu_core_event_next(&ring, &record))
            assert_int_equal(record.data0, seen++);
        assert_int_equal(seen, value);
        consumer = brgpu_core_event_acknowledge(&ring, &lost);
        assert_int_equal(consumer, produced);
        assert_false(lost);
    }

    /* A full ring: exactly `size` records, and the consumer knows that there may have been more. */
    for (unsigned int i = 0; i < RING_SIZE; i++)
        assert_true(produce(records, &produced, consumer, i));
    assert_false(produce(records, &produced, consumer, 99));
    unsigned int count = 0;
    while (brgpu_core_event_next(&ring, &record))
        assert_int_equal(record.data0, count++);
    assert_int_equal(count, RING_SIZE);
    consumer = brgpu_core_event_acknowledge(&ring, &lost);
    assert_true(lost);
    assert_int_equal(consumer, produced);

    /* The counters wrap at 2^32; passes stay in step. */
    memset(records, 0, sizeof(records));
    brgpu_core_event_init(&ring, records, RING_LOG2);
    produced = consumer = ring.consumed = ring.acknowledged = UINT32_MAX - 20;
    for (unsigned int i = 0; i < RING_SIZE; i++)
        records[i].phase = (produced >> RING_LOG2) & 1;
    /* Slots before it in this pass have been written in it. */
    for (uint32_t i = produced & ~(RING_SIZE - 1); i != produced; i++)
        records[i % RING_SIZE].phase = !((i >> RING_LOG2) & 1);
    for (uint64_t value = 0; value < 100; value++) {
        assert_true(produce(records, &produced, consumer, value));
        assert_true(brgpu_core_event_next(&ring, &record));
        assert_int_equal(record.data0, value);
        assert_false(brgpu_core_event_pending(&ring));
        consumer = brgpu_core_event_acknowledge(&ring, &lost);
    }
}

/* ---- packets ---- */

static void test_packet(void **state) {
    unsigned char slot[66];
    struct brgpu_packet_signal signal;
    struct brgpu_packet_call call;
    struct brgpu_packet_fill fill;
    struct brgpu_packet_copy copy;
    (void)state;

    /* Every builder writes the whole slot and nothing else; pads are zero. */
    memset(slot, 0xee, sizeof(slot));
    brgpu_core_packet_call(slot + 1, 0, 0x1000, 7);
    assert_int_equal(slot[0], 0xee);
    assert_int_equal(slot[65], 0xee);
    memcpy(&call, slot + 1, 64);
    assert_int_equal(call.type, BRGPU_PACKET_CALL);
    assert_int_equal(call.packets, 7);
    assert_int_equal(call.address, 0x1000);
    assert_int_equal(call.pad0 | call.pad1[0] | call.pad1[5], 0);

    memset(&signal, 0xee, sizeof(signal));
    brgpu_core_packet_signal(&signal, BRGPU_PACKET_BARRIER_BIT, 8, 9, true, 0);
    assert_int_equal(signal.type, BRGPU_PACKET_SIGNAL);
    assert_int_equal(signal.flags, BRGPU_PACKET_BARRIER_BIT);
    assert_int_equal(signal.op, BRGPU_SIGNAL_STORE);
    assert_int_equal(signal.notify, 1);
    assert_int_equal(signal.address, 8);
    assert_int_equal(signal.value, 9);
    assert_int_equal(signal.timestamp, 0);
    assert_int_equal(signal.pad0 | signal.pad1[3], 0);

    brgpu_core_packet_fill(&fill, 0, 64, 4096, 0x1122334455667788ull);
    assert_int_equal(fill.pattern_bytes, 8);
    assert_int_equal(fill.pattern[0], 0x88);
    assert_int_equal(fill.pattern[8], 0);

    brgpu_core_packet_copy(&copy, 0, 2, 1, 5);
    assert_int_equal(copy.dst, 2);
    assert_int_equal(copy.src, 1);
    assert_int_equal(copy.row_bytes, 5);
    assert_int_equal(copy.rows, 1);
    assert_int_equal(copy.slices, 1);
}

static void test_ring(void **state) {
    (void)state;
    assert_int_equal(brgpu_core_ring_offset(0, 4), 0);
    assert_int_equal(brgpu_core_ring_offset(17, 4), 64);
    assert_int_equal(brgpu_core_ring_room(0, 0, 4), 16);
    assert_int_equal(brgpu_core_ring_room(16, 0, 4), 0);
    assert_int_equal(brgpu_core_ring_room(20, 10, 4), 6);
    /* A read index that makes no sense gives no room. */
    assert_int_equal(brgpu_core_ring_room(17, 0, 4), 0);
    assert_int_equal(brgpu_core_ring_room(0, 1, 4), 0);
    assert_int_equal(brgpu_core_ring_room(5, UINT64_MAX, 4), 10);
}

static void test_wait_met(void **state) {
    (void)state;
    assert_true(brgpu_core_wait_met(BRGPU_WAIT_EQ, 0x105, 0x205, 0xff));
    assert_false(brgpu_core_wait_met(BRGPU_WAIT_EQ, 0x105, 0x205, 0xfff));
    assert_true(brgpu_core_wait_met(BRGPU_WAIT_NE, 1, 2, UINT64_MAX));
    assert_true(brgpu_core_wait_met(BRGPU_WAIT_GE, UINT64_MAX, 1, UINT64_MAX)); /* unsigned */
    assert_true(brgpu_core_wait_met(BRGPU_WAIT_GE, 5, 5, UINT64_MAX));
    assert_false(brgpu_core_wait_met(BRGPU_WAIT_LT, 5, 5, UINT64_MAX));
    assert_true(brgpu_core_wait_met(BRGPU_WAIT_LT, 4, 5, UINT64_MAX));
    assert_false(brgpu_core_wait_met(4, 4, 4, UINT64_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ident),    cmocka_unit_test(test_event),
        cmocka_unit_test(test_packet),   cmocka_unit_test(test_ring),
        cmocka_unit_test(test_wait_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
