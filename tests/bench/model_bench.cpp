// SPDX-License-Identifier: MIT
//
// What the card costs, beside what the host itself costs: a doorbell and its signal against a
// ping-pong of two threads, a copy against memcpy, a dispatch against nothing. Prints times and
// ratios; a ratio is what can be compared between machines.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "card_fixture.hpp"
#include "futex_ping_pong.hpp"

namespace {

using namespace brgpu::test;
using brgpu::bench::FutexPingPong;
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
