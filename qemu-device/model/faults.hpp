// SPDX-License-Identifier: MIT
//
// Faults on demand that strike inside the card. docs/faults.md lists all, by property.
#ifndef BRGPU_MODEL_FAULTS_HPP
#define BRGPU_MODEL_FAULTS_HPP

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "mmu.hpp"

namespace brgpu::model {

// Takes one of a count that tests set; false where none is left.
bool take_one(std::atomic<uint32_t> &count);

// Thread safe. All off at first.
class FaultInjector final : public AccessFaults {
  public:
    static constexpr uint64_t any = ~uint64_t{0};

    struct PageFaults {
        uint32_t count = 0;
        uint64_t vm = any;
        uint64_t address = any; // 4 KiB page
    };

    // Called, with no lock held, when an ECC error is found: VRAM offset, uncorrected?
    void on_ecc(std::function<void(uint64_t, bool)> callback) { ecc_ = std::move(callback); }

    void arm_page_faults(const PageFaults &faults);
    // The next read of the 4 KiB of VRAM at `offset` meets an error. Corrected: counted once, and
    // over. Uncorrected: the page stays poisoned until clear_poison() or it is written.
    void arm_ecc(uint64_t offset, bool uncorrected);
    void clear_poison();
    uint32_t page_faults_left() const;

    bool armed() const override { return armed_.load(std::memory_order_acquire); }
    bool take_page_fault(uint16_t vm, uint64_t va) override;
    bool poisoned(uint64_t vram_offset, uint8_t access) override;

    std::atomic<uint32_t> hang_dispatches{0};
    std::atomic<uint32_t> corrupt_read_indices{0};
    std::atomic<uint32_t> all_ones_reads{0};
    // Commands and resets that fail, so that a driver needs the next stronger one.
    std::atomic<uint32_t> ignored_kills{0};
    std::atomic<uint32_t> endless_engine_resets{0};
    std::atomic<uint32_t> failed_device_resets{0};
    std::atomic<uint32_t> failed_function_resets{0};
    std::atomic<bool> gone{false}; // surprise removal

  private:
    enum class Poison : uint8_t { corrected, uncorrected, reported };
    void update_armed();

    mutable std::mutex mutex_; // protects the two below; a leaf lock
    PageFaults page_faults_;
    std::map<uint64_t, Poison> poison_;
    std::atomic<bool> armed_{false};
    std::function<void(uint64_t, bool)> ecc_;
};

} // namespace brgpu::model

#endif
