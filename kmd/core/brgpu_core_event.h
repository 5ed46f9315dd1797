/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The consumer's side of an event ring (brgpu/hw/events.h). New records are recognised in memory by
 * their phase byte, without a register read. One consumer at a time: the caller's lock.
 */
#ifndef BRGPU_CORE_EVENT_H
#define BRGPU_CORE_EVENT_H

#include "brgpu_core.h"

#include <brgpu/hw/events.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BRGPU_CORE_EVENT_MIN_LOG2 4u
#define BRGPU_CORE_EVENT_MAX_LOG2 16u

struct brgpu_core_event_ring {
	const struct brgpu_event_record *records;	/* 2^log2, zeroed before enabling */
	uint32_t log2;
	uint32_t consumed;	/* since enabling, modulo 2^32: what CONSUMER gets */
	uint32_t acknowledged;	/* value last written to CONSUMER */
};

/* -EINVAL: log2 outside 4..16. The ring's memory is zero, and the device's ring not yet enabled. */
int brgpu_core_event_init(struct brgpu_core_event_ring *ring,
			  const struct brgpu_event_record *records, uint32_t log2);

/* Whether a record waits. Cheap; may be called without the consumer's lock as a hint. */
bool brgpu_core_event_pending(const struct brgpu_core_event_ring *ring);

/* Takes the next record into *record; false when none waits. */
bool brgpu_core_event_next(struct brgpu_core_event_ring *ring, struct brgpu_event_record *record);

/*
 * To be called when the ring is empty: the value for CONSUMER, which arms the ring. *maybe_lost:
 * the ring was full in between, so records may have been dropped, and STATUS is worth reading.
 */
uint32_t brgpu_core_event_acknowledge(struct brgpu_core_event_ring *ring, bool *maybe_lost);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_EVENT_H */
