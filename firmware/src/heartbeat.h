/* SPDX-License-Identifier: MIT */
#ifndef FIRMWARE_HEARTBEAT_H
#define FIRMWARE_HEARTBEAT_H

#include "platform.h"

#define HEARTBEAT_MIN_MS 10u
#define HEARTBEAT_MAX_MS 1000u

uint32_t heartbeat_period_ms(void);
void heartbeat_set_period(uint32_t period_ms);
/* Counts a beat and kicks the watchdog when one is due; says when the next is. *beat: there was
 * one. */
uint64_t heartbeat_run(int *beat);

#endif /* FIRMWARE_HEARTBEAT_H */
