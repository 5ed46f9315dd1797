/* SPDX-License-Identifier: MIT */
/*
 * Local memory of the work-group collectives: a word for each warp and one for a broadcast. OpenCL
 * C has local variables in kernels only, C with address spaces has them anywhere.
 */
#include "brgpu/hw/isa.h"

typedef __attribute__((address_space(3))) uint64_t local_word;

static local_word words[BRGPU_MAX_WARPS + 1];

local_word *__brgpu_collective_words(void) {
    return words;
}
