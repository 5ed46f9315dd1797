/* SPDX-License-Identifier: MIT */
/*
 * Kernels in C.
 * c_saxpy(uint32_t n, float a, const float *x, float *y): y = a * x + y
 * c_shared(const int *in, int *out): workgroup 64 (required); out = in reversed in each workgroup
 * c_struct(struct point p, double *out, uint32_t n): out[i] = hypot(p.x, p.y) + i
 */
#include <brgpu/device/brgpu_c.h>
#include <math.h>
#include <string.h>

BRGPU_KERNEL void c_saxpy(uint32_t n, float a, const float *x, float *y) {
    const uint64_t i = brgpu_global_id(0);
    if (i < n)
        y[i] = fmaf(a, x[i], y[i]);
}

static BRGPU_LOCAL int tile[64];

BRGPU_KERNEL BRGPU_WORKGROUP(64, 1, 1) void c_shared(const int *in, int *out) {
    const uint64_t id = brgpu_local_id(0);
    tile[id] = in[brgpu_global_id(0)];
    brgpu_barrier();
    out[brgpu_global_id(0)] = tile[63 - id];
}

struct point {
    float x;
    double y;
    char name[8];
};

BRGPU_KERNEL void c_struct(struct point p, double *out, uint32_t n) {
    const uint64_t i = brgpu_global_id(0);
    char copy[8];
    memcpy(copy, p.name, sizeof(copy));
    if (i < n)
        out[i] = hypot((double)p.x, p.y) + (double)i + copy[1];
}
