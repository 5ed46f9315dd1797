// SPDX-License-Identifier: MIT
//
// Atomics under contention; n work-items, any workgroup.
// kernel atomic_counters(global int *i32, global long *i64, global float *f32)
//   i32[0] += 1, i32[1] = min(id), i32[2] = max(id), i32[3] ^= id; i64[0] += id; f32[0] += 0.5
//   (values start as the host sets them)
// kernel atomic_spin_lock(global int *lock, global int *counter): counter += 1 under a lock
// kernel atomic_append(uint n, global const int *in, global atomic_uint *size, global int *out)
//   out = the even numbers of in, in any order

kernel void atomic_counters(global int *i32, global long *i64, global float *f32) {
    const int id = get_global_id(0);
    atomic_inc(&i32[0]);
    atomic_min(&i32[1], id);
    atomic_max(&i32[2], id);
    atomic_xor(&i32[3], id);
    atomic_fetch_add_explicit((global atomic_long *)i64, (long)id, memory_order_relaxed,
                              memory_scope_device);
    atomic_fetch_add_explicit((global atomic_float *)f32, 0.5f, memory_order_relaxed,
                              memory_scope_device);
}

kernel void atomic_spin_lock(global int *lock, global int *counter) {
    global atomic_int *flag = (global atomic_int *)lock;
    int expected = 0;
    while (!atomic_compare_exchange_weak_explicit(flag, &expected, 1, memory_order_acquire,
                                                  memory_order_relaxed, memory_scope_device))
        expected = 0;
    *counter += 1;
    atomic_store_explicit(flag, 0, memory_order_release, memory_scope_device);
}

kernel void atomic_append(uint n, global const int *restrict in, global atomic_uint *size,
                          global int *restrict out) {
    const size_t i = get_global_id(0);
    if (i < n && in[i] % 2 == 0)
        out[atomic_fetch_add(size, 1u)] = in[i];
}
