// SPDX-License-Identifier: MIT
#include "runner.hpp"

#include <brgpu/hw/queue.h>
#include <drm/brgpu_drm.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace brgpu::fuzz {

namespace {

constexpr unsigned most_threads = 3;
constexpr std::size_t most_steps = 40;

const char *const native_names[NativeSteps] = {"map", "packets", "reopen", "fork"};

// Memory of the card may go while it is touched: SIGBUS, as documented for mappings.
thread_local sigjmp_buf *touching = nullptr;

void on_bus_error(int) {
    if (touching)
        siglongjmp(*touching, 1);
    _exit(3);
}

/// Addresses at which the description has buffers bound.
constexpr std::array<std::uint64_t, 5> bound = {0x100000, 0x101000, 0x200000, 0x210000, 0x400000};

/// One packet, often a good one.
void put_packet(std::byte *at, Random &random) {
    std::array<std::uint64_t, BRGPU_PACKET_BYTES / 8> words{};
    if (random.one_in(8)) {
        for (auto &word : words)
            word = random.next();
    } else {
        for (auto &word : words)
            word = random.one_in(2) ? bound[random.below(bound.size())] + random.below(16) * 8
                                    : random.below(512);
        // Type and flags, as struct brgpu_packet_header has them.
        words[0] = random.below(16) | (random.below(4) << 8) | (random.below(64) << 32);
    }
    std::memcpy(at, words.data(), BRGPU_PACKET_BYTES);
}

} // namespace

/// An open card, with what calls on it have given out.
struct Runner::Session {
    Session(const std::string &path, std::size_t resources) : node(path), pool(resources) {
        fd = open(node.c_str(), O_RDWR | O_CLOEXEC);
        if (fd < 0)
            throw std::system_error(errno, std::generic_category(), "open " + node);
    }
    ~Session() {
        for (const int prime : primes)
            close(prime);
        close(fd);
    }
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    std::string node;
    std::atomic<int> fd;
    Pool pool;
    std::mutex mutex; // of primes
    std::vector<int> primes;
};

Runner::Runner(const Description &description, std::string node, std::uint64_t seed,
               CallCounts *counts, WorkerState *state)
    : description_(description), node_(std::move(node)), random_(seed), counts_(counts),
      state_(state) {
    for (unsigned i = 0; i < most_threads; i++)
        arenas_.push_back(std::make_unique<Arena>());
    struct sigaction action{};
    action.sa_handler = on_bus_error;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGBUS, &action, nullptr);
    state_->call = ~std::uint32_t{0};
}

Runner::~Runner() = default;

std::uint32_t Runner::pick_call() {
    return static_cast<std::uint32_t>(random_.below(description_.calls().size() + NativeSteps));
}

Program Runner::fresh() {
    Program program;
    program.threads = 1 + static_cast<unsigned>(random_.below(most_threads));
    program.disturbed = random_.one_in(4);
    program.mistakes = std::array<std::uint64_t, 4>{0, 200, 50, 10}[random_.below(4)];
    // Most calls need what these give.
    for (const char *name : {"BRGPU_VM_CREATE", "BRGPU_BO_CREATE", "BRGPU_BO_CREATE",
                             "BRGPU_SYNCOBJ_CREATE", "BRGPU_QUEUE_CREATE"}) {
        for (std::uint32_t i = 0; i < description_.calls().size(); i++) {
            if (description_.calls()[i].name == name && !random_.one_in(8))
                program.steps.push_back({i, random_.next()});
        }
    }
    const auto count = 4 + random_.below(most_steps - 10);
    for (std::uint64_t i = 0; i < count; i++)
        program.steps.push_back({pick_call(), random_.next()});
    return program;
}

void Runner::change(Program &program) {
    auto &steps = program.steps;
    for (auto changes = 1 + random_.below(4); changes > 0; changes--) {
        const auto at = random_.below(steps.size());
        switch (random_.below(6)) {
        case 0:
            steps[at].seed = random_.next();
            break;
        case 1:
            if (steps.size() < most_steps)
                steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(at),
                             {pick_call(), random_.next()});
            break;
        case 2:
            if (steps.size() > 4)
                steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(at));
            break;
        case 3: {
            const auto &other = corpus_[random_.below(corpus_.size())].steps;
            const auto tail = random_.below(other.size());
            steps.resize(at + 1);
            for (auto i = tail; i < other.size() && steps.size() < most_steps; i++)
                steps.push_back(other[i]);
            break;
        }
        case 4:
            program.threads = 1 + static_cast<unsigned>(random_.below(most_threads));
            program.disturbed = random_.one_in(3);
            break;
        default:
            program.mistakes = std::array<std::uint64_t, 4>{0, 200, 50, 10}[random_.below(4)];
        }
    }
}

Program Runner::next() {
    if (corpus_.empty() || random_.one_in(4))
        return fresh();
    Program program = corpus_[random_.below(corpus_.size())];
    change(program);
    return program;
}

void Runner::count(std::uint32_t call, int result) {
    if (result >= 0)
        counts_[call].done++;
    else
        counts_[call]
            .failed[std::min<unsigned>(static_cast<unsigned>(errno), CallCounts::errnos - 1)]++;
}

void Runner::run_native(NativeStep step, Session &session, Random &random) {
    const auto mapping = [&](auto touch) {
        const auto offset = session.pool.pick(description_.resource("brgpu_map_offset"), random);
        const std::size_t bytes = Arena::page << random.below(4);
        void *map = mmap(nullptr, bytes, random.one_in(4) ? PROT_READ : PROT_READ | PROT_WRITE,
                         MAP_SHARED, session.fd, static_cast<off_t>(offset));
        if (map == MAP_FAILED)
            return -1;
        touch(static_cast<std::byte *>(map), bytes);
        munmap(map, bytes);
        return 0;
    };
    const auto base = static_cast<std::uint32_t>(description_.calls().size());
    switch (step) {
    case NativeMap:
        count(base + step, mapping([&](std::byte *map, std::size_t bytes) {
                  volatile std::byte sink;
                  sigjmp_buf back;
                  touching = &back;
                  if (sigsetjmp(back, 0) == 0)
                      sink = map[random.below(bytes)];
                  touching = nullptr;
                  (void)sink;
              }));
        return;
    case NativePackets:
        count(base + step, mapping([&](std::byte *map, std::size_t bytes) {
                  // A mapping that can only be read is copied on no write: through the kernel.
                  std::array<std::byte, 8 * BRGPU_PACKET_BYTES> packets;
                  for (std::size_t i = 0; i < packets.size(); i += BRGPU_PACKET_BYTES)
                      put_packet(packets.data() + i, random);
                  if (mprotect(map, bytes, PROT_READ | PROT_WRITE) != 0)
                      return;
                  sigjmp_buf back;
                  touching = &back;
                  if (sigsetjmp(back, 0) == 0)
                      std::memcpy(map, packets.data(), packets.size());
                  touching = nullptr;
              }));
        return;
    case NativeReopen: {
        const int opened = open(session.node.c_str(), O_RDWR | O_CLOEXEC);
        if (opened >= 0)
            close(session.fd.exchange(opened));
        count(base + step, opened);
        return;
    }
    default: {
        const pid_t child = fork();
        if (child == 0)
            _exit(0); // the address space and the open files are duplicated, and go
        if (child > 0)
            waitpid(child, nullptr, 0);
        count(base + step, child);
    }
    }
}

void Runner::run_step(const Step &step, Session &session, Arena &arena, std::uint64_t mistakes,
                      unsigned number) {
    Random random(step.seed + number);
    const auto calls = static_cast<std::uint32_t>(description_.calls().size());
    if (step.call >= calls) {
        run_native(static_cast<NativeStep>(step.call - calls), session, random);
        return;
    }
    const Call &call = description_.calls()[step.call];
    arena.reset();
    std::byte *argument = generate(*call.argument, arena, session.pool, random, mistakes);
    if (mistakes != 0 && random.one_in(mistakes * 8))
        argument = reinterpret_cast<std::byte *>(arena.wild(random));
    const int result = ioctl(session.fd, call.request, argument);
    count(step.call, result);
    if (result < 0 || reinterpret_cast<std::uint64_t>(argument) < Arena::page)
        return;
    harvest(*call.argument, argument, session.pool);
    if (call.request == DRM_IOCTL_PRIME_HANDLE_TO_FD) {
        drm_prime_handle prime;
        std::memcpy(&prime, argument, sizeof prime);
        const std::lock_guard lock(session.mutex);
        session.primes.push_back(prime.fd);
    }
}

void Runner::run_thread(const Program &program, Session &session, unsigned number) {
    for (std::size_t i = 0; i < program.steps.size(); i++) {
        // The others run the same calls in an order of their own.
        const auto at = number == 0 ? i : (i * 7 + number * 3) % program.steps.size();
        if (number == 0)
            state_->call = program.steps[at].call;
        run_step(program.steps[at], session, *arenas_[number], program.mistakes, number);
        state_->steps++;
    }
    if (number == 0)
        state_->call = ~std::uint32_t{0};
}

void Runner::run(const Program &program) {
    coverage_.start();
    {
        Session session(node_, description_.resources());
        std::atomic<bool> over = false;
        std::vector<std::thread> threads;
        for (unsigned i = 1; i < program.threads; i++)
            threads.emplace_back([&, i] { run_thread(program, session, i); });
        std::thread disturber;
        if (program.disturbed)
            disturber = std::thread([&, seed = random_.next()] {
                Random random(seed);
                while (!over) {
                    for (const auto &arena : arenas_)
                        arena->disturb(random);
                    std::this_thread::yield();
                }
            });
        run_thread(program, session, 0);
        for (auto &thread : threads)
            thread.join();
        over = true;
        if (disturber.joinable())
            disturber.join();
    }
    state_->programs++;
    // Without KCOV every program is as good as another.
    const bool keep = coverage_.works() ? coverage_.collect(seen_) > 0 : corpus_.size() < 16;
    if (keep) {
        if (corpus_.size() == 4096)
            corpus_.erase(corpus_.begin());
        corpus_.push_back(program);
        state_->corpus = corpus_.size();
    }
    state_->places = seen_.size();
}

std::string Program::to_text(const Description &description) const {
    std::ostringstream text;
    text << "threads " << threads << "\ndisturbed " << disturbed << "\nmistakes " << mistakes
         << "\n";
    for (const auto &step : steps)
        text << (step.call < description.calls().size()
                     ? description.calls()[step.call].name.c_str()
                     : native_names[step.call - description.calls().size()])
             << " " << step.seed << "\n";
    return text.str();
}

Program Program::from_text(const Description &description, const std::string &text) {
    Program program;
    std::istringstream stream(text);
    std::string name;
    std::uint64_t value = 0;
    while (stream >> name >> value) {
        if (name == "threads") {
            program.threads =
                static_cast<unsigned>(std::clamp<std::uint64_t>(value, 1, most_threads));
            continue;
        }
        if (name == "disturbed") {
            program.disturbed = value != 0;
            continue;
        }
        if (name == "mistakes") {
            program.mistakes = value;
            continue;
        }
        const auto &calls = description.calls();
        const auto call =
            std::find_if(calls.begin(), calls.end(), [&](const Call &c) { return c.name == name; });
        auto index = static_cast<std::uint32_t>(call - calls.begin());
        if (call == calls.end()) {
            const auto *native = std::find_if(std::begin(native_names), std::end(native_names),
                                              [&](const char *n) { return name == n; });
            if (native == std::end(native_names))
                throw std::runtime_error("no call is named '" + name + "'");
            index += static_cast<std::uint32_t>(native - std::begin(native_names));
        }
        program.steps.push_back({index, value});
    }
    if (program.steps.empty())
        throw std::runtime_error("no call in the program");
    return program;
}

} // namespace brgpu::fuzz
