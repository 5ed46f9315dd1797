// SPDX-License-Identifier: MIT
#include "native.hpp"

#include <math.h>
#include <string.h>

namespace brgpu::bench::native {
namespace {

#if defined(__AVX512F__)
constexpr size_t vector_bytes = 64;
#else
constexpr size_t vector_bytes = 32;
#endif
// Work-items that the functions below carry side by side: two vectors of floats.
constexpr size_t lanes = 2 * vector_bytes / sizeof(float);

typedef float Floats __attribute__((vector_size(vector_bytes)));
typedef uint32_t Words __attribute__((vector_size(vector_bytes)));

} // namespace

void saxpy(size_t begin, size_t end, float a, const float *__restrict x, float *__restrict y) {
    for (size_t i = begin; i < end; ++i)
        y[i] += a * x[i];
}

void sgemm_rows(size_t begin, size_t end, size_t n, size_t k, const float *__restrict a,
                const float *__restrict b, float *__restrict c) {
    for (size_t row = begin; row < end; ++row) {
        float *__restrict out = c + row * n;
        for (size_t col = 0; col < n; ++col)
            out[col] = 0;
        for (size_t i = 0; i < k; ++i) {
            const float factor = a[row * k + i];
            for (size_t col = 0; col < n; ++col)
                out[col] += factor * b[i * n + col];
        }
    }
}

void sgemm_blocked(size_t begin, size_t end, size_t n, size_t k, const float *__restrict a,
                   const float *__restrict b, float *__restrict c) {
    // Four rows of two vectors: eight accumulators, two vectors of B.
    constexpr size_t rows = 4, width = sizeof(Floats) / sizeof(float);
    size_t row = begin;
    for (; n % lanes == 0 && row + rows <= end; row += rows) {
        for (size_t col = 0; col < n; col += lanes) {
            Floats sum[rows][2] = {};
            for (size_t i = 0; i < k; ++i) {
                Floats left, right;
                memcpy(&left, b + i * n + col, sizeof(left));
                memcpy(&right, b + i * n + col + width, sizeof(right));
                for (size_t r = 0; r < rows; ++r) {
                    const float factor = a[(row + r) * k + i];
                    sum[r][0] += factor * left;
                    sum[r][1] += factor * right;
                }
            }
            for (size_t r = 0; r < rows; ++r)
                memcpy(c + (row + r) * n + col, sum[r], sizeof(sum[r]));
        }
    }
    if (row < end)
        sgemm_rows(row, end, n, k, a, b, c);
}

void mandelbrot(size_t begin, size_t end, size_t width, size_t height, float center_x,
                float center_y, float scale, uint32_t limit, uint32_t *__restrict iterations) {
    for (size_t row = begin; row < end; ++row) {
        const float c_y =
            (static_cast<float>(row) - 0.5f * static_cast<float>(height)) * scale + center_y;
        for (size_t first = 0; first < width; first += lanes) {
            float c_x[lanes], x[lanes] = {}, y[lanes] = {}, x2[lanes] = {}, y2[lanes] = {};
            uint32_t steps[lanes] = {};
            for (size_t l = 0; l < lanes; ++l)
                c_x[l] =
                    (static_cast<float>(first + l) - 0.5f * static_cast<float>(width)) * scale +
                    center_x;
            for (uint32_t step = 0; step < limit; ++step) {
                uint32_t any = 0;
                for (size_t l = 0; l < lanes; ++l) {
                    const uint32_t inside = x2[l] + y2[l] <= 4.0f;
                    const float new_y = 2.0f * x[l] * y[l] + c_y;
                    const float new_x = x2[l] - y2[l] + c_x[l];
                    y[l] = inside ? new_y : y[l];
                    x[l] = inside ? new_x : x[l];
                    x2[l] = x[l] * x[l];
                    y2[l] = y[l] * y[l];
                    steps[l] += inside;
                    any |= inside;
                }
                if (!any)
                    break;
            }
            for (size_t l = 0; l < lanes && first + l < width; ++l)
                iterations[row * width + first + l] = steps[l];
        }
    }
}

void reduce_sum(size_t begin, size_t end, size_t groups, size_t local, size_t n,
                const float *__restrict x, float *__restrict partial) {
    for (size_t group = begin; group < end; ++group) {
        float sum = 0;
        for (size_t block = group * local; block < n; block += groups * local) {
            const size_t stop = block + local < n ? block + local : n;
            for (size_t i = block; i < stop; ++i)
                sum += x[i];
        }
        partial[group] = sum;
    }
}

void nbody(size_t begin, size_t end, size_t n, float dt, float softening,
           const float *__restrict in, float *__restrict out, float *__restrict velocity) {
    for (size_t first = begin; first < end; first += lanes) {
        const size_t count = first + lanes <= end ? lanes : end - first;
        float x[lanes] = {}, y[lanes] = {}, z[lanes] = {};
        float force_x[lanes] = {}, force_y[lanes] = {}, force_z[lanes] = {};
        for (size_t l = 0; l < count; ++l) {
            x[l] = in[(first + l) * 4];
            y[l] = in[(first + l) * 4 + 1];
            z[l] = in[(first + l) * 4 + 2];
        }
        for (size_t j = 0; j < n; ++j) {
            const float other_x = in[j * 4], other_y = in[j * 4 + 1], other_z = in[j * 4 + 2],
                        mass = in[j * 4 + 3];
            for (size_t l = 0; l < lanes; ++l) {
                const float dx = other_x - x[l], dy = other_y - y[l], dz = other_z - z[l];
                const float inverse = 1.0f / sqrtf(dx * dx + dy * dy + dz * dz + softening);
                const float pull = mass * inverse * inverse * inverse;
                force_x[l] += dx * pull;
                force_y[l] += dy * pull;
                force_z[l] += dz * pull;
            }
        }
        for (size_t l = 0; l < count; ++l) {
            float *v = velocity + (first + l) * 4;
            const float *body = in + (first + l) * 4;
            float *moved = out + (first + l) * 4;
            v[0] += force_x[l] * dt;
            v[1] += force_y[l] * dt;
            v[2] += force_z[l] * dt;
            for (unsigned axis = 0; axis < 3; ++axis)
                moved[axis] = body[axis] + v[axis] * dt;
            moved[3] = body[3];
        }
    }
}

void int8_dot(size_t begin, size_t end, size_t n, size_t k, const int8_t *__restrict a,
              const int8_t *__restrict b, int32_t *__restrict c) {
    for (size_t row = begin; row < end; ++row)
        for (size_t col = 0; col < n; ++col) {
            int32_t sum = 0;
            for (size_t i = 0; i < k; ++i)
                sum += int32_t{a[row * k + i]} * int32_t{b[col * k + i]};
            c[row * n + col] = sum;
        }
}

// ---- SHA-256: a vector holds the same word of many messages ----

namespace {

constexpr size_t messages_at_once = vector_bytes / sizeof(uint32_t);

constexpr uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

inline Words rotate_right(Words value, int bits) {
    return value >> bits | value << (32 - bits);
}

void compress(Words state[8], Words w[16]) {
    Words a = state[0], b = state[1], c = state[2], d = state[3];
    Words e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned i = 0; i < 64; ++i) {
        if (i >= 16) {
            const Words w1 = w[(i + 1) & 15], w14 = w[(i + 14) & 15];
            w[i & 15] += (rotate_right(w1, 7) ^ rotate_right(w1, 18) ^ w1 >> 3) + w[(i + 9) & 15] +
                         (rotate_right(w14, 17) ^ rotate_right(w14, 19) ^ w14 >> 10);
        }
        const Words t1 = h + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
                         (g ^ (e & (f ^ g))) + round_constants[i] + w[i & 15];
        const Words t2 = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) +
                         ((a & b) | (c & (a | b)));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

} // namespace

void sha256(size_t begin, size_t end, size_t count, size_t length,
            const uint8_t *__restrict messages, uint32_t *__restrict digests) {
    const size_t padded = (length + 9 + 63) / 64 * 64;
    for (size_t first = begin; first < end; first += messages_at_once) {
        const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
        Words state[8];
        for (unsigned i = 0; i < 8; ++i)
            state[i] = Words{} + start[i];
        for (size_t block = 0; block < padded; block += 64) {
            Words w[16];
            for (size_t lane = 0; lane < messages_at_once; ++lane) {
                const size_t message = first + lane < count ? first + lane : count - 1;
                uint8_t bytes[64] = {};
                if (block < length)
                    memcpy(bytes, messages + message * length + block,
                           length - block < 64 ? length - block : 64);
                if (length >= block && length < block + 64)
                    bytes[length - block] = 0x80;
                if (block + 64 == padded) {
                    const uint64_t bits = __builtin_bswap64(uint64_t{length} * 8);
                    memcpy(bytes + 56, &bits, sizeof(bits));
                }
                for (unsigned i = 0; i < 16; ++i) {
                    uint32_t word;
                    memcpy(&word, bytes + 4 * i, sizeof(word));
                    w[i][lane] = __builtin_bswap32(word);
                }
            }
            compress(state, w);
        }
        for (size_t lane = 0; lane < messages_at_once && first + lane < end; ++lane)
            for (unsigned i = 0; i < 8; ++i)
                digests[(first + lane) * 8 + i] = state[i][lane];
    }
}

void black_scholes(size_t begin, size_t end, float rate, float volatility,
                   const float *__restrict spot, const float *__restrict strike,
                   const float *__restrict years, float *__restrict call, float *__restrict put) {
    constexpr float root_half = 0.70710678118654752440f;
    for (size_t i = begin; i < end; ++i) {
        const float spread = volatility * sqrtf(years[i]);
        const float d1 =
            (logf(spot[i] / strike[i]) + (rate + 0.5f * volatility * volatility) * years[i]) /
            spread;
        const float d2 = d1 - spread;
        const float discounted = strike[i] * expf(-rate * years[i]);
        const float in_the_money = 0.5f * erfcf(-d1 * root_half);
        const float exercised = 0.5f * erfcf(-d2 * root_half);
        const float out_of_the_money = 0.5f * erfcf(d1 * root_half);
        const float unexercised = 0.5f * erfcf(d2 * root_half);
        call[i] = spot[i] * in_the_money - discounted * exercised;
        put[i] = discounted * unexercised - spot[i] * out_of_the_money;
    }
}

void fft256(size_t begin, size_t end, const float *__restrict in, float *__restrict out) {
    constexpr size_t size = 256;
    constexpr unsigned log2_size = 8;
    constexpr size_t blocks = vector_bytes / sizeof(float); // side by side
    static float cosine[size / 2], sine[size / 2];
    static const bool filled = [] {
        for (size_t i = 0; i < size / 2; ++i) {
            const double angle = -2 * M_PI * static_cast<double>(i) / size;
            cosine[i] = static_cast<float>(cos(angle));
            sine[i] = static_cast<float>(sin(angle));
        }
        return true;
    }();
    (void)filled;
    for (size_t first = begin; first < end; first += blocks) {
        alignas(64) float re[size][blocks], im[size][blocks];
        for (size_t i = 0; i < size; ++i) {
            size_t reversed = 0;
            for (unsigned bit = 0; bit < log2_size; ++bit)
                reversed |= (i >> bit & 1) << (log2_size - 1 - bit);
            for (size_t l = 0; l < blocks; ++l) {
                const size_t block = first + l < end ? first + l : end - 1;
                re[reversed][l] = in[(block * size + i) * 2];
                im[reversed][l] = in[(block * size + i) * 2 + 1];
            }
        }
        for (size_t half = 1; half < size; half *= 2)
            for (size_t start = 0; start < size; start += 2 * half)
                for (size_t j = 0; j < half; ++j) {
                    const float c = cosine[j * (size / 2 / half)], s = sine[j * (size / 2 / half)];
                    float *a_re = re[start + j], *a_im = im[start + j];
                    float *b_re = re[start + j + half], *b_im = im[start + j + half];
                    for (size_t l = 0; l < blocks; ++l) {
                        const float t_re = b_re[l] * c - b_im[l] * s;
                        const float t_im = b_re[l] * s + b_im[l] * c;
                        b_re[l] = a_re[l] - t_re;
                        b_im[l] = a_im[l] - t_im;
                        a_re[l] += t_re;
                        a_im[l] += t_im;
                    }
                }
        for (size_t l = 0; l < blocks && first + l < end; ++l)
            for (size_t i = 0; i < size; ++i) {
                out[((first + l) * size + i) * 2] = re[i][l];
                out[((first + l) * size + i) * 2 + 1] = im[i][l];
            }
    }
}

void radix_count(size_t begin, size_t end, uint32_t shift, const uint32_t *__restrict keys,
                 uint32_t *__restrict counts) {
    for (size_t i = begin; i < end; ++i)
        counts[keys[i] >> shift & 255]++;
}

void radix_move(size_t begin, size_t end, uint32_t shift, const uint32_t *__restrict keys,
                uint32_t *__restrict starts, uint32_t *__restrict out) {
    for (size_t i = begin; i < end; ++i)
        out[starts[keys[i] >> shift & 255]++] = keys[i];
}

void spmv(size_t begin, size_t end, const uint32_t *__restrict row_start,
          const uint32_t *__restrict column, const float *__restrict value,
          const float *__restrict x, float *__restrict y) {
    for (size_t row = begin; row < end; ++row) {
        float sum = 0;
        for (uint32_t i = row_start[row]; i < row_start[row + 1]; ++i)
            sum += value[i] * x[column[i]];
        y[row] = sum;
    }
}

void histogram(size_t begin, size_t end, const uint8_t *__restrict data,
               uint32_t *__restrict counts) {
    // Neighbours are often equal: four sets, so that an increment needn't wait for the last one.
    uint32_t part[4][256] = {};
    size_t i = begin;
    for (; i + 4 <= end; i += 4)
        for (size_t j = 0; j < 4; ++j)
            part[j][data[i + j]]++;
    for (; i < end; ++i)
        part[0][data[i]]++;
    for (unsigned bin = 0; bin < 256; ++bin)
        counts[bin] += part[0][bin] + part[1][bin] + part[2][bin] + part[3][bin];
}

void stencil7(size_t begin, size_t end, size_t nx, size_t ny, size_t nz, float k,
              const float *__restrict in, float *__restrict out) {
    const size_t plane = nx * ny;
    for (size_t z = begin; z < end; ++z)
        for (size_t y = 0; y < ny; ++y) {
            const float *__restrict from = in + z * plane + y * nx;
            float *__restrict to = out + z * plane + y * nx;
            if (z == 0 || z == nz - 1 || y == 0 || y == ny - 1) {
                memcpy(to, from, nx * sizeof(float));
                continue;
            }
            const float *__restrict above = from - nx, *__restrict below = from + nx;
            const float *__restrict before = from - plane, *__restrict behind = from + plane;
            to[0] = from[0];
            to[nx - 1] = from[nx - 1];
            for (size_t x = 1; x < nx - 1; ++x)
                to[x] = from[x] + k * (from[x - 1] + from[x + 1] + above[x] + below[x] + before[x] +
                                       behind[x] - 6.0f * from[x]);
        }
}

float spin(uint64_t steps) {
    float values[lanes];
    for (size_t l = 0; l < lanes; ++l)
        values[l] = static_cast<float>(l);
    for (uint64_t step = 0; step < steps; ++step)
        for (size_t l = 0; l < lanes; ++l)
            values[l] = values[l] * 0.999f + 1.0f;
    float sum = 0;
    for (float value : values)
        sum += value;
    return sum;
}

} // namespace brgpu::bench::native
