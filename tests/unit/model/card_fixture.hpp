// SPDX-License-Identifier: MIT
//
// A card with a host of memory and counters around it, driven by nothing but its registers.
#ifndef BRGPU_TESTS_MODEL_CARD_FIXTURE_HPP
#define BRGPU_TESTS_MODEL_CARD_FIXTURE_HPP

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "brgpu/hw/events.h"
#include "brgpu/hw/firmware.h"
#include "brgpu/hw/isa.h"
#include "brgpu/hw/mmu.h"
#include "brgpu/hw/queue.h"
#include "brgpu/hw/regs.h"
#include "host_abi.hpp"
#include "packets.hpp"

namespace brgpu::test {

using model::Packet;

// System memory: RAM, behind it a range that answers by bus only, and nothing else.
class FakeHost {
  public:
    static constexpr uint64_t ram_base = 0x1000'0000;
    static constexpr uint64_t ram_bytes = 64 << 20;
    static constexpr uint64_t bus_base = 0x4000'0000;
    static constexpr uint64_t bus_bytes = 64 << 10;

    FakeHost();
    ~FakeHost();
    FakeHost(const FakeHost &) = delete;
    FakeHost &operator=(const FakeHost &) = delete;

    brgpu_model_host_ops ops();
    std::byte *ram(uint64_t address) { return ram_ + (address - ram_base); }
    uint64_t load(uint64_t address);
    void store(uint64_t address, uint64_t value);
    // Zeroed RAM, by DMA address.
    uint64_t allocate(uint64_t bytes, uint64_t alignment = 4096);

    std::array<std::atomic<uint32_t>, BRGPU_MAX_VECTORS> raised{};
    std::atomic<int64_t> mappings{0}; // not unmapped yet
    std::atomic<uint64_t> bus_accesses{0};
    std::atomic<uint64_t> accesses{0}; // maps, reads and writes
    std::atomic<bool> bus_master{true};
    std::atomic<uint64_t> map_limit{UINT64_MAX}; // longest piece given by dma_map
    std::atomic<uint32_t> threads{0};
    std::array<std::byte, bus_bytes> bus{};

  private:
    std::byte *ram_;
    uint64_t next_ = ram_base + 4096;
};

class TestCard {
  public:
    struct Setup {
        const char *product = "br106";
        uint64_t vram = 64 << 20;
        uint32_t workers = 2;
        bool deterministic = false;
        bool boot = true;
    };

    TestCard() : TestCard(Setup{}) {}
    explicit TestCard(const Setup &setup);
    ~TestCard();

    uint32_t read32(uint64_t offset) {
        return static_cast<uint32_t>(brgpu_model_mmio_read(model, offset, 4));
    }
    uint64_t read64(uint64_t offset) { return brgpu_model_mmio_read(model, offset, 8); }
    void write32(uint64_t offset, uint32_t value) {
        brgpu_model_mmio_write(model, offset, value, 4);
    }
    void write64(uint64_t offset, uint64_t value) {
        brgpu_model_mmio_write(model, offset, value, 8);
    }
    std::byte *vram(uint64_t offset) {
        return info.vram ? static_cast<std::byte *>(info.vram) + offset : nullptr;
    }
    uint64_t vram64(uint64_t offset);
    void boot();
    void set(const char *property, const char *value);
    std::string get(const char *property);

    // Events.
    void enable_ring(unsigned cls, uint32_t log2, uint64_t base, uint32_t vector);
    brgpu_event_record record(uint64_t base, uint32_t index);

    // Invalidation, until completed.
    void invalidate(uint32_t command, uint64_t address = 0, uint64_t length = 0);

    FakeHost host;
    brgpu_model *model = nullptr;
    struct brgpu_model_info info = {};
};

// Page tables in the host's RAM.
class PageTables {
  public:
    PageTables(TestCard &card, uint16_t vm);

    static constexpr uint64_t rwx =
        BRGPU_PTE_READ | BRGPU_PTE_WRITE | BRGPU_PTE_EXEC | BRGPU_PTE_ATOMIC;

    // The entry that maps va at the level; tables above it are made.
    uint64_t entry(uint64_t va, unsigned level = 0);
    void map_vram(uint64_t va, uint64_t offset, uint64_t rights = rwx);
    void map_system(uint64_t va, uint64_t address, uint64_t rights = rwx);
    void map_range_vram(uint64_t va, uint64_t offset, uint64_t bytes, uint64_t rights = rwx);
    void set(uint64_t va, uint64_t pte, unsigned level = 0);

    const uint16_t vm;

  private:
    TestCard &card_;
    uint64_t root_;
};

// A kernel queue in VM 0 with its ring in RAM.
class TestQueue {
  public:
    struct Setup {
        uint16_t slot = 1;
        uint16_t ring_vm = 0;
        uint16_t vm = 0;
        uint8_t queue_class = BRGPU_QUEUE_COMPUTE;
        uint8_t priority = BRGPU_PRIORITY_NORMAL;
        uint32_t ring_log2 = 6;
        uint64_t save_bytes = 0;
        bool map = true;
    };

    TestQueue(TestCard &card, const Setup &setup);

    void push(const Packet &packet);
    void ring();
    // Pushes, rings, and waits for the read index.
    void run(const std::vector<Packet> &packets);
    void command(uint32_t command);
    // Waits until STATUS is not BUSY.
    uint32_t finish(uint32_t command);
    uint32_t state() { return reg32(BRGPU_QUEUE_STATUS) & BRGPU_QUEUE_STATE_MASK; }
    bool wait_state(uint32_t state, int ms = 10000);
    bool wait_read(uint64_t index, int ms = 20000);
    uint64_t reg(uint32_t offset) { return card_.read64(BRGPU_REG_QUEUE(slot) + offset); }
    uint32_t reg32(uint32_t offset) { return card_.read32(BRGPU_REG_QUEUE(slot) + offset); }
    uint32_t error() { return reg32(BRGPU_QUEUE_ERROR); }
    uint32_t fault_reason() {
        return reg32(BRGPU_QUEUE_FAULT_INFO) >> BRGPU_FAULT_INFO_REASON_SHIFT;
    }
    brgpu_hw_queue_desc &desc();

    const uint16_t slot;
    uint64_t written = 0;
    uint64_t desc_address, ring_address, write_index, read_index, save_area = 0;

  private:
    TestCard &card_;
    uint32_t log2_;
};

inline uint64_t system(uint64_t address) {
    return BRGPU_VM0_SYSTEM | address;
}

// Packets.
Packet nop();
Packet copy(uint64_t src, uint64_t dst, uint32_t bytes);
Packet fill(uint64_t dst, uint64_t bytes, uint8_t pattern_bytes, uint64_t pattern);
Packet write(uint64_t dst, const void *data, uint16_t bytes);
Packet signal(uint64_t address, uint64_t value, uint8_t op = BRGPU_SIGNAL_STORE,
              uint8_t notify = 0);
Packet wait(uint64_t address, uint64_t value, uint8_t compare = BRGPU_WAIT_GE);
Packet timestamp(uint64_t address);
Packet event(uint64_t payload);
Packet call(uint64_t address, uint32_t packets);
Packet barrier(uint16_t ops = 0);
Packet dispatch(uint64_t kernel, uint64_t kernarg, uint32_t grid, uint16_t workgroup);

// True as soon as the condition is; false after `ms`.
bool eventually(const std::function<bool()> &condition, int ms = 10000);

// A kernel in VRAM, mapped in a VM: descriptor, then code.
struct Kernel {
    brgpu_kernel_desc desc;
    std::vector<uint32_t> code;
};
Kernel make_kernel(std::vector<uint32_t> code);
void load_kernel(TestCard &card, uint64_t vram_offset, const Kernel &kernel);

// Enough of an assembler. Registers by number: x0 zero, x1 ra, x5 t0, x6 t1, x10 a0, x11 a1.
namespace rv {
constexpr uint32_t addi(uint32_t rd, uint32_t rs, int32_t imm) {
    return static_cast<uint32_t>(imm) << 20 | rs << 15 | rd << 7 | 0x13;
}
constexpr uint32_t slli(uint32_t rd, uint32_t rs, uint32_t n) {
    return n << 20 | rs << 15 | 1u << 12 | rd << 7 | 0x13;
}
constexpr uint32_t add(uint32_t rd, uint32_t a, uint32_t b) {
    return b << 20 | a << 15 | rd << 7 | 0x33;
}
constexpr uint32_t ld(uint32_t rd, uint32_t rs, int32_t imm) {
    return static_cast<uint32_t>(imm) << 20 | rs << 15 | 3u << 12 | rd << 7 | 0x03;
}
constexpr uint32_t lw(uint32_t rd, uint32_t rs, int32_t imm) {
    return static_cast<uint32_t>(imm) << 20 | rs << 15 | 2u << 12 | rd << 7 | 0x03;
}
constexpr uint32_t sw(uint32_t value, uint32_t rs, uint32_t imm) {
    return (imm >> 5) << 25 | value << 20 | rs << 15 | 2u << 12 | (imm & 31) << 7 | 0x23;
}
constexpr uint32_t amoadd_w(uint32_t rd, uint32_t address, uint32_t value) {
    return value << 20 | address << 15 | 2u << 12 | rd << 7 | 0x2f;
}
constexpr uint32_t csrr(uint32_t rd, uint32_t csr) {
    return csr << 20 | 2u << 12 | rd << 7 | 0x73;
}
constexpr uint32_t branch(uint32_t funct3, uint32_t a, uint32_t b, int32_t offset) {
    auto imm = static_cast<uint32_t>(offset);
    return (imm >> 12 & 1) << 31 | (imm >> 5 & 0x3f) << 25 | b << 20 | a << 15 | funct3 << 12 |
           (imm >> 1 & 0xf) << 8 | (imm >> 11 & 1) << 7 | 0x63;
}
constexpr uint32_t beq(uint32_t a, uint32_t b, int32_t offset) {
    return branch(0, a, b, offset);
}
constexpr uint32_t bne(uint32_t a, uint32_t b, int32_t offset) {
    return branch(1, a, b, offset);
}
constexpr uint32_t bltu(uint32_t a, uint32_t b, int32_t offset) {
    return branch(6, a, b, offset);
}
constexpr uint32_t jump_self = 0x0000006f;
constexpr uint32_t ret = 0x00008067;
constexpr uint32_t ecall = 0x00000073;
constexpr uint32_t ebreak = 0x00100073;
constexpr uint32_t ctl(uint32_t funct7, uint32_t rs1 = 0) {
    return funct7 << 25 | rs1 << 15 | BRGPU_OPCODE_CUSTOM0;
}
} // namespace rv

} // namespace brgpu::test

#endif
