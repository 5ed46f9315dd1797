// SPDX-License-Identifier: MIT
//
// Sorts blocks of 256 unsigned numbers, ascending, bit by bit with prefix sums.
// kernel radix_sort256(global const uint *in, global uint *out)
// One-dimensional, workgroup 256 (required), a workgroup a block.

#define SIZE 256

kernel void __attribute__((reqd_work_group_size(SIZE, 1, 1)))
radix_sort256(global const uint *restrict in, global uint *restrict out) {
    local uint keys[SIZE];
    const uint id = get_local_id(0);
    uint key = in[get_global_id(0)];
    for (uint bit = 0; bit < 32; bit++) {
        const uint is_one = key >> bit & 1;
        const uint ones_before = work_group_scan_exclusive_add(is_one);
        const uint zeros = SIZE - work_group_reduce_add(is_one);
        keys[is_one ? zeros + ones_before : id - ones_before] = key;
        barrier(CLK_LOCAL_MEM_FENCE);
        key = keys[id];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    out[get_global_id(0)] = key;
}
