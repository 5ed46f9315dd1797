// SPDX-License-Identifier: MIT
//
// brgpu-demo: what `make run` shows. Real kernels on the card, each checked against the CPU.
#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench.hpp"

namespace {

std::string default_kernels() {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    return (program.parent_path().parent_path() / "share/brgpu/kernels").string();
}

void print_table(const std::vector<brgpu::demo::Result> &results) {
    fmt::print("\n{:<22} {:<22} {:<8} {:>12}\n", "kernel", "size", "result", "device ms");
    fmt::print("{:-<67}\n", "");
    for (const auto &r : results)
        fmt::print("{:<22} {:<22} {:<8} {:>12.3f}\n", r.kernel, r.size,
                   r.correct ? "correct" : "WRONG", r.device_ms);
}

} // namespace

int main(int argc, char **argv) {
    std::string backend = "any", image, out = "out", kernels = default_kernels();
    bool json = false;
    CLI::App app("Runs the demonstration kernels and checks each against the CPU.", "brgpu-demo");
    app.add_option("--backend", backend, "drm, model or any")
        ->check(CLI::IsMember({"drm", "model", "any"}))
        ->capture_default_str();
    app.add_option("--image", image, "PNG to filter (default: a made-up landscape)");
    app.add_option("--out", out, "Folder for the pictures")->capture_default_str();
    app.add_option("--kernels", kernels, "Folder of the code objects")->capture_default_str();
    app.add_flag("--json", json, "Report as JSON");
    app.footer("Exit status: 0 all correct, 1 something differs or failed, 2 wrong use.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        // First, so that a picture that is none costs the user no wait.
        const auto source =
            image.empty() ? brgpu::demo::make_landscape(512, 384) : brgpu::demo::read_png(image);
        std::filesystem::create_directories(out);
        const auto start = std::chrono::steady_clock::now();
        auto device = brgpu::Device::open(backend == "drm"     ? BRGPU_BACKEND_DRM
                                          : backend == "model" ? BRGPU_BACKEND_MODEL
                                                               : BRGPU_BACKEND_ANY);
        const auto facts = device.properties();
        const char *name = facts.backend == BRGPU_BACKEND_DRM ? "drm" : "model";
        fmt::print(stderr, "{} {} ({} backend), {} CUs\n", facts.name,
                   facts.node[0] ? facts.node : "in this process", name,
                   facts.dies * facts.spcs_per_die * facts.cus_per_spc);
        brgpu::demo::Bench bench(std::move(device), kernels);
        brgpu::demo::run_arithmetic(bench);
        brgpu::demo::run_pictures(bench, source, out);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

        const auto &results = bench.results();
        const bool all =
            std::all_of(results.begin(), results.end(), [](const auto &r) { return r.correct; });
        if (json) {
            nlohmann::json list = nlohmann::json::array();
            for (const auto &r : results)
                list.push_back({{"kernel", r.kernel},
                                {"size", r.size},
                                {"correct", r.correct},
                                {"detail", r.detail},
                                {"device_ms", r.device_ms}});
            fmt::print("{}\n", nlohmann::json{{"device", facts.name},
                                              {"backend", name},
                                              {"correct", all},
                                              {"seconds", took.count()},
                                              {"results", list}}
                                   .dump(2));
        } else {
            print_table(results);
            fmt::print("\n{} in {:.1f} s; pictures: {}/mandelbrot.png, {}/filtered.png\n",
                       all ? "All correct" : "NOT all correct", took.count(), out, out);
        }
        return all ? 0 : 1;
    } catch (const std::exception &error) {
        fmt::print(stderr, "brgpu-demo: {}\n", error.what());
        return 1;
    }
}
