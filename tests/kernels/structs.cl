// SPDX-License-Identifier: MIT
//
// Arguments that aren't scalars.
// kernel struct_args(struct transform t, float3 shift, char c, global struct item *items, uint n)
//   items[i]: value = value * scale[i % 4] + shift.y + c; tag = t.tag
// kernel struct_pointers(global struct node *nodes, global long *sum)
//   one work-item; walks the list from nodes[0] along `next` addresses

struct transform {
    char tag;
    float scale[4];
    double offset;
    struct {
        short a, b;
    } inner;
};

struct item {
    float value;
    int tag;
};

kernel void struct_args(struct transform t, float3 shift, char c, global struct item *items,
                        uint n) {
    const size_t i = get_global_id(0);
    if (i >= n)
        return;
    t.scale[0] += (float)t.offset + (float)(t.inner.a - t.inner.b);
    items[i].value = items[i].value * t.scale[i % 4] + shift.y + c;
    items[i].tag = t.tag;
}

struct node {
    global struct node *next;
    long value;
};

kernel void struct_pointers(global struct node *nodes, global long *sum) {
    long total = 0;
    for (global struct node *node = nodes; node; node = node->next)
        total += node->value;
    *sum = total;
}
