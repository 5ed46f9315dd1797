// SPDX-License-Identifier: MIT
//
// The C11 atomics of OpenCL C, in the generic, global and local address spaces. Every scope is
// served by what RISC-V orders for all agents.
#pragma OPENCL EXTENSION cl_khr_fp64 : enable

#define OVERLOAD __attribute__((overloadable))
#define DEVICE memory_scope_all_svm_devices
#define SEQ_CST memory_order_seq_cst

// Three forms of each function: plain, with an order, with an order and a scope. An order that isn't
// a constant becomes a switch in clang; the strongest is always right and never slower here.
#define READ_MODIFY_WRITE(space, atomic_type, type, name)                                          \
    type OVERLOAD atomic_##name(volatile space atomic_type *object, type operand) {                \
        return __opencl_atomic_##name(object, operand, SEQ_CST, DEVICE);                           \
    }                                                                                              \
    type OVERLOAD atomic_##name##_explicit(volatile space atomic_type *object, type operand,       \
                                           memory_order order) {                                   \
        return __opencl_atomic_##name(object, operand, order, DEVICE);                             \
    }                                                                                              \
    type OVERLOAD atomic_##name##_explicit(volatile space atomic_type *object, type operand,       \
                                           memory_order order, memory_scope scope) {               \
        return __opencl_atomic_##name(object, operand, order, DEVICE);                             \
    }

#define COMPARE_EXCHANGE(space, expected_space, atomic_type, type, strength)                       \
    bool OVERLOAD atomic_compare_exchange_##strength(                                              \
        volatile space atomic_type *object, expected_space type *expected, type desired) {         \
        type old = *expected;                                                                      \
        const bool done = __opencl_atomic_compare_exchange_##strength(object, &old, desired,       \
                                                                      SEQ_CST, SEQ_CST, DEVICE);   \
        *expected = old;                                                                           \
        return done;                                                                               \
    }                                                                                              \
    bool OVERLOAD atomic_compare_exchange_##strength##_explicit(                                   \
        volatile space atomic_type *object, expected_space type *expected, type desired,           \
        memory_order success, memory_order failure) {                                              \
        return atomic_compare_exchange_##strength(object, expected, desired);                      \
    }                                                                                              \
    bool OVERLOAD atomic_compare_exchange_##strength##_explicit(                                   \
        volatile space atomic_type *object, expected_space type *expected, type desired,           \
        memory_order success, memory_order failure, memory_scope scope) {                          \
        return atomic_compare_exchange_##strength(object, expected, desired);                      \
    }

#define LOAD_STORE(space, atomic_type, type)                                                       \
    void OVERLOAD atomic_init(volatile space atomic_type *object, type value) {                    \
        __opencl_atomic_store(object, value, memory_order_relaxed, DEVICE);                        \
    }                                                                                              \
    type OVERLOAD atomic_load(volatile space atomic_type *object) {                                \
        return __opencl_atomic_load(object, SEQ_CST, DEVICE);                                      \
    }                                                                                              \
    type OVERLOAD atomic_load_explicit(volatile space atomic_type *object, memory_order order) {   \
        return __opencl_atomic_load(object, order, DEVICE);                                        \
    }                                                                                              \
    type OVERLOAD atomic_load_explicit(volatile space atomic_type *object, memory_order order,     \
                                       memory_scope scope) {                                       \
        return __opencl_atomic_load(object, order, DEVICE);                                        \
    }                                                                                              \
    void OVERLOAD atomic_store(volatile space atomic_type *object, type value) {                   \
        __opencl_atomic_store(object, value, SEQ_CST, DEVICE);                                     \
    }                                                                                              \
    void OVERLOAD atomic_store_explicit(volatile space atomic_type *object, type value,            \
                                        memory_order order) {                                      \
        __opencl_atomic_store(object, value, order, DEVICE);                                       \
    }                                                                                              \
    void OVERLOAD atomic_store_explicit(volatile space atomic_type *object, type value,            \
                                        memory_order order, memory_scope scope) {                  \
        __opencl_atomic_store(object, value, order, DEVICE);                                       \
    }

#define EVERY_TYPE(space, atomic_type, type)                                                       \
    LOAD_STORE(space, atomic_type, type)                                                           \
    READ_MODIFY_WRITE(space, atomic_type, type, exchange)                                          \
    COMPARE_EXCHANGE(space, , atomic_type, type, strong)                                           \
    COMPARE_EXCHANGE(space, private, atomic_type, type, strong)                                    \
    COMPARE_EXCHANGE(space, local, atomic_type, type, strong)                                      \
    COMPARE_EXCHANGE(space, global, atomic_type, type, strong)                                     \
    COMPARE_EXCHANGE(space, , atomic_type, type, weak)                                             \
    COMPARE_EXCHANGE(space, private, atomic_type, type, weak)                                      \
    COMPARE_EXCHANGE(space, local, atomic_type, type, weak)                                        \
    COMPARE_EXCHANGE(space, global, atomic_type, type, weak)                                       \
    READ_MODIFY_WRITE(space, atomic_type, type, fetch_add)                                         \
    READ_MODIFY_WRITE(space, atomic_type, type, fetch_sub)

#define INTEGER_TYPE(space, atomic_type, type)                                                     \
    EVERY_TYPE(space, atomic_type, type)                                                           \
    READ_MODIFY_WRITE(space, atomic_type, type, fetch_min)                                         \
    READ_MODIFY_WRITE(space, atomic_type, type, fetch_max)                                         \
    READ_MODIFY_WRITE(space, atomic_type, type, fetch_or)                                          \
    READ_MODIFY_WRITE(space, atomic_type, type, fetch_xor)                                         \
    READ_MODIFY_WRITE(space, atomic_type, type, fetch_and)

// Minimum and maximum of floating point: compare-and-exchange loops on the bits.
#define FLOAT_EXTREMUM(space, atomic_type, type, bits_type, atomic_bits, name, better)             \
    type OVERLOAD atomic_##name(volatile space atomic_type *object, type operand) {                \
        volatile space atomic_bits *bits = (volatile space atomic_bits *)object;                   \
        bits_type old = __opencl_atomic_load(bits, memory_order_relaxed, DEVICE);                  \
        while (__builtin_isnan(as_##type(old)) || operand better as_##type(old))                   \
            if (__opencl_atomic_compare_exchange_weak(bits, &old, as_##bits_type(operand),         \
                                                      SEQ_CST, SEQ_CST, DEVICE))                   \
                break;                                                                             \
        return as_##type(old);                                                                     \
    }                                                                                              \
    type OVERLOAD atomic_##name##_explicit(volatile space atomic_type *object, type operand,       \
                                           memory_order order) {                                   \
        return atomic_##name(object, operand);                                                     \
    }                                                                                              \
    type OVERLOAD atomic_##name##_explicit(volatile space atomic_type *object, type operand,       \
                                           memory_order order, memory_scope scope) {               \
        return atomic_##name(object, operand);                                                     \
    }

#define FLOAT_TYPE(space, atomic_type, type, bits_type, atomic_bits)                               \
    EVERY_TYPE(space, atomic_type, type)                                                           \
    FLOAT_EXTREMUM(space, atomic_type, type, bits_type, atomic_bits, fetch_min, <)                 \
    FLOAT_EXTREMUM(space, atomic_type, type, bits_type, atomic_bits, fetch_max, >)

#define FLAG(space)                                                                                \
    bool OVERLOAD atomic_flag_test_and_set(volatile space atomic_flag *flag) {                     \
        return __opencl_atomic_exchange((volatile space atomic_int *)flag, 1, SEQ_CST, DEVICE);    \
    }                                                                                              \
    bool OVERLOAD atomic_flag_test_and_set_explicit(volatile space atomic_flag *flag,              \
                                                    memory_order order) {                          \
        return __opencl_atomic_exchange((volatile space atomic_int *)flag, 1, order, DEVICE);      \
    }                                                                                              \
    bool OVERLOAD atomic_flag_test_and_set_explicit(volatile space atomic_flag *flag,              \
                                                    memory_order order, memory_scope scope) {      \
        return __opencl_atomic_exchange((volatile space atomic_int *)flag, 1, order, DEVICE);      \
    }                                                                                              \
    void OVERLOAD atomic_flag_clear(volatile space atomic_flag *flag) {                            \
        __opencl_atomic_store((volatile space atomic_int *)flag, 0, SEQ_CST, DEVICE);              \
    }                                                                                              \
    void OVERLOAD atomic_flag_clear_explicit(volatile space atomic_flag *flag,                     \
                                             memory_order order) {                                 \
        __opencl_atomic_store((volatile space atomic_int *)flag, 0, order, DEVICE);                \
    }                                                                                              \
    void OVERLOAD atomic_flag_clear_explicit(volatile space atomic_flag *flag,                     \
                                             memory_order order, memory_scope scope) {             \
        __opencl_atomic_store((volatile space atomic_int *)flag, 0, order, DEVICE);                \
    }

// Differences of pointers are added to atomic_uintptr_t and its kin, which are atomic_ulong.
#define UINTPTR_EXPLICIT(space, name)                                                              \
    ulong OVERLOAD atomic_##name##_explicit(volatile space atomic_ulong *object, long operand,     \
                                            memory_order order) {                                  \
        return atomic_##name(object, (ulong)operand);                                              \
    }                                                                                              \
    ulong OVERLOAD atomic_##name##_explicit(volatile space atomic_ulong *object, long operand,     \
                                            memory_order order, memory_scope scope) {              \
        return atomic_##name(object, (ulong)operand);                                              \
    }
#define UINTPTR(space)                                                                             \
    UINTPTR_EXPLICIT(space, fetch_add)                                                             \
    UINTPTR_EXPLICIT(space, fetch_sub)                                                             \
    ulong OVERLOAD atomic_fetch_add(volatile space atomic_ulong *object, long operand) {           \
        return atomic_fetch_add(object, (ulong)operand);                                           \
    }                                                                                              \
    ulong OVERLOAD atomic_fetch_sub(volatile space atomic_ulong *object, long operand) {           \
        return atomic_fetch_sub(object, (ulong)operand);                                           \
    }

#define SPACE(space)                                                                               \
    INTEGER_TYPE(space, atomic_int, int)                                                           \
    INTEGER_TYPE(space, atomic_uint, uint)                                                         \
    INTEGER_TYPE(space, atomic_long, long)                                                         \
    INTEGER_TYPE(space, atomic_ulong, ulong)                                                       \
    FLOAT_TYPE(space, atomic_float, float, uint, atomic_uint)                                      \
    FLOAT_TYPE(space, atomic_double, double, ulong, atomic_ulong)                                  \
    FLAG(space)                                                                                    \
    UINTPTR(space)

SPACE()
SPACE(global)
SPACE(local)
