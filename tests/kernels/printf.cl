// SPDX-License-Identifier: MIT
//
// printf from kernels.
// kernel print_hello(): "hello from work-item %u of %u\n", each work-item
// kernel print_formats(int i, float f, global const char *text): one record of many kinds

kernel void print_hello(void) {
    printf("hello from work-item %u of %u\n", (uint)get_global_id(0), (uint)get_global_size(0));
}

static void print_deep(int depth, float f) {
    if (depth == 0)
        printf("deep %f\n", f);
    else
        print_deep(depth - 1, f * 2.0f);
}

kernel void print_formats(int i, float f, constant char *text) {
    printf("%d %u %ld %f %s %c%% %v4hlf %v2hd\n", i, (uint)i, (long)i << 32, f, text, 'x',
           (float4)(f, 1.0f, 2.0f, 3.0f), (short2)(-1, 7));
    print_deep(3, f);
}
