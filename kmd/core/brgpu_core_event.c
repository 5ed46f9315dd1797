// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_event.h"

int brgpu_core_event_init(struct brgpu_core_event_ring *ring,
			  const struct brgpu_event_record *records, uint32_t log2)
{
	if (log2 < BRGPU_CORE_EVENT_MIN_LOG2 || log2 > BRGPU_CORE_EVENT_MAX_LOG2)
		return -EINVAL;
	ring->records = records;
	ring->log2 = log2;
	ring->consumed = 0;
	ring->acknowledged = 0;
	return 0;
}

static const struct brgpu_event_record *next_slot(const struct brgpu_core_event_ring *ring)
{
	return &ring->records[ring->consumed & ((1u << ring->log2) - 1)];
}

/* First pass 1, second 0, ...; the passes stay in step over the wrap of `consumed` at 2^32. */
static uint8_t next_phase(const struct brgpu_core_event_ring *ring)
{
	return !((ring->consumed >> ring->log2) & 1);
}

bool brgpu_core_event_pending(const struct brgpu_core_event_ring *ring)
{
	return brgpu_core_load_acquire(&next_slot(ring)->phase) == next_phase(ring);
}

bool brgpu_core_event_next(struct brgpu_core_event_ring *ring, struct brgpu_event_record *record)
{
	if (!brgpu_core_event_pending(ring))
		return false;
	memcpy(record, next_slot(ring), sizeof(*record));
	ring->consumed++;
	return true;
}

uint32_t brgpu_core_event_acknowledge(struct brgpu_core_event_ring *ring, bool *maybe_lost)
{
	*maybe_lost = ring->consumed - ring->acknowledged >= 1u << ring->log2;
	ring->acknowledged = ring->consumed;
	return ring->consumed;
}
