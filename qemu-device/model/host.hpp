// SPDX-License-Identifier: MIT
//
// The card's side of brgpu_model_host_ops: DMA with cached pointers, interrupts, time, log.
#ifndef BRGPU_MODEL_HOST_HPP
#define BRGPU_MODEL_HOST_HPP

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string_view>
#include <vector>

#include "host_abi.hpp"
#include "safe_points.hpp"

namespace brgpu::model {

// System memory and interrupts, for the card's threads. No lock is held in a call of the host.
// After a reset, work of the generation before gets nothing through here.
class HostPort {
  public:
    struct Mapping {
        std::byte *pointer = nullptr;
        uint64_t bytes = 0; // contiguous from the address asked for
    };

    HostPort(const brgpu_model_host_ops &ops, void *context, SafePoints &points);
    HostPort(const HostPort &) = delete;
    HostPort &operator=(const HostPort &) = delete;
    ~HostPort();

    // A pointer that stays good until the worker's next safe point or blocked section. Null: not
    // RAM (or the worker's work is of an old generation): the bus decides.
    Mapping map(Worker &worker, uint64_t address, bool write);
    // As map(), but answers only what is known without asking the host.
    Mapping cached(uint64_t address, bool write);

    // By bus. False: an error on the bus, or an old generation.
    bool read(Worker &worker, uint64_t address, void *buffer, size_t bytes);
    bool write(Worker &worker, uint64_t address, const void *buffer, size_t bytes);

    // False where the work is of an old generation.
    bool raise(Worker &worker, unsigned vector);

    // Any thread. When it returns, no pointer into the range is held. bytes 0: all.
    void invalidate(uint64_t address, uint64_t bytes);

    // Any thread. Device time in ns.
    uint64_t timestamp() const { return ops_.clock_ns(context_) - time_base_.load(); }
    void restart_time() { time_base_.store(ops_.clock_ns(context_)); }

    bool logs() const { return ops_.log != nullptr; }
    void log(brgpu_model_log_level level, std::string_view text) const;

    void thread_enter() const { ops_.thread_enter(context_); }
    void thread_exit() const { ops_.thread_exit(context_); }

    uint64_t generation() const { return generation_.load(std::memory_order_seq_cst); }
    // What ran until now is of the past.
    void next_generation() { generation_.fetch_add(1, std::memory_order_seq_cst); }
    bool current(const Worker &worker) const { return worker.generation == generation(); }

    // How long each access by bus, and each 64 KiB of a copy, is held back; a fault on demand.
    std::atomic<uint32_t> slow_dma_us{0};
    void delay(Worker &worker);

  private:
    struct Range {
        std::byte *pointer;
        uint64_t bytes;
        bool write;
        uint64_t asked; // bytes that were asked of the host in one call
    };
    using Ranges = std::map<uint64_t, Range>;

    Mapping find(const Ranges &ranges, uint64_t address) const;
    void take(Ranges &from, uint64_t address, uint64_t bytes, std::vector<Range> &out);
    brgpu_model_host_ops ops_ = {};
    void *const context_;
    SafePoints &points_;
    std::atomic<uint64_t> generation_{1};
    std::atomic<uint64_t> time_base_{0};

    std::shared_mutex ranges_mutex_; // protects the three below; a leaf lock
    Ranges readable_;
    Ranges writable_;
    uint64_t invalidations_ = 0;
};

} // namespace brgpu::model

#endif
