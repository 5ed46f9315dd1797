/* SPDX-License-Identifier: GPL-2.0 */
/* Page faults and other faults of shaders, as VM_GET_STATE tells them. */
#ifndef BRGPU_FAULT_H
#define BRGPU_FAULT_H

struct brgpu_device;
struct brgpu_event_record;

/* Notes a FAULT event in its VM. Thread context. */
void brgpu_fault_record(struct brgpu_device *brgpu, const struct brgpu_event_record *record);

#endif /* BRGPU_FAULT_H */
