// SPDX-License-Identifier: MIT
#pragma once

#include "console_log.hpp"
#include "files.hpp"
#include "guest_kernel.hpp"
#include "options.hpp"
#include "process.hpp"
#include "terminal.hpp"
#include "wire.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace brgpu::guest {

/// One run of a guest: owns QEMU, relays the command's streams, watches the kernel's log and the
/// time. Single-threaded: everything happens in one poll loop. Signals that end the launcher end
/// the guest.
class Session {
  public:
    struct Plan {
        GuestKernel kernel;
        std::string initramfs;
        StartRequest request;
        Accelerator accelerator = Accelerator::Tcg;
    };

    Session(const Options &options, Plan plan);
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;
    ~Session();

    /// Returns the exit code for the caller.
    int run();

  private:
    using Clock = std::chrono::steady_clock;
    enum class Phase { Booting, Starting, Running, Ending };

    void start();
    void loop();
    int next_wait() const;
    void handle_signals();
    void handle_console();
    void handle_messages();
    void handle_control();
    void handle_frame(const Frame &frame);
    void handle_input();
    void check_time();
    void check_process();
    void flush_output();
    void queue(int fd, std::string_view bytes);
    void finish(int code, std::string outcome, std::string message = {});
    int conclude();
    void write_summary(int code) const;
    void show_console_tail() const;
    double seconds_since_start() const;

    const Options &options_;
    Plan plan_;
    ConsoleLog log_;
    UniqueFd log_file_;
    UniqueFd signals_;
    UniqueFd console_;
    UniqueFd control_;
    UniqueFd input_;
    UniqueFd messages_; ///< what QEMU itself writes
    std::unique_ptr<OwnedProcess> qemu_;
    std::unique_ptr<FrameSender> sender_;
    std::unique_ptr<RawTerminal> terminal_;
    FrameDecoder decoder_;
    std::string input_pending_;
    bool input_open_ = true;
    std::string qemu_messages_;

    struct Pending {
        int fd;
        std::string bytes;
    };
    std::vector<Pending> output_;

    Phase phase_ = Phase::Booting;
    Clock::time_point start_;
    double boot_seconds_ = 0;
    double run_seconds_ = 0;
    Clock::time_point end_limit_; ///< for the guest's powering off
    std::optional<ExitReport> report_;
    bool finished_ = false;
    int code_ = 0;
    std::string outcome_;
    std::string message_;
};

} // namespace brgpu::guest
