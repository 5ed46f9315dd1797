// SPDX-License-Identifier: MIT
#include "products.hpp"

#include "brgpu/hw/regs.h"

namespace brgpu::model {
namespace {

constexpr uint64_t gib = uint64_t{1} << 30;

// Published for the real family: one die (br106, br110) or two (br166); br106's 32 GB and 4 link
// ports; 4 EUs a CU, 16 EUs an SPC. Everything else is this project's assumption: 16 SPCs a die
// (as the generation before had), br110 a quarter of br106 in units and memory and without links,
// br166 twice br106 in memory and links. Queues, VM ids, doorbells, resident groups and the
// preemption limit belong to the virtual device.
constexpr Product table[] = {
    {.name = "br106",
     .pci_device = BRGPU_PRODUCT_BR106,
     .revision = 1,
     .dies = 1,
     .spcs = 16,
     .cus = 4,
     .eus = 4,
     .vram_bytes = 32 * gib,
     .queues = 1024,
     .vms = 4096,
     .doorbell_pages = 1024,
     .resident_groups = 16,
     .preempt_ms = 100,
     .links = 4},
    {.name = "br110",
     .pci_device = BRGPU_PRODUCT_BR110,
     .revision = 1,
     .dies = 1,
     .spcs = 4,
     .cus = 4,
     .eus = 4,
     .vram_bytes = 8 * gib,
     .queues = 256,
     .vms = 1024,
     .doorbell_pages = 256,
     .resident_groups = 16,
     .preempt_ms = 100,
     .links = 0},
    {.name = "br166",
     .pci_device = BRGPU_PRODUCT_BR166,
     .revision = 1,
     .dies = 2,
     .spcs = 16,
     .cus = 4,
     .eus = 4,
     .vram_bytes = 64 * gib,
     .queues = 1024,
     .vms = 4096,
     .doorbell_pages = 1024,
     .resident_groups = 16,
     .preempt_ms = 100,
     .links = 8},
};

constexpr bool fits_the_contract() {
    for (const Product &product : table) {
        if (product.queues > BRGPU_MAX_QUEUES || product.vms > BRGPU_MAX_VMS ||
            (product.doorbell_pages & (product.doorbell_pages - 1)) != 0)
            return false;
    }
    return true;
}
static_assert(fits_the_contract());

} // namespace

std::span<const Product> products() {
    return table;
}

const Product *find_product(std::string_view name) {
    for (const Product &product : table) {
        if (name == product.name)
            return &product;
    }
    return nullptr;
}

} // namespace brgpu::model
