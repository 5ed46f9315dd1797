// SPDX-License-Identifier: MIT
//
// GEMM on the T-core is measured by a program of its own (gemm-bench), which has OpenBLAS in it.
#include <array>
#include <cstdio>
#include <map>
#include <sys/wait.h>

#include <fmt/format.h>

#include "parts.hpp"

namespace brgpu::bench {
namespace {

// Standard output of a command; nothing when it fails. Paths are of the build.
std::optional<std::string> output_of(const std::string &command) {
    std::FILE *pipe = popen(command.c_str(), "r");
    if (!pipe)
        return std::nullopt;
    std::string output;
    std::array<char, 4096> part;
    for (size_t got; (got = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
        output.append(part.data(), got);
    const int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return std::nullopt;
    return output;
}

Entry rate(const std::string &name, double engine, const std::string &peer_name, double peer) {
    Entry entry;
    entry.name = name;
    entry.unit = "G/s";
    entry.engine = engine;
    entry.peer_name = peer_name;
    entry.peer = peer;
    entry.ratio = engine / peer;
    return entry;
}

using Rates = std::vector<double>;

} // namespace

void measure_gemm(const Options &options, Report &report) {
    if (!options.wants("gemm"))
        return;
    if (options.gemm_program.empty()) {
        report.note("gemm is not measured: gemm-bench was not built, which needs OpenBLAS");
        return;
    }
    Report::progress("gemm");
    const std::string command = "'" + options.gemm_program + "' --json" +
                                (options.quick ? " --size 512 --size 1024 --seconds 0.3" : "") +
                                (options.time == TimeSource::cpu ? " --cpu-time" : "");
    const auto output = output_of(command);
    if (!output) {
        report.fail("gemm-bench failed");
        return;
    }
    std::map<unsigned, std::map<std::string, std::pair<Rates, Rates>>> all; // engine, peer
    for (const Json &row : Json::parse(*output)) {
        const auto type = row.at("type").get<std::string>();
        const auto threads = row.at("threads").get<unsigned>();
        const auto engine = row.at("engine_gflops").get<double>();
        const auto peer = row.at("peer_gflops").get<double>();
        Entry entry = rate(type, engine, "openblas", peer);
        entry.labels = {{"size", row.at("n")}, {"threads", threads}, {"library", row.at("peer")}};
        if (type == "f32")
            entry.bound = {Bound::Kind::at_least, 0.7};
        report.add("gemm", std::move(entry));
        all[threads][type].first.push_back(engine);
        all[threads][type].second.push_back(peer);
    }
    for (const auto &[threads, types] : all) {
        const auto single = types.find("f32");
        if (single == types.end())
            continue;
        const double f32 = geomean(single->second.first);
        Entry entry = rate("f32 geomean", f32, "openblas", geomean(single->second.second));
        entry.labels = {{"threads", threads}};
        entry.bound = {Bound::Kind::at_least, 0.75};
        report.add("gemm", entry);
        for (const auto &[type, wanted] : {std::pair{"bf16", 1.5}, std::pair{"i8", 3.0}}) {
            const auto other = types.find(type);
            if (other == types.end())
                continue;
            entry =
                rate(fmt::format("{} geomean", type), geomean(other->second.first), "its f32", f32);
            entry.labels = {{"threads", threads}};
            entry.bound = {Bound::Kind::at_least, wanted};
            report.add("gemm", entry);
        }
    }
}

} // namespace brgpu::bench
