// SPDX-License-Identifier: MIT
#include <ctime>
#include <fstream>
#include <thread>
#include <unistd.h>

#include "suite.hpp"

namespace brgpu::conformance {

TEST_F(Conformance, PropertiesAreComplete) {
    const auto p = device.properties();
    EXPECT_NE(0u, p.product);
    EXPECT_STRNE("", p.name);
    EXPECT_EQ(32u, p.warp_lanes);
    EXPECT_GE(p.max_workgroup, 1024u);
    EXPECT_GE(p.local_bytes, 32768u);
    EXPECT_GT(p.dies * p.spcs_per_die * p.cus_per_spc * p.eus_per_cu, 0u);
    EXPECT_GT(p.va_end, p.va_start);
    EXPECT_TRUE(p.page_sizes & 1u << 12);
    EXPECT_GT(p.timestamp_hz, 0u);
    if (backend() != BRGPU_BACKEND_ANY) {
        EXPECT_EQ(static_cast<uint32_t>(backend()), p.backend);
    }
}

TEST_F(Conformance, OlderAndNewerCallersStructures) {
    struct {
        brgpu_device_properties p;
        uint64_t more;
    } newer = {};
    newer.p.struct_size = sizeof(newer);
    newer.more = 5;
    ASSERT_EQ(BRGPU_SUCCESS, brgpu_device_get_properties(device.get(), &newer.p));
    EXPECT_EQ(0u, newer.more);
    brgpu_device_properties older = {};
    older.struct_size = offsetof(brgpu_device_properties, revision);
    older.revision = 77;
    ASSERT_EQ(BRGPU_SUCCESS, brgpu_device_get_properties(device.get(), &older));
    EXPECT_EQ(77u, older.revision);
    EXPECT_NE(0u, older.product);
    older.struct_size = 0;
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT, brgpu_device_get_properties(device.get(), &older));
    struct {
        brgpu_queue_create_info info;
        uint64_t more;
    } unknown = {};
    unknown.info.struct_size = sizeof(unknown);
    unknown.more = 1;
    brgpu_queue *out = nullptr;
    EXPECT_EQ(BRGPU_ERROR_UNSUPPORTED, brgpu_queue_create(vm.get(), &unknown.info, &out));
    EXPECT_EQ(nullptr, out);
}

TEST_F(Conformance, NullAndStrayHandlesAreRefused) {
    auto p = sized<brgpu_device_properties>();
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT, brgpu_device_get_properties(nullptr, &p));
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT,
              brgpu_device_get_properties(reinterpret_cast<brgpu_device *>(vm.get()), &p));
    EXPECT_STRNE("", brgpu_last_error());
    brgpu_device_close(nullptr);
    brgpu_queue_destroy(nullptr);
}

TEST_F(Conformance, MemoryUsageRisesAndFalls) {
    const auto used = [&] {
        for (const auto &usage : device.memory())
            if (usage.placement == BRGPU_PLACEMENT_VRAM)
                return usage.used;
        return UINT64_MAX;
    };
    const uint64_t before = used();
    {
        const Memory memory(device, 8 << 20);
        EXPECT_GE(used(), before + (8u << 20));
    }
    EXPECT_LE(used(), before + (1u << 20));
}

TEST_F(Conformance, FirmwareRunsAndBeats) {
    const auto first = device.firmware();
    EXPECT_NE(0u, first.version);
    EXPECT_EQ(1u, first.mailbox >> 16);
    // Twice a second, on a machine that has the time for it.
    for (int i = 0; i < 100 && device.firmware().heartbeats == first.heartbeats; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_NE(first.heartbeats, device.firmware().heartbeats);
    EXPECT_EQ(static_cast<uint32_t>(BRGPU_HEALTH_OK), device.status().health);
}

TEST_F(Conformance, ClockIsMonotonicAndCorrelates) {
    const auto a = device.clock(), b = device.clock();
    EXPECT_GE(b.device, a.device);
    EXPECT_GE(b.cpu_ns, a.cpu_ns);
    uint64_t ns = 0;
    check(brgpu_device_timestamp_to_ns(device.get(), b.device, &ns));
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double off = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 -
                       static_cast<double>(ns) * 1e-9;
    EXPECT_LT(std::abs(off), 1.0);
}

TEST_F(Conformance, EnumerationListsAnUsableCard) {
    uint32_t count = 0;
    ASSERT_EQ(BRGPU_SUCCESS, brgpu_enumerate(backend(), nullptr, &count));
    ASSERT_GE(count, 1u);
    std::vector<brgpu_device_summary> list(count, sized<brgpu_device_summary>());
    ASSERT_EQ(BRGPU_SUCCESS, brgpu_enumerate(backend(), list.data(), &count));
    EXPECT_EQ(BRGPU_SUCCESS, list[0].status) << list[0].detail;
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT, brgpu_enumerate(99, nullptr, &count));
    EXPECT_STATUS(BRGPU_ERROR_NO_DEVICE, Device::open(backend(), 63));
}

namespace {

uint64_t resident_bytes() {
    uint64_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
    timespec time = {};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

} // namespace

// A card in this process shows much memory and takes as much of the host's as is used.
TEST(InProcess, MemoryIsThereOnceItIsUsed) {
    if (backend() != BRGPU_BACKEND_MODEL)
        GTEST_SKIP() << "the card's memory is not this process's";
    constexpr uint64_t mib = 1 << 20, gib = 1 << 30;
    const uint64_t before = resident_bytes();
    auto info = sized<brgpu_device_open_info>();
    info.backend = BRGPU_BACKEND_MODEL;
    info.model_vram_bytes = 32 * gib;
    const Device big = Device::open(info);
    EXPECT_EQ(big.memory().at(0).total, 32 * gib);
    const Vm vm(big);
    const Queue queue(vm);
    const Buffer buffer(vm, 16 * gib), other(vm, 12 * gib);
    EXPECT_LT(resident_bytes(), before + 64 * mib);
    // At both ends of it.
    std::vector<std::byte> data(4 * mib, std::byte{7});
    check(brgpu_queue_upload(queue.get(), buffer.address(), data.data(), data.size(), timeout_ns));
    Commands commands(vm);
    commands.fill(other.address() + 12 * gib - 4 * mib, uint32_t{5}, 4 * mib);
    queue.wait(queue.submit(commands), timeout_ns);
    EXPECT_LT(resident_bytes(), before + 96 * mib);
}

// Measured by the processor time of this process, which other programs don't change.
TEST(InProcess, IdleCardsCostNoProcessorTime) {
    if (backend() != BRGPU_BACKEND_MODEL)
        GTEST_SKIP() << "the card is not in this process";
    std::vector<Device> cards;
    std::vector<Vm> vms;
    std::vector<Queue> queues;
    for (int i = 0; i < 8; ++i) {
        cards.push_back(new_device());
        vms.emplace_back(cards.back());
        queues.emplace_back(vms.back());
        Commands commands(vms.back());
        commands.barrier();
        queues.back().wait(queues.back().submit(commands), timeout_ns);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100)); // let them come to rest
    const double before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::seconds(2));
    // One that spins takes two seconds.
    EXPECT_LT(cpu_seconds() - before, 0.5) << "of eight cards in two seconds";
}

TEST_F(Conformance, EveryStatusHasAText) {
    for (int status = 1; status > -40; --status)
        EXPECT_NE(nullptr, brgpu_status_string(static_cast<brgpu_status>(status)));
}

} // namespace brgpu::conformance
