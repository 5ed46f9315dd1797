/* SPDX-License-Identifier: MIT */
/* Conversions to half with a static rounding mode, which C has no words for. */

#define TO_HALF(mode)                                                                              \
    _Float16 __brgpu_half_##mode(double x) {                                                       \
        _Float16 result;                                                                           \
        __asm__("fcvt.h.d %0, %1, " #mode : "=f"(result) : "f"(x));                                \
        return result;                                                                             \
    }
TO_HALF(rne)
TO_HALF(rtz)
TO_HALF(rdn)
TO_HALF(rup)
