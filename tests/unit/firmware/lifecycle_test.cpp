// SPDX-License-Identifier: MIT
//
// The firmware's life beside its mailbox: heartbeat, heat, halt, crash, watchdog, resets, threads.
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_host.hpp"

namespace brgpu::test {
namespace {

using controller::Fault;

class Lifecycle : public testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(card_.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING); }
    FakeCard card_;
};

TEST_F(Lifecycle, heartbeat_counts_every_100_ms_and_costs_little) {
    EXPECT_EQ(card_.reg(BRGPU_REG_HEARTBEAT_MS),
              BRGPU_FW_HEARTBEAT_DEFAULT_MS * BRGPU_FW_HEARTBEAT_MISSED);
    const std::uint32_t before = card_.reg(BRGPU_REG_HEARTBEAT);
    const std::uint64_t instructions = card_.ctl.instructions();
    card_.advance_ms(10'000);
    EXPECT_EQ(card_.reg(BRGPU_REG_HEARTBEAT) - before, 100u);
    EXPECT_LT(card_.ctl.instructions() - instructions, 500'000u);
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_RUNNING);
}

TEST_F(Lifecycle, an_idle_controller_asks_for_nothing_until_the_next_beat) {
    const std::uint64_t instructions = card_.ctl.instructions();
    const std::uint64_t wake = card_.ctl.run_until(UINT64_MAX);
    EXPECT_EQ(card_.ctl.instructions(), instructions);
    EXPECT_LE(wake, card_.host.now + 100'000'000);
    EXPECT_GT(wake, card_.host.now);
}

TEST_F(Lifecycle, long_stops_of_the_machine_are_no_crash) {
    card_.host.now += 3'600'000'000'000;
    card_.settle();
    card_.advance_ms(300);
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_RUNNING);
}

TEST_F(Lifecycle, stopped_heartbeat_and_frozen_hart) {
    card_.ctl.set_fault(Fault::stop_heartbeat, 1);
    std::uint32_t before = card_.reg(BRGPU_REG_HEARTBEAT);
    card_.advance_ms(2000);
    EXPECT_EQ(card_.reg(BRGPU_REG_HEARTBEAT), before);
    card_.ctl.set_fault(Fault::stop_heartbeat, 0);
    card_.advance_ms(200);
    EXPECT_GT(card_.reg(BRGPU_REG_HEARTBEAT), before);

    card_.ctl.set_fault(Fault::freeze, 1);
    before = card_.reg(BRGPU_REG_HEARTBEAT);
    card_.set(BRGPU_REG_MBOX_REQ_WRITE, 1);
    card_.advance_ms(60'000);
    EXPECT_EQ(card_.reg(BRGPU_REG_HEARTBEAT), before);
    EXPECT_EQ(card_.reg(BRGPU_REG_MBOX_REQ_READ), 0u);
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_RUNNING);
    card_.ctl.set_fault(Fault::freeze, 0);
    card_.advance_ms(200);
    EXPECT_GT(card_.reg(BRGPU_REG_HEARTBEAT), before);
    EXPECT_EQ(card_.reg(BRGPU_REG_MBOX_REQ_READ), 1u);
}

TEST_F(Lifecycle, halt_by_the_driver) {
    card_.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_HALT);
    card_.settle();
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_HALTED);
    EXPECT_EQ(card_.ctl.status(), 0u);
    EXPECT_EQ(card_.host.events.back().info, BRGPU_BOOT_STATE_HALTED);
    EXPECT_EQ(card_.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
}

TEST_F(Lifecycle, halt_of_frozen_firmware_is_forced) {
    card_.ctl.set_fault(Fault::freeze, 1);
    card_.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_HALT);
    card_.advance_ms(BRGPU_CTL_HALT_MS + 1);
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_HALTED);
}

TEST_F(Lifecycle, crash_leaves_a_record_and_the_log) {
    card_.advance_ms(350);
    card_.ctl.crash();
    card_.settle();
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_CRASHED);
    ASSERT_EQ(card_.reg(BRGPU_REG_CRASH_VALID), 1u);
    const brgpu_fw_crash crash = card_.crash_record();
    EXPECT_EQ(crash.magic, BRGPU_FW_CRASH_MAGIC);
    EXPECT_EQ(crash.bytes, sizeof crash);
    EXPECT_EQ(crash.cause, 2u);
    EXPECT_EQ(crash.fw_version, BRGPU_FW_VERSION_MAKE(1, 0, 0));
    EXPECT_EQ(crash.heartbeat, 3u);
    EXPECT_EQ(crash.uptime_ns, 350'000'000u);
    EXPECT_GE(crash.pc, BRGPU_CTL_SRAM);
    EXPECT_LT(crash.pc, BRGPU_CTL_SRAM + 0x4000);
    EXPECT_GT(crash.registers[2], BRGPU_CTL_SRAM + BRGPU_CTL_SRAM_BYTES - 0x1000);
    EXPECT_LE(crash.registers[2], BRGPU_CTL_SRAM + BRGPU_CTL_SRAM_BYTES);
    EXPECT_NE(crash.build_id[0], '\0');
    const PostedEvent *event = card_.host.notification(BRGPU_FW_NOTIFY_CRASH);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->data0, crash.pc);
    EXPECT_THAT(card_.log_text(), testing::HasSubstr(" E crash: cause 00000002"));
    // Work goes on: the engines do not need the firmware.
    EXPECT_EQ(card_.ctl.status() & BRGPU_STATUS_READY, BRGPU_STATUS_READY);

    card_.ctl.reset();
    EXPECT_EQ(card_.ctl.status(), 0u);
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_OFF);
    EXPECT_EQ(card_.reg(BRGPU_REG_CRASH_VALID), 1u);
    EXPECT_THAT(card_.log_text(), testing::HasSubstr("crash"));
    ASSERT_EQ(card_.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
    EXPECT_EQ(card_.reg(BRGPU_REG_CRASH_VALID), 0u);
    EXPECT_EQ(card_.crash_record().magic, 0u);
    card_.ctl.function_reset();
    EXPECT_EQ(card_.log_text(), "");
}

TEST_F(Lifecycle, log_lines_have_time_level_and_text) {
    EXPECT_THAT(card_.log_text(),
                testing::StartsWith("1.000000 I brgpu firmware 1.0.0 for 0000b106 on 1 dies\n"));
}

TEST_F(Lifecycle, heat_throttles_then_stops_the_engines) {
    card_.ctl.set_temperature(0, 96'000);
    card_.settle();
    card_.advance_ms(200);
    EXPECT_EQ(card_.ctl.status(), BRGPU_STATUS_READY | BRGPU_STATUS_THROTTLED);
    const PostedEvent *event = card_.host.notification(BRGPU_FW_NOTIFY_THERMAL);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->data0, 96'000u);
    event = card_.host.notification(BRGPU_FW_NOTIFY_THROTTLE);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->data0, BRGPU_FW_THROTTLE_THERMAL);

    card_.ctl.set_temperature(0, 92'000); // not yet cool enough to end it
    card_.advance_ms(200);
    EXPECT_EQ(card_.ctl.status(), BRGPU_STATUS_READY | BRGPU_STATUS_THROTTLED);
    card_.ctl.set_temperature(0, std::nullopt);
    card_.advance_ms(200);
    EXPECT_EQ(card_.ctl.status(), BRGPU_STATUS_READY);

    const unsigned changes = card_.host.status_changes;
    card_.ctl.set_temperature(0, 115'000);
    card_.advance_ms(100);
    EXPECT_EQ(card_.ctl.status(), BRGPU_STATUS_THROTTLED);
    EXPECT_GT(card_.host.status_changes, changes);
    card_.ctl.set_temperature(0, std::nullopt);
    card_.advance_ms(1000);
    EXPECT_EQ(card_.ctl.status(), BRGPU_STATUS_THROTTLED) << "a trip is for good";
    card_.ctl.reset();
    ASSERT_EQ(card_.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
    EXPECT_EQ(card_.ctl.status(), BRGPU_STATUS_READY);
}

TEST_F(Lifecycle, wrong_version_reaches_driver_and_firmware_alike) {
    card_.ctl.set_fault(Fault::wrong_version, 1);
    card_.ctl.reset();
    ASSERT_EQ(card_.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
    EXPECT_EQ(card_.reg(BRGPU_REG_FW_VERSION), BRGPU_FW_VERSION_MAKE(255, 255, 65535));
    EXPECT_THAT(card_.log_text(), testing::HasSubstr("firmware 255.255.65535"));
}

TEST_F(Lifecycle, a_paused_controller_stands_still) {
    card_.ctl.pause();
    const std::uint64_t instructions = card_.ctl.instructions();
    card_.set(BRGPU_REG_MBOX_REQ_WRITE, 1);
    card_.advance_ms(5000);
    EXPECT_EQ(card_.ctl.instructions(), instructions);
    card_.ctl.drain();
    card_.ctl.resume();
    card_.advance_ms(1);
    EXPECT_EQ(card_.reg(BRGPU_REG_MBOX_REQ_READ), 1u);
    EXPECT_EQ(card_.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_RUNNING);
}

/// Real time, a real thread.
class WallClockHost : public FakeHost {
  public:
    std::uint64_t now_ns() override {
        return static_cast<std::uint64_t>(
            std::chrono::steady_clock::now().time_since_epoch().count());
    }
    void thread_begin() override { ++threads; }
    void thread_end() override { --threads; }
    std::atomic<int> threads{0};
};

TEST(ControllerThread, boots_beats_and_survives_resets_from_outside) {
    WallClockHost host;
    host.image = built_image("br106");
    {
        controller::Controller ctl(FakeCard::config(), host);
        ctl.start_thread();
        const auto wait_for = [&](auto condition) {
            for (int i = 0; i < 5000 && !condition(); ++i)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return condition();
        };
        const auto start = [&] {
            ctl.write(BRGPU_REG_FW_ADDRESS, host.image_address, 8);
            ctl.write(BRGPU_REG_FW_BYTES, host.image.size(), 4);
            ctl.write(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START, 4);
        };
        start();
        ASSERT_TRUE(wait_for([&] { return ctl.status() == BRGPU_STATUS_READY; }));
        ASSERT_TRUE(wait_for([&] { return ctl.read(BRGPU_REG_HEARTBEAT, 4) >= 2u; }));
        for (int round = 0; round < 200; ++round) {
            ctl.reset();
            EXPECT_EQ(ctl.status(), 0u);
            start();
            if (round % 3 == 0)
                std::this_thread::sleep_for(std::chrono::microseconds(round * 20));
            if (round % 7 == 0) {
                ctl.pause();
                ctl.drain();
                ctl.resume();
            }
        }
        ASSERT_TRUE(wait_for([&] { return ctl.status() == BRGPU_STATUS_READY; }));
    }
    EXPECT_EQ(host.threads, 0);
}

} // namespace
} // namespace brgpu::test
