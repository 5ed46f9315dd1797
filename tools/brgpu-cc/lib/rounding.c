/* SPDX-License-Identifier: MIT */
/*
 * Conversions with a static rounding mode, which C has no words for. To integers they saturate, and
 * a NaN becomes the largest number: the instructions' own rules.
 */
#include <stdint.h>

#define CONVERT(to_type, to, from_type, from, instruction, out, in, mode)                          \
    to_type __brgpu_##to##_from_##from##_##mode(from_type x) {                                     \
        to_type result;                                                                            \
        __asm__(instruction " %0, %1, " #mode : out(result) : in(x));                              \
        return result;                                                                             \
    }

#define MODE(mode)                                                                                 \
    CONVERT(_Float16, half, double, double, "fcvt.h.d", "=f", "f", mode)                           \
    CONVERT(float, float, double, double, "fcvt.s.d", "=f", "f", mode)                             \
    CONVERT(float, float, int64_t, long, "fcvt.s.l", "=f", "r", mode)                              \
    CONVERT(float, float, uint64_t, ulong, "fcvt.s.lu", "=f", "r", mode)                           \
    CONVERT(double, double, int64_t, long, "fcvt.d.l", "=f", "r", mode)                            \
    CONVERT(double, double, uint64_t, ulong, "fcvt.d.lu", "=f", "r", mode)                         \
    CONVERT(int32_t, int, float, float, "fcvt.w.s", "=r", "f", mode)                               \
    CONVERT(uint32_t, uint, float, float, "fcvt.wu.s", "=r", "f", mode)                            \
    CONVERT(int64_t, long, float, float, "fcvt.l.s", "=r", "f", mode)                              \
    CONVERT(uint64_t, ulong, float, float, "fcvt.lu.s", "=r", "f", mode)                           \
    CONVERT(int32_t, int, double, double, "fcvt.w.d", "=r", "f", mode)                             \
    CONVERT(uint32_t, uint, double, double, "fcvt.wu.d", "=r", "f", mode)                          \
    CONVERT(int64_t, long, double, double, "fcvt.l.d", "=r", "f", mode)                            \
    CONVERT(uint64_t, ulong, double, double, "fcvt.lu.d", "=r", "f", mode)
MODE(rne)
MODE(rtz)
MODE(rdn)
MODE(rup)
