// SPDX-License-Identifier: MIT
#include "drm_cards.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../error.hpp"
#include "brgpu/hw/regs.h"
#include "drm_interface.hpp"

namespace brgpu::umd {

namespace fs = std::filesystem;

namespace {

uint32_t read_hex(const fs::path &file) {
    std::ifstream in(file);
    std::string text;
    in >> text;
    return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 16));
}

const char *product_name(uint32_t product) {
    switch (product) {
    case BRGPU_PRODUCT_BR106:
        return "BR106";
    case BRGPU_PRODUCT_BR110:
        return "BR110";
    case BRGPU_PRODUCT_BR166:
        return "BR166";
    default:
        return nullptr;
    }
}

std::string render_node(const fs::path &device) {
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator(device / "drm", ignored)) {
        const std::string name = entry.path().filename();
        if (name.starts_with("renderD"))
            return "/dev/dri/" + name;
    }
    return {};
}

void find_reason(DrmCard &card, const fs::path &device) {
    std::error_code ignored;
    const fs::path driver = fs::read_symlink(device / "driver", ignored).filename();
    if (driver.empty()) {
        card.status = BRGPU_ERROR_NO_DRIVER;
        card.detail = "brgpu: card " + card.pci_address +
                      " has no driver: load the module (modprobe brgpu); when it is loaded, the "
                      "kernel log says why it refused the card";
        return;
    }
    if (driver != "brgpu") {
        card.status = BRGPU_ERROR_NO_DRIVER;
        card.detail = "brgpu: card " + card.pci_address + " is taken by driver " + driver.string();
        return;
    }
    if (card.node.empty()) {
        card.status = BRGPU_ERROR_NO_DRIVER;
        card.detail = "brgpu: card " + card.pci_address + " has a driver but no render node";
        return;
    }
    try {
        DrmInterface::open(card.node);
    } catch (const Error &error) {
        card.status = error.status();
        card.detail = error.what();
    }
}

} // namespace

std::vector<DrmCard> find_drm_cards(const std::string &sysfs) {
    std::vector<DrmCard> cards;
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator(sysfs, ignored)) {
        if (read_hex(entry.path() / "vendor") != BRGPU_PCI_VENDOR)
            continue;
        DrmCard card;
        card.product = read_hex(entry.path() / "device");
        const char *name = product_name(card.product);
        if (!name)
            continue;
        card.name = name;
        card.pci_address = entry.path().filename();
        card.node = render_node(entry.path());
        find_reason(card, entry.path());
        cards.push_back(std::move(card));
    }
    std::sort(cards.begin(), cards.end(),
              [](const DrmCard &a, const DrmCard &b) { return a.pci_address < b.pci_address; });
    return cards;
}

} // namespace brgpu::umd
