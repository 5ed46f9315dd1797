// SPDX-License-Identifier: MIT
//
// brgpu-bench: the card's speed beside that of others on the same host, in one run. What
// `make bench` runs; docs/performance.md says what the figures mean.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "parts.hpp"
#include "subject.hpp"

namespace {

using brgpu::bench::Json;

constexpr const char *sections[] = {"kernels", "gemm", "scaling", "latency", "copies"};

std::string cpu_name() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("model name"))
            return line.substr(line.find(':') + 2);
    return "unknown";
}

double load() {
    double one = 0;
    std::ifstream("/proc/loadavg") >> one;
    return one;
}

// The instruction sets of the host that matter here.
std::string host_isa() {
    std::string text;
#if defined(__x86_64__)
    for (const auto &[name, has] : {std::pair{"avx2", __builtin_cpu_supports("avx2")},
                                    std::pair{"avx512f", __builtin_cpu_supports("avx512f")},
                                    std::pair{"avx512vnni", __builtin_cpu_supports("avx512vnni")},
                                    std::pair{"avx512bf16", __builtin_cpu_supports("avx512bf16")}})
        if (has)
            text += (text.empty() ? "" : " ") + std::string(name);
#endif
    return text;
}

std::vector<std::string> names() {
    std::vector<std::string> list(std::begin(sections), std::end(sections));
    for (const auto &maker : brgpu::bench::case_makers())
        list.push_back(maker.name);
    return list;
}

std::string gemm_program() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const auto path = self.parent_path() / "gemm-bench";
    return std::filesystem::exists(path, error) ? path.string() : "";
}

} // namespace

int main(int argc, char **argv) {
    brgpu::bench::Options options;
    options.cores = std::max(1u, std::thread::hardware_concurrency());
    bool json = false, strict = false, cpu_time = false;
    std::vector<std::string> only;
    CLI::App app("Measures the card in this process beside PoCL, vectorised C++, OpenBLAS, memcpy "
                 "and plain threads, in turns.",
                 "brgpu-bench");
    app.add_flag("--json", json, "Print one JSON object instead of tables");
    app.add_flag("--quick", options.quick, "Smaller work, fewer rounds");
    app.add_option("--only", only, "A section or a kernel; may be repeated")
        ->check(CLI::IsMember(names()));
    app.add_option("--rounds", options.rounds, "Rounds of each kernel (default 7, quick 3)")
        ->check(CLI::Range(1, 1000));
    app.add_flag("--cpu-time", cpu_time,
                 "Measure kernels on one thread by CPU time: for machines that are busy");
    app.add_flag("--strict", strict, "Exit with 3 when a ratio is not as good as is wanted");
    app.footer("Progress goes to standard error.\n"
               "Exit status: 0 all measured, 1 something failed or computed wrong results, 2 wrong "
               "use, 3 a ratio missed its bound (--strict).");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (options.quick && app.count("--rounds") == 0)
        options.rounds = 3;
    if (cpu_time)
        options.time = brgpu::bench::TimeSource::cpu;
    options.only.insert(only.begin(), only.end());
    options.gemm_program = gemm_program();

    brgpu::bench::Report report;
    const double begin = brgpu::bench::now_ns();
    const double load_before = load();
    using Part = void (*)(const brgpu::bench::Options &, brgpu::bench::Report &);
    const std::pair<const char *, Part> parts[] = {{"kernels", brgpu::bench::measure_kernels},
                                                   {"gemm", brgpu::bench::measure_gemm},
                                                   {"scaling", brgpu::bench::measure_scaling},
                                                   {"latency", brgpu::bench::measure_latency},
                                                   {"copies", brgpu::bench::measure_copies}};
    for (const auto &[name, part] : parts) {
        try {
            part(options, report);
        } catch (const std::exception &error) {
            report.fail(fmt::format("{}: {}", name, error.what()));
        }
    }
    Json machine = {{"cpu", cpu_name()},
                    {"cores", options.cores},
                    {"isa", host_isa()},
                    {"pocl", brgpu::bench::pocl_description()},
                    {"native", BENCH_COMPILER},
                    {"time", cpu_time ? "cpu (one thread), wall" : "wall"},
                    {"load before", load_before},
                    {"load after", load()},
                    {"seconds", (brgpu::bench::now_ns() - begin) * 1e-9}};
    report.set_machine(std::move(machine));
    if (json)
        fmt::print("{}\n", report.json().dump(2));
    else
        report.print_table();
    if (!report.failures().empty())
        return 1;
    const auto missed = report.missed();
    for (const std::string &line : missed)
        brgpu::bench::Report::progress("missed: " + line);
    return strict && !missed.empty() ? 3 : 0;
}
