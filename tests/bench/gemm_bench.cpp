// SPDX-License-Identifier: MIT
//
// Matrix products on the tensor unit, through libbrgpu (buffers, code object, queue, dispatch,
// wait), beside OpenBLAS's sgemm of the same size in the same run, taken in turns.
//
// --json prints an array of
//     {"type": "f32", "m": 512, "n": 512, "k": 512, "threads": 1, "engine_gflops": 90.1,
//      "peer": "OpenBLAS 0.3.21 sgemm, Zen kernel", "peer_gflops": 80.2, "ratio": 1.12}
// type: f32, tf32, f16, bf16, i8; threads: 1 and all processors; rates are of medians, an integer
// multiply-add counts as two operations; ratio: engine by peer, which is fp32 for every type.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cblas.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "brgpu/brgpu.hpp"

namespace {

using namespace brgpu;

struct Type {
    const char *name;
    uint32_t bytes;
};
constexpr Type types[] = {{"f32", 4}, {"tf32", 4}, {"f16", 2}, {"bf16", 2}, {"i8", 1}};

// OpenBLAS picks its kernel when it is loaded: start anew with the wanted one named.
void name_openblas_kernel(char **argv) {
    if (std::getenv("OPENBLAS_CORETYPE"))
        return;
    __builtin_cpu_init();
    const char *kernel = __builtin_cpu_supports("avx512bw") ? "SkylakeX"
                         : __builtin_cpu_is("amd")          ? "Zen"
                                                            : "Haswell";
    setenv("OPENBLAS_CORETYPE", kernel, 1);
    // Its threads would spin on after each product, into our turn.
    setenv("OPENBLAS_THREAD_TIMEOUT", "4", 0);
    execv("/proc/self/exe", argv);
    fmt::print(stderr, "gemm-bench: can't start itself anew: {}\n", std::strerror(errno));
    std::exit(1);
}

std::vector<std::byte> read_kernels() {
    const std::string path = BRGPU_KERNEL_DIR "/gemm.elf";
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error(path + ": " + std::strerror(errno) + " (build brgpu-tests)");
    const std::vector<char> data(std::istreambuf_iterator<char>(file), {});
    const auto *start = reinterpret_cast<const std::byte *>(data.data());
    return {start, start + data.size()};
}

double seconds(bool cpu_time, unsigned threads) {
    timespec now;
    clock_gettime(cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    const double value = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
    return cpu_time ? value / threads : value;
}

double median(std::vector<double> list) {
    std::sort(list.begin(), list.end());
    return list[list.size() / 2];
}

float half_value(uint16_t half) {
    const int exponent = half >> 10 & 31;
    const float size = std::ldexp(static_cast<float>(1024 + (half & 1023)), exponent - 25);
    return half & 0x8000 ? -size : size;
}

// Numbers between 1/4 and 2 of either sign (any for i8), as bytes and as what they stand for.
struct Matrix {
    std::vector<uint8_t> bytes;
    std::vector<float> values;

    Matrix(const Type &type, size_t count, uint32_t seed)
        : bytes(count * type.bytes), values(count) {
        std::mt19937 random(seed);
        for (size_t i = 0; i < count; ++i) {
            const auto word = static_cast<uint32_t>(random());
            uint32_t bits = (word & 0x807fffff) + 0x3e800000u + (word >> 2 & 0x01000000u);
            if (type.bytes == 1) {
                bits = word & 0xff;
                values[i] = static_cast<int8_t>(bits);
            } else if (std::strcmp(type.name, "f16") == 0) {
                bits = (word & 0x83ff) | (13 + (word >> 16) % 3) << 10;
                values[i] = half_value(static_cast<uint16_t>(bits));
            } else {
                if (type.bytes == 2)
                    bits &= 0xffff0000;
                else if (std::strcmp(type.name, "tf32") == 0)
                    bits &= 0xffffe000;
                std::memcpy(&values[i], &bits, 4);
                bits >>= 32 - 8 * type.bytes;
            }
            std::memcpy(&bytes[i * type.bytes], &bits, type.bytes);
        }
    }
};

class Engine {
  public:
    explicit Engine(uint32_t threads)
        : device_(open(threads)), vm_(device_), queue_(vm_), commands_(vm_) {
        code_ = CodeObject(vm_, read_kernels());
    }

    void prepare(const Type &type, uint32_t size, const Matrix &a, const Matrix &b) {
        kernel_ = code_.kernel(std::string("gemm_") + type.name);
        a_ = put(a.bytes);
        b_ = put(b.bytes);
        c_ = Buffer(vm_, uint64_t{size} * size * 4);
        packed_ = Buffer(vm_, (uint64_t{size} + 15) / 16 * ((size * type.bytes + 3) / 4) * 64);
        size_ = size;
        uint32_t index = 0;
        for (unsigned i = 0; i < 3; ++i)
            kernel_.set(index++, size);
        for (const Buffer *matrix : {&a_, &b_, &c_}) {
            kernel_.set(index++, *matrix);
            kernel_.set(index++, size);
        }
        kernel_.set(index, uint32_t{8});
        // Rows at multiples of a page compete for places in the caches: A is copied to others.
        pad_ = sized<brgpu_copy_region>();
        if (type.bytes == 4 && size * 4 % 4096 == 0) {
            padded_ = Buffer(vm_, uint64_t{size} * (size * 4 + 64));
            pad_.src = a_.address();
            pad_.dst = padded_.address();
            pad_.row_bytes = pad_.src_pitch = size * 4;
            pad_.dst_pitch = size * 4 + 64;
            pad_.rows = size;
            pad_.slices = 1;
            kernel_.set(3, padded_);
            kernel_.set(4, size + 16);
        }
        kernel_.set(5, packed_);
        pack_ = code_.kernel("gemm_pack_" + std::to_string(8 * type.bytes));
        index = 0;
        pack_.set(index++, size);
        pack_.set(index++, size);
        pack_.set(index++, b_);
        pack_.set(index++, size);
        pack_.set(index++, packed_);
        pack_.set(index, uint32_t{0});
    }
    // Packs B, copies A if need be, and multiplies.
    void run() {
        const uint32_t tiles = (size_ + 127) / 128;
        commands_.reset();
        if (pad_.row_bytes)
            commands_.copy_region(pad_);
        commands_.dispatch(pack_, grid({32 * tiles, (size_ + 511) / 512}, {32}));
        commands_.barrier();
        commands_.dispatch(kernel_, grid({32 * tiles, tiles}, {32}));
        queue_.wait(queue_.submit(commands_));
    }
    // Whether a few elements are what they should be.
    bool correct(const Type &type, const Matrix &a, const Matrix &b) const {
        std::vector<uint32_t> c(size_t{size_} * size_);
        queue_.download(c, c_);
        for (size_t at = 0; at < c.size(); at += c.size() / 61) {
            const size_t i = at / size_, j = at % size_;
            double sum = 0, magnitude = 0;
            for (size_t k = 0; k < size_; ++k) {
                const double product =
                    static_cast<double>(a.values[i * size_ + k]) * b.values[k * size_ + j];
                sum += product;
                magnitude += std::fabs(product);
            }
            float got;
            std::memcpy(&got, &c[at], 4);
            const double value = type.bytes == 1 ? static_cast<int32_t>(c[at]) : double{got};
            if (!(std::fabs(value - sum) <= (type.bytes == 1 ? 0 : magnitude * 1e-5)))
                return false;
        }
        return true;
    }

  private:
    static Device open(uint32_t threads) {
        auto info = sized<brgpu_device_open_info>();
        info.backend = BRGPU_BACKEND_MODEL;
        info.model_workers = threads;
        return Device::open(info);
    }
    Buffer put(const std::vector<uint8_t> &data) {
        Buffer buffer(vm_, data.size());
        queue_.upload(buffer, data);
        return buffer;
    }

    Device device_;
    Vm vm_;
    Queue queue_;
    CodeObject code_;
    Kernel kernel_, pack_;
    Commands commands_;
    Buffer a_, b_, c_, packed_, padded_;
    brgpu_copy_region pad_ = {};
    uint32_t size_ = 0;
};

struct Options {
    bool json = false, cpu_time = false;
    std::vector<uint32_t> sizes{512, 1024, 2048, 4096};
    std::vector<std::string> only;
    std::vector<uint32_t> threads;
    double seconds_each = 2;
};

void peer_product(uint32_t size, const std::vector<float> &a, const std::vector<float> &b,
                  std::vector<float> &c) {
    const auto n = static_cast<int>(size);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a.data(), n, b.data(), n, 0,
                c.data(), n);
}

nlohmann::json measure(Engine &engine, const Type &type, uint32_t size, uint32_t threads,
                       const Options &options, const std::string &peer) {
    const Matrix a(type, size_t{size} * size, 1), b(type, size_t{size} * size, 2);
    std::vector<float> c(size_t{size} * size);
    engine.prepare(type, size, a, b);
    openblas_set_num_threads(static_cast<int>(threads));
    const auto time = [&](auto &&body) {
        const double begin = seconds(options.cpu_time, threads);
        body();
        return seconds(options.cpu_time, threads) - begin;
    };
    const auto ours = [&] { engine.run(); };
    const auto theirs = [&] { peer_product(size, a.values, b.values, c); };
    time(ours); // the first ones touch memory
    const double once = time(ours) + time(theirs);
    if (!engine.correct(type, a, b))
        throw std::runtime_error(fmt::format("gemm_{} of {} is wrong", type.name, size));
    const auto rounds = std::clamp(static_cast<int>(options.seconds_each / once), 3, 200);
    std::vector<double> our_times, their_times;
    for (int i = 0; i < rounds; ++i) {
        our_times.push_back(time(ours));
        their_times.push_back(time(theirs));
    }
    const double operations = 2e-9 * size * size * size;
    const double rate = operations / median(our_times), peers = operations / median(their_times);
    return {{"type", type.name},
            {"m", size},
            {"n", size},
            {"k", size},
            {"threads", threads},
            {"engine_gflops", rate},
            {"peer", peer},
            {"peer_gflops", peers},
            {"ratio", rate / peers}};
}

void run(const Options &options) {
    const std::string version = openblas_get_config();
    const std::string peer = fmt::format(
        "{} sgemm, {} kernel", version.substr(0, version.find(' ', 9)), openblas_get_corename());
    std::vector<uint32_t> thread_counts = options.threads;
    if (thread_counts.empty()) {
        thread_counts.push_back(1);
        if (const uint32_t all = std::thread::hardware_concurrency(); all > 1)
            thread_counts.push_back(all);
    }
    auto results = nlohmann::json::array();
    if (!options.json)
        fmt::print("{:<6}{:>6}{:>9}{:>12}{:>12}{:>8}   of {}\n", "type", "size", "threads",
                   "engine G/s", "peer G/s", "ratio", peer);
    for (const uint32_t threads : thread_counts) {
        Engine engine(threads);
        for (const Type &type : types) {
            if (!options.only.empty() && std::find(options.only.begin(), options.only.end(),
                                                   type.name) == options.only.end())
                continue;
            for (const uint32_t size : options.sizes) {
                auto row = measure(engine, type, size, threads, options, peer);
                if (!options.json) {
                    fmt::print("{:<6}{:>6}{:>9}{:>12.1f}{:>12.1f}{:>8.2f}\n", type.name, size,
                               threads, row["engine_gflops"].get<double>(),
                               row["peer_gflops"].get<double>(), row["ratio"].get<double>());
                    std::fflush(stdout);
                }
                results.push_back(std::move(row));
            }
        }
    }
    if (options.json)
        fmt::print("{}\n", results.dump());
}

} // namespace

int main(int argc, char **argv) {
    name_openblas_kernel(argv);
    Options options;
    CLI::App app{"Matrix products on the in-process card, beside OpenBLAS"};
    app.add_flag("--json", options.json, "one JSON array instead of a table");
    app.add_flag("--cpu-time", options.cpu_time,
                 "processor time instead of the clock's: for machines that are busy");
    app.add_option("--size", options.sizes, "edge of the square matrices (512 1024 2048 4096)")
        ->check(CLI::Range(1u, 16384u));
    app.add_option("--type", options.only, "only these of f32 tf32 f16 bf16 i8");
    app.add_option("--threads", options.threads, "numbers of threads (1 and all processors)")
        ->check(CLI::Range(1u, 16u));
    app.add_option("--seconds", options.seconds_each, "time for each pair of figures (2)");
    CLI11_PARSE(app, argc, argv);
    try {
        run(options);
    } catch (const std::exception &error) {
        fmt::print(stderr, "gemm-bench: {}\n", error.what());
        return 1;
    }
    return 0;
}
