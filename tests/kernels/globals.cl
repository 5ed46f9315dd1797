// SPDX-License-Identifier: MIT
//
// Program-scope variables: they live as long as the code object is loaded, shared by its kernels.
// kernel globals_count(global uint *tickets): a ticket from a counter each work-item
// kernel globals_read(global uint *out): out[0] = the counter, out[1..4] from constant tables,
//   out[5] by a pointer in a table

constant uint table[4] = {3, 1, 4, 1};
global uint first = 59;
global uint second = 26;
global uint *global pointers[2] = {&first, &second};
global atomic_uint counter;

kernel void globals_count(global uint *tickets) {
    tickets[get_global_id(0)] = atomic_fetch_add(&counter, 1u);
}

kernel void globals_read(global uint *out) {
    out[0] = atomic_load(&counter);
    for (uint i = 0; i < 4; i++)
        out[1 + i] = table[i];
    out[5] = *pointers[out[6] & 1];
}
