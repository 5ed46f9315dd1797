// SPDX-License-Identifier: MIT
//
// Forward FFT of blocks of 256 complex numbers (float2), radix 2, in static local memory.
// kernel fft256(global const float2 *in, global float2 *out)
// One-dimensional, workgroup 128 (required), a workgroup a block.

#define SIZE 256
#define LOG2_SIZE 8

kernel void __attribute__((reqd_work_group_size(SIZE / 2, 1, 1)))
fft256(global const float2 *restrict in, global float2 *restrict out) {
    local float2 data[SIZE];
    const uint id = get_local_id(0);
    const size_t block = get_group_id(0) * (size_t)SIZE;
    for (uint i = id; i < SIZE; i += SIZE / 2) {
        uint reversed = 0;
        for (uint bit = 0; bit < LOG2_SIZE; bit++)
            reversed |= (i >> bit & 1) << (LOG2_SIZE - 1 - bit);
        data[reversed] = in[block + i];
    }
    for (uint half_size = 1; half_size < SIZE; half_size *= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        const uint position = id % half_size;
        const uint first = (id - position) * 2 + position;
        float cosine;
        const float sine = sincos(-M_PI_F * (float)position / (float)half_size, &cosine);
        const float2 a = data[first];
        const float2 b = data[first + half_size];
        const float2 t = (float2)(b.x * cosine - b.y * sine, b.x * sine + b.y * cosine);
        data[first] = a + t;
        data[first + half_size] = a - t;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = id; i < SIZE; i += SIZE / 2)
        out[block + i] = data[i];
}
