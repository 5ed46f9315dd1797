// SPDX-License-Identifier: MIT
//
// y = a * x + y over n elements.
// kernel saxpy(uint n, float a, global const float *x, global float *y)
// One work-item an element; any workgroup size; the grid may be larger than n.

kernel void saxpy(uint n, float a, global const float *restrict x, global float *restrict y) {
    const size_t i = get_global_id(0);
    if (i < n)
        y[i] = fma(a, x[i], y[i]);
}
