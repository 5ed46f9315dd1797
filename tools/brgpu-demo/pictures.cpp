// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "bench.hpp"
#include "reference.hpp"

namespace brgpu::demo {

namespace {

// The device rounds sums of products in single precision, the reference in double: a pixel on the
// brink may differ by one.
std::string picture_difference(const Picture &got, const Picture &expected, int allowed) {
    for (size_t i = 0; i < expected.pixels.size(); ++i)
        for (unsigned c = 0; c < 4; ++c)
            if (std::abs(got.pixels[i][c] - expected.pixels[i][c]) > allowed)
                return fmt::format("pixel {}, {} channel {} is {}, not {}", i % expected.width,
                                   i / expected.width, c, got.pixels[i][c], expected.pixels[i][c]);
    return {};
}

Picture fetch(Bench &bench, const Buffer &buffer, uint32_t width, uint32_t height) {
    Picture picture{width, height, bench.get<Pixel>(buffer)};
    picture.pixels.resize(size_t{width} * height);
    return picture;
}

uint32_t up(uint32_t value) {
    return (value + 15) / 16 * 16;
}

void mandelbrot(Bench &bench, const std::string &out) {
    constexpr uint32_t width = 640, height = 480, most = 256;
    constexpr float center_x = -0.7436f, center_y = 0.1318f, scale = 0.00002f;
    const auto set = [&](const Kernel &kernel, const Buffer &result) {
        kernel.set(0, width);
        kernel.set(1, height);
        kernel.set(2, center_x);
        kernel.set(3, center_y);
        kernel.set(4, scale);
        kernel.set(5, most);
        kernel.set(6, result);
    };
    const std::string size = fmt::format("{} x {}", width, height);
    const auto steps = mandelbrot_steps(width, height, center_x, center_y, scale, most);
    bench.part("mandelbrot", size, [&](Result &result) {
        const Buffer output(bench.vm(), size_t{width} * height * 4);
        const Kernel kernel = bench.kernel("mandelbrot", "mandelbrot");
        set(kernel, output);
        result.device_ms = bench.run(kernel, grid({width, height}, {16, 16}));
        result.detail = demo::difference<uint32_t>(bench.get<uint32_t>(output), steps);
    });
    bench.part("mandelbrot_rgba", size, [&](Result &result) {
        const Buffer output(bench.vm(), size_t{width} * height * 4);
        const Kernel kernel = bench.kernel("mandelbrot", "mandelbrot_rgba");
        set(kernel, output);
        result.device_ms = bench.run(kernel, grid({width, height}, {16, 16}));
        const Picture picture = fetch(bench, output, width, height);
        write_png(out + "/mandelbrot.png", picture);
        for (size_t i = 0; i < steps.size() && result.detail.empty(); ++i) {
            const Pixel &p = picture.pixels[i];
            const bool inside = steps[i] == most;
            if (p[3] != 255 || (inside && (p[0] || p[1] || p[2])))
                result.detail = fmt::format("pixel {}, {} is {}, {}, {}, {}", i % width, i / width,
                                            p[0], p[1], p[2], p[3]);
        }
    });
}

void filters(Bench &bench, const Picture &picture, const std::string &out) {
    const std::string size = fmt::format("{} x {}", picture.width, picture.height);
    const Picture soft = blurred(picture);
    const auto run = [&](const char *name, const Picture &expected, int allowed, bool keep) {
        bench.part(name, size, [&](Result &result) {
            const Buffer input = bench.put(picture.pixels),
                         output(bench.vm(), picture.pixels.size() * sizeof(Pixel));
            const Kernel kernel = bench.kernel("filter", name);
            kernel.set(0, picture.width);
            kernel.set(1, picture.height);
            kernel.set(2, input);
            kernel.set(3, output);
            result.device_ms =
                bench.run(kernel, grid({up(picture.width), up(picture.height)}, {16, 16}));
            const Picture got = fetch(bench, output, picture.width, picture.height);
            if (keep)
                write_png(out + "/filtered.png", got);
            result.detail = picture_difference(got, expected, allowed);
        });
    };
    run("gaussian_blur", soft, 1, false);
    run("sobel", edges(picture), 1, false);
    // The blur's rounding goes through the gradient, whose weights add up to eight.
    run("blur_sobel", edges(soft), 8, true);
}

} // namespace

void run_pictures(Bench &bench, const Picture &source, const std::string &out) {
    mandelbrot(bench, out);
    filters(bench, source, out);
}

} // namespace brgpu::demo
