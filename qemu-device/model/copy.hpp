// SPDX-License-Identifier: MIT
//
// The copy engine: COPY and FILL, cut into chunks that several workers share and that can be
// stopped, saved and continued.
#ifndef BRGPU_MODEL_COPY_HPP
#define BRGPU_MODEL_COPY_HPP

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "brgpu/hw/queue.h"
#include "op.hpp"

namespace brgpu::model {

class CopyOp final : public Op {
  public:
    // Both packets as check_packet() has let them through; addresses are in `vm`.
    CopyOp(Mmu &mmu, std::atomic<uint64_t> &bytes_counter, uint16_t vm,
           const brgpu_packet_copy &packet);
    CopyOp(Mmu &mmu, std::atomic<uint64_t> &bytes_counter, uint16_t vm,
           const brgpu_packet_fill &packet);

    uint64_t pieces_left() const override { return pieces_.load(std::memory_order_acquire); }
    bool finished() const override;
    void work(Worker &worker, Turn &turn) override;
    void save(ImageWriter &out) const override;
    // What save() gave, into an operation made from the same packet.
    bool restore(ImageReader &in);

  private:
    // A run of bytes in one row.
    struct Piece {
        uint32_t slice = 0;
        uint32_t row = 0;
        uint64_t column = 0; // first byte
        uint64_t bytes = 0;
        uint64_t rows = 1; // whole rows from `row` on, within the slice
    };
    struct Shape {
        uint64_t row_bytes, rows, slices;
        uint64_t src_pitch, dst_pitch, src_slice_pitch, dst_slice_pitch;
    };
    enum class Result { done, stopped, turn_over, failed };

    CopyOp(Mmu &mmu, std::atomic<uint64_t> &bytes_counter, uint16_t vm);
    bool claim(Piece &piece);
    void give_back(const Piece &piece);
    void update_pieces();
    Result run(Worker &worker, Turn &turn, Piece &piece);
    bool run_span(Worker &worker, uint64_t src, uint64_t dst, uint64_t bytes, uint64_t &done,
                  bool &system, Fault &fault);
    bool valid(const Piece &piece) const;
    std::optional<uint64_t> address(uint64_t base, uint64_t slice_pitch, uint64_t pitch,
                                    const Piece &piece) const;

    Mmu &mmu_;
    std::atomic<uint64_t> &bytes_counter_;
    const uint16_t vm_;
    bool fill_ = false;
    uint8_t pattern_[16] = {};
    uint64_t src_ = 0;
    uint64_t dst_ = 0;
    Shape shape_ = {};

    mutable std::mutex mutex_; // protects the four below; a leaf lock
    Piece cursor_;             // where nobody has been; bytes and rows unused
    bool exhausted_ = false;   // the cursor is at the end
    std::vector<Piece> returned_;
    uint32_t active_ = 0;
    std::atomic<uint64_t> pieces_{0};
};

} // namespace brgpu::model

#endif
