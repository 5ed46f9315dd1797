// SPDX-License-Identifier: MIT
#include "workloads.hpp"

#include <memory>
#include <random>

namespace brgpu::cc::test {
namespace {

std::vector<float> floats(size_t count, float low = -1, float high = 1) {
    std::mt19937 engine(static_cast<uint32_t>(count));
    std::uniform_real_distribution<float> any(low, high);
    std::vector<float> values(count);
    for (float &value : values)
        value = any(engine);
    return values;
}

template <class T>
std::vector<T> integers(size_t count, uint32_t below) {
    std::mt19937 engine(static_cast<uint32_t>(count));
    std::uniform_int_distribution<uint32_t> any(0, below - 1);
    std::vector<T> values(count);
    for (T &value : values)
        value = static_cast<T>(any(engine));
    return values;
}

// Buffers by name, kept from run to run.
class Buffers {
  public:
    explicit Buffers(Card &card) : card_(card) {}
    template <class T>
    uint64_t in(const std::vector<T> &values) {
        return place(values.size() * sizeof(T), [&](uint64_t va) { card_.write(va, values); });
    }
    uint64_t out(size_t bytes) {
        return place(bytes, [&](uint64_t va) { card_.write(va, std::vector<uint8_t>(bytes)); });
    }

  private:
    template <class Fill>
    uint64_t place(size_t bytes, Fill &&fill) {
        const uint64_t va = card_.scratch(next_++, bytes);
        fill(va);
        return va;
    }
    Card &card_;
    unsigned next_ = 0;
};

Launch plane(uint32_t x, uint32_t y, uint32_t gx, uint32_t gy) {
    return {{x, y, 1}, {gx, gy, 1}, {0, 0, 0}, 2};
}

std::vector<uint32_t> sgemm(Card &card, unsigned scale, const char *name) {
    Buffers b(card);
    const uint32_t m = 16 * scale + 5, n = 32 * scale + 3, k = 16 * scale + 2;
    const uint64_t c = b.in(floats(m * n));
    card.arg(m).arg(n).arg(k).arg(1.5f).arg(b.in(floats(m * k))).arg(b.in(floats(k * n + 1)));
    card.arg(0.5f).arg(c);
    card.run(name, plane((n + 15) / 16 * 16, (m + 15) / 16 * 16, 16, 16));
    return card.download<uint32_t>(c, m * n);
}

std::vector<uint32_t> nbody(Card &card, unsigned scale, bool tiles) {
    Buffers b(card);
    const uint32_t n = 64 * scale + 10;
    const uint64_t out = b.out(n * 16), velocity = b.in(std::vector<float>(n * 4));
    card.arg(n).arg(0.01f).arg(0.1f).arg(b.in(floats(n * 4, 0.1f))).arg(out).arg(velocity);
    if (tiles)
        card.local_arg(64 * 16);
    card.run(tiles ? "nbody_local" : "nbody", (n + 63) / 64 * 64, 64);
    return card.download<uint32_t>(velocity, n * 4);
}

std::vector<uint32_t> spmv(Card &card, unsigned scale, bool by_warp) {
    Buffers b(card);
    const uint32_t rows = 64 * scale + 3;
    std::vector<uint32_t> start = {0};
    for (const uint32_t length : integers<uint32_t>(rows, 50))
        start.push_back(start.back() + length);
    const uint64_t y = b.out(rows * 4);
    card.arg(rows).arg(b.in(start)).arg(b.in(integers<uint32_t>(start.back(), 1024)));
    card.arg(b.in(floats(start.back() + 1))).arg(b.in(floats(1024))).arg(y);
    card.run(by_warp ? "spmv_warp" : "spmv", by_warp ? rows * 32 : (rows + 63) / 64 * 64, 64);
    return card.download<uint32_t>(y, rows);
}

std::vector<uint32_t> histogram(Card &card, unsigned scale, const char *name) {
    Buffers b(card);
    const uint32_t n = 4096 * scale + 11;
    const uint64_t bins = b.out(1024);
    card.arg(n).arg(b.in(integers<uint8_t>(n, 256))).arg(bins).run(name, 1024, 256);
    return card.download<uint32_t>(bins, 256);
}

std::vector<Workload> make() {
    std::vector<Workload> all;
    const auto add = [&](const char *name, const char *source, auto run, unsigned compiled = 95) {
        all.push_back({name, source, run, compiled});
    };
    add("saxpy", "saxpy.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t n = 16384 * scale + 77;
        const uint64_t y = b.in(floats(n));
        card.arg(n).arg(2.5f).arg(b.in(floats(n + 1))).arg(y);
        card.run("saxpy", (n + 255) / 256 * 256, 256);
        return card.download<uint32_t>(y, n);
    });
    add("sgemm_naive", "sgemm.cl",
        [](Card &card, unsigned scale) { return sgemm(card, scale, "sgemm_naive"); });
    add("sgemm_tiled", "sgemm.cl",
        [](Card &card, unsigned scale) { return sgemm(card, scale, "sgemm_tiled"); });
    add("mandelbrot", "mandelbrot.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t width = 64 * scale + 5, height = 48;
        const uint64_t out = b.out(width * height * 4);
        card.arg(width).arg(height).arg(-2.0f).arg(-1.0f).arg(3.0f / float(width)).arg(200u);
        card.arg(out).run("mandelbrot", plane((width + 15) / 16 * 16, height, 16, 4));
        return card.download<uint32_t>(out, width * height);
    });
    add("reduction", "reduction.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t n = 16384 * scale + 100;
        const uint64_t out = b.out(64 * 4);
        card.arg(n).arg(b.in(floats(n))).arg(out).local_arg(256 * 4).run("reduce_sum", 4096, 256);
        return card.download<uint32_t>(out, 16);
    });
    add("nbody", "nbody.cl", [](Card &card, unsigned scale) { return nbody(card, scale, false); });
    add("nbody_local", "nbody.cl",
        [](Card &card, unsigned scale) { return nbody(card, scale, true); });
    add("int8_dot", "int8_dot.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t m = 24, n = 16 * scale + 1, k = 64;
        const uint64_t c = b.out(m * n * 4);
        card.arg(m).arg(n).arg(k).arg(b.in(integers<int8_t>(m * k, 256)));
        card.arg(b.in(integers<int8_t>(n * k, 256))).arg(c);
        card.run("int8_dot", plane((n + 7) / 8 * 8, m, 8, 8));
        return card.download<uint32_t>(c, m * n);
    });
    add("sha256", "sha256.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t count = 64 * scale + 9, length = 70;
        const uint64_t out = b.out(count * 32);
        card.arg(count).arg(length).arg(b.in(integers<uint8_t>(count * length, 256))).arg(out);
        card.run("sha256", (count + 63) / 64 * 64, 64);
        return card.download<uint32_t>(out, count * 8);
    });
    add("black_scholes", "black_scholes.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t n = 512 * scale + 7;
        const uint64_t call = b.out(n * 4), put = b.out(n * 4);
        card.arg(n).arg(0.03f).arg(0.3f).arg(b.in(floats(n, 10, 100)));
        card.arg(b.in(floats(n + 1, 10, 100))).arg(b.in(floats(n + 2, 0.2f, 5))).arg(call).arg(put);
        card.run("black_scholes", (n + 63) / 64 * 64, 64);
        auto both = card.download<uint32_t>(call, n);
        const auto puts = card.download<uint32_t>(put, n);
        both.insert(both.end(), puts.begin(), puts.end());
        return both;
    });
    add("fft", "fft.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t groups = 2 * scale;
        const uint64_t out = b.out(groups * 2048);
        card.arg(b.in(floats(groups * 512))).arg(out).run("fft256", groups * 128, 128);
        return card.download<uint32_t>(out, groups * 512);
    });
    add(
        "radix_sort", "radix_sort.cl",
        [](Card &card, unsigned scale) {
            Buffers b(card);
            const uint32_t n = 256 * scale;
            const uint64_t out = b.out(n * 4);
            card.arg(b.in(integers<uint32_t>(n, UINT32_MAX))).arg(out).run("radix_sort256", n, 256);
            return card.download<uint32_t>(out, n);
        },
        0); // leaves at its first vote
    add("spmv", "spmv.cl", [](Card &card, unsigned scale) { return spmv(card, scale, false); });
    add(
        "spmv_warp", "spmv.cl", [](Card &card, unsigned scale) { return spmv(card, scale, true); },
        0); // shuffles
    add("histogram_global", "histogram.cl",
        [](Card &card, unsigned scale) { return histogram(card, scale, "histogram_global"); });
    add("histogram_local", "histogram.cl",
        [](Card &card, unsigned scale) { return histogram(card, scale, "histogram_local"); });
    add("stencil", "stencil.cl", [](Card &card, unsigned scale) {
        Buffers b(card);
        const uint32_t nx = 16 * scale + 4, ny = 20, nz = 12;
        const uint64_t out = b.out(nx * ny * nz * 4);
        card.arg(nx).arg(ny).arg(nz).arg(0.1f).arg(b.in(floats(nx * ny * nz))).arg(out);
        card.run("stencil7", {{(nx + 31) / 32 * 32, 20, 12}, {32, 4, 1}, {0, 0, 0}, 3});
        return card.download<uint32_t>(out, nx * ny * nz);
    });
    return all;
}

} // namespace

const std::vector<Workload> &workloads() {
    static const std::vector<Workload> all = make();
    return all;
}

} // namespace brgpu::cc::test
