// SPDX-License-Identifier: MIT
#include <algorithm>
#include <climits>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "bench.hpp"
#include "reference.hpp"

namespace brgpu::demo {

namespace {

void saxpy(Bench &bench) {
    constexpr uint32_t n = 1 << 20;
    bench.part("saxpy", fmt::format("{} elements", n), [&](Result &result) {
        const auto x = numbers(n, 1), y = numbers(n, 2);
        const Buffer device_x = bench.put(x), device_y = bench.put(y);
        const Kernel kernel = bench.kernel("saxpy", "saxpy");
        kernel.set(0, n);
        kernel.set(1, 2.5f);
        kernel.set(2, device_x);
        kernel.set(3, device_y);
        result.device_ms = bench.run(kernel, grid({n}, {256}));
        std::vector<float> expected(n);
        for (size_t i = 0; i < n; ++i)
            expected[i] = std::fma(2.5f, x[i], y[i]);
        result.detail = difference(bench.get<float>(device_y), expected);
    });
}

void sgemm(Bench &bench, const char *name, uint32_t m, uint32_t n, uint32_t k) {
    bench.part(name, fmt::format("{} x {} x {}", m, n, k), [&](Result &result) {
        const auto a = numbers(size_t{m} * k, 3), b = numbers(size_t{k} * n, 4),
                   c = numbers(size_t{m} * n, 5);
        const Buffer device_a = bench.put(a), device_b = bench.put(b), device_c = bench.put(c);
        const Kernel kernel = bench.kernel("sgemm", name);
        kernel.set(0, m);
        kernel.set(1, n);
        kernel.set(2, k);
        kernel.set(3, 1.5f);
        kernel.set(4, device_a);
        kernel.set(5, device_b);
        kernel.set(6, 0.5f);
        kernel.set(7, device_c);
        const auto up = [](uint32_t value) { return (value + 15) / 16 * 16; };
        result.device_ms = bench.run(kernel, grid({up(n), up(m)}, {16, 16}));
        result.detail = difference(bench.get<float>(device_c),
                                   matrix_product(m, n, k, 1.5f, a, b, 0.5f, c), 1e-5, 1e-4);
    });
}

// On the tensor unit; shapes with edges. B is packed first where `packed` says so.
void tensor_gemm(Bench &bench, uint32_t m, uint32_t n, uint32_t k, bool packed) {
    constexpr uint32_t tile = 128, pack_depth = 512, b_packed = 8;
    const auto up = [](uint32_t value, uint32_t unit) { return (value + unit - 1) / unit; };
    const char *name = packed ? "gemm_f32, B packed" : "gemm_f32";
    bench.part(name, fmt::format("{} x {} x {}", m, n, k), [&](Result &result) {
        const auto a = numbers(size_t{m} * k, 11), b = numbers(size_t{k} * n, 12),
                   c = numbers(size_t{m} * n, 13);
        const Buffer device_a = bench.put(a), device_b = bench.put(b), device_c = bench.put(c),
                     panels(bench.vm(), uint64_t{up(n, 16)} * k * 64);
        if (packed) {
            const Kernel pack = bench.kernel("gemm", "gemm_pack_32");
            pack.set(0, n);
            pack.set(1, k);
            pack.set(2, device_b);
            pack.set(3, n);
            pack.set(4, panels);
            pack.set(5, uint32_t{0});
            result.device_ms = bench.run(pack, grid({32 * up(n, tile), up(k, pack_depth)}, {32}));
        }
        const Kernel kernel = bench.kernel("gemm", "gemm_f32");
        kernel.set(0, m);
        kernel.set(1, n);
        kernel.set(2, k);
        kernel.set(3, device_a);
        kernel.set(4, k);
        kernel.set(5, packed ? panels : device_b);
        kernel.set(6, packed ? k : n);
        kernel.set(7, device_c);
        kernel.set(8, n);
        kernel.set(9, packed ? b_packed : uint32_t{0});
        result.device_ms += bench.run(kernel, grid({32 * up(n, tile), up(m, tile)}, {32}));
        result.detail = difference(bench.get<float>(device_c),
                                   matrix_product(m, n, k, 1.0f, a, b, 0.0f, c), 1e-5, 1e-4);
    });
}

void reduction(Bench &bench) {
    constexpr uint32_t n = 1 << 20, groups = 64, local = 256;
    bench.part("reduce_sum", fmt::format("{} floats", n), [&](Result &result) {
        const auto x = numbers(n, 6);
        const Buffer input = bench.put(x), partial(bench.vm(), groups * sizeof(float));
        const Kernel kernel = bench.kernel("reduction", "reduce_sum");
        kernel.set(0, n);
        kernel.set(1, input);
        kernel.set(2, partial);
        kernel.set_local(3, local * sizeof(float));
        result.device_ms = bench.run(kernel, grid({groups * local}, {local}));
        const auto sums = bench.get<float>(partial);
        const float got = std::accumulate(sums.begin(), sums.begin() + groups, 0.0f);
        const double expected = std::accumulate(x.begin(), x.end(), 0.0);
        result.detail = difference({got}, {static_cast<float>(expected)}, 1e-4, 0.05);
    });
    std::vector<int32_t> whole(n);
    const auto random = bytes(size_t{n} * 4, 7);
    for (size_t i = 0; i < n; ++i)
        whole[i] = static_cast<int32_t>(static_cast<uint32_t>(random[4 * i]) << 16 |
                                        static_cast<uint32_t>(random[4 * i + 1]) << 8 |
                                        random[4 * i + 2]) -
                   (1 << 23);
    bench.part("reduce_sum_int", fmt::format("{} ints", n), [&](Result &result) {
        const Buffer input = bench.put(whole), partial(bench.vm(), groups * sizeof(int32_t));
        const Kernel kernel = bench.kernel("reduction", "reduce_sum_int");
        kernel.set(0, n);
        kernel.set(1, input);
        kernel.set(2, partial);
        result.device_ms = bench.run(kernel, grid({groups * local}, {local}));
        uint32_t got = 0, expected = 0; // both wrap
        for (int32_t sum : bench.get<int32_t>(partial))
            got += static_cast<uint32_t>(sum);
        for (int32_t value : whole)
            expected += static_cast<uint32_t>(value);
        result.detail = difference<uint32_t>({got}, {expected});
    });
    bench.part("reduce_max_subgroup", fmt::format("{} ints", n), [&](Result &result) {
        const Buffer input = bench.put(whole), largest = bench.put(std::vector<int32_t>{INT_MIN});
        const Kernel kernel = bench.kernel("reduction", "reduce_max_subgroup");
        kernel.set(0, n);
        kernel.set(1, input);
        kernel.set(2, largest);
        result.device_ms = bench.run(kernel, grid({groups * local}, {local}));
        result.detail = difference<int32_t>({bench.get<int32_t>(largest)[0]},
                                            {*std::max_element(whole.begin(), whole.end())});
    });
}

void nbody(Bench &bench, const char *name) {
    constexpr uint32_t n = 2048, local = 128;
    constexpr float dt = 0.01f, softening = 0.05f;
    bench.part(name, fmt::format("{} bodies", n), [&](Result &result) {
        std::vector<Body> bodies(n), velocities(n);
        const auto random = numbers(size_t{n} * 4, 8);
        for (size_t i = 0; i < n; ++i)
            bodies[i] = {random[4 * i], random[4 * i + 1], random[4 * i + 2],
                         (random[4 * i + 3] + 1.5f) / n};
        const Buffer in = bench.put(bodies), out(bench.vm(), n * sizeof(Body)),
                     speed = bench.put(velocities);
        const Kernel kernel = bench.kernel("nbody", name);
        kernel.set(0, n);
        kernel.set(1, dt);
        kernel.set(2, softening);
        kernel.set(3, in);
        kernel.set(4, out);
        kernel.set(5, speed);
        if (kernel.properties().arg_count > 6)
            kernel.set_local(6, local * sizeof(Body));
        result.device_ms = bench.run(kernel, grid({n}, {local}));
        move_bodies(bodies, velocities, dt, softening);
        const auto got = bench.get<float>(speed);
        std::vector<float> expected;
        for (const Body &v : velocities)
            expected.insert(expected.end(), {v.x, v.y, v.z, v.w});
        result.detail = difference(got, expected, 1e-4, 1e-6);
    });
}

void hashes(Bench &bench) {
    constexpr uint32_t count = 4096, length = 120;
    bench.part("sha256", fmt::format("{} x {} bytes", count, length), [&](Result &result) {
        const auto messages = bytes(size_t{count} * length, 9);
        const Buffer input = bench.put(messages), output(bench.vm(), size_t{count} * 32);
        const Kernel kernel = bench.kernel("sha256", "sha256");
        kernel.set(0, count);
        kernel.set(1, length);
        kernel.set(2, input);
        kernel.set(3, output);
        result.device_ms = bench.run(kernel, grid({count}, {64}));
        std::vector<uint32_t> expected;
        for (size_t i = 0; i < count; ++i) {
            const auto digest = sha256(std::span(messages).subspan(i * length, length));
            expected.insert(expected.end(), digest.begin(), digest.end());
        }
        result.detail = difference(bench.get<uint32_t>(output), expected);
    });
}

void histogram(Bench &bench, const char *name) {
    constexpr uint32_t n = 1 << 20;
    bench.part(name, fmt::format("{} bytes", n), [&](Result &result) {
        const auto data = bytes(n, 10);
        const Buffer input = bench.put(data), bins = bench.put(std::vector<uint32_t>(256));
        const Kernel kernel = bench.kernel("histogram", name);
        kernel.set(0, n);
        kernel.set(1, input);
        kernel.set(2, bins);
        const bool strides = std::string(name) == "histogram_local";
        result.device_ms = bench.run(kernel, grid({strides ? 8192u : n}, {256}));
        std::vector<uint32_t> expected(256);
        for (uint8_t value : data)
            ++expected[value];
        result.detail = difference(bench.get<uint32_t>(bins), expected);
    });
}

// Blocks, then the blocks' sums, then both together.
void scan(Bench &bench) {
    constexpr uint32_t n = 1 << 18, local = 512, groups = n / local;
    bench.part("scan", fmt::format("{} elements", n), [&](Result &result) {
        std::vector<uint32_t> data(n);
        const auto random = bytes(n, 11);
        std::copy(random.begin(), random.end(), data.begin());
        const Buffer input = bench.put(data), output(bench.vm(), n * 4ull),
                     sums(bench.vm(), groups * 4ull), offsets(bench.vm(), groups * 4ull),
                     total(bench.vm(), 4);
        const Kernel blocks = bench.kernel("scan", "scan_blocks");
        const auto scan_level = [&](uint32_t count, const Buffer &from, const Buffer &to,
                                    const Buffer &block_sums, uint32_t items) {
            blocks.set(0, count);
            blocks.set(1, from);
            blocks.set(2, to);
            blocks.set(3, block_sums);
            blocks.set_local(4, items * 8);
            return bench.run(blocks, grid({(count + items - 1) / items * items}, {items}));
        };
        result.device_ms = scan_level(n, input, output, sums, local);
        result.device_ms += scan_level(groups, sums, offsets, total, groups);
        const Kernel add = bench.kernel("scan", "scan_add");
        add.set(0, n);
        add.set(1, output);
        add.set(2, offsets);
        result.device_ms += bench.run(add, grid({n}, {local}));
        std::vector<uint32_t> expected(n);
        std::exclusive_scan(data.begin(), data.end(), expected.begin(), 0u);
        result.detail = difference(bench.get<uint32_t>(output), expected);
    });
}

} // namespace

void run_arithmetic(Bench &bench) {
    saxpy(bench);
    sgemm(bench, "sgemm_naive", 192, 200, 160);
    sgemm(bench, "sgemm_tiled", 192, 200, 160);
    tensor_gemm(bench, 300, 260, 420, false);
    tensor_gemm(bench, 300, 260, 420, true);
    reduction(bench);
    scan(bench);
    histogram(bench, "histogram_global");
    histogram(bench, "histogram_local");
    nbody(bench, "nbody");
    nbody(bench, "nbody_local");
    hashes(bench);
}

} // namespace brgpu::demo
