// SPDX-License-Identifier: MIT
#include "card_fixture.hpp"

namespace brgpu::test {
namespace {

// A queue that writes system memory for ever: a CALL whose packets copy, in a loop of signals.
void keep_busy(TestCard &card, TestQueue &queue, uint64_t target) {
    Packet endless = copy(0, system(target), 4096);
    endless.copy.rows = endless.copy.slices = 0xffffffff;
    queue.push(endless);
    queue.ring();
    EXPECT_TRUE(
        eventually([&] { return queue.reg(BRGPU_QUEUE_BUSY_NS) || card.host.load(target); }));
}

TEST(Reset, NothingOfTheTimeBeforeLeavesTheCard) {
    for (int kind : {BRGPU_MODEL_RESET_FUNCTION, BRGPU_MODEL_RESET_DEVICE}) {
        TestCard card;
        TestQueue queue(card, {});
        uint64_t target = card.host.allocate(4096);
        std::memset(card.vram(0), 0x55, 4096);
        keep_busy(card, queue, target);
        uint64_t base = card.host.allocate(4096);
        card.enable_ring(BRGPU_EVENT_CLASS_COMPLETION, 4, base, 1);
        brgpu_model_reset(card.model, kind);
        std::memset(card.host.ram(target), 0, 4096);
        uint64_t accesses = card.host.accesses.load();
        uint32_t raised = card.host.raised[1].load();
        EXPECT_EQ(queue.state(), BRGPU_QUEUE_STATE_UNMAPPED);
        EXPECT_EQ(queue.reg(BRGPU_QUEUE_DESC), 0u);
        EXPECT_EQ(card.read32(BRGPU_REG_EVENT(3) + BRGPU_EVENT_ENABLE), 0u);
        EXPECT_EQ(card.read32(BRGPU_REG_STATUS), 0u);
        EXPECT_EQ(card.read32(BRGPU_REG_GENERATION), 1u);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_EQ(card.host.load(target), 0u);
        EXPECT_EQ(card.host.accesses.load(), accesses);
        EXPECT_EQ(card.host.raised[1].load(), raised);
        EXPECT_EQ(card.vram64(0), kind == BRGPU_MODEL_RESET_FUNCTION ? 0 : 0x5555555555555555u);
        // And it works again.
        card.boot();
        TestQueue again(card, {});
        again.run({signal(system(target), 8)});
        EXPECT_EQ(card.host.load(target), 8u);
    }
}

TEST(Reset, DeviceResetByRegisterKeepsScratch) {
    TestCard card;
    card.write64(BRGPU_REG_SCRATCH, 77);
    card.write32(BRGPU_REG_RESET, BRGPU_RESET_DEVICE); // without the key: ignored
    EXPECT_EQ(card.read32(BRGPU_REG_GENERATION), 0u);
    TestQueue queue(card, {});
    uint64_t target = card.host.allocate(4096);
    keep_busy(card, queue, target);
    for (int i = 0; i < 3; i++)
        card.write32(BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_DEVICE);
    EXPECT_TRUE(
        eventually([&] { return !(card.read32(BRGPU_REG_STATUS) & BRGPU_STATUS_RESETTING); }));
    EXPECT_EQ(card.read32(BRGPU_REG_GENERATION), 3u);
    EXPECT_EQ(card.read64(BRGPU_REG_SCRATCH), 77u);
    brgpu_model_reset(card.model, BRGPU_MODEL_RESET_FUNCTION);
    EXPECT_EQ(card.read64(BRGPU_REG_SCRATCH), 0u);
    card.boot();
}

TEST(Reset, EngineResetKillsQueuesAndKeepsTheRest) {
    TestCard card;
    TestQueue busy(card, {.slot = 1}), idle(card, {.slot = 2}), waiting(card, {.slot = 3});
    uint64_t target = card.host.allocate(4096);
    keep_busy(card, busy, target);
    waiting.push(wait(system(target + 8), 1, BRGPU_WAIT_EQ));
    waiting.ring();
    PageTables tables(card, 9);
    card.write32(BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_ENGINE);
    EXPECT_TRUE(
        eventually([&] { return !(card.read32(BRGPU_REG_STATUS) & BRGPU_STATUS_RESETTING); }));
    for (TestQueue *queue : {&busy, &idle, &waiting}) {
        EXPECT_EQ(queue->state(), BRGPU_QUEUE_STATE_ERROR);
        EXPECT_EQ(queue->error(), BRGPU_QUEUE_ERROR_RESET);
    }
    EXPECT_TRUE(card.read32(BRGPU_REG_STATUS) & BRGPU_STATUS_READY) << "the firmware stays";
    EXPECT_NE(card.read64(BRGPU_REG_VM_CONTEXT(9)), 0u);
    idle.finish(BRGPU_QUEUE_CMD_MAP);
    idle.run({nop()});
}

TEST(Pause, BringsAllToRestAndGoesOn) {
    TestCard card;
    TestQueue queue(card, {}), waiting(card, {.slot = 2});
    uint64_t target = card.host.allocate(8192);
    keep_busy(card, queue, target);
    waiting.push(wait(system(target + 4096), 1));
    waiting.ring();
    EXPECT_FALSE(brgpu_model_is_paused(card.model));
    brgpu_model_pause(card.model);
    brgpu_model_pause(card.model);
    EXPECT_TRUE(eventually([&] { return brgpu_model_is_paused(card.model); }));
    uint64_t busy = queue.reg(BRGPU_QUEUE_BUSY_NS);
    queue.command(BRGPU_QUEUE_CMD_KILL);
    brgpu_model_resume(card.model);
    card.host.store(target + 4096, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_BUSY_NS), busy);
    EXPECT_EQ(waiting.reg(BRGPU_QUEUE_READ_INDEX), 0u);
    brgpu_model_resume(card.model);
    EXPECT_TRUE(waiting.wait_read(1));
    EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
}

TEST(Pause, AResetWhilePausedWorks) {
    TestCard card;
    TestQueue queue(card, {});
    keep_busy(card, queue, card.host.allocate(4096));
    brgpu_model_pause(card.model);
    brgpu_model_reset(card.model, BRGPU_MODEL_RESET_FUNCTION);
    EXPECT_TRUE(eventually([&] { return brgpu_model_is_paused(card.model); }));
    brgpu_model_resume(card.model);
    card.boot();
    TestQueue again(card, {});
    again.run({nop()});
}

TEST(Destroy, UnderLoad) {
    for (int i = 0; i < 5; i++) {
        TestCard card;
        std::vector<std::unique_ptr<TestQueue>> queues;
        for (uint16_t slot = 0; slot < 8; slot++) {
            queues.push_back(std::make_unique<TestQueue>(card, TestQueue::Setup{.slot = slot}));
            keep_busy(card, *queues.back(), card.host.allocate(4096));
        }
    }
}

TEST(Cards, LiveSideBySide) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) {
        threads.emplace_back([i] {
            TestCard card({.product = i == 1 ? "br110" : "br106"});
            TestQueue queue(card, {});
            uint64_t value = card.host.allocate(64);
            for (int n = 0; n < 200; n++)
                queue.run({signal(system(value), 1, BRGPU_SIGNAL_ADD)});
            EXPECT_EQ(card.host.load(value), 200u);
        });
    }
    for (std::thread &thread : threads)
        thread.join();
}

TEST(Reset, ManyThreadsAtOnce) {
    TestCard card;
    std::atomic<bool> stop{false};
    TestQueue queue(card, {});
    uint64_t target = card.host.allocate(4096);
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
        while (!stop) {
            brgpu_model_dma_invalidate(card.model, FakeHost::ram_base, 1 << 20);
            std::this_thread::yield();
        }
    });
    threads.emplace_back([&] {
        while (!stop) {
            card.write32(BRGPU_REG_TLB_COMMAND, BRGPU_TLB_ALL);
            brgpu_model_doorbell(card.model, queue.slot * 8u, 0, 4);
            card.read64(BRGPU_REG_QUEUE(queue.slot) + BRGPU_QUEUE_READ_INDEX);
            std::this_thread::yield();
        }
    });
    for (int i = 0; i < 10; i++) {
        Packet endless = copy(0, system(target), 4096);
        endless.copy.rows = endless.copy.slices = 0xffffffff;
        queue.push(endless);
        queue.ring();
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        brgpu_model_reset(card.model, i % 2);
        card.boot();
        card.host.store(queue.write_index, 0);
        card.host.store(queue.read_index, 0);
        queue.written = 0;
        card.write64(BRGPU_REG_QUEUE(queue.slot) + BRGPU_QUEUE_DESC, system(queue.desc_address));
        EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_MAP) & BRGPU_QUEUE_STATE_MASK,
                  BRGPU_QUEUE_STATE_IDLE);
    }
    stop = true;
    for (std::thread &thread : threads)
        thread.join();
}

} // namespace
} // namespace brgpu::test
