/* SPDX-License-Identifier: MIT */
/* Entry from the boot ROM (a0: image header, sp: end of SRAM, bss zero) and from traps. */
    .section .text.start, "ax"
    .globl _start
_start:
    la t0, trap_entry
    csrw mtvec, t0
    call firmware_main
1:
    wfi
    j 1b

    .text
    .balign 4
/* A trap is the end: nothing is restored. mscratch keeps one register while all are saved. */
trap_entry:
    csrw mscratch, x31
    la x31, trap_registers
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    sw x\n, 4*\n(x31)
    .endr
    csrr t0, mscratch
    sw t0, 124(x31)
    /* The stack may be what broke. */
    la sp, trap_stack_end
    call trap_handler
2:
    wfi
    j 2b

    .bss
    .balign 16
    .globl trap_registers
trap_registers:
    .space 128
    .space 1024
trap_stack_end:
