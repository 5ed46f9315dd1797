/* SPDX-License-Identifier: MIT */
/* Access to the controller's peripherals and the shared window, time, and the few functions that a
 * freestanding compiler expects. */
#ifndef FIRMWARE_PLATFORM_H
#define FIRMWARE_PLATFORM_H

#include <brgpu/hw/controller.h>
#include <brgpu/hw/events.h>
#include <brgpu/hw/firmware.h>
#include <brgpu/hw/regs.h>

#define NS_PER_MS 1000000u
#define NS_PER_S  1000000000u

static inline uint32_t io_read(uint32_t address) {
    return *(volatile uint32_t *)address;
}

static inline void io_write(uint32_t address, uint32_t value) {
    *(volatile uint32_t *)address = value;
}

/* Two registers, low half first: reading TIME_LO latches TIME_HI. */
static inline uint64_t io_read64(uint32_t address) {
    uint32_t low = io_read(address);
    return (uint64_t)io_read(address + 4) << 32 | low;
}

static inline void io_write64(uint32_t address, uint64_t value) {
    io_write(address, (uint32_t)value);
    io_write(address + 4, (uint32_t)(value >> 32));
}

static inline uint64_t time_ns(void) {
    return io_read64(BRGPU_CTL_TIME_LO);
}

#define csr_read(csr)                                                                              \
    ({                                                                                             \
        uint32_t csr_value;                                                                        \
        __asm__ volatile("csrr %0, " #csr : "=r"(csr_value));                                      \
        csr_value;                                                                                 \
    })
#define csr_write(csr, value) __asm__ volatile("csrw " #csr ", %0" : : "r"(value))

static inline void wait_for_interrupt(void) {
    __asm__ volatile("wfi" : : : "memory");
}

/* Posts an event record of class FIRMWARE. */
void event_post(uint32_t type, uint32_t info, uint64_t data0, uint64_t data1);
void notify(enum brgpu_fw_notify what, uint64_t data0, uint64_t data1);

/* Whole words between SRAM and the shared window. */
void window_read(void *to, uint32_t offset, uint32_t bytes);
void window_write(uint32_t offset, const void *from, uint32_t bytes);

/* Quotient and, where wanted, remainder, without the compiler's runtime library. */
uint64_t divide64(uint64_t dividend, uint32_t divisor, uint32_t *remainder);

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

#endif /* FIRMWARE_PLATFORM_H */
