// SPDX-License-Identifier: MIT
#include "card.hpp"

#include <algorithm>
#include <cstdio>

#include "brgpu/hw/regs.h"

namespace brgpu::model {
namespace {

Product with_queues(Product product, uint32_t queues) {
    product.queues = queues;
    return product;
}

controller::Config controller_config(const Product &product, const Card::Options &options) {
    controller::Config config = controller::Config::for_product(product.pci_device);
    config.product = product.pci_device;
    config.contract = BRGPU_CONTRACT_MAJOR << 16 | BRGPU_CONTRACT_MINOR;
    config.dies = product.dies;
    config.serial = options.serial;
    config.vram_bytes = options.vram_bytes;
    return config;
}

} // namespace

Card::Card(const Product &kind, const Options &options, const brgpu_model_host_ops &ops,
           void *context)
    : product_(with_queues(kind, options.queues)), options_(options), dma_(ops, context, points_),
      vram_(options.vram, options.vram_bytes), mmu_(product_.vms, vram_, dma_, faults_),
      engine_(points_, mmu_, dma_, product_, options.threads), doorbells_(product_.doorbell_pages),
      events_(dma_, product_.queues, [this] { scheduler_.wake(); }),
      processor_({dma_, mmu_, events_, faults_, engine_, doorbells_, product_},
                 [this] { return (controller_.status() & BRGPU_STATUS_READY) != 0; }),
      scheduler_(points_, dma_, *this, product_.queues, options.threads),
      controller_worker_(points_.add_worker()), invalidation_(points_, mmu_, events_),
      controller_(controller_config(product_, options), *this), registers_(*this) {
    processor_.attach(scheduler_);
    processor_.on_kill = [this] { look_at_engine_reset(); };
    points_.on_progress([this] { invalidation_.progress(); });
    faults_.on_ecc([this](uint64_t offset, bool uncorrected) { found_ecc(offset, uncorrected); });
    scheduler_.start();
    controller_.start_thread();
}

Card::~Card() {
    controller_.pause();
    controller_.drain();
    scheduler_.stop();
    // No thread is left that would call it, and its part goes before the host's mappings do.
    points_.on_progress(nullptr);
}

// ---- BARs ----

uint64_t Card::mmio_read(uint64_t offset, unsigned size) {
    if (faults_.gone.load(std::memory_order_relaxed) || take_one(faults_.all_ones_reads))
        return size >= 8 ? ~uint64_t{0} : (uint64_t{1} << size * 8) - 1;
    return registers_.read(offset, size);
}

void Card::mmio_write(uint64_t offset, uint64_t value, unsigned size) {
    if (!faults_.gone.load(std::memory_order_relaxed))
        registers_.write(offset, value, size);
}

void Card::doorbell(uint64_t offset, unsigned size) {
    uint64_t index = offset / 8;
    if (faults_.gone.load(std::memory_order_relaxed) || (size != 4 && size != 8) || offset % 8 ||
        index >= doorbells_.count())
        return;
    uint16_t slot = doorbells_.slot(static_cast<uint32_t>(index));
    if (slot != Doorbells::none)
        scheduler_.ring(slot);
}

// ---- rest and reset ----

void Card::pause() {
    scheduler_.pause();
    controller_.pause();
}

void Card::resume() {
    controller_.resume();
    scheduler_.resume();
}

bool Card::is_paused() {
    return scheduler_.at_rest() && controller_worker_->activity.load() == Activity::idle;
}

void Card::set_gone(bool gone) {
    if (faults_.gone.exchange(gone) == gone)
        return;
    // A card that has fallen off the bus does no DMA either.
    if (gone)
        pause();
    else
        resume();
}

void Card::start_over(bool function, bool wait) {
    std::lock_guard lock(reset_mutex_);
    scheduler_.reset([this] { dma_.next_generation(); });
    events_.reset();
    mmu_.reset();
    doorbells_.reset();
    invalidation_.reset();
    for (uint32_t slot = 0; slot < product_.queues; slot++)
        processor_.desc(static_cast<uint16_t>(slot)).store(0);
    uint64_t epoch = points_.advance();
    reset_epoch_.store(epoch);
    engine_resetting_.store(false);
    wedged_reported_.store(false);
    if (function)
        beyond_repair_.store(take_one(faults_.failed_function_resets));
    else if (take_one(faults_.failed_device_resets))
        beyond_repair_.store(true);
    if (function)
        controller_.function_reset();
    else
        controller_.reset();
    generation_.fetch_add(1);
    if (wait)
        points_.wait(epoch);
    if (!function)
        return;
    scratch_.store(0);
    registers_.reset();
    faults_.clear_poison();
    vram_.clear();
    dma_.restart_time();
    ecc_corrected_.store(0);
    ecc_uncorrected_.store(0);
    CounterSet now = count();
    std::lock_guard counters(counters_mutex_);
    base_ = now;
    latched_ = {};
}

void Card::reset(bool function) {
    start_over(function, true);
}

void Card::command_reset(uint32_t value) {
    if (value == (BRGPU_RESET_KEY | BRGPU_RESET_DEVICE)) {
        start_over(false, false);
    } else if (value == (BRGPU_RESET_KEY | BRGPU_RESET_ENGINE)) {
        engine_resetting_.store(true);
        if (take_one(faults_.endless_engine_resets))
            return;
        scheduler_.kill_all(BRGPU_QUEUE_ERROR_RESET);
        look_at_engine_reset();
    }
}

void Card::look_at_engine_reset() {
    if (!engine_resetting_.load() || scheduler_.kills_pending(BRGPU_QUEUE_ERROR_RESET))
        return;
    if (engine_resetting_.exchange(false))
        controller_.engine_reset_done();
}

uint32_t Card::status() {
    uint32_t status = controller_.status();
    if (engine_resetting_.load() || !points_.passed(reset_epoch_.load(), false))
        status |= BRGPU_STATUS_RESETTING;
    if (beyond_repair_.load())
        status |= BRGPU_STATUS_FAILED;
    return status;
}

// ---- the controller ----

uint64_t Card::engine_busy_ns(uint32_t) {
    Scheduler::Times times = scheduler_.times();
    return std::max(times.compute_ns, times.copy_ns);
}

bool Card::read_vm0(uint64_t address, std::span<std::byte> out) {
    Worker &worker = *controller_worker_;
    worker.generation = dma_.generation();
    points_.enter(worker);
    Fault fault;
    bool good = mmu_.read(worker, 0, address, out.data(), out.size(), fault) == Access::ok;
    points_.leave(worker);
    return good;
}

void Card::post_event(uint8_t type, uint32_t info, uint64_t data0, uint64_t data1) {
    events_.post(type, BRGPU_EVENT_NO_QUEUE, info, data0, data1);
}

void Card::status_changed() {
    if ((controller_.status() & BRGPU_STATUS_FAILED) && !wedged_reported_.exchange(true))
        events_.post(BRGPU_EVENT_WEDGED, BRGPU_EVENT_NO_QUEUE, 0);
}

void Card::log(std::string_view line) {
    dma_.log(BRGPU_MODEL_LOG_INFO, line);
}

// ---- counters and errors ----

CounterSet Card::count() const {
    Scheduler::Times times = scheduler_.times();
    CounterSet now;
    now.time = dma_.timestamp();
    now.compute_ns = times.compute_ns;
    now.copy_ns = times.copy_ns;
    now.worker_ns = times.worker_ns;
    now.instructions = engine_.instructions.load();
    now.workgroups = engine_.workgroups.load();
    now.dispatches = engine_.dispatches.load();
    now.copy_bytes = processor_.copy_bytes.load();
    now.tlb_misses = mmu_.walks();
    now.faults = mmu_.fault_count();
    now.interrupts = events_.interrupts();
    return now;
}

void Card::latch_counters() {
    CounterSet now = count();
    std::lock_guard lock(counters_mutex_);
    for (auto member : {&CounterSet::compute_ns, &CounterSet::copy_ns, &CounterSet::worker_ns,
                        &CounterSet::instructions, &CounterSet::workgroups, &CounterSet::dispatches,
                        &CounterSet::copy_bytes, &CounterSet::tlb_misses, &CounterSet::faults,
                        &CounterSet::interrupts})
        now.*member -= base_.*member;
    latched_ = now;
}

void Card::found_ecc(uint64_t offset, bool uncorrected) {
    (uncorrected ? ecc_uncorrected_ : ecc_corrected_).fetch_add(1);
    events_.post(BRGPU_EVENT_ECC, BRGPU_EVENT_NO_QUEUE, uncorrected ? 1 : 0, offset);
    controller_.ecc_error(offset, uncorrected ? 1 : 0);
}

} // namespace brgpu::model
