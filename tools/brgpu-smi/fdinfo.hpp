// SPDX-License-Identifier: MIT
//
// Who uses a card: the DRM lines of /proc/PID/fdinfo.
#ifndef BRGPU_SMI_FDINFO_HPP
#define BRGPU_SMI_FDINFO_HPP

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace brgpu::smi {

struct ClientUse {
    std::string pci_address;
    uint64_t client = 0; // of the driver; several descriptors may share one
    uint64_t memory_bytes = 0;
    uint64_t engine_ns = 0;
};

// Nothing when the descriptor is not one of this driver's.
std::optional<ClientUse> parse_fdinfo(std::istream &text);

struct ProcessUse {
    int pid = 0;
    std::string command;
    uint64_t memory_bytes = 0;
    uint64_t engine_ns = 0;
};
// Processes that this user may look into. `proc` is the folder; tests give their own.
std::vector<ProcessUse> find_processes(const std::string &pci_address,
                                       const std::string &proc = "/proc");

} // namespace brgpu::smi

#endif // BRGPU_SMI_FDINFO_HPP
