// SPDX-License-Identifier: MIT
#ifndef BRGPU_SMI_PCI_LINK_HPP
#define BRGPU_SMI_PCI_LINK_HPP

#include <optional>
#include <string>
#include <vector>

namespace brgpu::smi {

struct PciLink {
    unsigned vendor = 0, device = 0, revision = 0;
    double speed_gts = 0, max_speed_gts = 0; // 0: not readable (needs root)
    unsigned width = 0, max_width = 0;
    std::vector<std::string> capabilities;
};

// What configuration space tells about "0000:01:00.0"; nothing when there is no such device.
std::optional<PciLink> read_pci_link(const std::string &address);

} // namespace brgpu::smi

#endif // BRGPU_SMI_PCI_LINK_HPP
