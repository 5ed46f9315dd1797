// SPDX-License-Identifier: MIT
//
// Latency: a dispatch of nothing beside a ping-pong of two threads, and what each of very many
// dispatches costs.
#include <fmt/format.h>

#include "card.hpp"
#include "futex_ping_pong.hpp"
#include "parts.hpp"

namespace brgpu::bench {
namespace {

constexpr uint64_t patience_ns = 600'000'000'000;

void round_trip(const Options &options, Report &report, const Queue &queue, const Kernel &noop) {
    FutexPingPong ping_pong;
    const brgpu_dispatch_info one = grid({1}, {1});
    const std::function<void()> works[] = {
        [&] { ping_pong.round(); },
        [&] { queue.wait(queue.launch(noop, one), patience_ns); },
    };
    for (int i = 0; i < 100; ++i)
        works[1]();
    const auto times = interleaved(options.quick ? 1000 : 5000, TimeSource::wall, works);
    Entry entry;
    entry.name = "round-trip";
    entry.labels = {{"what", "launch of a no-op and wait"}};
    entry.unit = "us";
    entry.engine = times[1] * 1e-3;
    entry.peer_name = "futex";
    entry.peer = times[0] * 1e-3;
    entry.ratio = entry.engine / entry.peer;
    entry.bound = {Bound::Kind::at_most, 3};
    report.add("latency", entry);
}

// Cost of one of `count` launches in one loop, in ns.
double each_of(uint64_t count, const Queue &queue, const Kernel &noop) {
    const brgpu_dispatch_info one = grid({1}, {1});
    const double begin = now_ns();
    uint64_t last = 0;
    for (uint64_t i = 0; i < count; ++i)
        last = queue.launch(noop, one);
    queue.wait(last, patience_ns);
    return (now_ns() - begin) / static_cast<double>(count);
}

void many(const Options &options, Report &report, const Queue &queue, const Kernel &noop) {
    std::vector<uint64_t> counts = {1000, 10'000, 100'000};
    if (!options.quick)
        counts.push_back(1'000'000);
    each_of(1000, queue, noop);
    // The peer: loops of a thousand, before and after each longer one.
    for (uint64_t count : counts) {
        Report::progress(fmt::format("{} dispatches", count));
        std::vector<double> before;
        for (int i = 0; i < 5; ++i)
            before.push_back(each_of(1000, queue, noop));
        const double time = each_of(count, queue, noop);
        for (int i = 0; i < 5; ++i)
            before.push_back(each_of(1000, queue, noop));
        Entry entry;
        entry.name = "dispatch";
        entry.labels = {{"what", "each of a loop"}, {"count", count}};
        entry.unit = "us";
        entry.engine = time * 1e-3;
        entry.peer_name = "each of 1000";
        entry.peer = median(before) * 1e-3;
        entry.ratio = entry.engine / entry.peer;
        entry.bound = {Bound::Kind::at_most, 1.5};
        report.add("latency", entry);
    }
}

// Dispatches that are recorded once and submitted together.
void recorded(const Options &options, Report &report, const Vm &vm, const Queue &queue,
              const Kernel &noop) {
    constexpr uint32_t count = 1000;
    Commands commands(vm);
    for (uint32_t i = 0; i < count; ++i)
        commands.dispatch(noop, grid({1}, {1}));
    const std::function<void()> works[] = {
        [&] { each_of(count, queue, noop); },
        [&] { queue.wait(queue.submit(commands), patience_ns); },
    };
    const auto times = interleaved(options.quick ? 5 : 21, TimeSource::wall, works);
    Entry entry;
    entry.name = "dispatch";
    entry.labels = {{"what", "each of a recorded list"}, {"count", count}};
    entry.unit = "us";
    entry.engine = times[1] * 1e-3 / count;
    entry.peer_name = "each of a loop";
    entry.peer = times[0] * 1e-3 / count;
    entry.ratio = entry.engine / entry.peer;
    report.add("latency", entry);
}

} // namespace

void measure_latency(const Options &options, Report &report) {
    if (!options.wants("latency"))
        return;
    Report::progress("latency");
    const Device device = open_card(options.cores);
    const Vm vm(device);
    const Queue queue(vm);
    const Kernel noop = load_kernels(vm, "bench").kernel("noop");
    round_trip(options, report, queue, noop);
    many(options, report, queue, noop);
    recorded(options, report, vm, queue, noop);
}

} // namespace brgpu::bench
