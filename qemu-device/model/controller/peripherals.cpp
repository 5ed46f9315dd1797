// SPDX-License-Identifier: MIT
#include "peripherals.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <brgpu/hw/events.h>

namespace brgpu::controller {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;
/// The hart may have lost this much to its host since the last look without the firmware's fault.
constexpr std::uint64_t watchdog_grace_ns = 10 * ns_per_ms;
constexpr std::uint64_t reorder_hold_ns = 50 * ns_per_ms;
constexpr std::uint32_t max_watchdog_ms = 60'000;
constexpr std::uint32_t status_bits =
    BRGPU_CTL_STATUS_READY | BRGPU_CTL_STATUS_FAILED | BRGPU_CTL_STATUS_THROTTLED;
/// More events than any honest firmware posts between two wake-ups; a dishonest one loses the rest.
constexpr std::size_t max_events = 256;

static_assert(BRGPU_CTL_STATUS_READY == BRGPU_STATUS_READY);
static_assert(BRGPU_CTL_STATUS_FAILED == BRGPU_STATUS_FAILED);
static_assert(BRGPU_CTL_STATUS_THROTTLED == BRGPU_STATUS_THROTTLED);
static_assert(BRGPU_CTL_SHARED_RESPONSES == BRGPU_MBOX_RESPONSES - BRGPU_SHARED_BASE);
static_assert(BRGPU_CTL_SHARED_LOG == BRGPU_FW_LOG - BRGPU_SHARED_BASE);
static_assert(BRGPU_CTL_SHARED_CRASH == BRGPU_FW_CRASH - BRGPU_SHARED_BASE);

constexpr std::uint32_t low(std::uint64_t value) {
    return static_cast<std::uint32_t>(value);
}
constexpr std::uint32_t high(std::uint64_t value) {
    return static_cast<std::uint32_t>(value >> 32);
}
void set_low(std::uint64_t &value, std::uint32_t bits) {
    value = (value & ~std::uint64_t{0xffffffff}) | bits;
}
void set_high(std::uint64_t &value, std::uint32_t bits) {
    value = (value & 0xffffffff) | std::uint64_t{bits} << 32;
}

/// Takes one from a countdown of pending faults; false when there is none.
bool take_one(std::atomic<std::uint32_t> &count) {
    std::uint32_t left = count.load();
    while (left != 0)
        if (count.compare_exchange_weak(left, left - 1))
            return true;
    return false;
}

} // namespace

Peripherals::Peripherals(const Config &config, Host &host, SharedWindow &shared,
                         DriverRegisters &registers)
    : config_(config), host_(host), shared_(shared), registers_(registers), thermal_(config, host) {
}

void Peripherals::start(const brgpu_fw_header &header, std::uint64_t now_ns) {
    std::memcpy(header_.data(), &header, sizeof header);
    start_ns_ = now_ns_ = planned_wake_ns_ = now_ns;
    latched_time_ = 0;
    compare_ = UINT64_MAX;
    irq_enable_ = 0;
    watchdog_ms_ = BRGPU_CTL_WATCHDOG_START_MS;
    watchdog_left_ns_ = static_cast<std::int64_t>(watchdog_ms_ * ns_per_ms);
    exit_.reset();
    event_ = {};
    events_.clear();
    held_reply_.reset();
    thermal_.reset();
}

void Peripherals::advance(std::uint64_t now_ns, bool watchdog_counts) {
    const std::uint64_t elapsed = now_ns > now_ns_ ? now_ns - now_ns_ : 0;
    if (watchdog_counts) {
        const std::uint64_t planned = planned_wake_ns_ > now_ns_ ? planned_wake_ns_ - now_ns_ : 0;
        const std::uint64_t fair = std::min(elapsed, planned + watchdog_grace_ns);
        watchdog_left_ns_ -=
            static_cast<std::int64_t>(std::min<std::uint64_t>(fair, max_watchdog_ms * ns_per_ms));
    }
    now_ns_ = planned_wake_ns_ = now_ns;
    thermal_.update(now_ns);
    if (thermal_.take_alarm())
        registers_.irq_pending |= BRGPU_CTL_IRQ_THERMAL;
    if (held_reply_ && now_ns >= held_until_ns_)
        release_held_reply();
}

std::uint32_t Peripherals::interrupts() {
    std::uint32_t pending = registers_.irq_pending.load();
    {
        const std::lock_guard lock(ecc_mutex_);
        pending |= ecc_queue_.empty() ? 0 : BRGPU_CTL_IRQ_ECC;
    }
    return ((pending & irq_enable_) != 0 ? Hart::mip_external : 0) |
           (host_.now_ns() >= compare_ ? Hart::mip_timer : 0);
}

std::uint64_t Peripherals::next_wake_ns(std::uint32_t interrupt_enable) const {
    std::uint64_t wake =
        now_ns_ + static_cast<std::uint64_t>(std::max<std::int64_t>(watchdog_left_ns_, 0));
    if ((interrupt_enable & Hart::mip_timer) != 0)
        wake = std::min(wake, compare_);
    if (held_reply_)
        wake = std::min(wake, held_until_ns_);
    return wake;
}

bool Peripherals::load(std::uint32_t address, unsigned bytes, std::uint32_t &value) {
    if (address - BRGPU_CTL_SHARED < BRGPU_SHARED_BYTES)
        return shared_.load(address - BRGPU_CTL_SHARED, bytes, value);
    const std::uint32_t header = address - BRGPU_CTL_HEADER;
    if (header < header_.size() && header_.size() - header >= bytes) {
        value = 0;
        std::memcpy(&value, header_.data() + header, bytes);
        return true;
    }
    return bytes == 4 && address % 4 == 0 && load_register(address, value);
}

bool Peripherals::store(std::uint32_t address, unsigned bytes, std::uint32_t value) {
    if (address - BRGPU_CTL_SHARED < BRGPU_SHARED_BYTES)
        return shared_.store(address - BRGPU_CTL_SHARED, bytes, value);
    return bytes == 4 && address % 4 == 0 && store_register(address, value);
}

bool Peripherals::load_register(std::uint32_t address, std::uint32_t &value) {
    switch (address >> 12) {
    case BRGPU_CTL_PRODUCT >> 12:
        return load_system(address, value);
    case BRGPU_CTL_TIME_LO >> 12:
        switch (address) {
        case BRGPU_CTL_TIME_LO:
            latched_time_ = host_.now_ns();
            value = low(latched_time_);
            return true;
        case BRGPU_CTL_TIME_HI:
            value = high(latched_time_);
            return true;
        case BRGPU_CTL_COMPARE_LO:
            value = low(compare_);
            return true;
        case BRGPU_CTL_COMPARE_HI:
            value = high(compare_);
            return true;
        default:
            return false;
        }
    case BRGPU_CTL_REQ_WRITE >> 12:
        return load_driver(address, value);
    case BRGPU_CTL_DIE(0) >> 12:
        return load_sensors(address, value);
    case BRGPU_CTL_ECC_COUNT >> 12:
        return load_ecc(address, value);
    case BRGPU_CTL_NVRAM >> 12:
        if (address - BRGPU_CTL_NVRAM >= BRGPU_CTL_NVRAM_BYTES)
            return false;
        value = nvram_[(address - BRGPU_CTL_NVRAM) / 4];
        return true;
    default:
        return false;
    }
}

bool Peripherals::load_system(std::uint32_t address, std::uint32_t &value) {
    switch (address) {
    case BRGPU_CTL_PRODUCT:
        value = config_.product;
        return true;
    case BRGPU_CTL_CONTRACT:
        value = config_.contract;
        return true;
    case BRGPU_CTL_DIES:
        value = config_.dies;
        return true;
    case BRGPU_CTL_SERIAL_LO:
        value = low(config_.serial);
        return true;
    case BRGPU_CTL_SERIAL_HI:
        value = high(config_.serial);
        return true;
    case BRGPU_CTL_VRAM_LO:
        value = low(config_.vram_bytes);
        return true;
    case BRGPU_CTL_VRAM_HI:
        value = high(config_.vram_bytes);
        return true;
    case BRGPU_CTL_STATUS:
        value = registers_.status;
        return true;
    case BRGPU_CTL_EXIT:
    case BRGPU_CTL_WATCHDOG_KICK:
        value = 0;
        return true;
    case BRGPU_CTL_IRQ_PENDING: {
        const std::lock_guard lock(ecc_mutex_);
        value = registers_.irq_pending | (ecc_queue_.empty() ? 0 : BRGPU_CTL_IRQ_ECC);
        return true;
    }
    case BRGPU_CTL_IRQ_ENABLE:
        value = irq_enable_;
        return true;
    case BRGPU_CTL_WATCHDOG_MS:
        value = watchdog_ms_;
        return true;
    default:
        return false;
    }
}

bool Peripherals::load_driver(std::uint32_t address, std::uint32_t &value) {
    switch (address) {
    case BRGPU_CTL_REQ_WRITE:
        value = registers_.req_write.load(std::memory_order_acquire);
        return true;
    case BRGPU_CTL_REQ_READ:
        value = registers_.req_read;
        return true;
    case BRGPU_CTL_RSP_WRITE:
        value = registers_.rsp_write;
        return true;
    case BRGPU_CTL_RSP_READ:
        value = registers_.rsp_read.load(std::memory_order_acquire);
        return true;
    case BRGPU_CTL_HEARTBEAT:
        value = registers_.heartbeat;
        return true;
    case BRGPU_CTL_HEARTBEAT_MS:
        value = registers_.heartbeat_ms;
        return true;
    case BRGPU_CTL_LOG_WRITTEN:
        value = registers_.log_written;
        return true;
    case BRGPU_CTL_CRASH_VALID:
        value = registers_.crash_valid;
        return true;
    case BRGPU_CTL_EVENT_INFO:
        value = event_.info;
        return true;
    case BRGPU_CTL_EVENT_DATA0_LO:
        value = low(event_.data0);
        return true;
    case BRGPU_CTL_EVENT_DATA0_HI:
        value = high(event_.data0);
        return true;
    case BRGPU_CTL_EVENT_DATA1_LO:
        value = low(event_.data1);
        return true;
    case BRGPU_CTL_EVENT_DATA1_HI:
        value = high(event_.data1);
        return true;
    case BRGPU_CTL_EVENT_POST:
        value = 0;
        return true;
    default:
        return false;
    }
}

bool Peripherals::load_sensors(std::uint32_t address, std::uint32_t &value) {
    switch (address) {
    case BRGPU_CTL_CORE_MHZ_MIN:
        value = config_.core_mhz_min;
        return true;
    case BRGPU_CTL_CORE_MHZ_MAX:
        value = config_.core_mhz_max;
        return true;
    case BRGPU_CTL_POWER_MIN_MW:
        value = config_.board_power_mw / 4;
        return true;
    case BRGPU_CTL_POWER_MAX_MW:
        value = config_.board_power_mw;
        return true;
    case BRGPU_CTL_THROTTLE_TEMP:
        value = static_cast<std::uint32_t>(config_.throttle_temperature);
        return true;
    case BRGPU_CTL_TRIP_TEMP:
        value = static_cast<std::uint32_t>(config_.trip_temperature);
        return true;
    case BRGPU_CTL_THERMAL_ALARM:
        value = static_cast<std::uint32_t>(thermal_.alarm());
        return true;
    default:
        break;
    }
    const std::uint32_t die = (address - BRGPU_CTL_DIE(0)) / 0x40;
    if (die >= config_.dies)
        return false;
    switch ((address - BRGPU_CTL_DIE(0)) % 0x40) {
    case BRGPU_CTL_DIE_CORE_TEMP:
        value = static_cast<std::uint32_t>(thermal_.core_temperature(die));
        return true;
    case BRGPU_CTL_DIE_MEMORY_TEMP:
        value = static_cast<std::uint32_t>(thermal_.memory_temperature(die));
        return true;
    case BRGPU_CTL_DIE_POWER:
        value = thermal_.power_mw(die);
        return true;
    case BRGPU_CTL_DIE_VOLTAGE:
        value = thermal_.voltage_mv(die);
        return true;
    case BRGPU_CTL_DIE_BUSY:
        value = thermal_.take_busy(die, host_.now_ns());
        return true;
    case BRGPU_CTL_DIE_CORE_MHZ:
        value = thermal_.core_mhz(die);
        return true;
    case BRGPU_CTL_DIE_MEMORY_MHZ:
        value = config_.memory_mhz;
        return true;
    default:
        return false;
    }
}

bool Peripherals::load_ecc(std::uint32_t address, std::uint32_t &value) {
    const std::lock_guard lock(ecc_mutex_);
    switch (address) {
    case BRGPU_CTL_ECC_COUNT:
        value = static_cast<std::uint32_t>(ecc_queue_.size());
        return true;
    case BRGPU_CTL_ECC_POP:
        value = 0;
        return true;
    case BRGPU_CTL_ECC_ADDRESS_LO:
        value = low(ecc_popped_.address);
        return true;
    case BRGPU_CTL_ECC_ADDRESS_HI:
        value = high(ecc_popped_.address);
        return true;
    case BRGPU_CTL_ECC_KIND:
        value = ecc_popped_.kind;
        return true;
    case BRGPU_CTL_ECC_LOST:
        value = ecc_lost_;
        return true;
    default:
        return false;
    }
}

bool Peripherals::store_register(std::uint32_t address, std::uint32_t value) {
    switch (address >> 12) {
    case BRGPU_CTL_PRODUCT >> 12:
        return store_system(address, value);
    case BRGPU_CTL_TIME_LO >> 12:
        if (address == BRGPU_CTL_COMPARE_LO)
            set_low(compare_, value);
        else if (address == BRGPU_CTL_COMPARE_HI)
            set_high(compare_, value);
        else
            return false;
        return true;
    case BRGPU_CTL_REQ_WRITE >> 12:
        return store_driver(address, value);
    case BRGPU_CTL_DIE(0) >> 12:
        return store_sensors(address, value);
    case BRGPU_CTL_ECC_COUNT >> 12: {
        const std::lock_guard lock(ecc_mutex_);
        if (address != BRGPU_CTL_ECC_POP)
            return false;
        if (!ecc_queue_.empty()) {
            ecc_popped_ = ecc_queue_.front();
            ecc_queue_.pop_front();
        }
        return true;
    }
    case BRGPU_CTL_NVRAM >> 12:
        if (address - BRGPU_CTL_NVRAM >= BRGPU_CTL_NVRAM_BYTES)
            return false;
        nvram_[(address - BRGPU_CTL_NVRAM) / 4] = value;
        return true;
    default:
        return false;
    }
}

bool Peripherals::store_system(std::uint32_t address, std::uint32_t value) {
    switch (address) {
    case BRGPU_CTL_STATUS:
        registers_.status = (value & status_bits) | (registers_.status & BRGPU_CTL_STATUS_FAILED);
        return true;
    case BRGPU_CTL_EXIT:
        exit_ = value == BRGPU_CTL_EXIT_HALTED ? BRGPU_CTL_EXIT_HALTED : BRGPU_CTL_EXIT_CRASHED;
        return true;
    case BRGPU_CTL_IRQ_PENDING:
        registers_.irq_pending &= ~value;
        return true;
    case BRGPU_CTL_IRQ_ENABLE:
        irq_enable_ = value;
        return true;
    case BRGPU_CTL_WATCHDOG_MS:
        if (value != 0 && value <= max_watchdog_ms)
            watchdog_ms_ = value;
        return true;
    case BRGPU_CTL_WATCHDOG_KICK:
        watchdog_left_ns_ = static_cast<std::int64_t>(watchdog_ms_ * ns_per_ms);
        return true;
    default:
        return false;
    }
}

bool Peripherals::store_driver(std::uint32_t address, std::uint32_t value) {
    switch (address) {
    case BRGPU_CTL_REQ_READ:
        registers_.req_read.store(value, std::memory_order_release);
        return true;
    case BRGPU_CTL_RSP_WRITE:
        write_responses(value);
        return true;
    case BRGPU_CTL_HEARTBEAT:
        if (!heartbeat_stopped)
            registers_.heartbeat = value;
        return true;
    case BRGPU_CTL_HEARTBEAT_MS:
        registers_.heartbeat_ms = value;
        return true;
    case BRGPU_CTL_LOG_WRITTEN:
        registers_.log_written.store(value, std::memory_order_release);
        return true;
    case BRGPU_CTL_CRASH_VALID:
        registers_.crash_valid.store(value & 1, std::memory_order_release);
        return true;
    case BRGPU_CTL_EVENT_INFO:
        event_.info = value;
        return true;
    case BRGPU_CTL_EVENT_DATA0_LO:
        set_low(event_.data0, value);
        return true;
    case BRGPU_CTL_EVENT_DATA0_HI:
        set_high(event_.data0, value);
        return true;
    case BRGPU_CTL_EVENT_DATA1_LO:
        set_low(event_.data1, value);
        return true;
    case BRGPU_CTL_EVENT_DATA1_HI:
        set_high(event_.data1, value);
        return true;
    case BRGPU_CTL_EVENT_POST:
        post(value);
        return true;
    default:
        return false;
    }
}

bool Peripherals::store_sensors(std::uint32_t address, std::uint32_t value) {
    if (address == BRGPU_CTL_THERMAL_ALARM) {
        thermal_.set_alarm(static_cast<std::int32_t>(value));
        return true;
    }
    const std::uint32_t die = (address - BRGPU_CTL_DIE(0)) / 0x40;
    if (die >= config_.dies || (address - BRGPU_CTL_DIE(0)) % 0x40 != BRGPU_CTL_DIE_CORE_MHZ)
        return false;
    thermal_.set_core_mhz(die, value);
    return true;
}

void Peripherals::post(std::uint32_t type) {
    if ((type != BRGPU_EVENT_FW_RESPONSE && type != BRGPU_EVENT_FW_NOTIFY) ||
        events_.size() >= max_events)
        return;
    event_.type = static_cast<std::uint8_t>(type);
    events_.push_back(event_);
}

void Peripherals::post_crash(std::uint32_t pc, std::uint32_t cause) {
    events_.push_back({BRGPU_EVENT_FW_NOTIFY, BRGPU_FW_NOTIFY_CRASH, pc, cause});
}

Peripherals::Message Peripherals::message(std::uint32_t index) const {
    Message out{};
    const std::uint32_t first =
        (BRGPU_CTL_SHARED_RESPONSES + index % BRGPU_MBOX_SLOTS * BRGPU_MBOX_MESSAGE_BYTES) / 4;
    for (std::uint32_t word = 0; word < out.size(); ++word)
        out[word] = shared_.load_word(first + word);
    return out;
}

void Peripherals::set_message(std::uint32_t index, const Message &message) {
    const std::uint32_t first =
        (BRGPU_CTL_SHARED_RESPONSES + index % BRGPU_MBOX_SLOTS * BRGPU_MBOX_MESSAGE_BYTES) / 4;
    for (std::uint32_t word = 0; word < message.size(); ++word)
        shared_.store_word(first + word, message[word]);
}

void Peripherals::write_responses(std::uint32_t value) {
    const std::uint32_t write = registers_.rsp_write;
    const std::uint32_t room = BRGPU_MBOX_SLOTS - (write - registers_.rsp_read);
    // Faults hit single replies; anything else that the firmware writes goes through as it is.
    if (value == write + 1) {
        if (take_one(drop_replies))
            return;
        if (!held_reply_ && take_one(reorder_replies)) {
            held_reply_ = message(write);
            held_until_ns_ = host_.now_ns() + reorder_hold_ns;
            return;
        }
        if (room >= 2 && room <= BRGPU_MBOX_SLOTS && held_reply_) {
            set_message(write + 1, *held_reply_);
            held_reply_.reset();
            value = write + 2;
        } else if (room >= 2 && room <= BRGPU_MBOX_SLOTS && take_one(duplicate_replies)) {
            set_message(write + 1, message(write));
            value = write + 2;
        }
    }
    registers_.rsp_write.store(value, std::memory_order_release);
}

void Peripherals::release_held_reply() {
    const std::uint32_t write = registers_.rsp_write;
    if (write - registers_.rsp_read >= BRGPU_MBOX_SLOTS)
        return;
    set_message(write, *held_reply_);
    held_reply_.reset();
    registers_.rsp_write.store(write + 1, std::memory_order_release);
    if (events_.size() < max_events)
        events_.push_back({BRGPU_EVENT_FW_RESPONSE, 0, 0, 0});
}

void Peripherals::ecc_error(std::uint64_t address, std::uint32_t kind) {
    const std::lock_guard lock(ecc_mutex_);
    if (ecc_queue_.size() >= BRGPU_CTL_ECC_DEPTH)
        ecc_lost_ += ecc_lost_ == UINT32_MAX ? 0 : 1;
    else
        ecc_queue_.push_back({address, kind});
}

} // namespace brgpu::controller
