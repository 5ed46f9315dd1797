// SPDX-License-Identifier: MIT
//
// RGBA pictures: read from any PNG, written to PNG, or made up.
#ifndef BRGPU_DEMO_PICTURE_HPP
#define BRGPU_DEMO_PICTURE_HPP

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace brgpu::demo {

using Pixel = std::array<uint8_t, 4>;

struct Picture {
    uint32_t width = 0;
    uint32_t height = 0;
    std::vector<Pixel> pixels; // row by row from the top
};

// Palette, grey, 16 bit, interlaced and alpha become 8-bit RGBA. Throws std::runtime_error with the
// reason for what is no PNG, is damaged, or has more than 64 million pixels.
Picture read_png(const std::string &path);
void write_png(const std::string &path, const Picture &picture);

// A landscape at sunset: the picture that is filtered when the user names none.
Picture make_landscape(uint32_t width, uint32_t height);

} // namespace brgpu::demo

#endif // BRGPU_DEMO_PICTURE_HPP
