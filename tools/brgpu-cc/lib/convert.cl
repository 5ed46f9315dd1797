// SPDX-License-Identifier: MIT
//
// Conversions between floating point and integers with rounding and saturation, and to narrower
// floating point with rounding: one instruction each (rounding.c), vectors element by element.

#define OVERLOAD __attribute__((overloadable, const))

#define DECLARE(to, from, mode) to __brgpu_##to##_from_##from##_##mode(from x);
#define DECLARE_MODES(to, from)                                                                    \
    DECLARE(to, from, rne) DECLARE(to, from, rtz) DECLARE(to, from, rdn) DECLARE(to, from, rup)
DECLARE_MODES(float, double)
DECLARE_MODES(float, long)
DECLARE_MODES(float, ulong)
DECLARE_MODES(double, long)
DECLARE_MODES(double, ulong)
#define DECLARE_INTEGERS(from)                                                                     \
    DECLARE_MODES(int, from) DECLARE_MODES(uint, from) DECLARE_MODES(long, from)                   \
        DECLARE_MODES(ulong, from)
DECLARE_INTEGERS(float)
DECLARE_INTEGERS(double)

#define VECTORS(to, suffix, from)                                                                  \
    to##2 OVERLOAD convert_##to##2##suffix(from##2 x) {                                            \
        return (to##2)(convert_##to##suffix(x.x), convert_##to##suffix(x.y));                      \
    }                                                                                              \
    to##3 OVERLOAD convert_##to##3##suffix(from##3 x) {                                            \
        return (to##3)(convert_##to##suffix(x.x), convert_##to##suffix(x.y),                       \
                       convert_##to##suffix(x.z));                                                 \
    }                                                                                              \
    to##4 OVERLOAD convert_##to##4##suffix(from##4 x) {                                            \
        return (to##4)(convert_##to##2##suffix(x.lo), convert_##to##2##suffix(x.hi));              \
    }                                                                                              \
    to##8 OVERLOAD convert_##to##8##suffix(from##8 x) {                                            \
        return (to##8)(convert_##to##4##suffix(x.lo), convert_##to##4##suffix(x.hi));              \
    }                                                                                              \
    to##16 OVERLOAD convert_##to##16##suffix(from##16 x) {                                         \
        return (to##16)(convert_##to##8##suffix(x.lo), convert_##to##8##suffix(x.hi));             \
    }

// Through the integer that the machine converts to: `wide`. A NaN saturates to zero.
#define TO_INTEGER_MODE(to, low, high, wide, from, suffix, mode)                                   \
    to OVERLOAD convert_##to##suffix(from x) {                                                     \
        return (to)__brgpu_##wide##_from_##from##_##mode(x);                                       \
    }                                                                                              \
    to OVERLOAD convert_##to##_sat##suffix(from x) {                                               \
        const wide value = __brgpu_##wide##_from_##from##_##mode(x);                               \
        const wide clamped = value < (wide)low ? (wide)low : value > (wide)high ? (wide)high       \
                                                                                : value;           \
        return x != x ? 0 : (to)clamped;                                                           \
    }                                                                                              \
    VECTORS(to, suffix, from)                                                                      \
    VECTORS(to, _sat##suffix, from)
#define TO_INTEGER(to, low, high, wide, from)                                                      \
    TO_INTEGER_MODE(to, low, high, wide, from, , rtz)                                              \
    TO_INTEGER_MODE(to, low, high, wide, from, _rte, rne)                                          \
    TO_INTEGER_MODE(to, low, high, wide, from, _rtz, rtz)                                          \
    TO_INTEGER_MODE(to, low, high, wide, from, _rtn, rdn)                                          \
    TO_INTEGER_MODE(to, low, high, wide, from, _rtp, rup)
#define TO_INTEGERS(from)                                                                          \
    TO_INTEGER(char, CHAR_MIN, CHAR_MAX, int, from)                                                \
    TO_INTEGER(uchar, 0, UCHAR_MAX, int, from)                                                     \
    TO_INTEGER(short, SHRT_MIN, SHRT_MAX, int, from)                                               \
    TO_INTEGER(ushort, 0, USHRT_MAX, int, from)                                                    \
    TO_INTEGER(int, INT_MIN, INT_MAX, int, from)                                                   \
    TO_INTEGER(uint, 0, UINT_MAX, uint, from)                                                      \
    TO_INTEGER(long, LONG_MIN, LONG_MAX, long, from)                                               \
    TO_INTEGER(ulong, 0, ULONG_MAX, ulong, from)
TO_INTEGERS(float)
TO_INTEGERS(double)

#define TO_FLOATING_MODE(to, wide, from, suffix, mode)                                             \
    to OVERLOAD convert_##to##suffix(from x) {                                                     \
        return __brgpu_##to##_from_##wide##_##mode(x);                                             \
    }                                                                                              \
    VECTORS(to, suffix, from)
#define TO_FLOATING(to, wide, from)                                                                \
    TO_FLOATING_MODE(to, wide, from, _rte, rne)                                                    \
    TO_FLOATING_MODE(to, wide, from, _rtz, rtz)                                                    \
    TO_FLOATING_MODE(to, wide, from, _rtn, rdn)                                                    \
    TO_FLOATING_MODE(to, wide, from, _rtp, rup)
#define INTEGERS_TO(to)                                                                            \
    TO_FLOATING(to, long, char) TO_FLOATING(to, ulong, uchar) TO_FLOATING(to, long, short)         \
        TO_FLOATING(to, ulong, ushort) TO_FLOATING(to, long, int) TO_FLOATING(to, ulong, uint)     \
            TO_FLOATING(to, long, long) TO_FLOATING(to, ulong, ulong)
INTEGERS_TO(float)
INTEGERS_TO(double)
TO_FLOATING(float, double, double)
