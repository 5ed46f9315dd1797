// SPDX-License-Identifier: MIT
//
// brgpu-ioctl-fuzz: throws programs of calls at the kernel module, as brgpu_drm.txt describes them.
#include "runner.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <new>
#include <sstream>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <xf86drm.h>

namespace {

using namespace brgpu::fuzz;

constexpr unsigned most_workers = 16, most_calls = 64;

/// What parent and workers share.
struct Shared {
    CallCounts counts[most_calls];
    WorkerState workers[most_workers];
    std::atomic<bool> over;
};

struct Options {
    std::string description = BRGPU_FUZZ_DESCRIPTION;
    std::string replay, current;
    unsigned seconds = 60, workers = 2, stuck_seconds = 300, repeat = 1;
    std::uint64_t seed = 0;
};

std::string read_text(const std::string &path) {
    std::ifstream stream(path);
    if (!stream)
        throw std::runtime_error("cannot read " + path);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

std::string render_node() {
    for (int minor = 128; minor < 192; minor++) {
        const std::string path = "/dev/dri/renderD" + std::to_string(minor);
        const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        drmVersionPtr version = drmGetVersion(fd);
        const bool ours = version && std::strcmp(version->name, "brgpu") == 0;
        drmFreeVersion(version);
        close(fd);
        if (ours)
            return path;
    }
    throw std::runtime_error("no render node of brgpu: is the module loaded, and has it a card?");
}

/// The program that runs now, for whoever finds the kernel dead.
void note_current(const std::string &path, const std::string &text) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    if (write(fd, text.data(), text.size()) < 0)
        std::cerr << "ioctl-fuzz: cannot write " << path << "\n";
    close(fd);
}

int work(const Options &options, const Description &description, const std::string &node,
         Shared &shared, unsigned number) {
    try {
        Runner runner(description, node, options.seed * 1000003 + number, shared.counts,
                      &shared.workers[number]);
        if (!options.replay.empty()) {
            const auto program = Program::from_text(description, read_text(options.replay));
            for (unsigned i = 0; i < options.repeat; i++)
                runner.run(program);
            return 0;
        }
        while (!shared.over) {
            const auto program = runner.next();
            if (!options.current.empty())
                note_current(options.current + "." + std::to_string(number),
                             program.to_text(description));
            runner.run(program);
        }
        return 0;
    } catch (const std::exception &error) {
        std::cerr << "ioctl-fuzz: worker " << number << ": " << error.what() << "\n";
        return 1;
    }
}

/// Where each thread of a worker stands in the kernel, as far as it tells.
void show_stacks(pid_t worker) {
    const std::string command =
        "for t in /proc/" + std::to_string(worker) +
        "/task/*; do echo \"$t: $(cat $t/comm) $(cat $t/wchan)\"; cat $t/stack; done >&2";
    if (std::system(command.c_str()) != 0)
        std::cerr << "ioctl-fuzz: no stacks\n";
}

/// Prints what happened to each call. False where one of those that matter never succeeded.
bool report(const Description &description, const Shared &shared, unsigned workers, bool judge) {
    bool good = true;
    const char *const natives[NativeSteps] = {"map", "packets", "reopen", "fork"};
    for (std::size_t i = 0; i < description.calls().size() + NativeSteps; i++) {
        const auto name = i < description.calls().size() ? description.calls()[i].name
                                                         : natives[i - description.calls().size()];
        const CallCounts &counts = shared.counts[i];
        std::uint64_t failed = 0;
        std::ostringstream errors;
        for (unsigned error = 0; error < CallCounts::errnos; error++) {
            if (const std::uint64_t n = counts.failed[error]) {
                errors << " " << strerrorname_np(static_cast<int>(error)) << " " << n;
                failed += n;
            }
        }
        std::cout << name << ": " << counts.done << " done,"
                  << (failed ? errors.str() : " none failed") << "\n";
        if (judge && counts.done == 0 && failed >= 200) {
            std::cout << "ioctl-fuzz: " << name
                      << " never succeeded: the description does not fit the driver\n";
            good = false;
        }
    }
    std::uint64_t programs = 0, steps = 0, corpus = 0, places = 0;
    for (unsigned i = 0; i < workers; i++) {
        programs += shared.workers[i].programs;
        steps += shared.workers[i].steps;
        corpus += shared.workers[i].corpus;
        places = std::max<std::uint64_t>(places, shared.workers[i].places);
    }
    std::cout << programs << " programs, " << steps << " calls, " << corpus << " kept";
    if (places)
        std::cout << ", at least " << places << " places of the kernel reached";
    std::cout << "\n";
    return good && steps > 0;
}

int fuzz(const Options &options) {
    const Description description(read_text(options.description),
                                  read_text(options.description + ".const"));
    if (description.calls().size() + NativeSteps > most_calls)
        throw std::runtime_error("more calls than this program counts");
    const auto node = render_node();
    void *memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::runtime_error("no memory");
    auto &shared = *new (memory) Shared{};

    const unsigned workers = options.replay.empty() ? options.workers : 1;
    std::vector<pid_t> children;
    for (unsigned i = 0; i < workers; i++) {
        const pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            _exit(work(options, description, node, shared, i));
        }
        children.push_back(child);
    }

    using clock = std::chrono::steady_clock;
    const auto end = clock::now() + std::chrono::seconds(options.seconds);
    std::vector<std::uint64_t> steps(workers, 0);
    std::vector<clock::time_point> moved(workers, clock::now());
    bool good = true;
    std::size_t left = workers;
    while (left > 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        if (options.replay.empty() && clock::now() >= end)
            shared.over = true;
        for (unsigned i = 0; i < workers; i++) {
            int status;
            if (children[i] == 0)
                continue;
            if (waitpid(children[i], &status, WNOHANG) == children[i]) {
                children[i] = 0;
                left--;
                if (status != 0) {
                    std::cerr << "ioctl-fuzz: worker " << i << " ended with status " << status
                              << "\n";
                    good = false;
                }
                continue;
            }
            if (const std::uint64_t now = shared.workers[i].steps; now != steps[i]) {
                steps[i] = now;
                moved[i] = clock::now();
            } else if (clock::now() - moved[i] > std::chrono::seconds(options.stuck_seconds)) {
                const std::uint32_t call = shared.workers[i].call;
                std::cerr << "ioctl-fuzz: worker " << i << " has stood still for "
                          << options.stuck_seconds << " s in "
                          << (call < description.calls().size()
                                  ? description.calls()[call].name
                                  : std::string("close or a native step"))
                          << "\n";
                show_stacks(children[i]);
                kill(children[i], SIGKILL);
                moved[i] = clock::now();
                good = false;
            }
        }
    }
    return report(description, shared, workers, options.replay.empty()) && good ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
    Options options;
    options.seed =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    CLI::App app{
        "Throws programs of ioctls at the brgpu module, as include/uapi/drm/brgpu_drm.txt\n"
        "describes them: mostly right, with mistakes, wild pointers and races strewn in.\n"
        "Guided by KCOV where the kernel has it. For a guest, not for a machine with work on it."};
    app.add_option("--seconds", options.seconds, "how long")->capture_default_str();
    app.add_option("--workers", options.workers, "processes")
        ->check(CLI::Range(1u, most_workers))
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of the first program; printed, default: the time");
    app.add_option("--stuck", options.stuck_seconds, "seconds without a call that count as a hang")
        ->capture_default_str();
    app.add_option(
        "--current", options.current,
        "FILE.<worker> holds the program that runs, in a folder that outlives the guest");
    app.add_option("--replay", options.replay, "run the program in this file instead")
        ->check(CLI::ExistingFile);
    app.add_option("--repeat", options.repeat, "how often to run it")->capture_default_str();
    app.add_option("--description", options.description, "another description")
        ->check(CLI::ExistingFile);
    CLI11_PARSE(app, argc, argv);
    try {
        std::cout << "ioctl-fuzz: seed " << options.seed << std::endl;
        return fuzz(options);
    } catch (const std::exception &error) {
        std::cerr << "ioctl-fuzz: " << error.what() << "\n";
        return 2;
    }
}
