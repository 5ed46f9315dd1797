// SPDX-License-Identifier: MIT
//
// One step of n bodies under gravity, all pairs. Bodies are float4: x, y, z, mass.
// One-dimensional; the grid may be larger than n.
//
// kernel nbody(uint n, float dt, float softening, global const float4 *in, global float4 *out,
//              global float4 *velocity)
//   any workgroup
// kernel nbody_local(uint n, float dt, float softening, global const float4 *in,
//                    global float4 *out, global float4 *velocity, local float4 *tile)
//   tile: 16 bytes a work-item; any workgroup

static float3 attraction(float4 self, float4 other, float softening) {
    const float3 delta = other.xyz - self.xyz;
    const float distance2 = dot(delta, delta) + softening;
    const float inverse = rsqrt(distance2);
    return delta * (other.w * inverse * inverse * inverse);
}

static void move(size_t i, float dt, float3 force, global const float4 *in, global float4 *out,
                 global float4 *velocity) {
    float4 v = velocity[i];
    v.xyz += force * dt;
    velocity[i] = v;
    float4 body = in[i];
    body.xyz += v.xyz * dt;
    out[i] = body;
}

kernel void nbody(uint n, float dt, float softening, global const float4 *restrict in,
                  global float4 *restrict out, global float4 *restrict velocity) {
    const size_t i = get_global_id(0);
    if (i >= n)
        return;
    const float4 self = in[i];
    float3 force = (float3)(0.0f);
    for (uint j = 0; j < n; j++)
        force += attraction(self, in[j], softening);
    move(i, dt, force, in, out, velocity);
}

kernel void nbody_local(uint n, float dt, float softening, global const float4 *restrict in,
                        global float4 *restrict out, global float4 *restrict velocity,
                        local float4 *tile) {
    const size_t i = get_global_id(0);
    const size_t size = get_local_size(0);
    const float4 self = i < n ? in[i] : (float4)(0.0f);
    float3 force = (float3)(0.0f);
    for (size_t start = 0; start < n; start += size) {
        const size_t other = start + get_local_id(0);
        tile[get_local_id(0)] = other < n ? in[other] : (float4)(0.0f);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (size_t j = 0; j < size; j++)
            force += attraction(self, tile[j], softening);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (i < n)
        move(i, dt, force, in, out, velocity);
}
