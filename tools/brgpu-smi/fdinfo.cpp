// SPDX-License-Identifier: MIT
#include "fdinfo.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

namespace brgpu::smi {

namespace fs = std::filesystem;

namespace {

uint64_t bytes_of(const std::string &value) {
    char *unit = nullptr;
    const uint64_t number = std::strtoull(value.c_str(), &unit, 10);
    while (*unit == ' ')
        ++unit;
    return *unit == 'K' ? number << 10 : *unit == 'M' ? number << 20 : number;
}

bool is_number(const std::string &name) {
    return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

} // namespace

std::optional<ClientUse> parse_fdinfo(std::istream &text) {
    ClientUse use;
    bool ours = false, has_resident = false;
    uint64_t total = 0;
    for (std::string line; std::getline(text, line);) {
        const size_t colon = line.find(':');
        if (colon == std::string::npos)
            continue;
        const std::string key = line.substr(0, colon);
        const size_t start = line.find_first_not_of(" \t", colon + 1);
        const std::string value = start == std::string::npos ? "" : line.substr(start);
        if (key == "drm-driver") {
            ours = value == "brgpu";
        } else if (key == "drm-pdev") {
            use.pci_address = value;
        } else if (key == "drm-client-id") {
            use.client = std::strtoull(value.c_str(), nullptr, 10);
        } else if (key.starts_with("drm-resident-")) {
            has_resident = true;
            use.memory_bytes += bytes_of(value);
        } else if (key.starts_with("drm-total-") || key.starts_with("drm-memory-")) {
            total += bytes_of(value);
        } else if (key.starts_with("drm-engine-") && !key.starts_with("drm-engine-capacity-")) {
            use.engine_ns += std::strtoull(value.c_str(), nullptr, 10);
        }
    }
    if (!ours)
        return std::nullopt;
    if (!has_resident)
        use.memory_bytes = total;
    return use;
}

std::vector<ProcessUse> find_processes(const std::string &pci_address, const std::string &proc) {
    std::vector<ProcessUse> processes;
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(proc, error)) {
        const std::string name = entry.path().filename();
        if (!is_number(name))
            continue;
        ProcessUse process;
        std::set<uint64_t> clients;
        for (const auto &descriptor : fs::directory_iterator(entry.path() / "fdinfo", error)) {
            std::ifstream file(descriptor.path());
            const auto use = parse_fdinfo(file);
            if (!use || use->pci_address != pci_address || !clients.insert(use->client).second)
                continue;
            process.memory_bytes += use->memory_bytes;
            process.engine_ns += use->engine_ns;
        }
        if (clients.empty())
            continue;
        process.pid = std::atoi(name.c_str());
        std::ifstream comm(entry.path() / "comm");
        std::getline(comm, process.command);
        processes.push_back(std::move(process));
    }
    return processes;
}

} // namespace brgpu::smi
