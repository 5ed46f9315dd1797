// SPDX-License-Identifier: MIT
//
// Programs of calls: made, changed, and run by several threads at once on one open card.
#pragma once

#include "coverage.hpp"
#include "description.hpp"
#include "generator.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace brgpu::fuzz {

/// One call with a seed that decides all its arguments.
struct Step {
    std::uint32_t call = 0; // index of a call of the description; from its end on: a native step
    std::uint64_t seed = 0;
};

/// Steps that are no ioctl.
enum NativeStep : std::uint32_t { NativeMap, NativePackets, NativeReopen, NativeFork, NativeSteps };

struct Program {
    unsigned threads = 1;       // that run it side by side; the first as it stands
    bool disturbed = false;     // another thread changes arguments while calls read them
    std::uint64_t mistakes = 0; // one in so many values is wrong; 0: none
    std::vector<Step> steps;

    std::string to_text(const Description &description) const;
    /// Throws std::runtime_error naming the line that is not understood.
    static Program from_text(const Description &description, const std::string &text);
};

/// What happened to a call, over all programs. In memory that all workers share.
struct CallCounts {
    static constexpr unsigned errnos = 134;
    std::atomic<std::uint64_t> done, failed[errnos];
};

/// Progress that the parent watches. In shared memory.
struct WorkerState {
    std::atomic<std::uint64_t> programs, steps, corpus, places;
    std::atomic<std::uint32_t> call; // now; ~0: between calls
};

class Runner {
  public:
    Runner(const Description &description, std::string node, std::uint64_t seed, CallCounts *counts,
           WorkerState *state);
    ~Runner();
    Runner(const Runner &) = delete;
    Runner &operator=(const Runner &) = delete;

    /// A new program, or a changed one that has reached something new before.
    Program next();
    /// Runs it. Throws std::system_error where the card can't be opened.
    void run(const Program &program);

  private:
    struct Session;
    void run_thread(const Program &program, Session &session, unsigned number);
    void run_step(const Step &step, Session &session, Arena &arena, std::uint64_t mistakes,
                  unsigned number);
    void run_native(NativeStep step, Session &session, Random &random);
    void count(std::uint32_t call, int result);
    Program fresh();
    void change(Program &program);
    std::uint32_t pick_call();

    const Description &description_;
    std::string node_;
    Random random_;
    CallCounts *counts_;
    WorkerState *state_;
    Coverage coverage_; // of the thread that made the runner
    std::vector<std::unique_ptr<Arena>> arenas_;
    std::vector<Program> corpus_;
    std::unordered_set<std::uint64_t> seen_;
};

} // namespace brgpu::fuzz
