// SPDX-License-Identifier: MIT
//
// Integer functions that libclc doesn't have.

#define OVERLOAD __attribute__((overloadable, const))

#define SCALARS(m)                                                                                 \
    m(char, uchar, char) m(uchar, uchar, char) m(short, ushort, short) m(ushort, ushort, short)    \
        m(int, uint, int) m(uint, uint, int) m(long, ulong, long) m(ulong, ulong, long)

// Element by element, so that each becomes the machine's own instruction.
#define VECTORS_1(type, name)                                                                      \
    type##2 OVERLOAD name(type##2 x) { return (type##2)(name(x.x), name(x.y)); }                   \
    type##3 OVERLOAD name(type##3 x) { return (type##3)(name(x.x), name(x.y), name(x.z)); }        \
    type##4 OVERLOAD name(type##4 x) { return (type##4)(name(x.lo), name(x.hi)); }                 \
    type##8 OVERLOAD name(type##8 x) { return (type##8)(name(x.lo), name(x.hi)); }                 \
    type##16 OVERLOAD name(type##16 x) { return (type##16)(name(x.lo), name(x.hi)); }

// libclc's sub_sat takes 0 - INT_MIN for a negative overflow.
#define SATURATING_N(type)                                                                         \
    type OVERLOAD add_sat(type a, type b) { return __builtin_elementwise_add_sat(a, b); }          \
    type OVERLOAD sub_sat(type a, type b) { return __builtin_elementwise_sub_sat(a, b); }
#define SATURATING(type, unsigned_type, signed_type)                                               \
    SATURATING_N(type)                                                                             \
    SATURATING_N(type##2) SATURATING_N(type##3) SATURATING_N(type##4) SATURATING_N(type##8)        \
    SATURATING_N(type##16)
SCALARS(SATURATING)

#define MAD_HI_N(type)                                                                             \
    type OVERLOAD mad_hi(type a, type b, type c) {                                                 \
        return mul_hi(a, b) + c;                                                                   \
    }
#define MAD_HI(type, unsigned_type, signed_type)                                                   \
    MAD_HI_N(type)                                                                                 \
    MAD_HI_N(type##2) MAD_HI_N(type##3) MAD_HI_N(type##4) MAD_HI_N(type##8) MAD_HI_N(type##16)
SCALARS(MAD_HI)

#define CTZ(type, unsigned_type, signed_type)                                                      \
    type OVERLOAD ctz(type x) {                                                                    \
        return x == 0 ? (type)(sizeof(type) * 8) : (type)__builtin_ctzl((ulong)x);                 \
    }                                                                                              \
    VECTORS_1(type, ctz)
SCALARS(CTZ)

#define BIT_REVERSE_1(type, bits)                                                                  \
    type OVERLOAD bit_reverse(type x) {                                                            \
        return (type)__builtin_bitreverse##bits(x);                                                \
    }                                                                                              \
    VECTORS_1(type, bit_reverse)
BIT_REVERSE_1(char, 8)
BIT_REVERSE_1(uchar, 8)
BIT_REVERSE_1(short, 16)
BIT_REVERSE_1(ushort, 16)
BIT_REVERSE_1(int, 32)
BIT_REVERSE_1(uint, 32)
BIT_REVERSE_1(long, 64)
BIT_REVERSE_1(ulong, 64)

// A field of all bits would be a shift by the width, and one of none at offset 0 a shift down by it.
#define FIELD_MASK(count) ((count) >= 64 ? ~0ul : (1ul << (count)) - 1)
#define INSERT(type, unsigned_type)                                                                \
    type OVERLOAD bitfield_insert(type base, type insert, uint offset, uint count) {               \
        const ulong mask = FIELD_MASK(count) << offset;                                     \
        return (type)(((ulong)base & ~mask) | ((ulong)insert << offset & mask));                   \
    }
#define INSERT_N(type, n)                                                                          \
    type##n OVERLOAD bitfield_insert(type##n base, type##n insert, uint offset, uint count) {      \
        const type mask = (type)(FIELD_MASK(count) << offset);             \
        return (base & (type) ~mask) | (insert << (type##n)(type)offset & mask);                   \
    }
#define BITFIELD_INSERT(type, unsigned_type, signed_type)                                          \
    INSERT(type, unsigned_type)                                                                    \
    INSERT_N(type, 2) INSERT_N(type, 3) INSERT_N(type, 4) INSERT_N(type, 8) INSERT_N(type, 16)
SCALARS(BITFIELD_INSERT)

#define EXTRACT(result, source, name)                                                              \
    result OVERLOAD bitfield_extract_##name(source x, uint offset, uint count) {                   \
        if (count == 0)                                                                            \
            return 0;                                                                              \
        const uint bits = sizeof(source) * 8;                                                      \
        return (result)((result)((source)(x << (bits - offset - count))) >> (bits - count));       \
    }                                                                                              \
    result##2 OVERLOAD bitfield_extract_##name(source##2 x, uint offset, uint count) {             \
        return (result##2)(bitfield_extract_##name(x.x, offset, count),                            \
                           bitfield_extract_##name(x.y, offset, count));                           \
    }                                                                                              \
    result##3 OVERLOAD bitfield_extract_##name(source##3 x, uint offset, uint count) {             \
        return (result##3)(bitfield_extract_##name(x.xy, offset, count),                           \
                           bitfield_extract_##name(x.z, offset, count));                           \
    }                                                                                              \
    result##4 OVERLOAD bitfield_extract_##name(source##4 x, uint offset, uint count) {             \
        return (result##4)(bitfield_extract_##name(x.lo, offset, count),                           \
                           bitfield_extract_##name(x.hi, offset, count));                          \
    }                                                                                              \
    result##8 OVERLOAD bitfield_extract_##name(source##8 x, uint offset, uint count) {             \
        return (result##8)(bitfield_extract_##name(x.lo, offset, count),                           \
                           bitfield_extract_##name(x.hi, offset, count));                          \
    }                                                                                              \
    result##16 OVERLOAD bitfield_extract_##name(source##16 x, uint offset, uint count) {           \
        return (result##16)(bitfield_extract_##name(x.lo, offset, count),                          \
                            bitfield_extract_##name(x.hi, offset, count));                         \
    }
#define BITFIELD_EXTRACT(type, unsigned_type, signed_type)                                         \
    EXTRACT(signed_type, type, signed) EXTRACT(unsigned_type, type, unsigned)
SCALARS(BITFIELD_EXTRACT)
