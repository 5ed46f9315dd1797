// SPDX-License-Identifier: MIT
//
// vloadn and vstoren: for half in every address space, for the other types through generic
// pointers (libclc has the rest). Elements are aligned, vectors need not be.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define OVERLOAD __attribute__((overloadable))

#define LOAD(type, space)                                                                          \
    type##2 OVERLOAD vload2(size_t offset, const space type *p) {                                  \
        p += offset * 2;                                                                           \
        return (type##2)(p[0], p[1]);                                                              \
    }                                                                                              \
    type##3 OVERLOAD vload3(size_t offset, const space type *p) {                                  \
        p += offset * 3;                                                                           \
        return (type##3)(p[0], p[1], p[2]);                                                        \
    }                                                                                              \
    type##4 OVERLOAD vload4(size_t offset, const space type *p) {                                  \
        p += offset * 4;                                                                           \
        return (type##4)(p[0], p[1], p[2], p[3]);                                                  \
    }                                                                                              \
    type##8 OVERLOAD vload8(size_t offset, const space type *p) {                                  \
        return (type##8)(vload4(2 * offset, p), vload4(2 * offset + 1, p));                        \
    }                                                                                              \
    type##16 OVERLOAD vload16(size_t offset, const space type *p) {                                \
        return (type##16)(vload8(2 * offset, p), vload8(2 * offset + 1, p));                       \
    }
#define STORE(type, space)                                                                         \
    void OVERLOAD vstore2(type##2 x, size_t offset, space type *p) {                               \
        p += offset * 2;                                                                           \
        p[0] = x.x;                                                                                \
        p[1] = x.y;                                                                                \
    }                                                                                              \
    void OVERLOAD vstore3(type##3 x, size_t offset, space type *p) {                               \
        p += offset * 3;                                                                           \
        p[0] = x.x;                                                                                \
        p[1] = x.y;                                                                                \
        p[2] = x.z;                                                                                \
    }                                                                                              \
    void OVERLOAD vstore4(type##4 x, size_t offset, space type *p) {                               \
        vstore2(x.lo, 2 * offset, p);                                                              \
        vstore2(x.hi, 2 * offset + 1, p);                                                          \
    }                                                                                              \
    void OVERLOAD vstore8(type##8 x, size_t offset, space type *p) {                               \
        vstore4(x.lo, 2 * offset, p);                                                              \
        vstore4(x.hi, 2 * offset + 1, p);                                                          \
    }                                                                                              \
    void OVERLOAD vstore16(type##16 x, size_t offset, space type *p) {                             \
        vstore8(x.lo, 2 * offset, p);                                                              \
        vstore8(x.hi, 2 * offset + 1, p);                                                          \
    }
#define LOAD_STORE(type, space) LOAD(type, space) STORE(type, space)
LOAD_STORE(char, )
LOAD_STORE(uchar, )
LOAD_STORE(short, )
LOAD_STORE(ushort, )
LOAD_STORE(int, )
LOAD_STORE(uint, )
LOAD_STORE(long, )
LOAD_STORE(ulong, )
LOAD_STORE(float, )
LOAD_STORE(double, )
LOAD_STORE(half, )
LOAD_STORE(half, private)
LOAD_STORE(half, local)
LOAD_STORE(half, global)
LOAD(half, constant)

// vload_half and vstore_half, the same in every space; a vector of three stands in the place of four
// where the function says aligned (vloada, vstorea).
#define LOAD_HALF(space)                                                                           \
    float OVERLOAD vload_half(size_t offset, const space half *p) { return p[offset]; }            \
    float2 OVERLOAD vload_half2(size_t offset, const space half *p) {                              \
        return __builtin_convertvector(vload2(offset, p), float2);                                 \
    }                                                                                              \
    float3 OVERLOAD vload_half3(size_t offset, const space half *p) {                              \
        return __builtin_convertvector(vload3(offset, p), float3);                                 \
    }                                                                                              \
    float4 OVERLOAD vload_half4(size_t offset, const space half *p) {                              \
        return __builtin_convertvector(vload4(offset, p), float4);                                 \
    }                                                                                              \
    float8 OVERLOAD vload_half8(size_t offset, const space half *p) {                              \
        return __builtin_convertvector(vload8(offset, p), float8);                                 \
    }                                                                                              \
    float16 OVERLOAD vload_half16(size_t offset, const space half *p) {                            \
        return __builtin_convertvector(vload16(offset, p), float16);                               \
    }                                                                                              \
    float OVERLOAD vloada_half(size_t offset, const space half *p) { return p[offset]; }           \
    float2 OVERLOAD vloada_half2(size_t offset, const space half *p) {                             \
        return vload_half2(offset, p);                                                             \
    }                                                                                              \
    float3 OVERLOAD vloada_half3(size_t offset, const space half *p) {                             \
        return vload_half3(0, p + 4 * offset);                                                     \
    }                                                                                              \
    float4 OVERLOAD vloada_half4(size_t offset, const space half *p) {                             \
        return vload_half4(offset, p);                                                             \
    }                                                                                              \
    float8 OVERLOAD vloada_half8(size_t offset, const space half *p) {                             \
        return vload_half8(offset, p);                                                             \
    }                                                                                              \
    float16 OVERLOAD vloada_half16(size_t offset, const space half *p) {                           \
        return vload_half16(offset, p);                                                            \
    }
LOAD_HALF()
LOAD_HALF(private)
LOAD_HALF(local)
LOAD_HALF(global)
LOAD_HALF(constant)

#define STORE_HALF(space, type, suffix)                                                            \
    void OVERLOAD vstore_half##suffix(type x, size_t offset, space half *p) {                      \
        p[offset] = convert_half##suffix(x);                                                       \
    }                                                                                              \
    void OVERLOAD vstorea_half##suffix(type x, size_t offset, space half *p) {                     \
        p[offset] = convert_half##suffix(x);                                                       \
    }                                                                                              \
    void OVERLOAD vstorea_half3##suffix(type##3 x, size_t offset, space half *p) {                 \
        vstore3(convert_half3##suffix(x), 0, p + 4 * offset);                                      \
    }                                                                                              \
    void OVERLOAD vstore_half3##suffix(type##3 x, size_t offset, space half *p) {                  \
        vstore3(convert_half3##suffix(x), offset, p);                                              \
    }                                                                                              \
    STORE_HALF_N(space, type, 2, suffix)                                                           \
    STORE_HALF_N(space, type, 4, suffix)                                                           \
    STORE_HALF_N(space, type, 8, suffix)                                                           \
    STORE_HALF_N(space, type, 16, suffix)
#define STORE_HALF_N(space, type, n, suffix)                                                       \
    void OVERLOAD vstore_half##n##suffix(type##n x, size_t offset, space half *p) {                \
        vstore##n(convert_half##n##suffix(x), offset, p);                                          \
    }                                                                                              \
    void OVERLOAD vstorea_half##n##suffix(type##n x, size_t offset, space half *p) {               \
        vstore##n(convert_half##n##suffix(x), offset, p);                                          \
    }
#define STORE_HALF_MODES(space, type)                                                              \
    STORE_HALF(space, type, )                                                                      \
    STORE_HALF(space, type, _rte)                                                                  \
    STORE_HALF(space, type, _rtz)                                                                  \
    STORE_HALF(space, type, _rtn)                                                                  \
    STORE_HALF(space, type, _rtp)
#define STORE_HALF_TYPES(space) STORE_HALF_MODES(space, float) STORE_HALF_MODES(space, double)
STORE_HALF_TYPES()
STORE_HALF_TYPES(private)
STORE_HALF_TYPES(local)
STORE_HALF_TYPES(global)
