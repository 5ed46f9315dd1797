// SPDX-License-Identifier: MIT
#include "card.hpp"

#include <algorithm>
#include <ctime>

namespace brgpu::smi {

namespace {

uint64_t now_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

double percent(uint64_t busy, uint64_t whole) {
    return whole ? std::min(100.0, 100.0 * static_cast<double>(busy) / static_cast<double>(whole))
                 : 0.0;
}

} // namespace

Watch::Watch(brgpu_backend backend) {
    uint32_t count = 0;
    check(brgpu_enumerate(backend, nullptr, &count));
    std::vector<brgpu_device_summary> list(count, sized<brgpu_device_summary>());
    check(brgpu_enumerate(backend, list.data(), &count));
    for (const brgpu_device_summary &summary : list) {
        Open open;
        open.card.summary = summary;
        open.card.error = summary.detail;
        if (summary.status == BRGPU_SUCCESS) {
            try {
                auto info = sized<brgpu_device_open_info>();
                info.backend = summary.backend;
                info.pci_address = summary.pci_address[0] ? summary.pci_address : nullptr;
                open.device = Device::open(info);
                const auto status = open.device.status();
                open.compute_ns = status.compute_busy_ns;
                open.copy_ns = status.copy_busy_ns;
                open.when_ns = now_ns();
            } catch (const Error &error) {
                open.card.error = error.what();
            }
        }
        cards_.push_back(std::move(open));
    }
}

void Watch::read(Open &open) {
    Reading reading;
    reading.properties = open.device.properties();
    reading.firmware = open.device.firmware();
    reading.status = open.device.status();
    reading.memory = open.device.memory();
    const uint64_t now = now_ns();
    reading.compute_percent =
        percent(reading.status.compute_busy_ns - open.compute_ns, now - open.when_ns);
    reading.copy_percent = percent(reading.status.copy_busy_ns - open.copy_ns, now - open.when_ns);
    open.compute_ns = reading.status.compute_busy_ns;
    open.copy_ns = reading.status.copy_busy_ns;
    open.when_ns = now;
    open.card.reading = reading;
}

std::vector<Card> Watch::look() {
    std::vector<Card> cards;
    for (Open &open : cards_) {
        open.card.reading.reset();
        const std::string address = open.card.summary.pci_address;
        if (!address.empty()) {
            open.card.link = read_pci_link(address);
            open.card.processes = find_processes(address);
        }
        if (open.device) {
            try {
                read(open);
                open.card.error.clear();
            } catch (const Error &error) {
                open.card.error = error.what();
            }
        }
        cards.push_back(open.card);
    }
    return cards;
}

} // namespace brgpu::smi
