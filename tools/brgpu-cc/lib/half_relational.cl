// SPDX-License-Identifier: MIT
//
// Relational functions and shuffles of half. Scalars answer 1, vectors all ones.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define OVERLOAD __attribute__((overloadable, const))
#define SIZES(m) m(2) m(3) m(4) m(8) m(16)

#define COMPARE_N(n, name, expression)                                                             \
    short##n OVERLOAD name(half##n x, half##n y) {                                                 \
        return expression;                                                                         \
    }
#define COMPARE(name, expression)                                                                  \
    int OVERLOAD name(half x, half y) {                                                            \
        return (expression) != 0;                                                                  \
    }                                                                                              \
    COMPARE_N(2, name, expression) COMPARE_N(3, name, expression) COMPARE_N(4, name, expression)   \
        COMPARE_N(8, name, expression) COMPARE_N(16, name, expression)
COMPARE(isequal, x == y)
COMPARE(isnotequal, x != y)
COMPARE(isgreater, x > y)
COMPARE(isgreaterequal, x >= y)
COMPARE(isless, x < y)
COMPARE(islessequal, x <= y)
COMPARE(islessgreater, (x < y) | (x > y))
COMPARE(isordered, (x == x) & (y == y))
COMPARE(isunordered, (x != x) | (y != y))

#define MAGNITUDE(n) (as_short##n(x) & (short##n)0x7fff)
#define TEST_N(n)                                                                                  \
    short##n OVERLOAD isnan(half##n x) { return MAGNITUDE(n) > (short##n)0x7c00; }                 \
    short##n OVERLOAD isinf(half##n x) { return MAGNITUDE(n) == (short##n)0x7c00; }                \
    short##n OVERLOAD isfinite(half##n x) { return MAGNITUDE(n) < (short##n)0x7c00; }              \
    short##n OVERLOAD isnormal(half##n x) {                                                        \
        return (MAGNITUDE(n) < (short##n)0x7c00) & (MAGNITUDE(n) >= (short##n)0x0400);             \
    }                                                                                              \
    short##n OVERLOAD signbit(half##n x) { return as_short##n(x) < (short##n)0; }
SIZES(TEST_N)

static short magnitude(half x) {
    return as_short(x) & 0x7fff;
}

int OVERLOAD isnan(half x) {
    return magnitude(x) > 0x7c00;
}

int OVERLOAD isinf(half x) {
    return magnitude(x) == 0x7c00;
}

int OVERLOAD isfinite(half x) {
    return magnitude(x) < 0x7c00;
}

int OVERLOAD isnormal(half x) {
    return magnitude(x) < 0x7c00 && magnitude(x) >= 0x0400;
}

int OVERLOAD signbit(half x) {
    return as_short(x) < 0;
}

// Named because a definition hides the overloads that the compiler knows.
#define DECLARE_SELECT(n)                                                                          \
    ushort##n OVERLOAD bitselect(ushort##n a, ushort##n b, ushort##n c);                           \
    ushort##n OVERLOAD select(ushort##n a, ushort##n b, short##n c);                               \
    ushort##n OVERLOAD select(ushort##n a, ushort##n b, ushort##n c);
DECLARE_SELECT()
SIZES(DECLARE_SELECT)

#define SELECT(n)                                                                                  \
    half##n OVERLOAD bitselect(half##n a, half##n b, half##n c) {                                  \
        return as_half##n(bitselect(as_ushort##n(a), as_ushort##n(b), as_ushort##n(c)));           \
    }                                                                                              \
    half##n OVERLOAD select(half##n a, half##n b, short##n c) {                                    \
        return as_half##n(select(as_ushort##n(a), as_ushort##n(b), c));                            \
    }                                                                                              \
    half##n OVERLOAD select(half##n a, half##n b, ushort##n c) {                                   \
        return as_half##n(select(as_ushort##n(a), as_ushort##n(b), c));                            \
    }
SELECT()
SIZES(SELECT)

#define SHUFFLE(m, n)                                                                              \
    ushort##m OVERLOAD shuffle(ushort##n x, ushort##m mask);                                       \
    ushort##m OVERLOAD shuffle2(ushort##n x, ushort##n y, ushort##m mask);                         \
    half##m OVERLOAD shuffle(half##n x, ushort##m mask) {                                          \
        return as_half##m(shuffle(as_ushort##n(x), mask));                                         \
    }                                                                                              \
    half##m OVERLOAD shuffle2(half##n x, half##n y, ushort##m mask) {                              \
        return as_half##m(shuffle2(as_ushort##n(x), as_ushort##n(y), mask));                       \
    }
#define SHUFFLES(m) SHUFFLE(m, 2) SHUFFLE(m, 4) SHUFFLE(m, 8) SHUFFLE(m, 16)
SHUFFLES(2) SHUFFLES(4) SHUFFLES(8) SHUFFLES(16)
