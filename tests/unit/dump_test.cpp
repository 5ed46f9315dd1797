// SPDX-License-Identifier: MIT
//
// Dumps as brgpu-dump reads them: whole ones, and every kind of damage.
#include <cstring>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "brgpu/hw/events.h"
#include "brgpu/hw/mmu.h"
#include "brgpu/hw/regs.h"
#include "dump_file.hpp"
#include "report.hpp"

namespace brgpu::dump {
namespace {

class Maker {
  public:
    Maker() { append(brgpu_dump_head{}); }

    template <typename T>
    void append(const T &value) {
        const auto *start = reinterpret_cast<const std::byte *>(&value);
        bytes_.insert(bytes_.end(), start, start + sizeof(value));
    }
    void section(uint32_t type, uint32_t entry_bytes, uint64_t bytes) {
        append(brgpu_dump_section{type, entry_bytes, bytes});
    }
    void text(uint32_t type, std::string_view content) {
        section(type, 0, content.size());
        for (const char c : content)
            bytes_.push_back(static_cast<std::byte>(c));
        bytes_.resize((bytes_.size() + 7) / 8 * 8);
    }
    std::vector<std::byte> finish() {
        const brgpu_dump_head head = {
            BRGPU_DUMP_MAGIC, BRGPU_DUMP_VERSION, sizeof(head), bytes_.size(), 0, 0};
        std::memcpy(bytes_.data(), &head, sizeof(head));
        return bytes_;
    }

  private:
    std::vector<std::byte> bytes_;
};

std::vector<std::byte> whole_dump() {
    Maker maker;
    maker.text(BRGPU_DUMP_TEXT, "why: a queue stopped with an error\nserial: 1\n");
    maker.section(BRGPU_DUMP_REGISTERS, sizeof(brgpu_dump_register), sizeof(brgpu_dump_register));
    maker.append(brgpu_dump_register{BRGPU_REG_STATUS, 32, 1});
    brgpu_dump_queue queue = {};
    queue.slot = 5;
    queue.flags = BRGPU_DUMP_QUEUE_GUILTY;
    queue.status = BRGPU_QUEUE_STATE_ERROR;
    queue.error = BRGPU_QUEUE_ERROR_MMU;
    queue.fault_info = uint32_t{BRGPU_FAULT_NOT_MAPPED} << BRGPU_FAULT_INFO_REASON_SHIFT |
                       BRGPU_ACCESS_WRITE << BRGPU_FAULT_INFO_ACCESS_SHIFT;
    queue.fault_address = 0xdead000;
    maker.section(BRGPU_DUMP_QUEUES, sizeof(queue), sizeof(queue));
    maker.append(queue);
    maker.section(BRGPU_DUMP_RING, 0, sizeof(brgpu_dump_ring) + BRGPU_PACKET_BYTES);
    maker.append(brgpu_dump_ring{5, 1, 7});
    std::array<uint8_t, BRGPU_PACKET_BYTES> packet = {BRGPU_PACKET_CALL};
    maker.append(packet);
    brgpu_dump_walk walk = {};
    walk.address = 0xdead000;
    walk.levels = 4;
    walk.entries[0] = BRGPU_PTE_VALID | BRGPU_PTE_SYSTEM | 0x5000;
    maker.section(BRGPU_DUMP_PAGE_WALK, sizeof(walk), sizeof(walk));
    maker.append(walk);
    brgpu_snapshot_head head = {};
    head.magic = BRGPU_SNAPSHOT_MAGIC;
    head.version = BRGPU_SNAPSHOT_VERSION;
    head.head_bytes = sizeof(head);
    head.warp_bytes = sizeof(brgpu_snapshot_warp);
    head.warps = head.total_warps = 1;
    head.fault_lane = 3;
    auto warp = std::make_unique<brgpu_snapshot_warp>();
    warp->started = warp->live = 0xf;
    warp->pc[3] = 0x1234;
    warp->x[10][3] = 0xabcdef;
    maker.section(BRGPU_DUMP_LANES, 0, sizeof(head) + sizeof(*warp));
    maker.append(head);
    maker.append(*warp);
    maker.text(BRGPU_DUMP_FW_LOG, "0.1 I started\n\x1b[2Jbad");
    maker.section(77, 0, 8);
    maker.append(uint64_t{0});
    return maker.finish();
}

TEST(Dump, ShowsWhatIsInIt) {
    const Dump dump = parse(whole_dump());
    ASSERT_EQ(dump.queues.size(), 1u);
    EXPECT_EQ(dump.queues[0].slot, 5u);
    ASSERT_TRUE(dump.lanes);
    EXPECT_EQ(dump.lanes->warps[0].pc[3], 0x1234u);
    EXPECT_EQ(dump.unknown, std::vector<uint32_t>{77});

    const std::string text = as_text(dump, false);
    for (const char *part :
         {"why: a queue stopped with an error", "NOT_MAPPED by shader (write)", "0xdead000",
          "table in system memory at 0x5000", "CALL", "lane  3 pc 0x1234 FAULTED",
          "x10 0000000000abcdef", "STATUS", "a section of type 77", "0.1 I started"})
        EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);

    const auto json = nlohmann::json::parse(as_json(dump));
    EXPECT_EQ(json["facts"]["serial"], "1");
    EXPECT_EQ(json["queues"][0]["fault"]["reason"], "NOT_MAPPED");
    EXPECT_EQ(json["lanes"]["fault_lane"], 3);
    EXPECT_EQ(json["lanes"]["warps"][0]["lanes"][3]["x"][10], "0xabcdef");
    EXPECT_EQ(json["registers"]["STATUS"], "0x1");
}

TEST(Dump, SaysWhereItIsCutOff) {
    const auto whole = whole_dump();
    for (size_t length = 0; length < whole.size(); length += 8) {
        try {
            parse(std::span(whole).first(length));
            FAIL() << "accepted with " << length << " bytes";
        } catch (const Corrupt &error) {
            EXPECT_NE(std::string(error.what()).find("at byte"), std::string::npos);
        }
    }
}

TEST(Dump, AnyByteMayBeWrong) {
    const auto whole = whole_dump();
    unsigned refused = 0;
    for (size_t i = 0; i < whole.size(); i += i < 1024 ? 1 : 97)
        for (const int value : {0x00, 0x7f, 0xff}) {
            auto damaged = whole;
            damaged[i] = static_cast<std::byte>(value);
            try {
                const Dump dump = parse(damaged);
                as_text(dump, true);
                as_json(dump);
            } catch (const Corrupt &) {
                refused++;
            }
        }
    EXPECT_GT(refused, 100u);
}

TEST(Dump, LaterVersionsMayAppend) {
    Maker maker;
    maker.section(BRGPU_DUMP_REGISTERS, sizeof(brgpu_dump_register) + 8,
                  sizeof(brgpu_dump_register) + 8);
    maker.append(brgpu_dump_register{BRGPU_REG_MAGIC, 32, BRGPU_MAGIC});
    maker.append(uint64_t{9});
    const Dump dump = parse(maker.finish());
    ASSERT_EQ(dump.registers.size(), 1u);
    EXPECT_EQ(dump.registers[0].value, BRGPU_MAGIC);
}

} // namespace
} // namespace brgpu::dump
