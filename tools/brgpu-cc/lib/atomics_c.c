/* SPDX-License-Identifier: MIT */
/*
 * The atomic operations of C sources, which clang leaves to a library on its neutral target. All
 * are sequentially consistent.
 */
#include <stdbool.h>
#include <stdint.h>

#define SEQ_CST __ATOMIC_SEQ_CST

/* clang knows these names as built-ins of other types: labels give them. */
#define FUNCTION(result, name, size, ...)                                                          \
    result atomic_##name##_##size(__VA_ARGS__) __asm__("__atomic_" #name "_" #size);               \
    result atomic_##name##_##size(__VA_ARGS__)

#define FETCH(type, size, name)                                                                    \
    FUNCTION(type, name, size, volatile type *object, type operand, int order) {                   \
        (void)order;                                                                               \
        return __atomic_##name(object, operand, SEQ_CST);                                          \
    }

#define SIZE(type, size)                                                                           \
    FUNCTION(type, load, size, const volatile type *object, int order) {                           \
        (void)order;                                                                               \
        return __atomic_load_n(object, SEQ_CST);                                                   \
    }                                                                                              \
    FUNCTION(void, store, size, volatile type *object, type value, int order) {                    \
        (void)order;                                                                               \
        __atomic_store_n(object, value, SEQ_CST);                                                  \
    }                                                                                              \
    FUNCTION(type, exchange, size, volatile type *object, type value, int order) {                 \
        (void)order;                                                                               \
        return __atomic_exchange_n(object, value, SEQ_CST);                                        \
    }                                                                                              \
    FUNCTION(bool, compare_exchange, size, volatile type *object, type *expected, type desired,    \
             int success, int failure) {                                                           \
        (void)success;                                                                             \
        (void)failure;                                                                             \
        return __atomic_compare_exchange_n(object, expected, desired, false, SEQ_CST, SEQ_CST);    \
    }                                                                                              \
    FETCH(type, size, fetch_add)                                                                   \
    FETCH(type, size, fetch_sub)                                                                   \
    FETCH(type, size, fetch_and)                                                                   \
    FETCH(type, size, fetch_or)                                                                    \
    FETCH(type, size, fetch_xor)                                                                   \
    FETCH(type, size, fetch_nand)

SIZE(uint8_t, 1)
SIZE(uint16_t, 2)
SIZE(uint32_t, 4)
SIZE(uint64_t, 8)
