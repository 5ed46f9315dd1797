// SPDX-License-Identifier: MIT
//
// What latency and scaling are measured with.

kernel void noop(void) {
}

// Multiplies and adds in registers; any grid.
kernel void spin(uint steps, global float *restrict out) {
    float value = (float)get_global_id(0);
    for (uint i = 0; i < steps; i++)
        value = fma(value, 0.999f, 1.0f);
    out[get_global_id(0)] = value;
}
