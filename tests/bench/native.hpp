// SPDX-License-Identifier: MIT
//
// The kernels' work in C++ that compilers vectorise: native.cpp is built with -O3 -march=native.
// Each does the part [begin, end) of its outermost loop. No function of a header is called there
// that other files use, too: it would be compiled for this host's newest instructions everywhere.
#ifndef BRGPU_BENCH_NATIVE_HPP
#define BRGPU_BENCH_NATIVE_HPP

#include <cstddef>
#include <cstdint>

namespace brgpu::bench::native {

void saxpy(size_t begin, size_t end, float a, const float *x, float *y);
// Rows of C. The first as it comes to mind, the second with blocks in registers.
void sgemm_rows(size_t begin, size_t end, size_t n, size_t k, const float *a, const float *b,
                float *c);
void sgemm_blocked(size_t begin, size_t end, size_t n, size_t k, const float *a, const float *b,
                   float *c);
// Rows of the picture.
void mandelbrot(size_t begin, size_t end, size_t width, size_t height, float center_x,
                float center_y, float scale, uint32_t limit, uint32_t *iterations);
// Parts of the sum, as workgroups of `local` work-items make them.
void reduce_sum(size_t begin, size_t end, size_t groups, size_t local, size_t n, const float *x,
                float *partial);
// Bodies; x, y, z, mass each.
void nbody(size_t begin, size_t end, size_t n, float dt, float softening, const float *in,
           float *out, float *velocity);
// Rows of C.
void int8_dot(size_t begin, size_t end, size_t n, size_t k, const int8_t *a, const int8_t *b,
              int32_t *c);
// Messages.
void sha256(size_t begin, size_t end, size_t count, size_t length, const uint8_t *messages,
            uint32_t *digests);
void black_scholes(size_t begin, size_t end, float rate, float volatility, const float *spot,
                   const float *strike, const float *years, float *call, float *put);
// Blocks of 256 complex numbers.
void fft256(size_t begin, size_t end, const float *in, float *out);
// Counts of 256 digits, and keys to where each digit begins.
void radix_count(size_t begin, size_t end, uint32_t shift, const uint32_t *keys, uint32_t *counts);
void radix_move(size_t begin, size_t end, uint32_t shift, const uint32_t *keys, uint32_t *starts,
                uint32_t *out);
// Rows.
void spmv(size_t begin, size_t end, const uint32_t *row_start, const uint32_t *column,
          const float *value, const float *x, float *y);
// Adds to 256 counts.
void histogram(size_t begin, size_t end, const uint8_t *data, uint32_t *counts);
// Planes.
void stencil7(size_t begin, size_t end, size_t nx, size_t ny, size_t nz, float k, const float *in,
              float *out);

// Multiplies and adds in registers, for `steps` steps: what scales with cores if anything does.
float spin(uint64_t steps);

} // namespace brgpu::bench::native

#endif // BRGPU_BENCH_NATIVE_HPP
