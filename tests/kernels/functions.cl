// SPDX-License-Identifier: MIT
//
// Calls: recursion, function pointers, kernels that call kernels.
// kernel recursive_fibonacci(global const uint *in, global uint *out): out[i] = fibonacci(in[i])
// kernel quicksort_private(global int *data): each work-item sorts its 32 numbers, recursively, in
//   private memory
// kernel call_pointers(global const int *operation, global const int *x, global int *out)
//   operation 0: x + 1, 1: x * x, 2: -x
// kernel call_kernel(the same): calls the one above

#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable

static uint fibonacci(uint n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

kernel void recursive_fibonacci(global const uint *in, global uint *out) {
    out[get_global_id(0)] = fibonacci(in[get_global_id(0)]);
}

static void quicksort(int *data, int low, int high) {
    if (low >= high)
        return;
    const int pivot = data[(low + high) / 2];
    int i = low;
    int j = high;
    while (i <= j) {
        while (data[i] < pivot)
            i++;
        while (data[j] > pivot)
            j--;
        if (i <= j) {
            const int swap = data[i];
            data[i++] = data[j];
            data[j--] = swap;
        }
    }
    quicksort(data, low, j);
    quicksort(data, i, high);
}

kernel void quicksort_private(global int *data) {
    global int *mine = data + get_global_id(0) * 32;
    int copy[32];
    for (int i = 0; i < 32; i++)
        copy[i] = mine[i];
    quicksort(copy, 0, 31);
    for (int i = 0; i < 32; i++)
        mine[i] = copy[i];
}

static int increment(int x) {
    return x + 1;
}

static int square(int x) {
    return x * x;
}

static int negate(int x) {
    return -x;
}

kernel void call_pointers(global const int *operation, global const int *x, global int *out) {
    int (*const table[3])(int) = {increment, square, negate};
    const size_t i = get_global_id(0);
    out[i] = table[operation[i]](x[i]);
}

kernel void call_kernel(global const int *operation, global const int *x, global int *out) {
    call_pointers(operation, x, out);
}
