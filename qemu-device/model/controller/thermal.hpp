// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "controller.hpp"

namespace brgpu::controller {

/// Power and temperature of the dies, from what their engines do: a die draws idle power plus a
/// share of the rest that grows with use and with the square of the clock, and warms up towards a
/// temperature proportional to its power with one time constant. Invented, plausible, and
/// monotonic: full use at the highest clock comes to rest well below the throttle temperature.
class Thermal {
  public:
    Thermal(const Config &config, Host &host);

    /// Clocks and the alarm to their power-on values; heat stays where it is.
    void reset();
    /// Brings all dies to device time `now_ns`.
    void update(std::uint64_t now_ns);
    /// True once for each passage of a core temperature over the alarm, upward.
    bool take_alarm();

    std::int32_t core_temperature(std::uint32_t die) const;
    std::int32_t memory_temperature(std::uint32_t die) const;
    std::uint32_t power_mw(std::uint32_t die) const;
    std::uint32_t voltage_mv(std::uint32_t die) const;
    std::uint32_t core_mhz(std::uint32_t die) const { return dies_[die].core_mhz; }
    /// Permille of the time since the last call.
    std::uint32_t take_busy(std::uint32_t die, std::uint64_t now_ns);
    void set_core_mhz(std::uint32_t die, std::uint32_t mhz);
    std::int32_t alarm() const { return alarm_; }
    void set_alarm(std::int32_t millidegrees) { alarm_ = millidegrees; }
    void pin(std::uint32_t die, std::optional<std::int32_t> millidegrees);

  private:
    struct Die {
        double temperature = 0; ///< millidegrees, of the model
        double power = 0;       ///< mW
        std::optional<std::int32_t> pinned;
        std::uint32_t core_mhz = 0;
        std::uint64_t busy_ns = 0; ///< engine_busy_ns() at the last update
        std::uint64_t polled_ns = 0;
        std::uint64_t polled_busy_ns = 0;
        bool above_alarm = false;
    };

    const Config &config_;
    Host &host_;
    std::vector<Die> dies_;
    std::uint64_t updated_ns_ = 0;
    std::int32_t alarm_ = INT32_MAX;
    bool alarm_due_ = false;
};

} // namespace brgpu::controller
