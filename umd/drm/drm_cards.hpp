// SPDX-License-Identifier: MIT
//
// The cards on the PCI bus, usable or not: from sysfs, so that a card without module is seen too.
#ifndef BRGPU_UMD_DRM_DRM_CARDS_HPP
#define BRGPU_UMD_DRM_DRM_CARDS_HPP

#include <string>
#include <vector>

#include "brgpu/brgpu.h"

namespace brgpu::umd {

struct DrmCard {
    std::string pci_address;
    std::string node; // "" without driver
    std::string name; // "BR106"
    uint32_t product = 0;
    brgpu_status status = BRGPU_SUCCESS; // what opening it would return
    std::string detail;
};

// By PCI address. `sysfs` is the folder of PCI devices; tests give their own.
std::vector<DrmCard> find_drm_cards(const std::string &sysfs = "/sys/bus/pci/devices");

} // namespace brgpu::umd

#endif // BRGPU_UMD_DRM_DRM_CARDS_HPP
