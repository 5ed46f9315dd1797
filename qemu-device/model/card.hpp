// SPDX-License-Identifier: MIT
//
// A card: its parts, and how reset, pause and the controller go through all of them.
#ifndef BRGPU_MODEL_CARD_HPP
#define BRGPU_MODEL_CARD_HPP

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "command_processor.hpp"
#include "controller/controller.hpp"
#include "dispatch.hpp"
#include "events.hpp"
#include "faults.hpp"
#include "host.hpp"
#include "host_abi.hpp"
#include "invalidation.hpp"
#include "mmu.hpp"
#include "products.hpp"
#include "registers.hpp"
#include "safe_points.hpp"
#include "scheduler.hpp"
#include "vram.hpp"

namespace brgpu::model {

// The COUNTER_* registers, in their order.
struct CounterSet {
    uint64_t time = 0;
    uint64_t compute_ns = 0;
    uint64_t copy_ns = 0;
    uint64_t worker_ns = 0;
    uint64_t instructions = 0;
    uint64_t workgroups = 0;
    uint64_t dispatches = 0;
    uint64_t copy_bytes = 0;
    uint64_t tlb_misses = 0;
    uint64_t faults = 0;
    uint64_t interrupts = 0;
};

// Everything that a card is. Thread safe as brgpu/model.h says. The constructor throws
// std::exception where the host lacks what it needs.
class Card final : private FrontEnd, private controller::Host {
  public:
    struct Options {
        uint64_t vram_bytes;
        uint64_t aperture_bytes;
        void *vram;
        uint32_t threads;
        uint64_t serial;
        uint32_t queues;
    };

    Card(const Product &product, const Options &options, const brgpu_model_host_ops &ops,
         void *context);
    Card(const Card &) = delete;
    Card &operator=(const Card &) = delete;
    ~Card() override;

    const Product &product() const { return product_; }
    const Options &options() const { return options_; }
    const Vram &vram() const { return vram_; }

    uint64_t mmio_read(uint64_t offset, unsigned size);
    void mmio_write(uint64_t offset, uint64_t value, unsigned size);
    void doorbell(uint64_t offset, unsigned size);

    void pause();
    void resume();
    bool is_paused();
    // Waits for what is on its way: never longer than from one safe point to the next.
    void reset(bool function);
    void dma_invalidate(uint64_t address, uint64_t bytes) { dma_.invalidate(address, bytes); }

    // For the registers.
    uint32_t status();
    void command_reset(uint32_t value);
    void latch_counters();
    const CounterSet &latched() const { return latched_; }
    void set_gone(bool gone);

  private:
    // FrontEnd
    void run_front(Worker &worker, Queue &queue, Turn &turn) override {
        processor_.run(worker, queue, turn);
    }
    bool events_pending() const override { return events_.pending(); }
    void deliver_events(Worker &worker) override { events_.deliver(worker); }

    // controller::Host
    uint64_t now_ns() override { return dma_.timestamp(); }
    uint64_t engine_busy_ns(uint32_t die) override;
    bool read_vm0(uint64_t address, std::span<std::byte> out) override;
    void post_event(uint8_t type, uint32_t info, uint64_t data0, uint64_t data1) override;
    void status_changed() override;
    void log(std::string_view line) override;
    void thread_begin() override { dma_.thread_enter(); }
    void thread_end() override { dma_.thread_exit(); }

    CounterSet count() const;
    void start_over(bool function, bool wait);
    void look_at_engine_reset();
    void found_ecc(uint64_t offset, bool uncorrected);

    const Product product_;
    const Options options_;
    SafePoints points_;
    HostPort dma_;
    Vram vram_;
    FaultInjector faults_;
    Mmu mmu_;
    ComputeEngine engine_;
    Doorbells doorbells_;
    EventRings events_;
    CommandProcessor processor_;
    Scheduler scheduler_;
    Worker *controller_worker_; // the state of the controller's thread
    Invalidation invalidation_;
    controller::Controller controller_;
    RegisterFile registers_;

    std::mutex reset_mutex_; // one reset at a time; taken before all others
    std::atomic<uint64_t> reset_epoch_{0};
    std::atomic<bool> engine_resetting_{false};
    std::atomic<bool> beyond_repair_{false}; // a device reset has failed (fault on demand)
    std::atomic<bool> wedged_reported_{false};
    std::atomic<uint32_t> generation_{0};
    std::atomic<uint64_t> scratch_{0};
    std::atomic<uint64_t> ecc_corrected_{0};
    std::atomic<uint64_t> ecc_uncorrected_{0};
    // What properties were set to, to be shown.
    std::array<std::atomic<uint32_t>, 8> shown_controller_faults_{};
    std::atomic<int64_t> shown_temperature_{INT64_MIN};
    std::mutex counters_mutex_; // protects the two below; a leaf lock but for reading counters
    CounterSet latched_;
    CounterSet base_; // what the counters showed at the last function reset

    friend class RegisterFile;
    friend class Properties;
};

} // namespace brgpu::model

#endif
