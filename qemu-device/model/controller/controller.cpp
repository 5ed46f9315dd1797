// SPDX-License-Identifier: MIT
#include "controller.hpp"

#include <algorithm>
#include <thread>

#include "controller_impl.hpp"

namespace brgpu::controller {
namespace {

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

Controller::Controller(const Config &config, Host &host)
    : impl_(std::make_unique<Impl>(sane(config), host)) {}

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
        impl_->peripherals_.heartbeat_stopped = count;
        break;
    case Fault::freeze:
        impl_->frozen_ = count;
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
