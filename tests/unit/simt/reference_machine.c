/* SPDX-License-Identifier: MIT */
/*
 * The program that ReferenceMachine runs under qemu-riscv64: it takes kernels and memory from
 * standard input, calls the kernel once for each work-item, and gives the memory back.
 * Freestanding.
 */
#include <stddef.h>
#include <stdint.h>

struct job {
    uint32_t code_bytes, items;
    uint64_t code, table, table_bytes, slots, slots_bytes, rows4, rows8, rows_bytes, dump,
        dump_bytes, private_bytes;
};

static long call(long number, long a, long b, long c, long d, long e, long f) {
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
                     : "memory");
    return a0;
}

static void leave(int status) {
    for (;;)
        call(93, status, 0, 0, 0, 0, 0);
}

static void transfer(int is_write, void *at, uint64_t bytes) {
    char *next = at;

    while (bytes) {
        long done = call(is_write ? 64 : 63, is_write, (long)next, (long)bytes, 0, 0, 0);

        if (done <= 0)
            leave(done != 0);
        next += done;
        bytes -= (uint64_t)done;
    }
}

static void map(uint64_t at, uint64_t bytes) {
    /* read, write, execute; private, fixed, anonymous */
    if (call(222, (long)at, (long)bytes, 7, 0x32, -1, 0) != (long)at)
        leave(2);
}

/* Saves what the caller keeps, and calls the kernel with its own stack. */
void enter(uint64_t code, uint64_t id, uint64_t stack);
__asm__(".globl enter\n"
        "enter:\n"
        "    addi sp, sp, -256\n"
        "    sd ra, 0(sp)\n    sd gp, 8(sp)\n    sd tp, 16(sp)\n"
        "    sd s0, 24(sp)\n    sd s1, 32(sp)\n    sd s2, 40(sp)\n    sd s3, 48(sp)\n"
        "    sd s4, 56(sp)\n    sd s5, 64(sp)\n    sd s6, 72(sp)\n    sd s7, 80(sp)\n"
        "    sd s8, 88(sp)\n    sd s9, 96(sp)\n    sd s10, 104(sp)\n    sd s11, 112(sp)\n"
        "    la t0, saved\n    sd sp, 0(t0)\n"
        "    mv t1, a0\n    mv sp, a2\n"
        "    fscsr zero\n    li s6, 0\n    li s7, 0\n"
        "    jalr ra, 0(t1)\n"
        "    la t0, saved\n    ld sp, 0(t0)\n"
        "    ld ra, 0(sp)\n    ld gp, 8(sp)\n    ld tp, 16(sp)\n"
        "    ld s0, 24(sp)\n    ld s1, 32(sp)\n    ld s2, 40(sp)\n    ld s3, 48(sp)\n"
        "    ld s4, 56(sp)\n    ld s5, 64(sp)\n    ld s6, 72(sp)\n    ld s7, 80(sp)\n"
        "    ld s8, 88(sp)\n    ld s9, 96(sp)\n    ld s10, 104(sp)\n    ld s11, 112(sp)\n"
        "    addi sp, sp, 256\n    ret\n"
        ".bss\n.balign 8\nsaved: .space 8\n.text\n");

static uint64_t stack[8192 / 8] __attribute__((aligned(16)));

void _start(void) {
    struct job job;
    uint64_t code_room = 1 << 20;

    transfer(0, &job, sizeof(job));
    map(job.code, code_room);
    map(job.table, job.table_bytes);
    map(job.slots, job.slots_bytes);
    map(job.rows4, job.rows_bytes);
    map(job.rows8, job.rows_bytes);
    map(job.dump, job.dump_bytes);
    if (job.private_bytes > sizeof(stack))
        leave(3);
    for (;;) {
        if (job.code_bytes > code_room)
            leave(4);
        transfer(0, (void *)job.code, job.code_bytes);
        transfer(0, (void *)job.table, job.table_bytes);
        transfer(0, (void *)job.slots, job.slots_bytes);
        transfer(0, (void *)job.rows4, job.rows_bytes);
        transfer(0, (void *)job.rows8, job.rows_bytes);
        transfer(0, (void *)job.dump, job.dump_bytes);
        __asm__ volatile("fence.i" ::: "memory");
        for (uint32_t id = 0; id < job.items; ++id) {
            for (size_t i = 0; i < sizeof(stack) / 8; ++i)
                stack[i] = 0;
            enter(job.code, id, (uint64_t)stack + sizeof(stack));
        }
        transfer(1, (void *)job.slots, job.slots_bytes);
        transfer(1, (void *)job.rows4, job.rows_bytes);
        transfer(1, (void *)job.rows8, job.rows_bytes);
        transfer(1, (void *)job.dump, job.dump_bytes);
        transfer(0, &job, sizeof(job));
    }
}
