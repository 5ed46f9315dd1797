// SPDX-License-Identifier: MIT
//
// brgpu/model.h on top of Card. No exception crosses it.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <sched.h>
#include <string>

#include "brgpu/hw/regs.h"
#include "card.hpp"
#include "host_abi.hpp"
#include "properties.hpp"

using brgpu::model::Card;
using brgpu::model::find_product;
using brgpu::model::Product;
using brgpu::model::products;
using brgpu::model::Properties;

struct brgpu_model {
    std::unique_ptr<Card> card;
};

namespace {

constexpr uint64_t mib = uint64_t{1} << 20;
constexpr uint64_t min_vram = 16 * mib;
constexpr uint64_t vram_unit = 2 * mib;
constexpr uint32_t max_threads = 16;
constexpr uint32_t max_asked_threads = 256;

void explain(char *err, size_t size, const std::string &text) {
    if (err && size > 0)
        std::snprintf(err, size, "%s", text.c_str());
}

uint32_t online_cpus() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    return std::clamp<uint32_t>(static_cast<uint32_t>(CPU_COUNT(&set)), 1, max_threads);
}

bool complete(const brgpu_model_host_ops &ops) {
    return ops.dma_map && ops.dma_unmap && ops.dma_read && ops.dma_write && ops.raise_vector &&
           ops.clock_ns && ops.thread_enter && ops.thread_exit;
}

// An empty text, or why the configuration is refused.
std::string check(const brgpu_model_config *config, const brgpu_model_host_ops *ops,
                  const Product *&product, Card::Options &options) {
    if (!config || !ops)
        return "no configuration or no host operations";
    if (config->struct_size < offsetof(brgpu_model_config, queues) ||
        ops->struct_size < offsetof(brgpu_model_host_ops, log))
        return "the caller's structures are older than this library";
    if (config->abi_version != BRGPU_MODEL_ABI_VERSION)
        return "the caller wants model ABI " + std::to_string(config->abi_version) +
               ", this library has " + std::to_string(BRGPU_MODEL_ABI_VERSION);
    if (!complete(*ops))
        return "a mandatory host operation is missing";
    product = config->product ? find_product(config->product) : nullptr;
    if (!product) {
        std::string known;
        for (const Product &one : products())
            known += std::string(known.empty() ? "" : ", ") + one.name;
        return std::string("unknown product '") + (config->product ? config->product : "") +
               "': known are " + known;
    }
    options.vram_bytes = config->vram_bytes ? config->vram_bytes : product->vram_bytes;
    if (options.vram_bytes < min_vram || options.vram_bytes % vram_unit ||
        options.vram_bytes > uint64_t{1} << 45)
        return "vram_bytes must be a multiple of 2 MiB, at least 16 MiB and at most 32 TiB";
    options.aperture_bytes =
        config->aperture_bytes ? config->aperture_bytes : std::bit_ceil(options.vram_bytes);
    if (!std::has_single_bit(options.aperture_bytes) || options.aperture_bytes < mib)
        return "aperture_bytes must be a power of two, at least 1 MiB";
    if (config->workers > max_asked_threads)
        return "workers must be at most " + std::to_string(max_asked_threads);
    options.threads = config->workers ? config->workers : online_cpus();
    if (config->deterministic)
        options.threads = 1;
    if (config->struct_size >= offsetof(brgpu_model_config, queues) + sizeof(config->queues))
        options.queues = config->queues;
    if (options.queues == 0)
        options.queues = product->queues;
    if (options.queues < 2 || options.queues > product->queues)
        return "queues must be 2 to " + std::to_string(product->queues);
    options.vram = config->vram;
    options.serial =
        config->serial ? config->serial : uint64_t{product->pci_device} << 48 | 0x42520001;
    return {};
}

} // namespace

uint32_t brgpu_model_abi_version(void) {
    return BRGPU_MODEL_ABI_VERSION;
}

brgpu_model *brgpu_model_create(const brgpu_model_config *config, const brgpu_model_host_ops *ops,
                                void *ctx, char *err, size_t err_size) {
    try {
        const Product *product = nullptr;
        Card::Options options = {};
        std::string wrong = check(config, ops, product, options);
        if (!wrong.empty()) {
            explain(err, err_size, wrong);
            return nullptr;
        }
        brgpu_model_host_ops known = {};
        std::memcpy(&known, ops, std::min(ops->struct_size, sizeof(known)));
        known.struct_size = sizeof(known);
        auto model = std::make_unique<brgpu_model>();
        model->card = std::make_unique<Card>(*product, options, known, ctx);
        return model.release();
    } catch (const std::exception &error) {
        explain(err, err_size, std::string("creating the card failed: ") + error.what());
        return nullptr;
    }
}

void brgpu_model_destroy(brgpu_model *model) {
    delete model;
}

int brgpu_model_get_info(const brgpu_model *model, struct brgpu_model_info *info) {
    if (!model || !info || info->struct_size == 0)
        return -1;
    const Product &product = model->card->product();
    const Card::Options &options = model->card->options();
    struct brgpu_model_info full = {};
    full.struct_size = info->struct_size;
    full.product = product.name;
    full.pci_device = product.pci_device;
    full.pci_revision = product.revision;
    full.bar_bytes[BRGPU_MODEL_BAR_REGISTERS] = BRGPU_BAR0_BYTES;
    full.bar_bytes[BRGPU_MODEL_BAR_VRAM] = options.aperture_bytes;
    full.bar_bytes[BRGPU_MODEL_BAR_DOORBELLS] =
        uint64_t{product.doorbell_pages} * BRGPU_DOORBELL_PAGE_BYTES;
    full.msix_vectors = BRGPU_MAX_VECTORS;
    full.msix_table_offset = BRGPU_MSIX_TABLE_OFFSET;
    full.msix_pba_offset = BRGPU_MSIX_PBA_OFFSET;
    full.vram_bytes = options.vram_bytes;
    full.vram = model->card->vram().data();
    full.serial = options.serial;
    std::memcpy(info, &full, std::min(info->struct_size, sizeof(full)));
    return 0;
}

int brgpu_model_vram_fd(const brgpu_model *model) {
    return model->card->vram().fd();
}

uint64_t brgpu_model_mmio_read(brgpu_model *model, uint64_t offset, unsigned int size) {
    return model->card->mmio_read(offset, size);
}

void brgpu_model_mmio_write(brgpu_model *model, uint64_t offset, uint64_t value,
                            unsigned int size) {
    model->card->mmio_write(offset, value, size);
}

void brgpu_model_doorbell(brgpu_model *model, uint64_t offset, uint64_t, unsigned int size) {
    model->card->doorbell(offset, size);
}

void brgpu_model_dma_invalidate(brgpu_model *model, uint64_t addr, uint64_t len) {
    model->card->dma_invalidate(addr, len);
}

void brgpu_model_pause(brgpu_model *model) {
    model->card->pause();
}

int brgpu_model_is_paused(brgpu_model *model) {
    return model->card->is_paused();
}

void brgpu_model_resume(brgpu_model *model) {
    model->card->resume();
}

void brgpu_model_reset(brgpu_model *model, int kind) {
    model->card->reset(kind == BRGPU_MODEL_RESET_FUNCTION);
}

int brgpu_model_property_set(brgpu_model *model, const char *name, const char *value, char *err,
                             size_t err_size) {
    try {
        const Properties::Row *row = name ? Properties::find(name) : nullptr;
        std::string wrong;
        if (!row)
            wrong = "there is no such property";
        else if (!row->set)
            wrong = "it can only be read";
        else
            wrong = row->set(*model->card, value ? value : "");
        explain(err, err_size, wrong);
        return wrong.empty() ? 0 : -1;
    } catch (const std::exception &error) {
        explain(err, err_size, error.what());
        return -1;
    }
}

int brgpu_model_property_get(brgpu_model *model, const char *name, char *value, size_t value_size) {
    try {
        const Properties::Row *row = name ? Properties::find(name) : nullptr;
        if (!row)
            return -1;
        return std::snprintf(value, value_size, "%s", row->get(*model->card).c_str());
    } catch (const std::exception &) {
        return -1;
    }
}

const char *brgpu_model_property_name(unsigned int i, const char **help, int *writable) {
    auto rows = Properties::all();
    if (i >= rows.size())
        return nullptr;
    if (help)
        *help = rows[i].help;
    if (writable)
        *writable = rows[i].set != nullptr;
    return rows[i].name;
}
