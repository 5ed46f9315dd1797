// SPDX-License-Identifier: MIT
//
// The boot ROM: every refusal by its number, the order of the checks, and what is left afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <brgpu-fwtool/image.hpp>

#include "fake_host.hpp"

namespace brgpu::test {
namespace {

struct Refusal {
    const char *name;
    std::uint32_t error;
    std::function<std::vector<std::byte>(std::vector<std::byte>)> make;
};

Refusal header_refusal(const char *name, std::uint32_t error,
                       std::function<void(brgpu_fw_header &)> change) {
    return {name, error,
            [change](std::vector<std::byte> image) { return resigned(std::move(image), change); }};
}

const std::vector<Refusal> refusals = {
    {"empty", BRGPU_BOOT_TRUNCATED, [](auto) { return std::vector<std::byte>{}; }},
    {"half_a_header", BRGPU_BOOT_TRUNCATED,
     [](auto image) {
         image.resize(128);
         return image;
     }},
    {"cut_payload", BRGPU_BOOT_TRUNCATED,
     [](auto image) {
         image.pop_back();
         return image;
     }},
    header_refusal("magic", BRGPU_BOOT_MAGIC, [](auto &h) { h.magic ^= 1; }),
    header_refusal("header_version", BRGPU_BOOT_HEADER_VERSION,
                   [](auto &h) { h.header_version = 2; }),
    header_refusal("header_bytes", BRGPU_BOOT_HEADER_VERSION,
                   [](auto &h) { h.header_bytes = 128; }),
    header_refusal("flags", BRGPU_BOOT_RESERVED, [](auto &h) { h.flags = 1; }),
    header_refusal("reserved", BRGPU_BOOT_RESERVED, [](auto &h) { h.reserved[31] = 1; }),
    header_refusal("build_id", BRGPU_BOOT_RESERVED, [](auto &h) { h.build_id[0] = '\n'; }),
    header_refusal("build_id_after_zero", BRGPU_BOOT_RESERVED,
                   [](auto &h) { h.build_id[31] = 'x'; }),
    header_refusal("product", BRGPU_BOOT_PRODUCT,
                   [](auto &h) { h.products[0] = BRGPU_PRODUCT_BR110; }),
    header_refusal("contract_too_new", BRGPU_BOOT_CONTRACT,
                   [](auto &h) { h.contract_major_min = h.contract_major_max = 2; }),
    header_refusal("contract_too_old", BRGPU_BOOT_CONTRACT,
                   [](auto &h) { h.contract_major_min = h.contract_major_max = 0; }),
    header_refusal("mailbox_empty", BRGPU_BOOT_MAILBOX, [](auto &h) { h.mailbox_min = 0x20000; }),
    header_refusal("mailbox_zero", BRGPU_BOOT_MAILBOX, [](auto &h) { h.mailbox_min = 0; }),
    header_refusal("below_sram", BRGPU_BOOT_BOUNDS, [](auto &h) { h.load_address -= 16; }),
    header_refusal("wrap", BRGPU_BOOT_BOUNDS, [](auto &h) { h.bss_bytes = 0xfffffffc; }),
    header_refusal("payload_beyond_sram", BRGPU_BOOT_BOUNDS,
                   [](auto &h) { h.payload_bytes = BRGPU_CTL_SRAM_BYTES + 4; }),
    header_refusal("misaligned", BRGPU_BOOT_BOUNDS, [](auto &h) { h.load_address += 4; }),
    header_refusal("entry_outside", BRGPU_BOOT_BOUNDS,
                   [](auto &h) { h.entry = h.load_address + h.payload_bytes; }),
    header_refusal("odd_entry", BRGPU_BOOT_BOUNDS, [](auto &h) { h.entry += 1; }),
    header_refusal("no_payload", BRGPU_BOOT_BOUNDS, [](auto &h) { h.payload_bytes = 0; }),
    header_refusal("key", BRGPU_BOOT_KEY, [](auto &h) { h.key_id[7] ^= 1; }),
    {"signature", BRGPU_BOOT_SIGNATURE,
     [](auto image) {
         image[offsetof(brgpu_fw_header, signature)] ^= std::byte{1};
         return image;
     }},
    {"unsigned_change", BRGPU_BOOT_SIGNATURE,
     [](auto image) {
         image[offsetof(brgpu_fw_header, fw_version)] ^= std::byte{1};
         return image;
     }},
    {"payload", BRGPU_BOOT_HASH,
     [](auto image) {
         image.back() ^= std::byte{0x80};
         return image;
     }},
};

class BootRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(BootRefusal, says_why_and_lets_the_driver_try_again) {
    FakeCard card;
    const std::vector<std::byte> good = built_image("br106");
    EXPECT_EQ(card.boot(GetParam().make(good)), BRGPU_BOOT_STATE_REFUSED);
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), GetParam().error);
    EXPECT_EQ(card.reg(BRGPU_REG_FW_VERSION), 0u);
    EXPECT_EQ(card.ctl.status(), 0u);
    EXPECT_EQ(card.ctl.instructions(), 0u);
    ASSERT_EQ(card.host.lines.size(), 1u);
    EXPECT_THAT(card.host.lines[0], testing::HasSubstr("refused"));
    ASSERT_EQ(card.host.count(BRGPU_EVENT_FW_STATE), 1u);
    EXPECT_EQ(card.host.events[0].info, BRGPU_BOOT_STATE_REFUSED);

    EXPECT_EQ(card.boot(good), BRGPU_BOOT_STATE_RUNNING);
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_OK});
}

INSTANTIATE_TEST_SUITE_P(All, BootRefusal, testing::ValuesIn(refusals),
                         [](const auto &test) { return std::string(test.param.name); });

TEST(Boot, every_product_runs_its_image) {
    for (const auto &[name, product] :
         {std::pair{"br106", BRGPU_PRODUCT_BR106}, std::pair{"br110", BRGPU_PRODUCT_BR110},
          std::pair{"br166", BRGPU_PRODUCT_BR166}}) {
        FakeCard card(FakeCard::config(static_cast<std::uint16_t>(product)));
        EXPECT_EQ(card.boot(built_image(name)), BRGPU_BOOT_STATE_RUNNING) << name;
        EXPECT_EQ(card.ctl.status() & BRGPU_STATUS_READY, BRGPU_STATUS_READY) << name;
        EXPECT_EQ(card.reg(BRGPU_REG_FW_VERSION), BRGPU_FW_VERSION_MAKE(1, 0, 0)) << name;
        EXPECT_NE(card.host.notification(BRGPU_FW_NOTIFY_STARTED), nullptr) << name;
    }
}

TEST(Boot, memory_that_does_not_answer) {
    FakeCard card;
    card.host.image = built_image("br106");
    card.ctl.write(BRGPU_REG_FW_ADDRESS, card.host.image_address + 0x1000000, 8);
    card.set(BRGPU_REG_FW_BYTES, 4096);
    card.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
    card.settle();
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_UNREADABLE});

    card.ctl.write(BRGPU_REG_FW_ADDRESS, card.host.image_address + 4, 8);
    card.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
    card.settle();
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_UNREADABLE});

    // A header, then nothing although FW_BYTES promises more.
    std::vector<std::byte> image = built_image("br106");
    const auto bytes = static_cast<std::uint32_t>(image.size());
    image.resize(image.size() - 512);
    card.host.image = image;
    card.ctl.write(BRGPU_REG_FW_ADDRESS, card.host.image_address, 8);
    card.set(BRGPU_REG_FW_BYTES, bytes);
    card.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
    card.settle();
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_UNREADABLE});

    // An address so high that the image would wrap.
    card.ctl.write(BRGPU_REG_FW_ADDRESS, ~std::uint64_t{0} - 63, 8);
    card.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
    card.settle();
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_UNREADABLE});
}

TEST(Boot, another_fused_key) {
    controller::Config config = FakeCard::config();
    config.fused_key[0] ^= 1;
    FakeCard card(config);
    EXPECT_EQ(card.boot(built_image("br106")), BRGPU_BOOT_STATE_REFUSED);
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_KEY});
}

TEST(Boot, development_key_is_the_one_in_the_tree) {
    EXPECT_EQ(fwtool::public_key(fwtool::read_key(BRGPU_DEVELOPMENT_KEY)),
              controller::development_key);
}

TEST(Boot, rollback_counter_only_rises) {
    FakeCard card;
    const auto with_counter = [](std::uint32_t value) {
        return resigned(built_image("br106"), [value](auto &h) { h.rollback = value; });
    };
    EXPECT_EQ(card.boot(with_counter(5)), BRGPU_BOOT_STATE_RUNNING);
    EXPECT_EQ(card.reg(BRGPU_REG_FW_ROLLBACK), 5u);
    card.ctl.function_reset();
    EXPECT_EQ(card.reg(BRGPU_REG_FW_ROLLBACK), 5u);
    EXPECT_EQ(card.boot(with_counter(4)), BRGPU_BOOT_STATE_REFUSED);
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_ROLLBACK});
    EXPECT_EQ(card.boot(with_counter(5)), BRGPU_BOOT_STATE_RUNNING);
}

TEST(Boot, a_corrupt_transfer_is_found) {
    FakeCard card;
    card.ctl.set_fault(controller::Fault::corrupt_image, 1);
    EXPECT_EQ(card.boot(built_image("br106")), BRGPU_BOOT_STATE_REFUSED);
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_ERROR), std::uint32_t{BRGPU_BOOT_HASH});
}

TEST(Boot, start_while_running_is_ignored) {
    FakeCard card;
    ASSERT_EQ(card.boot(built_image("br106")), BRGPU_BOOT_STATE_RUNNING);
    const unsigned reads = card.host.reads;
    card.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
    card.settle();
    EXPECT_EQ(card.host.reads, reads);
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_RUNNING);
}

TEST(Boot, bytes_behind_the_image_do_not_matter) {
    FakeCard card;
    std::vector<std::byte> image = built_image("br106");
    image.resize(image.size() + 4096);
    EXPECT_EQ(card.boot(image), BRGPU_BOOT_STATE_RUNNING);
}

TEST(Registers, unknown_and_misshapen_accesses_are_told) {
    FakeCard card;
    EXPECT_FALSE(card.ctl.read(0x5048, 4).has_value());
    EXPECT_FALSE(card.ctl.write(0x5ffc, 1, 4));
    EXPECT_FALSE(card.ctl.read(BRGPU_REG_BOOT_STATE + 2, 4).has_value());
    EXPECT_FALSE(card.ctl.read(BRGPU_REG_BOOT_STATE, 2).has_value());
    EXPECT_FALSE(card.ctl.read(0x4000, 4).has_value());
    EXPECT_TRUE(card.ctl.write(BRGPU_REG_BOOT_STATE, 7, 4)); // read-only: ignored
    EXPECT_EQ(card.reg(BRGPU_REG_BOOT_STATE), BRGPU_BOOT_STATE_OFF);
    EXPECT_TRUE(card.ctl.write(BRGPU_SHARED_BASE + 8, 0x1122334455667788, 8));
    EXPECT_EQ(card.ctl.read(BRGPU_SHARED_BASE + 8, 8), 0x1122334455667788u);
    EXPECT_EQ(card.reg(BRGPU_SHARED_BASE + 12), 0x11223344u);
}

} // namespace
} // namespace brgpu::test
