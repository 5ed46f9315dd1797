/* SPDX-License-Identifier: GPL-2.0 */
/* Page faults and other faults of shaders, as VM_GET_STATE tells them. */
#ifndef BRGPU_FAULT_H
#define BRGPU_FAULT_H

#include <linux/types.h>

struct brgpu_device;
struct brgpu_event_record;
struct drm_brgpu_fault;

/* Notes a FAULT event in its VM. Thread context. */
void brgpu_fault_record(struct brgpu_device *brgpu, const struct brgpu_event_record *record);

/*
 * What the slot of a queue that stopped with `error` says of its fault; zeros where the error is no
 * fault. The card is there (drm_dev_enter()). Any context.
 */
void brgpu_fault_read(struct brgpu_device *brgpu, u32 slot, u32 error,
		      struct drm_brgpu_fault *fault);

#endif /* BRGPU_FAULT_H */
