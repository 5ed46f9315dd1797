// SPDX-License-Identifier: MIT
//
// hostile [--backend drm|model] [--seed N] [--seconds S]: one side does what no honest program does
// (random packets, binds, code objects, kernels that jump anywhere or never end), another computes
// and checks. drm: two processes; model, whose card is one process's own: two threads on it. Exit 0
// when every result of the honest side was right and it never had to wait long.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "brgpu/brgpu.hpp"
#include "brgpu/hw/queue.h"

namespace {

using namespace brgpu;

constexpr uint64_t honest_timeout_ns = 60000000000;
constexpr uint64_t hostile_timeout_ns = 2000000000;

struct Options {
    brgpu_backend backend = BRGPU_BACKEND_ANY;
    uint64_t seed = 1;
    double seconds = 10;
    std::vector<std::byte> code;
};

double now_s() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Rounds of work, each checked; throws at the first that is wrong or fails.
unsigned compute(const Device &device, const Options &options, double until,
                 const std::atomic<bool> &stop) {
    const Vm vm(device);
    const Queue queue(vm);
    const CodeObject object(vm, options.code);
    const Kernel kernel = object.kernel("add_one");
    constexpr uint32_t n = 4096;
    const Buffer data(vm, n * 4);
    kernel.set(0, data);
    kernel.set(1, n);
    std::vector<uint32_t> values(n), got(n);
    unsigned rounds = 0;
    while (now_s() < until && !stop) {
        for (uint32_t i = 0; i < n; ++i)
            values[i] = i * 7 + rounds;
        queue.upload(data, values, honest_timeout_ns);
        queue.wait(queue.launch(kernel, grid({n}, {64})), honest_timeout_ns);
        queue.download(got, data, honest_timeout_ns);
        for (uint32_t i = 0; i < n; ++i)
            if (got[i] != values[i] + 1)
                throw std::runtime_error("round " + std::to_string(rounds) + ": element " +
                                         std::to_string(i) + " is " + std::to_string(got[i]));
        ++rounds;
    }
    return rounds;
}

class Attacker {
  public:
    Attacker(const Device &device, const Options &options)
        : device_(device), options_(options), random_(options.seed) {}

    void run(double until) {
        while (now_s() < until) {
            try {
                attack();
            } catch (const Error &) {
                // Being told is what is expected.
            }
            ++attacks_;
        }
    }
    unsigned attacks() const noexcept { return attacks_; }

  private:
    uint64_t number() {
        const uint64_t value = random_();
        switch (random_() % 6) {
        case 0:
            return value % 64;
        case 1:
            return uint64_t{1} << (value % 64);
        case 2:
            return ~(value % 4096);
        case 3:
            return near_ + value % 8192;
        default:
            return value;
        }
    }

    void attack() {
        const Vm vm(device_);
        const Queue queue(vm, random_() % 4 ? BRGPU_QUEUE_KIND_COMPUTE : BRGPU_QUEUE_KIND_COPY,
                          200);
        const Buffer memory(vm, 65536);
        near_ = memory.address();
        switch (random_() % 5) {
        case 0:
            packets(vm, queue);
            break;
        case 1:
            binds(vm);
            break;
        case 2:
            objects(vm, queue);
            break;
        case 3:
            kernels(vm, queue);
            break;
        default:
            ioctls();
        }
    }

    void packets(const Vm &vm, const Queue &queue) {
        Commands commands(vm);
        for (uint64_t i = 0; i < 1 + random_() % 20; ++i) {
            uint64_t words[8];
            for (uint64_t &word : words)
                word = random_() % 3 ? 0 : number();
            auto *bytes = reinterpret_cast<unsigned char *>(words);
            bytes[0] = static_cast<unsigned char>(random_() % 12);
            bytes[1] &= 1;
            commands.packets(words, 1);
        }
        queue.wait(queue.submit(commands), hostile_timeout_ns);
    }

    void binds(const Vm &vm) {
        const Memory memory(device_, 4096 * (1 + random_() % 600));
        for (int i = 0; i < 20; ++i) {
            uint64_t address = 0;
            brgpu_vm_reserve(vm.get(), number() % (1 << 24), 0, random_() % 2 ? 0 : number(),
                             &address);
            brgpu_vm_map(vm.get(), random_() % 2 ? address : number(), number() & ~uint64_t{4095},
                         random_() % 4 ? memory.get() : nullptr, number() & 0xfff000,
                         static_cast<uint32_t>(random_() % 16));
            brgpu_vm_unmap(vm.get(), address, number() & 0xfff000);
        }
    }

    void objects(const Vm &vm, const Queue &queue) {
        auto damaged = options_.code;
        for (uint64_t i = 0; i < 1 + random_() % 16; ++i)
            damaged[random_() % damaged.size()] = static_cast<std::byte>(random_());
        const CodeObject object(vm, damaged);
        for (const std::string &name : object.kernel_names()) {
            const Kernel kernel = object.kernel(name);
            fill_arguments(kernel);
            queue.launch(kernel, grid({64}));
        }
        queue.wait(0, hostile_timeout_ns);
    }

    void kernels(const Vm &vm, const Queue &queue) {
        const CodeObject object(vm, options_.code);
        const auto names = object.kernel_names();
        const Kernel kernel = object.kernel(names[random_() % names.size()]);
        fill_arguments(kernel);
        queue.launch(kernel, grid({static_cast<uint32_t>(1 + random_() % 4096)}));
        // Sometimes the queue goes with its work in flight.
        if (random_() % 4)
            queue.wait(0, hostile_timeout_ns);
    }

    void fill_arguments(const Kernel &kernel) {
        const uint32_t count = kernel.properties().arg_count;
        for (uint32_t i = 0; i < count; ++i) {
            const auto info = kernel.argument(i);
            std::vector<unsigned char> bytes(info.size);
            for (unsigned char &byte : bytes)
                byte = static_cast<unsigned char>(random_());
            if (info.kind == BRGPU_ARGUMENT_GLOBAL)
                kernel.set_address(i, number());
            else if (info.kind == BRGPU_ARGUMENT_LOCAL)
                kernel.set_local(i, 1 + random_() % 4096);
            else
                check(brgpu_kernel_set_value(kernel.get(), i, bytes.data(), bytes.size()));
        }
    }

    // Malformed calls through the library: wrong enumerators, flags, sizes, handles of other kinds.
    void ioctls() {
        auto memory_info = sized<brgpu_memory_create_info>();
        memory_info.size = number();
        memory_info.placements = static_cast<uint32_t>(number());
        memory_info.flags = static_cast<uint32_t>(number());
        brgpu_memory *memory = nullptr;
        if (brgpu_memory_create(device_.get(), &memory_info, &memory) == BRGPU_SUCCESS) {
            uint64_t seen = 0;
            brgpu_memory_wait(memory, number(), static_cast<int>(random_() % 6), number(), number(),
                              0, &seen);
            brgpu_memory_destroy(memory);
        }
        brgpu_memory_import_fd(device_.get(), static_cast<int>(random_() % 40), &memory);
        brgpu_memory_destroy(memory);
        brgpu_timeline *timeline = nullptr;
        if (brgpu_timeline_create(device_.get(), number(), &timeline) == BRGPU_SUCCESS) {
            brgpu_timeline_signal(timeline, number());
            brgpu_timeline_wait(timeline, number(), 1000);
            brgpu_timeline_destroy(timeline);
        }
    }

    const Device &device_;
    const Options &options_;
    std::mt19937_64 random_;
    uint64_t near_ = 0;
    unsigned attacks_ = 0;
};

int honest(const Device &device, const Options &options, double until,
           const std::atomic<bool> &stop) {
    try {
        const unsigned rounds = compute(device, options, until, stop);
        std::printf("honest side: %u rounds, all right\n", rounds);
        return rounds ? 0 : 1;
    } catch (const std::exception &error) {
        std::printf("honest side: %s\n", error.what());
        return 1;
    }
}

int run(const Options &options) {
    const double until = now_s() + options.seconds;
    const std::atomic<bool> never{false};
    if (options.backend == BRGPU_BACKEND_MODEL) {
        const Device device = Device::open(options.backend);
        int result = 1;
        std::thread other([&] { result = honest(device, options, until, never); });
        Attacker attacker(device, options);
        attacker.run(until);
        other.join();
        std::printf("hostile side: %u attacks, seed %llu\n", attacker.attacks(),
                    static_cast<unsigned long long>(options.seed));
        return result;
    }
    const pid_t child = fork();
    if (child == 0) {
        const Device device = Device::open(options.backend);
        Attacker attacker(device, options);
        attacker.run(until);
        std::printf("hostile side: %u attacks, seed %llu\n", attacker.attacks(),
                    static_cast<unsigned long long>(options.seed));
        std::fflush(stdout);
        _exit(0);
    }
    const Device device = Device::open(options.backend);
    const int result = honest(device, options, until, never);
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status))
        std::printf("hostile side: ended by signal %d\n", WTERMSIG(status));
    return result || !WIFEXITED(status) || WEXITSTATUS(status);
}

} // namespace

int main(int argc, char **argv) {
    Options options;
    std::string kernels =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../share/brgpu/kernels")
            .string();
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i], value = argv[i + 1];
        if (name == "--backend" && (value == "drm" || value == "model"))
            options.backend = value == "drm" ? BRGPU_BACKEND_DRM : BRGPU_BACKEND_MODEL;
        else if (name == "--seed")
            options.seed = std::strtoull(value.c_str(), nullptr, 0);
        else if (name == "--seconds")
            options.seconds = std::strtod(value.c_str(), nullptr);
        else if (name == "--kernels")
            kernels = value;
        else
            argc = 0;
    }
    if (argc == 0 || argc % 2 == 0) {
        std::fprintf(stderr, "usage: hostile [--backend drm|model] [--seed N] [--seconds S] "
                             "[--kernels FOLDER]\n");
        return 2;
    }
    std::ifstream file(kernels + "/conformance.elf", std::ios::binary);
    const std::vector<char> data(std::istreambuf_iterator<char>(file), {});
    const auto *start = reinterpret_cast<const std::byte *>(data.data());
    options.code.assign(start, start + data.size());
    if (options.code.empty()) {
        std::fprintf(stderr, "hostile: %s/conformance.elf can't be read\n", kernels.c_str());
        return 2;
    }
    try {
        return run(options);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "hostile: %s\n", error.what());
        return 1;
    }
}
