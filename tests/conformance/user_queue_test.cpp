// SPDX-License-Identifier: MIT
//
// User-mode queues of long-running address spaces, by the public API.
#include <atomic>
#include <cstring>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "suite.hpp"

namespace brgpu::conformance {

namespace {

class UserQueues : public testing::Test {
  protected:
    void SetUp() override {
        auto properties = sized<brgpu_device_properties>();
        check(brgpu_device_get_properties(device.get(), &properties));
        ASSERT_TRUE(properties.features & BRGPU_DEVICE_USER_QUEUES);
    }

    static brgpu_queue_create_info with_timeout(uint32_t timeout_ms, uint32_t flags = 0) {
        auto info = sized<brgpu_queue_create_info>();
        info.timeout_ms = timeout_ms;
        info.flags = flags;
        return info;
    }

    const Device &device = shared_device();
    Vm vm{device, BRGPU_VM_LONG_RUNNING};
    Queue queue{vm};
};

std::vector<uint32_t> words_of(const Queue &queue, const Buffer &buffer, size_t count) {
    std::vector<uint32_t> words(count);
    queue.download(words, buffer);
    return words;
}

} // namespace

TEST_F(UserQueues, DoWhatOtherQueuesDo) {
    const Buffer buffer(vm, 1 << 20);
    const CodeObject object(vm, code());
    const Kernel add = object.kernel("add_one");
    std::vector<uint32_t> data(1024, 41);
    queue.upload(buffer, data);
    add.set(0, buffer);
    add.set(1, 1024u);
    queue.wait(queue.launch(add, grid({1024})), timeout_ns);
    EXPECT_EQ(words_of(queue, buffer, 1024), std::vector<uint32_t>(1024, 42));

    Commands commands(vm);
    commands.fill(buffer.address(), uint32_t{7}, 4096);
    commands.copy(buffer.address() + 8192, buffer.address(), 4096);
    queue.wait(queue.submit(commands), timeout_ns);
    EXPECT_EQ(words_of(queue, buffer, 3072)[2048 + 1023], 7u);
    auto state = sized<brgpu_queue_state>();
    check(brgpu_queue_get_state(queue.get(), &state));
    EXPECT_EQ(state.state, uint32_t{BRGPU_STATE_OK});
    EXPECT_EQ(state.submitted, state.completed);
}

TEST_F(UserQueues, LaunchesGoRoundTheRing) {
    const Buffer buffer(vm, 4096);
    const CodeObject object(vm, code());
    const Kernel add = object.kernel("add_one");
    add.set(0, buffer);
    add.set(1, 32u);
    uint64_t last = 0;
    for (int i = 0; i < 3000; ++i)
        last = queue.launch(add, grid({32}, {32}));
    queue.wait(last, timeout_ns);
    EXPECT_EQ(words_of(queue, buffer, 32), std::vector<uint32_t>(32, 3000));
}

TEST_F(UserQueues, WaitWithAndWithoutPolling) {
    const Buffer buffer(vm, 4096);
    for (const uint32_t poll_us : {1u, UINT32_MAX}) {
        auto info = with_timeout(0);
        info.poll_us = poll_us;
        const Queue other(vm, info);
        Commands commands(vm);
        commands.wait_value(buffer.address(), BRGPU_COMPARE_EQ, poll_us, UINT64_MAX);
        const uint64_t serial = other.submit(commands);
        EXPECT_STATUS(BRGPU_ERROR_TIMEOUT, other.wait(serial, 20000000));
        Commands open(vm);
        open.signal_value(buffer.address(), BRGPU_SIGNAL_SET, poll_us);
        queue.wait(queue.submit(open), timeout_ns);
        other.wait(serial, timeout_ns);
    }
}

TEST_F(UserQueues, TimelinesAreWaitedForAndNotSignalled) {
    const Buffer buffer(vm, 4096);
    const Timeline timeline(device);
    const Vm ordinary(device);
    const Queue fence_queue(ordinary);
    const brgpu_timeline_point point = timeline.at(1);
    Commands nothing(ordinary), commands(vm);
    commands.fill(buffer.address(), uint32_t{5}, 64);
    EXPECT_STATUS(BRGPU_ERROR_UNSUPPORTED, queue.submit(commands, {}, {&point, 1}));
    fence_queue.submit(nothing, {}, {&point, 1});
    queue.wait(queue.submit(commands, {&point, 1}), timeout_ns);
    EXPECT_EQ(words_of(queue, buffer, 1)[0], 5u);
}

TEST_F(UserQueues, EventsOrderQueues) {
    const Buffer buffer(vm, 4096);
    const Queue second(vm);
    brgpu_event *event = nullptr;
    check(brgpu_event_create(vm.get(), &event));
    Commands first(vm), then(vm);
    first.fill(buffer.address(), uint32_t{3}, 4);
    then.copy(buffer.address() + 64, buffer.address(), 4);
    queue.submit(first);
    check(brgpu_queue_record_event(queue.get(), event));
    check(brgpu_queue_wait_event(second.get(), event));
    second.wait(second.submit(then), timeout_ns);
    EXPECT_EQ(words_of(queue, buffer, 32)[16], 3u);
    check(brgpu_event_wait(event, timeout_ns));
    brgpu_event_destroy(event);
}

TEST_F(UserQueues, AFaultStopsOne) {
    const Queue victim(vm);
    const Buffer buffer(vm, 4096);
    const CodeObject object(vm, code());
    const Kernel store = object.kernel("store_at");
    store.set(0, uint64_t{0x7000000000});
    store.set(1, 1u);
    const uint64_t serial = victim.launch(store, grid({1}));
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, victim.wait(serial, timeout_ns));
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, victim.launch(store, grid({1})));
    store.set(0, buffer.address());
    queue.wait(queue.launch(store, grid({1})), timeout_ns);
}

TEST_F(UserQueues, AWatchdogStopsTheEndlessAlone) {
    const Buffer flag(vm, 4096);
    const CodeObject object(vm, code());
    const Kernel spin = object.kernel("spin");
    spin.set(0, flag);
    const Queue stuck(vm, with_timeout(300)), patient(vm, with_timeout(0));
    const uint64_t ends = patient.launch(spin, grid({32}, {32}));
    const uint64_t serial = stuck.launch(spin, grid({32}, {32}));
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, stuck.wait(serial, timeout_ns));
    auto state = sized<brgpu_queue_state>();
    check(brgpu_queue_get_state(stuck.get(), &state));
    EXPECT_EQ(state.error, 256u);
    EXPECT_STATUS(BRGPU_ERROR_TIMEOUT, patient.wait(ends, 100000000));
    queue.upload(flag, std::vector<uint32_t>{1});
    patient.wait(ends, timeout_ns);
}

TEST_F(UserQueues, WhatCantBeMendedStopsARetryingOneToo) {
    const Vm retrying(device, BRGPU_VM_LONG_RUNNING | BRGPU_VM_FAULT_RETRY);
    const Queue victim(retrying);
    Commands commands(retrying);
    commands.fill(0x7000000000, uint32_t{1}, 64);
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, victim.wait(victim.submit(commands), timeout_ns));
    auto state = sized<brgpu_vm_state>();
    check(brgpu_vm_get_state(retrying.get(), &state));
    EXPECT_EQ(state.fault_count, 1u);
}

TEST_F(UserQueues, WrongArgumentsAreRefused) {
    const Vm ordinary(device);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT,
                  Queue(ordinary, with_timeout(0, BRGPU_QUEUE_HEARTBEAT)));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Queue(vm, with_timeout(0, 2)));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Vm(device, BRGPU_VM_FAULT_RETRY));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Vm(device, 4));
    const Queue beating(vm, with_timeout(1000000, BRGPU_QUEUE_HEARTBEAT));
}

TEST_F(UserQueues, ThreadsSubmitSideBySide) {
    const CodeObject object(vm, code());
    std::vector<Buffer> buffers;
    for (int i = 0; i < 4; ++i)
        buffers.emplace_back(vm, 4096);
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            try {
                const Kernel add = object.kernel("add_one");
                const Queue own(vm);
                const Queue &mine = i % 2 ? own : queue;
                add.set(0, buffers[static_cast<size_t>(i)]);
                add.set(1, 32u);
                for (int round = 0; round < 100; ++round)
                    mine.wait(mine.launch(add, grid({32}, {32})), timeout_ns);
            } catch (const Error &) {
                ++failed;
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(failed.load(), 0);
    for (const Buffer &buffer : buffers)
        EXPECT_EQ(words_of(queue, buffer, 1)[0], 100u);
}

TEST_F(UserQueues, AreOfNoUseInTheChild) {
    const Buffer buffer(vm, 4096);
    const pid_t child = fork();
    if (child == 0) {
        if (brgpu_queue_wait(queue.get(), 0, 0) != BRGPU_ERROR_FORKED)
            _exit(1);
        auto info = sized<brgpu_submit_info>();
        if (brgpu_queue_submit(queue.get(), &info, nullptr) != BRGPU_ERROR_FORKED)
            _exit(2);
        brgpu_queue_destroy(queue.get());
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : 1000, 0);
    Commands commands(vm);
    commands.fill(buffer.address(), uint32_t{9}, 4096);
    queue.wait(queue.submit(commands), timeout_ns);
}

} // namespace brgpu::conformance
