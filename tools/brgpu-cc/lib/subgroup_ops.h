/* SPDX-License-Identifier: MIT */
/* The warp's instructions on 64-bit values, as the sub-group functions need them. */
#ifndef BRGPU_LIB_SUBGROUP_OPS_H
#define BRGPU_LIB_SUBGROUP_OPS_H

#include "brgpu/hw/isa.h"

#define BRGPU_R4(funct3, funct2, result, value, lane, mask)                                        \
    __asm__ volatile(".insn r4 %1, %2, %3, %0, %4, %5, %6"                                         \
                     : "=r"(result)                                                                \
                     : "i"(BRGPU_OPCODE_CUSTOM0), "i"(funct3), "i"(funct2), "r"(value), "r"(lane), \
                       "r"(mask))
#define BRGPU_VOTE(funct2, result, value, mask)                                                    \
    __asm__ volatile(".insn r4 %1, %2, %3, %0, %4, x0, %5"                                         \
                     : "=r"(result)                                                                \
                     : "i"(BRGPU_OPCODE_CUSTOM0), "i"(BRGPU_F3_VOTE), "i"(funct2), "r"(value),     \
                       "r"(mask))

/* A mask of 0: all live lanes. */
#define WARP_SHUFFLE_FUNCTION(name, funct2)                                                        \
    static inline __attribute__((convergent, always_inline)) ulong name(ulong value, ulong lane) { \
        ulong result;                                                                              \
        BRGPU_R4(BRGPU_F3_SHUFFLE, funct2, result, value, lane, 0ul);                              \
        return result;                                                                             \
    }
WARP_SHUFFLE_FUNCTION(warp_shuffle, BRGPU_SHUFFLE_IDX)
WARP_SHUFFLE_FUNCTION(warp_shuffle_up, BRGPU_SHUFFLE_UP)
WARP_SHUFFLE_FUNCTION(warp_shuffle_down, BRGPU_SHUFFLE_DOWN)
WARP_SHUFFLE_FUNCTION(warp_shuffle_xor, BRGPU_SHUFFLE_XOR)

/* Scalars of up to 64 bits as the lanes exchange them, and back. */
#define BITS_char(value)   ((ulong)as_uchar(value))
#define BITS_uchar(value)  ((ulong)(value))
#define BITS_short(value)  ((ulong)as_ushort(value))
#define BITS_ushort(value) ((ulong)(value))
#define BITS_int(value)    ((ulong)as_uint(value))
#define BITS_uint(value)   ((ulong)(value))
#define BITS_long(value)   as_ulong(value)
#define BITS_ulong(value)  (value)
#define BITS_half(value)   ((ulong)as_ushort(value))
#define BITS_float(value)  ((ulong)as_uint(value))
#define BITS_double(value) as_ulong(value)
#define FROM_char(bits)    as_char((uchar)(bits))
#define FROM_uchar(bits)   ((uchar)(bits))
#define FROM_short(bits)   as_short((ushort)(bits))
#define FROM_ushort(bits)  ((ushort)(bits))
#define FROM_int(bits)     as_int((uint)(bits))
#define FROM_uint(bits)    ((uint)(bits))
#define FROM_long(bits)    as_long(bits)
#define FROM_ulong(bits)   (bits)
#define FROM_half(bits)    as_half((ushort)(bits))
#define FROM_float(bits)   as_float((uint)(bits))
#define FROM_double(bits)  as_double(bits)

#define SUBGROUP_TYPES(m)                                                                          \
    m(char) m(uchar) m(short) m(ushort) m(int) m(uint) m(long) m(ulong) m(half) m(float) m(double)

/* What an empty prefix gives, per type and operation. */
#define ADD_IDENTITY(type) ((type)0)
#define MIN_IDENTITY(type) LARGEST_##type
#define MAX_IDENTITY(type) SMALLEST_##type
#define LARGEST_char       CHAR_MAX
#define LARGEST_uchar      UCHAR_MAX
#define LARGEST_short      SHRT_MAX
#define LARGEST_ushort     USHRT_MAX
#define LARGEST_int        INT_MAX
#define LARGEST_uint       UINT_MAX
#define LARGEST_long       LONG_MAX
#define LARGEST_ulong      ULONG_MAX
#define LARGEST_half       ((half)INFINITY)
#define LARGEST_float      INFINITY
#define LARGEST_double     ((double)INFINITY)
#define SMALLEST_char      CHAR_MIN
#define SMALLEST_uchar     ((uchar)0)
#define SMALLEST_short     SHRT_MIN
#define SMALLEST_ushort    ((ushort)0)
#define SMALLEST_int       INT_MIN
#define SMALLEST_uint      0u
#define SMALLEST_long      LONG_MIN
#define SMALLEST_ulong     0ul
#define SMALLEST_half      ((half) - INFINITY)
#define SMALLEST_float     (-INFINITY)
#define SMALLEST_double    ((double)-INFINITY)
#define OP_ADD(a, b)       ((a) + (b))
#define OP_MIN(a, b)       ((b) < (a) ? (b) : (a))
#define OP_MAX(a, b)       ((b) > (a) ? (b) : (a))

#endif
