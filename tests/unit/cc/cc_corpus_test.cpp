// SPDX-License-Identifier: MIT
//
// The kernels of tests/kernels against the host: each result is computed a second time in C++.
#include "card.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <filesystem>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace brgpu::cc::test {
namespace {

class Random {
  public:
    float uniform(float low, float high) {
        return std::uniform_real_distribution<float>(low, high)(engine_);
    }
    uint32_t integer(uint32_t below) {
        return std::uniform_int_distribution<uint32_t>(0, below - 1)(engine_);
    }
    std::vector<float> floats(size_t count, float low = -1.0f, float high = 1.0f) {
        std::vector<float> values(count);
        for (float &value : values)
            value = uniform(low, high);
        return values;
    }

  private:
    std::mt19937 engine_{12345};
};

TEST(CorpusTest, Saxpy) {
    Card card(compile_file(corpus("saxpy.cl")));
    Random random;
    const uint32_t n = 1000;
    const auto x = random.floats(n);
    const auto y = random.floats(n);
    const uint64_t result = card.upload(y);
    card.arg(n).arg(2.5f).arg(card.upload(x)).arg(result).run("saxpy", 1024, 64);
    const auto got = card.download<float>(result, n);
    for (uint32_t i = 0; i < n; i++)
        EXPECT_EQ(got[i], std::fma(2.5f, x[i], y[i]));
}

void check_sgemm(const std::string &name) {
    Card card(compile_file(corpus("sgemm.cl")));
    Random random;
    const uint32_t m = 37, n = 45, k = 50;
    const auto a = random.floats(m * k);
    const auto b = random.floats(k * n);
    const auto c = random.floats(m * n);
    const uint64_t result = card.upload(c);
    card.arg(m)
        .arg(n)
        .arg(k)
        .arg(1.5f)
        .arg(card.upload(a))
        .arg(card.upload(b))
        .arg(0.5f)
        .arg(result);
    card.run(name, {{48, 48, 1}, {16, 16, 1}, {0, 0, 0}, 2});
    const auto got = card.download<float>(result, m * n);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            double sum = 0;
            for (uint32_t l = 0; l < k; l++)
                sum += double{a[i * k + l]} * b[l * n + j];
            EXPECT_NEAR(got[i * n + j], 1.5 * sum + 0.5 * c[i * n + j], 1e-4);
        }
}

TEST(CorpusTest, SgemmNaive) {
    check_sgemm("sgemm_naive");
}
TEST(CorpusTest, SgemmTiled) {
    check_sgemm("sgemm_tiled");
}

TEST(CorpusTest, Mandelbrot) {
    Card card(compile_file(corpus("mandelbrot.cl")));
    const uint32_t width = 60, height = 40, limit = 100;
    const float scale = 3.0f / 60;
    const uint64_t result = card.allocate(width * height * 4);
    card.arg(width).arg(height).arg(-0.5f).arg(0.0f).arg(scale).arg(limit).arg(result);
    card.run("mandelbrot", {{64, 48, 1}, {16, 4, 1}, {0, 0, 0}, 2});
    const auto got = card.download<uint32_t>(result, width * height);
    size_t inside = 0;
    for (uint32_t py = 0; py < height; py++)
        for (uint32_t px = 0; px < width; px++) {
            const float cx = std::fma(float(px) - 30.0f, scale, -0.5f);
            const float cy = std::fma(float(py) - 20.0f, scale, 0.0f);
            float x = 0, y = 0, x2 = 0, y2 = 0;
            uint32_t steps = 0;
            while (steps < limit && x2 + y2 <= 4.0f) {
                y = std::fma(2.0f * x, y, cy);
                x = x2 - y2 + cx;
                x2 = x * x;
                y2 = y * y;
                steps++;
            }
            // Contraction may move points near the edge by a step.
            EXPECT_LE(std::abs(int(got[py * width + px]) - int(steps)), steps > 30 ? 100 : 1);
            inside += got[py * width + px] == limit;
        }
    EXPECT_GT(inside, 200u);
    const uint64_t picture = card.allocate(width * height * 4);
    card.arg(width).arg(height).arg(-0.5f).arg(0.0f).arg(scale).arg(limit).arg(picture);
    card.run("mandelbrot_rgba", {{64, 48, 1}, {16, 4, 1}, {0, 0, 0}, 2});
    const auto pixels = card.download<uint32_t>(picture, width * height);
    for (uint32_t i = 0; i < width * height; i++)
        if (got[i] == limit)
            EXPECT_EQ(pixels[i], 0xff000000u);
        else
            EXPECT_EQ(pixels[i] >> 24, 0xffu);
}

TEST(CorpusTest, Reductions) {
    Card card(compile_file(corpus("reduction.cl")));
    Random random;
    const uint32_t n = 5000;
    const auto x = random.floats(n);
    const uint64_t partial = card.allocate(16);
    card.arg(n).arg(card.upload(x)).arg(partial).local_arg(128 * 4).run("reduce_sum", 512, 128);
    const auto parts = card.download<float>(partial, 4);
    EXPECT_NEAR(std::accumulate(parts.begin(), parts.end(), 0.0),
                std::accumulate(x.begin(), x.end(), 0.0), 1e-3);
    std::vector<int> numbers(n);
    for (int &number : numbers)
        number = int(random.integer(1000000)) - 500000;
    const uint64_t input = card.upload(numbers);
    // 96 of 100 work-items fill whole warps: the last one is partial.
    card.arg(n).arg(input).arg(partial).run("reduce_sum_int", 400, 100);
    const auto sums = card.download<int>(partial, 4);
    EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), 0),
              std::accumulate(numbers.begin(), numbers.end(), 0));
    const uint64_t largest = card.upload(std::vector<int>{INT32_MIN});
    card.arg(n).arg(input).arg(largest).run("reduce_max_subgroup", 400, 100);
    EXPECT_EQ(card.download<int>(largest, 1)[0], *std::max_element(numbers.begin(), numbers.end()));
}

TEST(CorpusTest, Filters) {
    Card card(compile_file(corpus("filter.cl")));
    const uint32_t width = 37, height = 21;
    Random random;
    std::vector<uint8_t> picture(width * height * 4);
    for (uint8_t &byte : picture)
        byte = static_cast<uint8_t>(random.integer(256));
    const auto at = [&](const std::vector<uint8_t> &p, int x, int y, int channel) {
        x = std::clamp(x, 0, int(width) - 1);
        y = std::clamp(y, 0, int(height) - 1);
        return p[(size_t(y) * width + size_t(x)) * 4 + size_t(channel)];
    };
    std::vector<uint8_t> blur = picture;
    const double weights[5] = {1. / 16, 4. / 16, 6. / 16, 4. / 16, 1. / 16};
    for (int y = 0; y < int(height); y++)
        for (int x = 0; x < int(width); x++)
            for (int c = 0; c < 3; c++) {
                double sum = 0;
                for (int j = 0; j < 5; j++)
                    for (int i = 0; i < 5; i++)
                        sum += weights[i] * weights[j] * at(picture, x + i - 2, y + j - 2, c);
                blur[(size_t(y) * width + size_t(x)) * 4 + size_t(c)] =
                    static_cast<uint8_t>(std::nearbyint(sum));
            }
    const auto edges = [&](const std::vector<uint8_t> &p) {
        std::vector<uint8_t> result = p;
        const auto light = [&](int x, int y) {
            return 0.2126f * at(p, x, y, 0) + 0.7152f * at(p, x, y, 1) + 0.0722f * at(p, x, y, 2);
        };
        for (int y = 0; y < int(height); y++)
            for (int x = 0; x < int(width); x++) {
                const float dx = light(x + 1, y - 1) + 2 * light(x + 1, y) + light(x + 1, y + 1) -
                                 light(x - 1, y - 1) - 2 * light(x - 1, y) - light(x - 1, y + 1);
                const float dy = light(x - 1, y + 1) + 2 * light(x, y + 1) + light(x + 1, y + 1) -
                                 light(x - 1, y - 1) - 2 * light(x, y - 1) - light(x + 1, y - 1);
                const float value = std::min(255.0f, std::nearbyint(std::sqrt(dx * dx + dy * dy)));
                for (size_t c = 0; c < 3; c++)
                    result[(size_t(y) * width + size_t(x)) * 4 + c] = static_cast<uint8_t>(value);
            }
        return result;
    };
    const uint64_t in = card.upload(picture);
    const auto run = [&](const std::string &name) {
        const uint64_t out = card.allocate(picture.size());
        card.arg(width).arg(height).arg(in).arg(out);
        card.run(name, {{48, 32, 1}, {16, 16, 1}, {0, 0, 0}, 2});
        return card.download<uint8_t>(out, picture.size());
    };
    // Roundings at the half may fall either way; an edge of blurred pixels amplifies one by up
    // to 8.
    const auto differ = [](const std::vector<uint8_t> &a, const std::vector<uint8_t> &b) {
        int most = 0;
        for (size_t i = 0; i < a.size(); i++)
            most = std::max(most, std::abs(int(a[i]) - int(b[i])));
        return most;
    };
    EXPECT_LE(differ(run("gaussian_blur"), blur), 1);
    EXPECT_LE(differ(run("sobel"), edges(picture)), 1);
    const uint64_t gray = card.allocate(picture.size());
    card.arg(width * height).arg(in).arg(gray).run("grayscale", 800, 32);
    const auto grays = card.download<uint8_t>(gray, picture.size());
    EXPECT_EQ(grays[0], grays[1]);
    EXPECT_EQ(grays[3], picture[3]);
    auto both = run("blur_sobel");
    auto expected = edges(blur);
    EXPECT_LE(differ(both, expected), 8);
}

TEST(CorpusTest, Histograms) {
    Card card(compile_file(corpus("histogram.cl")));
    Random random;
    std::vector<uint8_t> data(6000);
    std::vector<uint32_t> expected(256);
    for (uint8_t &byte : data) {
        byte = static_cast<uint8_t>(random.integer(16) * random.integer(16));
        expected[byte]++;
    }
    for (const char *name : {"histogram_global", "histogram_local"}) {
        const uint64_t bins = card.upload(std::vector<uint32_t>(256));
        card.arg(uint32_t(data.size())).arg(card.upload(data)).arg(bins).run(name, 512, 128);
        EXPECT_EQ(card.download<uint32_t>(bins, 256), expected) << name;
    }
}

TEST(CorpusTest, Scans) {
    Card card(compile_file(corpus("scan.cl")));
    Random random;
    const uint32_t n = 1000, group = 100;
    std::vector<uint32_t> in(n);
    for (uint32_t &value : in)
        value = random.integer(1000);
    std::vector<uint32_t> expected(n);
    std::exclusive_scan(in.begin(), in.end(), expected.begin(), 0u);
    const uint64_t input = card.upload(in);
    const uint64_t out = card.allocate(n * 4);
    const uint64_t sums = card.allocate(40);
    card.arg(n).arg(input).arg(out).arg(sums).local_arg(group * 8).run("scan_blocks", n, group);
    auto blocks = card.download<uint32_t>(sums, 10);
    std::exclusive_scan(blocks.begin(), blocks.end(), blocks.begin(), 0u);
    card.arg(n).arg(out).arg(card.upload(blocks)).run("scan_add", n, group);
    EXPECT_EQ(card.download<uint32_t>(out, n), expected);
    card.arg(n).arg(input).arg(out).run("scan_workgroup", n, group);
    const auto inclusive = card.download<uint32_t>(out, n);
    for (uint32_t i = 0; i < n; i++)
        EXPECT_EQ(inclusive[i], expected[i] - expected[i / group * group] + in[i]);
}

TEST(CorpusTest, Sha256) {
    Card card(compile_file(corpus("sha256.cl")));
    const std::string abc = "abc";
    const uint64_t digest = card.allocate(32 * 32);
    card.arg(1u).arg(3u).arg(card.upload(std::vector<char>(abc.begin(), abc.end()))).arg(digest);
    card.run("sha256", 32);
    EXPECT_EQ(card.download<uint32_t>(digest, 8),
              (std::vector<uint32_t>{0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3,
                                     0x96177a9c, 0xb410ff61, 0xf20015ad}));
    const std::string two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    card.arg(1u).arg(56u).arg(card.upload(std::vector<char>(two.begin(), two.end()))).arg(digest);
    card.run("sha256", 32);
    EXPECT_EQ(card.download<uint32_t>(digest, 2), (std::vector<uint32_t>{0x248d6a61, 0xd20638b8}));
}

TEST(CorpusTest, Nbody) {
    Card card(compile_file(corpus("nbody.cl")));
    Random random;
    const uint32_t n = 100;
    const auto bodies = random.floats(n * 4, 0.1f, 1.0f);
    const std::vector<float> still(n * 4);
    std::vector<std::vector<float>> results;
    for (const char *name : {"nbody", "nbody_local"}) {
        const uint64_t out = card.allocate(n * 16);
        const uint64_t velocity = card.upload(still);
        card.arg(n).arg(0.01f).arg(0.1f).arg(card.upload(bodies)).arg(out).arg(velocity);
        if (std::string(name) == "nbody_local")
            card.local_arg(64 * 16);
        card.run(name, 128, 64);
        results.push_back(card.download<float>(velocity, n * 4));
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t axis = 0; axis < 3; axis++) {
            double force = 0;
            for (uint32_t j = 0; j < n; j++) {
                double distance = 0.1f;
                for (uint32_t d = 0; d < 3; d++)
                    distance += std::pow(double{bodies[j * 4 + d]} - bodies[i * 4 + d], 2);
                force += (double{bodies[j * 4 + axis]} - bodies[i * 4 + axis]) * bodies[j * 4 + 3] /
                         (distance * std::sqrt(distance));
            }
            EXPECT_NEAR(results[0][i * 4 + axis], 0.01 * force, 1e-3);
            EXPECT_NEAR(results[1][i * 4 + axis], 0.01 * force, 1e-3);
        }
}

TEST(CorpusTest, Int8Dot) {
    Card card(compile_file(corpus("int8_dot.cl")));
    Random random;
    const uint32_t m = 10, n = 12, k = 40;
    std::vector<int8_t> a(m * k), b(n * k);
    for (int8_t &value : a)
        value = static_cast<int8_t>(random.integer(256));
    for (int8_t &value : b)
        value = static_cast<int8_t>(random.integer(256));
    const uint64_t c = card.allocate(m * n * 4);
    card.arg(m).arg(n).arg(k).arg(card.upload(a)).arg(card.upload(b)).arg(c);
    card.run("int8_dot", {{16, 16, 1}, {8, 8, 1}, {0, 0, 0}, 2});
    const auto got = card.download<int>(c, m * n);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            int sum = 0;
            for (uint32_t l = 0; l < k; l++)
                sum += a[i * k + l] * b[j * k + l];
            EXPECT_EQ(got[i * n + j], sum);
        }
}

TEST(CorpusTest, Fft) {
    Card card(compile_file(corpus("fft.cl")));
    Random random;
    const auto in = random.floats(512);
    const uint64_t out = card.allocate(512 * 4);
    card.arg(card.upload(in)).arg(out).run("fft256", 128, 128);
    const auto got = card.download<float>(out, 512);
    for (size_t k = 0; k < 256; k++) {
        std::complex<double> sum;
        for (size_t i = 0; i < 256; i++)
            sum += std::complex<double>(in[2 * i], in[2 * i + 1]) *
                   std::polar(1.0, -2 * M_PI * double(i * k) / 256);
        EXPECT_NEAR(got[2 * k], sum.real(), 1e-3);
        EXPECT_NEAR(got[2 * k + 1], sum.imag(), 1e-3);
    }
}

TEST(CorpusTest, RadixSort) {
    Card card(compile_file(corpus("radix_sort.cl")));
    Random random;
    std::vector<uint32_t> in(512);
    for (uint32_t &value : in)
        value = random.integer(UINT32_MAX);
    const uint64_t out = card.allocate(in.size() * 4);
    card.arg(card.upload(in)).arg(out).run("radix_sort256", 512, 256);
    std::sort(in.begin(), in.begin() + 256);
    std::sort(in.begin() + 256, in.end());
    EXPECT_EQ(card.download<uint32_t>(out, in.size()), in);
}

TEST(CorpusTest, RadixSortByDigits) {
    Card card(compile_file(corpus("radix_sort_digits.cl")));
    Random random;
    const uint32_t n = 4096, items = 256, local = 64;
    std::vector<uint32_t> in(n);
    for (uint32_t &value : in)
        value = random.integer(UINT32_MAX);
    const uint64_t a = card.upload(in), b = card.allocate(n * 4),
                   counts = card.allocate(items * 16 * 4);
    for (uint32_t shift = 0; shift < 32; shift += 4) {
        const uint64_t from = shift % 8 ? b : a, to = shift % 8 ? a : b;
        card.arg(n).arg(shift).arg(from).arg(counts).run("radix_count", items, local);
        card.arg(items * 16).arg(counts).run("radix_starts", 256, 256);
        card.arg(n).arg(shift).arg(from).arg(counts).arg(to).local_arg(local * 64);
        card.run("radix_move", items, local);
    }
    std::sort(in.begin(), in.end());
    EXPECT_EQ(card.download<uint32_t>(a, n), in);
}

TEST(CorpusTest, TensorGemm) {
    Card card(compile_file(corpus("tensor_gemm.cl")));
    Random random;
    const uint32_t m = 70, n = 90, k = 50;
    const auto a = random.floats(m * k);
    const auto b = random.floats(k * n);
    std::vector<uint16_t> a16(a.size()), b16(b.size());
    std::vector<int8_t> a8(a.size()), b8(b.size());
    for (size_t i = 0; i < a.size(); i++) {
        a16[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(a[i]) >> 16);
        a8[i] = static_cast<int8_t>(a[i] * 127);
    }
    for (size_t i = 0; i < b.size(); i++) {
        b16[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(b[i]) >> 16);
        b8[i] = static_cast<int8_t>(b[i] * 127);
    }
    const auto widen = [](uint16_t value) { return std::bit_cast<float>(uint32_t{value} << 16); };
    const uint64_t c = card.allocate(m * n * 4);
    const Launch launch = {{64, 2, 1}, {32, 1, 1}, {0, 0, 0}, 2};
    card.arg(m).arg(n).arg(k).arg(card.upload(a)).arg(card.upload(b)).arg(c);
    card.run("tensor_gemm_f32", launch);
    const auto f32 = card.download<float>(c, m * n);
    card.arg(m).arg(n).arg(k).arg(card.upload(a16)).arg(card.upload(b16)).arg(c);
    card.run("tensor_gemm_bf16", launch);
    const auto bf16 = card.download<float>(c, m * n);
    card.arg(m).arg(n).arg(k).arg(card.upload(a8)).arg(card.upload(b8)).arg(c);
    card.run("tensor_gemm_i8", launch);
    const auto i8 = card.download<int>(c, m * n);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            double sum = 0, sum16 = 0;
            int sum8 = 0;
            for (uint32_t l = 0; l < k; l++) {
                sum += double{a[i * k + l]} * b[l * n + j];
                sum16 += double{widen(a16[i * k + l])} * widen(b16[l * n + j]);
                sum8 += a8[i * k + l] * b8[l * n + j];
            }
            EXPECT_NEAR(f32[i * n + j], sum, 1e-4);
            EXPECT_NEAR(bf16[i * n + j], sum16, 1e-4);
            EXPECT_EQ(i8[i * n + j], sum8);
        }
}

TEST(CorpusTest, TransposesAndStencil) {
    Card card(compile_file(corpus("transpose.cl")));
    Random random;
    const uint32_t width = 33, height = 50;
    const auto in = random.floats(width * height);
    for (const char *name : {"transpose_naive", "transpose_tiled"}) {
        const uint64_t out = card.allocate(in.size() * 4);
        card.arg(width).arg(height).arg(card.upload(in)).arg(out);
        card.run(name, {{48, 64, 1}, {16, 16, 1}, {0, 0, 0}, 2});
        const auto got = card.download<float>(out, in.size());
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++)
                ASSERT_EQ(got[x * height + y], in[y * width + x]) << name;
    }
    Card heat(compile_file(corpus("stencil.cl")));
    const uint32_t nx = 10, ny = 9, nz = 8;
    const auto volume = random.floats(nx * ny * nz);
    const uint64_t out = heat.allocate(volume.size() * 4);
    heat.arg(nx).arg(ny).arg(nz).arg(0.1f).arg(heat.upload(volume)).arg(out);
    heat.run("stencil7", {{12, 12, 8}, {4, 4, 4}, {0, 0, 0}, 3});
    const auto got = heat.download<float>(out, volume.size());
    const size_t i = 3 * ny * nx + 4 * nx + 5;
    const double sum = double{volume[i - 1]} + volume[i + 1] + volume[i - nx] + volume[i + nx] +
                       volume[i - nx * ny] + volume[i + nx * ny] - 6.0 * volume[i];
    EXPECT_NEAR(got[i], volume[i] + 0.1 * sum, 1e-5);
    EXPECT_EQ(got[0], volume[0]);
}

TEST(CorpusTest, CollatzDiverges) {
    Card card(compile_file(corpus("collatz.cl")));
    const uint64_t out = card.allocate(400);
    card.arg(100u).arg(uint64_t{1}).arg(out).run("collatz", 128, 64);
    const auto got = card.download<uint32_t>(out, 100);
    for (uint64_t i = 0; i < 100; i++) {
        uint32_t steps = 0;
        for (uint64_t value = i + 1; value != 1; steps++)
            value = value % 2 == 0 ? value / 2 : 3 * value + 1;
        EXPECT_EQ(got[i], steps);
    }
}

TEST(CorpusTest, SparseAndOptions) {
    Card card(compile_file(corpus("spmv.cl")));
    Random random;
    const uint32_t rows = 40;
    std::vector<uint32_t> start = {0}, column;
    std::vector<float> value;
    const auto x = random.floats(64);
    std::vector<double> expected(rows);
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t i = random.integer(70); i > 0; i--) {
            column.push_back(random.integer(64));
            value.push_back(random.uniform(-1, 1));
            expected[row] += double{value.back()} * x[column.back()];
        }
        start.push_back(static_cast<uint32_t>(column.size()));
    }
    const uint64_t y = card.allocate(rows * 4);
    for (const bool by_warp : {false, true}) {
        card.arg(rows).arg(card.upload(start)).arg(card.upload(column)).arg(card.upload(value));
        card.arg(card.upload(x)).arg(y);
        card.run(by_warp ? "spmv_warp" : "spmv", by_warp ? rows * 32 : 64, 64);
        const auto got = card.download<float>(y, rows);
        for (uint32_t row = 0; row < rows; row++)
            EXPECT_NEAR(got[row], expected[row], 1e-4);
    }
    Card options(compile_file(corpus("black_scholes.cl")));
    const auto spot = random.floats(64, 10, 100);
    const auto strike = random.floats(64, 10, 100);
    const auto years = random.floats(64, 0.2f, 5);
    const uint64_t call = options.allocate(256), put = options.allocate(256);
    options.arg(64u).arg(0.03f).arg(0.3f).arg(options.upload(spot)).arg(options.upload(strike));
    options.arg(options.upload(years)).arg(call).arg(put).run("black_scholes", 64);
    const auto calls = options.download<float>(call, 64), puts = options.download<float>(put, 64);
    for (size_t i = 0; i < 64; i++) {
        const double spread = 0.3f * std::sqrt(years[i]);
        const double d1 =
            (std::log(double{spot[i]} / strike[i]) + (0.03 + 0.045) * years[i]) / spread;
        const double cdf = 0.5 * std::erfc(-d1 / M_SQRT2);
        const double cdf2 = 0.5 * std::erfc(-(d1 - spread) / M_SQRT2);
        EXPECT_NEAR(calls[i], spot[i] * cdf - strike[i] * std::exp(-0.03 * years[i]) * cdf2, 2e-3);
        // Put-call parity.
        EXPECT_NEAR(calls[i] - puts[i], spot[i] - strike[i] * std::exp(-0.03 * years[i]), 2e-3);
    }
}

TEST(CorpusTest, PlainC) {
    Card card(compile_file(corpus("plain_c.c")));
    const uint64_t y = card.upload(std::vector<float>(32, 1.0f));
    card.arg(32u)
        .arg(2.0f)
        .arg(card.upload(std::vector<float>(32, 3.0f)))
        .arg(y)
        .run("c_saxpy", 32);
    EXPECT_EQ(card.download<float>(y, 32), std::vector<float>(32, 7.0f));
    std::vector<int> in(128);
    std::iota(in.begin(), in.end(), 0);
    const uint64_t out = card.allocate(512);
    card.arg(card.upload(in)).arg(out).run("c_shared", 128, 64);
    const auto got = card.download<int>(out, 128);
    for (int i = 0; i < 128; i++)
        EXPECT_EQ(got[size_t(i)], i / 64 * 64 + 63 - i % 64);
    struct Point {
        float x;
        double y;
        char name[8];
    } point = {3.0f, 4.0, {'a', 10, 'c', 0, 0, 0, 0, 0}};
    const uint64_t doubles = card.allocate(256);
    card.arg(point).arg(doubles).arg(32u).run("c_struct", 32);
    const auto results = card.download<double>(doubles, 32);
    for (size_t i = 0; i < 32; i++)
        EXPECT_EQ(results[i], 15.0 + double(i));
}

// The table of tests/kernels/README.md names every kernel of every file, and no other.
TEST(CorpusTest, TableIsComplete) {
    const auto bytes = read_file(corpus("README.md"));
    const std::string table(bytes.begin(), bytes.end());
    size_t kernels = 0;
    for (const auto &entry : std::filesystem::directory_iterator(corpus(""))) {
        const std::string extension = entry.path().extension();
        if (extension != ".cl" && extension != ".c")
            continue;
        for (const CodeObjectKernel &found : compile_file(entry.path()).object.kernels) {
            const std::string row =
                "| `" + entry.path().filename().string() + "` | `" + found.info.name + "` |";
            EXPECT_NE(table.find(row), std::string::npos) << row;
            kernels++;
        }
    }
    size_t rows = 0;
    for (size_t at = table.find("\n| `"); at != std::string::npos; at = table.find("\n| `", at + 1))
        rows++;
    EXPECT_EQ(rows, kernels);
}

} // namespace
} // namespace brgpu::cc::test
