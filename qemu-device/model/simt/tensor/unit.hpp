// SPDX-License-Identifier: MIT
//
// What the instructions of the tensor unit share: descriptors, rules about operands, the way to
// memory, and stops. An instruction works in steps; Warp::tensor_row counts those that are done,
// and is where it goes on after a stop or a fault. Descriptors are read and checked again then.
#ifndef BRGPU_SIMT_TENSOR_UNIT_HPP
#define BRGPU_SIMT_TENSOR_UNIT_HPP

#include <cstring>

#include "../context.hpp"

namespace brgpu::simt {

enum class Progress : uint8_t { done, stopped, fault };

// Each runs one instruction with the descriptor at `va`, as `lane` sees it.
Progress tile_copy(Context &c, unsigned lane, uint64_t va) noexcept;
Progress tile_multiply(Context &c, unsigned lane, uint64_t va) noexcept;
Progress move_accumulator(Context &c, unsigned lane, uint64_t va, bool to_memory) noexcept;

// False: the fault is noted.
bool read_descriptor(Context &c, unsigned lane, uint64_t va, void *descriptor) noexcept;
// Notes that the descriptor at `va` breaks a rule. Returns false.
bool refuse_descriptor(Context &c, uint64_t va) noexcept;
// Whether rows of `bytes` at `va` are aligned and lie in one aperture as a whole.
bool check_rows(Context &c, uint64_t va, uint64_t rows, uint64_t stride, uint64_t bytes,
                unsigned alignment, uint8_t rights) noexcept;

// After `done` steps, the last of which took about as long as `work` warp instructions: whether to
// give up the thread. What was resolved before is not to be used after this.
bool must_stop(Context &c, uint32_t done, uint64_t work) noexcept;

// Global or local memory through the run of it that was used last: rows of an operand most often
// stand in one.
class Window {
  public:
    Window(Context &context, uint8_t rights) noexcept : c_(context), rights_(rights) {}

    // As Context::resolve_run.
    std::byte *run(uint64_t va, uint64_t &bytes) noexcept {
        uint64_t offset = va - va_;
        if (offset >= bytes_) [[unlikely]] {
            host_ = c_.resolve_run(va, rights_, bytes_);
            if (!host_) {
                bytes_ = 0;
                return nullptr;
            }
            va_ = va;
            offset = 0;
        }
        bytes = bytes_ - offset;
        return host_ + offset;
    }
    // [va, va + bytes) as it stands, or put together in `scratch`. Null: fault noted.
    const std::byte *read(uint64_t va, uint64_t bytes, std::byte *scratch) noexcept {
        uint64_t whole = 0;
        const std::byte *host = run(va, whole);
        if (!host || whole >= bytes) [[likely]]
            return host;
        for (uint64_t done = 0; done < bytes;) {
            uint64_t piece = 0;
            host = run(va + done, piece);
            if (!host)
                return nullptr;
            piece = piece < bytes - done ? piece : bytes - done;
            std::memcpy(scratch + done, host, piece);
            done += piece;
        }
        return scratch;
    }
    // Host address of `va` if it stands in the run that was used last, else null; `bytes` is cut to
    // what stands there.
    const std::byte *known(uint64_t va, uint64_t &bytes) const noexcept {
        const uint64_t offset = va - va_;
        if (offset >= bytes_)
            return nullptr;
        bytes = bytes < bytes_ - offset ? bytes : bytes_ - offset;
        return host_ + offset;
    }
    bool write(uint64_t va, const std::byte *from, uint64_t bytes) noexcept {
        while (bytes) {
            uint64_t piece = 0;
            std::byte *host = run(va, piece);
            if (!host)
                return false;
            piece = piece < bytes ? piece : bytes;
            std::memmove(host, from, piece); // a hostile copy may overlap
            va += piece;
            from += piece;
            bytes -= piece;
        }
        return true;
    }
    void forget() noexcept { bytes_ = 0; }

  private:
    Context &c_;
    uint8_t rights_;
    uint64_t va_ = 0;
    uint64_t bytes_ = 0;
    std::byte *host_ = nullptr;
};

} // namespace brgpu::simt

#endif
