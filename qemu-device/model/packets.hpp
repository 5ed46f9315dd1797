// SPDX-License-Identifier: MIT
//
// Packets: taken out of memory once, checked field by field before anything acts on them.
#ifndef BRGPU_MODEL_PACKETS_HPP
#define BRGPU_MODEL_PACKETS_HPP

#include <cstdint>

#include "brgpu/hw/queue.h"

namespace brgpu::model {

// A private copy of 64 bytes: what is checked is what is used.
union Packet {
    uint8_t bytes[BRGPU_PACKET_BYTES];
    brgpu_packet_nop nop;
    brgpu_packet_dispatch dispatch;
    brgpu_packet_copy copy;
    brgpu_packet_fill fill;
    brgpu_packet_write write;
    brgpu_packet_barrier barrier;
    brgpu_packet_wait wait;
    brgpu_packet_signal signal;
    brgpu_packet_timestamp timestamp;
    brgpu_packet_event event;
    brgpu_packet_call call;

    uint8_t type() const { return bytes[0]; }
};
static_assert(sizeof(Packet) == BRGPU_PACKET_BYTES);

// What the contract says about the packet by itself: type, flags, ranges, alignment, pads.
// Addresses are looked at when they are used. `called`: it stands in a called buffer.
brgpu_queue_error check_packet(const Packet &packet, brgpu_queue_class queue_class, bool called);

const char *packet_name(uint8_t type);

} // namespace brgpu::model

#endif
