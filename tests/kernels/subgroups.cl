// SPDX-License-Identifier: MIT
//
// Sub-groups (warps of 32) and work-group collectives; one-dimensional, any workgroup.
// kernel subgroup_ops(global const int *in, global int *out): eight results a work-item:
//   size, local id, broadcast of lane 1, reduce_add, scan_exclusive_add, scan_inclusive_max,
//   shuffle_xor 1, any(in > 900) * 2 + all(in >= 0)
// kernel workgroup_ops(global const int *in, global int *out): six results a work-item:
//   broadcast of item 2, reduce_add, reduce_min, scan_exclusive_add, scan_inclusive_add,
//   any(in > 900) * 2 + all(in >= 0)

kernel void subgroup_ops(global const int *restrict in, global int *restrict out) {
    const int x = in[get_global_id(0)];
    global int *result = out + get_global_id(0) * 8;
    result[0] = get_sub_group_size();
    result[1] = get_sub_group_local_id();
    result[2] = sub_group_broadcast(x, 1);
    result[3] = sub_group_reduce_add(x);
    result[4] = sub_group_scan_exclusive_add(x);
    result[5] = sub_group_scan_inclusive_max(x);
    result[6] = sub_group_shuffle_xor(x, 1);
    const int some = sub_group_any(x > 900);
    const int every = sub_group_all(x >= 0);
    result[7] = some * 2 + every;
}

kernel void workgroup_ops(global const int *restrict in, global int *restrict out) {
    const int x = in[get_global_id(0)];
    global int *result = out + get_global_id(0) * 6;
    result[0] = work_group_broadcast(x, 2);
    result[1] = work_group_reduce_add(x);
    result[2] = work_group_reduce_min(x);
    result[3] = work_group_scan_exclusive_add(x);
    result[4] = work_group_scan_inclusive_add(x);
    const int some = work_group_any(x > 900);
    const int every = work_group_all(x >= 0);
    result[5] = some * 2 + every;
}
