/* SPDX-License-Identifier: MIT */
/*
 * What LLVM's code generation calls by name, and the memory functions of C. Compiled with
 * -fno-builtin, or the loops would be recognised as what they implement.
 */
#include <stddef.h>
#include <stdint.h>

#define ADDRESS(pointer) ((uintptr_t)(pointer))

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    char *out = to;
    const char *in = from;
    if (((ADDRESS(out) | ADDRESS(in)) & 7) == 0)
        for (; size >= 8; size -= 8, out += 8, in += 8)
            *(uint64_t *)out = *(const uint64_t *)in;
    while (size--)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    char *out = to;
    const char *in = from;
    if (ADDRESS(out) - ADDRESS(in) >= size)
        return memcpy(to, from, size);
    while (size--)
        out[size] = in[size];
    return to;
}

void *memset(void *to, int value, size_t size) {
    char *out = to;
    if ((ADDRESS(out) & 7) == 0) {
        const uint64_t word = (unsigned char)value * 0x0101010101010101u;
        for (; size >= 8; size -= 8, out += 8)
            *(uint64_t *)out = word;
    }
    while (size--)
        *out++ = (char)value;
    return to;
}

int memcmp(const void *left, const void *right, size_t size) {
    const unsigned char *a = left;
    const unsigned char *b = right;
    for (; size != 0; size--, a++, b++)
        if (*a != *b)
            return *a < *b ? -1 : 1;
    return 0;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != 0)
        length++;
    return length;
}

int strcmp(const char *left, const char *right) {
    while (*left != 0 && *left == *right)
        left++, right++;
    return (unsigned char)*left - (unsigned char)*right;
}

typedef unsigned __int128 u128;
typedef __int128 i128;

static u128 divide(u128 dividend, u128 divisor, u128 *remainder) {
    u128 quotient = 0;
    u128 rest = 0;
    /* Division by zero gives all ones and the dividend, as the machine's own division does. */
    if (divisor == 0) {
        *remainder = dividend;
        return ~(u128)0;
    }
    for (int bit = 127; bit >= 0; bit--) {
        const int carry = (int)(rest >> 127);
        rest = rest << 1 | (dividend >> bit & 1);
        if (carry || rest >= divisor) {
            rest -= divisor;
            quotient |= (u128)1 << bit;
        }
    }
    *remainder = rest;
    return quotient;
}

u128 __udivti3(u128 dividend, u128 divisor) {
    u128 remainder;
    return divide(dividend, divisor, &remainder);
}

u128 __umodti3(u128 dividend, u128 divisor) {
    u128 remainder;
    divide(dividend, divisor, &remainder);
    return remainder;
}

i128 __divti3(i128 dividend, i128 divisor) {
    u128 remainder;
    const u128 quotient = divide(dividend < 0 ? -(u128)dividend : (u128)dividend,
                                 divisor < 0 ? -(u128)divisor : (u128)divisor, &remainder);
    return (i128)((dividend < 0) != (divisor < 0) ? -quotient : quotient);
}

i128 __modti3(i128 dividend, i128 divisor) {
    u128 remainder;
    divide(dividend < 0 ? -(u128)dividend : (u128)dividend,
           divisor < 0 ? -(u128)divisor : (u128)divisor, &remainder);
    return (i128)(dividend < 0 ? -remainder : remainder);
}

u128 __multi3(u128 left, u128 right) {
    const uint64_t a0 = (uint32_t)left, a1 = (uint64_t)left >> 32;
    const uint64_t b0 = (uint32_t)right, b1 = (uint64_t)right >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    const uint64_t cross = a0 * b1 + (uint32_t)middle;
    const uint64_t high = a1 * b1 + (middle >> 32) + (cross >> 32) +
                          (uint64_t)(left >> 64) * (uint64_t)right +
                          (uint64_t)left * (uint64_t)(right >> 64);
    return (u128)high << 64 | cross << 32 | (uint32_t)(a0 * b0);
}
