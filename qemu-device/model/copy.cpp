// SPDX-License-Identifier: MIT
#include "copy.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "scheduler.hpp"

namespace brgpu::model {
namespace {

// What a worker claims at once, and what it does between two looks at its turn.
constexpr uint64_t claim_bytes = 1 << 20;
constexpr uint64_t claim_rows = 1024;
constexpr uint64_t step_bytes = 64 << 10;
constexpr uint32_t step_rows = 64;
constexpr uint64_t va_end = uint64_t{1} << BRGPU_VA_BITS;

} // namespace

CopyOp::CopyOp(Mmu &mmu, std::atomic<uint64_t> &bytes_counter, uint16_t vm)
    : Op(Kind::copy), mmu_(mmu), bytes_counter_(bytes_counter), vm_(vm) {}

CopyOp::CopyOp(Mmu &mmu, std::atomic<uint64_t> &bytes_counter, uint16_t vm,
               const brgpu_packet_copy &packet)
    : CopyOp(mmu, bytes_counter, vm) {
    src_ = packet.src;
    dst_ = packet.dst;
    shape_ = {packet.row_bytes,      packet.rows,      packet.slices,
              packet.src_pitch,      packet.dst_pitch, packet.src_slice_pitch,
              packet.dst_slice_pitch};
    exhausted_ = shape_.row_bytes == 0 || shape_.rows == 0 || shape_.slices == 0;
    update_pieces();
}

CopyOp::CopyOp(Mmu &mmu, std::atomic<uint64_t> &bytes_counter, uint16_t vm,
               const brgpu_packet_fill &packet)
    : CopyOp(mmu, bytes_counter, vm) {
    fill_ = true;
    dst_ = packet.dst;
    for (unsigned i = 0; i < sizeof(pattern_); i++)
        pattern_[i] = packet.pattern[i % packet.pattern_bytes];
    shape_ = {packet.bytes, 1, 1, 0, 0, 0, 0};
    exhausted_ = packet.bytes == 0;
    update_pieces();
}

// ---- pieces; under the lock ----

void CopyOp::update_pieces() {
    uint64_t left = returned_.size();
    if (!exhausted_) {
        uint64_t rest = shape_.row_bytes - cursor_.column;
        bool more_rows = cursor_.row + 1 < shape_.rows || cursor_.slice + 1 < shape_.slices;
        left += rest > claim_bytes || more_rows ? 2 : 1;
    }
    pieces_.store(left, std::memory_order_release);
}

bool CopyOp::claim(Piece &piece) {
    std::lock_guard lock(mutex_);
    if (!returned_.empty()) {
        piece = returned_.back();
        returned_.pop_back();
    } else if (exhausted_) {
        return false;
    } else {
        piece = cursor_;
        if (shape_.row_bytes > claim_bytes) {
            piece.rows = 1;
            piece.bytes = std::min(claim_bytes, shape_.row_bytes - cursor_.column);
            cursor_.column += piece.bytes;
        } else {
            piece.bytes = shape_.row_bytes;
            piece.rows = std::min({claim_rows, std::max<uint64_t>(1, claim_bytes / piece.bytes),
                                   shape_.rows - cursor_.row});
            cursor_.column = shape_.row_bytes;
        }
        if (cursor_.column == shape_.row_bytes) {
            cursor_.column = 0;
            uint64_t row = cursor_.row + piece.rows;
            if (row < shape_.rows) {
                cursor_.row = static_cast<uint32_t>(row);
            } else {
                cursor_.row = 0;
                if (cursor_.slice + 1u < shape_.slices)
                    cursor_.slice++;
                else
                    exhausted_ = true;
            }
        }
    }
    active_++;
    update_pieces();
    return true;
}

void CopyOp::give_back(const Piece &piece) {
    std::lock_guard lock(mutex_);
    active_--;
    if (piece.rows != 0 && piece.bytes != 0)
        returned_.push_back(piece);
    update_pieces();
}

bool CopyOp::finished() const {
    std::lock_guard lock(mutex_);
    return exhausted_ && returned_.empty() && active_ == 0;
}

// ---- moving bytes ----

std::optional<uint64_t> CopyOp::address(uint64_t base, uint64_t slice_pitch, uint64_t pitch,
                                        const Piece &piece) const {
    unsigned __int128 at = static_cast<unsigned __int128>(base) +
                           static_cast<unsigned __int128>(slice_pitch) * piece.slice +
                           static_cast<unsigned __int128>(pitch) * piece.row + piece.column;
    if (at >= va_end)
        return std::nullopt;
    return static_cast<uint64_t>(at);
}

// Up to `bytes` bytes; `done` counts what has been written. False: fault (reason NONE: the card was
// reset).
bool CopyOp::run_span(Worker &worker, uint64_t src, uint64_t dst, uint64_t bytes, uint64_t &done,
                      bool &system, Fault &fault) {
    using Found = Translation::Kind;
    fault.reason = BRGPU_FAULT_NONE;
    while (done < bytes) {
        uint64_t left = bytes - done;
        uint64_t before = worker.interruptions;
        Translation to = mmu_.translate(worker, vm_, dst + done, BRGPU_ACCESS_WRITE);
        if (to.kind == Found::gone)
            return false;
        if (to.kind == Found::fault) {
            fault = to.fault;
            return false;
        }
        uint64_t part = std::min(left, to.bytes);
        system |= to.system;
        if (fill_) {
            std::byte buffer[4096];
            bool direct = to.kind == Found::pointer;
            if (!direct)
                part = std::min<uint64_t>(part, sizeof(buffer));
            std::byte *out = direct ? to.pointer : buffer;
            unsigned phase = (dst + done - dst_) % sizeof(pattern_);
            uint64_t head = std::min<uint64_t>(part, sizeof(pattern_) * 16);
            for (uint64_t i = 0; i < head; i++)
                out[i] = std::byte{pattern_[(phase + i) % sizeof(pattern_)]};
            for (uint64_t have = head; have < part;) {
                uint64_t n = std::min(have, part - have);
                n = std::min<uint64_t>(n, 4096); // stay in the first-level cache
                std::memcpy(out + have, out + have - std::min<uint64_t>(have, 4096), n);
                have += n;
            }
            if (to.kind == Found::bus &&
                mmu_.write(worker, vm_, dst + done, buffer, part, fault) != Access::ok)
                return false;
            done += part;
            continue;
        }

        Translation from = mmu_.translate(worker, vm_, src + done, BRGPU_ACCESS_READ);
        if (from.kind == Found::gone)
            return false;
        if (from.kind == Found::fault) {
            fault = from.fault;
            return false;
        }
        // While the host was asked for the second, the first may have been invalidated.
        if (worker.interruptions != before)
            continue;
        part = std::min(part, from.bytes);
        system |= from.system;
        if (from.kind == Found::pointer && to.kind == Found::pointer) {
            std::memmove(to.pointer, from.pointer, part);
        } else if (from.kind == Found::null && to.kind == Found::pointer) {
            std::memset(to.pointer, 0, part);
        } else if (to.kind != Found::null) {
            std::byte buffer[4096];
            part = std::min<uint64_t>(part, sizeof(buffer));
            if (mmu_.read(worker, vm_, src + done, buffer, part, fault) != Access::ok ||
                mmu_.write(worker, vm_, dst + done, buffer, part, fault) != Access::ok)
                return false;
        }
        done += part;
    }
    return true;
}

CopyOp::Result CopyOp::run(Worker &worker, Turn &turn, Piece &piece) {
    uint64_t steps = 0, rows = 0;
    while (piece.rows != 0) {
        auto src = fill_ ? std::optional<uint64_t>(0)
                         : address(src_, shape_.src_slice_pitch, shape_.src_pitch, piece);
        auto dst = address(dst_, shape_.dst_slice_pitch, shape_.dst_pitch, piece);
        Fault fault;
        if (!src || !dst) {
            fault.vm = vm_;
            fault.client = BRGPU_FAULT_CLIENT_COPY;
            fault.reason = BRGPU_FAULT_ADDRESS;
            fault.access = src ? BRGPU_ACCESS_WRITE : BRGPU_ACCESS_READ;
            fault.address = src ? dst_ : src_;
            fail(BRGPU_QUEUE_ERROR_MMU, fault);
            return Result::failed;
        }
        uint64_t step = std::min(piece.bytes, step_bytes);
        uint64_t done = 0;
        bool system = false;
        bool good = run_span(worker, *src, *dst, step, done, system, fault);
        if (system)
            mmu_.delay(worker);
        bytes_counter_.fetch_add(done, std::memory_order_relaxed);
        piece.column += done;
        piece.bytes -= done;
        if (piece.bytes == 0) {
            // Only the first row of a piece may begin in the middle; later ones are whole.
            piece.rows--;
            piece.row++;
            piece.column = 0;
            piece.bytes = piece.rows ? shape_.row_bytes : 0;
        }
        if (!good) {
            if (fault.reason == BRGPU_FAULT_NONE)
                return Result::stopped;
            fault.client = BRGPU_FAULT_CLIENT_COPY;
            fail(error_of(fault), fault);
            return Result::failed;
        }
        steps += done;
        if (steps >= step_bytes || ++rows >= step_rows) {
            steps = rows = 0;
            if (turn.over(worker))
                return Result::turn_over;
            if (stopped())
                return Result::stopped;
        }
    }
    return Result::done;
}

void CopyOp::work(Worker &worker, Turn &turn) {
    Piece piece;
    while (!stopped() && claim(piece)) {
        Result result = run(worker, turn, piece);
        give_back(piece);
        if (result != Result::done || turn.over(worker))
            return;
    }
}

// ---- save and restore ----

void CopyOp::save(ImageWriter &out) const {
    std::lock_guard lock(mutex_);
    out.put(exhausted_);
    out.put(cursor_);
    out.put(static_cast<uint64_t>(returned_.size()));
    for (const Piece &piece : returned_)
        out.put(piece);
}

bool CopyOp::valid(const Piece &piece) const {
    return piece.slice < shape_.slices && piece.row < shape_.rows &&
           piece.column < shape_.row_bytes && piece.bytes <= shape_.row_bytes - piece.column &&
           piece.rows >= 1 && piece.rows <= shape_.rows - piece.row;
}

bool CopyOp::restore(ImageReader &in) {
    std::lock_guard lock(mutex_);
    bool exhausted = in.get<uint8_t>() != 0;
    auto cursor = in.get<Piece>();
    auto count = in.get<uint64_t>();
    bool good = in.good() && (exhausted || valid(cursor));
    returned_.clear();
    for (uint64_t i = 0; good && i < count; i++) {
        auto piece = in.get<Piece>();
        good = in.good() && valid(piece) && piece.bytes != 0;
        if (good)
            returned_.push_back(piece);
    }
    exhausted_ = exhausted;
    cursor_ = cursor;
    update_pieces();
    return good;
}

} // namespace brgpu::model
