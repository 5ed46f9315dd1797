// SPDX-License-Identifier: MIT
//
// C's mathematics by C's names, on the functions of OpenCL: for kernels in C (libc/math.h), and for
// what LLVM's code generation calls. Labels keep the C names apart from OpenCL's overloaded ones.

#define UNARY(name)                                                                                \
    double c_##name(double x) __asm__(#name);                                                      \
    double c_##name(double x) { return name(x); }                                                  \
    float c_##name##f(float x) __asm__(#name "f");                                                 \
    float c_##name##f(float x) { return name(x); }
#define BINARY(name)                                                                               \
    double c_##name(double x, double y) __asm__(#name);                                            \
    double c_##name(double x, double y) { return name(x, y); }                                     \
    float c_##name##f(float x, float y) __asm__(#name "f");                                        \
    float c_##name##f(float x, float y) { return name(x, y); }
// A C name on another function of OpenCL.
#define NAMED(result_d, result_f, name, parameters_d, parameters_f, expression)                    \
    result_d c_##name parameters_d __asm__(#name);                                                 \
    result_d c_##name parameters_d { return expression; }                                          \
    result_f c_##name##f parameters_f __asm__(#name "f");                                          \
    result_f c_##name##f parameters_f { return expression; }

UNARY(acos)
UNARY(acosh)
UNARY(asin)
UNARY(asinh)
UNARY(atan)
UNARY(atanh)
UNARY(cbrt)
UNARY(ceil)
UNARY(cos)
UNARY(cosh)
UNARY(erf)
UNARY(erfc)
UNARY(exp)
UNARY(exp2)
UNARY(exp10)
UNARY(expm1)
UNARY(fabs)
UNARY(floor)
UNARY(lgamma)
UNARY(log)
UNARY(log10)
UNARY(log1p)
UNARY(log2)
UNARY(logb)
UNARY(rint)
UNARY(round)
UNARY(sin)
UNARY(sinh)
UNARY(sqrt)
UNARY(tan)
UNARY(tanh)
UNARY(tgamma)
UNARY(trunc)
BINARY(atan2)
BINARY(copysign)
BINARY(fdim)
BINARY(fmax)
BINARY(fmin)
BINARY(fmod)
BINARY(hypot)
BINARY(nextafter)
BINARY(pow)
BINARY(remainder)
NAMED(double, float, fma, (double x, double y, double z), (float x, float y, float z), fma(x, y, z))
NAMED(double, float, nearbyint, (double x), (float x), rint(x))
NAMED(double, float, ldexp, (double x, int e), (float x, int e), ldexp(x, e))
NAMED(double, float, scalbn, (double x, int e), (float x, int e), ldexp(x, e))
NAMED(double, float, frexp, (double x, private int *e), (float x, private int *e), frexp(x, e))
NAMED(double, float, modf, (double x, private double *p), (float x, private float *p), modf(x, p))
NAMED(int, int, ilogb, (double x), (float x), ilogb(x))
NAMED(long, long, lrint, (double x), (float x), convert_long_rte(x))
NAMED(long, long, lround, (double x), (float x), convert_long(round(x)))

// llvm.powi
double c_powidf2(double x, int n) __asm__("__powidf2");
double c_powidf2(double x, int n) {
    return pown(x, n);
}

float c_powisf2(float x, int n) __asm__("__powisf2");
float c_powisf2(float x, int n) {
    return pown(x, n);
}
