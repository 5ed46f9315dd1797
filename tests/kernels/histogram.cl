// SPDX-License-Identifier: MIT
//
// Histograms of bytes, 256 bins. One-dimensional, any workgroup; bins must start at zero.
//
// kernel histogram_global(uint n, global const uchar *data, global uint *bins)
//   an atomic increment in global memory a byte
// kernel histogram_local(uint n, global const uchar *data, global uint *bins)
//   a histogram in static local memory a workgroup, then one atomic add a bin

#define BINS 256

kernel void histogram_global(uint n, global const uchar *restrict data, global uint *bins) {
    for (size_t i = get_global_id(0); i < n; i += get_global_size(0))
        atomic_inc(&bins[data[i]]);
}

kernel void histogram_local(uint n, global const uchar *restrict data, global uint *bins) {
    local uint counts[BINS];
    for (size_t i = get_local_id(0); i < BINS; i += get_local_size(0))
        counts[i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (size_t i = get_global_id(0); i < n; i += get_global_size(0))
        atomic_inc(&counts[data[i]]);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (size_t i = get_local_id(0); i < BINS; i += get_local_size(0))
        if (counts[i] != 0)
            atomic_add(&bins[i], counts[i]);
}
