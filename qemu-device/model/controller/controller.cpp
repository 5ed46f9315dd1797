// SPDX-License-Identifier: MIT
#include "controller.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <brgpu/hw/controller.h>
#include <brgpu/hw/events.h>
#include <brgpu/hw/firmware.h>
#include <brgpu/hw/regs.h>

#include "boot_rom.hpp"
#include "hart.hpp"
#include "peripherals.hpp"

namespace brgpu::controller {
namespace {

constexpr std::uint64_t never = UINT64_MAX;
constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr std::uint64_t slice_instructions = 10'000;
/// Firmware that never sleeps gets half of a host CPU, in pieces of this length.
constexpr std::chrono::milliseconds busy_limit{5};
constexpr std::chrono::seconds longest_sleep{10};

constexpr std::uint64_t controller_base = 0x5000;
constexpr std::uint64_t controller_bytes = 0x1000;

Config sane(Config config) {
    config.dies = std::clamp<std::uint32_t>(config.dies, 1, BRGPU_CTL_MAX_DIES);
    config.core_mhz_max = std::max({config.core_mhz_min, config.core_mhz_max, 1u});
    config.board_power_mw = std::max({config.board_power_mw, config.idle_power_mw, 1u});
    return config;
}

} // namespace

Config Config::for_product(std::uint16_t product) {
    // Assumed figures: the vendor publishes ranges of board power only.
    Config config;
    config.product = product;
    if (product == BRGPU_PRODUCT_BR110) {
        config.core_mhz_max = 1200;
        config.board_power_mw = 66'000;
        config.idle_power_mw = 9'000;
    } else if (product == BRGPU_PRODUCT_BR166) {
        config.dies = 2;
        config.board_power_mw = 550'000;
        config.idle_power_mw = 80'000;
    }
    return config;
}

class Controller::Impl {
  public:
    Impl(const Config &config, Host &host)
        : config_(sane(config)), host_(host), sram_(BRGPU_CTL_SRAM_BYTES),
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
    std::atomic<bool> frozen_{false};
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

std::optional<std::uint32_t> Controller::Impl::read32(std::uint64_t offset) {
    if (offset >= BRGPU_SHARED_BASE)
        return shared_.load_word(static_cast<std::uint32_t>((offset - BRGPU_SHARED_BASE) / 4));
    switch (offset) {
    case BRGPU_REG_FW_ADDRESS:
        return static_cast<std::uint32_t>(registers_.fw_address);
    case BRGPU_REG_FW_ADDRESS + 4:
        return static_cast<std::uint32_t>(registers_.fw_address >> 32);
    case BRGPU_REG_FW_BYTES:
        return registers_.fw_bytes;
    case BRGPU_REG_BOOT_COMMAND:
        return 0;
    case BRGPU_REG_BOOT_STATE:
        return registers_.boot_state.load(std::memory_order_acquire);
    case BRGPU_REG_BOOT_ERROR:
        return registers_.boot_error;
    case BRGPU_REG_FW_VERSION:
        return registers_.fw_version;
    case BRGPU_REG_FW_ROLLBACK:
        return registers_.fw_rollback;
    case BRGPU_REG_HEARTBEAT:
        return registers_.heartbeat;
    case BRGPU_REG_HEARTBEAT_MS:
        return registers_.heartbeat_ms;
    case BRGPU_REG_MBOX_REQ_WRITE:
        return registers_.req_write;
    case BRGPU_REG_MBOX_REQ_READ:
        return registers_.req_read.load(std::memory_order_acquire);
    case BRGPU_REG_MBOX_RSP_WRITE:
        return registers_.rsp_write.load(std::memory_order_acquire);
    case BRGPU_REG_MBOX_RSP_READ:
        return registers_.rsp_read;
    case BRGPU_REG_LOG_WRITTEN:
        return registers_.log_written.load(std::memory_order_acquire);
    case BRGPU_REG_CRASH_VALID:
        return registers_.crash_valid.load(std::memory_order_acquire);
    default:
        return std::nullopt;
    }
}

bool Controller::Impl::write32(std::uint64_t offset, std::uint32_t value) {
    if (offset >= BRGPU_SHARED_BASE) {
        shared_.store_word(static_cast<std::uint32_t>((offset - BRGPU_SHARED_BASE) / 4), value);
        return true;
    }
    switch (offset) {
    case BRGPU_REG_FW_ADDRESS:
        write_half(registers_.fw_address, value, false);
        return true;
    case BRGPU_REG_FW_ADDRESS + 4:
        write_half(registers_.fw_address, value, true);
        return true;
    case BRGPU_REG_FW_BYTES:
        registers_.fw_bytes = value;
        return true;
    case BRGPU_REG_BOOT_COMMAND:
        boot_command(value);
        return true;
    case BRGPU_REG_MBOX_REQ_WRITE:
        registers_.req_write.store(value, std::memory_order_release);
        interrupt(BRGPU_CTL_IRQ_MAILBOX);
        return true;
    case BRGPU_REG_MBOX_RSP_READ:
        registers_.rsp_read.store(value, std::memory_order_release);
        interrupt(BRGPU_CTL_IRQ_MAILBOX);
        return true;
    default:
        return read32(offset).has_value(); // a write to an RO register
    }
}

void Controller::Impl::write_half(std::atomic<std::uint64_t> &reg, std::uint32_t value,
                                  bool upper) {
    const unsigned shift = upper ? 32 : 0;
    const std::uint64_t keep = ~(std::uint64_t{0xffffffff} << shift);
    std::uint64_t old = reg.load();
    while (!reg.compare_exchange_weak(old, (old & keep) | std::uint64_t{value} << shift)) {
    }
}

void Controller::Impl::boot_command(std::uint32_t command) {
    std::uint32_t state = registers_.boot_state.load();
    if (command == BRGPU_BOOT_START) {
        do {
            if (state == BRGPU_BOOT_STATE_CHECKING || state == BRGPU_BOOT_STATE_RUNNING)
                return;
        } while (!registers_.boot_state.compare_exchange_weak(state, BRGPU_BOOT_STATE_CHECKING));
        wake();
    } else if (command == BRGPU_BOOT_HALT) {
        if (state == BRGPU_BOOT_STATE_CHECKING &&
            registers_.boot_state.compare_exchange_strong(state, BRGPU_BOOT_STATE_HALTED)) {
            wake();
        } else if (registers_.boot_state == BRGPU_BOOT_STATE_RUNNING) {
            std::uint64_t none = 0;
            halt_deadline_ns_.compare_exchange_strong(none, host_.now_ns() +
                                                                BRGPU_CTL_HALT_MS * ns_per_ms);
            interrupt(BRGPU_CTL_IRQ_HALT);
        }
    }
}

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

Controller::Controller(const Config &config, Host &host)
    : impl_(std::make_unique<Impl>(config, host)) {}

Controller::~Controller() = default;

bool Controller::owns(std::uint64_t offset) {
    return offset - controller_base < controller_bytes ||
           offset - BRGPU_SHARED_BASE < BRGPU_SHARED_BYTES;
}

std::optional<std::uint64_t> Controller::read(std::uint64_t offset, unsigned bytes) {
    if (!owns(offset) || (bytes != 4 && bytes != 8) || offset % bytes != 0)
        return std::nullopt;
    const std::optional<std::uint32_t> lower = impl_->read32(offset);
    if (!lower || bytes == 4)
        return lower;
    const std::optional<std::uint32_t> upper = impl_->read32(offset + 4);
    if (!upper)
        return std::nullopt;
    return std::uint64_t{*upper} << 32 | *lower;
}

bool Controller::write(std::uint64_t offset, std::uint64_t value, unsigned bytes) {
    if (!owns(offset) || (bytes != 4 && bytes != 8) || offset % bytes != 0)
        return false;
    if (bytes == 8 && !impl_->read32(offset + 4))
        return false;
    if (!impl_->write32(offset, static_cast<std::uint32_t>(value)))
        return false;
    return bytes == 4 || impl_->write32(offset + 4, static_cast<std::uint32_t>(value >> 32));
}

std::uint32_t Controller::status() const {
    return impl_->registers_.status;
}

void Controller::reset() {
    impl_->reset(false);
}

void Controller::function_reset() {
    impl_->reset(true);
}

void Controller::engine_reset_done() {
    impl_->interrupt(BRGPU_CTL_IRQ_RESET);
}

void Controller::ecc_error(std::uint64_t address, std::uint32_t kind) {
    impl_->peripherals_.ecc_error(address, kind);
    impl_->wake();
}

void Controller::pause() {
    impl_->pause(true);
}

void Controller::resume() {
    impl_->pause(false);
}

void Controller::drain() {
    impl_->drain();
}

void Controller::start_thread() {
    if (!impl_->thread_.joinable())
        impl_->thread_ = std::thread([impl = impl_.get()] { impl->run_thread(); });
}

std::uint64_t Controller::run_until(std::uint64_t deadline_ns, std::uint64_t max_instructions) {
    return impl_->run_until(deadline_ns, max_instructions);
}

void Controller::set_fault(Fault fault, std::uint32_t count) {
    switch (fault) {
    case Fault::stop_heartbeat:
        impl_->peripherals_.heartbeat_stopped = count != 0;
        break;
    case Fault::freeze:
        impl_->frozen_ = count != 0;
        break;
    case Fault::drop_reply:
        impl_->peripherals_.drop_replies = count;
        break;
    case Fault::duplicate_reply:
        impl_->peripherals_.duplicate_replies = count;
        break;
    case Fault::reorder_reply:
        impl_->peripherals_.reorder_replies = count;
        break;
    case Fault::wrong_version:
        impl_->wrong_version_ = count != 0;
        break;
    case Fault::corrupt_image:
        impl_->corrupt_image_ = count != 0;
        break;
    }
    impl_->wake();
}

void Controller::set_temperature(std::uint32_t die, std::optional<std::int32_t> millidegrees) {
    if (die >= impl_->config_.dies)
        return;
    {
        const std::lock_guard lock(impl_->run_mutex_);
        impl_->peripherals_.thermal().pin(die, millidegrees);
    }
    impl_->wake();
}

void Controller::crash() {
    impl_->crash_ = true;
    impl_->wake();
}

std::uint64_t Controller::instructions() const {
    return impl_->instructions_;
}

} // namespace brgpu::controller
