// SPDX-License-Identifier: MIT
//
// Steps of the Collatz iteration from `first` + i to 1: every lane goes its own way.
// kernel collatz(uint n, ulong first, global uint *steps); one-dimensional, first at least 1

kernel void collatz(uint n, ulong first, global uint *restrict steps) {
    const size_t i = get_global_id(0);
    if (i >= n)
        return;
    ulong value = first + i;
    uint count = 0;
    while (value != 1) {
        value = value % 2 == 0 ? value / 2 : 3 * value + 1;
        count++;
    }
    steps[i] = count;
}
