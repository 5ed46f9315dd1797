// SPDX-License-Identifier: MIT
//
// Prefix sums of uint, one-dimensional, in the two-level manner: scan the blocks, scan the sums of
// the blocks, add them.
//
// kernel scan_blocks(uint n, global const uint *in, global uint *out, global uint *sums,
//                    local uint *scratch)
//   exclusive prefix sum of each workgroup's elements; sums[group] = sum of the block. Workgroup:
//   any size, one element a work-item; scratch: 8 bytes a work-item
// kernel scan_add(uint n, global uint *out, global const uint *offsets)
//   out[i] += offsets[group]; same workgroup size as scan_blocks
// kernel scan_workgroup(uint n, global const uint *in, global uint *out)
//   inclusive prefix sums of each workgroup's elements by work_group_scan_inclusive_add

kernel void scan_blocks(uint n, global const uint *restrict in, global uint *restrict out,
                        global uint *restrict sums, local uint *scratch) {
    const size_t id = get_local_id(0);
    const size_t size = get_local_size(0);
    const size_t i = get_global_id(0);
    const uint value = i < n ? in[i] : 0;
    // Two buffers, so that a step reads what the one before it wrote, and one barrier a step is enough.
    local uint *from = scratch;
    local uint *to = scratch + size;
    from[id] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (size_t distance = 1; distance < size; distance *= 2) {
        to[id] = from[id] + (id >= distance ? from[id - distance] : 0);
        barrier(CLK_LOCAL_MEM_FENCE);
        local uint *swap = from;
        from = to;
        to = swap;
    }
    if (i < n)
        out[i] = from[id] - value;
    if (id == size - 1)
        sums[get_group_id(0)] = from[id];
}

kernel void scan_add(uint n, global uint *restrict out, global const uint *restrict offsets) {
    const size_t i = get_global_id(0);
    if (i < n)
        out[i] += offsets[get_group_id(0)];
}

kernel void scan_workgroup(uint n, global const uint *restrict in, global uint *restrict out) {
    const size_t i = get_global_id(0);
    const uint sum = work_group_scan_inclusive_add(i < n ? in[i] : 0);
    if (i < n)
        out[i] = sum;
}
