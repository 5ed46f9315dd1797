// SPDX-License-Identifier: MIT
//
// The card's management controller: boot ROM, an RV32IMC hart with SRAM and peripherals, and the
// controller block and shared window of BAR 0. What the driver sees is regs.h and firmware.h, what
// the firmware sees is controller.h; this is the one place where they meet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace brgpu::controller {

using PublicKey = std::array<std::uint8_t, 32>;

/// The public half of firmware/keys/development.key, fused into every card that is given no other.
extern const PublicKey development_key;

/// What differs from card to card. Power in milliwatt for the whole card, temperature in
/// millidegrees Celsius, clocks in MHz.
struct Config {
    std::uint16_t product = 0;
    std::uint32_t contract = 0; ///< as in register CONTRACT
    std::uint32_t dies = 1;     ///< 1..BRGPU_CTL_MAX_DIES
    std::uint64_t serial = 0;
    std::uint64_t vram_bytes = 0;
    PublicKey fused_key = development_key;
    std::uint32_t rollback = 0; ///< what FW_ROLLBACK starts with
    std::uint32_t core_mhz_min = 300;
    std::uint32_t core_mhz_max = 1600;
    std::uint32_t memory_mhz = 1600;
    std::uint32_t board_power_mw = 300'000;
    std::uint32_t idle_power_mw = 45'000;
    std::int32_t ambient_temperature = 28'000;
    std::int32_t throttle_temperature = 95'000;
    std::int32_t trip_temperature = 110'000;

    /// Clocks and power that suit the product; the rest as above.
    static Config for_product(std::uint16_t product);
};

/// What the controller asks of the device around it.
class Host {
  public:
    virtual ~Host() = default;

    /// Monotonic device time (what TIMESTAMP shows), ns. Called often and under the controller's
    /// run lock: must not block nor call the controller.
    virtual std::uint64_t now_ns() = 0;
    /// Time in which the die's engines did any work, since power-on, ns. As now_ns().
    virtual std::uint64_t engine_busy_ns(std::uint32_t die) = 0;

    // The rest is called on the controller's thread (or in run_until()), with none of its locks
    // held.

    /// Reads [address, address + out.size()) of VM 0; false where memory does not answer.
    virtual bool read_vm0(std::uint64_t address, std::span<std::byte> out) = 0;
    /// Writes a record of class FIRMWARE; type is FW_RESPONSE, FW_NOTIFY or FW_STATE.
    virtual void post_event(std::uint8_t type, std::uint32_t info, std::uint64_t data0,
                            std::uint64_t data1) = 0;
    /// Controller::status() may have changed: engines are released or stopped by what it says now.
    virtual void status_changed() = 0;
    /// One line for the device's log: why an image was refused, crashes.
    virtual void log(std::string_view line) = 0;
    /// Around the life of the controller's thread (RCU registration, names).
    virtual void thread_begin() {}
    virtual void thread_end() {}
};

/// Faults that can be switched on for tests of the driver. All are off at first.
enum class Fault {
    stop_heartbeat,  ///< HEARTBEAT no longer counts; the firmware goes on serving
    freeze,          ///< the hart executes nothing; not even the watchdog ends it
    drop_reply,      ///< the next `count` responses never reach the ring
    duplicate_reply, ///< the next `count` responses stand in the ring twice
    reorder_reply,   ///< the next `count` responses come after their successors, or 50 ms late
    wrong_version, ///< from the next start, firmware version and mailbox range are of another world
    corrupt_image, ///< one bit of the payload flips while the boot ROM reads it
};

/// Registers of BAR 0 offsets [0x5000, 0x6000) and [0x10000, 0x14000) and everything behind them.
///
/// Thread safety: every member function may be called from any thread, except that run_until() and
/// start_thread() exclude each other. read(), write(), status() and command functions never wait
/// for a host callback; reset() and pause() wait for at most one slice of instructions (well under
/// 1 ms).
class Controller {
  public:
    Controller(const Config &config, Host &host);
    ~Controller(); ///< stops the thread; call with no lock held that a host callback takes
    Controller(const Controller &) = delete;
    Controller &operator=(const Controller &) = delete;

    /// True for BAR 0 offsets that read() and write() serve.
    static bool owns(std::uint64_t offset);
    /// Register access of 4 or 8 bytes at an offset that owns() accepts, naturally aligned. Empty,
    /// or false: no such register (the caller counts BAD_ACCESS). An RO register ignores the write.
    std::optional<std::uint64_t> read(std::uint64_t offset, unsigned bytes);
    bool write(std::uint64_t offset, std::uint64_t value, unsigned bytes);

    /// BRGPU_STATUS_READY, FAILED, THROTTLED as the firmware has set them; 0 after reset().
    std::uint32_t status() const;

    /// Device reset: firmware gone, registers as after power-on but for FW_ROLLBACK and
    /// LOG_WRITTEN; log, crash record with CRASH_VALID, and bad pages stay. status() is 0 when it
    /// returns.
    void reset();
    /// Function reset: as reset(), and clears log and crash record.
    void function_reset();
    /// An engine reset was done: tells the firmware.
    void engine_reset_done();
    /// A VRAM error happened; kind 0 corrected, 1 uncorrected.
    void ecc_error(std::uint64_t address, std::uint32_t kind);

    /// After pause() no instruction is executed until resume(); a host callback that began before
    /// may be on its way still: drain() waits for it (call with no lock held that a callback
    /// takes).
    void pause();
    void resume();
    void drain();

    /// Runs the controller on a thread of its own until destruction. An idle controller sleeps.
    void start_thread();
    /// For hosts without threads: does what there is to do until device time reaches `deadline_ns`,
    /// or until `max_instructions` are done. With an idle hart it returns at once. Says when
    /// (device time) the controller wants to run again; UINT64_MAX: not before it is written to.
    std::uint64_t run_until(std::uint64_t deadline_ns, std::uint64_t max_instructions = UINT64_MAX);

    /// Switches a fault; for the *_reply kinds `count` responses are hit, for others 0 is off.
    /// stop_heartbeat and freeze last until the controller has been reset `count` times, UINT32_MAX
    /// for ever.
    void set_fault(Fault fault, std::uint32_t count);
    /// Pins the core temperature of a die (millidegrees); empty: back to the thermal model.
    void set_temperature(std::uint32_t die, std::optional<std::int32_t> millidegrees);
    /// Makes the firmware trap with an illegal instruction where it stands.
    void crash();

    /// Instructions executed since construction.
    std::uint64_t instructions() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace brgpu::controller
