// SPDX-License-Identifier: MIT
#include "card_fixture.hpp"

namespace brgpu::test {
namespace {

constexpr uint64_t block = BRGPU_REG_EVENT(BRGPU_EVENT_CLASS_COMPLETION);

class Events : public testing::Test {
  protected:
    Events() : queue(card, {}), base(card.host.allocate(4096)), mark(card.host.allocate(64)) {
        card.enable_ring(BRGPU_EVENT_CLASS_COMPLETION, 4, base, 3);
    }
    void consume(uint32_t count) { card.write32(block + BRGPU_EVENT_CONSUMER, count); }
    uint32_t producer() { return card.read32(block + BRGPU_EVENT_PRODUCER); }
    bool produced(uint32_t count) {
        return eventually([&] { return producer() == count; });
    }

    TestCard card;
    TestQueue queue;
    uint64_t base, mark;
};

TEST_F(Events, SignalIsAnnouncedAfterItsValue) {
    queue.run({signal(system(mark), 42, BRGPU_SIGNAL_STORE, 1)});
    ASSERT_TRUE(produced(1));
    EXPECT_TRUE(eventually([&] { return card.host.raised[3].load() == 1; }));
    brgpu_event_record record = card.record(base, 0);
    EXPECT_EQ(record.type, BRGPU_EVENT_SIGNAL);
    EXPECT_EQ(record.phase, 1);
    EXPECT_EQ(record.queue, queue.slot);
    EXPECT_EQ(record.data0, 42u);
    EXPECT_NE(record.timestamp, 0u);
    EXPECT_EQ(card.read32(BRGPU_REG_EVENT_PENDING), 1u << BRGPU_EVENT_CLASS_COMPLETION);
    consume(1);
    EXPECT_EQ(card.read32(BRGPU_REG_EVENT_PENDING), 0u);
}

TEST_F(Events, UserEventsOfAQueueAreMergedAndNoneIsForgotten) {
    std::vector<Packet> flood(50, event(7));
    queue.run(flood);
    ASSERT_TRUE(produced(1));
    EXPECT_EQ(card.record(base, 0).data1, 1u);
    consume(1);
    ASSERT_TRUE(produced(2)) << "the merged ones come with the next record";
    EXPECT_EQ(card.record(base, 1).data1, 49u);
    EXPECT_EQ(card.record(base, 1).data0, 7u);
    consume(2);
    queue.run({event(8)});
    ASSERT_TRUE(produced(3));
    EXPECT_EQ(card.record(base, 2).data1, 1u);
}

TEST_F(Events, PhaseTurnsWithEachPass) {
    for (uint32_t i = 0; i < 40; i++) {
        queue.run({signal(system(mark), i, BRGPU_SIGNAL_STORE, 1)});
        ASSERT_TRUE(produced(i + 1));
        EXPECT_EQ(card.record(base, i % 16).phase, i / 16 % 2 ? 0 : 1) << i;
        consume(i + 1);
    }
}

TEST_F(Events, AFullRingLosesAndSaysSo) {
    // QUEUE_STATE records are not merged.
    for (int i = 0; i < 20; i++)
        queue.finish(BRGPU_QUEUE_CMD_RESUME); // of no effect, and yet a command
    EXPECT_TRUE(eventually([&] { return card.read32(block + BRGPU_EVENT_LOST) == 4; }));
    EXPECT_EQ(producer(), 16u);
    EXPECT_EQ(card.read32(block + BRGPU_EVENT_STATUS), BRGPU_EVENT_STATUS_OVERFLOW);
    EXPECT_EQ(card.record(base, 0).phase, 1) << "not overwritten";
    card.write32(block + BRGPU_EVENT_STATUS, BRGPU_EVENT_STATUS_OVERFLOW);
    EXPECT_EQ(card.read32(block + BRGPU_EVENT_STATUS), 0u);
    consume(16);
    queue.run({signal(system(mark), 1, BRGPU_SIGNAL_STORE, 1)});
    EXPECT_TRUE(produced(17));
}

TEST_F(Events, OneInterruptForABurst) {
    for (int i = 0; i < 5; i++)
        queue.finish(BRGPU_QUEUE_CMD_RESUME);
    ASSERT_TRUE(produced(5));
    EXPECT_EQ(card.host.raised[3].load(), 1u) << "disarmed after the first";
    consume(4); // one was left: raised at once
    EXPECT_TRUE(eventually([&] { return card.host.raised[3].load() == 2; }));
    consume(5);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(card.host.raised[3].load(), 2u);
    queue.finish(BRGPU_QUEUE_CMD_RESUME);
    EXPECT_TRUE(eventually([&] { return card.host.raised[3].load() == 3; }));
}

TEST_F(Events, ALostInterruptCostsOneLook) {
    card.set("fault-lost-interrupt", "1");
    queue.finish(BRGPU_QUEUE_CMD_RESUME);
    ASSERT_TRUE(produced(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(card.host.raised[3].load(), 0u);
    EXPECT_EQ(card.get("fault-lost-interrupt"), "0");
    consume(1);
    queue.finish(BRGPU_QUEUE_CMD_RESUME);
    EXPECT_TRUE(eventually([&] { return card.host.raised[3].load() == 1; }));
}

TEST_F(Events, RingsThatAreNoMemoryAreReported) {
    card.enable_ring(BRGPU_EVENT_CLASS_COMPLETION, 4, 0x7000'0000, 3);
    queue.run({event(1)});
    EXPECT_TRUE(eventually(
        [&] { return card.read32(block + BRGPU_EVENT_STATUS) == BRGPU_EVENT_STATUS_DMA_ERROR; }));
    // By bus, where that answers.
    card.enable_ring(BRGPU_EVENT_CLASS_COMPLETION, 4, FakeHost::bus_base, 3);
    queue.run({event(1)});
    ASSERT_TRUE(produced(1));
    EXPECT_EQ(card.host.bus[0], std::byte{BRGPU_EVENT_USER});
}

TEST_F(Events, NonsenseSizesDoNotEnable) {
    card.write32(block + BRGPU_EVENT_ENABLE, 0);
    for (uint32_t size : {0u, 3u, 17u, 31u, 0xffffffffu}) {
        card.write32(block + BRGPU_EVENT_SIZE, size);
        card.write32(block + BRGPU_EVENT_ENABLE, 1);
        EXPECT_EQ(card.read32(block + BRGPU_EVENT_ENABLE), 0u) << size;
    }
    card.write32(block + BRGPU_EVENT_SIZE, 16);
    card.write32(block + BRGPU_EVENT_ENABLE, 1);
    EXPECT_EQ(card.read32(block + BRGPU_EVENT_ENABLE), 1u);
}

TEST_F(Events, ErrorsOfQueuesComeInTheirOwnRing) {
    uint64_t faults = card.host.allocate(4096);
    card.enable_ring(BRGPU_EVENT_CLASS_FAULT, 4, faults, 1);
    queue.push(signal(uint64_t{1} << 45, 1));
    queue.ring();
    EXPECT_TRUE(eventually([&] { return card.record(faults, 1).phase == 1; }));
    EXPECT_EQ(card.record(faults, 0).type, BRGPU_EVENT_FAULT);
    EXPECT_EQ(card.record(faults, 0).data0, uint64_t{1} << 45);
    EXPECT_EQ(card.record(faults, 0).info, queue.reg32(BRGPU_QUEUE_FAULT_INFO));
    EXPECT_EQ(card.record(faults, 1).type, BRGPU_EVENT_QUEUE_ERROR);
    EXPECT_EQ(card.record(faults, 1).info, unsigned{BRGPU_QUEUE_ERROR_MMU});
    EXPECT_EQ(card.record(faults, 1).data0, system(queue.ring_address));
}

} // namespace
} // namespace brgpu::test
