// SPDX-License-Identifier: MIT
//
// Kernels of the conformance suite: right ones, and one for each way to fail.

kernel void add_one(global uint *data, uint n) {
    const size_t i = get_global_id(0);
    if (i < n)
        data[i] += 1;
}

// Runs until somebody stores into flag[0].
kernel void spin(global volatile uint *flag) {
    while (flag[0] == 0)
        ;
}

kernel void store_at(ulong address, uint value) { *(global volatile uint *)address = value; }

kernel void illegal(global uint *data) {
    data[0] = 1;
    __asm__ volatile(".word 0");
}

kernel void local_at(local volatile uint *scratch, uint index, global uint *out) {
    scratch[index] = 7;
    out[0] = scratch[index];
}

kernel void private_at(ulong distance, global uint *out) {
    volatile uint here = 5;
    volatile private uint *far = (volatile private uint *)((ulong)&here + distance);
    *far = 6;
    out[0] = here;
}

// Two halves of a warp wait for each other at different votes.
kernel void deadlock(global uint *out) {
    ulong vote;
    if (get_local_id(0) & 1)
        __asm__ volatile(".insn r4 0x0b, 2, 0, %0, %1, x0, x0 # odd" : "=r"(vote) : "r"(1ul));
    else
        __asm__ volatile(".insn r4 0x0b, 2, 0, %0, %1, x0, x0 # even" : "=r"(vote) : "r"(1ul));
    out[get_local_id(0)] = (uint)vote;
}

kernel void say(uint number, float real) {
    if (get_global_id(0) == 0)
        printf("number %u, real %.2f, %s\n", number, real, "text");
}

kernel void sum_local(global const uint *in, global uint *out, local uint *scratch) {
    const size_t id = get_local_id(0);
    scratch[id] = in[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (id == 0) {
        uint sum = 0;
        for (size_t i = 0; i < get_local_size(0); i++)
            sum += scratch[i];
        out[get_group_id(0)] = sum;
    }
}

// One of each, for counters: data has a word more than there are work-items.
kernel void counted(global uint *data, local uint *scratch) {
    const size_t id = get_global_id(0), here = get_local_id(0);
    ulong vote;
    scratch[here * 32] = (uint)id;
    atomic_inc((volatile global int *)&data[get_global_size(0)]);
    __asm__ volatile(".insn r4 0x0b, 2, 0, %0, %1, x0, x0" : "=r"(vote) : "r"(id));
    barrier(CLK_LOCAL_MEM_FENCE);
    uint value = data[id] + (uint)vote;
    if (here & 1) {
        // Hidden, so that no select takes the branch's place.
        __asm__ volatile("" ::: "memory");
        value += scratch[here * 32];
    }
    data[id] = value + (uint)((float)id * 0.5f);
}

kernel void nothing(void) {}
