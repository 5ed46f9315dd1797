// SPDX-License-Identifier: MIT
#include "card_fixture.hpp"

#include "registers.hpp"

namespace brgpu::test {
namespace {

TEST(Registers, IdentityTellsEverything) {
    TestCard card({.product = "br166", .vram = 128 << 20, .boot = false});
    EXPECT_EQ(card.read32(BRGPU_REG_MAGIC), BRGPU_MAGIC);
    EXPECT_EQ(card.read32(BRGPU_REG_CONTRACT) >> 16, unsigned{BRGPU_CONTRACT_MAJOR});
    EXPECT_EQ(card.read32(BRGPU_REG_PRODUCT), unsigned{BRGPU_PRODUCT_BR166});
    EXPECT_EQ(card.read32(BRGPU_REG_DIES), 2u);
    EXPECT_EQ(card.read64(BRGPU_REG_VRAM_BYTES), 128u << 20);
    EXPECT_EQ(card.read64(BRGPU_REG_VRAM_BYTES_DIE), 64u << 20);
    EXPECT_EQ(card.read64(BRGPU_REG_SERIAL), card.info.serial);
    EXPECT_EQ(card.read32(BRGPU_REG_DOORBELL_PAGES) * uint64_t{BRGPU_DOORBELL_PAGE_BYTES},
              card.info.bar_bytes[BRGPU_BAR_DOORBELLS]);
    EXPECT_EQ(card.read32(BRGPU_REG_STATUS), 0u) << "not ready before the firmware is";
    // 64-bit registers by halves.
    EXPECT_EQ(card.read32(BRGPU_REG_SERIAL) | uint64_t{card.read32(BRGPU_REG_SERIAL + 4)} << 32,
              card.info.serial);
}

TEST(Registers, TableObeysTheContract) {
    for (const auto &block : model::RegisterFile::blocks()) {
        for (const auto &row : block.rows) {
            EXPECT_TRUE(row.bits == 32 || row.bits == 64) << row.name;
            EXPECT_EQ(row.offset % (row.bits / 8), 0u) << row.name;
            EXPECT_LE(row.offset + row.bits / 8, block.stride) << row.name;
            for (const auto &other : block.rows)
                EXPECT_TRUE(&row == &other || row.offset + row.bits / 8 <= other.offset ||
                            other.offset + other.bits / 8 <= row.offset)
                    << row.name << " and " << other.name;
        }
    }
}

TEST(Registers, BadAccessesReadZeroAndCount) {
    TestCard card({.boot = false});
    uint32_t before = card.read32(BRGPU_REG_BAD_ACCESS);
    EXPECT_EQ(brgpu_model_mmio_read(card.model, 0x0ff0, 4), 0u);
    EXPECT_EQ(brgpu_model_mmio_read(card.model, BRGPU_REG_MAGIC, 2), 0u);
    EXPECT_EQ(brgpu_model_mmio_read(card.model, BRGPU_REG_MAGIC, 1), 0u);
    EXPECT_EQ(brgpu_model_mmio_read(card.model, BRGPU_REG_MAGIC + 2, 4), 0u);
    EXPECT_EQ(brgpu_model_mmio_read(card.model, BRGPU_REG_CONTRACT, 8), 0u) << "misaligned";
    EXPECT_EQ(brgpu_model_mmio_read(card.model, ~uint64_t{7}, 8), 0u);
    EXPECT_EQ(brgpu_model_mmio_read(card.model, BRGPU_REG_MAGIC, 3), 0u);
    brgpu_model_mmio_write(card.model, 0x0ff0, 1, 4);
    EXPECT_EQ(card.read32(BRGPU_REG_BAD_ACCESS), before + 8);
    // A pair of 32-bit registers may be read at once.
    EXPECT_EQ(card.read64(BRGPU_REG_MAGIC), BRGPU_MAGIC | uint64_t{BRGPU_CONTRACT_MAJOR} << 48 |
                                                uint64_t{BRGPU_CONTRACT_MINOR} << 32);
    EXPECT_EQ(card.read32(BRGPU_REG_BAD_ACCESS), before + 8);
}

TEST(Registers, QueuesThatTheProductLacksAreUnknown) {
    TestCard card({.product = "br110", .boot = false});
    uint32_t queues = card.read32(BRGPU_REG_QUEUES);
    ASSERT_LT(queues, BRGPU_MAX_QUEUES);
    uint32_t before = card.read32(BRGPU_REG_BAD_ACCESS);
    card.write64(BRGPU_REG_QUEUE(queues) + BRGPU_QUEUE_DESC, 0x1000);
    EXPECT_EQ(card.read64(BRGPU_REG_QUEUE(queues) + BRGPU_QUEUE_DESC), 0u);
    EXPECT_EQ(card.read32(BRGPU_REG_BAD_ACCESS), before + 2);
}

TEST(Registers, HalvesOfA64BitRegisterAreWrittenAlone) {
    TestCard card({.boot = false});
    card.write64(BRGPU_REG_SCRATCH, 0x1111222233334444);
    card.write32(BRGPU_REG_SCRATCH + 4, 0xaaaabbbb);
    EXPECT_EQ(card.read64(BRGPU_REG_SCRATCH), 0xaaaabbbb33334444u);
    card.write32(BRGPU_REG_SCRATCH, 0x55556666);
    EXPECT_EQ(card.read64(BRGPU_REG_SCRATCH), 0xaaaabbbb55556666u);
    card.write32(BRGPU_REG_MAGIC, 0); // read-only
    EXPECT_EQ(card.read32(BRGPU_REG_MAGIC), BRGPU_MAGIC);
}

TEST(Registers, RandomAccessesAreSurvived) {
    TestCard card({.boot = false});
    uint64_t state = 88172645463325252u;
    auto random = [&] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    };
    for (int i = 0; i < 20000; i++) {
        uint64_t offset = random() % (BRGPU_BAR0_BYTES + 64);
        unsigned size = 1u << random() % 4;
        if (random() % 2)
            offset &= ~uint64_t{7};
        // RESET would make most of the rest boring; the counters are read below.
        if (random() % 2 || (offset & ~7ull) == (BRGPU_REG_RESET & ~7ull))
            brgpu_model_mmio_read(card.model, offset, size);
        else
            brgpu_model_mmio_write(card.model, offset, random() % 16, size);
        brgpu_model_doorbell(card.model, random() % 0x500000, 0, size);
    }
    EXPECT_EQ(card.read32(BRGPU_REG_MAGIC), BRGPU_MAGIC);
}

TEST(Create, RefusesWhatItCannotBe) {
    FakeHost host;
    brgpu_model_host_ops ops = host.ops();
    brgpu_model_config good = {};
    good.struct_size = sizeof(good);
    good.abi_version = BRGPU_MODEL_ABI_VERSION;
    good.product = "br106";
    good.vram_bytes = 64 << 20;
    auto refused = [&](auto change, const char *reason) {
        brgpu_model_config config = good;
        change(config);
        char why[256] = "";
        EXPECT_EQ(brgpu_model_create(&config, &ops, &host, why, sizeof(why)), nullptr);
        EXPECT_NE(std::string(why).find(reason), std::string::npos) << why;
    };
    refused([](auto &config) { config.product = "br107"; }, "br106, br110, br166");
    refused([](auto &config) { config.product = nullptr; }, "unknown product");
    refused([](auto &config) { config.vram_bytes = 1 << 20; }, "vram_bytes");
    refused([](auto &config) { config.vram_bytes = (64 << 20) + 4096; }, "vram_bytes");
    refused([](auto &config) { config.aperture_bytes = 3 << 20; }, "aperture_bytes");
    refused([](auto &config) { config.abi_version++; }, "ABI");
    refused([](auto &config) { config.struct_size = 4; }, "older");
    refused([](auto &config) { config.workers = 1000; }, "workers");
    ops.dma_map = nullptr;
    refused([](auto &) {}, "mandatory");
    EXPECT_EQ(brgpu_model_create(nullptr, nullptr, nullptr, nullptr, 0), nullptr);
    brgpu_model_destroy(nullptr);
}

TEST(Create, ShowsGigabytesAndKeepsMegabytes) {
    TestCard card({.vram = 0, .boot = false});
    EXPECT_EQ(card.read64(BRGPU_REG_VRAM_BYTES), uint64_t{32} << 30);
    std::memset(card.vram(uint64_t{31} << 30), 1, 1 << 20);
    EXPECT_LT(std::stoull(card.get("stat-vram-resident")), 8u << 20);
    brgpu_model_reset(card.model, BRGPU_MODEL_RESET_FUNCTION);
    EXPECT_EQ(std::stoull(card.get("stat-vram-resident")), 0u);
    EXPECT_EQ(card.vram64(uint64_t{31} << 30), 0u);
}

} // namespace
} // namespace brgpu::test
