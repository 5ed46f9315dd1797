// SPDX-License-Identifier: MIT
#include "thermal.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace brgpu::controller {
namespace {

constexpr double time_constant_ns = 8e9;
constexpr double rise_at_board_power = 55'000; // millidegrees over ambient
constexpr std::int32_t memory_above_core = 4'000;
constexpr double lowest_millivolts = 680;
constexpr double millivolts_range = 340;

double fraction(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

} // namespace

Thermal::Thermal(const Config &config, Host &host)
    : config_(config), host_(host), dies_(config.dies) {
    for (std::uint32_t die = 0; die < config_.dies; ++die) {
        dies_[die].temperature = config_.ambient_temperature;
        dies_[die].power = static_cast<double>(config_.idle_power_mw) / config_.dies;
    }
    reset();
}

void Thermal::reset() {
    alarm_ = INT32_MAX;
    alarm_due_ = false;
    for (Die &die : dies_) {
        die.core_mhz = config_.core_mhz_min;
        die.above_alarm = false;
    }
}

void Thermal::update(std::uint64_t now_ns) {
    // A function reset sets device time back.
    const std::uint64_t elapsed = now_ns > updated_ns_ ? now_ns - updated_ns_ : 0;
    if (now_ns != updated_ns_) {
        const double board = config_.board_power_mw;
        const double idle = config_.idle_power_mw;
        const double decay = std::exp(-static_cast<double>(elapsed) / time_constant_ns);
        for (std::uint32_t index = 0; index < config_.dies; ++index) {
            Die &die = dies_[index];
            const std::uint64_t busy = host_.engine_busy_ns(index);
            const double use = fraction(busy > die.busy_ns ? busy - die.busy_ns : 0, elapsed);
            die.busy_ns = busy;
            const double clock = static_cast<double>(die.core_mhz) / config_.core_mhz_max;
            die.power = (idle + (board - idle) * use * clock * clock) / config_.dies;
            const double target = config_.ambient_temperature +
                                  rise_at_board_power * die.power * config_.dies / board;
            die.temperature = target + (die.temperature - target) * decay;
        }
        updated_ns_ = now_ns;
    }
    for (std::uint32_t index = 0; index < config_.dies; ++index) {
        const bool above = core_temperature(index) >= alarm_;
        alarm_due_ = alarm_due_ || (above && !dies_[index].above_alarm);
        dies_[index].above_alarm = above;
    }
}

bool Thermal::take_alarm() {
    return std::exchange(alarm_due_, false);
}

std::int32_t Thermal::core_temperature(std::uint32_t die) const {
    return dies_[die].pinned.value_or(static_cast<std::int32_t>(dies_[die].temperature));
}

std::int32_t Thermal::memory_temperature(std::uint32_t die) const {
    const std::int32_t core = core_temperature(die);
    return core > INT32_MAX - memory_above_core ? core : core + memory_above_core;
}

std::uint32_t Thermal::power_mw(std::uint32_t die) const {
    return static_cast<std::uint32_t>(dies_[die].power);
}

std::uint32_t Thermal::voltage_mv(std::uint32_t die) const {
    const std::uint32_t range = config_.core_mhz_max - config_.core_mhz_min;
    return static_cast<std::uint32_t>(
        lowest_millivolts +
        millivolts_range * fraction(dies_[die].core_mhz - config_.core_mhz_min, range));
}

std::uint32_t Thermal::take_busy(std::uint32_t index, std::uint64_t now_ns) {
    Die &die = dies_[index];
    const std::uint64_t busy = host_.engine_busy_ns(index);
    const std::uint64_t elapsed = now_ns > die.polled_ns ? now_ns - die.polled_ns : 0;
    const std::uint64_t worked = busy > die.polled_busy_ns ? busy - die.polled_busy_ns : 0;
    die.polled_ns = now_ns;
    die.polled_busy_ns = busy;
    return static_cast<std::uint32_t>(fraction(worked, elapsed) * 1000);
}

void Thermal::set_core_mhz(std::uint32_t die, std::uint32_t mhz) {
    dies_[die].core_mhz = std::clamp(mhz, config_.core_mhz_min, config_.core_mhz_max);
}

void Thermal::pin(std::uint32_t die, std::optional<std::int32_t> millidegrees) {
    dies_[die].pinned = millidegrees;
}

} // namespace brgpu::controller
