// SPDX-License-Identifier: MIT
#include "session.hpp"

#include "launcher.hpp"
#include "qemu_command.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace brgpu::guest {

namespace {

constexpr std::size_t tail_lines = 40;
constexpr std::ptrdiff_t context_lines = 3;
constexpr std::ptrdiff_t report_lines = 60;
constexpr auto power_off_time = std::chrono::seconds(20);

struct SocketPair {
    UniqueFd near;
    UniqueFd far;
};

SocketPair make_socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw_errno("cannot make a socket pair");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

sigset_t watched_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCHLD})
        ::sigaddset(&set, signal);
    return set;
}

/// Reads what is there. False at the stream's end.
bool read_some(int fd, std::string &bytes) {
    char buffer[65536];
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count > 0)
        bytes.assign(buffer, static_cast<std::size_t>(count));
    else
        bytes.clear();
    return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
}

std::string one_decimal(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

} // namespace

Session::Session(const Options &options, Plan plan) : options_(options), plan_(std::move(plan)) {}

Session::~Session() = default;

double Session::seconds_since_start() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Session::start() {
    start_ = Clock::now();
    if (!options_.console_log.empty()) {
        log_file_.reset(
            ::open(options_.console_log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!log_file_)
            throw_errno("cannot write " + options_.console_log.string());
    }
    const sigset_t set = watched_signals();
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_)
        throw_errno("cannot watch signals");

    auto console = make_socket_pair();
    auto control = make_socket_pair();
    auto input = make_socket_pair();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw_errno("cannot make a pipe");
    messages_.reset(ends[0]);
    const UniqueFd messages_end(ends[1]);

    // In memory: nothing remains, however this process ends.
    const UniqueFd initramfs = memory_file("initramfs", plan_.initramfs);
    plan_.initramfs.clear();

    std::vector<std::string> environment;
    if (plan_.accelerator == Accelerator::Kvm && !options_.cards.empty())
        environment.push_back("LD_PRELOAD=" + options_.plugin.string());
    qemu_ = std::make_unique<OwnedProcess>(
        qemu_command(options_, plan_.kernel,
                     {console.far.get(), control.far.get(), input.far.get(),
                      "/proc/self/fd/" + std::to_string(initramfs.get())},
                     plan_.accelerator),
        messages_end.get(),
        std::vector<int>{console.far.get(), control.far.get(), input.far.get(), initramfs.get()},
        environment);
    console_ = std::move(console.near);
    control_ = std::move(control.near);
    input_ = std::move(input.near);
    ::fcntl(input_.get(), F_SETFL, O_NONBLOCK);
    sender_ = std::make_unique<FrameSender>(control_.get());
    if (options_.verbose || plan_.request.terminal)
        std::cerr << "brgpu-guest: booting " << plan_.kernel.name << " (" << plan_.kernel.release
                  << ") under " << (plan_.accelerator == Accelerator::Kvm ? "KVM" : "TCG") << "\n";
}

void Session::finish(int code, std::string outcome, std::string message) {
    if (finished_)
        return;
    finished_ = true;
    code_ = code;
    outcome_ = std::move(outcome);
    message_ = std::move(message);
}

int Session::next_wait() const {
    double wait = 1e6;
    const double now = seconds_since_start();
    if (phase_ == Phase::Booting || phase_ == Phase::Starting)
        wait = std::min(wait, options_.boot_timeout - now);
    if (options_.timeout > 0 && phase_ != Phase::Ending)
        wait = std::min(wait, options_.timeout - now);
    if (phase_ == Phase::Ending)
        wait = std::min(wait, std::chrono::duration<double>(end_limit_ - Clock::now()).count());
    return std::max(0, static_cast<int>(wait * 1000) + 1);
}

void Session::check_time() {
    const double now = seconds_since_start();
    if (phase_ == Phase::Ending) {
        // The command's own result is known; what remains is the kernel's way down.
        if (Clock::now() >= end_limit_)
            finish(report_->code, "exited",
                   "the guest did not power off within " + std::to_string(power_off_time.count()) +
                       " s and was ended");
    } else if (options_.timeout > 0 && now >= options_.timeout) {
        finish(exit_timeout, "timeout",
               "the time of " + one_decimal(options_.timeout) + " s is over" +
                   (phase_ == Phase::Running ? "" : "; the guest was still booting"));
    } else if (phase_ != Phase::Running && now >= options_.boot_timeout) {
        finish(exit_failure, "boot timeout",
               "the guest did not come up within " + one_decimal(options_.boot_timeout) + " s");
    }
}

void Session::handle_signals() {
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        const int signal = static_cast<int>(info.ssi_signo);
        if (signal == SIGCHLD)
            continue; // check_process() looks each time
        if (signal == SIGWINCH) {
            const auto size = window_size(STDOUT_FILENO);
            const std::uint16_t window[2] = {size.rows, size.columns};
            if (phase_ == Phase::Running && plan_.request.terminal)
                sender_->send(FrameType::Window,
                              {reinterpret_cast<const char *>(window), sizeof window});
            continue;
        }
        finish(128 + signal, "interrupted", std::string("ended by ") + ::strsignal(signal));
    }
}

void Session::handle_console() {
    std::string bytes;
    if (!read_some(console_.get(), bytes)) {
        console_.reset();
        return;
    }
    log_.feed(bytes);
    if (log_file_ && ::write(log_file_.get(), bytes.data(), bytes.size()) < 0)
        log_file_.reset();
    if (options_.verbose)
        queue(STDERR_FILENO, bytes);
}

void Session::handle_messages() {
    std::string bytes;
    if (!read_some(messages_.get(), bytes)) {
        messages_.reset();
        return;
    }
    qemu_messages_ += bytes;
    if (options_.verbose)
        queue(STDERR_FILENO, bytes);
}

void Session::handle_control() {
    std::string bytes;
    if (!read_some(control_.get(), bytes)) {
        control_.reset();
        return;
    }
    decoder_.feed(bytes);
    while (const auto frame = decoder_.next())
        handle_frame(*frame);
}

void Session::handle_frame(const Frame &frame) {
    switch (frame.type) {
    case FrameType::Hello: {
        const auto size = window_size(STDOUT_FILENO);
        plan_.request.rows = size.rows;
        plan_.request.columns = size.columns;
        if (!sender_->send(FrameType::Start, plan_.request.to_bytes()))
            finish(exit_failure, "failed", "the guest does not take the command");
        phase_ = Phase::Starting;
        break;
    }
    case FrameType::Started:
        phase_ = Phase::Running;
        boot_seconds_ = seconds_since_start();
        if (options_.verbose)
            queue(STDERR_FILENO,
                  "brgpu-guest: the command runs after " + one_decimal(boot_seconds_) + " s\n");
        if (plan_.request.terminal)
            terminal_ = std::make_unique<RawTerminal>(STDIN_FILENO);
        break;
    case FrameType::Output:
        queue(STDOUT_FILENO, frame.payload);
        break;
    case FrameType::Error:
        queue(STDERR_FILENO, frame.payload);
        break;
    case FrameType::Notice:
        queue(STDERR_FILENO, "brgpu-guest: " + frame.payload + "\n");
        break;
    case FrameType::Failed:
        finish(exit_failure, "failed", frame.payload);
        break;
    case FrameType::Exited:
        report_ = ExitReport::from_bytes(frame.payload);
        run_seconds_ = seconds_since_start() - boot_seconds_;
        phase_ = Phase::Ending;
        end_limit_ = Clock::now() + power_off_time;
        // A machine that has slept does not go off under every QEMU, and here is nothing to save.
        if (!options_.host_root)
            finish(report_->code, "exited");
        break;
    default:
        finish(exit_failure, "failed",
               "the guest's agent sent an unknown frame: is it the same "
               "brgpu-guest as the launcher?");
    }
}

void Session::handle_input() {
    if (input_pending_.empty()) {
        std::string bytes;
        if (!read_some(STDIN_FILENO, bytes)) {
            input_open_ = false;
            input_pending_ = encode(FrameType::InputEnd, {});
        } else if (!bytes.empty()) {
            input_pending_ = encode(FrameType::Input, bytes);
        }
    }
    const ssize_t sent =
        ::send(input_.get(), input_pending_.data(), input_pending_.size(), MSG_NOSIGNAL);
    if (sent > 0)
        input_pending_.erase(0, static_cast<std::size_t>(sent));
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        input_.reset();
}

void Session::queue(int fd, std::string_view bytes) {
    if (!output_.empty() && output_.back().fd == fd)
        output_.back().bytes.append(bytes);
    else
        output_.push_back({fd, std::string(bytes)});
}

void Session::flush_output() {
    while (!output_.empty()) {
        auto &first = output_.front();
        pollfd ready{first.fd, POLLOUT, 0};
        if (::poll(&ready, 1, 0) <= 0)
            return;
        // As much as a pipe that is ready takes without blocking.
        const ssize_t written =
            ::write(first.fd, first.bytes.data(), std::min<std::size_t>(first.bytes.size(), 4096));
        if (written < 0) {
            if (errno == EINTR || errno == EAGAIN)
                return;
            finish(128 + SIGPIPE, "interrupted");
            return;
        }
        first.bytes.erase(0, static_cast<std::size_t>(written));
        if (first.bytes.empty())
            output_.erase(output_.begin());
    }
}

void Session::check_process() {
    if (!qemu_->ended() || console_ || control_ || messages_)
        return; // what it has written is read to the end first
    if (report_) {
        finish(report_->code, "exited");
    } else if (log_.panicked()) {
        finish(exit_failure, "panic", "the guest's kernel panicked");
    } else {
        const int status = qemu_->status();
        std::string how = WIFSIGNALED(status)
                              ? std::string("was ended by ") + ::strsignal(WTERMSIG(status))
                              : "ended with " + std::to_string(WEXITSTATUS(status));
        finish(exit_failure, "failed",
               phase_ == Phase::Booting && log_.tail(1).empty()
                   ? "QEMU " + how + " before the guest started"
                   : "the guest went down (QEMU " + how + ")");
    }
}

void Session::loop() {
    while (!finished_) {
        flush_output();
        if (finished_)
            break;
        const bool congested = !output_.empty();
        const bool relay_input =
            phase_ == Phase::Running && input_ && (input_open_ || !input_pending_.empty());
        // A caller in the background must not be stopped for reading its terminal.
        const bool read_input =
            relay_input && input_pending_.empty() && in_foreground(STDIN_FILENO);
        pollfd waits[] = {
            {signals_.get(), POLLIN, 0},
            {console_.get(), POLLIN, 0},
            {congested ? -1 : control_.get(), POLLIN, 0},
            {messages_.get(), POLLIN, 0},
            {read_input ? STDIN_FILENO : -1, POLLIN, 0},
            {relay_input && !input_pending_.empty() ? input_.get() : -1, POLLOUT, 0},
            {congested ? output_.front().fd : -1, POLLOUT, 0},
        };
        if (::poll(waits, std::size(waits), next_wait()) < 0 && errno != EINTR)
            throw_errno("cannot wait for the guest");
        if (waits[0].revents)
            handle_signals();
        if (waits[1].revents)
            handle_console();
        if (waits[2].revents)
            handle_control();
        if (waits[3].revents)
            handle_messages();
        if (waits[4].revents || waits[5].revents)
            handle_input();
        check_time();
        check_process();
    }
}

void Session::show_console_tail() const {
    if (options_.verbose)
        return;
    // A report begins with what is wrong and goes on with registers: show it from its start.
    auto lines = log_.tail(SIZE_MAX);
    const auto complaint = std::find_if(lines.begin(), lines.end(), ConsoleLog::is_complaint);
    const auto begin =
        complaint != lines.end()
            ? complaint - std::min<std::ptrdiff_t>(complaint - lines.begin(), context_lines)
            : lines.end() - static_cast<std::ptrdiff_t>(std::min(lines.size(), tail_lines));
    const auto end = begin + std::min<std::ptrdiff_t>(lines.end() - begin, report_lines);
    if (begin == end)
        return;
    std::cerr << "brgpu-guest: from the guest's kernel log:\n";
    for (auto line = begin; line != end; ++line)
        std::cerr << "  | " << *line << "\n";
    if (end != lines.end())
        std::cerr << "  | ... (--console-log FILE keeps all of it)\n";
}

void Session::write_summary(int code) const {
    if (options_.json.empty())
        return;
    nlohmann::json cards = nlohmann::json::array();
    for (const auto &card : options_.cards)
        cards.push_back({{"type", card.type}, {"properties", card.properties}});
    const nlohmann::json summary{
        {"exit_code", code},
        {"outcome", outcome_},
        {"message", message_},
        {"command", plan_.request.command},
        {"accelerator", plan_.accelerator == Accelerator::Kvm ? "kvm" : "tcg"},
        {"kernel", plan_.kernel.release},
        {"cards", cards},
        {"boot_seconds", boot_seconds_},
        {"run_seconds", run_seconds_},
        {"total_seconds", seconds_since_start()},
        {"complaints", log_.complaints()},
        {"stuck", report_ ? report_->stuck : std::vector<std::string>{}},
    };
    write_file(options_.json,
               summary.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

int Session::conclude() {
    qemu_->end();
    while (console_)
        handle_console();
    terminal_.reset();
    // What the command has written goes out whole, however slow the reader.
    for (const auto &pending : output_) {
        std::string_view bytes = pending.bytes;
        while (!bytes.empty() && outcome_ != "interrupted") {
            const ssize_t written = ::write(pending.fd, bytes.data(), bytes.size());
            if (written < 0 && errno != EINTR)
                break;
            bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        }
    }

    int code = code_;
    if (outcome_ == "exited") {
        for (const auto &name : report_->stuck)
            std::cerr << "brgpu-guest: " << name
                      << " could not be ended: it is stuck in the kernel\n";
        if (!message_.empty())
            std::cerr << "brgpu-guest: " << message_ << "\n";
    } else if (!message_.empty()) {
        std::cerr << "brgpu-guest: " << message_ << "\n";
        if (!options_.verbose && !qemu_messages_.empty())
            std::cerr << qemu_messages_;
        if (outcome_ != "interrupted")
            show_console_tail();
    }

    if (options_.strict && outcome_ == "exited") {
        auto complaints = log_.complaints();
        if (!report_->unload_error.empty())
            complaints.push_back(report_->unload_error);
        for (const auto &name : report_->stuck)
            complaints.push_back(name + " was stuck in the kernel");
        if (!message_.empty())
            complaints.push_back(message_);
        if (!complaints.empty()) {
            std::cerr << "brgpu-guest: --strict: the command ended with " << code
                      << ", but the guest's kernel complained:\n";
            for (const auto &line : complaints)
                std::cerr << "  ! " << line << "\n";
            show_console_tail();
            code = exit_complaints;
            outcome_ = "complaints";
        }
    }
    write_summary(code);
    return code;
}

int Session::run() {
    start();
    loop();
    return conclude();
}

} // namespace brgpu::guest
