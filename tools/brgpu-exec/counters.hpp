// SPDX-License-Identifier: MIT
//
// What brgpu-exec says about the counters and the profile of a run.
#ifndef BRGPU_EXEC_COUNTERS_HPP
#define BRGPU_EXEC_COUNTERS_HPP

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "brgpu/brgpu.hpp"

namespace brgpu::exec {

// `plain` is of a run as it is, `details` of one that was counted in detail.
void print_counters(const brgpu_dispatch_counters &plain, const brgpu_dispatch_counters &details);
nlohmann::json counters_json(const brgpu_dispatch_counters &plain,
                             const brgpu_dispatch_counters &details);

// A line of source, or an address where the line is not known.
struct HotSpot {
    std::string place; // "file.cl:12" or "0x1234"
    std::string text;  // the line of source, "" where the file can't be read
    uint64_t instructions = 0;
    uint64_t lane_instructions = 0;
};
// Most warp instructions first. `object` is the code object's file.
std::vector<HotSpot> hot_spots(std::span<const brgpu_profile_count> profile,
                               std::span<const std::byte> object);
void print_hot_spots(std::span<const HotSpot> spots);
nlohmann::json hot_spots_json(std::span<const HotSpot> spots);

} // namespace brgpu::exec

#endif // BRGPU_EXEC_COUNTERS_HPP
