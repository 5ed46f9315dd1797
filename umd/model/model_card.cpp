// SPDX-License-Identifier: MIT
#include "model_card.hpp"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../deadline.hpp"
#include "../error.hpp"
#include "brgpu/hw/events.h"
#include "brgpu/hw/mmu.h"

namespace brgpu::umd::model {

namespace {

constexpr uint64_t default_vram_bytes = uint64_t{4} << 30;
constexpr uint32_t event_log2 = 8;
constexpr uint64_t stuck_ns = 10000000000; // TLB invalidations take microseconds
// The kernel module's values: the same limits whatever stands below the library.
constexpr uint64_t va_start = 64 << 10;
constexpr uint32_t job_timeout_ms = 10000;

uint64_t clock_ns(void *) {
    return monotonic_ns();
}
void thread_call(void *) {}

void log_line(void *, int level, const char *text) {
    static constexpr int levels[] = {BRGPU_LOG_ERROR, BRGPU_LOG_INFO, BRGPU_LOG_INFO,
                                     BRGPU_LOG_DEBUG};
    log(level >= 0 && level < 4 ? levels[level] : BRGPU_LOG_DEBUG, "model: %s", text);
}

} // namespace

void *Card::dma_map(void *ctx, uint64_t addr, size_t *len, int) {
    return static_cast<Card *>(ctx)->arena_->translate(addr, len);
}

void Card::dma_unmap(void *, void *, size_t, int, size_t) {}

int Card::dma_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    auto *to = static_cast<std::byte *>(buf);
    while (len) {
        size_t part = len;
        const std::byte *from = static_cast<Card *>(ctx)->arena_->translate(addr, &part);
        if (!from)
            return -1;
        std::memcpy(to, from, part);
        addr += part;
        to += part;
        len -= part;
    }
    return 0;
}

int Card::dma_write(void *ctx, uint64_t addr, const void *buf, size_t len) {
    auto *from = static_cast<const std::byte *>(buf);
    while (len) {
        size_t part = len;
        std::byte *to = static_cast<Card *>(ctx)->arena_->translate(addr, &part);
        if (!to)
            return -1;
        std::memcpy(to, from, part);
        addr += part;
        from += part;
        len -= part;
    }
    return 0;
}

void Card::raise_vector(void *ctx, unsigned) {
    auto *card = static_cast<Card *>(ctx);
    card->interrupted_.store(true);
    card->on_interrupt_();
}

Card::Card(const brgpu_device_open_info &info, std::function<void()> on_interrupt)
    : on_interrupt_(std::move(on_interrupt)), library_(load_library()),
      arena_(std::make_unique<Arena>()) {
    try {
        create(info);
        enable_events();
        boot(info);
    } catch (...) {
        event_memory_.reset();
        library_.destroy(model_);
        model_ = nullptr;
        throw;
    }
}

Card::~Card() {
    library_.destroy(model_);
    arena_->set_on_release(nullptr);
    event_memory_.reset();
}

void Card::create(const brgpu_device_open_info &info) {
    brgpu_model_config config = {};
    config.struct_size = sizeof(config);
    config.abi_version = BRGPU_MODEL_ABI_VERSION;
    config.product = info.model_product ? info.model_product : "br106";
    config.vram_bytes = info.model_vram_bytes ? info.model_vram_bytes : default_vram_bytes;
    config.workers = info.model_workers;
    config.deterministic = info.model_deterministic;
    brgpu_model_host_ops ops = {};
    ops.struct_size = sizeof(ops);
    ops.dma_map = dma_map;
    ops.dma_unmap = dma_unmap;
    ops.dma_read = dma_read;
    ops.dma_write = dma_write;
    ops.raise_vector = raise_vector;
    ops.clock_ns = clock_ns;
    ops.thread_enter = thread_call;
    ops.thread_exit = thread_call;
    ops.log = log_line;
    char why[256] = "";
    model_ = library_.create(&config, &ops, this, why, sizeof(why));
    if (!model_)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: the model refuses the card: %s", why);
    arena_->set_on_release([this](uint64_t dma, uint64_t bytes) {
        if (model_)
            library_.dma_invalidate(model_, dma, bytes);
    });

    struct brgpu_model_info facts = {};
    facts.struct_size = sizeof(facts);
    library_.info(model_, &facts);
    vram_fd_ = library_.vram_fd(model_);
    vram_ = static_cast<std::byte *>(facts.vram);
    vram_bytes_ = facts.vram_bytes;
    vram_space_ = AddressAllocator(0, vram_bytes_, BRGPU_PAGE_BYTES);

    const char *reason = "";
    const auto read = [](void *ctx, uint32_t offset, unsigned bytes) {
        auto *card = static_cast<Card *>(ctx);
        return bytes == 8 ? card->read64(offset) : card->read32(offset);
    };
    if (brgpu_core_ident_read(&ident_, read, this, &reason))
        raise(BRGPU_ERROR_VERSION_MISMATCH, "brgpu: the model's card: %s", reason);
    limits_.va_start = va_start;
    limits_.va_end = uint64_t{1} << ident_.va_bits;
    limits_.max_bo_bytes = uint64_t{1} << 40;
    limits_.features = DRM_BRGPU_FEATURE_USERPTR | brgpu_core_ident_features(&ident_);
    limits_.job_timeout_ms = job_timeout_ms;
}

void Card::enable_events() {
    const uint64_t ring_bytes = sizeof(brgpu_event_record) << event_log2;
    int error = 0;
    event_memory_ = arena_->allocate(ring_bytes * BRGPU_EVENT_CLASSES, &error);
    if (!event_memory_)
        raise_errno(error, "brgpu: memory for the model's event rings");
    for (unsigned cls = 0; cls < BRGPU_EVENT_CLASSES; ++cls) {
        const uint64_t base = BRGPU_REG_EVENT(cls);
        auto *records =
            reinterpret_cast<const brgpu_event_record *>(event_memory_->cpu() + cls * ring_bytes);
        brgpu_core_event_init(&event_rings_[cls], records, event_log2);
        write64(base + BRGPU_EVENT_BASE, event_memory_->dma() + cls * ring_bytes);
        write32(base + BRGPU_EVENT_SIZE, event_log2);
        write32(base + BRGPU_EVENT_VECTOR, 0);
        write32(base + BRGPU_EVENT_ENABLE, 1);
    }
}

void Card::drain_events() {
    for (unsigned cls = 0; cls < BRGPU_EVENT_CLASSES; ++cls) {
        brgpu_event_record record;
        while (brgpu_core_event_next(&event_rings_[cls], &record)) {
        }
        bool maybe_lost = false;
        const uint32_t consumer = brgpu_core_event_acknowledge(&event_rings_[cls], &maybe_lost);
        // Lost records don't matter: every look goes over all queues.
        if (maybe_lost)
            write32(BRGPU_REG_EVENT(cls) + BRGPU_EVENT_STATUS,
                    BRGPU_EVENT_STATUS_OVERFLOW | BRGPU_EVENT_STATUS_DMA_ERROR);
        write32(BRGPU_REG_EVENT(cls) + BRGPU_EVENT_CONSUMER, consumer);
    }
}

uint32_t Card::read32(uint64_t offset) const {
    return static_cast<uint32_t>(library_.mmio_read(model_, offset, 4));
}
uint64_t Card::read64(uint64_t offset) const {
    return library_.mmio_read(model_, offset, 8);
}
drm_brgpu_fault Card::read_fault(uint32_t slot, uint32_t queue_id) const {
    const uint64_t base = BRGPU_REG_QUEUE(slot);
    drm_brgpu_fault fault = {};
    fault.info = read32(base + BRGPU_QUEUE_FAULT_INFO) & ~BRGPU_FAULT_INFO_VM_MASK;
    fault.address = read64(base + BRGPU_QUEUE_FAULT_ADDRESS);
    fault.pc = read64(base + BRGPU_QUEUE_FAULT_PC);
    fault.timestamp = read64(BRGPU_REG_TIMESTAMP);
    fault.queue_id = queue_id;
    return fault;
}
void Card::write32(uint64_t offset, uint32_t value) {
    library_.mmio_write(model_, offset, value, 4);
}
void Card::write64(uint64_t offset, uint64_t value) {
    library_.mmio_write(model_, offset, value, 8);
}
void Card::ring_doorbell(uint32_t page, uint32_t slot) {
    // What was stored to the ring must be there before the card looks.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    library_.doorbell(model_, BRGPU_DOORBELL_OFFSET(uint64_t{page}, uint64_t{slot}), 1, 8);
}

std::optional<uint64_t> Card::allocate_vram(uint64_t bytes, uint64_t alignment) {
    return vram_space_.allocate(bytes, alignment);
}

void Card::free_vram(uint64_t address) {
    const auto bytes = vram_space_.free(address);
    // Memory is zero for its next owner, and the host gets its pages back.
    if (bytes && fallocate(vram_fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           static_cast<off_t>(address), static_cast<off_t>(*bytes)) != 0)
        std::memset(vram_ + address, 0, *bytes);
}

bool Card::invalidate_tlb(uint32_t vm, uint64_t start, uint64_t end) {
    write64(BRGPU_REG_TLB_ADDRESS, start);
    write64(BRGPU_REG_TLB_LENGTH, end - start);
    write32(BRGPU_REG_TLB_COMMAND, BRGPU_TLB_RANGE | vm << 8);
    const uint32_t issued = read32(BRGPU_REG_TLB_ISSUED);
    const uint64_t give_up = monotonic_ns() + stuck_ns;
    for (unsigned i = 0; static_cast<int32_t>(read32(BRGPU_REG_TLB_COMPLETED) - issued) < 0; ++i) {
        if (i < 100) {
            sched_yield();
        } else {
            const timespec pause = {0, 20000};
            nanosleep(&pause, nullptr);
        }
        if (monotonic_ns() > give_up)
            return false;
    }
    return true;
}

int Card::set_property(const char *name, const char *value, std::string *why) {
    char text[256] = "";
    if (library_.property_set(model_, name, value, text, sizeof(text)) == 0)
        return 0;
    *why = text;
    return -EINVAL;
}

} // namespace brgpu::umd::model
