// SPDX-License-Identifier: MIT
//
// Functions of float whose version in libclc's bitcode flushes subnormal results to zero (it was
// made for a target that does) or is not accurate enough; ldexp of double, whose NaN is a number there.
#include "elementwise.h"

#define OVERLOAD __attribute__((overloadable, const))

// 2^n for n in the range of normal exponents.
static float power_of_two(int n) {
    return as_float((n + 127) << 23);
}

// x * 2^n for x in [0.5, 2] and n in -160..160: two steps, of which only the last rounds.
static float scale(float x, int n) {
    const int first = n >> 1;
    return x * power_of_two(first) * power_of_two(n - first);
}

// e^r for |r| <= 0.35, by its Taylor series.
static float exp_small(float r) {
    float q = fma(r, 1.0f / 5040.0f, 1.0f / 720.0f);
    q = fma(r, q, 1.0f / 120.0f);
    q = fma(r, q, 1.0f / 24.0f);
    q = fma(r, q, 1.0f / 6.0f);
    q = fma(r, q, 0.5f);
    return 1.0f + fma(r * r, q, r);
}

float OVERLOAD exp(float x) {
    const float clamped = fmin(fmax(x, -110.0f), 100.0f);
    const float n = rint(clamped * 0x1.715476p+0f);
    float r = fma(-n, 0x1.62e4p-1f, clamped);
    r = fma(-n, 0x1.7f7d1cp-20f, r);
    return x != x ? x : scale(exp_small(r), (int)n);
}

float OVERLOAD exp2(float x) {
    const float clamped = fmin(fmax(x, -155.0f), 130.0f);
    const float n = rint(clamped);
    return x != x ? x : scale(exp_small((clamped - n) * M_LN2_F), (int)n);
}

float OVERLOAD exp10(float x) {
    const float clamped = fmin(fmax(x, -48.0f), 40.0f);
    const float n = rint(clamped * 0x1.a934f0p+1f);
    // log10(2) in two parts.
    float r = fma(-n, 0x1.344p-2f, clamped);
    r = fma(-n, 0x1.3509f8p-18f, r);
    return x != x ? x : scale(exp_small(r * M_LN10_F), (int)n);
}

// In double no product of a float and a power of two of this range rounds.
float OVERLOAD ldexp(float x, int n) {
    const int limited = min(max(n, -400), 400);
    return (float)((double)x * as_double((long)(limited + 1023) << 52));
}

// Steps into the subnormals keep 53 bits above the last, so that only that rounds.
double OVERLOAD ldexp(double x, int n) {
    for (int step = 0; step < 2 && n > 1023; step++) {
        x *= 0x1p1023;
        n -= 1023;
    }
    for (int step = 0; step < 2 && n < -1022; step++) {
        x *= 0x1p-969;
        n += 969;
    }
    return x * as_double((long)(min(max(n, -1022), 1023) + 1023) << 52);
}

static bool is_odd(float y) {
    return fabs(y) < 0x1p24f && y == rint(y) && ((int)y & 1) != 0;
}

// Powers go through double, whose logarithm leaves nothing for float to lose.
double __attribute__((overloadable, const)) exp2(double x);
double __attribute__((overloadable, const)) log2(double x);

float OVERLOAD powr(float x, float y) {
    return (float)exp2((double)y * log2((double)x));
}

float OVERLOAD pow(float x, float y) {
    if (y == 0.0f || x == 1.0f || (x == -1.0f && isinf(y)))
        return 1.0f;
    const float magnitude = (float)exp2((double)y * log2((double)fabs(x)));
    if (x != x || y != y || (x < 0.0f && !isinf(x) && !isinf(y) && y != rint(y)))
        return NAN;
    return is_odd(y) ? copysign(magnitude, x) : magnitude;
}

float OVERLOAD pown(float x, int n) {
    if (n == 0)
        return 1.0f;
    const float magnitude = (float)exp2((double)n * log2((double)fabs(x)));
    return (n & 1) != 0 ? copysign(magnitude, x) : magnitude;
}

float OVERLOAD rootn(float x, int n) {
    if (n == 0 || ((n & 1) == 0 && x < 0.0f))
        return NAN;
    const float magnitude = (float)exp2(log2((double)fabs(x)) / (double)n);
    return (n & 1) != 0 ? copysign(magnitude, x) : magnitude;
}

double __attribute__((overloadable, const)) erfc(double x);
double __attribute__((overloadable, const)) tgamma(double x);

float OVERLOAD erfc(float x) {
    return (float)erfc((double)x);
}

float OVERLOAD tgamma(float x) {
    return (float)tgamma((double)x);
}

ELEMENTWISE_1(exp, float)
ELEMENTWISE_1(exp2, float)
ELEMENTWISE_1(exp10, float)
ELEMENTWISE_1(erfc, float)
ELEMENTWISE_1(tgamma, float)
ELEMENTWISE_2(powr, float, float)
ELEMENTWISE_2(pow, float, float)
ELEMENTWISE_2(pown, float, int)
ELEMENTWISE_2(rootn, float, int)
ELEMENTWISE_2(ldexp, float, int)
ELEMENTWISE_2(ldexp, double, int)

#define LDEXP_SCALAR(n)                                                                            \
    float##n OVERLOAD ldexp(float##n x, int y) {                                                   \
        return ldexp(x, (int##n)y);                                                                \
    }                                                                                              \
    double##n OVERLOAD ldexp(double##n x, int y) {                                                 \
        return ldexp(x, (int##n)y);                                                                \
    }
LDEXP_SCALAR(2) LDEXP_SCALAR(3) LDEXP_SCALAR(4) LDEXP_SCALAR(8) LDEXP_SCALAR(16)
