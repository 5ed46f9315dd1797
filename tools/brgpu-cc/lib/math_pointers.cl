// SPDX-License-Identifier: MIT
//
// The functions with a second result behind a pointer: through generic pointers for float and double
// (libclc has the named address spaces), in all of them for half.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define OVERLOAD __attribute__((overloadable))
#define TO(type, value) __builtin_convertvector(value, type)

#define GENERIC(type, int_type)                                                                    \
    type OVERLOAD fract(type x, type *p) {                                                         \
        private type second;                                                                       \
        const type first = fract(x, (private type *)&second);                                      \
        *p = second;                                                                               \
        return first;                                                                              \
    }                                                                                              \
    type OVERLOAD modf(type x, type *p) {                                                          \
        private type second;                                                                       \
        const type first = modf(x, (private type *)&second);                                       \
        *p = second;                                                                               \
        return first;                                                                              \
    }                                                                                              \
    type OVERLOAD sincos(type x, type *p) {                                                        \
        private type second;                                                                       \
        const type first = sincos(x, (private type *)&second);                                     \
        *p = second;                                                                               \
        return first;                                                                              \
    }                                                                                              \
    type OVERLOAD frexp(type x, int_type *p) {                                                     \
        private int_type second;                                                                   \
        const type first = frexp(x, (private int_type *)&second);                                  \
        *p = second;                                                                               \
        return first;                                                                              \
    }                                                                                              \
    type OVERLOAD lgamma_r(type x, int_type *p) {                                                  \
        private int_type second;                                                                   \
        const type first = lgamma_r(x, (private int_type *)&second);                               \
        *p = second;                                                                               \
        return first;                                                                              \
    }                                                                                              \
    type OVERLOAD remquo(type x, type y, int_type *p) {                                            \
        private int_type second;                                                                   \
        const type first = remquo(x, y, (private int_type *)&second);                              \
        *p = second;                                                                               \
        return first;                                                                              \
    }

#define SIZES(m, type)                                                                             \
    m(type, int) m(type##2, int2) m(type##3, int3) m(type##4, int4) m(type##8, int8)               \
        m(type##16, int16)

// Overloads that the header declares for generic pointers only, which the ones above call.
#define PRIVATE_DECLARATIONS(type, int_type)                                                       \
    type OVERLOAD fract(type x, private type *p);                                                  \
    type OVERLOAD modf(type x, private type *p);                                                   \
    type OVERLOAD sincos(type x, private type *p);                                                 \
    type OVERLOAD frexp(type x, private int_type *p);                                              \
    type OVERLOAD lgamma_r(type x, private int_type *p);                                           \
    type OVERLOAD remquo(type x, type y, private int_type *p);
SIZES(PRIVATE_DECLARATIONS, float)
SIZES(PRIVATE_DECLARATIONS, double)
SIZES(GENERIC, float)
SIZES(GENERIC, double)

#define HALF_SPACE(n, space)                                                                       \
    half##n OVERLOAD fract(half##n x, space half##n *p) {                                          \
        const half##n whole = floor(x);                                                            \
        *p = whole;                                                                                \
        /* The largest half below one, and infinities have no fraction. */                         \
        const half##n part = fmin(x - whole, (half##n)0x1.ffcp-1h);                                \
        return HALF_IS_INF(n, x) ? copysign((half##n)0.0h, x) : HALF_IS_NAN(n, x) ? x : part;      \
    }                                                                                              \
    half##n OVERLOAD modf(half##n x, space half##n *p) {                                           \
        const half##n whole = trunc(x);                                                            \
        *p = whole;                                                                                \
        return copysign(HALF_IS_INF(n, x) ? (half##n)0.0h : x - whole, x);                         \
    }                                                                                              \
    half##n OVERLOAD sincos(half##n x, space half##n *p) {                                         \
        *p = cos(x);                                                                               \
        return sin(x);                                                                             \
    }
#define HALF_IS_INF(n, x) ((as_short##n(x) & (short##n)0x7fff) == (short##n)0x7c00)
#define HALF_IS_NAN(n, x) ((as_short##n(x) & (short##n)0x7fff) > (short##n)0x7c00)

#define HALF_INT_SPACE(n, space)                                                                   \
    half##n OVERLOAD frexp(half##n x, space int##n *p) {                                           \
        private int##n second;                                                                     \
        const half##n first = HALF_FROM(n, frexp(FLOAT_FROM(n, x), (private int##n *)&second));    \
        *p = second;                                                                               \
        return first;                                                                              \
    }                                                                                              \
    half##n OVERLOAD lgamma_r(half##n x, space int##n *p) {                                        \
        private int##n second;                                                                     \
        const half##n first = HALF_FROM(n, lgamma_r(FLOAT_FROM(n, x), (private int##n *)&second)); \
        *p = second;                                                                               \
        return first;                                                                              \
    }                                                                                              \
    half##n OVERLOAD remquo(half##n x, half##n y, space int##n *p) {                               \
        private int##n second;                                                                     \
        const half##n first =                                                                      \
            HALF_FROM(n, remquo(FLOAT_FROM(n, x), FLOAT_FROM(n, y), (private int##n *)&second));   \
        *p = second;                                                                               \
        return first;                                                                              \
    }
#define HALF_FROM(n, x) convert_half##n(x)
#define FLOAT_FROM(n, x) convert_float##n(x)

#define HALF_SPACES(n)                                                                             \
    HALF_SPACE(n, ) HALF_SPACE(n, private) HALF_SPACE(n, local) HALF_SPACE(n, global)              \
    HALF_INT_SPACE(n, ) HALF_INT_SPACE(n, private) HALF_INT_SPACE(n, local)                        \
    HALF_INT_SPACE(n, global)
HALF_SPACES()
HALF_SPACES(2)
HALF_SPACES(3)
HALF_SPACES(4)
HALF_SPACES(8)
HALF_SPACES(16)
