// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_packet.h"

void brgpu_core_packet_call(void *slot, uint8_t flags, uint64_t address, uint32_t packets)
{
	const struct brgpu_packet_call packet = {
		.type = BRGPU_PACKET_CALL,
		.flags = flags,
		.packets = packets,
		.address = address,
	};

	memcpy(slot, &packet, sizeof(packet));
}

void brgpu_core_packet_signal(void *slot, uint8_t flags, uint64_t address, uint64_t value,
			      bool notify, uint64_t timestamp)
{
	const struct brgpu_packet_signal packet = {
		.type = BRGPU_PACKET_SIGNAL,
		.flags = flags,
		.op = BRGPU_SIGNAL_STORE,
		.notify = notify,
		.address = address,
		.value = value,
		.timestamp = timestamp,
	};

	memcpy(slot, &packet, sizeof(packet));
}

void brgpu_core_packet_wait(void *slot, uint8_t flags, enum brgpu_wait_compare compare,
			    uint64_t address, uint64_t value, uint64_t mask)
{
	const struct brgpu_packet_wait packet = {
		.type = BRGPU_PACKET_WAIT,
		.flags = flags,
		.compare = (uint8_t)compare,
		.address = address,
		.value = value,
		.mask = mask,
	};

	memcpy(slot, &packet, sizeof(packet));
}

void brgpu_core_packet_copy(void *slot, uint8_t flags, uint64_t dst, uint64_t src, uint32_t bytes)
{
	const struct brgpu_packet_copy packet = {
		.type = BRGPU_PACKET_COPY,
		.flags = flags,
		.row_bytes = bytes,
		.src = src,
		.dst = dst,
		.rows = 1,
		.slices = 1,
		.src_pitch = bytes,
		.dst_pitch = bytes,
	};

	memcpy(slot, &packet, sizeof(packet));
}

void brgpu_core_packet_fill(void *slot, uint8_t flags, uint64_t dst, uint64_t bytes,
			    uint64_t pattern)
{
	struct brgpu_packet_fill packet = {
		.type = BRGPU_PACKET_FILL,
		.flags = flags,
		.pattern_bytes = sizeof(pattern),
		.dst = dst,
		.bytes = bytes,
	};

	memcpy(packet.pattern, &pattern, sizeof(pattern));
	memcpy(slot, &packet, sizeof(packet));
}

void brgpu_core_packet_timestamp(void *slot, uint8_t flags, uint64_t address)
{
	const struct brgpu_packet_timestamp packet = {
		.type = BRGPU_PACKET_TIMESTAMP,
		.flags = flags,
		.address = address,
	};

	memcpy(slot, &packet, sizeof(packet));
}

void brgpu_core_packet_barrier(void *slot, uint8_t flags, uint16_t ops)
{
	const struct brgpu_packet_barrier packet = {
		.type = BRGPU_PACKET_BARRIER,
		.flags = flags,
		.ops = ops,
	};

	memcpy(slot, &packet, sizeof(packet));
}
