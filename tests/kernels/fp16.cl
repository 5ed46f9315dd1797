// SPDX-License-Identifier: MIT
//
// Half precision.
// kernel haxpy(uint n, float a, global const half *x, global half *y): y = (half)a * x + y
// kernel half_pack(uint n, global const float *in, global half *out): conversion, nearest even
// kernel half_unpack(uint n, global const half *in, global float *out)

#pragma OPENCL EXTENSION cl_khr_fp16 : enable

kernel void haxpy(uint n, float a, global const half *restrict x, global half *restrict y) {
    const size_t i = get_global_id(0);
    if (i < n)
        y[i] = fma((half)a, x[i], y[i]);
}

kernel void half_pack(uint n, global const float *restrict in, global half *restrict out) {
    const size_t i = get_global_id(0);
    if (i < n)
        vstore_half(in[i], i, out);
}

kernel void half_unpack(uint n, global const half *restrict in, global float *restrict out) {
    const size_t i = get_global_id(0);
    if (i < n)
        out[i] = vload_half(i, in);
}
