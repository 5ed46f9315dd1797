// SPDX-License-Identifier: MIT
//
// What the card costs, beside what the host itself costs: a doorbell and its signal against a
// ping-pong of two threads, a copy against memcpy, a dispatch against nothing. Prints times and
// ratios; a ratio is what can be compared between machines.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "card_fixture.hpp"

namespace {

using namespace brgpu::test;
using Clock = std::chrono::steady_clock;

// Median of `rounds` times, in ns.
double median(int rounds, const std::function<void()> &work) {
    std::vector<double> times;
    for (int i = 0; i < rounds; i++) {
        auto begin = Clock::now();
        work();
        times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
    }
    std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
    return times[static_cast<size_t>(rounds / 2)];
}

void line(const char *what, double ns, double base, const char *base_name) {
    std::printf("%-34s %12.0f ns   %6.2f x %s\n", what, ns, ns / base, base_name);
}

// A word that one thread waits for and the other writes.
class FutexPingPong {
  public:
    FutexPingPong() : thread_([this] { answer(); }) {}
    ~FutexPingPong() {
        post(request_, UINT32_MAX);
        thread_.join();
    }
    void round() {
        uint32_t number = ++count_;
        post(request_, number);
        await(reply_, number);
    }

  private:
    static long futex(std::atomic<uint32_t> &word, int op, uint32_t value) {
        return syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), op, value, nullptr, nullptr,
                       0);
    }
    static void post(std::atomic<uint32_t> &word, uint32_t value) {
        word.store(value);
        futex(word, FUTEX_WAKE_PRIVATE, 1);
    }
    static void await(std::atomic<uint32_t> &word, uint32_t value) {
        for (uint32_t seen = word.load(); seen != value; seen = word.load())
            futex(word, FUTEX_WAIT_PRIVATE, seen);
    }
    void answer() {
        for (uint32_t done = 0;;) {
            uint32_t wanted = request_.load();
            if (wanted == UINT32_MAX)
                return;
            if (wanted == done) {
                futex(request_, FUTEX_WAIT_PRIVATE, done);
                continue;
            }
            done = wanted;
            post(reply_, done);
        }
    }
    std::atomic<uint32_t> request_{0}, reply_{0};
    uint32_t count_ = 0;
    std::thread thread_;
};

} // namespace

int main() {
    TestCard card({.vram = uint64_t{256} << 20});
    TestQueue queue(card, {.vm = 3});
    FakeHost &host = card.host;
    uint64_t mark = host.allocate(4096);
    uint64_t number = 0;
    auto signalled = [&](auto... packets) {
        (queue.push(packets), ...);
        queue.push(signal(system(mark), ++number));
        queue.ring();
        while (host.load(mark) != number)
            __builtin_ia32_pause();
    };

    FutexPingPong ping_pong;
    double futex = median(2001, [&] { ping_pong.round(); });
    line("two threads, futex round trip", futex, futex, "itself");
    signalled();
    line("doorbell to signal, awake", median(2001, [&] { signalled(); }), futex, "futex");
    std::vector<double> asleep;
    for (int i = 0; i < 101; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1)); // so do the workers
        asleep.push_back(median(1, [&] { signalled(); }));
    }
    std::nth_element(asleep.begin(), asleep.begin() + 50, asleep.end());
    line("doorbell to signal, asleep", asleep[50], futex, "futex");

    for (uint32_t bytes : {4096u, 1u << 20, 64u << 20}) {
        std::vector<std::byte> from(bytes, std::byte{1}), to(bytes);
        int rounds = bytes > (1 << 20) ? 11 : 201;
        double base = median(rounds, [&] { std::memcpy(to.data(), from.data(), bytes); });
        double time = median(rounds, [&] { signalled(copy(0, uint64_t{128} << 20, bytes)); });
        char text[64];
        std::snprintf(text, sizeof(text), "copy of %u KiB in VRAM", bytes >> 10);
        line(text, time, base, "memcpy");
    }

    PageTables tables(card, 3);
    tables.map_range_vram(0x1000, 0x1000, 0x10000);
    load_kernel(card, 0x1000, make_kernel({rv::ret}));
    line("dispatch of one workgroup of 1",
         median(1001, [&] { signalled(dispatch(0x1000, 0, 1, 1)); }), futex, "futex");
    double many = median(51, [&] { signalled(dispatch(0x1000, 0, 1 << 16, 64)); }) / 1024;
    line("each of 1024 workgroups of 64", many, futex, "futex");
    return 0;
}
