/* SPDX-License-Identifier: MIT */
#include "heartbeat.h"

static uint32_t period_ms;
static uint64_t next_ns;

uint32_t heartbeat_period_ms(void) {
    return period_ms;
}

void heartbeat_set_period(uint32_t wanted_ms) {
    period_ms = wanted_ms;
    next_ns = time_ns() + (uint64_t)period_ms * NS_PER_MS;
    io_write(BRGPU_CTL_HEARTBEAT_MS, period_ms * BRGPU_FW_HEARTBEAT_MISSED);
}

uint64_t heartbeat_run(int *beat) {
    uint64_t now = time_ns();
    *beat = now >= next_ns;
    if (*beat) {
        io_write(BRGPU_CTL_HEARTBEAT, io_read(BRGPU_CTL_HEARTBEAT) + 1);
        io_write(BRGPU_CTL_WATCHDOG_KICK, 1);
        next_ns += (uint64_t)period_ms * NS_PER_MS;
        /* A machine that was stopped for long gets no burst of beats afterwards. */
        if (next_ns <= now)
            next_ns = now + (uint64_t)period_ms * NS_PER_MS;
    }
    return next_ns;
}
