// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <brgpu/hw/controller.h>
#include <brgpu/hw/firmware.h>
#include <brgpu/hw/regs.h>

#include "controller.hpp"
#include "hart.hpp"
#include "thermal.hpp"

namespace brgpu::controller {

/// The shared memory window: plain memory that driver and firmware use at the same time.
class SharedWindow {
  public:
    static constexpr std::uint32_t words = BRGPU_SHARED_BYTES / 4;

    std::uint32_t load_word(std::uint32_t index) const {
        return words_[index].load(std::memory_order_relaxed);
    }
    void store_word(std::uint32_t index, std::uint32_t value) {
        words_[index].store(value, std::memory_order_relaxed);
    }
    /// 1, 2 or 4 bytes at any offset; false beyond the window.
    bool load(std::uint32_t offset, unsigned bytes, std::uint32_t &value) const;
    bool store(std::uint32_t offset, unsigned bytes, std::uint32_t value);
    void clear(std::uint32_t offset, std::uint32_t bytes);

  private:
    std::array<std::atomic<std::uint32_t>, words> words_{};
};

/// Registers that the driver sees, and both sides may touch at any time.
struct DriverRegisters {
    std::atomic<std::uint64_t> fw_address{0};
    std::atomic<std::uint32_t> fw_bytes{0};
    std::atomic<std::uint32_t> boot_state{BRGPU_BOOT_STATE_OFF};
    std::atomic<std::uint32_t> boot_error{BRGPU_BOOT_OK};
    std::atomic<std::uint32_t> fw_version{0};
    std::atomic<std::uint32_t> fw_rollback{0};
    std::atomic<std::uint32_t> heartbeat{0};
    std::atomic<std::uint32_t> heartbeat_ms{0};
    std::atomic<std::uint32_t> req_write{0};
    std::atomic<std::uint32_t> req_read{0};
    std::atomic<std::uint32_t> rsp_write{0};
    std::atomic<std::uint32_t> rsp_read{0};
    std::atomic<std::uint32_t> log_written{0};
    std::atomic<std::uint32_t> crash_valid{0};
    std::atomic<std::uint32_t> status{0}; ///< BRGPU_STATUS_READY, FAILED, THROTTLED
    std::atomic<std::uint32_t> irq_pending{0};
};

/// What the firmware finds outside its SRAM: decodes controller.h. Belongs to the thread that runs
/// the hart; shared and registers are the doors to the driver's side.
class Peripherals final : public Bus {
  public:
    struct Event {
        std::uint8_t type;
        std::uint32_t info;
        std::uint64_t data0;
        std::uint64_t data1;
    };

    Peripherals(const Config &config, Host &host, SharedWindow &shared, DriverRegisters &registers);

    /// Power-on values of what a start of the firmware resets; `header` is what it may read.
    void start(const brgpu_fw_header &header, std::uint64_t now_ns);
    /// Brings time-driven state (sensors, watchdog, held replies) to `now_ns`.
    void advance(std::uint64_t now_ns, bool watchdog_counts);

    bool load(std::uint32_t address, unsigned bytes, std::uint32_t &value) override;
    bool store(std::uint32_t address, unsigned bytes, std::uint32_t value) override;
    std::uint32_t interrupts() override;
    bool ended() const override { return exit_.has_value(); }

    std::optional<std::uint32_t> exit_code() const { return exit_; }
    bool watchdog_expired() const { return watchdog_left_ns_ <= 0; }
    std::int64_t watchdog_left_ns() const { return watchdog_left_ns_; }
    /// Device time at which something other than the driver needs attention; UINT64_MAX: never.
    std::uint64_t next_wake_ns(std::uint32_t interrupt_enable) const;
    /// The hart sleeps until then: the watchdog counts that time in full.
    void plan_wake(std::uint64_t wake_ns) { planned_wake_ns_ = wake_ns; }
    /// The hardware's own notice of a crash that no handler could announce.
    void post_crash(std::uint32_t pc, std::uint32_t cause);
    std::uint64_t start_ns() const { return start_ns_; }
    std::vector<Event> take_events() { return std::exchange(events_, {}); }
    Thermal &thermal() { return thermal_; }

    /// From any thread.
    void ecc_error(std::uint64_t address, std::uint32_t kind);

    // Faults on demand; from any thread.
    std::atomic<std::uint32_t> heartbeat_stopped{0}; // as Controller::Impl::frozen_
    std::atomic<std::uint32_t> drop_replies{0};
    std::atomic<std::uint32_t> duplicate_replies{0};
    std::atomic<std::uint32_t> reorder_replies{0};

  private:
    struct EccEntry {
        std::uint64_t address = 0;
        std::uint32_t kind = 0;
    };

    bool load_register(std::uint32_t address, std::uint32_t &value);
    bool load_system(std::uint32_t address, std::uint32_t &value);
    bool load_driver(std::uint32_t address, std::uint32_t &value);
    bool load_sensors(std::uint32_t address, std::uint32_t &value);
    bool load_ecc(std::uint32_t address, std::uint32_t &value);
    bool store_register(std::uint32_t address, std::uint32_t value);
    bool store_system(std::uint32_t address, std::uint32_t value);
    bool store_driver(std::uint32_t address, std::uint32_t value);
    bool store_sensors(std::uint32_t address, std::uint32_t value);
    void post(std::uint32_t type);
    void write_responses(std::uint32_t value);
    void release_held_reply();

    const Config &config_;
    Host &host_;
    SharedWindow &shared_;
    DriverRegisters &registers_;
    Thermal thermal_;

    std::array<std::uint8_t, BRGPU_FW_HEADER_BYTES> header_{};
    std::array<std::uint32_t, BRGPU_CTL_NVRAM_BYTES / 4> nvram_{};
    std::uint64_t start_ns_ = 0;
    std::uint64_t now_ns_ = 0; ///< at the last advance()
    std::uint64_t latched_time_ = 0;
    std::uint64_t compare_ = UINT64_MAX;
    std::uint32_t irq_enable_ = 0;
    std::uint32_t watchdog_ms_ = BRGPU_CTL_WATCHDOG_START_MS;
    std::int64_t watchdog_left_ns_ = INT64_MAX;
    std::uint64_t planned_wake_ns_ = 0;
    std::optional<std::uint32_t> exit_;
    Event event_{};
    std::vector<Event> events_;

    using Message = std::array<std::uint32_t, BRGPU_MBOX_MESSAGE_BYTES / 4>;
    Message message(std::uint32_t index) const;
    void set_message(std::uint32_t index, const Message &message);
    std::optional<Message> held_reply_;
    std::uint64_t held_until_ns_ = 0;

    std::mutex ecc_mutex_; ///< the three below; innermost lock
    std::deque<EccEntry> ecc_queue_;
    EccEntry ecc_popped_;
    std::uint32_t ecc_lost_ = 0;
};

} // namespace brgpu::controller
