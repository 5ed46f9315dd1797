// SPDX-License-Identifier: MIT
#include "reference.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace brgpu::demo {

namespace {

uint8_t rounded(double value) {
    return static_cast<uint8_t>(std::nearbyint(std::clamp(value, 0.0, 255.0)));
}

const Pixel &at(const Picture &picture, int64_t x, int64_t y) {
    x = std::clamp<int64_t>(x, 0, picture.width - 1);
    y = std::clamp<int64_t>(y, 0, picture.height - 1);
    return picture.pixels[static_cast<size_t>(y) * picture.width + static_cast<size_t>(x)];
}

double luminance(const Pixel &pixel) {
    return 0.2126 * pixel[0] + 0.7152 * pixel[1] + 0.0722 * pixel[2];
}

// First 32 bits of the fractional parts of the square and cube roots of the first primes.
std::vector<unsigned> primes(unsigned count) {
    std::vector<unsigned> list;
    for (unsigned n = 2; list.size() < count; ++n)
        if (std::none_of(list.begin(), list.end(), [n](unsigned p) { return n % p == 0; }))
            list.push_back(n);
    return list;
}

uint32_t fraction_bits(long double value) {
    return static_cast<uint32_t>((value - std::floor(value)) * 4294967296.0L);
}

} // namespace

std::vector<float> matrix_product(uint32_t m, uint32_t n, uint32_t k, float alpha,
                                  const std::vector<float> &a, const std::vector<float> &b,
                                  float beta, const std::vector<float> &c) {
    std::vector<float> result(c.size());
    std::vector<double> row(n);
    for (uint32_t i = 0; i < m; ++i) {
        std::fill(row.begin(), row.end(), 0.0);
        for (uint32_t l = 0; l < k; ++l)
            for (uint32_t j = 0; j < n; ++j)
                row[j] += static_cast<double>(a[size_t{i} * k + l]) * b[size_t{l} * n + j];
        for (uint32_t j = 0; j < n; ++j)
            result[size_t{i} * n + j] = static_cast<float>(
                alpha * row[j] + static_cast<double>(beta) * c[size_t{i} * n + j]);
    }
    return result;
}

std::vector<uint32_t> mandelbrot_steps(uint32_t width, uint32_t height, float center_x,
                                       float center_y, float scale, uint32_t max_iterations) {
    std::vector<uint32_t> steps(size_t{width} * height);
    for (uint32_t py = 0; py < height; ++py)
        for (uint32_t px = 0; px < width; ++px) {
            const float cx = std::fma(static_cast<float>(px) - 0.5f * static_cast<float>(width),
                                      scale, center_x);
            const float cy = std::fma(static_cast<float>(py) - 0.5f * static_cast<float>(height),
                                      scale, center_y);
            float x = 0, y = 0;
            uint32_t n = 0;
            for (; n < max_iterations && x * x + y * y <= 4.0f; ++n) {
                const float next_y = std::fma(2.0f * x, y, cy);
                x = x * x - y * y + cx;
                y = next_y;
            }
            steps[size_t{py} * width + px] = n;
        }
    return steps;
}

void move_bodies(std::vector<Body> &bodies, std::vector<Body> &velocities, float dt,
                 float softening) {
    std::vector<Body> moved = bodies;
    for (size_t i = 0; i < bodies.size(); ++i) {
        double fx = 0, fy = 0, fz = 0;
        for (const Body &other : bodies) {
            const double dx = other.x - bodies[i].x, dy = other.y - bodies[i].y,
                         dz = other.z - bodies[i].z;
            const double inverse = 1.0 / std::sqrt(dx * dx + dy * dy + dz * dz + softening);
            const double pull = other.w * inverse * inverse * inverse;
            fx += dx * pull;
            fy += dy * pull;
            fz += dz * pull;
        }
        Body &v = velocities[i];
        v.x = static_cast<float>(v.x + fx * dt);
        v.y = static_cast<float>(v.y + fy * dt);
        v.z = static_cast<float>(v.z + fz * dt);
        moved[i].x += v.x * dt;
        moved[i].y += v.y * dt;
        moved[i].z += v.z * dt;
    }
    bodies = moved;
}

std::array<uint32_t, 8> sha256(std::span<const uint8_t> message) {
    std::array<uint32_t, 64> k;
    std::array<uint32_t, 8> h;
    const auto prime = primes(64);
    for (size_t i = 0; i < 64; ++i)
        k[i] = fraction_bits(std::cbrt(static_cast<long double>(prime[i])));
    for (size_t i = 0; i < 8; ++i)
        h[i] = fraction_bits(std::sqrt(static_cast<long double>(prime[i])));

    std::vector<uint8_t> padded(message.begin(), message.end());
    padded.push_back(0x80);
    while (padded.size() % 64 != 56)
        padded.push_back(0);
    const uint64_t bits = uint64_t{message.size()} * 8;
    for (int shift = 56; shift >= 0; shift -= 8)
        padded.push_back(static_cast<uint8_t>(bits >> shift));

    for (size_t block = 0; block < padded.size(); block += 64) {
        std::array<uint32_t, 64> w;
        for (size_t i = 0; i < 16; ++i)
            w[i] = static_cast<uint32_t>(padded[block + 4 * i]) << 24 |
                   static_cast<uint32_t>(padded[block + 4 * i + 1]) << 16 |
                   static_cast<uint32_t>(padded[block + 4 * i + 2]) << 8 |
                   padded[block + 4 * i + 3];
        for (size_t i = 16; i < 64; ++i)
            w[i] = w[i - 16] + w[i - 7] +
                   (std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3) +
                   (std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10);
        auto s = h;
        for (size_t i = 0; i < 64; ++i) {
            const uint32_t t1 = s[7] +
                                (std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25)) +
                                ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
            const uint32_t t2 = (std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22)) +
                                ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            std::rotate(s.begin(), s.end() - 1, s.end());
            s[4] += t1;
            s[0] = t1 + t2;
        }
        for (size_t i = 0; i < 8; ++i)
            h[i] += s[i];
    }
    return h;
}

Picture blurred(const Picture &picture) {
    static constexpr double weights[5] = {1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16};
    Picture result = picture;
    for (int64_t y = 0; y < picture.height; ++y)
        for (int64_t x = 0; x < picture.width; ++x) {
            double sum[3] = {};
            for (int j = 0; j < 5; ++j)
                for (int i = 0; i < 5; ++i)
                    for (unsigned c = 0; c < 3; ++c)
                        sum[c] += weights[j] * weights[i] * at(picture, x + i - 2, y + j - 2)[c];
            Pixel &pixel =
                result.pixels[static_cast<size_t>(y) * picture.width + static_cast<size_t>(x)];
            for (unsigned c = 0; c < 3; ++c)
                pixel[c] = rounded(sum[c]);
        }
    return result;
}

Picture edges(const Picture &picture) {
    Picture result = picture;
    for (int64_t y = 0; y < picture.height; ++y)
        for (int64_t x = 0; x < picture.width; ++x) {
            const auto l = [&](int i, int j) { return luminance(at(picture, x + i, y + j)); };
            const double dx =
                l(1, -1) + 2 * l(1, 0) + l(1, 1) - l(-1, -1) - 2 * l(-1, 0) - l(-1, 1);
            const double dy =
                l(-1, 1) + 2 * l(0, 1) + l(1, 1) - l(-1, -1) - 2 * l(0, -1) - l(1, -1);
            const uint8_t value = rounded(std::hypot(dx, dy));
            Pixel &pixel =
                result.pixels[static_cast<size_t>(y) * picture.width + static_cast<size_t>(x)];
            pixel = {value, value, value, pixel[3]};
        }
    return result;
}

} // namespace brgpu::demo
