// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>

namespace brgpu::bench {
namespace {

std::string describe(const Entry &entry) {
    std::string text;
    for (const auto &[key, value] : entry.labels.items()) {
        if (key == "library" || key == "bytes")
            continue; // long, and said elsewhere
        if (!text.empty())
            text += ", ";
        text += value.is_string() ? value.get<std::string>() : key + " " + value.dump();
    }
    return text;
}

std::string show(const Bound &bound) {
    return fmt::format("{} {:g}", bound.kind == Bound::Kind::at_least ? ">=" : "<=", bound.value);
}

Json to_json(const Entry &entry) {
    Json json = {{"name", entry.name}};
    json.update(entry.labels);
    json["unit"] = entry.unit;
    json["engine"] = entry.engine;
    json["peer_name"] = entry.peer_name;
    json["peer"] = entry.peer;
    json["ratio"] = entry.ratio;
    if (entry.bound) {
        json["bound"] = show(*entry.bound);
        json["met"] = entry.bound->met(entry.ratio);
    }
    return json;
}

} // namespace

void Report::progress(const std::string &line) {
    fmt::print(stderr, "bench: {}\n", line);
}

void Report::add(const std::string &section, Entry entry) {
    for (Section &known : sections_)
        if (known.name == section) {
            known.entries.push_back(std::move(entry));
            return;
        }
    throw std::logic_error("no section " + section);
}

const std::vector<Entry> &Report::entries(const std::string &section) const {
    for (const Section &known : sections_)
        if (known.name == section)
            return known.entries;
    throw std::logic_error("no section " + section);
}

void Report::fail(const std::string &what) {
    progress("FAILED: " + what);
    failures_.push_back(what);
}

void Report::note(const std::string &what) {
    progress(what);
    notes_.push_back(what);
}

std::vector<std::string> Report::missed() const {
    std::vector<std::string> list;
    for (const Section &section : sections_)
        for (const Entry &entry : section.entries)
            if (entry.bound && !entry.bound->met(entry.ratio))
                list.push_back(fmt::format("{}: {} ({}) beside {}: {:.2f}, wanted {}", section.name,
                                           entry.name, describe(entry), entry.peer_name,
                                           entry.ratio, show(*entry.bound)));
    return list;
}

Json Report::json() const {
    Json json = {{"machine", machine_}};
    for (const Section &section : sections_) {
        Json list = Json::array();
        for (const Entry &entry : section.entries)
            list.push_back(to_json(entry));
        json[section.name] = std::move(list);
    }
    json["missed"] = missed();
    json["failures"] = failures_;
    json["notes"] = notes_;
    return json;
}

void Report::print_table() const {
    for (const auto &[key, value] : machine_.items())
        fmt::print("{:<12} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
    for (const Section &section : sections_) {
        if (section.entries.empty())
            continue;
        fmt::print("\n{:<16} {:<42} {:>12} {:>12} {:<7} {:<12} {:>7}  {}\n", section.name, "",
                   "engine", "peer", "", "", "ratio", "wanted");
        fmt::print("{:-<124}\n", "");
        for (const Entry &entry : section.entries) {
            std::string wanted;
            if (entry.bound)
                wanted = show(*entry.bound) + (entry.bound->met(entry.ratio) ? "" : "  MISSED");
            fmt::print("{:<16} {:<42} {:>12.5g} {:>12.5g} {:<7} {:<12} {:>7.2f}  {}\n", entry.name,
                       describe(entry), entry.engine, entry.peer, entry.unit, entry.peer_name,
                       entry.ratio, wanted);
        }
    }
    for (const std::string &note : notes_)
        fmt::print("\nnote: {}", note);
    for (const std::string &failure : failures_)
        fmt::print("\nFAILED: {}", failure);
    fmt::print("\n");
}

} // namespace brgpu::bench
