// SPDX-License-Identifier: MIT
//
// Double precision.
// kernel daxpy(uint n, double a, global const double *x, global double *y): y = a * x + y
// kernel integrate_pi(uint steps, global double *partial)
//   partial sums of 4 / (1 + x^2) / steps over the midpoints, a work-item a stripe

kernel void daxpy(uint n, double a, global const double *restrict x, global double *restrict y) {
    const size_t i = get_global_id(0);
    if (i < n)
        y[i] = fma(a, x[i], y[i]);
}

kernel void integrate_pi(uint steps, global double *restrict partial) {
    double sum = 0.0;
    for (size_t i = get_global_id(0); i < steps; i += get_global_size(0)) {
        const double x = ((double)i + 0.5) / steps;
        sum += 4.0 / (1.0 + x * x);
    }
    partial[get_global_id(0)] = sum / steps;
}
