// SPDX-License-Identifier: MIT
#include "pci_link.hpp"

#include <cstdio>
#include <iterator>
#include <memory>

extern "C" {
#include <pci/pci.h>
}

namespace brgpu::smi {

namespace {

double speed_of(unsigned code) {
    static constexpr double speeds[] = {0, 2.5, 5, 8, 16, 32, 64};
    return code < std::size(speeds) ? speeds[code] : 0;
}

struct Name {
    unsigned type, id;
    const char *text;
};
constexpr Name names[] = {{PCI_CAP_NORMAL, PCI_CAP_ID_PM, "power management"},
                          {PCI_CAP_NORMAL, PCI_CAP_ID_MSIX, "MSI-X"},
                          {PCI_CAP_NORMAL, PCI_CAP_ID_EXP, "PCI Express"},
                          {PCI_CAP_EXTENDED, PCI_EXT_CAP_ID_AER, "AER"},
                          {PCI_CAP_EXTENDED, PCI_EXT_CAP_ID_DSN, "serial number"},
                          {PCI_CAP_EXTENDED, PCI_EXT_CAP_ID_SRIOV, "SR-IOV"}};

} // namespace

std::optional<PciLink> read_pci_link(const std::string &address) {
    unsigned domain, bus, slot, function;
    if (std::sscanf(address.c_str(), "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
        return std::nullopt;
    std::unique_ptr<pci_access, decltype(&pci_cleanup)> access(pci_alloc(), pci_cleanup);
    pci_init(access.get());
    std::unique_ptr<pci_dev, decltype(&pci_free_dev)> device(
        pci_get_dev(access.get(), static_cast<int>(domain), static_cast<int>(bus),
                    static_cast<int>(slot), static_cast<int>(function)),
        pci_free_dev);
    if (!device)
        return std::nullopt;
    PciLink link;
    const int got = pci_fill_info(device.get(), PCI_FILL_IDENT | PCI_FILL_CAPS | PCI_FILL_EXT_CAPS);
    if (!(got & PCI_FILL_IDENT))
        return std::nullopt;
    link.vendor = device->vendor_id;
    link.device = device->device_id;
    link.revision = pci_read_byte(device.get(), PCI_REVISION_ID);
    for (const Name &name : names)
        if (pci_find_cap(device.get(), name.id, name.type))
            link.capabilities.emplace_back(name.text);
    if (const pci_cap *express = pci_find_cap(device.get(), PCI_CAP_ID_EXP, PCI_CAP_NORMAL)) {
        const int at = static_cast<int>(express->addr);
        const unsigned status = pci_read_word(device.get(), at + PCI_EXP_LNKSTA);
        const unsigned able = pci_read_long(device.get(), at + PCI_EXP_LNKCAP);
        link.speed_gts = speed_of(status & PCI_EXP_LNKSTA_SPEED);
        link.width = (status & PCI_EXP_LNKSTA_WIDTH) >> 4;
        link.max_speed_gts = speed_of(able & PCI_EXP_LNKCAP_SPEED);
        link.max_width = (able & PCI_EXP_LNKCAP_WIDTH) >> 4;
    }
    return link;
}

} // namespace brgpu::smi
