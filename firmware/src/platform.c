/* SPDX-License-Identifier: MIT */
#include "platform.h"

void event_post(uint32_t type, uint32_t info, uint64_t data0, uint64_t data1) {
    io_write(BRGPU_CTL_EVENT_INFO, info);
    io_write64(BRGPU_CTL_EVENT_DATA0_LO, data0);
    io_write64(BRGPU_CTL_EVENT_DATA1_LO, data1);
    io_write(BRGPU_CTL_EVENT_POST, type);
}

void notify(enum brgpu_fw_notify what, uint64_t data0, uint64_t data1) {
    event_post(BRGPU_EVENT_FW_NOTIFY, what, data0, data1);
}

void window_read(void *to, uint32_t offset, uint32_t bytes) {
    uint32_t *words = to;
    for (uint32_t i = 0; i < bytes / 4; i++)
        words[i] = io_read(BRGPU_CTL_SHARED + offset + 4 * i);
}

void window_write(uint32_t offset, const void *from, uint32_t bytes) {
    const uint32_t *words = from;
    for (uint32_t i = 0; i < bytes / 4; i++)
        io_write(BRGPU_CTL_SHARED + offset + 4 * i, words[i]);
}

uint64_t divide64(uint64_t dividend, uint32_t divisor, uint32_t *remainder) {
    uint64_t quotient = 0;
    uint64_t rest = 0;
    for (int bit = 0; bit < 64; bit++) {
        rest = rest << 1 | dividend >> 63;
        dividend <<= 1;
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
    }
    if (remainder)
        *remainder = (uint32_t)rest;
    return quotient;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
    uint8_t *out = to;
    const uint8_t *in = from;
    while (bytes--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, size_t bytes) {
    uint8_t *out = to;
    while (bytes--)
        *out++ = (uint8_t)value;
    return to;
}
