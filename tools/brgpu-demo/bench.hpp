// SPDX-License-Identifier: MIT
//
// What the demo's parts share: the open card, its queue, the kernels, and the list of results.
#ifndef BRGPU_DEMO_BENCH_HPP
#define BRGPU_DEMO_BENCH_HPP

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "brgpu/brgpu.hpp"
#include "picture.hpp"

namespace brgpu::demo {

struct Result {
    std::string kernel;
    std::string size;
    bool correct = false;
    std::string detail; // what differs
    double device_ms = 0;
};

class Bench {
  public:
    // `folder` holds the code objects.
    Bench(Device device, std::string folder);

    const Vm &vm() const noexcept { return vm_; }
    const Queue &queue() const noexcept { return queue_; }
    const Device &device() const noexcept { return device_; }
    Kernel kernel(const std::string &file, const std::string &name);

    template <typename Element>
    Buffer put(const std::vector<Element> &data) {
        Buffer buffer(vm_, data.size() * sizeof(Element));
        queue_.upload(buffer, data, transfer_timeout_ns);
        return buffer;
    }
    template <typename Element>
    std::vector<Element> get(const Buffer &buffer) {
        std::vector<Element> data(buffer.bytes() / sizeof(Element));
        queue_.download(data, buffer, transfer_timeout_ns);
        return data;
    }
    // Runs to the end; milliseconds on the device.
    double run(const Kernel &kernel, brgpu_dispatch_info grid);

    // Runs one part with a line of progress; what it throws makes it a failure.
    void part(const std::string &kernel, const std::string &size,
              const std::function<void(Result &)> &body);
    const std::vector<Result> &results() const noexcept { return results_; }

    static constexpr uint64_t transfer_timeout_ns = 120000000000;

  private:
    Device device_;
    std::string folder_;
    Vm vm_;
    Queue queue_;
    Buffer stamps_;
    std::map<std::string, CodeObject> objects_;
    std::vector<Result> results_;
};

// Numbers of a fixed sequence in [-1, 1).
std::vector<float> numbers(size_t count, uint32_t seed);
std::vector<uint8_t> bytes(size_t count, uint32_t seed);

// "" or a line that names the first element that differs.
std::string difference(const std::vector<float> &got, const std::vector<float> &expected,
                       double relative, double absolute);
template <typename Element>
std::string difference(const std::vector<Element> &got, const std::vector<Element> &expected) {
    for (size_t i = 0; i < expected.size(); ++i)
        if (got[i] != expected[i])
            return "element " + std::to_string(i) + " is " + std::to_string(got[i]) + ", not " +
                   std::to_string(expected[i]);
    return {};
}

void run_arithmetic(Bench &bench);
// Writes out/mandelbrot.png, and source filtered as out/filtered.png.
void run_pictures(Bench &bench, const Picture &source, const std::string &out);

} // namespace brgpu::demo

#endif // BRGPU_DEMO_BENCH_HPP
