// SPDX-License-Identifier: MIT
#include "picture.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>
#include <png.h>

namespace brgpu::demo {

namespace {

constexpr uint64_t most_pixels = 64000000;

struct Image : png_image {
    Image() : png_image{} { version = PNG_IMAGE_VERSION; }
    ~Image() { png_image_free(this); }
};

uint8_t channel(double value) {
    return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255.0));
}

double noise(uint32_t x, uint32_t y) {
    uint32_t h = x * 0x9e3779b1u ^ y * 0x85ebca6bu;
    h = (h ^ (h >> 15)) * 0x2c1b3c6du;
    h = (h ^ (h >> 12)) * 0x297a2d39u;
    return static_cast<double>(h ^ (h >> 15)) / 4294967296.0;
}

// Height of a ridge of hills at x, a sum of octaves.
double ridge(double x, unsigned seed) {
    double height = 0.0, size = 0.5, frequency = 3.0;
    for (unsigned octave = 0; octave < 7; ++octave) {
        const double at = x * frequency;
        const auto cell = static_cast<uint32_t>(at);
        const double t = at - cell, smooth = t * t * (3.0 - 2.0 * t);
        height += size * (noise(cell, seed + octave) * (1.0 - smooth) +
                          noise(cell + 1, seed + octave) * smooth);
        size *= 0.5;
        frequency *= 2.0;
    }
    return height;
}

} // namespace

Picture read_png(const std::string &path) {
    Image image;
    if (!png_image_begin_read_from_file(&image, path.c_str()))
        throw std::runtime_error(fmt::format("{}: can't be read as PNG: {}", path, image.message));
    if (uint64_t{image.width} * image.height > most_pixels)
        throw std::runtime_error(fmt::format("{}: {} x {} pixels, at most {} are possible", path,
                                             image.width, image.height, most_pixels));
    image.format = PNG_FORMAT_RGBA;
    Picture picture;
    picture.width = image.width;
    picture.height = image.height;
    picture.pixels.resize(size_t{image.width} * image.height);
    if (!png_image_finish_read(&image, nullptr, picture.pixels.data(), 0, nullptr))
        throw std::runtime_error(fmt::format("{}: damaged PNG: {}", path, image.message));
    // libpng goes on past damaged pixels with a warning: half a picture is not what was asked for.
    // What it says of other chunks, such as a colour profile, leaves the pixels as they are.
    if (PNG_IMAGE_FAILED(image) || std::strncmp(image.message, "IDAT", 4) == 0)
        throw std::runtime_error(fmt::format("{}: damaged PNG: {}", path, image.message));
    return picture;
}

void write_png(const std::string &path, const Picture &picture) {
    Image image;
    image.width = picture.width;
    image.height = picture.height;
    image.format = PNG_FORMAT_RGBA;
    if (!png_image_write_to_file(&image, path.c_str(), 0, picture.pixels.data(), 0, nullptr))
        throw std::runtime_error(fmt::format("{}: can't be written: {}", path, image.message));
}

Picture make_landscape(uint32_t width, uint32_t height) {
    Picture picture;
    picture.width = width;
    picture.height = height;
    picture.pixels.resize(size_t{width} * height);
    for (uint32_t y = 0; y < height; ++y)
        for (uint32_t x = 0; x < width; ++x) {
            const double u = (x + 0.5) / width, v = (y + 0.5) / height;
            const double sun = std::hypot((u - 0.68) * width / height, v - 0.42);
            double red = 0.25 + 0.75 * v, green = 0.2 + 0.45 * v, blue = 0.55 - 0.15 * v;
            const double glow = std::exp(-sun * 5.0);
            red += glow * 0.7;
            green += glow * 0.5;
            if (sun < 0.09)
                red = 1.0, green = 0.93, blue = 0.7;
            if (v < 0.35 && noise(x, y) > 0.998)
                red = green = blue = 0.95;
            for (unsigned hill = 0; hill < 4; ++hill) {
                const double top = 0.45 + 0.13 * hill - 0.22 * (ridge(u, hill * 16) - 0.5);
                if (v < top)
                    continue;
                const double shade = 0.42 - 0.1 * hill + 0.05 * noise(x / 2, y / 2);
                red = shade * 0.75, green = shade * (0.6 + 0.12 * hill), blue = shade * 0.8;
            }
            picture.pixels[size_t{y} * width + x] = {channel(red), channel(green), channel(blue),
                                                     255};
        }
    return picture;
}

} // namespace brgpu::demo
