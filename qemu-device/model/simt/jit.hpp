// SPDX-License-Identifier: MIT
//
// The engine's side of compiled kernels: the cache and its compiler, and what a worker needs to run
// one. docs/engine.md explains the whole.
#ifndef BRGPU_SIMT_JIT_HPP
#define BRGPU_SIMT_JIT_HPP

#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "context.hpp"
#include "jit_abi.hpp"

namespace brgpu::simt {

namespace jit {

// The shared library and its compiler. Destroyed with the last kernel that it has made.
class Backend {
  public:
    // Null, with a reason in `problem`, if there is no library or it doesn't fit.
    static std::shared_ptr<Backend> open(std::string &problem);
    ~Backend();
    Backend(const Backend &) = delete;
    Backend &operator=(const Backend &) = delete;

    // Any thread; one at a time compiles.
    bool compile(const Request &request, Kernel &kernel, std::string &problem);
    // Any thread. What is released while another thread compiles goes when that is done.
    void release(void *handle) noexcept;
    const char *description() const { return library_->description; }

  private:
    Backend() = default;
    void release_dead() noexcept; // with compiling_ held

    void *module_ = nullptr;
    const Library *library_ = nullptr;
    void *compiler_ = nullptr;
    std::mutex compiling_;     // protects the compiler; taken before dead_mutex_
    std::mutex dead_mutex_;    // protects dead_; a leaf lock
    std::vector<void *> dead_; // handles to release
};

// Machine code of a kernel. Freed when the cache and all workers have let go of it.
struct Compiled {
    std::shared_ptr<Backend> backend;
    Kernel kernel;
    std::atomic<uint32_t> guard_exits{0};   // values that did not have the assumed shape
    std::atomic<uint32_t> private_exits{0}; // one address, but private memory
    std::atomic<uint32_t> long_runs{0};     // left by a loop that seems to wait
    ~Compiled();
};

struct Key {
    uint64_t memory = 0;
    uint64_t entry = 0;
    Shape shape;
    const char *isa = nullptr; // one of the builds' names, by address
    bool operator==(const Key &) const = default;
};

enum class State : uint8_t { cold, queued, ready, failed };

// What the cache knows of a kernel.
struct Entry {
    Key key;
    std::vector<CodeUnit> code;
    uint64_t checked_epoch = 0; // the code was this at that epoch of the memory
    std::atomic<State> state{State::cold};
    std::atomic<uint64_t> heat{0};      // warp instructions interpreted
    std::shared_ptr<Compiled> compiled; // written before state becomes ready
    uint64_t used = 0;
};

// What a worker keeps to run compiled code; the first member is what the code sees.
struct Runner {
    Thread thread;
    Context *context = nullptr;
    Workgroup::Impl *group = nullptr;
    const Compiled *compiled = nullptr;

    // Which of the cache's entries the last dispatch has used.
    uint64_t dispatch_serial = 0;
    uint64_t epoch = 0;
    Shape shape;
    std::shared_ptr<Entry> entry;

    std::vector<Site> sites;
    const std::byte *local = nullptr; // what the sites know of
    uint64_t local_bytes = 0;
    uint64_t memory = 0;
    uint64_t epoch_of_sites = 0;

    // Contiguous pieces of the address space that have been translated.
    struct Range {
        uint64_t low, end, delta;
    };
    std::vector<Range> ranges[2]; // for reading, for writing
    unsigned next_range[2] = {0, 0};

    std::vector<uint32_t> local_id[axes];
    uint32_t local_size[axes] = {};
    std::vector<std::byte *> private_rows;
    std::vector<std::byte> frames;
    struct Sub {
        uint32_t entry = 0;
        bool done = false;
        bool waits = false;
    };
    std::vector<Sub> subs;

    int64_t granted = 0; // fuel that the thread was given last
    uint64_t spent = 0;  // fuel used since the run began
    uint64_t spent_by_sub = 0;
    bool met_private = false; // an access thought to be of one place was of private memory
    uint32_t spending = 0;    // that sub-warp

    bool over_budget() const noexcept {
        return spent * compiled->kernel.width / lanes >= static_cast<uint64_t>(context->budget);
    }
    void refresh_site(uint32_t site, uint64_t va, uint32_t span, bool write) noexcept;
};

extern const Helpers helpers;

// The code that can be reached from `entry`, as far as it can be fetched. Empty if there is none or
// too much of it. Uses the context's caches.
std::vector<CodeUnit> collect(Context &context, uint64_t entry);

// Sub-warp of a workgroup in compiled code, for callbacks.
inline unsigned first_lane_of(const Runner &runner, uint32_t sub) {
    return sub * runner.compiled->kernel.width;
}

} // namespace jit

struct Jit::Impl {
    std::atomic<JitMode> mode;

    std::mutex mutex; // protects what follows; a leaf lock, but for Backend's
    std::shared_ptr<jit::Backend> backend;
    bool tried = false;
    std::string problem;
    std::list<std::shared_ptr<jit::Entry>> entries;
    std::deque<std::shared_ptr<jit::Entry>> queue;
    std::condition_variable wake;
    std::thread thread;
    bool quit = false;
    uint64_t clock = 0;
    uint64_t cache_limit;
    JitStatistics counts;
    std::atomic<uint64_t> instructions{0};
    std::atomic<uint64_t> exits[static_cast<size_t>(jit::ExitReason::count)] = {};

    Impl(JitMode initial, uint64_t limit) : mode(initial), cache_limit(limit) {}
    ~Impl();

    std::shared_ptr<jit::Backend> open();
    // The kernel to run the workgroup with, or null: interpret.
    jit::Compiled *find(jit::Runner &runner, Context &context, const Workgroup::Impl &group,
                        bool again = true);
    void note_interpreted(const jit::Runner &runner, uint64_t instructions) noexcept;

  private:
    std::shared_ptr<jit::Entry> entry_for(const jit::Key &key, Context &context);
    void compile(const std::shared_ptr<jit::Entry> &entry);
    void request(const std::shared_ptr<jit::Entry> &entry);
    void serve() noexcept;
    void trim(); // with mutex held
};

enum class CompiledRun : uint8_t {
    finished,
    interpret, // the warps have their state; the interpreter goes on
    stopped,   // likewise, but the caller was asked to stop
};
// Runs a workgroup that has not begun.
CompiledRun run_compiled(Jit::Impl &jit, jit::Compiled &compiled, jit::Runner &runner,
                         Context &context) noexcept;

} // namespace brgpu::simt

#endif
