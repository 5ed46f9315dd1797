// SPDX-License-Identifier: MIT
//
// brgpu-smi: the cards and what they are doing. docs/man/brgpu-smi.1.md.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report.hpp"

namespace {
constexpr double sample_s = 0.2;
constexpr int exit_no_card = 3;
} // namespace

int main(int argc, char **argv) {
    std::string backend = "drm";
    bool json = false;
    double watch_s = 0;
    CLI::App app("Shows the cards and what they are doing.", "brgpu-smi");
    app.add_option("--backend", backend, "drm or model")
        ->check(CLI::IsMember({"drm", "model"}))
        ->capture_default_str();
    app.add_flag("--json", json, "Report as JSON");
    app.add_option("--watch", watch_s, "Again every so many seconds, until interrupted")
        ->check(CLI::Range(0.1, 86400.0));
    app.footer("Exit status: 0 all cards usable, 1 a card is not, 2 wrong use, 3 no card.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        brgpu::smi::Watch watch(backend == "model" ? BRGPU_BACKEND_MODEL : BRGPU_BACKEND_DRM);
        for (;;) {
            const double pause = watch_s > 0 ? watch_s : sample_s;
            std::this_thread::sleep_for(std::chrono::duration<double>(pause));
            const auto cards = watch.look();
            if (watch_s > 0 && !json && isatty(STDOUT_FILENO))
                fmt::print("\033[H\033[2J");
            fmt::print("{}", json ? as_json(cards) : as_table(cards));
            std::fflush(stdout);
            if (watch_s <= 0)
                return std::all_of(cards.begin(), cards.end(),
                                   [](const auto &card) { return card.reading.has_value(); })
                           ? 0
                           : 1;
        }
    } catch (const brgpu::Error &error) {
        if (json)
            fmt::print("{}\n", nlohmann::json{{"cards", nlohmann::json::array()},
                                              {"status", brgpu_status_string(error.status())},
                                              {"error", error.what()}}
                                   .dump(2));
        fmt::print(stderr, "brgpu-smi: {}\n", error.what());
        return exit_no_card;
    } catch (const std::exception &error) {
        fmt::print(stderr, "brgpu-smi: {}\n", error.what());
        return 1;
    }
}
