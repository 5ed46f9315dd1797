/* SPDX-License-Identifier: MIT */
#ifndef FIRMWARE_POWER_H
#define FIRMWARE_POWER_H

#include "platform.h"

void power_init(void);
/* Reads the sensors, then sets clocks by what they say and by what the driver allows. Once a
 * heartbeat period, and when a temperature alarm comes. */
void power_update(void);
uint32_t power_dies(void);
/* False: no such die. */
int power_sensors(uint32_t die, struct brgpu_mbox_sensors_response *out);
void power_limits(struct brgpu_mbox_capabilities_response *out);
void power_get(struct brgpu_mbox_power *out);
enum brgpu_mbox_status power_set(const struct brgpu_mbox_power *wanted);

#endif /* FIRMWARE_POWER_H */
