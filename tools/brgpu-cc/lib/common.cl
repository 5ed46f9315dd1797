// SPDX-License-Identifier: MIT
//
// Common functions that libclc leaves out.

#define SMOOTHSTEP(n)                                                                              \
    double##n __attribute__((overloadable, const))                                                 \
    smoothstep(double edge0, double edge1, double##n x) {                                          \
        const double##n t = clamp((x - edge0) / (edge1 - edge0), 0.0, 1.0);                        \
        return t * t * (3.0 - 2.0 * t);                                                            \
    }
SMOOTHSTEP(2)
SMOOTHSTEP(3)
SMOOTHSTEP(4)
SMOOTHSTEP(8)
SMOOTHSTEP(16)
