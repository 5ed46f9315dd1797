// SPDX-License-Identifier: MIT
//
// Conversions from and to half. From half: through float, which holds every half. To half: the
// instructions round in any direction; integers go through double, which holds all whose half isn't
// an overflow anyway, and rounds the others on the right side of it.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define OVERLOAD __attribute__((overloadable, const))

// rounding.c
half __brgpu_half_from_double_rne(double x);
half __brgpu_half_from_double_rtz(double x);
half __brgpu_half_from_double_rdn(double x);
half __brgpu_half_from_double_rup(double x);

#define TO_HALF(suffix, mode, type)                                                                \
    half OVERLOAD convert_half##suffix(type x) { return __brgpu_half_from_double_##mode((double)x); }               \
    half2 OVERLOAD convert_half2##suffix(type##2 x) {                                              \
        return (half2)(convert_half##suffix(x.x), convert_half##suffix(x.y));                      \
    }                                                                                              \
    half3 OVERLOAD convert_half3##suffix(type##3 x) {                                              \
        return (half3)(convert_half2##suffix(x.xy), convert_half##suffix(x.z));                    \
    }                                                                                              \
    half4 OVERLOAD convert_half4##suffix(type##4 x) {                                              \
        return (half4)(convert_half2##suffix(x.lo), convert_half2##suffix(x.hi));                  \
    }                                                                                              \
    half8 OVERLOAD convert_half8##suffix(type##8 x) {                                              \
        return (half8)(convert_half4##suffix(x.lo), convert_half4##suffix(x.hi));                  \
    }                                                                                              \
    half16 OVERLOAD convert_half16##suffix(type##16 x) {                                           \
        return (half16)(convert_half8##suffix(x.lo), convert_half8##suffix(x.hi));                 \
    }
#define TO_HALF_MODES(type)                                                                        \
    TO_HALF(, rne, type)                                                                           \
    TO_HALF(_rte, rne, type)                                                                       \
    TO_HALF(_rtz, rtz, type)                                                                       \
    TO_HALF(_rtn, rdn, type)                                                                       \
    TO_HALF(_rtp, rup, type)
TO_HALF_MODES(char)
TO_HALF_MODES(uchar)
TO_HALF_MODES(short)
TO_HALF_MODES(ushort)
TO_HALF_MODES(int)
TO_HALF_MODES(uint)
TO_HALF_MODES(long)
TO_HALF_MODES(ulong)
TO_HALF_MODES(half)
TO_HALF_MODES(float)
TO_HALF_MODES(double)

// The float versions are named because a definition hides the overloads that the compiler knows.
#define FROM_HALF(type, suffix)                                                                    \
    type OVERLOAD convert_##type##suffix(float x);                                                 \
    type##2 OVERLOAD convert_##type##2##suffix(float2 x);                                          \
    type##3 OVERLOAD convert_##type##3##suffix(float3 x);                                          \
    type##4 OVERLOAD convert_##type##4##suffix(float4 x);                                          \
    type##8 OVERLOAD convert_##type##8##suffix(float8 x);                                          \
    type##16 OVERLOAD convert_##type##16##suffix(float16 x);                                       \
    type OVERLOAD convert_##type##suffix(half x) { return convert_##type##suffix((float)x); }      \
    type##2 OVERLOAD convert_##type##2##suffix(half2 x) {                                          \
        return convert_##type##2##suffix(__builtin_convertvector(x, float2));                      \
    }                                                                                              \
    type##3 OVERLOAD convert_##type##3##suffix(half3 x) {                                          \
        return convert_##type##3##suffix(__builtin_convertvector(x, float3));                      \
    }                                                                                              \
    type##4 OVERLOAD convert_##type##4##suffix(half4 x) {                                          \
        return convert_##type##4##suffix(__builtin_convertvector(x, float4));                      \
    }                                                                                              \
    type##8 OVERLOAD convert_##type##8##suffix(half8 x) {                                          \
        return convert_##type##8##suffix(__builtin_convertvector(x, float8));                      \
    }                                                                                              \
    type##16 OVERLOAD convert_##type##16##suffix(half16 x) {                                       \
        return convert_##type##16##suffix(__builtin_convertvector(x, float16));                    \
    }
#define FROM_HALF_MODES(type)                                                                      \
    FROM_HALF(type, ) FROM_HALF(type, _rte) FROM_HALF(type, _rtz) FROM_HALF(type, _rtn)            \
        FROM_HALF(type, _rtp)
#define FROM_HALF_INTEGER(type)                                                                    \
    FROM_HALF_MODES(type)                                                                          \
    FROM_HALF(type, _sat) FROM_HALF(type, _sat_rte) FROM_HALF(type, _sat_rtz)                      \
        FROM_HALF(type, _sat_rtn) FROM_HALF(type, _sat_rtp)
FROM_HALF_INTEGER(char)
FROM_HALF_INTEGER(uchar)
FROM_HALF_INTEGER(short)
FROM_HALF_INTEGER(ushort)
FROM_HALF_INTEGER(int)
FROM_HALF_INTEGER(uint)
FROM_HALF_INTEGER(long)
FROM_HALF_INTEGER(ulong)
FROM_HALF_MODES(float)
FROM_HALF_MODES(double)
