// SPDX-License-Identifier: MIT
#include "card_fixture.hpp"

namespace brgpu::test {
namespace {

constexpr uint64_t code_va = 0x10'0000;
constexpr uint64_t code_vram = 0x8'0000;
constexpr uint64_t data_va = 0x4000'0000;
constexpr uint64_t data_vram = 0x40'0000;
constexpr uint64_t data_bytes = 0x10'0000;

// *(u32 *)(*(u64 *)a0 + 4 * global id) = global id
const std::vector<uint32_t> store_ids = {rv::csrr(5, BRGPU_CSR_GLOBAL_ID),
                                         rv::slli(6, 5, 2),
                                         rv::ld(11, 10, 0),
                                         rv::add(6, 6, 11),
                                         rv::sw(5, 6, 0),
                                         rv::ret};
const std::vector<uint32_t> forever = {rv::jump_self};
// Counts itself in, then spins until the first word of the data is not 0.
const std::vector<uint32_t> spin = {
    rv::ld(11, 10, 0),        rv::addi(5, 0, 1),  rv::addi(6, 11, 4),
    rv::amoadd_w(0, 6, 5),    rv::lw(5, 11, 0),   rv::bne(5, 0, 12),
    rv::ctl(BRGPU_CTL_YIELD), rv::beq(0, 0, -12), rv::ret};

class Dispatch : public testing::Test {
  protected:
    explicit Dispatch(const TestCard::Setup &setup = {}) : card(setup), tables(card, 7) {
        tables.map_range_vram(code_va, code_vram, 0x10000, BRGPU_PTE_READ | BRGPU_PTE_EXEC);
        tables.map_range_vram(data_va, data_vram, data_bytes);
        // The kernel argument: the address of the data behind it.
        uint64_t argument = data_va + 0x1000;
        std::memcpy(card.vram(data_vram), &argument, sizeof(argument));
    }

    // Loads the code as the n-th kernel and gives its address.
    uint64_t kernel(unsigned n, const std::vector<uint32_t> &code) {
        load_kernel(card, code_vram + n * 1024, make_kernel(code));
        return code_va + n * 1024;
    }
    uint32_t word(uint64_t offset) {
        return __atomic_load_n(reinterpret_cast<uint32_t *>(card.vram(data_vram + 0x1000 + offset)),
                               __ATOMIC_ACQUIRE);
    }
    void set_word(uint64_t offset, uint32_t value) {
        __atomic_store_n(reinterpret_cast<uint32_t *>(card.vram(data_vram + 0x1000 + offset)),
                         value, __ATOMIC_RELEASE);
    }
    void expect_shader_fault(const std::vector<uint32_t> &code, brgpu_queue_error error,
                             uint8_t reason) {
        TestQueue queue(card, {.slot = 4, .vm = 7});
        // Other code stood there before.
        queue.push(barrier(BRGPU_BARRIER_CODE));
        queue.push(dispatch(kernel(9, code), data_va, 1, 1));
        queue.ring();
        ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
        EXPECT_EQ(queue.error(), unsigned{error});
        EXPECT_EQ(queue.fault_reason(), reason);
        queue.finish(BRGPU_QUEUE_CMD_UNMAP);
    }

    TestCard card;
    PageTables tables;
};

TEST_F(Dispatch, RunsAKernel) {
    TestQueue queue(card, {.vm = 7});
    uint64_t times = card.host.allocate(64);
    tables.map_system(0x9000'0000, times & ~uint64_t{4095});
    Packet packet = dispatch(kernel(0, store_ids), data_va, 5000, 64);
    packet.dispatch.timestamps = 0x9000'0000 + (times & 4095);
    queue.run({packet});
    for (uint32_t i = 0; i < 5000; i++)
        ASSERT_EQ(word(i * 4), i);
    EXPECT_EQ(word(5000 * 4), 0u) << "the last workgroup is smaller";
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_DISPATCHES), 1u);
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_WORKGROUPS), 79u);
    EXPECT_LT(card.host.load(times), card.host.load(times + 8));
    Packet empty = dispatch(kernel(0, store_ids), data_va, 0, 64);
    queue.run({empty, signal(system(times), 7), empty, empty, signal(system(times + 8), 8)});
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_DISPATCHES), 4u);
    EXPECT_EQ(card.host.load(times), 7u) << "the packet behind an empty one isn't skipped";
    EXPECT_EQ(card.host.load(times + 8), 8u);
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_READ_INDEX), queue.written);
}

TEST_F(Dispatch, RunsOnSystemMemoryToo) {
    TestQueue queue(card, {.vm = 7});
    uint64_t data = card.host.allocate(0x10000);
    for (uint64_t at = 0; at < 0x10000; at += 4096)
        tables.map_system(0x8000'0000 + at, data + at);
    card.host.map_limit = 4096; // the host is asked for each page
    card.host.store(data, 0x8000'1000);
    queue.run({dispatch(kernel(0, store_ids), 0x8000'0000, 8192, 256)});
    for (uint32_t i = 0; i < 8192; i += 2)
        ASSERT_EQ(card.host.load(data + 0x1000 + i * 4), i | uint64_t{i + 1} << 32);
}

TEST_F(Dispatch, AWorkgroupMayTouchManyNewPages) {
    constexpr uint32_t pages = 100;
    const std::vector<uint32_t> touch = {
        rv::ld(11, 10, 0),     rv::addi(7, 0, 1),  rv::slli(7, 7, 12),
        rv::addi(6, 0, pages), rv::sw(6, 11, 0),   rv::add(11, 11, 7),
        rv::addi(6, 6, -1),    rv::bne(6, 0, -12), rv::ret};
    TestQueue queue(card, {.vm = 7});
    uint64_t data = card.host.allocate((pages + 1) * 4096);
    for (uint64_t at = 0; at < (pages + 1) * 4096; at += 4096)
        tables.map_system(0x8000'0000 + at, data + at);
    card.host.map_limit = 4096; // the host is asked for each page
    card.host.store(data, 0x8000'1000);
    queue.run({dispatch(kernel(0, touch), 0x8000'0000, 1, 1)});
    for (uint32_t i = 0; i < pages; i++)
        ASSERT_EQ(static_cast<uint32_t>(card.host.load(data + (i + 1) * 4096)), pages - i);
}

TEST_F(Dispatch, NewCodeIsSeenBehindABarrier) {
    TestQueue queue(card, {.vm = 7});
    queue.run({dispatch(kernel(0, store_ids), data_va, 32, 32)});
    EXPECT_EQ(word(4), 1u);
    auto changed = store_ids;
    changed[0] = rv::addi(5, 0, 7);
    kernel(0, changed);
    queue.run({barrier(BRGPU_BARRIER_CODE), dispatch(code_va, data_va, 32, 32)});
    EXPECT_EQ(word(28), 7u);
}

TEST_F(Dispatch, FaultsOfShadersAreTold) {
    expect_shader_fault({rv::ecall}, BRGPU_QUEUE_ERROR_SHADER, BRGPU_FAULT_ECALL);
    expect_shader_fault({rv::ebreak}, BRGPU_QUEUE_ERROR_SHADER, BRGPU_FAULT_EBREAK);
    expect_shader_fault({0}, BRGPU_QUEUE_ERROR_SHADER, BRGPU_FAULT_ILLEGAL);
    expect_shader_fault({rv::ctl(BRGPU_CTL_TRAP, 10)}, BRGPU_QUEUE_ERROR_SHADER, BRGPU_FAULT_TRAP);
    expect_shader_fault({rv::lw(5, 4, 0), rv::ret}, BRGPU_QUEUE_ERROR_SHADER, BRGPU_FAULT_LOCAL);
    expect_shader_fault({rv::lw(5, 2, 0), rv::ret}, BRGPU_QUEUE_ERROR_SHADER, BRGPU_FAULT_PRIVATE);
    expect_shader_fault({rv::lw(5, 0, 0), rv::ret}, BRGPU_QUEUE_ERROR_MMU, BRGPU_FAULT_NOT_MAPPED);
    expect_shader_fault({rv::addi(5, 0, -8), rv::lw(5, 5, 0), rv::ret}, BRGPU_QUEUE_ERROR_MMU,
                        BRGPU_FAULT_ADDRESS);
    // Code is not writable here.
    expect_shader_fault({rv::addi(5, 0, 1), rv::slli(5, 5, 20), rv::sw(5, 5, 0), rv::ret},
                        BRGPU_QUEUE_ERROR_MMU, BRGPU_FAULT_RIGHTS);
    expect_shader_fault({rv::addi(5, 10, 1), rv::amoadd_w(5, 5, 5), rv::ret},
                        BRGPU_QUEUE_ERROR_SHADER, BRGPU_FAULT_MISALIGNED);
    // To where nothing is executable: fetch.
    expect_shader_fault({rv::addi(1, 0, 256), rv::ret}, BRGPU_QUEUE_ERROR_MMU,
                        BRGPU_FAULT_NOT_MAPPED);
    tables.map_vram(data_va, data_vram, BRGPU_PTE_READ);
    card.invalidate(BRGPU_TLB_ALL);
    expect_shader_fault({rv::addi(1, 10, 0), rv::ret}, BRGPU_QUEUE_ERROR_MMU, BRGPU_FAULT_RIGHTS);
}

TEST_F(Dispatch, RefusesKernelDescriptors) {
    for (int kind = 0; kind < 6; kind++) {
        Kernel bad = make_kernel(store_ids);
        if (kind == 0)
            bad.desc.magic = 0;
        if (kind == 1)
            bad.desc.isa_major++;
        if (kind == 2)
            bad.desc.private_bytes = 8;
        if (kind == 3)
            bad.desc.static_local_bytes = BRGPU_MAX_LOCAL_BYTES + 1;
        if (kind == 4)
            bad.desc.pad1[2] = 1;
        if (kind == 5)
            bad.desc.max_workgroup = 16;
        load_kernel(card, code_vram, bad);
        TestQueue queue(card, {.vm = 7});
        queue.push(dispatch(code_va, data_va, 32, 32));
        queue.ring();
        EXPECT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_ERROR));
        EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_KERNEL) << kind;
        queue.finish(BRGPU_QUEUE_CMD_UNMAP);
    }
}

TEST_F(Dispatch, InfiniteKernelsHoldUpNobody) {
    // More of them than there are workers, of the same priority.
    std::vector<std::unique_ptr<TestQueue>> hogs;
    uint64_t endless = kernel(1, forever);
    for (uint16_t i = 0; i < 4; i++) {
        hogs.push_back(std::make_unique<TestQueue>(
            card, TestQueue::Setup{.slot = static_cast<uint16_t>(10 + i), .vm = 7}));
        hogs.back()->push(dispatch(endless, data_va, 1024, 32));
        hogs.back()->ring();
    }
    TestQueue queue(card, {.vm = 7});
    for (int round = 0; round < 5; round++)
        queue.run({dispatch(kernel(0, store_ids), data_va, 2048, 64)});
    EXPECT_EQ(word(2047 * 4), 2047u);
    // One of lower priority must wait, and goes on when it may; KILL is not kept waiting.
    TestQueue low(card, {.slot = 2, .vm = 7, .priority = BRGPU_PRIORITY_LOW});
    uint64_t mark = card.host.allocate(64);
    low.push(signal(system(mark), 1));
    low.ring();
    for (auto &hog : hogs) {
        auto begin = std::chrono::steady_clock::now();
        hog->finish(BRGPU_QUEUE_CMD_KILL);
        EXPECT_EQ(hog->error(), BRGPU_QUEUE_ERROR_KILLED);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    }
    EXPECT_TRUE(low.wait_read(1));
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_NONE);
}

TEST_F(Dispatch, HighPriorityGoesFirst) {
    TestQueue hog(card, {.slot = 10, .vm = 7, .priority = BRGPU_PRIORITY_NORMAL});
    hog.push(dispatch(kernel(1, forever), data_va, 1024, 32));
    hog.ring();
    ASSERT_TRUE(hog.wait_state(BRGPU_QUEUE_STATE_RUNNING));
    TestQueue urgent(card, {.slot = 11, .vm = 7, .priority = BRGPU_PRIORITY_REALTIME});
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; i++)
        urgent.run({dispatch(kernel(0, store_ids), data_va, 64, 64)});
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    hog.finish(BRGPU_QUEUE_CMD_KILL);
}

TEST_F(Dispatch, ResidentWorkgroupsMakeProgressSideBySide) {
    uint32_t resident = card.read32(BRGPU_REG_RESIDENT_GROUPS);
    TestQueue queue(card, {.vm = 7});
    queue.push(dispatch(kernel(2, spin), data_va, resident, 1));
    queue.ring();
    // All have come, on two workers, though none can finish.
    EXPECT_TRUE(eventually([&] { return word(4) == resident; })) << word(4);
    set_word(0, 1);
    EXPECT_TRUE(queue.wait_read(1));
}

TEST_F(Dispatch, PreemptAndRestoreInMidKernel) {
    TestQueue queue(card, {.vm = 7, .save_bytes = 16 << 20});
    uint32_t resident = card.read32(BRGPU_REG_RESIDENT_GROUPS);
    queue.push(dispatch(kernel(2, spin), data_va, resident, 1));
    queue.ring();
    ASSERT_TRUE(eventually([&] { return word(4) == resident; }));
    ASSERT_EQ(queue.finish(BRGPU_QUEUE_CMD_PREEMPT) & BRGPU_QUEUE_STATE_MASK,
              BRGPU_QUEUE_STATE_PREEMPTED);
    EXPECT_GT(queue.desc().saved_bytes, 1024u);
    // While it is away others use the slot's engine.
    TestQueue other(card, {.slot = 2, .vm = 7});
    other.run({dispatch(kernel(0, store_ids), data_va, 1, 1)}); // writes 0 to word 0
    set_word(0, 1);
    queue.desc().flags = BRGPU_QUEUE_DESC_RESTORE;
    queue.finish(BRGPU_QUEUE_CMD_MAP);
    EXPECT_TRUE(queue.wait_read(1)) << queue.state() << " " << queue.error();
    EXPECT_EQ(word(4), resident) << "nothing was done twice";
}

TEST_F(Dispatch, RestoredWorkSharesTheEngines) {
    // As many as there are workers, so that one that kept its worker would be seen.
    TestQueue first(card, {.slot = 1, .vm = 7, .save_bytes = 16 << 20});
    TestQueue second(card, {.slot = 2, .vm = 7, .save_bytes = 16 << 20});
    for (TestQueue *hog : {&first, &second}) {
        hog->push(dispatch(kernel(1, forever), data_va, 16, 1));
        hog->ring();
        ASSERT_TRUE(hog->wait_state(BRGPU_QUEUE_STATE_RUNNING));
        ASSERT_EQ(hog->finish(BRGPU_QUEUE_CMD_PREEMPT) & BRGPU_QUEUE_STATE_MASK,
                  BRGPU_QUEUE_STATE_PREEMPTED);
        hog->desc().flags = BRGPU_QUEUE_DESC_RESTORE;
        hog->finish(BRGPU_QUEUE_CMD_MAP);
        // What was begun runs: a watchdog goes by it.
        EXPECT_EQ(hog->state(), BRGPU_QUEUE_STATE_RUNNING);
    }
    TestQueue other(card, {.slot = 3, .vm = 7});
    for (int i = 0; i < 3; i++)
        other.run({dispatch(kernel(0, store_ids), data_va, 64, 64)});
    first.finish(BRGPU_QUEUE_CMD_KILL);
    second.finish(BRGPU_QUEUE_CMD_KILL);
}

TEST_F(Dispatch, ProgressIsSeenWhileAWorkgroupRuns) {
    constexpr uint32_t progress = BRGPU_CTL_PROGRESS << 25 | BRGPU_OPCODE_CUSTOM0;
    TestQueue queue(card, {.vm = 7});
    queue.push(dispatch(kernel(1, {progress, 0xffdff06f /* j -4 */}), data_va, 1, 1));
    queue.ring();
    EXPECT_TRUE(eventually([&] { return queue.reg(BRGPU_QUEUE_PROGRESS) > 0; }));
    uint64_t seen = queue.reg(BRGPU_QUEUE_PROGRESS);
    EXPECT_TRUE(eventually([&] { return queue.reg(BRGPU_QUEUE_PROGRESS) > seen; }));
    queue.finish(BRGPU_QUEUE_CMD_KILL);
}

TEST_F(Dispatch, ReportsCountOnBehindAPreemption) {
    constexpr uint64_t report_va = data_va + 0x8000;
    auto *report = reinterpret_cast<brgpu_dispatch_report *>(card.vram(data_vram + 0x8000));
    const auto *counters = reinterpret_cast<const uint64_t *>(report + 1);
    report->bytes = sizeof(*report) + BRGPU_COUNTERS * 8;
    report->flags = BRGPU_REPORT_DETAILS | BRGPU_REPORT_PROFILE;
    report->profile = data_va + 0xa000;
    report->profile_pc = code_va + 2 * 1024 + 64;
    report->profile_bytes = 36;
    const auto *profile =
        reinterpret_cast<const brgpu_report_entry *>(card.vram(data_vram + 0xa000));
    TestQueue queue(card, {.vm = 7, .save_bytes = 16 << 20});
    const uint32_t resident = card.read32(BRGPU_REG_RESIDENT_GROUPS);
    Packet packet = dispatch(kernel(2, spin), data_va, resident, 1);
    packet.dispatch.flags |= BRGPU_PACKET_REPORT_BIT;
    packet.dispatch.timestamps = report_va;
    queue.push(packet);
    queue.ring();
    ASSERT_TRUE(eventually([&] { return word(4) == resident; }));
    ASSERT_EQ(queue.finish(BRGPU_QUEUE_CMD_PREEMPT) & BRGPU_QUEUE_STATE_MASK,
              BRGPU_QUEUE_STATE_PREEMPTED);
    EXPECT_EQ(report->counters, 0u);
    set_word(0, 1);
    queue.desc().flags = BRGPU_QUEUE_DESC_RESTORE;
    queue.finish(BRGPU_QUEUE_CMD_MAP);
    ASSERT_TRUE(queue.wait_read(1)) << queue.state() << " " << queue.error();
    EXPECT_EQ(report->counters, unsigned{BRGPU_COUNTERS});
    EXPECT_LT(report->start, report->end);
    EXPECT_EQ(counters[BRGPU_COUNTER_WORKGROUPS], resident);
    EXPECT_EQ(counters[BRGPU_COUNTER_WARPS], resident);
    EXPECT_EQ(counters[BRGPU_COUNTER_ATOMICS], resident);
    EXPECT_GE(counters[BRGPU_COUNTER_YIELDS], resident);
    EXPECT_EQ(profile[0].instructions, resident) << "the first instruction, before the preemption";
    EXPECT_EQ(profile[16].instructions, resident) << "the last, after it";
    uint64_t total = 0;
    for (unsigned i = 0; i < 18; i++)
        total += profile[i].instructions;
    EXPECT_EQ(counters[BRGPU_COUNTER_INSTRUCTIONS], total);
}

TEST_F(Dispatch, PreemptWithTooSmallAnAreaKills) {
    TestQueue queue(card, {.vm = 7, .save_bytes = 4096});
    queue.push(dispatch(kernel(1, forever), data_va, 1024, 1024));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_RUNNING));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_PREEMPT) & BRGPU_QUEUE_STATE_MASK,
              BRGPU_QUEUE_STATE_ERROR);
    EXPECT_EQ(queue.error(), BRGPU_QUEUE_ERROR_PREEMPT);
}

TEST_F(Dispatch, RetryRepairsShaderFaults) {
    card.write32(BRGPU_REG_VM_CONTEXT(7) + BRGPU_VM_CTRL, BRGPU_VM_CTRL_RETRY);
    tables.set(data_va + 0x2000, 0);
    card.invalidate(BRGPU_TLB_ALL);
    TestQueue queue(card, {.vm = 7, .save_bytes = 16 << 20});
    queue.push(dispatch(kernel(0, store_ids), data_va, 4096, 64));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_FAULTED));
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_FAULT_ADDRESS) & ~uint64_t{4095}, data_va + 0x2000);
    EXPECT_NE(queue.reg(BRGPU_QUEUE_FAULT_PC), 0u);
    // Preempted with the fault pending.
    EXPECT_EQ(queue.finish(BRGPU_QUEUE_CMD_PREEMPT) & BRGPU_QUEUE_STATE_MASK,
              BRGPU_QUEUE_STATE_PREEMPTED);
    queue.desc().flags = BRGPU_QUEUE_DESC_RESTORE;
    queue.finish(BRGPU_QUEUE_CMD_MAP);
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_FAULTED));
    tables.map_vram(data_va + 0x2000, data_vram + 0x2000);
    queue.finish(BRGPU_QUEUE_CMD_RESUME);
    EXPECT_TRUE(queue.wait_read(1));
    for (uint32_t i = 0; i < 4096; i++)
        ASSERT_EQ(word(i * 4), i);
}

TEST_F(Dispatch, InvalidationCompletesWhileKernelsSpin) {
    TestQueue queue(card, {.vm = 7});
    queue.push(dispatch(kernel(1, forever), data_va, 1024, 32));
    queue.ring();
    ASSERT_TRUE(queue.wait_state(BRGPU_QUEUE_STATE_RUNNING));
    for (int i = 0; i < 100; i++)
        card.invalidate(BRGPU_TLB_VM | 7 << 8);
    queue.finish(BRGPU_QUEUE_CMD_KILL);
}

TEST_F(Dispatch, ShadersSeeStaleMappingsToo) {
    TestQueue queue(card, {.vm = 7});
    queue.push(dispatch(kernel(2, spin), data_va, 1, 1));
    queue.ring();
    ASSERT_TRUE(eventually([&] { return word(4) == 1; }));
    // Another page under the flag, set from the start: unseen until it is invalidated.
    uint64_t other = data_vram + data_bytes;
    *reinterpret_cast<uint32_t *>(card.vram(other)) = 1;
    tables.map_vram(data_va + 0x1000, other);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_READ_INDEX), 0u);
    card.invalidate(BRGPU_TLB_VM | 7 << 8);
    EXPECT_TRUE(queue.wait_read(1));
}

// Adds one to the word of each work-item, so that what ran twice or never is seen.
const std::vector<uint32_t> count_ids = {rv::csrr(5, BRGPU_CSR_GLOBAL_ID),
                                         rv::slli(6, 5, 2),
                                         rv::ld(11, 10, 0),
                                         rv::add(6, 6, 11),
                                         rv::addi(5, 0, 1),
                                         rv::amoadd_w(0, 6, 5),
                                         rv::ret};

class ManyWorkers : public Dispatch {
  protected:
    ManyWorkers() : Dispatch({.workers = 4}) {}
    static constexpr uint32_t items = 200'000;
};

TEST_F(ManyWorkers, EachWorkgroupRunsOnce) {
    TestQueue queue(card, {.vm = 7});
    // Of one work-item each; then of more in each, of which the last workgroup has few.
    queue.run({dispatch(kernel(0, count_ids), data_va, items, 1)});
    EXPECT_EQ(queue.reg(BRGPU_QUEUE_WORKGROUPS), items);
    queue.run({dispatch(kernel(0, count_ids), data_va, items, 33)});
    for (uint32_t i = 0; i < items; i++)
        ASSERT_EQ(word(i * 4), 2u) << i;
    EXPECT_EQ(word(items * 4), 0u);
}

TEST_F(ManyWorkers, PreemptedAmongManyWorkgroupsEachRunsOnce) {
    TestQueue queue(card, {.vm = 7, .save_bytes = 16 << 20});
    queue.push(dispatch(kernel(0, count_ids), data_va, items, 1));
    queue.ring();
    unsigned preempted = 0;
    for (int round = 0; round < 50 && queue.reg(BRGPU_QUEUE_READ_INDEX) == 0; round++) {
        if ((queue.finish(BRGPU_QUEUE_CMD_PREEMPT) & BRGPU_QUEUE_STATE_MASK) !=
            BRGPU_QUEUE_STATE_PREEMPTED)
            break; // it had come to its end, and the queue is unmapped
        preempted++;
        queue.desc().flags = BRGPU_QUEUE_DESC_RESTORE;
        queue.finish(BRGPU_QUEUE_CMD_MAP);
        ASSERT_NE(queue.state(), BRGPU_QUEUE_STATE_ERROR) << queue.error();
    }
    EXPECT_GT(preempted, 0u);
    EXPECT_TRUE(queue.wait_read(1));
    for (uint32_t i = 0; i < items; i++)
        ASSERT_EQ(word(i * 4), 1u) << i << " after " << preempted << " preemptions";
}

TEST_F(ManyWorkers, BuildForAnInstructionSetIsChosen) {
    EXPECT_EQ(card.get("isa"), "auto");
    std::string best = card.get("stat-engine");
    card.set("isa", "baseline");
    EXPECT_EQ(card.get("stat-engine"), "baseline");
    TestQueue queue(card, {.vm = 7});
    queue.run({dispatch(kernel(0, store_ids), data_va, 1000, 64)});
    EXPECT_EQ(word(999 * 4), 999u);
    card.set("isa", "auto");
    EXPECT_EQ(card.get("stat-engine"), best);
}

class Deterministic : public Dispatch {
  protected:
    Deterministic() : Dispatch({.workers = 4, .deterministic = true}) {}
};

TEST_F(Deterministic, OneWorkerServesAll) {
    EXPECT_EQ(card.get("stat-workers"), "1");
    TestQueue hog(card, {.slot = 3, .vm = 7});
    hog.push(dispatch(kernel(1, forever), data_va, 64, 32));
    hog.ring();
    TestQueue queue(card, {.vm = 7});
    queue.run({dispatch(kernel(0, store_ids), data_va, 1000, 64)});
    EXPECT_EQ(word(999 * 4), 999u);
}

} // namespace
} // namespace brgpu::test
