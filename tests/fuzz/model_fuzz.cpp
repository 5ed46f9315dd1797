// SPDX-License-Identifier: MIT
//
// The card against a driver that has lost its mind: registers, descriptors, packets, page tables
// and doorbells from the fuzzer's bytes. The input is a list of 16-byte steps:
//   u8 what, u8 slot, u16 place, u32 a, u64 b
// Nothing may crash, hang, or reach memory that the host did not give.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "brgpu/hw/firmware.h"
#include "brgpu/hw/queue.h"
#include "brgpu/hw/regs.h"
#include "card_fixture.hpp"

namespace {

using namespace brgpu::test;

struct Step {
    uint8_t what;
    uint8_t slot;
    uint16_t place;
    uint32_t a;
    uint64_t b;
};
static_assert(sizeof(Step) == 16);

constexpr unsigned queues = 4;
// One page each for a ring, a page table of every level, and data, all known to the fuzzer.
constexpr uint64_t arena = FakeHost::ram_base + (1 << 20);
constexpr uint64_t arena_bytes = 64 << 10;

// One card for all inputs: a reset between two of them must be enough.
TestCard &card() {
    static auto made = std::make_unique<TestCard>(TestCard::Setup{});
    return *made;
}

void map_queue(TestCard &target, unsigned slot, uint64_t seed) {
    uint64_t page = arena + slot * 8192;
    brgpu_hw_queue_desc desc = {};
    desc.ring = system(page + 4096);
    desc.write_index = system(page + 512);
    desc.read_index = system(page + 520);
    desc.ring_log2 = 6;
    desc.vm = static_cast<uint16_t>(seed & 3);
    desc.ring_vm = static_cast<uint16_t>(seed >> 2 & 1);
    desc.priority = static_cast<uint8_t>(seed >> 3 & 3);
    desc.doorbell = slot;
    desc.save_area = seed & 64 ? system(arena + 0x8000) : 0;
    desc.save_bytes = 0x8000;
    std::memcpy(target.host.ram(page), &desc, sizeof(desc));
    target.write64(BRGPU_REG_QUEUE(slot) + BRGPU_QUEUE_DESC, system(page));
    target.write32(BRGPU_REG_QUEUE(slot) + BRGPU_QUEUE_COMMAND, BRGPU_QUEUE_CMD_MAP);
}

void run(TestCard &target, const Step &step) {
    unsigned slot = step.slot % queues;
    uint64_t ring = arena + slot * 8192 + 4096;
    uint64_t index = arena + slot * 8192 + 512;
    switch (step.what % 10) {
    case 0: // any register but RESET, which the end of the input does
        if ((step.a & 0xffff8) != (BRGPU_REG_RESET & ~7u))
            brgpu_model_mmio_write(target.model, step.a % BRGPU_BAR0_BYTES, step.b,
                                   1u << (step.place & 3));
        break;
    case 1:
        brgpu_model_mmio_read(target.model, step.a % BRGPU_BAR0_BYTES, 1u << (step.place & 3));
        break;
    case 2: // any word of the arena: descriptors, packets, page tables
        target.host.store(arena + (step.a % arena_bytes & ~7u), step.b);
        break;
    case 3: { // a word of a packet whose type is plausible
        uint64_t at = ring + step.place % 64 * 64;
        if (step.a & 1)
            std::memcpy(target.host.ram(at + (step.a >> 1) % 56), &step.b, sizeof(step.b));
        else
            *reinterpret_cast<uint8_t *>(target.host.ram(at)) = static_cast<uint8_t>(step.b % 11);
        break;
    }
    case 4:
        target.host.store(index, step.b % 64);
        brgpu_model_doorbell(target.model, slot * 8, 0, 8);
        break;
    case 5:
        map_queue(target, slot, step.b);
        break;
    case 6:
        target.write32(BRGPU_REG_QUEUE(slot) + BRGPU_QUEUE_COMMAND, step.a % 7);
        break;
    case 7: // a root in the arena
        target.write64(BRGPU_REG_VM_CONTEXT(slot),
                       (arena + step.place % 16 * 4096) | BRGPU_PTE_VALID | BRGPU_PTE_SYSTEM);
        target.write32(BRGPU_REG_VM_CONTEXT(slot) + BRGPU_VM_CTRL, step.a & 1);
        break;
    case 8: // an entry that leads on, or to data
        target.host.store(arena + (step.a % arena_bytes & ~7u),
                          (arena + step.place % 16 * 4096) | BRGPU_PTE_SYSTEM | (step.b & 0x79f) |
                              BRGPU_PTE_VALID);
        break;
    default:
        target.write32(BRGPU_REG_TLB_COMMAND, step.a);
        break;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    TestCard &target = card();
    size_t steps = std::min<size_t>(size / sizeof(Step), 256);
    for (size_t i = 0; i < steps; i++) {
        Step step;
        std::memcpy(&step, data + i * sizeof(step), sizeof(step));
        run(target, step);
    }
    std::this_thread::yield();
    // Every queue can be got back within the limit, whatever it was given.
    for (unsigned slot = 0; slot < queues; slot++)
        target.write32(BRGPU_REG_QUEUE(slot) + BRGPU_QUEUE_COMMAND, BRGPU_QUEUE_CMD_KILL);
    for (unsigned slot = 0; slot < queues; slot++) {
        if (!eventually([&] {
                return !(target.read32(BRGPU_REG_QUEUE(slot) + BRGPU_QUEUE_STATUS) &
                         BRGPU_QUEUE_BUSY);
            }))
            std::abort();
    }
    brgpu_model_reset(target.model, BRGPU_MODEL_RESET_FUNCTION);
    target.boot();
    std::memset(target.host.ram(arena), 0, arena_bytes);
    return 0;
}
