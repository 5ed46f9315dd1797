/* SPDX-License-Identifier: MIT */
/*
 * For kernels in C.
 *
 *     #include <brgpu/device/brgpu_c.h>
 *
 *     BRGPU_KERNEL void saxpy(uint32_t n, float a, const float *x, float *y) {
 *         const uint64_t i = brgpu_global_id(0);
 *         if (i < n)
 *             y[i] = a * x[i] + y[i];
 *     }
 *
 * Pointer arguments are addresses in the VM, or in local memory where the pointee is marked
 * BRGPU_LOCAL. <math.h>, <string.h> and <stdio.h> (printf) exist beside the compiler's own headers.
 */
#ifndef BRGPU_DEVICE_BRGPU_C_H
#define BRGPU_DEVICE_BRGPU_C_H

#ifdef __OPENCL_VERSION__
#error "brgpu_c.h is for C: OpenCL C has kernel and local of its own"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brgpu_isa.h"

/* Before a function's definition: a kernel. It returns void. */
#define BRGPU_KERNEL             __attribute__((annotate("brgpu_kernel"), used))

/* The only workgroup size that the kernel may be launched with. */
#define BRGPU_WORKGROUP(x, y, z) __attribute__((annotate("brgpu_workgroup:" #x "," #y "," #z)))

/*
 * Memory of the workgroup: `static BRGPU_LOCAL float tile[256];` at file or function scope, and
 * `BRGPU_LOCAL float *` for arguments. It starts with any content, whatever an initialiser says.
 */
#define BRGPU_LOCAL              __attribute__((address_space(3)))

#endif /* BRGPU_DEVICE_BRGPU_C_H */
