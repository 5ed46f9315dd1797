// SPDX-License-Identifier: MIT
//
// A driver's conversation with the real firmware, through the same framing code as brgpu.ko.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <brgpu_core_fw.h>
#include <brgpu_core_mbox.h>

#include "fake_host.hpp"

namespace brgpu::test {
namespace {

class Mailbox : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(card_.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
        ASSERT_EQ(brgpu_core_mbox_open(&mbox_, 0x51e55104), 0);
    }

    void put(const brgpu_mbox_message &message) {
        std::uint32_t words[16];
        std::memcpy(words, &message, sizeof words);
        for (unsigned i = 0; i < 16; ++i)
            card_.set(brgpu_core_mbox_request_offset(req_write_) + 4 * i, words[i]);
        ++req_write_;
    }
    void ring() { card_.set(BRGPU_REG_MBOX_REQ_WRITE, req_write_); }

    /// Takes one response, if there is one.
    bool take(brgpu_mbox_message &message) {
        if (brgpu_core_mbox_used(card_.reg(BRGPU_REG_MBOX_RSP_WRITE), rsp_read_) <= 0)
            return false;
        std::uint32_t words[16];
        for (unsigned i = 0; i < 16; ++i)
            words[i] = card_.reg(brgpu_core_mbox_response_offset(rsp_read_) + 4 * i);
        std::memcpy(&message, words, sizeof message);
        card_.set(BRGPU_REG_MBOX_RSP_READ, ++rsp_read_);
        return true;
    }

    std::uint16_t send(std::uint16_t type, const void *payload, std::size_t bytes) {
        brgpu_mbox_message message;
        const int handle = brgpu_core_mbox_request(&mbox_, &message, type, payload, bytes);
        EXPECT_GE(handle, 0);
        put(message);
        ring();
        return static_cast<std::uint16_t>(handle);
    }

    /// Sends and waits; the response's payload in `out`. Returns its status.
    template <class Out>
    std::uint16_t call(std::uint16_t type, const void *payload, std::size_t bytes, Out &out) {
        const unsigned sent = send(type, payload, bytes);
        card_.settle();
        brgpu_mbox_message message;
        if (!take(message)) {
            ADD_FAILURE() << "no response to type " << type;
            return 0xffff;
        }
        unsigned handle = 99;
        const char *why = nullptr;
        EXPECT_EQ(brgpu_core_mbox_match(&mbox_, &message, &handle, &why), 0) << why;
        EXPECT_EQ(handle, sent);
        brgpu_core_mbox_payload(&message, &out, sizeof out);
        return message.status;
    }
    std::uint16_t status_of(std::uint16_t type, const void *payload = nullptr,
                            std::size_t bytes = 0) {
        brgpu_mbox_power ignored;
        return call(type, payload, bytes, ignored);
    }
    template <class In>
    std::uint16_t status_of(std::uint16_t type, const In &in) {
        return status_of(type, &in, sizeof in);
    }

    std::uint16_t hello(std::uint32_t min = BRGPU_MBOX_VERSION(1, 0),
                        std::uint32_t max = BRGPU_MBOX_VERSION(1, 0xffff)) {
        const brgpu_mbox_hello_request in{min, max, 1'700'000'000'000'000'000};
        return call(BRGPU_MBOX_HELLO, &in, sizeof in, hello_);
    }

    FakeCard card_;
    brgpu_core_mbox mbox_{};
    std::uint32_t req_write_ = 0;
    std::uint32_t rsp_read_ = 0;
    brgpu_mbox_hello_response hello_{};
};

TEST_F(Mailbox, hello_agrees_on_the_highest_common_version) {
    EXPECT_EQ(hello(BRGPU_MBOX_VERSION(0, 5), BRGPU_MBOX_VERSION(7, 3)), BRGPU_MBOX_OK);
    EXPECT_EQ(hello_.version, BRGPU_MBOX_VERSION(1, 0));
    EXPECT_EQ(hello_.fw_version, BRGPU_FW_VERSION_MAKE(1, 0, 0));
    EXPECT_THAT(card_.log_text(), testing::HasSubstr("hello: mailbox 1.0, host time 1700000000 s"));
}

TEST_F(Mailbox, hello_without_a_common_version_says_the_range) {
    EXPECT_EQ(hello(BRGPU_MBOX_VERSION(2, 0), BRGPU_MBOX_VERSION(3, 0)),
              BRGPU_MBOX_VERSION_MISMATCH);
    EXPECT_EQ(hello_.version, 0u);
    EXPECT_EQ(hello_.version_max, BRGPU_MBOX_VERSION(1, 0));
    EXPECT_EQ(hello(BRGPU_MBOX_VERSION(2, 0), BRGPU_MBOX_VERSION(1, 0)), BRGPU_MBOX_RANGE);
    EXPECT_EQ(status_of(BRGPU_MBOX_GET_POWER), BRGPU_MBOX_NO_SESSION);
}

TEST_F(Mailbox, without_a_session_only_the_basics_are_served) {
    brgpu_mbox_version_response version;
    EXPECT_EQ(call(BRGPU_MBOX_GET_VERSION, nullptr, 0, version), BRGPU_MBOX_OK);
    EXPECT_EQ(version.mailbox_version, 0u);
    EXPECT_EQ(version.rollback, 1u);
    EXPECT_EQ(std::string(version.build_id).size(), 16u);
    for (std::uint16_t type = BRGPU_MBOX_GET_CAPABILITIES; type <= BRGPU_MBOX_RESET_PREPARE; ++type)
        EXPECT_EQ(status_of(type), BRGPU_MBOX_NO_SESSION) << type;
}

TEST_F(Mailbox, ping_comes_back_as_it_was) {
    std::uint8_t sent[BRGPU_MBOX_PAYLOAD_BYTES];
    for (unsigned i = 0; i < sizeof sent; ++i)
        sent[i] = static_cast<std::uint8_t>(i * 7 + 1);
    std::uint8_t got[sizeof sent];
    EXPECT_EQ(call(BRGPU_MBOX_PING, sent, sizeof sent, got), BRGPU_MBOX_OK);
    EXPECT_EQ(std::memcmp(sent, got, sizeof sent), 0);
    EXPECT_EQ(call(BRGPU_MBOX_PING, sent, 5, got), BRGPU_MBOX_OK);
    EXPECT_EQ(got[4], sent[4]);
    EXPECT_EQ(got[5], 0);
}

TEST_F(Mailbox, capabilities_and_sensors) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    brgpu_mbox_capabilities_response caps;
    ASSERT_EQ(call(BRGPU_MBOX_GET_CAPABILITIES, nullptr, 0, caps), BRGPU_MBOX_OK);
    EXPECT_EQ(caps.dies, 1u);
    EXPECT_EQ(caps.core_mhz_max, 1600u);
    EXPECT_EQ(caps.heartbeat_min_ms, 10u);
    EXPECT_EQ(caps.features & BRGPU_FW_FEATURE_SENSORS, BRGPU_FW_FEATURE_SENSORS);

    card_.advance_ms(1000);
    const brgpu_mbox_sensors_request die{0};
    brgpu_mbox_sensors_response idle;
    ASSERT_EQ(call(BRGPU_MBOX_GET_SENSORS, &die, sizeof die, idle), BRGPU_MBOX_OK);
    EXPECT_EQ(idle.power_mw, 45'000u);
    EXPECT_EQ(idle.core_mhz, caps.core_mhz_min);
    EXPECT_EQ(idle.busy_permille, 0u);
    // 45 W over the second since the start, less what the last period has not yet counted.
    EXPECT_NEAR(static_cast<double>(idle.energy_uj), 45e6, 5e6);

    for (int step = 0; step < 300; ++step) {
        card_.host.busy += 100'000'000;
        card_.advance_ms(100);
    }
    brgpu_mbox_sensors_response busy;
    ASSERT_EQ(call(BRGPU_MBOX_GET_SENSORS, &die, sizeof die, busy), BRGPU_MBOX_OK);
    EXPECT_GT(busy.busy_permille, 950u);
    EXPECT_EQ(busy.core_mhz, caps.core_mhz_max);
    EXPECT_GT(busy.power_mw, 290'000u);
    EXPECT_GT(busy.core_millidegrees, idle.core_millidegrees + 30'000);
    EXPECT_LT(busy.core_millidegrees, static_cast<std::int32_t>(caps.throttle_millidegrees));
    EXPECT_EQ(busy.throttle, 0u);

    EXPECT_EQ(status_of(BRGPU_MBOX_GET_SENSORS, brgpu_mbox_sensors_request{1}), BRGPU_MBOX_RANGE);
}

TEST_F(Mailbox, power_settings_are_checked_and_hold) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    brgpu_mbox_power power{};
    power.set = BRGPU_FW_SET_STATE | BRGPU_FW_SET_CORE_MHZ;
    power.state = BRGPU_FW_POWER_HIGH;
    power.core_mhz_min = 500;
    power.core_mhz_max = 900;
    brgpu_mbox_power now;
    ASSERT_EQ(call(BRGPU_MBOX_SET_POWER, &power, sizeof power, now), BRGPU_MBOX_OK);
    EXPECT_EQ(now.core_mhz, 900u);
    EXPECT_EQ(now.power_limit_mw, 300'000u);
    power.set = BRGPU_FW_SET_STATE;
    power.state = BRGPU_FW_POWER_LOW;
    ASSERT_EQ(call(BRGPU_MBOX_SET_POWER, &power, sizeof power, now), BRGPU_MBOX_OK);
    EXPECT_EQ(now.core_mhz, 500u);

    brgpu_mbox_power bad = power;
    bad.set = 0x80;
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, bad), BRGPU_MBOX_RANGE);
    bad = power;
    bad.state = 3;
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, bad), BRGPU_MBOX_RANGE);
    bad = power;
    bad.set = BRGPU_FW_SET_CORE_MHZ;
    bad.core_mhz_min = 901;
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, bad), BRGPU_MBOX_RANGE);
    bad.core_mhz_min = 1;
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, bad), BRGPU_MBOX_RANGE);
    bad.set = BRGPU_FW_SET_POWER_LIMIT;
    bad.power_limit_mw = 1;
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, bad), BRGPU_MBOX_RANGE);
    ASSERT_EQ(call(BRGPU_MBOX_GET_POWER, nullptr, 0, now), BRGPU_MBOX_OK);
    EXPECT_EQ(now.state, std::uint32_t{BRGPU_FW_POWER_LOW});
    EXPECT_EQ(now.core_mhz_max, 900u);
}

TEST_F(Mailbox, power_limit_throttles) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    brgpu_mbox_power power{};
    power.set = BRGPU_FW_SET_POWER_LIMIT;
    power.power_limit_mw = 150'000;
    ASSERT_EQ(status_of(BRGPU_MBOX_SET_POWER, power), BRGPU_MBOX_OK);
    for (int step = 0; step < 50; ++step) {
        card_.host.busy += 100'000'000;
        card_.advance_ms(100);
    }
    brgpu_mbox_power now;
    ASSERT_EQ(call(BRGPU_MBOX_GET_POWER, nullptr, 0, now), BRGPU_MBOX_OK);
    EXPECT_LT(now.core_mhz, 1200u);
    EXPECT_NE(card_.host.notification(BRGPU_FW_NOTIFY_THROTTLE), nullptr);
}

TEST_F(Mailbox, bad_pages_are_kept_sorted_once_and_over_resets) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    brgpu_mbox_retire_page_response retired;
    for (const std::uint64_t page : {9u, 3u, 7u, 3u, 1u, 8u, 2u}) {
        const brgpu_mbox_retire_page_request in{page << 12 | 0x123};
        ASSERT_EQ(call(BRGPU_MBOX_RETIRE_PAGE, &in, sizeof in, retired), BRGPU_MBOX_OK);
    }
    EXPECT_EQ(retired.total, 6u);
    EXPECT_EQ(retired.added, 1u);
    EXPECT_EQ(
        status_of(BRGPU_MBOX_RETIRE_PAGE, brgpu_mbox_retire_page_request{std::uint64_t{1} << 30}),
        BRGPU_MBOX_RANGE);

    card_.ctl.function_reset();
    ASSERT_EQ(card_.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
    req_write_ = rsp_read_ = 0;
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    std::vector<std::uint64_t> pages;
    brgpu_mbox_bad_pages_response part;
    do {
        const brgpu_mbox_bad_pages_request in{static_cast<std::uint32_t>(pages.size())};
        ASSERT_EQ(call(BRGPU_MBOX_GET_BAD_PAGES, &in, sizeof in, part), BRGPU_MBOX_OK);
        pages.insert(pages.end(), part.address, part.address + part.count);
    } while (part.count != 0);
    EXPECT_THAT(pages, testing::ElementsAre(0x1000, 0x2000, 0x3000, 0x7000, 0x8000, 0x9000));

    for (std::uint64_t page = 100; page < 100 + BRGPU_CTL_BAD_PAGES_MAX - 6; ++page)
        ASSERT_EQ(status_of(BRGPU_MBOX_RETIRE_PAGE, brgpu_mbox_retire_page_request{page << 12}),
                  BRGPU_MBOX_OK);
    EXPECT_EQ(status_of(BRGPU_MBOX_RETIRE_PAGE, brgpu_mbox_retire_page_request{0x500000}),
              BRGPU_MBOX_FULL);
}

TEST_F(Mailbox, memory_errors_are_counted_once_and_retire_their_page) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    card_.ctl.ecc_error(0x1234, 0);
    card_.ctl.ecc_error(0x765432, 1);
    card_.settle();
    brgpu_mbox_ras_response ras;
    ASSERT_EQ(call(BRGPU_MBOX_GET_RAS, nullptr, 0, ras), BRGPU_MBOX_OK);
    EXPECT_EQ(ras.corrected, 1u);
    EXPECT_EQ(ras.uncorrected, 1u);
    EXPECT_EQ(ras.last_address, 0x765432u);
    EXPECT_EQ(ras.bad_pages, 1u);
    EXPECT_EQ(ras.lost, 0u);
    const PostedEvent *page = card_.host.notification(BRGPU_FW_NOTIFY_BAD_PAGE);
    ASSERT_NE(page, nullptr);
    EXPECT_EQ(page->data0, 0x765000u);

    for (unsigned i = 0; i < BRGPU_CTL_ECC_DEPTH + 3; ++i)
        card_.ctl.ecc_error(i, 0);
    card_.settle();
    ASSERT_EQ(call(BRGPU_MBOX_GET_RAS, nullptr, 0, ras), BRGPU_MBOX_OK);
    EXPECT_EQ(ras.corrected, 1u + BRGPU_CTL_ECC_DEPTH);
    EXPECT_EQ(ras.lost, 3u);
}

TEST_F(Mailbox, malformed_and_unknown_requests) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    EXPECT_EQ(status_of(0), BRGPU_MBOX_UNSUPPORTED);
    EXPECT_EQ(status_of(0x7777), BRGPU_MBOX_UNSUPPORTED);
    EXPECT_EQ(status_of(BRGPU_MBOX_GET_SENSORS), BRGPU_MBOX_MALFORMED);
    brgpu_mbox_message message{};
    message.type = BRGPU_MBOX_PING;
    message.length = BRGPU_MBOX_PAYLOAD_BYTES + 1;
    message.sequence = 77;
    put(message);
    message.length = 0;
    message.flags = 2;
    put(message);
    ring();
    card_.settle();
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(take(message));
        EXPECT_EQ(message.status, BRGPU_MBOX_MALFORMED);
        EXPECT_EQ(message.sequence, 77u);
        EXPECT_EQ(message.length, 0);
    }
    const struct {
        brgpu_mbox_sensors_request known;
        std::uint32_t newer;
    } longer{{0}, 0xffffffff};
    EXPECT_EQ(status_of(BRGPU_MBOX_GET_SENSORS, longer), BRGPU_MBOX_OK);
}

TEST_F(Mailbox, sixteen_at_once_and_a_full_response_ring) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    const std::size_t events = card_.host.count(BRGPU_EVENT_FW_RESPONSE);
    for (std::uint32_t i = 0; i < 2 * BRGPU_MBOX_SLOTS; ++i) {
        brgpu_mbox_message message{};
        message.type = BRGPU_MBOX_PING;
        message.sequence = 1000 + i;
        put(message);
        if (i == BRGPU_MBOX_SLOTS - 1) {
            ring();
            card_.settle();
            EXPECT_EQ(card_.host.count(BRGPU_EVENT_FW_RESPONSE), events + 1);
        }
    }
    ring();
    card_.settle();
    // No room for more answers: the second sixteen wait in their ring.
    EXPECT_EQ(card_.reg(BRGPU_REG_MBOX_REQ_READ), req_write_ - BRGPU_MBOX_SLOTS);
    brgpu_mbox_message message;
    for (std::uint32_t i = 0; i < 2 * BRGPU_MBOX_SLOTS; ++i) {
        ASSERT_TRUE(take(message)) << i;
        EXPECT_EQ(message.sequence, 1000 + i);
        card_.settle();
    }
    EXPECT_FALSE(take(message));
}

TEST_F(Mailbox, indices_out_of_range_start_afresh) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    req_write_ += 1000;
    ring();
    card_.settle();
    EXPECT_EQ(card_.reg(BRGPU_REG_MBOX_REQ_READ), req_write_);
    const PostedEvent *event = card_.host.notification(BRGPU_FW_NOTIFY_MBOX_RESYNC);
    ASSERT_NE(event, nullptr);
    EXPECT_EQ(event->data0, 0u);
    rsp_read_ -= 500;
    card_.set(BRGPU_REG_MBOX_RSP_READ, rsp_read_);
    card_.settle();
    EXPECT_EQ(card_.reg(BRGPU_REG_MBOX_RSP_WRITE), rsp_read_);
    brgpu_mbox_ras_response ras;
    ASSERT_EQ(call(BRGPU_MBOX_GET_RAS, nullptr, 0, ras), BRGPU_MBOX_OK);
    EXPECT_EQ(ras.mbox_resyncs, 2u);
}

TEST_F(Mailbox, a_new_driver_takes_over_from_one_that_died_in_mid_message) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    brgpu_core_mbox old = mbox_;
    send(BRGPU_MBOX_GET_POWER, nullptr, 0); // its answer is never read
    card_.settle();

    ASSERT_EQ(brgpu_core_mbox_open(&mbox_, 0x2), 0);
    req_write_ = card_.reg(BRGPU_REG_MBOX_REQ_WRITE);
    rsp_read_ = card_.reg(BRGPU_REG_MBOX_RSP_WRITE);
    card_.set(BRGPU_REG_MBOX_RSP_READ, rsp_read_);
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    EXPECT_EQ(status_of(BRGPU_MBOX_GET_POWER), BRGPU_MBOX_OK);

    std::swap(old, mbox_);
    EXPECT_EQ(status_of(BRGPU_MBOX_GET_POWER), BRGPU_MBOX_STALE);
}

TEST_F(Mailbox, an_announced_reset_holds_changes_until_it_came) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    const brgpu_mbox_power power{};
    EXPECT_EQ(status_of(BRGPU_MBOX_RESET_PREPARE, brgpu_mbox_reset_prepare_request{3}),
              BRGPU_MBOX_RANGE);
    const brgpu_mbox_reset_prepare_request prepare{BRGPU_RESET_ENGINE};
    ASSERT_EQ(status_of(BRGPU_MBOX_RESET_PREPARE, prepare), BRGPU_MBOX_OK);
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, power), BRGPU_MBOX_BUSY);
    EXPECT_EQ(status_of(BRGPU_MBOX_RETIRE_PAGE, brgpu_mbox_retire_page_request{0}),
              BRGPU_MBOX_BUSY);
    EXPECT_EQ(status_of(BRGPU_MBOX_GET_POWER), BRGPU_MBOX_OK);
    card_.ctl.engine_reset_done();
    card_.settle();
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, power), BRGPU_MBOX_OK);

    ASSERT_EQ(status_of(BRGPU_MBOX_RESET_PREPARE, prepare), BRGPU_MBOX_OK);
    card_.advance_ms(BRGPU_FW_RESET_PREPARE_MS + 1);
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_POWER, power), BRGPU_MBOX_OK);
}

TEST_F(Mailbox, log_level) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    brgpu_mbox_log_level before;
    const brgpu_mbox_log_level debug{BRGPU_FW_LOG_DEBUG};
    ASSERT_EQ(call(BRGPU_MBOX_SET_LOG_LEVEL, &debug, sizeof debug, before), BRGPU_MBOX_OK);
    EXPECT_EQ(before.level, std::uint32_t{BRGPU_FW_LOG_INFO});
    EXPECT_EQ(status_of(BRGPU_MBOX_SET_LOG_LEVEL, brgpu_mbox_log_level{4}), BRGPU_MBOX_RANGE);
    EXPECT_EQ(status_of(999), BRGPU_MBOX_UNSUPPORTED);
    EXPECT_THAT(card_.log_text(), testing::HasSubstr(" D unknown request type 999\n"));
}

TEST_F(Mailbox, lost_doubled_and_late_replies) {
    ASSERT_EQ(hello(), BRGPU_MBOX_OK);
    brgpu_mbox_message message;
    unsigned handle = 0;
    const char *why = nullptr;

    card_.ctl.set_fault(controller::Fault::drop_reply, 1);
    handle = send(BRGPU_MBOX_PING, nullptr, 0);
    card_.settle();
    EXPECT_FALSE(take(message));
    brgpu_core_mbox_abandon(&mbox_, handle);
    EXPECT_EQ(status_of(BRGPU_MBOX_PING), BRGPU_MBOX_OK);

    card_.ctl.set_fault(controller::Fault::duplicate_reply, 1);
    EXPECT_EQ(status_of(BRGPU_MBOX_PING), BRGPU_MBOX_OK);
    ASSERT_TRUE(take(message));
    EXPECT_EQ(brgpu_core_mbox_match(&mbox_, &message, &handle, &why), -ENOENT);
    EXPECT_EQ(mbox_.dropped, 1u);

    card_.ctl.set_fault(controller::Fault::reorder_reply, 1);
    const unsigned first = send(BRGPU_MBOX_PING, nullptr, 0);
    const unsigned second = send(BRGPU_MBOX_PING, nullptr, 0);
    card_.settle();
    for (const unsigned expected : {second, first}) {
        ASSERT_TRUE(take(message));
        ASSERT_EQ(brgpu_core_mbox_match(&mbox_, &message, &handle, &why), 0);
        EXPECT_EQ(handle, expected);
    }
    card_.ctl.set_fault(controller::Fault::reorder_reply, 1);
    send(BRGPU_MBOX_PING, nullptr, 0);
    card_.settle();
    EXPECT_FALSE(take(message));
    card_.advance_ms(60);
    EXPECT_TRUE(take(message));
}

} // namespace
} // namespace brgpu::test
