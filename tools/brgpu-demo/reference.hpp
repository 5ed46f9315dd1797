// SPDX-License-Identifier: MIT
//
// What the kernels should compute, on the CPU, written without a look at the kernels' code paths.
#ifndef BRGPU_DEMO_REFERENCE_HPP
#define BRGPU_DEMO_REFERENCE_HPP

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "picture.hpp"

namespace brgpu::demo {

// alpha * A * B + beta * C in double precision, rounded at the end; row-major.
std::vector<float> matrix_product(uint32_t m, uint32_t n, uint32_t k, float alpha,
                                  const std::vector<float> &a, const std::vector<float> &b,
                                  float beta, const std::vector<float> &c);

std::vector<uint32_t> mandelbrot_steps(uint32_t width, uint32_t height, float center_x,
                                       float center_y, float scale, uint32_t max_iterations);

struct Body {
    float x, y, z, w; // position and mass, or velocity
};
// One step of all bodies.
void move_bodies(std::vector<Body> &bodies, std::vector<Body> &velocities, float dt,
                 float softening);

// FIPS 180-4.
std::array<uint32_t, 8> sha256(std::span<const uint8_t> message);

// 5 x 5 binomial blur, then the gradient's magnitude of the luminance; edges repeat the border.
Picture blurred(const Picture &picture);
Picture edges(const Picture &picture);

} // namespace brgpu::demo

#endif // BRGPU_DEMO_REFERENCE_HPP
