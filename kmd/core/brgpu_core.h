/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What kmd/core needs of its surroundings. The files of this folder are the driver's pure logic:
 * they allocate nothing, sleep nowhere, print nothing and take no lock, so that brgpu.ko, the tests
 * and the in-process backend of the user-mode driver share them unchanged.
 *
 * A function that can refuse returns a negative errno and, through `why`, a static text that says
 * what was wrong. `why` is never NULL.
 */
#ifndef BRGPU_CORE_H
#define BRGPU_CORE_H

#if defined(__KERNEL__)
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>
/* Pairs with the device, which writes the phase byte last. */
#define brgpu_core_load_acquire(ptr) smp_load_acquire(ptr)
#define brgpu_core_store(ptr, value) WRITE_ONCE(*(ptr), value)
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#define brgpu_core_load_acquire(ptr) __atomic_load_n(ptr, __ATOMIC_ACQUIRE)
#define brgpu_core_store(ptr, value) __atomic_store_n(ptr, value, __ATOMIC_RELAXED)
#endif

#include <brgpu/hw/types.h>

#endif /* BRGPU_CORE_H */
