// SPDX-License-Identifier: MIT
//
// Sorts n unsigned numbers by four bits a pass, from the lowest: count, add up, move. Eight passes
// sort 32 bits; each reads one array and writes the other. One-dimensional; each of `items`
// work-items has a run of n / items keys, which must be whole.
//
// kernel radix_count(uint n, uint shift, global const uint *keys, global uint *counts)
//   counts[digit * items + item], 16 * items of them; shift: 0, 4, .. 28
// kernel radix_starts(uint count, global uint *counts)
//   exclusive prefix sums in place, by one workgroup of 256 (required); count a multiple of 256
// kernel radix_move(uint n, uint shift, global const uint *keys, global const uint *starts,
//                   global uint *out, local uint *next)
//   next: 64 bytes a work-item of the workgroup

#define DIGITS 16
#define SCANNERS 256

kernel void radix_count(uint n, uint shift, global const uint *restrict keys,
                        global uint *restrict counts) {
    const uint item = get_global_id(0);
    const uint items = get_global_size(0);
    const uint run = n / items;
    for (uint digit = 0; digit < DIGITS; digit++)
        counts[digit * items + item] = 0;
    for (uint i = item * run; i < (item + 1) * run; i++)
        counts[(keys[i] >> shift & (DIGITS - 1)) * items + item]++;
}

kernel void __attribute__((reqd_work_group_size(SCANNERS, 1, 1)))
radix_starts(uint count, global uint *counts) {
    local uint sums[2][SCANNERS];
    const uint id = get_local_id(0);
    const uint run = count / SCANNERS;
    uint sum = 0;
    for (uint i = id * run; i < (id + 1) * run; i++)
        sum += counts[i];
    // Two buffers, so that a step reads what the one before it wrote.
    uint from = 0;
    sums[from][id] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint distance = 1; distance < SCANNERS; distance *= 2) {
        sums[1 - from][id] = sums[from][id] + (id >= distance ? sums[from][id - distance] : 0);
        from = 1 - from;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    uint start = sums[from][id] - sum;
    for (uint i = id * run; i < (id + 1) * run; i++) {
        const uint here = counts[i];
        counts[i] = start;
        start += here;
    }
}

kernel void radix_move(uint n, uint shift, global const uint *restrict keys,
                       global const uint *restrict starts, global uint *restrict out,
                       local uint *next) {
    const uint item = get_global_id(0);
    const uint items = get_global_size(0);
    const uint id = get_local_id(0);
    const uint size = get_local_size(0);
    const uint run = n / items;
    for (uint digit = 0; digit < DIGITS; digit++)
        next[digit * size + id] = starts[digit * items + item];
    for (uint i = item * run; i < (item + 1) * run; i++) {
        const uint key = keys[i];
        out[next[(key >> shift & (DIGITS - 1)) * size + id]++] = key;
    }
}
