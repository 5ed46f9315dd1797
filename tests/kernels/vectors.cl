// SPDX-License-Identifier: MIT
//
// Vector types, a work-item an element.
// kernel vector_arithmetic(global const float4 *a, global const float4 *b, global float4 *out)
//   out = (a + b).wzyx * a.x
// kernel vector3_packed(global const float *in, global float *out)
//   vload3, cross product with (1, 2, 3), vstore3
// kernel vector_integer(global const int8 *a, global const int8 *b, global int8 *out)
//   select(a, b, a < b) + abs_diff
// kernel vector_bytes(global const uchar16 *in, global ushort *out): sum of the 16 bytes

kernel void vector_arithmetic(global const float4 *restrict a, global const float4 *restrict b,
                              global float4 *restrict out) {
    const size_t i = get_global_id(0);
    out[i] = (a[i] + b[i]).wzyx * a[i].x;
}

kernel void vector3_packed(global const float *restrict in, global float *restrict out) {
    const size_t i = get_global_id(0);
    vstore3(cross(vload3(i, in), (float3)(1.0f, 2.0f, 3.0f)), i, out);
}

kernel void vector_integer(global const int8 *restrict a, global const int8 *restrict b,
                           global int8 *restrict out) {
    const size_t i = get_global_id(0);
    out[i] = select(a[i], b[i], a[i] < b[i]) + convert_int8(abs_diff(a[i], b[i]));
}

kernel void vector_bytes(global const uchar16 *restrict in, global ushort *restrict out) {
    const size_t i = get_global_id(0);
    const ushort8 eight = convert_ushort8(in[i].lo) + convert_ushort8(in[i].hi);
    const ushort4 four = eight.lo + eight.hi;
    out[i] = four.x + four.y + four.z + four.w;
}
