// SPDX-License-Identifier: MIT
#include "cases.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <utility>

#include "native.hpp"

namespace brgpu::bench {
namespace {

using Pointers = std::span<std::byte *const>;

template <typename Type>
Value value(Type number) {
    Value made{std::vector<std::byte>(sizeof(number))};
    std::memcpy(made.bytes.data(), &number, sizeof(number));
    return made;
}
Value value(size_t) = delete; // which width?

Value u32(size_t number) {
    return value(static_cast<uint32_t>(number));
}

template <typename Type>
CaseBuffer input(const std::vector<Type> &data) {
    CaseBuffer buffer;
    buffer.initial.resize(data.size() * sizeof(Type));
    std::memcpy(buffer.initial.data(), data.data(), buffer.initial.size());
    return buffer;
}

template <typename Type>
CaseBuffer in_out(const std::vector<Type> &data, Tolerance tolerance) {
    CaseBuffer buffer = input(data);
    buffer.output = true;
    buffer.tolerance = tolerance;
    return buffer;
}

CaseBuffer scratch(size_t bytes) {
    CaseBuffer buffer;
    buffer.initial.resize(bytes);
    return buffer;
}

CaseBuffer output(size_t elements, Tolerance tolerance) {
    CaseBuffer buffer = scratch(elements * 4);
    buffer.output = true;
    buffer.tolerance = tolerance;
    return buffer;
}

template <typename Type>
Type *as(Pointers buffers, size_t index) {
    return reinterpret_cast<Type *>(buffers[index]);
}

Tolerance near(double relative, double absolute = 0) {
    return {Element::f32, relative, absolute, 0};
}

std::vector<uint32_t> dims(std::initializer_list<size_t> list) {
    return std::vector<uint32_t>(list.begin(), list.end());
}

template <typename... Args>
std::string text(const char *format, Args... args) {
    char line[128];
    std::snprintf(line, sizeof(line), format, args...);
    return line;
}

// ---- the cases ----

Case saxpy(bool quick) {
    const size_t n = quick ? 1 << 18 : 1 << 20;
    Random random(1);
    Case c;
    c.file = "saxpy";
    c.size = text("%zu Ki elements", n >> 10);
    c.buffers = {input(random.floats(n, -1, 1)), in_out(random.floats(n, -1, 1), near(1e-5, 1e-6))};
    c.launches = {
        {"saxpy", {u32(n), value(2.5f), BufferIndex{0}, BufferIndex{1}}, dims({n}), dims({256})}};
    c.native = [n](Pool &pool, Pointers b) {
        pool.run(n, 1 << 15, [&](size_t begin, size_t end) {
            native::saxpy(begin, end, 2.5f, as<float>(b, 0), as<float>(b, 1));
        });
    };
    return c;
}

Case sgemm(bool quick, const char *kernel, decltype(native::sgemm_rows) *function) {
    const size_t n = quick ? 128 : 256;
    Random random(2);
    Case c;
    c.file = "sgemm";
    c.size = text("%zu x %zu x %zu", n, n, n);
    c.buffers = {input(random.floats(n * n, -1, 1)), input(random.floats(n * n, -1, 1)),
                 output(n * n, near(1e-4, 1e-4))};
    c.launches = {{kernel,
                   {u32(n), u32(n), u32(n), value(1.0f), BufferIndex{0}, BufferIndex{1},
                    value(0.0f), BufferIndex{2}},
                   dims({n, n}),
                   dims({16, 16})}};
    c.native = [n, function](Pool &pool, Pointers b) {
        pool.run(n, 8, [&](size_t begin, size_t end) {
            function(begin, end, n, n, as<float>(b, 0), as<float>(b, 1), as<float>(b, 2));
        });
    };
    return c;
}

Case sgemm_naive(bool quick) {
    return sgemm(quick, "sgemm_naive", native::sgemm_rows);
}

Case sgemm_tiled(bool quick) {
    return sgemm(quick, "sgemm_tiled", native::sgemm_blocked);
}

Case mandelbrot(bool quick) {
    const size_t width = quick ? 256 : 512, height = width;
    const uint32_t limit = 256;
    const float scale = 3.0f / static_cast<float>(width);
    Case c;
    c.file = "mandelbrot";
    c.size = text("%zu x %zu, 256 steps", width, height);
    // A compiler may or may not fuse x^2 - y^2 + c: points on the edge fall to either side.
    c.buffers = {output(width * height, {Element::u32, 0, 1, 0.02})};
    c.launches = {{"mandelbrot",
                   {u32(width), u32(height), value(-0.5f), value(0.0f), value(scale), u32(limit),
                    BufferIndex{0}},
                   dims({width, height}),
                   dims({32, 8})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(height, 8, [&](size_t begin, size_t end) {
            native::mandelbrot(begin, end, width, height, -0.5f, 0.0f, scale, limit,
                               as<uint32_t>(b, 0));
        });
    };
    return c;
}

Case reduction(bool quick) {
    const size_t n = quick ? 1 << 18 : 1 << 20, local = 256, groups = 64;
    Random random(4);
    Case c;
    c.file = "reduction";
    c.size = text("%zu Ki elements", n >> 10);
    c.buffers = {input(random.floats(n, 0, 1)), output(groups, near(1e-4))};
    c.launches = {{"reduce_sum",
                   {u32(n), BufferIndex{0}, BufferIndex{1}, LocalBytes{local * 4}},
                   dims({groups * local}),
                   dims({local})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(groups, 4, [&](size_t begin, size_t end) {
            native::reduce_sum(begin, end, groups, local, n, as<float>(b, 0), as<float>(b, 1));
        });
    };
    return c;
}

Case nbody(bool quick) {
    const size_t n = quick ? 512 : 2048;
    const float dt = 0.01f, softening = 0.01f;
    Random random(5);
    Case c;
    c.file = "nbody";
    c.size = text("%zu bodies", n);
    c.buffers = {input(random.floats(n * 4, 0.1f, 1)), output(n * 4, near(1e-3, 1e-3)),
                 in_out(std::vector<float>(n * 4), near(2e-3, 1e-2))};
    c.launches = {
        {"nbody",
         {u32(n), value(dt), value(softening), BufferIndex{0}, BufferIndex{1}, BufferIndex{2}},
         dims({n}),
         dims({128})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(n, 64, [&](size_t begin, size_t end) {
            native::nbody(begin, end, n, dt, softening, as<float>(b, 0), as<float>(b, 1),
                          as<float>(b, 2));
        });
    };
    return c;
}

std::vector<uint8_t> random_bytes(size_t count, uint64_t seed) {
    Random random(seed);
    std::vector<uint8_t> data(count);
    for (uint8_t &byte : data)
        byte = static_cast<uint8_t>(random.next());
    return data;
}

Case int8_dot(bool quick) {
    const size_t n = quick ? 128 : 256, k = 512;
    Case c;
    c.file = "int8_dot";
    c.size = text("%zu x %zu x %zu", n, n, k);
    c.buffers = {input(random_bytes(n * k, 6)), input(random_bytes(n * k, 7)), output(n * n, {})};
    c.launches = {{"int8_dot",
                   {u32(n), u32(n), u32(k), BufferIndex{0}, BufferIndex{1}, BufferIndex{2}},
                   dims({n, n}),
                   dims({16, 16})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(n, 8, [&](size_t begin, size_t end) {
            native::int8_dot(begin, end, n, k, as<int8_t>(b, 0), as<int8_t>(b, 1),
                             as<int32_t>(b, 2));
        });
    };
    return c;
}

Case sha256(bool quick) {
    const size_t count = quick ? 2048 : 8192, length = 119; // fills two blocks to the last byte
    Case c;
    c.file = "sha256";
    c.size = text("%zu messages of %zu bytes", count, length);
    c.buffers = {input(random_bytes(count * length, 8)), output(count * 8, {})};
    c.launches = {{"sha256",
                   {u32(count), u32(length), BufferIndex{0}, BufferIndex{1}},
                   dims({count}),
                   dims({128})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(count, 256, [&](size_t begin, size_t end) {
            native::sha256(begin, end, count, length, as<uint8_t>(b, 0), as<uint32_t>(b, 1));
        });
    };
    return c;
}

Case black_scholes(bool quick) {
    const size_t n = quick ? 1 << 15 : 1 << 17;
    const float rate = 0.02f, volatility = 0.3f;
    Random random(9);
    Case c;
    c.file = "black_scholes";
    c.size = text("%zu Ki options", n >> 10);
    c.buffers = {input(random.floats(n, 5, 30)), input(random.floats(n, 1, 100)),
                 input(random.floats(n, 0.25f, 10)), output(n, near(1e-4, 1e-4)),
                 output(n, near(1e-4, 1e-4))};
    c.launches = {{"black_scholes",
                   {u32(n), value(rate), value(volatility), BufferIndex{0}, BufferIndex{1},
                    BufferIndex{2}, BufferIndex{3}, BufferIndex{4}},
                   dims({n}),
                   dims({256})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(n, 1 << 12, [&](size_t begin, size_t end) {
            native::black_scholes(begin, end, rate, volatility, as<float>(b, 0), as<float>(b, 1),
                                  as<float>(b, 2), as<float>(b, 3), as<float>(b, 4));
        });
    };
    return c;
}

Case fft(bool quick) {
    const size_t blocks = quick ? 256 : 1024;
    Random random(10);
    Case c;
    c.file = "fft";
    c.size = text("%zu x 256 complex", blocks);
    c.buffers = {input(random.floats(blocks * 512, -1, 1)), output(blocks * 512, near(1e-3, 1e-3))};
    c.launches = {{"fft256", {BufferIndex{0}, BufferIndex{1}}, dims({blocks * 128}), dims({128})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(blocks, 32, [&](size_t begin, size_t end) {
            native::fft256(begin, end, as<float>(b, 0), as<float>(b, 1));
        });
    };
    return c;
}

// Digits of eight bits on the host: fewer passes, and its 256 counters stay in the cache.
void sort_on_host(Pool &pool, uint32_t *keys, uint32_t *other, size_t n) {
    const size_t pieces = pool.threads() == 1 ? 1 : size_t{pool.threads()} * 2;
    std::vector<uint32_t> counts(pieces * 256);
    const auto each_piece = [&](const auto &work) {
        pool.run(pieces, 1, [&](size_t first, size_t last) {
            for (size_t piece = first; piece < last; ++piece)
                work(n * piece / pieces, n * (piece + 1) / pieces, &counts[piece * 256]);
        });
    };
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        std::fill(counts.begin(), counts.end(), 0);
        each_piece([&](size_t begin, size_t end, uint32_t *own) {
            native::radix_count(begin, end, shift, keys, own);
        });
        uint32_t start = 0;
        for (size_t digit = 0; digit < 256; ++digit)
            for (size_t piece = 0; piece < pieces; ++piece)
                start += std::exchange(counts[piece * 256 + digit], start);
        each_piece([&](size_t begin, size_t end, uint32_t *own) {
            native::radix_move(begin, end, shift, keys, own, other);
        });
        std::swap(keys, other);
    }
}

Case radix_sort(bool quick) {
    const size_t n = quick ? 1 << 16 : 1 << 18, items = n / 32, local = 128;
    Random random(11);
    std::vector<uint32_t> keys(n);
    for (uint32_t &key : keys)
        key = random.next();
    Case c;
    c.file = "radix_sort_digits";
    c.size = text("%zu Ki keys", n >> 10);
    c.buffers = {in_out(keys, {}), scratch(n * 4), scratch(items * 16 * 4)};
    for (uint32_t shift = 0; shift < 32; shift += 4) {
        const BufferIndex from{shift % 8 ? 1u : 0u}, to{shift % 8 ? 0u : 1u}, counts{2};
        c.launches.push_back(
            {"radix_count", {u32(n), u32(shift), from, counts}, dims({items}), dims({local})});
        c.launches.push_back({"radix_starts", {u32(items * 16), counts}, dims({256}), dims({256})});
        c.launches.push_back({"radix_move",
                              {u32(n), u32(shift), from, counts, to, LocalBytes{local * 64}},
                              dims({items}),
                              dims({local})});
    }
    c.native = [n](Pool &pool, Pointers b) {
        sort_on_host(pool, as<uint32_t>(b, 0), as<uint32_t>(b, 1), n);
    };
    return c;
}

Case spmv(bool quick) {
    const size_t rows = quick ? 1 << 13 : 1 << 15;
    Random random(12);
    std::vector<uint32_t> row_start{0}, column;
    for (size_t row = 0; row < rows; ++row) {
        for (uint32_t left = 8 + random.below(17); left; --left)
            column.push_back(random.below(static_cast<uint32_t>(rows)));
        row_start.push_back(static_cast<uint32_t>(column.size()));
    }
    Case c;
    c.file = "spmv";
    c.size = text("%zu Ki rows, 8 to 24 in each", rows >> 10);
    c.buffers = {input(row_start), input(column), input(random.floats(column.size(), -1, 1)),
                 input(random.floats(rows, -1, 1)), output(rows, near(1e-4, 1e-4))};
    c.launches = {{"spmv",
                   {u32(rows), BufferIndex{0}, BufferIndex{1}, BufferIndex{2}, BufferIndex{3},
                    BufferIndex{4}},
                   dims({rows}),
                   dims({128})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(rows, 1 << 10, [&](size_t begin, size_t end) {
            native::spmv(begin, end, as<uint32_t>(b, 0), as<uint32_t>(b, 1), as<float>(b, 2),
                         as<float>(b, 3), as<float>(b, 4));
        });
    };
    return c;
}

Case histogram(bool quick) {
    const size_t n = quick ? 1 << 18 : 1 << 20;
    Case c;
    c.file = "histogram";
    c.size = text("%zu Ki bytes", n >> 10);
    c.buffers = {input(random_bytes(n, 13)), output(256, {})};
    c.launches = {{"histogram_local",
                   {u32(n), BufferIndex{0}, BufferIndex{1}},
                   dims({64 * 256}),
                   dims({256})}};
    c.native = [=](Pool &pool, Pointers b) {
        std::mutex mutex;
        pool.run(n, 1 << 16, [&](size_t begin, size_t end) {
            uint32_t counts[256] = {};
            native::histogram(begin, end, as<uint8_t>(b, 0), counts);
            std::lock_guard lock(mutex);
            for (size_t bin = 0; bin < 256; ++bin)
                as<uint32_t>(b, 1)[bin] += counts[bin];
        });
    };
    return c;
}

Case stencil(bool quick) {
    const size_t nx = 128, ny = 128, nz = quick ? 16 : 64;
    Random random(14);
    Case c;
    c.file = "stencil";
    c.size = text("%zu x %zu x %zu", nx, ny, nz);
    c.buffers = {input(random.floats(nx * ny * nz, -1, 1)), output(nx * ny * nz, near(1e-5, 1e-5))};
    c.launches = {{"stencil7",
                   {u32(nx), u32(ny), u32(nz), value(0.1f), BufferIndex{0}, BufferIndex{1}},
                   dims({nx, ny, nz}),
                   dims({64, 4, 1})}};
    c.native = [=](Pool &pool, Pointers b) {
        pool.run(nz, 4, [&](size_t begin, size_t end) {
            native::stencil7(begin, end, nx, ny, nz, 0.1f, as<float>(b, 0), as<float>(b, 1));
        });
    };
    return c;
}

constexpr CaseMaker makers[] = {
    {"saxpy", saxpy},
    {"sgemm-naive", sgemm_naive},
    {"sgemm-tiled", sgemm_tiled},
    {"mandelbrot", mandelbrot},
    {"reduction", reduction},
    {"nbody", nbody},
    {"int8-dot", int8_dot},
    {"sha256", sha256},
    {"black-scholes", black_scholes},
    {"fft", fft},
    {"radix-sort", radix_sort},
    {"spmv", spmv},
    {"histogram", histogram},
    {"stencil", stencil},
};

template <typename Type>
std::vector<Type> elements(std::span<const std::byte> bytes) {
    std::vector<Type> list(bytes.size() / sizeof(Type));
    std::memcpy(list.data(), bytes.data(), list.size() * sizeof(Type));
    return list;
}

template <typename Type>
std::string compare(const Tolerance &tolerance, const std::vector<Type> &got,
                    const std::vector<Type> &expected) {
    size_t stray = 0;
    std::string first;
    for (size_t i = 0; i < expected.size(); ++i) {
        const auto is = static_cast<double>(got[i]), wanted = static_cast<double>(expected[i]);
        // Not a number is not near anything.
        if (std::fabs(is - wanted) <= tolerance.absolute + tolerance.relative * std::fabs(wanted))
            continue;
        if (stray++ == 0)
            first = text("element %zu is %.9g, not %.9g", i, is, wanted);
    }
    if (static_cast<double>(stray) <= tolerance.stray * static_cast<double>(expected.size()))
        return {};
    return first + text(" (%zu of %zu differ)", stray, expected.size());
}

} // namespace

std::span<const CaseMaker> case_makers() {
    return makers;
}

std::string difference(const Tolerance &tolerance, std::span<const std::byte> got,
                       std::span<const std::byte> expected) {
    if (got.size() != expected.size())
        return "another size";
    if (tolerance.element == Element::f32)
        return compare(tolerance, elements<float>(got), elements<float>(expected));
    return compare(tolerance, elements<uint32_t>(got), elements<uint32_t>(expected));
}

} // namespace brgpu::bench
