/* SPDX-License-Identifier: MIT */
#ifndef FIRMWARE_RAS_H
#define FIRMWARE_RAS_H

#include "platform.h"

void ras_init(void);
/* Takes what the ECC queue holds: counts, notifies, retires pages with uncorrected errors. */
void ras_collect(void);
void ras_describe(struct brgpu_mbox_ras_response *out);
uint32_t ras_bad_page_count(void);
/* Up to `room` addresses from entry `first` on; returns how many. */
uint32_t ras_bad_pages(uint32_t first, uint64_t *addresses, uint32_t room);
/* OK, RANGE (beyond VRAM) or FULL; *added says whether the page is new. */
enum brgpu_mbox_status ras_retire_page(uint64_t address, uint32_t *added);

#endif /* FIRMWARE_RAS_H */
