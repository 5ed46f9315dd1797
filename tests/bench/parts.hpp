// SPDX-License-Identifier: MIT
//
// The parts of the benchmark; each adds its section to the report.
#ifndef BRGPU_BENCH_PARTS_HPP
#define BRGPU_BENCH_PARTS_HPP

#include <set>
#include <string>

#include "measure.hpp"
#include "report.hpp"

namespace brgpu::bench {

struct Options {
    bool quick = false;
    TimeSource time = TimeSource::wall;
    unsigned rounds = 7;
    unsigned cores = 1;         // threads of "all cores"
    std::set<std::string> only; // sections and kernels; empty: all
    std::string gemm_program;   // "": not built
    bool wants(const std::string &name) const { return only.empty() || only.count(name); }
};

void measure_kernels(const Options &options, Report &report); // kernels, geomean
void measure_gemm(const Options &options, Report &report);
void measure_scaling(const Options &options, Report &report);
void measure_latency(const Options &options, Report &report);
void measure_copies(const Options &options, Report &report);

} // namespace brgpu::bench

#endif // BRGPU_BENCH_PARTS_HPP
