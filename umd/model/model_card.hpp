// SPDX-License-Identifier: MIT
//
// The card in the process: the model with its registers, video memory and DMA space, booted. What
// the kernel module's device, TLB and interrupt units are for a card on the bus.
#ifndef BRGPU_UMD_MODEL_MODEL_CARD_HPP
#define BRGPU_UMD_MODEL_MODEL_CARD_HPP

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "../address_allocator.hpp"
#include "brgpu/brgpu.h"
#include "brgpu_core_event.h"
#include "brgpu_core_ident.h"
#include "brgpu_core_mbox.h"
#include "brgpu_core_uapi.h"
#include "model_arena.hpp"
#include "model_library.hpp"

namespace brgpu::umd::model {

// Not thread safe but for what says so: the interface's lock.
class Card {
  public:
    // Throws: no library, bad configuration, firmware missing or refused. on_interrupt is called by
    // the card's threads: it must neither wait nor take the interface's lock.
    Card(const brgpu_device_open_info &info, std::function<void()> on_interrupt);
    ~Card();
    Card(const Card &) = delete;
    Card &operator=(const Card &) = delete;

    uint32_t read32(uint64_t offset) const;
    uint64_t read64(uint64_t offset) const;
    void write32(uint64_t offset, uint32_t value);
    void write64(uint64_t offset, uint64_t value);
    // What the slot of a queue that has stopped says of its fault.
    drm_brgpu_fault read_fault(uint32_t slot, uint32_t queue_id) const;
    void ring_doorbell(uint32_t page, uint32_t slot);

    const brgpu_core_ident &ident() const noexcept { return ident_; }
    const brgpu_core_limits &limits() const noexcept { return limits_; }

    // Video memory, zeroed; nothing when it is full.
    std::optional<uint64_t> allocate_vram(uint64_t bytes, uint64_t alignment);
    void free_vram(uint64_t address);
    std::byte *vram(uint64_t address) const noexcept { return vram_ + address; }
    uint64_t vram_used() const noexcept { return vram_space_.bytes_taken(); }
    int vram_fd() const noexcept { return vram_fd_; }
    Arena &arena() noexcept { return *arena_; }

    // Returns when no access uses an old translation of [start, end). False: the card is stuck.
    bool invalidate_tlb(uint32_t vm, uint64_t start, uint64_t end);

    // Whether the card has raised an interrupt since the last call; any thread.
    bool take_interrupt() noexcept { return interrupted_.load() && interrupted_.exchange(false); }
    // Consumes what stands in the event rings; the records are hints, so only their presence tells.
    // Until then the card raises no other interrupt.
    void drain_events();
    // Without waiting: asks the firmware for sensor values now and then, and takes its answers.
    void poll_sensors(uint64_t now_ns);

    struct Sensors {
        uint64_t when_ns = 0; // 0: never
        brgpu_mbox_sensors_response values = {};
        uint32_t power_limit_mw = 0;
    };
    const Sensors &sensors() const noexcept { return sensors_; }
    uint32_t mailbox_version() const noexcept { return mailbox_version_; }
    const std::string &firmware_build() const noexcept { return firmware_build_; }
    bool firmware_alive(uint64_t now_ns);

    int set_property(const char *name, const char *value, std::string *why);

  private:
    void create(const brgpu_device_open_info &info);
    void enable_events();
    void boot(const brgpu_device_open_info &info);
    void hello();
    void send(uint16_t type, const void *payload, size_t bytes);
    // One response; false when none waits.
    bool receive(brgpu_mbox_message *message);
    void write_shared(uint32_t offset, const void *data, size_t bytes);

    static void *dma_map(void *ctx, uint64_t addr, size_t *len, int write);
    static void dma_unmap(void *ctx, void *ptr, size_t len, int write, size_t accessed);
    static int dma_read(void *ctx, uint64_t addr, void *buf, size_t len);
    static int dma_write(void *ctx, uint64_t addr, const void *buf, size_t len);
    static void raise_vector(void *ctx, unsigned vector);

    const std::function<void()> on_interrupt_;
    std::atomic<bool> interrupted_{false};
    Library library_;
    std::unique_ptr<Arena> arena_;
    brgpu_model *model_ = nullptr;
    int vram_fd_ = -1;
    uint64_t vram_bytes_ = 0;
    std::byte *vram_ = nullptr;
    AddressAllocator vram_space_{0, 0, 4096};
    brgpu_core_ident ident_ = {};
    brgpu_core_limits limits_ = {};
    std::unique_ptr<Block> event_memory_;
    brgpu_core_event_ring event_rings_[BRGPU_EVENT_CLASSES] = {};

    brgpu_core_mbox mailbox_ = {};
    uint32_t mailbox_version_ = 0;
    std::string firmware_build_;
    Sensors sensors_;
    bool sensors_asked_ = false;
    uint64_t sensors_asked_ns_ = 0;
    uint32_t last_heartbeat_ = 0;
    uint64_t heartbeat_seen_ns_ = 0;
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_CARD_HPP
