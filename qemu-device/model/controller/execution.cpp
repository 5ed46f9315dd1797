// SPDX-License-Identifier: MIT
#include "controller_impl.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include <brgpu/hw/events.h>
#include <brgpu/hw/firmware.h>

namespace brgpu::controller {
namespace {

constexpr std::uint64_t slice_instructions = 10'000;
/// Firmware that never sleeps gets half of a host CPU, in pieces of this length.
constexpr std::chrono::milliseconds busy_limit{5};
constexpr std::chrono::seconds longest_sleep{10};

} // namespace

void Controller::Impl::wake() {
    {
        const std::lock_guard lock(wake_mutex_);
        ++wakes_;
    }
    wake_cv_.notify_one();
}

void Controller::Impl::reset(bool function) {
    const std::lock_guard lock(run_mutex_);
    ++epoch_;
    registers_.boot_state = BRGPU_BOOT_STATE_OFF;
    registers_.fw_address = 0;
    for (auto *reg : {&registers_.fw_bytes, &registers_.boot_error, &registers_.fw_version,
                      &registers_.heartbeat, &registers_.heartbeat_ms, &registers_.req_write,
                      &registers_.req_read, &registers_.rsp_write, &registers_.rsp_read,
                      &registers_.status, &registers_.irq_pending})
        *reg = 0;
    for (auto *fault : {&frozen_, &peripherals_.heartbeat_stopped}) {
        std::uint32_t left = fault->load();
        if (left != 0 && left != UINT32_MAX)
            fault->compare_exchange_strong(left, left - 1);
    }
    halt_deadline_ns_ = 0;
    crash_ = false;
    reported_state_ = BRGPU_BOOT_STATE_OFF;
    reported_status_ = 0;
    shared_.clear(0, BRGPU_CTL_SHARED_LOG);
    shared_.clear(BRGPU_CTL_SHARED_CRASH + sizeof(brgpu_fw_crash),
                  BRGPU_SHARED_BYTES - BRGPU_CTL_SHARED_CRASH - sizeof(brgpu_fw_crash));
    if (function) {
        shared_.clear(BRGPU_CTL_SHARED_LOG, BRGPU_FW_LOG_BYTES);
        shared_.clear(BRGPU_CTL_SHARED_CRASH, sizeof(brgpu_fw_crash));
        registers_.log_written = 0;
        registers_.crash_valid = 0;
    }
    peripherals_.start({}, host_.now_ns());
}

void Controller::Impl::pause(bool on) {
    {
        const std::lock_guard lock(run_mutex_);
        paused_ = on;
    }
    wake();
}

Controller::Impl::Pass Controller::Impl::pass(std::uint64_t budget) {
    if (registers_.boot_state == BRGPU_BOOT_STATE_CHECKING)
        boot();

    Pass result;
    std::vector<Peripherals::Event> events;
    std::vector<std::string> lines;
    bool status_changed = false;
    {
        const std::lock_guard lock(run_mutex_);
        if (paused_)
            return result;
        if (registers_.boot_state == BRGPU_BOOT_STATE_RUNNING)
            run_slice(budget, result);
        events = peripherals_.take_events();
        const std::uint32_t state = registers_.boot_state;
        if (state != reported_state_)
            events.push_back({BRGPU_EVENT_FW_STATE, state, 0, 0});
        reported_state_ = state;
        const std::uint32_t status = registers_.status;
        status_changed = status != reported_status_;
        reported_status_ = status;
        lines.swap(log_lines_);
    }
    if (!events.empty() || !lines.empty() || status_changed) {
        const std::lock_guard lock(callback_mutex_);
        if (status_changed)
            host_.status_changed();
        for (const std::string &line : lines)
            host_.log(line);
        for (const Peripherals::Event &event : events)
            host_.post_event(event.type, event.info, event.data0, event.data1);
    }
    return result;
}

void Controller::Impl::boot() {
    std::uint64_t epoch = 0;
    {
        const std::lock_guard lock(run_mutex_);
        if (paused_ || registers_.boot_state != BRGPU_BOOT_STATE_CHECKING)
            return;
        epoch = epoch_;
    }
    BootResult image;
    {
        const std::lock_guard lock(callback_mutex_);
        const BootCard card{config_.product, config_.contract, config_.fused_key,
                            registers_.fw_rollback};
        const std::uint64_t address = registers_.fw_address;
        image = check_image(
            card, address, registers_.fw_bytes,
            [&](std::uint64_t offset, std::span<std::byte> out) {
                return out.size() <= never - offset && address <= never - offset - out.size() &&
                       host_.read_vm0(address + offset, out);
            },
            corrupt_image_);
    }
    const std::lock_guard lock(run_mutex_);
    std::uint32_t checking = BRGPU_BOOT_STATE_CHECKING;
    if (epoch != epoch_ || registers_.boot_state != checking)
        return;
    registers_.boot_error = image.error;
    if (image.error == BRGPU_BOOT_OK) {
        start_image(image);
        registers_.boot_state.compare_exchange_strong(checking, BRGPU_BOOT_STATE_RUNNING);
    } else {
        log_lines_.push_back(fmt::format("firmware refused (boot error {}): {}",
                                         static_cast<unsigned>(image.error), image.reason));
        registers_.boot_state.compare_exchange_strong(checking, BRGPU_BOOT_STATE_REFUSED);
    }
}

void Controller::Impl::start_image(const BootResult &image) {
    brgpu_fw_header header = image.header;
    if (wrong_version_) {
        header.fw_version = BRGPU_FW_VERSION_MAKE(255, 255, 65535);
        header.mailbox_min = BRGPU_MBOX_VERSION(0xffff, 0);
        header.mailbox_max = BRGPU_MBOX_VERSION(0xffff, 0xffff);
    }
    std::fill(sram_.begin(), sram_.end(), std::uint8_t{0});
    std::memcpy(sram_.data() + (header.load_address - BRGPU_CTL_SRAM), image.payload.data(),
                image.payload.size());
    shared_.clear(0, BRGPU_CTL_SHARED_LOG);
    shared_.clear(BRGPU_CTL_SHARED_CRASH, BRGPU_SHARED_BYTES - BRGPU_CTL_SHARED_CRASH);
    for (auto *reg : {&registers_.heartbeat, &registers_.heartbeat_ms, &registers_.req_write,
                      &registers_.req_read, &registers_.rsp_write, &registers_.rsp_read,
                      &registers_.crash_valid, &registers_.irq_pending})
        *reg = 0;
    registers_.fw_version = header.fw_version;
    registers_.fw_rollback = std::max<std::uint32_t>(registers_.fw_rollback, image.header.rollback);
    halt_deadline_ns_ = 0;
    crash_ = false;
    peripherals_.start(header, host_.now_ns());
    hart_.reset(header.entry, BRGPU_CTL_SRAM + BRGPU_CTL_SRAM_BYTES, BRGPU_CTL_HEADER);
}

void Controller::Impl::run_slice(std::uint64_t budget, Pass &result) {
    const std::uint64_t now = host_.now_ns();
    const std::uint64_t halt_at = halt_deadline_ns_;
    peripherals_.advance(now, !frozen_);
    if (halt_at != 0 && now >= halt_at) {
        log_lines_.emplace_back("firmware did not answer a halt and was stopped");
        return end(BRGPU_BOOT_STATE_HALTED);
    }
    if (frozen_) {
        result.wake = halt_at != 0 ? halt_at : never;
        return;
    }
    if (peripherals_.watchdog_expired())
        return hardware_crash(BRGPU_FW_CAUSE_WATCHDOG, "watchdog");
    if (crash_.exchange(false))
        hart_.force_illegal();

    const std::uint64_t before = hart_.retired();
    const Hart::Stop stop = hart_.run(std::min(budget, slice_instructions));
    result.instructions = hart_.retired() - before;
    instructions_ += result.instructions;
    switch (stop) {
    case Hart::Stop::budget:
        result.busy = true;
        break;
    case Hart::Stop::idle:
        result.wake = peripherals_.next_wake_ns(hart_.interrupt_enable());
        if (halt_deadline_ns_ != 0)
            result.wake = std::min<std::uint64_t>(result.wake, halt_deadline_ns_);
        peripherals_.plan_wake(result.wake);
        break;
    case Hart::Stop::ended:
        if (*peripherals_.exit_code() == BRGPU_CTL_EXIT_HALTED)
            end(BRGPU_BOOT_STATE_HALTED);
        else if (registers_.crash_valid != 0)
            end(BRGPU_BOOT_STATE_CRASHED);
        else
            hardware_crash(BRGPU_FW_CAUSE_PANIC, "the firmware ended without a crash record");
        break;
    case Hart::Stop::double_trap:
        hardware_crash(BRGPU_FW_CAUSE_DOUBLE, "trap without a handler");
        break;
    }
}

void Controller::Impl::end(std::uint32_t state) {
    registers_.heartbeat_ms = 0;
    registers_.boot_state.store(state, std::memory_order_release);
    if (state == BRGPU_BOOT_STATE_CRASHED)
        log_lines_.emplace_back("firmware crashed: see its crash record");
}

void Controller::Impl::hardware_crash(std::uint32_t cause, std::string_view text) {
    brgpu_fw_crash crash{};
    crash.magic = BRGPU_FW_CRASH_MAGIC;
    crash.version = BRGPU_FW_CRASH_VERSION;
    crash.bytes = sizeof crash;
    crash.cause = cause;
    crash.pc = hart_.pc();
    crash.tval = hart_.trap_value();
    crash.status = hart_.status();
    crash.fw_version = registers_.fw_version;
    crash.heartbeat = registers_.heartbeat;
    const std::uint64_t now = host_.now_ns();
    crash.uptime_ns = now > peripherals_.start_ns() ? now - peripherals_.start_ns() : 0;
    crash.requests = registers_.req_read;
    for (unsigned index = 0; index < 32; ++index)
        crash.registers[index] = hart_.reg(index);
    for (std::uint32_t word = 0; word < BRGPU_FW_CRASH_STACK_WORDS; ++word) {
        const std::uint32_t offset = hart_.reg(2) - BRGPU_CTL_SRAM + word * 4;
        if (offset <= BRGPU_CTL_SRAM_BYTES - 4)
            std::memcpy(&crash.stack[word], sram_.data() + offset, 4);
    }
    text.copy(crash.text, sizeof crash.text - 1);
    std::array<std::uint32_t, sizeof crash / 4> words{};
    std::memcpy(words.data(), &crash, sizeof crash);
    for (std::uint32_t word = 0; word < words.size(); ++word)
        shared_.store_word(BRGPU_CTL_SHARED_CRASH / 4 + word, words[word]);
    registers_.crash_valid.store(1, std::memory_order_release);
    peripherals_.post_crash(crash.pc, cause);
    end(BRGPU_BOOT_STATE_CRASHED);
}

std::uint64_t Controller::Impl::run_until(std::uint64_t deadline_ns,
                                          std::uint64_t max_instructions) {
    std::uint64_t done = 0;
    for (;;) {
        const Pass last = pass(max_instructions - done);
        done += last.instructions;
        if (!last.busy)
            return last.wake;
        const std::uint64_t now = host_.now_ns();
        if (done >= max_instructions || now >= deadline_ns)
            return now;
    }
}

void Controller::Impl::run_thread() {
    using Clock = std::chrono::steady_clock;
    host_.thread_begin();
    Clock::time_point rested = Clock::now();
    for (;;) {
        std::uint64_t seen = 0;
        {
            const std::lock_guard lock(wake_mutex_);
            if (stopping_)
                break;
            seen = wakes_;
        }
        const Pass last = pass(slice_instructions);
        std::unique_lock lock(wake_mutex_);
        if (last.busy) {
            if (Clock::now() - rested > busy_limit) {
                wake_cv_.wait_for(lock, busy_limit, [this] { return stopping_; });
                rested = Clock::now();
            }
            continue;
        }
        const auto woken = [&] { return stopping_ || wakes_ != seen; };
        if (last.wake == never) {
            wake_cv_.wait(lock, woken);
        } else {
            const std::uint64_t now = host_.now_ns();
            const std::chrono::nanoseconds sleep(last.wake > now ? last.wake - now : 0);
            wake_cv_.wait_for(lock, std::min<std::chrono::nanoseconds>(sleep, longest_sleep),
                              woken);
        }
        rested = Clock::now();
    }
    host_.thread_end();
}

} // namespace brgpu::controller
