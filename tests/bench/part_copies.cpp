// SPDX-License-Identifier: MIT
//
// Copies between the host's memory and the card's, beside memcpy(). Each copy takes the next piece
// of two large areas, as transfers do: neither side finds its bytes in a cache.
#include <cstring>

#include <fmt/format.h>

#include "card.hpp"
#include "parts.hpp"

namespace brgpu::bench {
namespace {

constexpr uint64_t patience_ns = 600'000'000'000;

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
    std::vector<std::byte> host(area, std::byte{1}), other(area, std::byte{2});
    // Pages are there from now on: faults of the host's are nobody's copy.
    queue.upload(on_card, host);
    queue.download(other, on_card);
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
            check(brgpu_queue_upload(queue.get(), on_card.address() + offset, host.data() + offset,
                                     bytes, patience_ns));
        };
        const auto download = [&](uint64_t offset) {
            check(brgpu_queue_download(queue.get(), other.data() + offset,
                                       on_card.address() + offset, bytes, patience_ns));
        };
        const auto by_memcpy = [&](uint64_t offset) {
            std::memcpy(other.data() + offset, host.data() + offset, bytes);
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
    queue.upload(on_card, host);
    queue.download(other, on_card);
    if (other != host)
        report.fail("copies: what came back differs");
}

} // namespace brgpu::bench
