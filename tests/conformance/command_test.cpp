// SPDX-License-Identifier: MIT
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "suite.hpp"

namespace brgpu::conformance {

namespace {

std::vector<uint8_t> random_bytes(size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<uint8_t> bytes(count);
    for (uint8_t &byte : bytes)
        byte = static_cast<uint8_t>(random());
    return bytes;
}

} // namespace

TEST_F(Conformance, UploadAndDownloadOfAnySizeAndAlignment) {
    const Buffer buffer(vm, 12 << 20);
    for (const uint64_t bytes : {1u, 3u, 4095u, 4096u, 100001u, 9u << 20}) {
        const auto data = random_bytes(bytes, static_cast<unsigned>(bytes));
        std::vector<uint8_t> back(bytes);
        const uint64_t at = buffer.address() + bytes % 61;
        check(brgpu_queue_upload(queue.get(), at, data.data(), bytes, timeout_ns));
        check(brgpu_queue_download(queue.get(), back.data(), at, bytes, timeout_ns));
        ASSERT_EQ(data, back) << bytes;
    }
}

TEST_F(Conformance, StridedCopiesDoWhatALoopDoes) {
    constexpr size_t size = 1 << 18;
    std::mt19937 random(1);
    const auto upto = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    const Buffer src(vm, size), dst(vm, size);
    for (int round = 0; round < 40; ++round) {
        auto r = sized<brgpu_copy_region>();
        r.row_bytes = 1 + upto(300);
        r.rows = 1 + upto(12);
        r.slices = 1 + upto(6);
        r.src_pitch = r.row_bytes + upto(90);
        r.dst_pitch = r.row_bytes + upto(90);
        r.src_slice_pitch = uint64_t{r.src_pitch} * r.rows + upto(500);
        r.dst_slice_pitch = uint64_t{r.dst_pitch} * r.rows + upto(500);
        const uint32_t src_at = upto(64), dst_at = upto(64);
        r.src = src.address() + src_at;
        r.dst = dst.address() + dst_at;
        const auto from = random_bytes(size, static_cast<unsigned>(round));
        auto expected = random_bytes(size, static_cast<unsigned>(round + 1000));
        queue.upload(src, from);
        queue.upload(dst, expected);
        Commands commands(vm);
        commands.copy_region(r);
        queue.wait(queue.submit(commands), timeout_ns);
        for (uint32_t z = 0; z < r.slices; ++z)
            for (uint32_t y = 0; y < r.rows; ++y)
                std::memcpy(&expected[dst_at + z * r.dst_slice_pitch + y * r.dst_pitch],
                            &from[src_at + z * r.src_slice_pitch + y * r.src_pitch], r.row_bytes);
        std::vector<uint8_t> got(size);
        queue.download(got, dst);
        ASSERT_EQ(expected, got) << "round " << round;
    }
}

TEST_F(Conformance, FillsAndWrites) {
    const Buffer buffer(vm, 65536);
    const uint32_t pattern = 0xdeadbeef;
    const auto small = random_bytes(40, 3), large = random_bytes(5000, 4);
    Commands commands(vm);
    commands.fill(buffer.address(), pattern, 65536)
        .barrier()
        .write(buffer.address() + 100, std::as_bytes(std::span(small)))
        .write(buffer.address() + 1000, std::as_bytes(std::span(large)));
    queue.wait(queue.submit(commands), timeout_ns);
    std::vector<uint8_t> got(65536), expected(65536);
    for (size_t i = 0; i < expected.size(); i += 4)
        std::memcpy(&expected[i], &pattern, 4);
    std::copy(small.begin(), small.end(), expected.begin() + 100);
    std::copy(large.begin(), large.end(), expected.begin() + 1000);
    queue.download(got, buffer);
    EXPECT_EQ(expected, got);
}

TEST_F(Conformance, MalformedCommandsAreRefused) {
    Commands c(vm);
    const uint64_t a = vm.allocate(65536);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.copy(a, a + 10, 100));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.copy(a, UINT64_MAX - 5, 100));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.copy(a, a + 4096, 100, 0x80));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.fill(a + 1, uint32_t{1}, 4));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.fill(a, uint32_t{1}, 6));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.timestamp(a + 4));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.wait_value(a, static_cast<brgpu_compare>(9), 0));
    uint8_t three[3] = {};
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT, brgpu_commands_fill(c.get(), a, three, 3, 3, 0));
    auto r = sized<brgpu_copy_region>();
    r.row_bytes = 100;
    r.rows = 2;
    r.slices = 1;
    r.src = a;
    r.dst = a + 4096;
    r.src_pitch = 50;
    r.dst_pitch = 100;
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, c.copy_region(r));
    vm.free(a);
    EXPECT_STATUS(BRGPU_ERROR_NOT_FOUND, vm.free(a));
}

TEST_F(Conformance, TimestampsRise) {
    const Buffer stamps(vm, 4096, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE);
    Commands commands(vm);
    for (unsigned i = 0; i < 16; ++i)
        commands.timestamp(stamps.address() + 8 * i);
    queue.wait(queue.submit(commands), timeout_ns);
    auto *values = static_cast<uint64_t *>(vm.cpu_pointer(stamps.address()));
    EXPECT_NE(0u, values[0]);
    for (unsigned i = 1; i < 16; ++i)
        EXPECT_GE(values[i], values[i - 1]);
}

TEST_F(Conformance, TimelinesOrderTwoQueues) {
    const Queue copies(vm, BRGPU_QUEUE_KIND_COPY);
    const Timeline timeline(device);
    const Buffer a(vm, 4096), b(vm, 4096);
    Commands first(vm), second(vm);
    first.fill(a.address(), uint32_t{7}, 4096);
    second.copy(b.address(), a.address(), 4096);
    const brgpu_timeline_point two = timeline.at(2), three = timeline.at(3);
    // A point that nobody has submitted can't be waited for by a queue.
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, copies.submit(second, {&two, 1}));
    queue.submit(first, {}, {&two, 1});
    copies.submit(second, {&two, 1}, {&three, 1});
    timeline.wait(3, timeout_ns);
    EXPECT_EQ(3u, timeline.value());
    std::vector<uint32_t> got(1024);
    queue.download(got, b);
    EXPECT_EQ(std::vector<uint32_t>(1024, 7), got);
}

TEST_F(Conformance, TimelineWaitsFromTheCpu) {
    const Timeline a(device), b(device, 5);
    EXPECT_EQ(5u, b.value());
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, b.signal(5));
    EXPECT_STATUS(BRGPU_ERROR_TIMEOUT, a.wait(1, second_ns / 50));
    EXPECT_NE(nullptr, std::strstr(brgpu_last_error(), "timeline"));
    std::thread signaller([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        a.signal(3);
    });
    a.wait(2, timeout_ns);
    signaller.join();
    const brgpu_timeline_point points[] = {a.at(9), b.at(4)};
    uint32_t first = 99;
    EXPECT_EQ(BRGPU_SUCCESS,
              brgpu_timeline_wait_many(points, 2, BRGPU_WAIT_ANY, timeout_ns, &first));
    EXPECT_EQ(1u, first);
    EXPECT_EQ(BRGPU_ERROR_TIMEOUT,
              brgpu_timeline_wait_many(points, 2, BRGPU_WAIT_ALL, second_ns / 50, nullptr));
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT,
              brgpu_timeline_wait_many(points, 0, BRGPU_WAIT_ALL, 0, nullptr));
}

TEST_F(Conformance, ValuesInMemoryHoldAndReleaseAQueue) {
    const Buffer words(vm, 4096, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE);
    auto *word = static_cast<volatile uint64_t *>(vm.cpu_pointer(words.address()));
    Commands commands(vm);
    commands.wait_value(words.address(), BRGPU_COMPARE_GE, 3)
        .signal_value(words.address() + 8, BRGPU_SIGNAL_INCREASE, 10);
    const uint64_t serial = queue.submit(commands);
    EXPECT_STATUS(BRGPU_ERROR_TIMEOUT, queue.wait(serial, second_ns / 20));
    EXPECT_STATUS(BRGPU_ERROR_BUSY, commands.reset());
    word[0] = 3;
    queue.wait(serial, timeout_ns);
    EXPECT_EQ(10u, word[1]);
    commands.reset();
}

// Far more launches than a queue takes at once, behind a word that the launching thread itself
// stores.
TEST_F(Conformance, LaunchesBehindAHeldQueueReturn) {
    const Buffer word(vm, 4096, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE);
    const Buffer data(vm, 4096);
    Commands hold(vm);
    hold.wait_value(word.address(), BRGPU_COMPARE_GE, 1);
    queue.submit(hold);
    const Kernel kernel = CodeObject(vm, code()).kernel("add_one");
    kernel.set(0, data);
    kernel.set(1, uint32_t{1});
    constexpr uint32_t launches = 700;
    for (uint32_t i = 0; i < launches; ++i)
        queue.launch(kernel, grid({1}, {1}));
    EXPECT_EQ(launches + 1, queue.state().submitted);
    *static_cast<volatile uint64_t *>(vm.cpu_pointer(word.address())) = 1;
    queue.wait(0, timeout_ns);
    std::vector<uint32_t> got(1);
    queue.download(got, data);
    EXPECT_EQ(launches, got[0]);
}

TEST_F(Conformance, TransfersKeepTheQueuesOrder) {
    const Buffer word(vm, 4096, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE);
    const Buffer data(vm, 4096);
    Commands held(vm);
    held.wait_value(word.address(), BRGPU_COMPARE_GE, 1);
    held.fill(data.address(), uint32_t{5}, 4096, BRGPU_COMMAND_ORDERED);
    queue.submit(held);
    std::atomic<bool> uploaded{false};
    std::thread uploads([&] {
        queue.upload(data, std::vector<uint32_t>(512, 9), timeout_ns);
        uploaded = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(uploaded) << "it came before work that had been submitted earlier";
    *static_cast<volatile uint64_t *>(vm.cpu_pointer(word.address())) = 1;
    uploads.join();
    std::vector<uint32_t> got(1024);
    queue.download(got, data, timeout_ns);
    for (size_t i = 0; i < got.size(); ++i)
        ASSERT_EQ(i < 512 ? 9u : 5u, got[i]) << i;
}

// What a submission signals is seen as signalled once it has been waited for.
TEST_F(Conformance, TimelinesShowWhatHasBeenWaitedFor) {
    const Timeline timeline(device);
    Commands commands(vm);
    commands.barrier();
    for (uint64_t round = 1; round <= 200; ++round) {
        const brgpu_timeline_point point = timeline.at(round);
        queue.wait(queue.submit(commands, {}, {&point, 1}), timeout_ns);
        ASSERT_EQ(round, timeline.value());
    }
}

TEST_F(Conformance, EventsMeasureAndOrder) {
    const Event start(vm), end(vm);
    const Queue other(vm);
    start.record(queue);
    const Buffer buffer(vm, 1 << 20);
    Commands commands(vm);
    commands.fill(buffer.address(), uint64_t{1}, 1 << 20);
    queue.submit(commands);
    end.record(queue);
    check(brgpu_queue_wait_event(other.get(), end.get()));
    end.wait(timeout_ns);
    EXPECT_LT(end.since(start), 60 * second_ns);
    other.wait(0, timeout_ns);
    const Event never(vm);
    never.wait(0);
    EXPECT_STATUS(BRGPU_ERROR_BUSY, never.since(start));
}

TEST_F(Conformance, ManyThreadsOnManyQueues) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            try {
                const Vm own(device);
                const Queue mine(own);
                const Buffer a(own, 65536), b(own, 65536);
                for (unsigned round = 0; round < 10; ++round) {
                    const uint32_t value = t * 1000 + round;
                    Commands commands(own);
                    commands.fill(a.address(), value, 65536);
                    commands.copy(b.address(), a.address(), 65536, BRGPU_COMMAND_ORDERED);
                    mine.wait(mine.submit(commands), timeout_ns);
                    std::vector<uint32_t> got(16384);
                    mine.download(got, b, timeout_ns);
                    wrong += got != std::vector<uint32_t>(16384, value);
                }
            } catch (const Error &) {
                ++wrong;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(0, wrong);
}

} // namespace brgpu::conformance
