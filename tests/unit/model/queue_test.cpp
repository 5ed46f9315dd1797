// SPDX-License-Identifier: MIT
#include "card_fixture.hpp"

#include <functional>

namespace brgpu::test {
namespace {

TEST(Queue, NeedsFirmwareBeforeMap) {
    TestCard card({.boot = false});
    TestQueue queue(card, {.map = false});
    EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_MAP) & BRGPU_QUEUE_STATE_MASK, BRGPU_QUEUE_STATE_ERROR);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_DESC);
    card.boot();
    EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_MAP) & BRGPU_QUEUE_STATE_MASK, BRGPU_QUEUE_STATE_IDLE);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_NONE);
}

TEST(Queue, RunsEveryPacket) {
    TestCard card;
    TestQueue queue(card, {.queue_class = BRGPU_QUEUE_COPY});
    uint64_t data = card.host.allocate(65536);
    uint64_t text = 0x1122334455667788;
    std::vector<Packet> called = {fill(0x300000, 64, 8, 7)};
    uint64_t buffer = card.host.allocate(4096);
    std::memcpy(card.host.ram(buffer), called.data(), sizeof(Packet));
    queue.run({nop(), fill(0x100000, 4096, 4, 0xdeadbeef), copy(0x100000, 0x200000, 4096),
               copy(0x100000, system(data), 100), write(0x200010, &text, 8), barrier(),
               barrier(BRGPU_BARRIER_CODE), signal(system(data + 4096), 5),
               signal(system(data + 4096), 6, BRGPU_SIGNAL_ADD), wait(system(data + 4096), 11),
               timestamp(system(data + 8192)), event(3), call(system(buffer), 1),
               call(system(buffer), 0)});
    EXPECT_EQ(card.vram64(0x200000), 0xdeadbeefdeadbeefu);
    EXPECT_EQ(card.vram64(0x200010), text);
    EXPECT_EQ(card.vram64(0x200ff8), 0xdeadbeefdeadbeefu);
    EXPECT_EQ(card.host.load(data), 0xdeadbeefdeadbeefu);
    EXPECT_EQ(card.host.load(data + 96), 0xdeadbeefu) << "100 bytes, no more";
    EXPECT_EQ(card.host.load(data + 4096), 11u);
    EXPECT_NE(card.host.load(data + 8192), 0u);
    EXPECT_EQ(card.vram64(0x300000), 7u);
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_READ_INDEX), queue.written);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_NONE);
}

TEST(Queue, RingWrapsAround) {
    TestCard card;
    TestQueue queue(card, {.ring_log2 = 4});
    uint64_t value = card.host.allocate(4096);
    for (int i = 0; i < 2000; i++) {
        queue.push(signal(system(value), 1, BRGPU_SIGNAL_ADD));
        queue.ring();
    }
    EXPECT_TRUE(queue.wait_read(2000));
    EXPECT_EQ(card.host.load(value), 2000u);
}

struct BadPacket {
    const char *what;
    brgpu_queue_error error;
    std::function<Packet()> make;
};

TEST(Queue, RefusesBadPackets) {
    auto with = [](Packet packet, auto change) {
        change(packet);
        return packet;
    };
    auto d = [] { return dispatch(0x1000, 0x1000, 32, 32); };
    const std::vector<BadPacket> bad = {
        {"type", BRGPU_QUEUE_ERROR_PACKET,
         [] {
             Packet p = nop();
             p.bytes[0] = 11;
             return p;
         }},
        {"type 255", BRGPU_QUEUE_ERROR_PACKET,
         [] {
             Packet p = nop();
             p.bytes[0] = 255;
             return p;
         }},
        {"flags", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(nop(), [](Packet &p) { p.nop.flags = 2; }); }},
        {"nop pad", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(nop(), [](Packet &p) { p.nop.pad[61] = 1; }); }},
        {"copy pad", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(copy(0, 4096, 8), [](Packet &p) { p.copy.pad1 = 1; }); }},
        {"copy pad0", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(copy(0, 4096, 8), [](Packet &p) { p.copy.pad0 = 1; }); }},
        {"pattern 3", BRGPU_QUEUE_ERROR_FIELD, [] { return fill(0, 12, 3, 0); }},
        {"pattern 0", BRGPU_QUEUE_ERROR_FIELD, [] { return fill(0, 12, 0, 0); }},
        {"fill alignment", BRGPU_QUEUE_ERROR_FIELD, [] { return fill(2, 8, 4, 0); }},
        {"fill bytes", BRGPU_QUEUE_ERROR_FIELD, [] { return fill(0, 6, 4, 0); }},
        {"write 0", BRGPU_QUEUE_ERROR_FIELD, [] { return write(0, "", 0); }},
        {"write 49", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(write(0, "x", 1), [](Packet &p) { p.write.bytes = 49; }); }},
        {"barrier ops", BRGPU_QUEUE_ERROR_FIELD, [] { return barrier(2); }},
        {"wait compare", BRGPU_QUEUE_ERROR_FIELD, [] { return wait(0, 0, 4); }},
        {"wait alignment", BRGPU_QUEUE_ERROR_FIELD, [] { return wait(4, 0); }},
        {"signal op", BRGPU_QUEUE_ERROR_FIELD, [] { return signal(0, 0, 2); }},
        {"signal notify", BRGPU_QUEUE_ERROR_FIELD, [] { return signal(0, 0, 0, 2); }},
        {"signal alignment", BRGPU_QUEUE_ERROR_FIELD, [] { return signal(12, 0); }},
        {"timestamp alignment", BRGPU_QUEUE_ERROR_FIELD, [] { return timestamp(1); }},
        {"event pad", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(event(0), [](Packet &p) { p.event.pad1[5] = 1; }); }},
        {"call count", BRGPU_QUEUE_ERROR_FIELD, [] { return call(0, BRGPU_MAX_CALL_PACKETS + 1); }},
        {"call alignment", BRGPU_QUEUE_ERROR_FIELD, [] { return call(32, 1); }},
        {"dim 0", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.work_dim = 0; }); }},
        {"dim 4", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.work_dim = 4; }); }},
        {"workgroup 0", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.workgroup[0] = 0; }); }},
        {"workgroup 1025", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.workgroup[0] = 1025; }); }},
        {"workgroup product", BRGPU_QUEUE_ERROR_FIELD,
         [&] {
             return with(d(), [](Packet &p) {
                 p.dispatch.work_dim = 2;
                 p.dispatch.workgroup[0] = p.dispatch.workgroup[1] = 64;
             });
         }},
        {"unused dimension", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.grid[2] = 2; }); }},
        {"kernel alignment", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.kernel = 0x1020; }); }},
        {"kernarg alignment", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.kernarg = 8; }); }},
        {"local bytes", BRGPU_QUEUE_ERROR_FIELD,
         [&] { return with(d(), [](Packet &p) { p.dispatch.dynamic_local_bytes = 65537; }); }},
        {"no kernel descriptor", BRGPU_QUEUE_ERROR_KERNEL, [&] { return d(); }},
        {"address above 48 bits", BRGPU_QUEUE_ERROR_MMU,
         [] { return signal(uint64_t{1} << 48, 0); }},
        {"copy wraps", BRGPU_QUEUE_ERROR_MMU, [] { return copy(~uint64_t{0} - 8, 4096, 64); }},
        {"beyond VRAM", BRGPU_QUEUE_ERROR_MMU, [] { return copy(uint64_t{64} << 20, 4096, 64); }},
        {"no bus answer", BRGPU_QUEUE_ERROR_BUS,
         [] { return copy(system(0x7000'0000), 4096, 64); }},
        {"no bus answer to a write", BRGPU_QUEUE_ERROR_BUS,
         [] { return signal(system(0x7000'0000), 4); }},
    };
    TestCard card;
    for (const BadPacket &item : bad) {
        SCOPED_TRACE(item.what);
        TestQueue queue(card, {});
        uint64_t mark = card.host.allocate(64);
        queue.push(signal(system(mark), 1));
        queue.push(item.make());
        queue.push(signal(system(mark), 2));
        queue.ring();
        EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
        EXPECT_EQ(queue.error(), unsigned{item.error});
        EXPECT_EQ(queue.reg(BRGPU_QUEUE_READ_INDEX), 1u);
        EXPECT_EQ(queue.reg(BRGPU_QUEUE_PACKET), system(queue.ring_address + 64));
        EXPECT_EQ(card.host.load(mark), 1u) << "nothing behind the failed packet runs";
        EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_UNMAP) & BRGPU_QUEUE_STATE_MASK,
                  BRGPU_QUEUE_STATE_UNMAPPED);
    }
}

TEST(Queue, CopyQueueRefusesDispatch) {
    TestCard card;
    TestQueue queue(card, {.queue_class = BRGPU_QUEUE_COPY});
    queue.push(dispatch(0x1000, 0, 1, 1));
    queue.ring();
    EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_PACKET);
}

TEST(Queue, CallDepthIsOne) {
    TestCard card;
    TestQueue queue(card, {});
    uint64_t buffer = card.host.allocate(4096);
    Packet inner = call(system(buffer), 1); // itself
    std::memcpy(card.host.ram(buffer), &inner, sizeof(inner));
    queue.push(call(system(buffer), 1));
    queue.ring();
    EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_CALL);
}

TEST(Queue, RefusesBadIndices) {
    for (uint64_t index : {uint64_t{17}, ~uint64_t{0}, uint64_t{1} << 63}) {
        TestCard card;
        TestQueue queue(card, {.ring_log2 = 4});
        card.host.store(queue.write_index, index);
        queue.ring();
        EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
        EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_INDEX);
    }
}

TEST(Queue, RefusesBadDescriptors) {
    TestCard card;
    TestQueue other(card, {.slot = 9});
    auto refused = [&](const char *what, auto change) {
        SCOPED_TRACE(what);
        TestQueue queue(card, {.map = false});
        change(queue.desc());
        EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_MAP) & BRGPU_QUEUE_STATE_MASK,
                  BRGPU_QUEUE_STATE_ERROR);
        EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_DESC);
    };
    using Desc = brgpu_hw_queue_desc;
    refused("ring alignment", [](Desc &d) { d.ring += 8; });
    refused("ring beyond", [](Desc &d) { d.ring = (uint64_t{1} << 48) - 64; });
    refused("ring above", [](Desc &d) { d.ring = uint64_t{1} << 60; });
    refused("ring small", [](Desc &d) { d.ring_log2 = 3; });
    refused("ring large", [](Desc &d) { d.ring_log2 = 21; });
    refused("ring huge", [](Desc &d) { d.ring_log2 = 0xffffffff; });
    refused("write index", [](Desc &d) { d.write_index += 4; });
    refused("read index", [](Desc &d) { d.read_index |= uint64_t{1} << 50; });
    refused("vm", [](Desc &d) { d.vm = 4096; });
    refused("ring vm", [](Desc &d) { d.ring_vm = 0xffff; });
    refused("class", [](Desc &d) { d.queue_class = 2; });
    refused("priority", [](Desc &d) { d.priority = 4; });
    refused("flags", [](Desc &d) { d.flags = 2; });
    refused("doorbell", [](Desc &d) { d.doorbell = 0x7fffffff; });
    refused("doorbell in use", [](Desc &d) { d.doorbell = 9; });
    refused("pad0", [](Desc &d) { d.pad0 = 1; });
    refused("pad1", [](Desc &d) { d.pad1[5] = 1; });
    refused("save area", [](Desc &d) { d.save_area = 8; });
    refused("restore without area", [](Desc &d) { d.flags = BRGPU_QUEUE_DESC_RESTORE; });
    card.write64(BRGPU_REG_QUEUE(3) + BRGPU_QUEUE_DESC, system(0x7000'0000));
    card.write32(BRGPU_REG_QUEUE(3) + BRGPU_QUEUE_COMMAND, BRGPU_QUEUE_CMD_MAP);
    EXPECT_TRUE(eventually([&] {
        return card.read32(BRGPU_REG_QUEUE(3) + BRGPU_QUEUE_ERROR) == BRGPU_QUEUE_ERROR_DESC;
    }));
}

TEST(Queue, UnmapLeavesWhatHasNotBegun) {
    TestCard card;
    TestQueue queue(card, {});
    uint64_t mark = card.host.allocate(64);
    queue.push(wait(system(mark), 1));
    queue.push(signal(system(mark + 8), 1));
    queue.ring();
    EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_WAITING));
    EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_UNMAP) & BRGPU_QUEUE_STATE_MASK,
              BRGPU_QUEUE_STATE_UNMAPPED);
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_READ_INDEX), 0u);
    // Mapped again it goes on from there.
    card.host.store(mark, 1);
    queue.finish(BRGPU_QUEUE_CMD_MAP);
    EXPECT_TRUE(queue.wait_read(2));
    EXPECT_EQ(card.host.load(mark + 8), 1u);
}

TEST(Queue, WaitSeesSignalsOfOthersAndOfTheHost) {
    TestCard card;
    TestQueue one(card, {.slot = 1}), two(card, {.slot = 2});
    uint64_t mark = card.host.allocate(64);
    one.push(wait(system(mark), 1, BRGPU_WAIT_EQ));
    one.push(wait(system(mark), 2, BRGPU_WAIT_EQ));
    one.ring();
    EXPECT_TRUE(one.wait_state(BRGPU_QUEUE_STATE_WAITING));
    two.run({signal(system(mark), 1)});
    EXPECT_TRUE(one.wait_read(1));
    card.host.store(mark, 2); // no doorbell: the tick finds it
    EXPECT_TRUE(one.wait_read(2));
}

TEST(Queue, RectanglesAndBoxes) {
    TestCard card;
    TestQueue queue(card, {});
    for (uint32_t i = 0; i < 65536; i++)
        card.vram(0)[i] = std::byte(i * 7 + (i >> 8));
    Packet box = copy(3, 0x100001, 13);
    box.copy.rows = 5;
    box.copy.slices = 3;
    box.copy.src_pitch = 100;
    box.copy.dst_pitch = 17;
    box.copy.src_slice_pitch = 1000;
    box.copy.dst_slice_pitch = 200;
    queue.run({box});
    for (unsigned s = 0; s < 3; s++)
        for (unsigned r = 0; r < 5; r++)
            for (unsigned c = 0; c < 13; c++)
                ASSERT_EQ(card.vram(0x100001)[s * 200 + r * 17 + c],
                          card.vram(3)[s * 1000 + r * 100 + c]);
    Packet nothing = box;
    nothing.copy.rows = 0;
    Packet none = box;
    none.copy.row_bytes = 0;
    queue.run({nothing, none, fill(0, 0, 1, 0)});
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_NONE);
}

TEST(Queue, LargeCopiesAndFillsOverAnyPiece) {
    TestCard card;
    card.host.map_limit = 3 * 4096 + 512; // pieces that end in the middle of pages
    TestQueue queue(card, {});
    constexpr uint32_t bytes = 5 << 20;
    uint64_t data = card.host.allocate(bytes + 4096);
    for (uint32_t i = 0; i < bytes; i += 8)
        card.host.store(data + i, i * 0x9e3779b97f4a7c15u);
    queue.run({copy(system(data), 0x100000 + 5, bytes), copy(0x100000 + 5, 0x900000, bytes)});
    EXPECT_EQ(std::memcmp(card.vram(0x900000), card.host.ram(data), bytes), 0);
    queue.run({fill(0x900000, bytes, 16, 0x0102030405060708)});
    EXPECT_EQ(card.vram64(0x900000 + bytes - 16), 0x0102030405060708u);
    EXPECT_EQ(card.vram64(0x900000 + bytes - 8), 0u);
    EXPECT_EQ(card.vram64(0x900000 + bytes), 0u);
    card.write32(BRGPU_REG_COUNTER_LATCH, 1);
    EXPECT_EQ(card.read64(BRGPU_REG_COUNTER_COPY_BYTES), 3u * bytes);
}

TEST(Queue, BusOnlyMemoryWorks) {
    TestCard card;
    TestQueue queue(card, {});
    uint64_t value = 77;
    queue.run({write(system(FakeHost::bus_base), &value, 8),
               signal(system(FakeHost::bus_base), 3, BRGPU_SIGNAL_ADD),
               copy(system(FakeHost::bus_base), 0x1000, 8192)});
    EXPECT_EQ(card.vram64(0x1000), 80u);
    EXPECT_GT(card.host.bus_accesses.load(), 3u);
}

TEST(Queue, KillEndsAnything) {
    TestCard card;
    for (int kind = 0; kind < 3; kind++) {
        TestQueue queue(card, {});
        uint64_t mark = card.host.allocate(64);
        Packet endless = copy(0, 0x100000, 4);
        endless.copy.rows = endless.copy.slices = 0xffffffff;
        Packet large = fill(0x100000, uint64_t{48} << 20, 1, 1);
        Packet packets[] = {wait(system(mark), 1), endless, large};
        queue.push(packets[kind]);
        queue.ring();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        auto begin = std::chrono::steady_clock::now();
        uint32_t status = queue.finish(BRGPU_QUEUE_CMD_KILL);
        auto took = std::chrono::steady_clock::now() - begin;
        EXPECT_LT(took, std::chrono::milliseconds(2000));
        if ((status & BRGPU_QUEUE_STATE_MASK) == BRGPU_QUEUE_STATE_ERROR) {
            EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_KILLED);
        }
    }
}

TEST(Queue, PreemptSavesACopyAndRestoreEndsIt) {
    TestCard card;
    TestQueue queue(card, {.save_bytes = 1 << 20});
    constexpr uint64_t bytes = 40 << 20;
    uint64_t mark = card.host.allocate(64);
    queue.push(fill(0x100000, bytes, 8, 0x5a5a5a5a5a5a5a5a));
    queue.push(signal(system(mark), 1));
    queue.ring();
    uint32_t rounds = 0;
    for (; rounds < 50; rounds++) {
        uint32_t status = queue.finish(BRGPU_QUEUE_CMD_PREEMPT);
        ASSERT_EQ(status & BRGPU_QUEUE_STATE_MASK, BRGPU_QUEUE_STATE_PREEMPTED);
        EXPECT_GT(queue.desc().saved_bytes, 0u);
        queue.desc().flags = BRGPU_QUEUE_DESC_RESTORE;
        ASSERT_NE(queue.finish(BRGPU_QUEUE_CMD_MAP) & BRGPU_QUEUE_STATE_MASK,
                  BRGPU_QUEUE_STATE_ERROR);
        if (card.host.load(queue.read_index) == 2)
            break;
    }
    EXPECT_TRUE(queue.wait_read(2));
    for (uint64_t at = 0; at < bytes; at += 8)
        ASSERT_EQ(card.vram64(0x100000 + at), 0x5a5a5a5a5a5a5a5au) << at;
    // A forged image is refused.
    queue.finish(BRGPU_QUEUE_CMD_PREEMPT);
    card.host.store(queue.save_area, 0);
    EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_MAP) & BRGPU_QUEUE_STATE_MASK, BRGPU_QUEUE_STATE_ERROR);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_DESC);
}

TEST(Queue, PreemptWithoutAreaHasALimit) {
    TestCard card;
    TestQueue queue(card, {});
    uint64_t buffer = card.host.allocate(4096), mark = card.host.allocate(64);
    Packet inner = wait(system(mark), 1);
    std::memcpy(card.host.ram(buffer), &inner, sizeof(inner));
    queue.push(call(system(buffer), 1));
    queue.ring();
    EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_WAITING));
    EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_PREEMPT) & BRGPU_QUEUE_STATE_MASK,
              BRGPU_QUEUE_STATE_ERROR);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_PREEMPT);
}

} // namespace
} // namespace brgpu::test
