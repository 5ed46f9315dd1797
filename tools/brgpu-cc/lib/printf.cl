// SPDX-License-Identifier: MIT
//
// The two ends of a printf record; what stands between is written in place (printf_lowering.cpp).
#include "brgpu/code_object.h"

// Claims a record. Null when there is no ring or it is full.
private ulong *__brgpu_printf_begin(ulong ring_address, ulong format, uint words) {
    global struct brgpu_printf_ring *ring = (global struct brgpu_printf_ring *)ring_address;
    if (!ring)
        return 0;
    const ulong bytes = 8 + (ulong)words * 8;
    const ulong offset =
        __opencl_atomic_fetch_add((global atomic_ulong *)&ring->claimed, bytes,
                                  memory_order_relaxed, memory_scope_device);
    if (offset > ring->capacity || ring->capacity - offset < bytes)
        return 0;
    global ulong *record = (global ulong *)((global char *)(ring + 1) + offset);
    record[1] = format;
    return (private ulong *)(ulong)record;
}

void __brgpu_printf_end(private ulong *record_address, uint words) {
    global ulong *record = (global ulong *)(ulong)record_address;
    __opencl_atomic_store((global atomic_uint *)record, words, memory_order_release,
                          memory_scope_all_svm_devices);
}
