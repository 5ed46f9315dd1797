// SPDX-License-Identifier: MIT
#include "packets.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

#include "brgpu/hw/isa.h"

namespace brgpu::model {
namespace {

constexpr brgpu_queue_error good = BRGPU_QUEUE_ERROR_NONE;
constexpr brgpu_queue_error bad_field = BRGPU_QUEUE_ERROR_FIELD;

brgpu_queue_error verdict(bool ok) {
    return ok ? good : bad_field;
}

template <typename T>
bool zero(const T &array) {
    return std::all_of(std::begin(array), std::end(array), [](auto item) { return item == 0; });
}

bool aligned(uint64_t value, uint64_t alignment) {
    return (value & (alignment - 1)) == 0;
}

brgpu_queue_error check(const brgpu_packet_dispatch &packet) {
    if (packet.pad0 || packet.pad1 || packet.work_dim < 1 || packet.work_dim > 3)
        return bad_field;
    uint64_t items = 1;
    for (unsigned i = 0; i < 3; i++) {
        if (packet.workgroup[i] < 1 || packet.workgroup[i] > BRGPU_MAX_WORKGROUP)
            return bad_field;
        items *= packet.workgroup[i];
        bool unused = i >= packet.work_dim;
        if (unused && (packet.workgroup[i] != 1 || packet.grid[i] != 1))
            return bad_field;
    }
    return verdict(items <= BRGPU_MAX_WORKGROUP && aligned(packet.kernel, 64) &&
                   aligned(packet.kernarg, 16) &&
                   aligned(packet.timestamps, packet.flags & BRGPU_PACKET_REPORT_BIT ? 64 : 8) &&
                   packet.dynamic_local_bytes <= BRGPU_MAX_LOCAL_BYTES);
}

brgpu_queue_error check(const brgpu_packet_copy &packet) {
    return verdict(!packet.pad0 && !packet.pad1);
}

brgpu_queue_error check(const brgpu_packet_fill &packet) {
    uint8_t n = packet.pattern_bytes;
    bool known = n == 1 || n == 2 || n == 4 || n == 8 || n == 16;
    return verdict(known && zero(packet.pad0) && zero(packet.pad1) && aligned(packet.dst, n) &&
                   aligned(packet.bytes, n));
}

brgpu_queue_error check(const brgpu_packet_write &packet) {
    return verdict(packet.bytes >= 1 && packet.bytes <= sizeof(packet.data) && !packet.pad0);
}

brgpu_queue_error check(const brgpu_packet_barrier &packet) {
    return verdict((packet.ops & ~BRGPU_BARRIER_CODE) == 0 && zero(packet.pad));
}

brgpu_queue_error check(const brgpu_packet_wait &packet) {
    return verdict(packet.compare <= BRGPU_WAIT_LT && zero(packet.pad0) && zero(packet.pad1) &&
                   aligned(packet.address, 8));
}

brgpu_queue_error check(const brgpu_packet_signal &packet) {
    return verdict(packet.op <= BRGPU_SIGNAL_ADD && packet.notify <= 1 && !packet.pad0 &&
                   zero(packet.pad1) && aligned(packet.address, 8) && aligned(packet.timestamp, 8));
}

brgpu_queue_error check(const brgpu_packet_timestamp &packet) {
    return verdict(zero(packet.pad0) && zero(packet.pad1) && aligned(packet.address, 8));
}

brgpu_queue_error check(const brgpu_packet_event &packet) {
    return verdict(zero(packet.pad0) && zero(packet.pad1));
}

brgpu_queue_error check(const brgpu_packet_call &packet) {
    return verdict(!packet.pad0 && zero(packet.pad1) && packet.packets <= BRGPU_MAX_CALL_PACKETS &&
                   aligned(packet.address, BRGPU_PACKET_BYTES));
}

} // namespace

brgpu_queue_error check_packet(const Packet &packet, brgpu_queue_class queue_class, bool called) {
    uint8_t type = packet.type();
    if (type > BRGPU_PACKET_CALL ||
        (type == BRGPU_PACKET_DISPATCH && queue_class != BRGPU_QUEUE_COMPUTE))
        return BRGPU_QUEUE_ERROR_PACKET;
    if (type == BRGPU_PACKET_CALL && called)
        return BRGPU_QUEUE_ERROR_CALL;
    const unsigned known =
        BRGPU_PACKET_BARRIER_BIT | (type == BRGPU_PACKET_DISPATCH ? BRGPU_PACKET_REPORT_BIT : 0);
    if (packet.nop.flags & ~known)
        return bad_field;
    switch (type) {
    case BRGPU_PACKET_NOP:
        return verdict(zero(packet.nop.pad));
    case BRGPU_PACKET_DISPATCH:
        return check(packet.dispatch);
    case BRGPU_PACKET_COPY:
        return check(packet.copy);
    case BRGPU_PACKET_FILL:
        return check(packet.fill);
    case BRGPU_PACKET_WRITE:
        return check(packet.write);
    case BRGPU_PACKET_BARRIER:
        return check(packet.barrier);
    case BRGPU_PACKET_WAIT:
        return check(packet.wait);
    case BRGPU_PACKET_SIGNAL:
        return check(packet.signal);
    case BRGPU_PACKET_TIMESTAMP:
        return check(packet.timestamp);
    case BRGPU_PACKET_EVENT:
        return check(packet.event);
    default:
        return check(packet.call);
    }
}

const char *packet_name(uint8_t type) {
    constexpr const char *names[] = {"NOP",  "DISPATCH", "COPY",      "FILL",  "WRITE", "BARRIER",
                                     "WAIT", "SIGNAL",   "TIMESTAMP", "EVENT", "CALL"};
    return type < std::size(names) ? names[type] : "unknown";
}

} // namespace brgpu::model
