// SPDX-License-Identifier: MIT
//
// The product table: everything that differs between the cards of the family. One row a product.
#ifndef BRGPU_MODEL_PRODUCTS_HPP
#define BRGPU_MODEL_PRODUCTS_HPP

#include <cstdint>
#include <span>
#include <string_view>

namespace brgpu::model {

struct Product {
    const char *name;
    uint16_t pci_device;
    uint8_t revision;
    uint32_t dies;
    uint32_t spcs; // a die
    uint32_t cus;  // an SPC
    uint32_t eus;  // a CU
    uint64_t vram_bytes;
    uint32_t queues;
    uint32_t vms;
    uint32_t doorbell_pages; // power of two: BAR 4 is that many pages
    uint32_t resident_groups;
    uint32_t preempt_ms;
    uint32_t links;
};

std::span<const Product> products();
// Null where there is no product of that name.
const Product *find_product(std::string_view name);

} // namespace brgpu::model

#endif
