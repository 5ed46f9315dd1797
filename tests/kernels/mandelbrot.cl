// SPDX-License-Identifier: MIT
//
// The Mandelbrot set. Global id 0 is x, 1 is y; the grid may be larger than the picture.
//
// kernel mandelbrot(uint width, uint height, float center_x, float center_y, float scale,
//                   uint max_iterations, global uint *iterations)
//   iterations[y * width + x] = steps until |z| > 2, or max_iterations; scale: width of a pixel
// kernel mandelbrot_rgba(uint width, uint height, float center_x, float center_y, float scale,
//                        uint max_iterations, global uchar4 *pixels)
//   the same as a smoothly coloured RGBA picture

static uint escape_time(float c_x, float c_y, uint max_iterations, float *radius_squared) {
    float x = 0.0f;
    float y = 0.0f;
    uint steps = 0;
    float x2 = 0.0f;
    float y2 = 0.0f;
    while (steps < max_iterations && x2 + y2 <= 4.0f) {
        y = fma(2.0f * x, y, c_y);
        x = x2 - y2 + c_x;
        x2 = x * x;
        y2 = y * y;
        steps++;
    }
    *radius_squared = x2 + y2;
    return steps;
}

static float2 place(uint x, uint y, uint width, uint height, float center_x, float center_y,
                    float scale) {
    return (float2)(fma((float)x - 0.5f * (float)width, scale, center_x),
                    fma((float)y - 0.5f * (float)height, scale, center_y));
}

kernel void mandelbrot(uint width, uint height, float center_x, float center_y, float scale,
                       uint max_iterations, global uint *restrict iterations) {
    const uint x = get_global_id(0);
    const uint y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    const float2 c = place(x, y, width, height, center_x, center_y, scale);
    float radius_squared;
    iterations[(size_t)y * width + x] =
        escape_time(c.x, c.y, max_iterations, &radius_squared);
}

kernel void mandelbrot_rgba(uint width, uint height, float center_x, float center_y, float scale,
                            uint max_iterations, global uchar4 *restrict pixels) {
    const uint x = get_global_id(0);
    const uint y = get_global_id(1);
    if (x >= width || y >= height)
        return;
    const float2 c = place(x, y, width, height, center_x, center_y, scale);
    float radius_squared;
    const uint steps = escape_time(c.x, c.y, max_iterations, &radius_squared);
    float4 colour = (float4)(0.0f, 0.0f, 0.0f, 1.0f);
    if (steps < max_iterations) {
        const float smooth = (float)steps + 1.0f - log2(0.5f * log2(radius_squared));
        const float phase = 0.35f * sqrt(smooth);
        colour.xyz = 0.5f + 0.5f * cos(6.2831853f * (phase + (float3)(0.0f, 0.33f, 0.67f)));
    }
    pixels[(size_t)y * width + x] = convert_uchar4_sat_rte(colour * 255.0f);
}
