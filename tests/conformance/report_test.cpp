// SPDX-License-Identifier: MIT
//
// Counters and profiles of dispatches.
#include <cstring>
#include <numeric>

#include "brgpu/hw/queue.h"
#include "brgpu/hw/regs.h"
#include "suite.hpp"

namespace brgpu::conformance {

class Reports : public Conformance {
  protected:
    static constexpr uint32_t items = 256, group = 64, warps = items / 32;

    CodeObject object{vm, code()};
    Kernel kernel = object.kernel("counted");
    Buffer data{vm, 8192};

    void SetUp() override {
        ASSERT_NE(0u, device.properties().hw_features & BRGPU_FEATURE_REPORT);
        kernel.set(0, data);
        kernel.set_local(1, group * 128);
    }
    brgpu_dispatch_counters run(const Report &report) {
        auto how = grid({items}, {group});
        how.report = report.get();
        queue.wait(queue.launch(kernel, how), timeout_ns);
        return report.counters();
    }
    // A report as the device sees it, in memory that the CPU sees too.
    struct Raw {
        explicit Raw(const Vm &vm)
            : memory(vm, 65536, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE),
              head(static_cast<brgpu_dispatch_report *>(vm.cpu_pointer(memory.address()))) {
            head->bytes = sizeof(*head) + BRGPU_COUNTERS * 8;
        }
        Buffer memory;
        brgpu_dispatch_report *head;
    };
    brgpu_packet_dispatch packet_for(uint64_t report) {
        brgpu_packet_dispatch packet = {};
        packet.type = BRGPU_PACKET_DISPATCH;
        packet.flags = BRGPU_PACKET_REPORT_BIT;
        packet.work_dim = 1;
        packet.workgroup[0] = packet.workgroup[1] = packet.workgroup[2] = 1;
        packet.grid[0] = packet.grid[1] = packet.grid[2] = 1;
        const Kernel nothing = object.kernel("nothing");
        packet.kernel = nothing.properties().descriptor;
        packet.kernarg = data.address();
        packet.timestamps = report;
        return packet;
    }
};

TEST_F(Reports, PlainCountersComeWithTheTimes) {
    const Report report(vm);
    EXPECT_STATUS(BRGPU_ERROR_BUSY, report.counters());
    const auto c = run(report);
    EXPECT_EQ(items / group, c.workgroups);
    EXPECT_EQ(warps, c.warps);
    EXPECT_EQ(items / group, c.barriers);
    EXPECT_GT(c.instructions, warps * 10u);
    EXPECT_GT(c.lane_instructions, c.instructions);
    EXPECT_LE(c.lane_instructions, 32 * c.instructions);
    EXPECT_LE(c.compiled_instructions, c.instructions);
    EXPECT_LT(c.start, c.end);
    EXPECT_EQ(0u, c.flags);
    EXPECT_EQ(0u, c.loads);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, report.profile());
}

TEST_F(Reports, DetailsSayWhatTheKernelDoes) {
    const Report report(vm, BRGPU_COUNT_DETAILS);
    run(report); // a first access may fault on the device, and counts again then
    const std::vector<uint32_t> zeros(items + 1);
    queue.upload(data, zeros);
    const auto c = run(report);
    EXPECT_EQ(0u, c.compiled_instructions);
    EXPECT_EQ(c.loads + c.stores + c.atomics, c.global_uniform + c.global_consecutive +
                                                  c.global_page + c.global_scattered +
                                                  c.local_accesses + c.private_accesses);
    // data[id] is read and written once; one word gets an atomic; local memory is written in steps
    // of 32 words, all in one bank, and read back the same way by half of the lanes.
    EXPECT_EQ(warps, c.atomics);
    EXPECT_EQ(2 * warps, c.local_accesses);
    EXPECT_EQ(warps * (31 + 15), c.local_bank_conflicts);
    EXPECT_GE(c.load_bytes, items * 4u);
    EXPECT_EQ(items * 4u, c.store_bytes);
    EXPECT_GE(c.divergent_branches, warps);
    EXPECT_LE(c.divergent_branches, c.branches);
    EXPECT_GE(c.fp_instructions, warps);
    EXPECT_EQ(warps, c.shuffles);
    std::vector<uint32_t> got(items + 1);
    queue.download(got, data);
    EXPECT_EQ(items, got[items]) << "a counted kernel computes what it would without";
}

TEST_F(Reports, AProfileAddsUp) {
    const Report report(vm, 0, object);
    run(report); // what the first run leaves must not add to the second
    const auto c = run(report);
    const auto profile = report.profile();
    ASSERT_FALSE(profile.empty());
    uint64_t instructions = 0, lanes = 0, last = 0;
    for (const auto &entry : profile) {
        EXPECT_TRUE(last == 0 || entry.address > last);
        last = entry.address;
        instructions += entry.instructions;
        lanes += entry.lane_instructions;
    }
    EXPECT_EQ(c.instructions, instructions);
    EXPECT_EQ(c.lane_instructions, lanes);
    EXPECT_EQ(0u, c.loads) << "details without BRGPU_COUNT_DETAILS";
}

TEST_F(Reports, EndWithTheirDispatchNotBefore) {
    // Two dispatches of one list; the report is of the last.
    const Report report(vm, BRGPU_COUNT_DETAILS);
    auto how = grid({items}, {group});
    how.report = report.get();
    how.flags = BRGPU_COMMAND_ORDERED;
    Commands list(vm);
    list.dispatch(kernel, how);
    how.global[0] = group;
    list.dispatch(kernel, how);
    queue.wait(queue.submit(list), timeout_ns);
    EXPECT_EQ(1u, report.counters().workgroups);
    queue.wait(queue.submit(list), timeout_ns);
    EXPECT_EQ(1u, report.counters().workgroups);
}

TEST_F(Reports, WrongUseIsRefused) {
    const Report report(vm);
    auto how = grid({items}, {group});
    how.report = report.get();
    how.timestamps = data.address();
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, queue.launch(kernel, how));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Report(vm, 4));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Report(vm, BRGPU_COUNT_PROFILE));
    const Vm other(device);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Report(other, 0, object));
    const Report elsewhere(other);
    how.timestamps = 0;
    how.report = elsewhere.get();
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, queue.launch(kernel, how));
    auto info = sized<brgpu_report_create_info>();
    info.code = object.get();
    brgpu_report *made = nullptr;
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT, brgpu_report_create(vm.get(), &info, &made));
    EXPECT_EQ(nullptr, made);
}

TEST_F(Reports, TheDeviceWritesNoMoreThanThereIsRoomFor) {
    const Raw raw(vm);
    auto *counters = reinterpret_cast<uint64_t *>(raw.head + 1);
    raw.head->bytes = sizeof(*raw.head) + 2 * 8;
    counters[2] = 77;
    Commands list(vm);
    const auto packet = packet_for(raw.memory.address());
    list.packets(&packet, 1);
    queue.wait(queue.submit(list), timeout_ns);
    EXPECT_EQ(2u, raw.head->counters);
    EXPECT_EQ(1u, counters[BRGPU_COUNTER_WORKGROUPS]);
    EXPECT_EQ(1u, counters[BRGPU_COUNTER_WARPS]);
    EXPECT_EQ(77u, counters[2]);
}

TEST_F(Reports, HostileOnesStopTheirQueue) {
    const struct {
        const char *what;
        void (*change)(brgpu_dispatch_report &head, brgpu_packet_dispatch &packet);
        uint32_t error;
    } cases[] = {
        {"flags", [](auto &h, auto &) { h.flags = 4; }, BRGPU_QUEUE_ERROR_FIELD},
        {"pad", [](auto &h, auto &) { h.pad1 = 1; }, BRGPU_QUEUE_ERROR_FIELD},
        {"small", [](auto &h, auto &) { h.bytes = 56; }, BRGPU_QUEUE_ERROR_FIELD},
        {"large", [](auto &h, auto &) { h.bytes = BRGPU_REPORT_MAX_BYTES + 8; },
         BRGPU_QUEUE_ERROR_FIELD},
        {"odd size", [](auto &h, auto &) { h.bytes = 68; }, BRGPU_QUEUE_ERROR_FIELD},
        {"profile without flag", [](auto &h, auto &) { h.profile_bytes = 2; },
         BRGPU_QUEUE_ERROR_FIELD},
        {"no code", [](auto &h, auto &) { h.flags = BRGPU_REPORT_PROFILE; },
         BRGPU_QUEUE_ERROR_FIELD},
        {"much code",
         [](auto &h, auto &) {
             h.flags = BRGPU_REPORT_PROFILE;
             h.profile_bytes = BRGPU_REPORT_MAX_CODE + 2;
         },
         BRGPU_QUEUE_ERROR_FIELD},
        {"profile that wraps",
         [](auto &h, auto &) {
             h.flags = BRGPU_REPORT_PROFILE;
             h.profile_bytes = 64;
             h.profile = UINT64_MAX - 15;
         },
         BRGPU_QUEUE_ERROR_FIELD},
        {"profile that is not there",
         [](auto &h, auto &) {
             h.flags = BRGPU_REPORT_PROFILE;
             h.profile_bytes = 64;
             h.profile = 0x123456789000;
         },
         BRGPU_QUEUE_ERROR_MMU},
        {"misaligned", [](auto &, auto &p) { p.timestamps += 8; }, BRGPU_QUEUE_ERROR_FIELD},
        {"nowhere", [](auto &, auto &p) { p.timestamps = 0x123456789000; }, BRGPU_QUEUE_ERROR_MMU},
    };
    for (const auto &test : cases) {
        SCOPED_TRACE(test.what);
        const Raw raw(vm);
        auto packet = packet_for(raw.memory.address());
        test.change(*raw.head, packet);
        const Queue victim(vm);
        Commands list(vm);
        list.packets(&packet, 1);
        EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, victim.wait(victim.submit(list), timeout_ns));
        EXPECT_EQ(test.error, victim.state().error) << victim.state().text;
        EXPECT_EQ(0u, raw.head->counters);
    }
    // Others count on.
    const Report report(vm);
    EXPECT_EQ(items / group, run(report).workgroups);
}

} // namespace brgpu::conformance
