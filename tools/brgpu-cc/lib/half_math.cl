// SPDX-License-Identifier: MIT
//
// The mathematics of half: by way of float, whose functions are accurate far beyond half's last
// place, except where a second rounding would show.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define OVERLOAD __attribute__((overloadable))
#define TO(type, value) __builtin_convertvector(value, type)

// The float versions are named because a definition hides the overloads that the compiler knows.
#define DECLARE_1(name, type) type OVERLOAD name(type x);
#define DECLARE_2(name, type) type OVERLOAD name(type x, type y);
#define DECLARE_INT(name, type, int_type) type OVERLOAD name(type x, int_type y);
#define DECLARE_SIZES(declare, name)                                                               \
    declare(name, float) declare(name, float2) declare(name, float3) declare(name, float4)         \
        declare(name, float8) declare(name, float16)

#define SIZES(m) m(2) m(3) m(4) m(8) m(16)

#define UNARY_N(n, name)                                                                           \
    half##n OVERLOAD name(half##n x) {                                                             \
        return TO(half##n, name(TO(float##n, x)));                                                 \
    }
#define UNARY(name)                                                                                \
    DECLARE_SIZES(DECLARE_1, name)                                                                 \
    half OVERLOAD name(half x) {                                                                   \
        return (half)name((float)x);                                                               \
    }                                                                                              \
    UNARY_N(2, name) UNARY_N(3, name) UNARY_N(4, name) UNARY_N(8, name) UNARY_N(16, name)

#define BINARY_N(n, name)                                                                          \
    half##n OVERLOAD name(half##n x, half##n y) {                                                  \
        return TO(half##n, name(TO(float##n, x), TO(float##n, y)));                                \
    }
#define BINARY(name)                                                                               \
    DECLARE_SIZES(DECLARE_2, name)                                                                 \
    half OVERLOAD name(half x, half y) {                                                           \
        return (half)name((float)x, (float)y);                                                     \
    }                                                                                              \
    BINARY_N(2, name) BINARY_N(3, name) BINARY_N(4, name) BINARY_N(8, name) BINARY_N(16, name)

// A scalar as the second operand.
#define BINARY_SCALAR_N(n, name)                                                                   \
    half##n OVERLOAD name(half##n x, half y) {                                                     \
        return name(x, (half##n)y);                                                                \
    }
#define BINARY_SCALAR(name)                                                                        \
    BINARY_SCALAR_N(2, name) BINARY_SCALAR_N(3, name) BINARY_SCALAR_N(4, name)                     \
        BINARY_SCALAR_N(8, name) BINARY_SCALAR_N(16, name)

UNARY(acos) UNARY(acosh) UNARY(acospi) UNARY(asin) UNARY(asinh) UNARY(asinpi)
UNARY(atan) UNARY(atanh) UNARY(atanpi) UNARY(cbrt) UNARY(cos) UNARY(cosh) UNARY(cospi)
UNARY(erf) UNARY(erfc) UNARY(exp) UNARY(exp10) UNARY(exp2) UNARY(expm1)
UNARY(lgamma) UNARY(log) UNARY(log10) UNARY(log1p) UNARY(log2) UNARY(logb) UNARY(rsqrt)
UNARY(sin) UNARY(sinh) UNARY(sinpi) UNARY(sqrt) UNARY(tan) UNARY(tanh) UNARY(tanpi) UNARY(tgamma)
UNARY(ceil) UNARY(floor) UNARY(rint) UNARY(round) UNARY(trunc) UNARY(fabs)
UNARY(degrees) UNARY(radians) UNARY(sign)

BINARY(atan2) BINARY(atan2pi) BINARY(copysign) BINARY(fdim) BINARY(fmax) BINARY(fmin) BINARY(fmod)
BINARY(hypot) BINARY(maxmag) BINARY(minmag) BINARY(pow) BINARY(powr) BINARY(remainder)
BINARY(max) BINARY(min) BINARY(step)
BINARY_SCALAR(fmax) BINARY_SCALAR(fmin) BINARY_SCALAR(max) BINARY_SCALAR(min)

#define STEP_SCALAR(n)                                                                             \
    half##n OVERLOAD step(half edge, half##n x) {                                                  \
        return step((half##n)edge, x);                                                             \
    }
SIZES(STEP_SCALAR)

// half times half is exact in float, the sum isn't: the instruction rounds once.
#define FMA_N(n)                                                                                   \
    half##n OVERLOAD fma(half##n a, half##n b, half##n c) {                                        \
        return __builtin_elementwise_fma(a, b, c);                                                 \
    }                                                                                              \
    half##n OVERLOAD mad(half##n a, half##n b, half##n c) {                                        \
        return __builtin_elementwise_fma(a, b, c);                                                 \
    }                                                                                              \
    half##n OVERLOAD clamp(half##n x, half##n low, half##n high) {                                 \
        return min(max(x, low), high);                                                             \
    }                                                                                              \
    half##n OVERLOAD mix(half##n x, half##n y, half##n a) {                                        \
        return mad(y - x, a, x);                                                                   \
    }                                                                                              \
    half##n OVERLOAD smoothstep(half##n edge0, half##n edge1, half##n x) {                         \
        const half##n t = clamp((x - edge0) / (edge1 - edge0), (half##n)0.0h, (half##n)1.0h);      \
        return t * t * ((half##n)3.0h - (half##n)2.0h * t);                                        \
    }
FMA_N()
SIZES(FMA_N)

#define SCALAR_OPERANDS(n)                                                                         \
    half##n OVERLOAD clamp(half##n x, half low, half high) {                                       \
        return clamp(x, (half##n)low, (half##n)high);                                              \
    }                                                                                              \
    half##n OVERLOAD mix(half##n x, half##n y, half a) {                                           \
        return mix(x, y, (half##n)a);                                                              \
    }                                                                                              \
    half##n OVERLOAD smoothstep(half edge0, half edge1, half##n x) {                               \
        return smoothstep((half##n)edge0, (half##n)edge1, x);                                      \
    }
SIZES(SCALAR_OPERANDS)

// An integer operand.
#define WITH_INT_N(n, name)                                                                        \
    half##n OVERLOAD name(half##n x, int##n y) {                                                   \
        return TO(half##n, name(TO(float##n, x), y));                                              \
    }
#define WITH_INT(name)                                                                             \
    DECLARE_INT(name, float, int) DECLARE_INT(name, float2, int2) DECLARE_INT(name, float3, int3)  \
    DECLARE_INT(name, float4, int4) DECLARE_INT(name, float8, int8)                                \
    DECLARE_INT(name, float16, int16)                                                              \
    half OVERLOAD name(half x, int y) {                                                            \
        return (half)name((float)x, y);                                                            \
    }                                                                                              \
    WITH_INT_N(2, name) WITH_INT_N(3, name) WITH_INT_N(4, name) WITH_INT_N(8, name)                \
        WITH_INT_N(16, name)
WITH_INT(pown) WITH_INT(rootn) WITH_INT(ldexp)
int OVERLOAD ilogb(float x);
#define DECLARE_ILOGB(n) int##n OVERLOAD ilogb(float##n x);
SIZES(DECLARE_ILOGB)
#define LDEXP_SCALAR(n)                                                                            \
    half##n OVERLOAD ldexp(half##n x, int y) {                                                     \
        return ldexp(x, (int##n)y);                                                                \
    }                                                                                              \
    int##n OVERLOAD ilogb(half##n x) {                                                             \
        return ilogb(TO(float##n, x));                                                             \
    }                                                                                              \
    half##n OVERLOAD nan(ushort##n code) {                                                         \
        return as_half##n((ushort##n)(code | (ushort##n)0x7e00));                                  \
    }
SIZES(LDEXP_SCALAR)

int OVERLOAD ilogb(half x) {
    return ilogb((float)x);
}

half OVERLOAD nan(ushort code) {
    return as_half((ushort)(code | 0x7e00));
}

half OVERLOAD nextafter(half x, half y) {
    if (x != x || y != y)
        return x + y;
    if (x == y)
        return y;
    if (x == 0.0h)
        return copysign(as_half((ushort)1), y);
    const ushort bits = as_ushort(x);
    return as_half((ushort)((x < y) == (x > 0.0h) ? bits + 1 : bits - 1));
}

half2 OVERLOAD nextafter(half2 x, half2 y) {
    return (half2)(nextafter(x.x, y.x), nextafter(x.y, y.y));
}

half3 OVERLOAD nextafter(half3 x, half3 y) {
    return (half3)(nextafter(x.xy, y.xy), nextafter(x.z, y.z));
}
#define NEXTAFTER(n)                                                                               \
    half##n OVERLOAD nextafter(half##n x, half##n y) {                                             \
        return (half##n)(nextafter(x.lo, y.lo), nextafter(x.hi, y.hi));                            \
    }
NEXTAFTER(4) NEXTAFTER(8) NEXTAFTER(16)

float4 OVERLOAD cross(float4 a, float4 b);
float3 OVERLOAD cross(float3 a, float3 b);
#define DECLARE_GEOMETRY(type)                                                                     \
    float OVERLOAD dot(type a, type b);                                                            \
    float OVERLOAD length(type x);                                                                 \
    float OVERLOAD distance(type a, type b);                                                       \
    type OVERLOAD normalize(type x);
DECLARE_GEOMETRY(float)
DECLARE_GEOMETRY(float2)
DECLARE_GEOMETRY(float3)
DECLARE_GEOMETRY(float4)

// Geometry, in float to the end.
half4 OVERLOAD cross(half4 a, half4 b) {
    return TO(half4, cross(TO(float4, a), TO(float4, b)));
}

half3 OVERLOAD cross(half3 a, half3 b) {
    return TO(half3, cross(TO(float3, a), TO(float3, b)));
}

half OVERLOAD dot(half a, half b) {
    return a * b;
}

half OVERLOAD length(half x) {
    return fabs(x);
}

half OVERLOAD distance(half a, half b) {
    return fabs(a - b);
}

half OVERLOAD normalize(half x) {
    return (half)normalize((float)x);
}
#define GEOMETRY(n)                                                                                \
    half OVERLOAD dot(half##n a, half##n b) {                                                      \
        return (half)dot(TO(float##n, a), TO(float##n, b));                                        \
    }                                                                                              \
    half OVERLOAD length(half##n x) {                                                              \
        return (half)length(TO(float##n, x));                                                      \
    }                                                                                              \
    half OVERLOAD distance(half##n a, half##n b) {                                                 \
        return (half)distance(TO(float##n, a), TO(float##n, b));                                   \
    }                                                                                              \
    half##n OVERLOAD normalize(half##n x) {                                                        \
        return TO(half##n, normalize(TO(float##n, x)));                                            \
    }
GEOMETRY(2) GEOMETRY(3) GEOMETRY(4)
