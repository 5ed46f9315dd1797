// SPDX-License-Identifier: MIT
//
// Barriers and fences. The barrier instruction orders local and global memory for the workgroup;
// what goes beyond that scope is a fence of its own.
#include "brgpu/hw/isa.h"

#define BARRIER()                                                                                  \
    __asm__ volatile(".insn r %0, %1, %2, x0, x0, x0" ::"i"(BRGPU_OPCODE_CUSTOM0),                 \
                     "i"(BRGPU_F3_CTL), "i"(BRGPU_CTL_BARRIER)                                     \
                     : "memory")
#define WARP_SYNC()                                                                                \
    __asm__ volatile(".insn r %0, %1, %2, x0, x0, x0" ::"i"(BRGPU_OPCODE_CUSTOM0),                 \
                     "i"(BRGPU_F3_CTL), "i"(BRGPU_CTL_WARP_SYNC)                                   \
                     : "memory")

static bool beyond_workgroup(memory_scope scope) {
    return scope == memory_scope_device || scope == memory_scope_all_svm_devices;
}

void __attribute__((overloadable, convergent)) barrier(cl_mem_fence_flags flags) {
    BARRIER();
}

void __attribute__((overloadable, convergent)) work_group_barrier(cl_mem_fence_flags flags) {
    BARRIER();
}

void __attribute__((overloadable, convergent)) work_group_barrier(cl_mem_fence_flags flags,
                                                                  memory_scope scope) {
    if (beyond_workgroup(scope))
        __asm__ volatile("fence rw, rw" ::: "memory");
    BARRIER();
}

void __attribute__((overloadable, convergent)) sub_group_barrier(cl_mem_fence_flags flags) {
    WARP_SYNC();
}

void __attribute__((overloadable, convergent)) sub_group_barrier(cl_mem_fence_flags flags,
                                                                 memory_scope scope) {
    if (beyond_workgroup(scope) || scope == memory_scope_work_group)
        __asm__ volatile("fence rw, rw" ::: "memory");
    WARP_SYNC();
}

void __attribute__((overloadable)) mem_fence(cl_mem_fence_flags flags) {
    __asm__ volatile("fence rw, rw" ::: "memory");
}

void __attribute__((overloadable)) read_mem_fence(cl_mem_fence_flags flags) {
    __asm__ volatile("fence r, rw" ::: "memory");
}

void __attribute__((overloadable)) write_mem_fence(cl_mem_fence_flags flags) {
    __asm__ volatile("fence rw, w" ::: "memory");
}

void __attribute__((overloadable)) atomic_work_item_fence(cl_mem_fence_flags flags,
                                                          memory_order order, memory_scope scope) {
    if (order != memory_order_relaxed && scope != memory_scope_work_item)
        __asm__ volatile("fence rw, rw" ::: "memory");
}

cl_mem_fence_flags __attribute__((overloadable)) get_fence(const void *pointer) {
    return (ulong)pointer >= BRGPU_LOCAL_BASE ? CLK_LOCAL_MEM_FENCE : CLK_GLOBAL_MEM_FENCE;
}

cl_mem_fence_flags __attribute__((overloadable)) get_fence(void *pointer) {
    return get_fence((const void *)pointer);
}
