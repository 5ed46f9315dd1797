/* SPDX-License-Identifier: MIT */
/* What the device library has of C's <string.h>. */
#ifndef BRGPU_DEVICE_LIBC_STRING_H
#define BRGPU_DEVICE_LIBC_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);

#endif
