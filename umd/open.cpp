// SPDX-License-Identifier: MIT
#include "open.hpp"

#include "drm/drm_cards.hpp"
#include "drm/drm_interface.hpp"
#include "error.hpp"
#include "model/model_open.hpp"

#include <cstdio>
#include <cstring>

namespace brgpu::umd {

namespace {

void check_backend(uint32_t backend) {
    if (backend > BRGPU_BACKEND_MODEL)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: unknown backend %u", backend);
}

template <size_t size>
void put(char (&field)[size], const std::string &text) {
    std::snprintf(field, size, "%s", text.c_str());
}

std::vector<brgpu_device_summary> enumerate_drm() {
    std::vector<brgpu_device_summary> list;
    uint32_t usable = 0;
    for (const DrmCard &card : find_drm_cards()) {
        brgpu_device_summary s = {};
        s.struct_size = sizeof(s);
        s.backend = BRGPU_BACKEND_DRM;
        s.status = card.status;
        s.product = card.product;
        s.index = card.status == BRGPU_SUCCESS ? usable++ : UINT32_MAX;
        put(s.name, card.name);
        put(s.pci_address, card.pci_address);
        put(s.node, card.node);
        put(s.detail, card.detail);
        list.push_back(s);
    }
    return list;
}

brgpu_device_summary summarize_model() {
    brgpu_device_summary s = {};
    s.struct_size = sizeof(s);
    s.backend = BRGPU_BACKEND_MODEL;
    s.product = 0xb106;
    put(s.name, "BR106");
    try {
        check_model_library();
    } catch (const Error &error) {
        s.status = error.status();
        put(s.detail, error.what());
    }
    return s;
}

std::shared_ptr<Device> open_drm(const brgpu_device_open_info &info) {
    const auto cards = find_drm_cards();
    const DrmCard *broken = nullptr;
    uint32_t index = 0;
    for (const DrmCard &card : cards) {
        const bool wanted = info.pci_address ? card.pci_address == info.pci_address : true;
        if (!wanted)
            continue;
        if (card.status != BRGPU_SUCCESS) {
            broken = broken ? broken : &card;
            continue;
        }
        if (info.pci_address || index++ == info.index)
            return Device::create(DrmInterface::open(card.node));
    }
    if (broken)
        raise(broken->status, "%s", broken->detail.c_str());
    if (cards.empty())
        raise(BRGPU_ERROR_NO_DEVICE, "brgpu: there is no brgpu card on the PCI bus");
    if (info.pci_address)
        raise(BRGPU_ERROR_NO_DEVICE, "brgpu: there is no brgpu card at %s", info.pci_address);
    raise(BRGPU_ERROR_NO_DEVICE, "brgpu: there is no card %u: %zu found", info.index, cards.size());
}

} // namespace

std::vector<brgpu_device_summary> enumerate(int backend) {
    check_backend(static_cast<uint32_t>(backend));
    std::vector<brgpu_device_summary> list;
    if (backend != BRGPU_BACKEND_MODEL)
        list = enumerate_drm();
    if (backend == BRGPU_BACKEND_MODEL || (backend == BRGPU_BACKEND_ANY && list.empty()))
        list.push_back(summarize_model());
    if (list.empty())
        raise(BRGPU_ERROR_NO_DEVICE, "brgpu: there is no brgpu card on the PCI bus");
    return list;
}

std::shared_ptr<Device> open_device(const brgpu_device_open_info &info) {
    check_backend(info.backend);
    if (info.backend == BRGPU_BACKEND_MODEL ||
        (info.backend == BRGPU_BACKEND_ANY && find_drm_cards().empty())) {
        if (info.index)
            raise(BRGPU_ERROR_NO_DEVICE, "brgpu: the model backend has one card, number 0");
        return Device::create(open_model(info));
    }
    return open_drm(info);
}

} // namespace brgpu::umd
