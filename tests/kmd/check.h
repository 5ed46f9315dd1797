/* SPDX-License-Identifier: MIT */
/* CMocka with the headers that it wants first. */
#ifndef BRGPU_TESTS_KMD_CHECK_H
#define BRGPU_TESTS_KMD_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif /* BRGPU_TESTS_KMD_CHECK_H */
