// SPDX-License-Identifier: MIT
//
// What brgpu-smi knows of one card at one moment.
#ifndef BRGPU_SMI_CARD_HPP
#define BRGPU_SMI_CARD_HPP

#include <optional>
#include <string>
#include <vector>

#include "brgpu/brgpu.hpp"
#include "fdinfo.hpp"
#include "pci_link.hpp"

namespace brgpu::smi {

struct Reading {
    brgpu_device_properties properties = {};
    brgpu_firmware_info firmware = {};
    brgpu_device_status status = {};
    std::vector<brgpu_memory_usage> memory;
    double compute_percent = 0, copy_percent = 0; // over the sampling time
};

struct Card {
    brgpu_device_summary summary = {};
    std::optional<Reading> reading; // nothing: `error` says why
    std::string error;
    std::optional<PciLink> link;
    std::vector<ProcessUse> processes;
};

// Keeps the cards open between looks, so that utilisation is measured from look to look.
class Watch {
  public:
    // Throws brgpu::Error when the backend has no card at all.
    explicit Watch(brgpu_backend backend);
    std::vector<Card> look();

  private:
    struct Open {
        Card card;
        Device device;
        uint64_t compute_ns = 0, copy_ns = 0, when_ns = 0;
    };
    void read(Open &open);

    std::vector<Open> cards_;
};

} // namespace brgpu::smi

#endif // BRGPU_SMI_CARD_HPP
