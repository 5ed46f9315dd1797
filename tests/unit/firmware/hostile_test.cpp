// SPDX-License-Identifier: MIT
//
// Firmware that nobody should have signed: whatever it does, the emulator stays bounded, and the
// driver is told.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_host.hpp"

namespace brgpu::test {
namespace {

constexpr std::uint32_t wfi = 0x10500073;
constexpr std::uint32_t jump_to_self = 0x0000006f;

TEST(Hostile, a_loop_without_end_meets_the_watchdog) {
    FakeCard card;
    ASSERT_EQ(card.boot(image_of({jump_to_self})), BRGPU_BOOT_STATE_RUNNING);
    for (int step = 0; step < 300; ++step) {
        card.host.now += 10'000'000;
        card.ctl.run_until(card.host.now, 1000);
    }
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_CRASHED);
    EXPECT_EQ(card.crash_record().cause, BRGPU_FW_CAUSE_WATCHDOG);
    EXPECT_EQ(card.crash_record().pc, BRGPU_CTL_SRAM);
    EXPECT_STREQ(card.crash_record().text, "watchdog");
    EXPECT_NE(card.host.notification(BRGPU_FW_NOTIFY_CRASH), nullptr);
}

TEST(Hostile, sleep_without_end_meets_the_watchdog) {
    FakeCard card;
    ASSERT_EQ(card.boot(image_of({wfi, jump_to_self})), BRGPU_BOOT_STATE_RUNNING);
    const std::uint64_t wake = card.ctl.run_until(UINT64_MAX, 1000);
    EXPECT_EQ(wake, card.host.now + BRGPU_CTL_WATCHDOG_START_MS * 1'000'000ull);
    card.advance_ms(BRGPU_CTL_WATCHDOG_START_MS + 1);
    EXPECT_EQ(card.crash_record().cause, BRGPU_FW_CAUSE_WATCHDOG);
}

TEST(Hostile, a_trap_without_a_handler) {
    FakeCard card;
    EXPECT_EQ(card.boot(image_of({0xffffffff})), BRGPU_BOOT_STATE_CRASHED);
    const brgpu_fw_crash crash = card.crash_record();
    EXPECT_EQ(crash.cause, BRGPU_FW_CAUSE_DOUBLE);
    EXPECT_EQ(crash.tval, 0xffffffffu);
    EXPECT_EQ(crash.registers[2], BRGPU_CTL_SRAM + BRGPU_CTL_SRAM_BYTES);
}

TEST(Hostile, a_handler_that_traps_itself) {
    FakeCard card;
    // auipc t0, 0; csrw mtvec, t0 (its own start); .word 0
    EXPECT_EQ(card.boot(image_of({0x00000297, 0x30529073, 0x00000000})), BRGPU_BOOT_STATE_CRASHED);
    EXPECT_EQ(card.crash_record().cause, BRGPU_FW_CAUSE_DOUBLE);
}

TEST(Hostile, ending_without_a_record_is_a_panic) {
    FakeCard card;
    // lui t0, 0x30000; li t1, 1; sw t1, 0x20(t0)
    EXPECT_EQ(card.boot(image_of({0x300002b7, 0x00100313, 0x0262a023})), BRGPU_BOOT_STATE_CRASHED);
    EXPECT_EQ(card.crash_record().cause, BRGPU_FW_CAUSE_PANIC);
}

TEST(Hostile, random_images_stay_bounded) {
    std::mt19937 random(20260101);
    for (int round = 0; round < 400; ++round) {
        std::vector<std::uint32_t> code(random() % 256 + 1);
        for (std::uint32_t &word : code)
            word = static_cast<std::uint32_t>(random());
        // Most random words trap at once: let a part of them be loads and stores around a base in
        // the peripherals, with an open trap vector to go on from.
        const auto peripheral = static_cast<std::uint32_t>(0x30000437 + (random() % 6 << 12));
        code.insert(code.begin(), {0x00000297, 0x30529073, peripheral});
        for (std::size_t i = 3; i < code.size(); i += 2)
            code[i] = (code[i] & 0xfff07f80u) | 8u << 15 | (i % 4 == 3 ? 0x23u : 0x03u);
        FakeCard card;
        card.boot(image_of(code));
        for (int step = 0; step < 20; ++step) {
            card.host.now += 100'000'000;
            card.ctl.run_until(card.host.now, 2'000);
            card.set(BRGPU_REG_MBOX_REQ_WRITE, static_cast<std::uint32_t>(random()));
        }
        const std::uint32_t state = card.reg(BRGPU_REG_BOOT_STATE);
        EXPECT_TRUE(state == BRGPU_BOOT_STATE_RUNNING || state == BRGPU_BOOT_STATE_CRASHED ||
                    state == BRGPU_BOOT_STATE_HALTED)
            << state;
        card.ctl.reset();
        EXPECT_EQ(card.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
    }
}

TEST(Hostile, a_driver_that_writes_anything_anywhere) {
    std::mt19937 random(7);
    FakeCard card;
    ASSERT_EQ(card.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
    for (int round = 0; round < 20'000; ++round) {
        std::uint32_t offset =
            random() % 2 == 0 ? 0x5000 + random() % 0x50 : BRGPU_SHARED_BASE + random() % 0x900;
        if ((offset & ~3u) == BRGPU_REG_BOOT_COMMAND)
            continue;
        offset &= ~3u;
        card.set(offset, random() % 4 == 0 ? random() : random() % 64);
        if (round % 8 == 0) {
            card.host.now += random() % 1'000'000;
            card.ctl.run_until(UINT64_MAX, 100'000);
        }
    }
    card.settle();
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_RUNNING);
    const std::uint32_t beats = card.reg(BRGPU_REG_HEARTBEAT);
    card.advance_ms(1000);
    EXPECT_GT(card.reg(BRGPU_REG_HEARTBEAT), beats);
}

} // namespace
} // namespace brgpu::test
