// SPDX-License-Identifier: MIT
//
// Kernels: each on the card as interpreter and as JIT, in every build for an instruction set, and
// beside it on PoCL and as vectorised C++, in turns; results compared before and after.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "parts.hpp"
#include "subject.hpp"

namespace brgpu::bench {
namespace {

constexpr const char *all_isas[] = {"avx512", "avx2", "baseline"}; // fastest first

struct Runner {
    std::unique_ptr<Subject> subject;
    enum class Kind { interpreter, jit, pocl, native } kind;
    std::string isa; // of an engine
    unsigned threads;
    bool usable = true; // for the present kernel
};

const char *mode_of(const Runner &runner) {
    return runner.kind == Runner::Kind::jit ? "jit" : "interpreter";
}

bool is_engine(const Runner &runner) {
    return runner.kind == Runner::Kind::interpreter || runner.kind == Runner::Kind::jit;
}

std::vector<Runner> make_runners(const Options &options, Report &report) {
    std::vector<Runner> runners;
    std::vector<std::string> isas;
    for (const char *isa : all_isas) {
        if (card_takes("isa", isa))
            isas.push_back(isa);
        else
            report.note(fmt::format("this host can't run the engine's build {}", isa));
    }
    if (isas.empty())
        throw std::runtime_error("the card takes no value of its property isa");
    const bool has_jit = card_takes("jit", "sync");
    if (!has_jit)
        report.note("there is no JIT: its columns are missing");
    for (unsigned threads : {1u, options.cores}) {
        if (threads == 1 && !runners.empty())
            break; // a machine with one core
        for (const std::string &isa : isas) {
            // Builds are compared on one thread.
            if (threads != 1 && isa != isas.front())
                break;
            runners.push_back({card_subject(fmt::format("interpreter {} on {}", isa, threads),
                                            {threads, has_jit ? "off" : "", isa}),
                               Runner::Kind::interpreter, isa, threads});
            if (has_jit)
                runners.push_back({card_subject(fmt::format("JIT {} on {}", isa, threads),
                                                {threads, "sync", isa}),
                                   Runner::Kind::jit, isa, threads});
        }
        std::string why;
        if (auto pocl = pocl_subject(fmt::format("PoCL on {}", threads), threads == 1, &why))
            runners.push_back({std::move(pocl), Runner::Kind::pocl, "", threads});
        else
            report.fail(why);
        runners.push_back({native_subject(fmt::format("native on {}", threads), threads),
                           Runner::Kind::native, "", threads});
    }
    return runners;
}

// Runs the case once on fresh data and compares with the native code.
void verify(const Case &work, std::vector<Runner> &runners, Report &report) {
    const auto reference = std::find_if(runners.begin(), runners.end(), [](const Runner &r) {
        return r.kind == Runner::Kind::native;
    });
    for (Runner &runner : runners) {
        if (!runner.usable)
            continue;
        runner.subject->restore();
        runner.subject->run();
    }
    for (size_t i = 0; i < work.buffers.size(); ++i) {
        if (!work.buffers[i].output)
            continue;
        const std::vector<std::byte> expected = reference->subject->read(i);
        for (Runner &runner : runners) {
            if (!runner.usable)
                continue;
            const std::string differs =
                difference(work.buffers[i].tolerance, runner.subject->read(i), expected);
            if (differs.empty())
                continue;
            runner.usable = false;
            report.fail(fmt::format("{}: {}, buffer {}: {}", work.name, runner.subject->name(), i,
                                    differs));
        }
    }
}

using Key = std::tuple<std::string, std::string, unsigned, std::string>; // mode isa threads peer
using Geomeans = std::map<Key, std::vector<std::pair<double, double>>>;  // engine, peer

void compare(const Case &work, const std::vector<Runner> &runners,
             const std::map<const Runner *, double> &times, Report &report, Geomeans &geomeans) {
    const std::string &best_isa = runners.front().isa;
    for (const Runner &runner : runners) {
        if (!is_engine(runner) || !times.count(&runner))
            continue;
        for (const Runner &peer : runners) {
            if (peer.threads != runner.threads || !times.count(&peer))
                continue;
            const bool same_mode_slower_isa =
                peer.kind == runner.kind && peer.isa == best_isa && runner.isa != best_isa;
            const bool other = !is_engine(peer) && runner.isa == best_isa;
            if (!other && !same_mode_slower_isa)
                continue;
            Entry entry;
            entry.name = work.name;
            entry.labels = {{"size", work.size},
                            {"mode", mode_of(runner)},
                            {"isa", runner.isa},
                            {"threads", runner.threads}};
            entry.unit = "ms";
            entry.engine = times.at(&runner) * 1e-6;
            entry.peer = times.at(&peer) * 1e-6;
            entry.peer_name = peer.kind == Runner::Kind::pocl     ? "pocl"
                              : peer.kind == Runner::Kind::native ? "native"
                                                                  : peer.isa;
            entry.ratio = entry.peer / entry.engine;
            if (runner.kind == Runner::Kind::jit && peer.kind == Runner::Kind::pocl)
                entry.bound = {Bound::Kind::at_least, 0.5};
            geomeans[{mode_of(runner), runner.isa, runner.threads, entry.peer_name}].push_back(
                {entry.engine, entry.peer});
            report.add("kernels", std::move(entry));
        }
    }
}

void add_geomeans(const Geomeans &geomeans, Report &report) {
    for (const auto &[key, pairs] : geomeans) {
        const auto &[mode, isa, threads, peer] = key;
        std::vector<double> engine, other;
        for (const auto &[mine, theirs] : pairs) {
            engine.push_back(mine);
            other.push_back(theirs);
        }
        Entry entry;
        entry.name = "geomean";
        entry.labels = {
            {"kernels", pairs.size()}, {"mode", mode}, {"isa", isa}, {"threads", threads}};
        entry.unit = "ms";
        entry.engine = geomean(engine);
        entry.peer_name = peer;
        entry.peer = geomean(other);
        entry.ratio = entry.peer / entry.engine;
        const bool jit = mode == "jit";
        if (peer == "pocl")
            entry.bound = {Bound::Kind::at_least, jit ? 2.0 : 1.0 / 3};
        else if (peer == "native" && jit)
            entry.bound = {Bound::Kind::at_least, 1 / 2.5};
        else if (peer == "avx512" && isa == "avx2" && !jit)
            entry.bound = {Bound::Kind::at_least, 1.0 / 3};
        report.add("geomean", std::move(entry));
    }
}

void measure_case(const Case &work, std::vector<Runner> &runners, const Options &options,
                  Report &report, Geomeans &geomeans) {
    for (Runner &runner : runners) {
        runner.usable = true;
        try {
            runner.subject->load(work);
        } catch (const std::exception &error) {
            runner.usable = false;
            report.fail(fmt::format("{}: {}: {}", work.name, runner.subject->name(), error.what()));
        }
    }
    verify(work, runners, report);
    std::map<const Runner *, double> times;
    // CPU time of a process is no measure of several threads.
    for (const bool parallel : {false, true}) {
        std::vector<std::function<void()>> works;
        std::vector<const Runner *> who;
        for (const Runner &runner : runners) {
            if (!runner.usable || (runner.threads > 1) != parallel)
                continue;
            who.push_back(&runner);
            works.push_back([subject = runner.subject.get()] { subject->run(); });
        }
        const auto medians =
            interleaved(options.rounds, parallel ? TimeSource::wall : options.time, works);
        for (size_t i = 0; i < who.size(); ++i)
            times[who[i]] = medians[i];
    }
    // What was compiled meanwhile must compute the same.
    verify(work, runners, report);
    std::erase_if(times, [](const auto &item) { return !item.first->usable; });
    compare(work, runners, times, report, geomeans);
    for (Runner &runner : runners)
        runner.subject->unload();
}

} // namespace

void measure_kernels(const Options &options, Report &report) {
    std::vector<const CaseMaker *> wanted;
    for (const CaseMaker &maker : case_makers())
        if (options.wants("kernels") || options.wants(maker.name))
            wanted.push_back(&maker);
    if (wanted.empty())
        return;
    std::vector<Runner> runners = make_runners(options, report);
    Geomeans geomeans;
    for (const CaseMaker *maker : wanted) {
        Case work = maker->make(options.quick);
        work.name = maker->name;
        Report::progress(fmt::format("{}, {}", work.name, work.size));
        try {
            measure_case(work, runners, options, report, geomeans);
        } catch (const std::exception &error) {
            report.fail(fmt::format("{}: {}", work.name, error.what()));
            for (Runner &runner : runners)
                runner.subject->unload();
        }
    }
    add_geomeans(geomeans, report);
}

} // namespace brgpu::bench
