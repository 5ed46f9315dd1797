// SPDX-License-Identifier: MIT
#include "commands.hpp"

#include <algorithm>
#include <cstring>

#include "brgpu/hw/isa.h"
#include "brgpu/hw/mmu.h"
#include "brgpu/hw/queue.h"
#include "code_object.hpp"
#include "error.hpp"
#include "kernel.hpp"
#include "queue_progress.hpp"
#include "report.hpp"

namespace brgpu::umd {

namespace {

constexpr uint64_t first_chunk_bytes = 16 << 10;
constexpr uint64_t largest_chunk_bytes = 4 << 20; // 65536 packets: what one command may have
constexpr uint32_t max_copy_bytes = 1u << 30;     // of one packet, whose field has 32 bits
constexpr uint32_t max_write_bytes = 64 << 10;

static_assert(largest_chunk_bytes / BRGPU_PACKET_BYTES <= BRGPU_MAX_CALL_PACKETS);

unsigned long long hex(uint64_t value) {
    return value;
}

uint8_t packet_flags(uint32_t flags) {
    if (flags & ~BRGPU_COMMAND_ORDERED)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: unknown command flags 0x%x", flags);
    return flags & BRGPU_COMMAND_ORDERED ? BRGPU_PACKET_BARRIER_BIT : 0;
}

void check_range(uint64_t address, uint64_t bytes, const char *what) {
    constexpr uint64_t limit = uint64_t{1} << BRGPU_VA_BITS;
    if (address > limit || limit - address < bytes)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s [0x%llx, +0x%llx) leaves the address space",
              what, hex(address), hex(bytes));
}

void check_aligned(uint64_t address, uint64_t alignment, const char *what) {
    if (address % alignment)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s 0x%llx is not a multiple of %llu", what,
              hex(address), hex(alignment));
    check_range(address, alignment, what);
}

// Bytes from the first to behind the last that a strided copy touches on one side.
uint64_t extent(const brgpu_copy_region &r, uint64_t pitch, uint64_t slice_pitch,
                const char *side) {
    if (r.rows > 1 && pitch < r.row_bytes)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: copy: the %s pitch of %llu bytes is less than a row of %u", side, hex(pitch),
              r.row_bytes);
    const unsigned __int128 slice =
        static_cast<unsigned __int128>(r.rows - 1) * pitch + r.row_bytes;
    if (r.slices > 1 && slice_pitch < slice)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: copy: the %s slice pitch of %llu bytes is less than a slice", side,
              hex(slice_pitch));
    const unsigned __int128 all =
        static_cast<unsigned __int128>(r.slices - 1) * slice_pitch + slice;
    if (all >> BRGPU_VA_BITS)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: copy: the %s region is larger than the address "
              "space",
              side);
    return static_cast<uint64_t>(all);
}

} // namespace

CommandArena::Piece CommandArena::take(const std::shared_ptr<Vm> &vm, uint64_t bytes,
                                       uint64_t alignment) {
    for (;; ++current_) {
        if (current_ == chunks_.size()) {
            uint64_t size = chunks_.empty()
                                ? first_chunk_bytes
                                : std::min(chunks_.back().memory.size() * 2, largest_chunk_bytes);
            chunks_.push_back({OwnedAllocation(vm, std::max(size, bytes), BRGPU_PLACEMENT_SYSTEM,
                                               BRGPU_ACCESS_RW)});
        }
        Chunk &chunk = chunks_[current_];
        const uint64_t start = (chunk.used + alignment - 1) & ~(alignment - 1);
        if (start <= chunk.memory.size() && chunk.memory.size() - start >= bytes) {
            chunk.used = start + bytes;
            return {chunk.memory.address() + start, chunk.memory.cpu() + start, current_};
        }
    }
}

void CommandArena::reset() noexcept {
    for (Chunk &chunk : chunks_)
        chunk.used = 0;
    current_ = 0;
}

bool Commands::idle() {
    std::lock_guard lock(submitted_lock_);
    if (submitted_to_ && submitted_to_->finished(serial_))
        submitted_to_.reset();
    return !submitted_to_;
}

void Commands::check_idle() {
    if (!idle())
        raise(BRGPU_ERROR_BUSY, "brgpu: submission %llu of this command list has not ended",
              hex(serial_));
}

void Commands::note_submitted(std::shared_ptr<QueueProgress> progress, uint64_t serial) {
    std::lock_guard lock(submitted_lock_);
    submitted_to_ = std::move(progress);
    serial_ = serial;
}

void Commands::reset() {
    check_idle();
    packet_memory_.reset();
    data_memory_.reset();
    runs_.clear();
    code_.clear();
    reports_.clear();
    printf_.reset();
}

void Commands::append(const void *packet) {
    check_idle();
    const auto piece = packet_memory_.take(vm_, BRGPU_PACKET_BYTES, BRGPU_PACKET_BYTES);
    std::memcpy(piece.cpu, packet, BRGPU_PACKET_BYTES);
    if (!runs_.empty()) {
        drm_brgpu_command &last = runs_.back();
        if (last.va + uint64_t{last.packets} * BRGPU_PACKET_BYTES == piece.address &&
            last.packets < BRGPU_MAX_CALL_PACKETS) {
            ++last.packets;
            return;
        }
    }
    runs_.push_back({piece.address, 1, 0});
}

void Commands::dispatch(Kernel &kernel, const brgpu_dispatch_info &info,
                        std::shared_ptr<Report> report) {
    if (&kernel.vm() != vm_.get())
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: kernel %s was loaded into another address space", kernel.name());
    if (info.work_dim < 1 || info.work_dim > 3)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: dispatching %s in %u dimensions", kernel.name(),
              info.work_dim);
    if (info.pad)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: dispatch: the pad is not zero");
    brgpu_packet_dispatch packet = {};
    packet.type = BRGPU_PACKET_DISPATCH;
    packet.flags = packet_flags(info.flags);
    packet.work_dim = static_cast<uint8_t>(info.work_dim);
    for (unsigned d = 0; d < 3; ++d) {
        packet.grid[d] = d < info.work_dim ? info.global[d] : 1;
        packet.offset[d] = d < info.work_dim ? info.offset[d] : 0;
    }
    const auto local = kernel.workgroup(info, vm_->device().facts().max_workgroup);
    std::copy(local.begin(), local.end(), packet.workgroup);
    if (info.timestamps) {
        check_aligned(info.timestamps, 8, "dispatch: timestamp address");
        packet.timestamps = info.timestamps;
    }
    if (report) {
        if (&report->vm() != vm_.get())
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: dispatch: the report is of another address space");
        if (info.timestamps)
            raise(BRGPU_ERROR_INVALID_ARGUMENT,
                  "brgpu: dispatch: timestamps and a report; the report has the times");
        packet.flags |= BRGPU_PACKET_REPORT_BIT;
        packet.timestamps = report->address();
    }
    check_idle();

    const Kernel::Block block = kernel.argument_block(vm_->device().facts().local_bytes);
    packet.dynamic_local_bytes = block.dynamic_local_bytes;
    packet.kernel = kernel.descriptor();
    const auto piece = data_memory_.take(vm_, std::max<uint64_t>(block.bytes.size(), 16), 64);
    std::memcpy(piece.cpu, block.bytes.data(), block.bytes.size());
    if (block.printf_offset) {
        if (!printf_)
            printf_ = std::make_shared<PrintfRing>(vm_);
        const uint64_t ring = printf_->address();
        std::memcpy(piece.cpu + *block.printf_offset, &ring, sizeof(ring));
    }
    packet.kernarg = piece.address;
    if (std::find(code_.begin(), code_.end(), kernel.code()) == code_.end())
        code_.push_back(kernel.code());
    if (report && (reports_.empty() || reports_.back() != report))
        reports_.push_back(std::move(report));
    append(&packet);
}

void Commands::copy(uint64_t dst, uint64_t src, uint64_t bytes, uint32_t flags) {
    const uint8_t packet_flag = packet_flags(flags);
    check_range(dst, bytes, "copy: destination");
    check_range(src, bytes, "copy: source");
    if (bytes && dst < src + bytes && src < dst + bytes)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: copy: [0x%llx, +0x%llx) and [0x%llx, +0x%llx) overlap", hex(src), hex(bytes),
              hex(dst), hex(bytes));
    while (bytes) {
        brgpu_packet_copy packet = {};
        packet.type = BRGPU_PACKET_COPY;
        packet.flags = packet_flag;
        packet.row_bytes = static_cast<uint32_t>(std::min<uint64_t>(bytes, max_copy_bytes));
        packet.src = src;
        packet.dst = dst;
        packet.rows = packet.slices = 1;
        append(&packet);
        src += packet.row_bytes;
        dst += packet.row_bytes;
        bytes -= packet.row_bytes;
    }
}

void Commands::copy_region(const brgpu_copy_region &r) {
    brgpu_packet_copy packet = {};
    packet.type = BRGPU_PACKET_COPY;
    packet.flags = packet_flags(r.flags);
    if (r.row_bytes == 0 || r.rows == 0 || r.slices == 0)
        return;
    check_range(r.src, extent(r, r.src_pitch, r.src_slice_pitch, "source"), "copy: source");
    check_range(r.dst, extent(r, r.dst_pitch, r.dst_slice_pitch, "destination"),
                "copy: destination");
    packet.row_bytes = r.row_bytes;
    packet.src = r.src;
    packet.dst = r.dst;
    packet.rows = r.rows;
    packet.slices = r.slices;
    packet.src_pitch = r.src_pitch;
    packet.dst_pitch = r.dst_pitch;
    packet.src_slice_pitch = r.src_slice_pitch;
    packet.dst_slice_pitch = r.dst_slice_pitch;
    append(&packet);
}

void Commands::fill(uint64_t dst, const void *pattern, uint32_t pattern_bytes, uint64_t bytes,
                    uint32_t flags) {
    brgpu_packet_fill packet = {};
    packet.type = BRGPU_PACKET_FILL;
    packet.flags = packet_flags(flags);
    if (pattern_bytes == 0 || pattern_bytes > 16 || (pattern_bytes & (pattern_bytes - 1)))
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: fill: a pattern of %u bytes: 1, 2, 4, 8 or 16 are possible", pattern_bytes);
    if (dst % pattern_bytes || bytes % pattern_bytes)
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: fill: [0x%llx, +0x%llx) is not a multiple of the pattern's %u bytes",
              hex(dst), hex(bytes), pattern_bytes);
    check_range(dst, bytes, "fill: destination");
    if (bytes == 0)
        return;
    packet.pattern_bytes = static_cast<uint8_t>(pattern_bytes);
    packet.dst = dst;
    packet.bytes = bytes;
    std::memcpy(packet.pattern, pattern, pattern_bytes);
    append(&packet);
}

void Commands::write(uint64_t dst, const void *data, uint32_t bytes, uint32_t flags) {
    const uint8_t packet_flag = packet_flags(flags);
    if (bytes > max_write_bytes)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: write: %u bytes, at most %u are possible",
              bytes, max_write_bytes);
    check_range(dst, bytes, "write: destination");
    if (bytes == 0)
        return;
    brgpu_packet_write small = {};
    if (bytes <= sizeof(small.data)) {
        small.type = BRGPU_PACKET_WRITE;
        small.flags = packet_flag;
        small.bytes = static_cast<uint16_t>(bytes);
        small.dst = dst;
        std::memcpy(small.data, data, bytes);
        append(&small);
        return;
    }
    check_idle();
    const auto piece = data_memory_.take(vm_, bytes, 64);
    std::memcpy(piece.cpu, data, bytes);
    copy(dst, piece.address, bytes, flags);
}

void Commands::barrier() {
    brgpu_packet_barrier packet = {};
    packet.type = BRGPU_PACKET_BARRIER;
    append(&packet);
}

void Commands::wait_value(uint64_t address, uint32_t compare, uint64_t value, uint64_t mask) {
    check_aligned(address, 8, "wait: address");
    if (compare > BRGPU_WAIT_LT)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: wait: unknown comparison %u", compare);
    brgpu_packet_wait packet = {};
    packet.type = BRGPU_PACKET_WAIT;
    packet.compare = static_cast<uint8_t>(compare);
    packet.address = address;
    packet.value = value;
    packet.mask = mask;
    append(&packet);
}

void Commands::signal_value(uint64_t address, uint32_t operation, uint64_t value) {
    check_aligned(address, 8, "signal: address");
    if (operation > BRGPU_SIGNAL_INCREASE)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: signal: unknown operation %u", operation);
    brgpu_packet_signal packet = {};
    packet.type = BRGPU_PACKET_SIGNAL;
    packet.op = operation == BRGPU_SIGNAL_INCREASE ? BRGPU_SIGNAL_ADD : BRGPU_SIGNAL_STORE;
    packet.notify = 1; // wakes brgpu_memory_wait()
    packet.address = address;
    packet.value = value;
    append(&packet);
}

void Commands::timestamp(uint64_t address) {
    check_aligned(address, 8, "timestamp: address");
    brgpu_packet_timestamp packet = {};
    packet.type = BRGPU_PACKET_TIMESTAMP;
    packet.address = address;
    append(&packet);
}

void Commands::packets(const void *data, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i)
        append(static_cast<const std::byte *>(data) + uint64_t{i} * BRGPU_PACKET_BYTES);
}

} // namespace brgpu::umd
