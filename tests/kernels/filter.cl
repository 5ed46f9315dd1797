// SPDX-License-Identifier: MIT
//
// Filters of RGBA pictures, uchar4 a pixel, rows packed. Global id 0 is x, 1 is y; the grid may be
// larger than the picture. Pixels beyond an edge are those of the edge. Alpha is kept.
//
// kernel gaussian_blur(uint width, uint height, global const uchar4 *in, global uchar4 *out)
//   5 x 5 binomial kernel, any workgroup
// kernel sobel(uint width, uint height, global const uchar4 *in, global uchar4 *out)
//   edges: the magnitude of the gradient of the luminance, any workgroup
// kernel blur_sobel(uint width, uint height, global const uchar4 *in, global uchar4 *out)
//   both, by tiles in local memory; workgroup 16 x 16 (required)
// kernel grayscale(uint n, global const uchar4 *in, global uchar4 *out): one-dimensional

constant float binomial[5] = {1.0f / 16.0f, 4.0f / 16.0f, 6.0f / 16.0f, 4.0f / 16.0f, 1.0f / 16.0f};

static uchar4 pixel_at(global const uchar4 *in, uint width, uint height, int x, int y) {
    return in[(size_t)clamp(y, 0, (int)height - 1) * width + clamp(x, 0, (int)width - 1)];
}

static float luminance(uchar4 pixel) {
    return dot(convert_float4(pixel), (float4)(0.2126f, 0.7152f, 0.0722f, 0.0f));
}

static float4 blurred(global const uchar4 *in, uint width, uint height, int x, int y) {
    float4 sum = (float4)(0.0f);
    for (int j = 0; j < 5; j++)
        for (int i = 0; i < 5; i++)
            sum += binomial[j] * binomial[i] *
                   convert_float4(pixel_at(in, width, height, x + i - 2, y + j - 2));
    return sum;
}

static uchar4 edge_pixel(const float l[3][3], uchar alpha) {
    const float dx = l[0][2] + 2.0f * l[1][2] + l[2][2] - l[0][0] - 2.0f * l[1][0] - l[2][0];
    const float dy = l[2][0] + 2.0f * l[2][1] + l[2][2] - l[0][0] - 2.0f * l[0][1] - l[0][2];
    const uchar value = convert_uchar_sat_rte(sqrt(dx * dx + dy * dy));
    return (uchar4)(value, value, value, alpha);
}

kernel void gaussian_blur(uint width, uint height, global const uchar4 *restrict in,
                          global uchar4 *restrict out) {
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    if (x >= (int)width || y >= (int)height)
        return;
    uchar4 result = convert_uchar4_sat_rte(blurred(in, width, height, x, y));
    result.w = in[(size_t)y * width + x].w;
    out[(size_t)y * width + x] = result;
}

kernel void sobel(uint width, uint height, global const uchar4 *restrict in,
                  global uchar4 *restrict out) {
    const int x = get_global_id(0);
    const int y = get_global_id(1);
    if (x >= (int)width || y >= (int)height)
        return;
    float l[3][3];
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++)
            l[j][i] = luminance(pixel_at(in, width, height, x + i - 1, y + j - 1));
    out[(size_t)y * width + x] = edge_pixel(l, in[(size_t)y * width + x].w);
}

#define SIDE 16
#define HALO 18

kernel void __attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
blur_sobel(uint width, uint height, global const uchar4 *restrict in,
           global uchar4 *restrict out) {
    local float tile[HALO][HALO];
    const int left = (int)get_group_id(0) * SIDE - 1;
    const int top = (int)get_group_id(1) * SIDE - 1;
    for (size_t i = get_local_linear_id(); i < HALO * HALO; i += SIDE * SIDE) {
        const int x = clamp(left + (int)(i % HALO), 0, (int)width - 1);
        const int y = clamp(top + (int)(i / HALO), 0, (int)height - 1);
        tile[i / HALO][i % HALO] = luminance(
            convert_uchar4_sat_rte(blurred(in, width, height, x, y)));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const uint x = get_global_id(0);
    const uint y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    float l[3][3];
    for (size_t j = 0; j < 3; j++)
        for (size_t i = 0; i < 3; i++)
            l[j][i] = tile[get_local_id(1) + j][get_local_id(0) + i];
    out[(size_t)y * width + x] = edge_pixel(l, in[(size_t)y * width + x].w);
}

kernel void grayscale(uint n, global const uchar4 *restrict in, global uchar4 *restrict out) {
    const size_t i = get_global_id(0);
    if (i >= n)
        return;
    const uchar value = convert_uchar_sat_rte(luminance(in[i]));
    out[i] = (uchar4)(value, value, value, in[i].w);
}
