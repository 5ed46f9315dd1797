/* SPDX-License-Identifier: MIT */
#ifndef FIRMWARE_TRAP_H
#define FIRMWARE_TRAP_H

#include "platform.h"

/* What the crash record says about the firmware itself. */
void trap_init(const struct brgpu_fw_header *header, uint64_t start_ns);
/* The mailbox request that is being served, for the crash record. */
void trap_note_request(uint32_t type);
/* Ends the firmware with a crash record that carries the text. */
__attribute__((noreturn)) void panic(const char *text);

#endif /* FIRMWARE_TRAP_H */
