// SPDX-License-Identifier: MIT
//
// brgpu-dump: what a queue or a card did before it failed. docs/man/brgpu-dump.1.md.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "report.hpp"

namespace {

namespace fs = std::filesystem;

constexpr int exit_corrupt = 1, exit_usage = 2, exit_no_dump = 3;
constexpr const char *devcoredumps = "/sys/class/devcoredump";
// Far more than the driver writes.
constexpr size_t max_bytes = size_t{64} << 20;

struct NoDump : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The first dump that a card's driver has left.
fs::path find_dump() {
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(devcoredumps, error)) {
        const auto driver = fs::read_symlink(entry.path() / "failing_device/driver", error);
        if (!error && driver.filename() == "brgpu")
            return entry.path() / "data";
    }
    throw NoDump(fmt::format("no dump of a card in {}", devcoredumps));
}

std::vector<std::byte> read_all(const fs::path &path) {
    std::ifstream file;
    if (path != "-") {
        file.open(path, std::ios::binary);
        if (!file)
            throw NoDump(fmt::format("cannot open {}{}", path.string(),
                                     path.string().starts_with(devcoredumps)
                                         ? ": dumps can be read by root alone"
                                         : ""));
    }
    std::istream &in = path == "-" ? std::cin : file;
    std::vector<std::byte> bytes;
    std::vector<char> buffer(size_t{64} << 10);
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
        const auto *start = reinterpret_cast<const std::byte *>(buffer.data());
        bytes.insert(bytes.end(), start, start + in.gcount());
        if (bytes.size() > max_bytes)
            throw brgpu::dump::Corrupt(fmt::format("longer than {} bytes", max_bytes));
    }
    return bytes;
}

} // namespace

int main(int argc, char **argv) {
    std::string path, save;
    bool json = false, all_registers = false, clear = false;
    CLI::App app("Shows a dump that brgpu.ko has left when a queue or the card failed.",
                 "brgpu-dump");
    app.add_option("file", path, "The dump, - for standard input; without it, the card's own")
        ->type_name("FILE");
    app.add_flag("--json", json, "All of it as JSON");
    app.add_flag("--registers", all_registers,
                 "Registers of every lane, not only the faulting one");
    app.add_option("--save", save, "Also write the dump to this file")->type_name("FILE");
    app.add_flag("--clear", clear,
                 "Have the kernel forget the dump, so that it keeps the next one");
    app.footer("Exit status: 0 shown, 1 corrupt dump, 2 wrong use, 3 no dump.");
    try {
        app.parse(argc, argv);
        if (clear && !path.empty())
            throw CLI::ValidationError("--clear", "is for the card's own dump, not for a file");
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }
    try {
        const fs::path file = path.empty() ? find_dump() : fs::path(path);
        const auto bytes = read_all(file);
        if (!save.empty()) {
            std::ofstream out(save, std::ios::binary);
            out.write(reinterpret_cast<const char *>(bytes.data()),
                      static_cast<std::streamsize>(bytes.size()));
            if (!out.flush())
                throw std::runtime_error(fmt::format("cannot write {}", save));
        }
        const auto dump = brgpu::dump::parse(bytes);
        fmt::print("{}",
                   json ? brgpu::dump::as_json(dump) : brgpu::dump::as_text(dump, all_registers));
        if (clear && !(std::ofstream(file) << "1"))
            throw std::runtime_error(fmt::format("cannot clear {}", file.string()));
        return 0;
    } catch (const NoDump &error) {
        fmt::print(stderr, "brgpu-dump: {}\n", error.what());
        return exit_no_dump;
    } catch (const std::exception &error) {
        fmt::print(stderr, "brgpu-dump: {}: {}\n", path.empty() ? "dump" : path, error.what());
        return exit_corrupt;
    }
}
