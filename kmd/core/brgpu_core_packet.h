/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Builds packets (brgpu/hw/queue.h) in place. `slot` is a 64-byte slot that the device does not
 * read yet: the write index, stored later with release order, is what publishes it.
 *
 * `flags` is 0 or BRGPU_PACKET_BARRIER_BIT. Arguments are not checked: these are the driver's own.
 */
#ifndef BRGPU_CORE_PACKET_H
#define BRGPU_CORE_PACKET_H

#include "brgpu_core.h"

#include <brgpu/hw/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs `packets` packets at `address` of the queue's VM. */
void brgpu_core_packet_call(void *slot, uint8_t flags, uint64_t address, uint32_t packets);
/*
 * Stores `value` at `address`; notify: with an event record; timestamp: 0, or where TIMESTAMP goes.
 */
void brgpu_core_packet_signal(void *slot, uint8_t flags, uint64_t address, uint64_t value,
			      bool notify, uint64_t timestamp);
void brgpu_core_packet_wait(void *slot, uint8_t flags, enum brgpu_wait_compare compare,
			    uint64_t address, uint64_t value, uint64_t mask);
/* One linear copy. */
void brgpu_core_packet_copy(void *slot, uint8_t flags, uint64_t dst, uint64_t src, uint32_t bytes);
/* Fills with a 64-bit pattern; dst and bytes are multiples of 8. */
void brgpu_core_packet_fill(void *slot, uint8_t flags, uint64_t dst, uint64_t bytes,
			    uint64_t pattern);
void brgpu_core_packet_timestamp(void *slot, uint8_t flags, uint64_t address);
void brgpu_core_packet_barrier(void *slot, uint8_t flags, uint16_t ops);

/* Where packet `index` (ever counted) stands in a ring of 2^ring_log2 packets. */
static inline size_t brgpu_core_ring_offset(uint64_t index, uint32_t ring_log2)
{
	return (size_t)(index & ((BRGPU_U64(1) << ring_log2) - 1)) * BRGPU_PACKET_BYTES;
}

/*
 * Free slots of a ring; 0 too when the read index makes no sense (the device is not to be
 * believed).
 */
static inline uint64_t brgpu_core_ring_room(uint64_t write, uint64_t read, uint32_t ring_log2)
{
	const uint64_t size = BRGPU_U64(1) << ring_log2;
	const uint64_t used = write - read;

	return used > size ? 0 : size - used;
}

/* Whether (seen & mask) `compare` (value & mask); false for an unknown comparison. */
static inline bool brgpu_core_wait_met(uint32_t compare, uint64_t seen, uint64_t value,
				       uint64_t mask)
{
	switch (compare) {
	case BRGPU_WAIT_EQ:
		return (seen & mask) == (value & mask);
	case BRGPU_WAIT_NE:
		return (seen & mask) != (value & mask);
	case BRGPU_WAIT_GE:
		return (seen & mask) >= (value & mask);
	case BRGPU_WAIT_LT:
		return (seen & mask) < (value & mask);
	default:
		return false;
	}
}

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_PACKET_H */
