// SPDX-License-Identifier: MIT
#include "counters.hpp"

#include <algorithm>
#include <fstream>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "line_table.hpp"

namespace brgpu::exec {

namespace {

using Counters = brgpu_dispatch_counters;

struct Name {
    const char *name;
    uint64_t Counters::*value;
    const char *what; // "": the name says it
};
// From the run as it is.
constexpr Name plain_names[] = {
    {"workgroups", &Counters::workgroups, ""},
    {"warps", &Counters::warps, ""},
    {"instructions", &Counters::instructions, "warp instructions"},
    {"lane_instructions", &Counters::lane_instructions, ""},
    {"barriers", &Counters::barriers, "completed, once a workgroup"},
    {"regroups", &Counters::regroups, "new choices of lanes to run together"},
    {"yields", &Counters::yields, "workgroups set aside for others"},
    {"compiled_instructions", &Counters::compiled_instructions, "run by compiled code"},
    {"compiled_lane_instructions", &Counters::compiled_lane_instructions, ""},
    {"compiled_exits", &Counters::compiled_exits, "from compiled code to the interpreter"},
};
constexpr Name detail_names[] = {
    {"branches", &Counters::branches, "conditional"},
    {"divergent_branches", &Counters::divergent_branches, "taken by some lanes only"},
    {"fp_instructions", &Counters::fp_instructions, ""},
    {"loads", &Counters::loads, ""},
    {"stores", &Counters::stores, ""},
    {"atomics", &Counters::atomics, ""},
    {"global_uniform", &Counters::global_uniform, "accesses: one address"},
    {"global_consecutive", &Counters::global_consecutive, "accesses: element by element"},
    {"global_page", &Counters::global_page, "accesses: anywhere in a page"},
    {"global_scattered", &Counters::global_scattered, "accesses: all else"},
    {"local_accesses", &Counters::local_accesses, ""},
    {"private_accesses", &Counters::private_accesses, ""},
    {"load_bytes", &Counters::load_bytes, "bytes, global memory"},
    {"store_bytes", &Counters::store_bytes, "bytes, global memory"},
    {"local_bank_conflicts", &Counters::local_bank_conflicts, "turns beyond the first"},
    {"shuffles", &Counters::shuffles, "and votes"},
    {"tensor_instructions", &Counters::tensor_instructions, ""},
    {"tensor_macs", &Counters::tensor_macs, "multiply-accumulates"},
    {"tensor_copy_bytes", &Counters::tensor_copy_bytes, "bytes"},
};

double share(uint64_t part, uint64_t whole) {
    return whole ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

struct Ratio {
    const char *name;
    double value; // 0 to 1
    const char *what;
};
std::vector<Ratio> ratios(const Counters &plain, const Counters &details) {
    const uint64_t accesses = details.loads + details.stores + details.atomics;
    return {{"lanes_active", share(plain.lane_instructions, plain.instructions * 32),
             "of 32 lanes, in the middle"},
            {"compiled", share(plain.compiled_lane_instructions, plain.lane_instructions),
             "of lane instructions"},
            {"divergent", share(details.divergent_branches, details.branches), "of branches"},
            {"coalesced",
             share(details.global_uniform + details.global_consecutive,
                   accesses - details.local_accesses - details.private_accesses),
             "of global accesses: uniform or consecutive"}};
}

} // namespace

void print_counters(const Counters &plain, const Counters &details) {
    const auto print = [](const Counters &from, std::span<const Name> names) {
        for (const Name &name : names)
            fmt::print("  {:<28}{:>18}{}{}\n", name.name, from.*name.value, *name.what ? "  " : "",
                       name.what);
    };
    print(plain, plain_names);
    print(details, detail_names);
    for (const Ratio &ratio : ratios(plain, details))
        fmt::print("  {:<28}{:>17.1f}%  {}\n", ratio.name, ratio.value * 100, ratio.what);
}

nlohmann::json counters_json(const Counters &plain, const Counters &details) {
    nlohmann::json all;
    for (const Name &name : plain_names)
        all[name.name] = plain.*name.value;
    for (const Name &name : detail_names)
        all[name.name] = details.*name.value;
    for (const Ratio &ratio : ratios(plain, details))
        all[std::string(ratio.name) + "_share"] = ratio.value;
    return all;
}

std::vector<HotSpot> hot_spots(std::span<const brgpu_profile_count> profile,
                               std::span<const std::byte> object) {
    const LineTable table(object);
    std::map<std::pair<std::string, int>, HotSpot> by_line;
    for (const brgpu_profile_count &entry : profile) {
        SourceLine at = table.find(entry.address);
        if (at.file.empty())
            at = {fmt::format("{:#x}", entry.address), 0};
        HotSpot &spot = by_line[{at.file, at.line}];
        spot.instructions += entry.instructions;
        spot.lane_instructions += entry.lane_instructions;
    }
    std::vector<HotSpot> spots;
    std::string open_name;
    std::vector<std::string> lines;
    for (auto &[where, spot] : by_line) {
        const auto &[file, line] = where;
        spot.place = line                     ? fmt::format("{}:{}", file, line)
                     : file.starts_with("0x") ? file
                                              : file + ", no line";
        if (line && file != open_name) {
            open_name = file;
            lines.clear();
            std::ifstream source(file);
            for (std::string text; std::getline(source, text);)
                lines.push_back(text);
        }
        if (line && static_cast<size_t>(line) <= lines.size()) {
            const std::string &text = lines[static_cast<size_t>(line) - 1];
            spot.text = text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
        }
        spots.push_back(std::move(spot));
    }
    std::stable_sort(spots.begin(), spots.end(), [](const HotSpot &a, const HotSpot &b) {
        return a.instructions > b.instructions;
    });
    return spots;
}

void print_hot_spots(std::span<const HotSpot> spots) {
    constexpr size_t most = 30;
    uint64_t all = 0;
    for (const HotSpot &spot : spots)
        all += spot.instructions;
    fmt::print("  share  warp instructions  lanes  source\n");
    for (const HotSpot &spot : spots.first(std::min(most, spots.size())))
        fmt::print("{:>6.1f}%  {:>17}  {:>5.1f}  {}{}{}\n", share(spot.instructions, all) * 100,
                   spot.instructions, share(spot.lane_instructions, spot.instructions), spot.place,
                   spot.text.empty() ? "" : "  ", spot.text);
    if (spots.size() > most)
        fmt::print("  and {} more\n", spots.size() - most);
}

nlohmann::json hot_spots_json(std::span<const HotSpot> spots) {
    nlohmann::json all = nlohmann::json::array();
    for (const HotSpot &spot : spots)
        all.push_back({{"place", spot.place},
                       {"text", spot.text},
                       {"instructions", spot.instructions},
                       {"lane_instructions", spot.lane_instructions}});
    return all;
}

} // namespace brgpu::exec
