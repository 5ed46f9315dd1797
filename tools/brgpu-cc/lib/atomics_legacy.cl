// SPDX-License-Identifier: MIT
//
// The atomics of OpenCL C 1.x: atomic_* and atom_*, relaxed as they always were.

#define OVERLOAD __attribute__((overloadable))
#define ORDER memory_order_relaxed
#define DEVICE memory_scope_all_svm_devices

#define RMW(space, type, prefix, name, operation)                                                  \
    type OVERLOAD prefix##_##name(volatile space type *p, type value) {                            \
        return __opencl_atomic_##operation((volatile space atomic_##type *)p, value, ORDER,        \
                                           DEVICE);                                                \
    }

#define SET(space, type, prefix)                                                                   \
    RMW(space, type, prefix, add, fetch_add)                                                       \
    RMW(space, type, prefix, sub, fetch_sub)                                                       \
    RMW(space, type, prefix, min, fetch_min)                                                       \
    RMW(space, type, prefix, max, fetch_max)                                                       \
    RMW(space, type, prefix, and, fetch_and)                                                       \
    RMW(space, type, prefix, or, fetch_or)                                                         \
    RMW(space, type, prefix, xor, fetch_xor)                                                       \
    RMW(space, type, prefix, xchg, exchange)                                                       \
    type OVERLOAD prefix##_inc(volatile space type *p) {                                           \
        return __opencl_atomic_fetch_add((volatile space atomic_##type *)p, 1, ORDER, DEVICE);     \
    }                                                                                              \
    type OVERLOAD prefix##_dec(volatile space type *p) {                                           \
        return __opencl_atomic_fetch_sub((volatile space atomic_##type *)p, 1, ORDER, DEVICE);     \
    }                                                                                              \
    type OVERLOAD prefix##_cmpxchg(volatile space type *p, type compare, type value) {             \
        __opencl_atomic_compare_exchange_strong((volatile space atomic_##type *)p, &compare,       \
                                                value, ORDER, ORDER, DEVICE);                      \
        return compare;                                                                            \
    }

#define SPACE(space)                                                                               \
    SET(space, int, atomic)                                                                        \
    SET(space, uint, atomic)                                                                       \
    SET(space, int, atom)                                                                          \
    SET(space, uint, atom)                                                                         \
    SET(space, long, atom)                                                                         \
    SET(space, ulong, atom)                                                                        \
    float OVERLOAD atomic_xchg(volatile space float *p, float value) {                             \
        return __opencl_atomic_exchange((volatile space atomic_float *)p, value, ORDER, DEVICE);   \
    }

SPACE(global)
SPACE(local)
SPACE()
