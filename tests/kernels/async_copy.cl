// SPDX-License-Identifier: MIT
//
// Work-group copies.
// kernel async_reverse(global const float *in, global float *out, local float *tile)
//   reverses each workgroup's elements by way of local memory; tile: 4 bytes a work-item
// kernel async_columns(uint width, global const int *in, global int *out)
//   out[group * 64 + i] = in[i * width + group], strided; any workgroup, 64 rows

kernel void async_reverse(global const float *in, global float *out, local float *tile) {
    const size_t size = get_local_size(0);
    const size_t start = get_group_id(0) * size;
    event_t event = async_work_group_copy(tile, in + start, size, 0);
    wait_group_events(1, &event);
    out[start + size - 1 - get_local_id(0)] = tile[get_local_id(0)];
}

kernel void async_columns(uint width, global const int *in, global int *out) {
    local int column[64];
    event_t events[2];
    events[0] = async_work_group_strided_copy(column, in + get_group_id(0), 64, width, 0);
    wait_group_events(1, &events[0]);
    events[1] = async_work_group_copy(out + get_group_id(0) * 64, column, 64, 0);
    wait_group_events(1, &events[1]);
}
