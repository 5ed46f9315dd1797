// SPDX-License-Identifier: MIT
#include "bench.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace brgpu::demo {

namespace {

constexpr uint64_t kernel_timeout_ns = 120000000000;

std::vector<std::byte> read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
    const std::vector<char> data(std::istreambuf_iterator<char>(file), {});
    const auto *start = reinterpret_cast<const std::byte *>(data.data());
    return std::vector<std::byte>(start, start + data.size());
}

uint32_t next(uint32_t &state) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

} // namespace

Bench::Bench(Device device, std::string folder)
    : device_(std::move(device)), folder_(std::move(folder)), vm_(device_), queue_(vm_),
      stamps_(vm_, 16, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE) {}

Kernel Bench::kernel(const std::string &file, const std::string &name) {
    auto object = objects_.find(file);
    if (object == objects_.end())
        object =
            objects_.emplace(file, CodeObject(vm_, read_file(folder_ + "/" + file + ".elf"))).first;
    return object->second.kernel(name);
}

double Bench::run(const Kernel &kernel, brgpu_dispatch_info grid) {
    auto *times = static_cast<volatile uint64_t *>(vm_.cpu_pointer(stamps_.address()));
    grid.timestamps = stamps_.address();
    queue_.wait(queue_.launch(kernel, grid), kernel_timeout_ns);
    return static_cast<double>(times[1] - times[0]) * 1e3 /
           static_cast<double>(device_.properties().timestamp_hz);
}

void Bench::part(const std::string &kernel, const std::string &size,
                 const std::function<void(Result &)> &body) {
    fmt::print(stderr, "{:<24} {:<18} ", kernel, size);
    Result result;
    result.kernel = kernel;
    result.size = size;
    try {
        body(result);
        result.correct = result.detail.empty();
    } catch (const std::exception &error) {
        result.detail = error.what();
    }
    if (result.correct)
        fmt::print(stderr, "ok    {:10.3f} ms\n", result.device_ms);
    else
        fmt::print(stderr, "WRONG {}\n", result.detail);
    results_.push_back(std::move(result));
}

std::vector<float> numbers(size_t count, uint32_t seed) {
    std::vector<float> list(count);
    for (float &value : list)
        value = static_cast<float>(static_cast<int32_t>(next(seed))) / 2147483648.0f;
    return list;
}

std::vector<uint8_t> bytes(size_t count, uint32_t seed) {
    std::vector<uint8_t> list(count);
    for (uint8_t &value : list)
        value = static_cast<uint8_t>(next(seed) >> 11);
    return list;
}

std::string difference(const std::vector<float> &got, const std::vector<float> &expected,
                       double relative, double absolute) {
    for (size_t i = 0; i < expected.size(); ++i) {
        const double allowed = absolute + relative * std::fabs(expected[i]);
        // Not a number is not near anything.
        if (!(std::fabs(static_cast<double>(got[i]) - expected[i]) <= allowed))
            return fmt::format("element {} is {}, not {}", i, got[i], expected[i]);
    }
    return {};
}

} // namespace brgpu::demo
