/* SPDX-License-Identifier: MIT */
/*
 * Fixed-width types and static assertions for the hardware contract, wherever it is compiled: user
 * space (C11, C++20), the kernel, the controller's firmware, and kernels for the card (C, OpenCL C).
 *
 * All multi-byte fields of the contract are little-endian; every host that this project supports is.
 */
#ifndef BRGPU_HW_TYPES_H
#define BRGPU_HW_TYPES_H

#if defined(__KERNEL__)
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
#elif defined(__OPENCL_VERSION__)
typedef uchar uint8_t;
typedef ushort uint16_t;
typedef uint uint32_t;
typedef ulong uint64_t;
typedef char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
#define offsetof(type, member) __builtin_offsetof(type, member)
#else
#include <stddef.h>
#include <stdint.h>
#endif

#if defined(__cplusplus)
#define BRGPU_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define BRGPU_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define BRGPU_ASSERT_SIZE(type, bytes) \
    BRGPU_STATIC_ASSERT(sizeof(type) == (bytes), #type " must have " #bytes " bytes")
#define BRGPU_ASSERT_OFFSET(type, member, bytes) \
    BRGPU_STATIC_ASSERT(offsetof(type, member) == (bytes), #type "." #member " must be at " #bytes)

/* 64-bit constants that C, C++, OpenCL C and the kernel all take. */
#if defined(__OPENCL_VERSION__)
#define BRGPU_U64(value) value##UL
#else
#define BRGPU_U64(value) value##ULL
#endif

/*
 * Version of the whole hardware contract (identity register CONTRACT). A new minor adds: registers
 * in reserved ranges, packet types, feature bits, fields that were reserved-zero. A new major may
 * change what exists. A driver refuses a device of another major, and uses of a newer minor only
 * what it knows; a device accepts whatever its minor defines.
 */
#define BRGPU_CONTRACT_MAJOR 1
#define BRGPU_CONTRACT_MINOR 1

#endif /* BRGPU_HW_TYPES_H */
