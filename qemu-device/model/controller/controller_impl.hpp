// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <brgpu/hw/controller.h>
#include <brgpu/hw/regs.h>

#include "boot_rom.hpp"
#include "controller.hpp"
#include "hart.hpp"
#include "peripherals.hpp"

namespace brgpu::controller {

constexpr std::uint64_t never = UINT64_MAX;
constexpr std::uint64_t ns_per_ms = 1'000'000;

/// The two sides of Controller: driver_registers.cpp is what MMIO does, on any thread;
/// execution.cpp is what the controller's own thread does.
class Controller::Impl {
  public:
    Impl(const Config &config, Host &host)
        : config_(config), host_(host), sram_(BRGPU_CTL_SRAM_BYTES),
          peripherals_(config_, host, shared_, registers_),
          hart_(sram_, BRGPU_CTL_SRAM, peripherals_) {
        registers_.fw_rollback = config_.rollback;
    }

    ~Impl() {
        {
            const std::lock_guard lock(wake_mutex_);
            stopping_ = true;
        }
        wake_cv_.notify_all();
        if (thread_.joinable())
            thread_.join();
    }

    std::optional<std::uint32_t> read32(std::uint64_t offset);
    bool write32(std::uint64_t offset, std::uint32_t value);
    void reset(bool function);
    void wake();
    void pause(bool on);
    void drain() { const std::lock_guard lock(callback_mutex_); }
    void run_thread();
    std::uint64_t run_until(std::uint64_t deadline_ns, std::uint64_t max_instructions);
    void interrupt(std::uint32_t bits) {
        registers_.irq_pending |= bits;
        wake();
    }

    const Config config_;
    Host &host_;
    SharedWindow shared_;
    DriverRegisters registers_;
    std::vector<std::uint8_t> sram_;
    Peripherals peripherals_;
    Hart hart_;

    /// Guards hart_, SRAM, what peripherals_ does not make atomic, and the next four. Held for one
    /// slice of instructions at most, and never over a host callback other than the clocks.
    std::mutex run_mutex_;
    bool paused_ = false;
    std::uint64_t epoch_ = 0; ///< counts resets: an image check that began before one has no effect
    std::uint32_t reported_state_ = BRGPU_BOOT_STATE_OFF;
    std::uint32_t reported_status_ = 0;
    std::vector<std::string> log_lines_;

    /// Held while host callbacks run; taken before run_mutex_ or alone.
    std::mutex callback_mutex_;

    std::atomic<std::uint64_t> halt_deadline_ns_{0}; ///< 0: no halt was asked for
    std::atomic<std::uint64_t> instructions_{0};
    // Left of faults that a reset ends: UINT32_MAX stays for ever, else so many resets are needed.
    std::atomic<std::uint32_t> frozen_{0};
    std::atomic<bool> wrong_version_{false};
    std::atomic<bool> corrupt_image_{false};
    std::atomic<bool> crash_{false};
    std::thread thread_;

  private:
    struct Pass {
        bool busy = false;          ///< there is more to do at once
        std::uint64_t wake = never; ///< else, when
        std::uint64_t instructions = 0;
    };

    Pass pass(std::uint64_t budget);
    void boot();
    void start_image(const BootResult &image);
    void run_slice(std::uint64_t budget, Pass &result);
    void end(std::uint32_t state);
    void hardware_crash(std::uint32_t cause, std::string_view text);
    void boot_command(std::uint32_t command);
    void write_half(std::atomic<std::uint64_t> &reg, std::uint32_t value, bool upper);

    std::mutex wake_mutex_; ///< the next two; innermost
    std::uint64_t wakes_ = 0;
    bool stopping_ = false;
    std::condition_variable wake_cv_;
};

} // namespace brgpu::controller
