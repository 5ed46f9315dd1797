/* SPDX-License-Identifier: MIT */
#ifndef BRGPU_LIB_CSR_H
#define BRGPU_LIB_CSR_H

/*
 * Not volatile: the ids of a lane don't change while it runs, and the optimiser may move and merge
 * their reads. BRGPU_CSR_CLOCK is the exception, see isa.cl.
 */
#define READ_CSR(number)                                                                           \
    ({                                                                                             \
        ulong csr_value;                                                                           \
        __asm__("csrr %0, %1" : "=r"(csr_value) : "i"(number));                                    \
        csr_value;                                                                                 \
    })

#endif
