// SPDX-License-Identifier: MIT
//
// Work-item functions; up to three dimensions, any grid, workgroup and offset.
// kernel ids(global ulong *out): 32 numbers a work-item, at its global linear id: for dimensions 0,
//   1, 2 and 3 (out of range) in turn: global id, local id, group id, global size, local size,
//   enqueued local size, number of groups; then work_dim, global linear id, local linear id, and the
//   offset of dimension 0

kernel void ids(global ulong *out) {
    global ulong *result = out + get_global_linear_id() * 32;
    for (uint d = 0; d < 4; d++) {
        result[d] = get_global_id(d);
        result[4 + d] = get_local_id(d);
        result[8 + d] = get_group_id(d);
        result[12 + d] = get_global_size(d);
        result[16 + d] = get_local_size(d);
        result[20 + d] = get_enqueued_local_size(d);
        result[24 + d] = get_num_groups(d);
    }
    result[28] = get_work_dim();
    result[29] = get_global_linear_id();
    result[30] = get_local_linear_id();
    result[31] = get_global_offset(0);
}
