// SPDX-License-Identifier: MIT
#include <set>

#include "card_fixture.hpp"

namespace brgpu::test {
namespace {

TEST(Properties, AreNamedOnceAndExplained) {
    TestCard card({.boot = false});
    std::set<std::string> names;
    const char *help = nullptr;
    int writable = -1;
    for (unsigned i = 0; const char *name = brgpu_model_property_name(i, &help, &writable); i++) {
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_GT(std::strlen(help), 5u) << name;
        char why[128] = "";
        EXPECT_GE(brgpu_model_property_get(card.model, name, nullptr, 0), 0) << name;
        if (!writable) {
            EXPECT_EQ(brgpu_model_property_set(card.model, name, "1", why, sizeof(why)), -1);
            EXPECT_STREQ(why, "it can only be read");
        }
    }
    EXPECT_GT(names.size(), 20u);
    char why[128] = "";
    EXPECT_EQ(brgpu_model_property_set(card.model, "fault-nonsense", "1", why, sizeof(why)), -1);
    EXPECT_EQ(brgpu_model_property_get(card.model, "fault-nonsense", why, sizeof(why)), -1);
    for (auto [name, value] : {std::pair{"fault-hang-kernel", "many"},
                               {"fault-hang-kernel", "-1"},
                               {"fault-hang-kernel", "99999999999"},
                               {"fault-page", "vm="},
                               {"fault-page", "x=1"},
                               {"fault-stall-queue", "queue=5000"},
                               {"fault-slow-dma", "2000000"},
                               {"fault-ecc-corrected", "0xffffffffffffffff"},
                               {"fault-temperature", "hot"}}) {
        EXPECT_EQ(brgpu_model_property_set(card.model, name, value, why, sizeof(why)), -1)
            << name << " " << value;
        EXPECT_STRNE(why, "");
    }
}

TEST(Faults, AHungKernelIsKilledAndTheNextOneRuns) {
    TestCard card;
    PageTables tables(card, 3);
    tables.map_range_vram(0x1000, 0x1000, 0x4000);
    load_kernel(card, 0x1000, make_kernel({rv::ret}));
    TestQueue queue(card, {.vm = 3});
    card.set("fault-hang-kernel", "1");
    queue.push(dispatch(0x1000, 0x2000, 64, 64));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_RUNNING));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(queue.state(), BRGPU_QUEUE_STATE_RUNNING);
    TestQueue other(card, {.slot = 2, .vm = 3});
    other.run({dispatch(0x1000, 0x2000, 64, 64)});
    queue.finish(BRGPU_QUEUE_CMD_KILL);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_KILLED);
}

TEST(Faults, APageFaultOnDemand) {
    TestCard card;
    PageTables tables(card, 3);
    tables.map_range_vram(0x10000, 0x10000, 0x4000);
    uint64_t buffer = card.host.allocate(4096);
    tables.map_system(0x1000, buffer);
    Packet packet = signal(0x11008, 1);
    std::memcpy(card.host.ram(buffer), &packet, sizeof(packet));
    TestQueue queue(card, {.vm = 3});
    queue.run({call(0x1000, 1)});
    card.set("fault-page", "vm=3,address=0x11000");
    queue.push(call(0x1000, 1));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
    EXPECT_EQ(queue.fault_reason(), BRGPU_FAULT_NOT_MAPPED);
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_FAULT_ADDRESS), 0x11008u);
    EXPECT_EQ(card.get("fault-page"), "0");
}

TEST(Faults, EccErrorsAreCountedOnce) {
    TestCard card;
    uint64_t errors = card.host.allocate(4096);
    card.enable_ring(BRGPU_EVENT_CLASS_ERROR, 4, errors, 0);
    TestQueue queue(card, {});
    card.set("fault-ecc-corrected", "0x300010");
    queue.run({copy(0x300000, 0x400000, 64), copy(0x300000, 0x400000, 64)});
    EXPECT_EQ(card.read64(BRGPU_REG_ECC_CORRECTED), 1u);
    EXPECT_EQ(card.record(errors, 0).type, BRGPU_EVENT_ECC);
    EXPECT_EQ(card.record(errors, 0).data0, 0x300000u);
    card.set("fault-ecc-uncorrected", "0x300010");
    queue.push(copy(0x300000, 0x400000, 64));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_ECC);
    EXPECT_EQ(queue.fault_reason(), BRGPU_FAULT_POISON);
    EXPECT_EQ(card.read64(BRGPU_REG_ECC_UNCORRECTED), 1u);
    // New data repairs it.
    queue.desc().start_index = queue.written;
    queue.finish(BRGPU_QUEUE_CMD_MAP);
    queue.run({fill(0x300000, 4096, 4, 0), copy(0x300000, 0x400000, 64)});
    EXPECT_EQ(card.read64(BRGPU_REG_ECC_UNCORRECTED), 1u);
}

TEST(Faults, ACardThatIsGoneReadsAllOnes) {
    TestCard card;
    card.set("fault-all-ones", "2");
    EXPECT_EQ(card.read32(BRGPU_REG_MAGIC), 0xffffffffu);
    EXPECT_EQ(card.read64(BRGPU_REG_SERIAL), ~uint64_t{0});
    EXPECT_EQ(card.read32(BRGPU_REG_MAGIC), BRGPU_MAGIC);
    TestQueue queue(card, {});
    uint64_t mark = card.host.allocate(64);
    card.set("fault-all-ones", "on");
    queue.push(signal(system(mark), 1));
    queue.ring();
    EXPECT_EQ(card.read32(BRGPU_REG_MAGIC), 0xffffffffu);
    EXPECT_EQ(brgpu_model_mmio_read(card.model, 0x12345, 1), 0xffu);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(card.host.load(mark), 0u) << "no DMA either";
    card.set("fault-all-ones", "off");
    queue.ring();
    EXPECT_TRUE(queue.wait_read(1));
}

TEST(Faults, StalledQueuesAndWrongIndices) {
    TestCard card;
    TestQueue queue(card, {}), other(card, {.slot = 2});
    card.set("fault-stall-queue", "queue=1");
    EXPECT_EQ(card.get("fault-stall-queue"), "1");
    queue.push(nop());
    queue.ring();
    other.run({nop()});
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_READ_INDEX), 0u);
    card.set("fault-stall-queue", "queue=1,on=0");
    EXPECT_TRUE(queue.wait_read(1));
    card.set("fault-read-index", "1");
    other.push(nop());
    other.ring();
    EXPECT_TRUE(eventually([&] { return card.host.load(other.read_index) > 1000; }));
    EXPECT_EQ(other.reg(BRGPU_QUEUE_READ_INDEX), 2u) << "the register tells the truth";
}

TEST(Faults, FirmwareStops) {
    TestCard card;
    auto beats = [&](int ms) {
        uint32_t before = card.read32(BRGPU_REG_HEARTBEAT);
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        return card.read32(BRGPU_REG_HEARTBEAT) != before;
    };
    int period = static_cast<int>(card.read32(BRGPU_REG_HEARTBEAT_MS));
    ASSERT_GT(period, 0);
    EXPECT_TRUE(eventually([&] { return beats(period); }));
    card.set("fault-heartbeat", "on");
    EXPECT_FALSE(beats(2 * period + 20));
    EXPECT_EQ(card.get("fault-heartbeat"), "on");
    card.set("fault-heartbeat", "off");
    EXPECT_TRUE(eventually([&] { return beats(period); }));
    card.set("fault-firmware-crash", "1");
    EXPECT_TRUE(
        eventually([&] { return card.read32(BRGPU_REG_BOOT_STATE) == BRGPU_BOOT_STATE_CRASHED; }));
}

TEST(Faults, SlowDmaIsSlow) {
    TestCard card;
    TestQueue queue(card, {});
    uint64_t value = 1;
    card.set("fault-slow-dma", "5000");
    auto begin = std::chrono::steady_clock::now();
    queue.run({write(system(FakeHost::bus_base), &value, 8)});
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(5));
    begin = std::chrono::steady_clock::now();
    queue.run({copy(0, system(card.host.allocate(1 << 20)), 1 << 20)});
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(40));
}

TEST(Power, AnIdleCardCostsNothing) {
    TestCard card;
    TestQueue queue(card, {});
    queue.run({nop()});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t ns = (after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec;
    EXPECT_LT(ns, 30'000'000) << "of 300 ms";
}

bool resetting(TestCard &card) {
    return card.read32(BRGPU_REG_STATUS) & BRGPU_STATUS_RESETTING;
}

// What the driver's ladder climbs: each command or reset can be made to fail, and the next helps.
TEST(Faults, CommandsAndResetsThatFail) {
    TestCard card;
    TestQueue queue(card, {});
    card.set("fault-kill", "1");
    queue.command(BRGPU_QUEUE_CMD_KILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(queue.reg32(BRGPU_QUEUE_STATUS) & BRGPU_QUEUE_BUSY);
    EXPECT_EQ(card.get("fault-kill"), "0");

    card.set("fault-engine-reset", "1");
    card.write32(BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_ENGINE);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(resetting(card));
    EXPECT_TRUE(queue.reg32(BRGPU_QUEUE_STATUS) & BRGPU_QUEUE_BUSY);

    card.set("fault-device-reset", "1");
    card.write32(BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_DEVICE);
    EXPECT_TRUE(eventually([&] { return !resetting(card); }));
    EXPECT_TRUE(card.read32(BRGPU_REG_STATUS) & BRGPU_STATUS_FAILED);

    card.set("fault-function-reset", "1");
    brgpu_model_reset(card.model, BRGPU_MODEL_RESET_FUNCTION);
    EXPECT_TRUE(card.read32(BRGPU_REG_STATUS) & BRGPU_STATUS_FAILED);
    brgpu_model_reset(card.model, BRGPU_MODEL_RESET_FUNCTION);
    EXPECT_EQ(card.read32(BRGPU_REG_STATUS), 0u);
    card.boot();
    TestQueue again(card, {});
    uint64_t target = card.host.allocate(4096);
    again.run({signal(system(target), 8)});
    EXPECT_EQ(card.host.load(target), 8u);
}

TEST(Faults, AFrozenFirmwareThatAResetCures) {
    TestCard card;
    card.set("fault-firmware-freeze", "1");
    uint32_t before = 0;
    EXPECT_TRUE(eventually([&] {
        uint32_t last = std::exchange(before, card.read32(BRGPU_REG_HEARTBEAT));
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        return last == card.read32(BRGPU_REG_HEARTBEAT);
    }));
    card.write32(BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_DEVICE);
    EXPECT_TRUE(eventually([&] { return !resetting(card); }));
    card.boot();
    EXPECT_TRUE(eventually([&] { return card.read32(BRGPU_REG_HEARTBEAT) > 1; }));
}

} // namespace
} // namespace brgpu::test
