// SPDX-License-Identifier: MIT
//
// Copies between the host's memory and the card's, beside memcpy(). Each copy takes the next piece
// of two large areas, as transfers do: neither side finds its bytes in a cache.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include <fmt/format.h>

#include "card.hpp"
#include "parts.hpp"

namespace brgpu::bench {
namespace {

constexpr uint64_t patience_ns = 600'000'000'000;

// Begins at a page, as the card's memory does. Where the destination stands a few bytes further in
// its page than the source, memcpy() itself is several times slower on some processors (REP MOVSB).
struct Area {
    Area(uint64_t size, std::byte value)
        : bytes(static_cast<std::byte *>(std::aligned_alloc(4096, size)), std::free) {
        if (!bytes)
            throw std::bad_alloc();
        std::memset(bytes.get(), std::to_integer<int>(value), size);
    }
    std::byte *at(uint64_t offset) const { return bytes.get() + offset; }
    std::unique_ptr<std::byte, decltype(&std::free)> bytes;
};

std::string show_size(uint64_t bytes) {
    return bytes >= 1 << 20 ? fmt::format("{} MiB", bytes >> 20)
                            : fmt::format("{} KiB", bytes >> 10);
}

} // namespace

void measure_copies(const Options &options, Report &report) {
    if (!options.wants("copies"))
        return;
    const uint64_t area = options.quick ? 64 << 20 : 256 << 20;
    const Device device = open_card(options.cores);
    const Vm vm(device);
    const Queue queue(vm);
    const Buffer on_card(vm, area);
    const Area host(area, std::byte{1}), other(area, std::byte{2});
    const auto all_there_and_back = [&] {
        check(brgpu_queue_upload(queue.get(), on_card.address(), host.at(0), area, patience_ns));
        check(brgpu_queue_download(queue.get(), other.at(0), on_card.address(), area, patience_ns));
    };
    // Pages are there from now on: faults of the host's are nobody's copy.
    all_there_and_back();
    uint64_t at = 0;
    for (uint64_t bytes = 4 << 10; bytes <= area; bytes *= 4) {
        Report::progress(fmt::format("copies of {}", show_size(bytes)));
        // Enough of them that the clock's own cost is nothing.
        const auto times_each = static_cast<unsigned>(std::max<uint64_t>(1, (1 << 20) / bytes));
        const auto many = [&](const auto &copy) {
            return [&, times_each] {
                for (unsigned i = 0; i < times_each; ++i) {
                    at = at + 2 * bytes <= area ? at + bytes : 0;
                    copy(at);
                }
            };
        };
        const auto upload = [&](uint64_t offset) {
            check(brgpu_queue_upload(queue.get(), on_card.address() + offset, host.at(offset),
                                     bytes, patience_ns));
        };
        const auto download = [&](uint64_t offset) {
            check(brgpu_queue_download(queue.get(), other.at(offset), on_card.address() + offset,
                                       bytes, patience_ns));
        };
        const auto by_memcpy = [&](uint64_t offset) {
            std::memcpy(other.at(offset), host.at(offset), bytes);
        };
        const std::function<void()> works[] = {many(by_memcpy), many(upload), many(download)};
        for (const auto &work : works)
            work();
        const unsigned rounds = bytes < 16 << 20 ? 51 : options.quick ? 5 : 9;
        const auto times = interleaved(rounds, TimeSource::wall, works);
        for (const unsigned which : {1u, 2u}) {
            Entry entry;
            entry.name = which == 1 ? "host-to-card" : "card-to-host";
            entry.labels = {{"size", show_size(bytes)}, {"bytes", bytes}};
            entry.unit = "GB/s";
            const double moved = static_cast<double>(bytes) * times_each;
            entry.engine = moved / times[which];
            entry.peer_name = "memcpy";
            entry.peer = moved / times[0];
            entry.ratio = entry.engine / entry.peer;
            entry.bound = {Bound::Kind::at_least, 0.9};
            report.add("copies", entry);
        }
    }
    // What was copied to and fro is what there was.
    all_there_and_back();
    if (std::memcmp(other.at(0), host.at(0), area) != 0)
        report.fail("copies: what came back differs");
}

} // namespace brgpu::bench
