/* SPDX-License-Identifier: MIT */
/* printf for kernels: records that the host prints. The format must not change after the call. */
#ifndef BRGPU_DEVICE_LIBC_STDIO_H
#define BRGPU_DEVICE_LIBC_STDIO_H

int printf(const char *restrict format, ...) __attribute__((format(printf, 1, 2)));

#endif
