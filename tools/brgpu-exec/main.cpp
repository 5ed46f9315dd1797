// SPDX-License-Identifier: MIT
//
// brgpu-exec: runs one kernel of a code object on files. docs/man/brgpu-exec.1.md.
#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "run.hpp"

namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;
constexpr int exit_no_device = 3;

bool means_no_device(brgpu_status status) {
    switch (status) {
    case BRGPU_ERROR_NO_DRIVER:
    case BRGPU_ERROR_NO_PERMISSION:
    case BRGPU_ERROR_VERSION_MISMATCH:
    case BRGPU_ERROR_NO_DEVICE:
    case BRGPU_ERROR_FIRMWARE:
        return true;
    default:
        return false;
    }
}

int complain(const brgpu::exec::Options &options, int code, const char *status, const char *text) {
    if (options.json)
        fmt::print("{}\n", nlohmann::json{{"error", text}, {"status", status}}.dump(2));
    fmt::print(stderr, "brgpu-exec: {}\n", text);
    return code;
}

} // namespace

int main(int argc, char **argv) {
    brgpu::exec::Options options;
    CLI::App app("Runs a kernel of a code object on the card.", "brgpu-exec");
    app.add_option("object", options.file, "Code object that brgpu-cc made (out.elf)")->required();
    app.add_option("--kernel,-k", options.kernel, "Name of the kernel");
    app.add_option("--global,-g", options.global, "Work-items: X[,Y[,Z]]");
    app.add_option("--local,-l", options.local,
                   "Work-items a workgroup: X[,Y[,Z]] (default: chosen)");
    // allow_extra_args off: one SPEC behind each --arg, so that the object may follow.
    app.add_option("--arg,-a", options.arguments,
                   "Argument, in order: in:FILE, out:FILE:BYTES, inout:FILE:OUTFILE, zero:BYTES, "
                   "local:BYTES, i32:V, u32:V, i64:V, u64:V, f32:V, f64:V")
        ->allow_extra_args(false)
        ->delimiter('\0');
    app.add_option("--backend", options.backend,
                   "drm, model or any (drm where there is a card, else model)")
        ->check(CLI::IsMember({"drm", "model", "any"}))
        ->capture_default_str();
    app.add_option("--device", options.device, "Number of the card")->capture_default_str();
    app.add_option("--repeat,-r", options.repeat, "Runs")
        ->check(CLI::Range(1u, 1000000u))
        ->capture_default_str();
    app.add_option("--timeout", options.timeout_s, "Seconds that one run may take")
        ->check(CLI::Range(0.001, 86400.0))
        ->capture_default_str();
    app.add_flag("--list", options.list, "List the kernels of the object and stop");
    app.add_flag("--counters", options.counters,
                 "Say what the kernel did; one more run, counted in detail");
    app.add_flag("--profile", options.profile,
                 "Say which lines of source ran how often (brgpu-cc -g); one more run");
    app.add_flag("--json", options.json, "Report as JSON");
    app.footer("Exit status: 0 done, 1 the run failed, 2 wrong use, 3 no usable device.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }
    if (!options.list && (options.kernel.empty() || options.global.empty()))
        return complain(options, exit_usage, "usage",
                        "--kernel and --global are needed (or --list)");
    try {
        return brgpu::exec::run(options);
    } catch (const brgpu::exec::UsageError &error) {
        return complain(options, exit_usage, "usage", error.what());
    } catch (const brgpu::Error &error) {
        const bool usage = error.status() == BRGPU_ERROR_INVALID_ARGUMENT ||
                           error.status() == BRGPU_ERROR_ARGUMENTS;
        return complain(options,
                        means_no_device(error.status()) ? exit_no_device
                        : usage                         ? exit_usage
                                                        : exit_failed,
                        brgpu_status_string(error.status()), error.what());
    } catch (const std::exception &error) {
        return complain(options, exit_failed, "failed", error.what());
    }
}
