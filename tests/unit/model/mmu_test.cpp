// SPDX-License-Identifier: MIT
#include "card_fixture.hpp"

namespace brgpu::test {
namespace {

constexpr uint64_t va = 0x7000'0000'0000;

// A queue whose packets run in VM 5 (by CALL), with page tables.
class Mmu : public testing::Test {
  protected:
    Mmu() : tables(card, 5), queue(card, {.vm = 5}), buffer(card.host.allocate(4096)) {
        tables.map_system(0x1000, buffer, BRGPU_PTE_READ);
    }

    // Runs packets in the VM.
    void call_packets(const std::vector<Packet> &packets) {
        std::memcpy(card.host.ram(buffer), packets.data(), packets.size() * sizeof(Packet));
        queue.push(call(0x1000, static_cast<uint32_t>(packets.size())));
        queue.ring();
    }
    void run(const std::vector<Packet> &packets) {
        call_packets(packets);
        EXPECT_TRUE(queue.wait_read(queue.written))
            << "error " << queue.error() << " reason " << queue.fault_reason();
    }
    void expect_fault(const Packet &packet, uint8_t reason, unsigned level, uint64_t address,
                      uint8_t access) {
        call_packets({packet});
        ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
        uint32_t info = queue.reg32(BRGPU_QUEUE_FAULT_INFO);
        EXPECT_EQ(info >> BRGPU_FAULT_INFO_REASON_SHIFT, reason);
        EXPECT_EQ(info & BRGPU_FAULT_INFO_VM_MASK, 5u);
        EXPECT_EQ(info >> BRGPU_FAULT_INFO_LEVEL_SHIFT & 7, level);
        EXPECT_EQ(info >> BRGPU_FAULT_INFO_ACCESS_SHIFT & 15, access);
        EXPECT_EQ(queue.reg(BRGPU_QUEUE_FAULT_ADDRESS), address);
        EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_MMU);
        EXPECT_EQ(card.read32(BRGPU_REG_VM_CONTEXT(5) + BRGPU_VM_STATUS), BRGPU_VM_STATUS_FAULTED);
        card.write32(BRGPU_REG_VM_CONTEXT(5) + BRGPU_VM_STATUS, BRGPU_VM_STATUS_FAULTED);
        EXPECT_EQ(card.read32(BRGPU_REG_VM_CONTEXT(5) + BRGPU_VM_STATUS), 0u);
        // The queue begins anew behind the failed packet.
        queue.desc().start_index = queue.written;
        queue.finish(BRGPU_QUEUE_CMD_MAP);
    }

    TestCard card;
    PageTables tables;
    TestQueue queue;
    uint64_t buffer;
};

TEST_F(Mmu, PagesOfAllSizes) {
    constexpr uint64_t rw = BRGPU_PTE_READ | BRGPU_PTE_WRITE | BRGPU_PTE_VALID;
    tables.map_vram(va, 0x3000);
    tables.set(va + 0x20'0000, 0x40'0000 | rw | BRGPU_PTE_LEAF, 1);
    tables.set(va + 0x4000'0000, rw | BRGPU_PTE_LEAF, 2);
    for (uint64_t i = 0; i < 16; i++)
        tables.set(va + 0x10000 + i * 4096, (0x80'0000 + i * 4096) | rw | BRGPU_PTE_CONTIGUOUS);
    run({signal(va + 8, 1), signal(va + 0x20'0000 + 0x1f'fff8, 2),
         signal(va + 0x4000'0000 + 0x123'4560, 3), signal(va + 0x10000 + 0xfff8, 4)});
    EXPECT_EQ(card.vram64(0x3008), 1u);
    EXPECT_EQ(card.vram64(0x40'0000 + 0x1f'fff8), 2u);
    EXPECT_EQ(card.vram64(0x123'4560), 3u);
    EXPECT_EQ(card.vram64(0x80'fff8), 4u);
}

TEST_F(Mmu, NullPagesReadZeroAndForgetWrites) {
    tables.set(va, BRGPU_PTE_VALID | BRGPU_PTE_READ | BRGPU_PTE_WRITE | BRGPU_PTE_NULL);
    tables.map_vram(va + 4096, 0x3000);
    *reinterpret_cast<uint64_t *>(card.vram(0x3000)) = 99;
    run({signal(va, 7), signal(va, 7, BRGPU_SIGNAL_ADD), fill(va, 4096, 4, 5),
         copy(va, va + 4096, 4096)});
    EXPECT_EQ(card.vram64(0x3000), 0u);
}

TEST_F(Mmu, FaultsSayWhatAndWhere) {
    expect_fault(signal(va, 1), BRGPU_FAULT_NOT_MAPPED, 3, va, BRGPU_ACCESS_WRITE);
    tables.map_vram(va, 0x3000, BRGPU_PTE_READ);
    expect_fault(signal(va, 1), BRGPU_FAULT_RIGHTS, 0, va, BRGPU_ACCESS_WRITE);
    expect_fault(signal(va + 4096, 1), BRGPU_FAULT_NOT_MAPPED, 0, va + 4096, BRGPU_ACCESS_WRITE);
    expect_fault(timestamp(va + 0x20'0000), BRGPU_FAULT_NOT_MAPPED, 1, va + 0x20'0000,
                 BRGPU_ACCESS_WRITE);
    struct Bad {
        uint64_t pte;
        unsigned level;
    };
    constexpr uint64_t good = BRGPU_PTE_VALID | BRGPU_PTE_READ | BRGPU_PTE_WRITE;
    for (Bad bad : {Bad{good | BRGPU_PTE_LEAF, 0}, Bad{good | uint64_t{1} << 11, 0},
                    Bad{good | uint64_t{1} << 63, 0}, Bad{good | BRGPU_PTE_PEER, 0},
                    Bad{good | uint64_t{3} << 5, 0}, Bad{good | BRGPU_PTE_NULL | 0x1000, 0},
                    Bad{good | (uint64_t{64} << 20), 0},
                    Bad{good | BRGPU_PTE_SYSTEM | uint64_t{1} << 47, 0}}) {
        tables.set(va + 8192, bad.pte, bad.level);
        expect_fault(signal(va + 8192, 1), BRGPU_FAULT_ENTRY, bad.level, va + 8192,
                     BRGPU_ACCESS_WRITE);
    }
    uint64_t at = va + 0x4000'0000;
    for (Bad bad :
         {Bad{good | BRGPU_PTE_LEAF | 0x1000, 1}, Bad{good | BRGPU_PTE_LEAF | 0x20'0000, 2},
          Bad{BRGPU_PTE_VALID | BRGPU_PTE_READ, 1},
          Bad{good | BRGPU_PTE_LEAF | BRGPU_PTE_CONTIGUOUS, 1},
          Bad{BRGPU_PTE_VALID | BRGPU_PTE_PEER, 2}}) {
        tables.set(at, bad.pte, bad.level);
        expect_fault(signal(at, 1), BRGPU_FAULT_ENTRY, bad.level, at, BRGPU_ACCESS_WRITE);
        at += 0x4000'0000;
    }
    // Tables that are their own children end after four levels.
    uint64_t root = card.read64(BRGPU_REG_VM_CONTEXT(5)) & BRGPU_PTE_ADDRESS_MASK;
    card.host.store(root + 8 * 8, root | BRGPU_PTE_VALID | BRGPU_PTE_SYSTEM);
    uint64_t loop = uint64_t{8} << 39 | uint64_t{8} << 30 | uint64_t{8} << 21 | uint64_t{8} << 12;
    expect_fault(signal(loop, 1), BRGPU_FAULT_RIGHTS, 0, loop, BRGPU_ACCESS_WRITE);
}

TEST_F(Mmu, MappingsStayUntilTheyAreInvalidated) {
    tables.map_vram(va, 0x3000);
    run({signal(va, 1)});
    EXPECT_EQ(card.vram64(0x3000), 1u);
    // Another page, and no invalidation: the old one is still used, by whichever worker.
    tables.map_vram(va, 0x5000);
    for (int i = 0; i < 20; i++)
        run({signal(va, 2)});
    EXPECT_EQ(card.vram64(0x3000), 2u);
    EXPECT_EQ(card.vram64(0x5000), 0u);
    // An invalidation of another range or VM doesn't help.
    card.invalidate(BRGPU_TLB_RANGE | 5 << 8, va + 4096, 4096);
    card.invalidate(BRGPU_TLB_VM | 6 << 8);
    run({signal(va, 3)});
    EXPECT_EQ(card.vram64(0x3000), 3u);
    card.invalidate(BRGPU_TLB_RANGE | 5 << 8, va, 4096);
    run({signal(va, 4)});
    EXPECT_EQ(card.vram64(0x3000), 3u);
    EXPECT_EQ(card.vram64(0x5000), 4u);
    // One that gets lost on demand completes and does nothing.
    tables.map_vram(va, 0x3000);
    card.set("fault-lost-invalidation", "1");
    card.invalidate(BRGPU_TLB_RANGE | 5 << 8, va, 4096);
    EXPECT_EQ(card.get("fault-lost-invalidation"), "0");
    run({signal(va, 4)});
    EXPECT_EQ(card.vram64(0x3000), 3u);
    tables.map_vram(va, 0x5000);
    // Removed: still there until the VM, or all, is invalidated.
    tables.set(va, 0);
    run({signal(va, 5)});
    EXPECT_EQ(card.vram64(0x5000), 5u);
    card.invalidate(BRGPU_TLB_VM | 5 << 8);
    expect_fault(signal(va, 6), BRGPU_FAULT_NOT_MAPPED, 0, va, BRGPU_ACCESS_WRITE);
    // From invalid to valid, and to wider rights, needs none.
    tables.map_vram(va, 0x6000, BRGPU_PTE_READ);
    run({wait(va, 0)});
    tables.map_vram(va, 0x6000);
    run({signal(va, 7)});
    EXPECT_EQ(card.vram64(0x6000), 7u);
    EXPECT_EQ(card.read32(BRGPU_REG_TLB_ISSUED), card.read32(BRGPU_REG_TLB_COMPLETED));
}

TEST_F(Mmu, InvalidationRegistersTakeAnything) {
    uint32_t issued = card.read32(BRGPU_REG_TLB_ISSUED);
    card.write32(BRGPU_REG_TLB_COMMAND, 0);
    card.write32(BRGPU_REG_TLB_COMMAND, 9);
    card.write32(BRGPU_REG_TLB_COMMAND, BRGPU_TLB_VM | 0xffff00);
    EXPECT_EQ(card.read32(BRGPU_REG_TLB_ISSUED), issued) << "not accepted";
    card.invalidate(BRGPU_TLB_RANGE | 5 << 8, ~uint64_t{0} - 5, ~uint64_t{0});
    card.invalidate(BRGPU_TLB_RANGE, 0, 0);
    card.invalidate(BRGPU_TLB_ALL);
    EXPECT_EQ(card.read32(BRGPU_REG_TLB_ISSUED), issued + 3);
}

TEST_F(Mmu, InvalidationCanSendAnEvent) {
    uint64_t base = card.host.allocate(4096);
    card.enable_ring(BRGPU_EVENT_CLASS_COMPLETION, 4, base, 2);
    card.invalidate(BRGPU_TLB_ALL | BRGPU_TLB_EVENT);
    EXPECT_TRUE(eventually([&] { return card.host.raised[2].load() == 1; }));
    EXPECT_EQ(card.record(base, 0).type, BRGPU_EVENT_TLB_DONE);
    EXPECT_EQ(card.record(base, 0).data0, card.read32(BRGPU_REG_TLB_COMPLETED));
}

TEST_F(Mmu, RetryWaitsForResume) {
    card.write32(BRGPU_REG_VM_CONTEXT(5) + BRGPU_VM_CTRL, BRGPU_VM_CTRL_RETRY);
    tables.map_vram(va, 0x3000);
    Packet big = fill(va, 0x4000, 8, 0x77);
    call_packets({big, signal(va, 9)});
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_FAULTED));
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_NONE);
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_FAULT_ADDRESS), va + 4096);
    tables.map_range_vram(va + 4096, 0x4000, 0x2000);
    queue.finish(BRGPU_QUEUE_CMD_RESUME);
    ASSERT_TRUE(eventually([&] { return queue.reg(BRGPU_QUEUE_FAULT_ADDRESS) == va + 0x3000; }));
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_FAULTED));
    tables.map_vram(va + 0x3000, 0x6000);
    queue.finish(BRGPU_QUEUE_CMD_RESUME);
    EXPECT_TRUE(queue.wait_read(queue.written));
    EXPECT_EQ(card.vram64(0x6ff8), 0x77u);
    EXPECT_EQ(card.vram64(0x3000), 9u);
    // Or for KILL.
    call_packets({signal(va + 0x10000, 1)});
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_FAULTED));
    queue.finish(BRGPU_QUEUE_CMD_KILL);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_KILLED);
}

TEST_F(Mmu, TablesOutsideOfMemoryFault) {
    card.write64(BRGPU_REG_VM_CONTEXT(5), (uint64_t{1} << 40) | BRGPU_PTE_VALID);
    card.invalidate(BRGPU_TLB_ALL);
    queue.push(call(0x1000, 1));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
    EXPECT_EQ(queue.fault_reason(), BRGPU_FAULT_ENTRY);
    queue.desc().start_index = queue.written;
    card.write64(BRGPU_REG_VM_CONTEXT(5), 0x7000'0000 | BRGPU_PTE_VALID | BRGPU_PTE_SYSTEM);
    queue.finish(BRGPU_QUEUE_CMD_MAP);
    queue.push(call(0x1000, 1));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
    EXPECT_EQ(queue.fault_reason(), BRGPU_FAULT_BUS);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_BUS);
}

TEST_F(Mmu, HostMappingsAreDroppedOnDemand) {
    uint64_t data = card.host.allocate(4096);
    run({nop()});
    EXPECT_GT(card.host.mappings.load(), 0);
    brgpu_model_dma_invalidate(card.model, 0, 0);
    EXPECT_EQ(card.host.mappings.load(), 0);
    card.host.bus_master = false;
    queue.push(signal(system(data), 1));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_BUS);
    EXPECT_EQ(card.host.load(data), 0u);
    card.host.bus_master = true;
}

} // namespace
} // namespace brgpu::test
