// SPDX-License-Identifier: MIT
//
// What was measured: as a table for people, as one JSON object for programs.
#ifndef BRGPU_BENCH_REPORT_HPP
#define BRGPU_BENCH_REPORT_HPP

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace brgpu::bench {

using Json = nlohmann::ordered_json;

// What docs/performance.md promises of a ratio.
struct Bound {
    enum class Kind { at_least, at_most } kind;
    double value;
    bool met(double ratio) const {
        return kind == Kind::at_least ? ratio >= value : ratio <= value;
    }
};

// The engine beside a peer.
struct Entry {
    std::string name;
    Json labels = Json::object(); // what else tells this entry from others: size, threads, mode
    std::string unit;             // of the next two
    double engine = 0;
    std::string peer_name;
    double peer = 0;
    double ratio = 0; // as docs/performance.md says for the section
    std::optional<Bound> bound = {};
};

class Report {
  public:
    // A line on standard error.
    static void progress(const std::string &line);

    void set_machine(Json machine) { machine_ = std::move(machine); }
    void add(const std::string &section, Entry entry);
    // Something failed or computed wrong results.
    void fail(const std::string &what);
    // Why something was not measured.
    void note(const std::string &what);

    const std::vector<std::string> &failures() const noexcept { return failures_; }
    // Entries that break their bound.
    std::vector<std::string> missed() const;
    const std::vector<Entry> &entries(const std::string &section) const;

    Json json() const;
    void print_table() const;

  private:
    struct Section {
        std::string name;
        std::vector<Entry> entries;
    };
    Json machine_ = Json::object();
    // In the order in which they are shown.
    std::vector<Section> sections_ = {{"kernels", {}}, {"geomean", {}}, {"gemm", {}},
                                      {"scaling", {}}, {"latency", {}}, {"copies", {}}};
    std::vector<std::string> failures_, notes_;
};

} // namespace brgpu::bench

#endif // BRGPU_BENCH_REPORT_HPP
