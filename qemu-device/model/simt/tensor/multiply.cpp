// SPDX-License-Identifier: MIT
//
// TMMA: operands are staged in the form that the inner loops want, a piece of k at a time, and
// multiplied panel by panel. A step (Warp::tensor_row) is a piece of k on 32 columns.
#include <algorithm>
#include <bit>

#include "kernels.hpp"
#include "rearrange.hpp"
#include "unit.hpp"

namespace brgpu::simt {
namespace {

constexpr uint32_t step_columns = 32;
constexpr uint32_t steps_of_piece = BRGPU_TMMA_MAX_N / step_columns;

constexpr uint32_t rows_ahead = 8; // that are asked of the caches

// Longest line of a piece, and where things stand in the staging memory.
constexpr size_t line_bytes_max = std::max<size_t>(tensor_depth, BRGPU_TMMA_MAX_N) * 4;
constexpr size_t lines_max = std::max<size_t>(tensor_depth_int8, BRGPU_TMMA_MAX_M);
constexpr size_t lines_at = size_t{512} << 10; // lines or panels that had to be put together
constexpr size_t turned_at = size_t{1} << 20;  // a transposed operand
constexpr uint32_t max_panels = BRGPU_TMMA_MAX_N / tensor_panel;
static_assert(BRGPU_TMMA_MAX_M * tensor_row_bytes <= lines_at);
static_assert(max_panels * tensor_panel_bytes <= lines_at);
static_assert(lines_at + lines_max * line_bytes_max <= turned_at);
static_assert(turned_at + lines_max * line_bytes_max <= staging_bytes);

constexpr unsigned forms_of_b = BRGPU_TMMA_B_TRANSPOSED | BRGPU_TMMA_B_PACKED | BRGPU_TMMA_B_PANELS;

uint32_t pack_of(const brgpu_tmma_desc &d) {
    const bool packed = d.flags & (BRGPU_TMMA_B_PACKED | BRGPU_TMMA_B_PANELS);
    return packed ? 4 / tensor_element_bytes(d.type) : 1;
}

bool check_multiply(Context &c, uint64_t va, const brgpu_tmma_desc &d) {
    if (d.m == 0 || d.m > BRGPU_TMMA_MAX_M || d.n == 0 || d.n > BRGPU_TMMA_MAX_N || d.k == 0 ||
        d.k > BRGPU_TMMA_MAX_K || d.type > BRGPU_TENSOR_I8 || (d.flags & ~BRGPU_TMMA_FLAGS) ||
        std::popcount(d.flags & forms_of_b) > 1 || d.pad[0] || d.pad[1] || d.pad[2])
        return refuse_descriptor(c, va);
    const uint32_t e = tensor_element_bytes(d.type);
    if (d.acc_offset % 4 || d.acc_stride % 4 || d.acc_stride < 4u * d.n || d.a_stride % e ||
        d.b_stride % e)
        return refuse_descriptor(c, va);
    if (d.acc_offset + uint64_t{d.m - 1u} * d.acc_stride + 4u * d.n > BRGPU_TENSOR_BYTES)
        return refuse_descriptor(c, va);
    return true;
}

// An operand of one TMMA.
struct Operand {
    Window window;
    uint64_t va = 0;
    uint64_t stride = 0;
    uint32_t e = 0;
    uint32_t extent = 0; // m or n
    bool transposed = false;
    std::byte *staging;

    Operand(Context &c, LazyMemory &memory) : window(c, right_read), staging(memory.data()) {}

    const std::byte *line(uint64_t row, uint64_t column, uint32_t count, size_t slot) {
        return window.read(va + row * stride + column * e, uint64_t{count} * e,
                           staging + lines_at + slot * line_bytes_max);
    }

    // Asks the caches for a line that is read soon: rows of a matrix stand far apart, where the
    // host's own prefetchers don't look.
    void expect_line(uint64_t row, uint64_t column, uint32_t count) const {
        uint64_t bytes = uint64_t{count} * e;
        const std::byte *host = window.known(va + row * stride + column * e, bytes);
        for (uint64_t i = 0; host && i < bytes; i += 64)
            __builtin_prefetch(host + i);
    }

    // Lines [row, row + rows), `columns` elements from `column` on, transposed. Null: fault noted.
    const std::byte *turn(uint64_t row, uint32_t rows, uint64_t column, uint32_t columns) {
        const std::byte *lines[lines_max];
        for (uint32_t i = 0; i < rows; ++i) {
            lines[i] = line(row + i, column, columns, i);
            if (!lines[i])
                return nullptr;
        }
        std::byte *turned = staging + turned_at;
        transpose_lines(turned, size_t{rows} * e, lines, rows, columns, e);
        return turned;
    }
};

// One TMMA: its operands, and the piece [first, first + depth) of k that is worked on.
class Multiplication {
  public:
    Multiplication(Context &c, const brgpu_tmma_desc &d) noexcept
        : d_(d), a_(c, c.worker->operand_a), b_(c, c.worker->operand_b),
          kernels_(tensor_kernels(c.dispatch->host())), pack_(pack_of(d)),
          unit_(tensor_unit(kernels_, d.type)) {
        a_.va = d.a;
        a_.stride = d.a_stride;
        a_.extent = d.m;
        a_.transposed = d.flags & BRGPU_TMMA_A_TRANSPOSED;
        b_.va = d.b;
        b_.stride = d.b_stride;
        b_.extent = d.n;
        b_.transposed = d.flags & BRGPU_TMMA_B_TRANSPOSED;
        a_.e = b_.e = tensor_element_bytes(d.type);
    }

    // False, of each: fault noted.
    bool check(Context &c) const noexcept;
    bool stage(uint32_t first, uint32_t depth) noexcept;
    // Columns [column, column + step_columns).
    bool multiply(std::byte *accumulators, uint32_t column) noexcept;
    // What has been resolved is not used any more.
    void forget() noexcept {
        a_.window.forget();
        b_.window.forget();
    }

  private:
    bool panels() const { return d_.flags & BRGPU_TMMA_B_PANELS; }
    const std::byte *rows_of_a(size_t &stride) noexcept;
    bool stage_a() noexcept;
    bool stage_rows() noexcept;
    bool stage_groups() noexcept;
    const std::byte *panel(uint32_t index) noexcept;

    const brgpu_tmma_desc &d_;
    Operand a_, b_;
    const TensorKernels &kernels_;
    const uint32_t pack_, unit_;
    uint32_t first_ = 0, depth_ = 0;
    bool a_staged_ = false;
    const std::byte *next_a_ = nullptr; // the next piece of A, for the caches alone
};

bool Multiplication::check(Context &c) const noexcept {
    const uint64_t e = a_.e, groups = (d_.k + pack_ - 1) / pack_;
    const uint64_t a_lines = a_.transposed ? d_.k : d_.m, a_line = a_.transposed ? d_.m : d_.k;
    uint64_t b_lines = groups, b_line = uint64_t{d_.n} * pack_ * e;
    if (b_.transposed) {
        b_lines = d_.n;
        b_line = d_.k * e;
    } else if (panels()) {
        b_lines = (d_.n + tensor_panel - 1) / tensor_panel;
        b_line = groups * tensor_step_bytes;
    }
    const auto alignment = static_cast<unsigned>(e);
    return check_rows(c, a_.va, a_lines, a_.stride, a_line * e, alignment, right_read) &&
           check_rows(c, b_.va, b_lines, b_.stride, b_line, alignment, right_read);
}

// Rows of the piece and their stride: where they stand, if that is one run of memory and of a form
// that can be used, else staged. Null: fault noted.
const std::byte *Multiplication::rows_of_a(size_t &stride) noexcept {
    if (!a_staged_) {
        const uint64_t bytes = (d_.m - 1) * a_.stride + depth_ * uint64_t{a_.e};
        uint64_t whole = 0;
        const std::byte *host = a_.window.run(a_.va + first_ * uint64_t{a_.e}, whole);
        if (!host)
            return nullptr;
        if (whole >= bytes) {
            stride = a_.stride;
            next_a_ = first_ + depth_ < d_.k ? host + depth_ * size_t{a_.e} : nullptr;
            return host;
        }
        if (!stage_a())
            return nullptr;
        a_staged_ = true;
    }
    stride = tensor_row_bytes;
    return a_.staging;
}

bool Multiplication::stage_a() noexcept {
    const std::byte *turned = nullptr;
    if (a_.transposed && !(turned = a_.turn(first_, depth_, 0, d_.m)))
        return false;
    for (uint32_t i = 0; i < d_.m; ++i) {
        const std::byte *row =
            turned ? turned + size_t{i} * depth_ * a_.e : a_.line(i, first_, depth_, 0);
        if (!row)
            return false;
        if (!turned)
            a_.expect_line(i + rows_ahead / 2, first_, depth_);
        kernels_.pack_row(d_.type, a_.staging + i * tensor_row_bytes, row, depth_);
    }
    return true;
}

bool Multiplication::stage_rows() noexcept {
    const std::byte *turned = nullptr;
    if (b_.transposed && !(turned = b_.turn(0, d_.n, first_, depth_)))
        return false;
    std::byte *to = b_.staging;
    for (uint32_t k = 0; k < depth_; k += unit_, to += tensor_step_bytes) {
        const std::byte *rows[4] = {};
        for (uint32_t i = 0; i < unit_ && k + i < depth_; ++i) {
            const uint32_t row = tensor_place(kernels_, d_.type, k + i, depth_);
            rows[i] =
                turned ? turned + size_t{row} * d_.n * b_.e : b_.line(first_ + row, 0, d_.n, i);
            if (!rows[i])
                return false;
            if (!turned)
                b_.expect_line(first_ + row + rows_ahead, 0, d_.n);
        }
        kernels_.pack_step(d_.type, to, rows, d_.n);
    }
    return true;
}

bool Multiplication::stage_groups() noexcept {
    for (uint32_t k = 0; k < depth_; k += pack_) {
        const std::byte *group = b_.line((first_ + k) / pack_, 0, d_.n * pack_, 0);
        if (!group)
            return false;
        b_.expect_line((first_ + k) / pack_ + rows_ahead, 0, d_.n * pack_);
        std::byte *to = b_.staging + k / unit_ * tensor_step_bytes;
        for (uint32_t j = 0; j < d_.n; j += tensor_panel, to += tensor_panel_bytes)
            kernels_.pack_panel(d_.type, to, group + size_t{4} * j, std::min(pack_, depth_ - k),
                                std::min(tensor_panel, d_.n - j));
    }
    return true;
}

// Panels are brought in one by one, and used where they stand if they are ready.
const std::byte *Multiplication::panel(uint32_t index) noexcept {
    std::byte *staged = b_.staging + index * tensor_panel_bytes;
    if (!panels())
        return staged;
    const size_t bytes = size_t{(depth_ + pack_ - 1) / pack_} * tensor_step_bytes;
    const std::byte *groups =
        b_.window.read(b_.va + index * b_.stride + size_t{first_ / pack_} * tensor_step_bytes,
                       bytes, b_.staging + lines_at + index * tensor_panel_bytes);
    if (!groups || tensor_panel_ready(kernels_, d_.type, depth_))
        return groups;
    kernels_.pack_panel(d_.type, staged, groups, depth_, tensor_panel);
    return staged;
}

bool Multiplication::stage(uint32_t first, uint32_t depth) noexcept {
    first_ = first;
    depth_ = depth;
    a_staged_ = a_.transposed || !tensor_rows_ready(d_.type, a_.stride);
    if (a_staged_ && !stage_a())
        return false;
    const uint64_t next = first + depth;
    uint64_t bytes = 1;
    next_a_ = !a_.transposed && next < d_.k ? a_.window.known(a_.va + next * a_.e, bytes) : nullptr;
    if (panels())
        return true;
    // fp32 packed by itself is as it was.
    return pack_ > 1 ? stage_groups() : stage_rows();
}

bool Multiplication::multiply(std::byte *accumulators, uint32_t column) noexcept {
    const uint32_t end = std::min<uint32_t>(column + step_columns, d_.n);
    const std::byte *ready[step_columns / tensor_panel] = {};
    for (uint32_t i = 0; column + i * tensor_panel < end; ++i)
        if (!(ready[i] = panel(column / tensor_panel + i)))
            return false;
    const auto run = d_.type == BRGPU_TENSOR_I8     ? kernels_.multiply_int8
                     : d_.type == BRGPU_TENSOR_BF16 ? kernels_.multiply_bf16
                                                    : kernels_.multiply_f32;
    TensorBlock block;
    block.a = rows_of_a(block.a_stride);
    if (!block.a)
        return false;
    block.acc_stride = d_.acc_stride;
    block.rows = d_.m;
    block.steps = (depth_ + unit_ - 1) / unit_;
    block.accumulate = first_ != 0 || (d_.flags & BRGPU_TMMA_ACCUMULATE);
    for (uint32_t j = column; j < end; j += kernels_.columns) {
        const uint32_t at = (j - column) / tensor_panel;
        block.b[0] = ready[at];
        block.b[1] = kernels_.columns > tensor_panel ? ready[at + 1] : nullptr;
        block.acc = accumulators + size_t{4} * j;
        block.columns = std::min(kernels_.columns, d_.n - j);
        if (next_a_) { // each block asks for its share
            const uint32_t blocks = (d_.n + kernels_.columns - 1) / kernels_.columns;
            block.ahead_bytes = depth_ * a_.e / blocks;
            block.ahead = next_a_ + size_t{j / kernels_.columns} * block.ahead_bytes;
            block.ahead_stride = a_.stride;
        }
        run(block);
    }
    return true;
}

} // namespace

Progress tile_multiply(Context &c, unsigned lane, uint64_t va) noexcept {
    brgpu_tmma_desc d;
    static_assert(sizeof(d) == 64);
    if (!read_descriptor(c, lane, va, &d) || !check_multiply(c, va, d))
        return Progress::fault;
    Multiplication work(c, d);
    if (!work.check(c))
        return Progress::fault;
    if (!c.group->ensure_tensor()) {
        refuse_descriptor(c, va);
        return Progress::fault;
    }
    const uint32_t piece = d.type == BRGPU_TENSOR_I8 ? tensor_depth_int8 : tensor_depth;
    uint32_t step = c.warp->tensor_row;
    while (step / steps_of_piece * uint64_t{piece} < d.k) {
        const uint32_t first = step / steps_of_piece * piece;
        const uint32_t depth = std::min<uint32_t>(piece, d.k - first);
        bool ok = work.stage(first, depth);
        for (uint32_t column = step % steps_of_piece * step_columns; ok && column < d.n;) {
            ok = work.multiply(c.group->tensor.data() + d.acc_offset, column);
            if (!ok)
                break;
            ++step;
            column += step_columns;
            // Staged operands are lost by a stop, so what was granted is used up to the piece's
            // end; only who asks for the thread gets it earlier.
            if (column < d.n && must_stop(c, step, 0))
                return Progress::stopped;
            work.forget();
        }
        if (!ok) {
            c.warp->tensor_row = step;
            return Progress::fault;
        }
        step = (step + steps_of_piece - 1) / steps_of_piece * steps_of_piece;
        if (first + depth < d.k && must_stop(c, step, uint64_t{d.m} * d.n * depth / 256))
            return Progress::stopped;
        work.forget();
    }
    return Progress::done;
}

} // namespace brgpu::simt
