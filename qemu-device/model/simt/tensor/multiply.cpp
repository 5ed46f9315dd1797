// SPDX-License-Identifier: MIT
//
// TMMA: operands are staged in the form that the inner loops want, a piece of k at a time, and
// multiplied panel by panel. A step (Warp::tensor_row) is a piece of k on 32 columns.
#include <algorithm>

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
constexpr size_t lines_at = size_t{512} << 10; // lines that had to be put together
constexpr size_t turned_at = size_t{1} << 20;  // a transposed operand
static_assert(BRGPU_TMMA_MAX_M * tensor_row_bytes <= lines_at);
static_assert(BRGPU_TMMA_MAX_N * (size_t{tensor_depth} * 4 + 256) <= lines_at);
static_assert(lines_at + lines_max * line_bytes_max <= turned_at);
static_assert(turned_at + lines_max * line_bytes_max <= staging_bytes);

bool check_multiply(Context &c, uint64_t va, const brgpu_tmma_desc &d) {
    if (d.m == 0 || d.m > BRGPU_TMMA_MAX_M || d.n == 0 || d.n > BRGPU_TMMA_MAX_N || d.k == 0 ||
        d.k > BRGPU_TMMA_MAX_K || d.type > BRGPU_TENSOR_I8 || (d.flags & ~BRGPU_TMMA_FLAGS) ||
        ((d.flags & BRGPU_TMMA_B_TRANSPOSED) && (d.flags & BRGPU_TMMA_B_PACKED)) || d.pad[0] ||
        d.pad[1] || d.pad[2])
        return refuse_descriptor(c, va);
    const uint32_t e = tensor_element_bytes(d.type);
    if (d.acc_offset % 4 || d.acc_stride % 4 || d.acc_stride < 4u * d.n || d.a_stride % e ||
        d.b_stride % e)
        return refuse_descriptor(c, va);
    if (d.acc_offset + uint64_t{d.m - 1u} * d.acc_stride + 4u * d.n > BRGPU_TENSOR_BYTES)
        return refuse_descriptor(c, va);
    return true;
}

// An operand of one TMMA, and the piece [first, first + depth) of its k that is being staged.
struct Operand {
    Window window;
    uint64_t va;
    uint64_t stride;
    uint32_t e;
    uint32_t extent; // m or n
    bool transposed;
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

    // All `rows` lines of a piece, columns from `column` on, transposed. Null: fault noted.
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

bool stage_a(Operand &a, const TensorKernels &kernels, uint8_t type, uint32_t first,
             uint32_t depth) {
    const std::byte *turned = nullptr;
    if (a.transposed && !(turned = a.turn(first, depth, 0, a.extent)))
        return false;
    for (uint32_t i = 0; i < a.extent; ++i) {
        const std::byte *row =
            turned ? turned + size_t{i} * depth * a.e : a.line(i, first, depth, 0);
        if (!turned)
            a.expect_line(i + rows_ahead / 2, first, depth);
        if (!row)
            return false;
        kernels.pack_row(type, a.staging + i * tensor_row_bytes, row, depth);
    }
    return true;
}

bool stage_b(Operand &b, const TensorKernels &kernels, uint8_t type, uint32_t first,
             uint32_t depth) {
    const uint32_t unit = tensor_unit(kernels, type);
    const size_t step_bytes = size_t{kernels.panel} * 4;
    const std::byte *turned = nullptr;
    if (b.transposed && !(turned = b.turn(0, b.extent, first, depth)))
        return false;
    for (uint32_t k = 0, step = 0; k < depth; k += unit, ++step) {
        const std::byte *rows[4] = {};
        for (uint32_t i = 0; i < unit && k + i < depth; ++i) {
            const uint32_t row = tensor_place(kernels, type, k + i, depth);
            rows[i] = turned ? turned + size_t{row} * b.extent * b.e
                             : b.line(first + row, 0, b.extent, i);
            if (!rows[i])
                return false;
            if (!turned)
                b.expect_line(first + row + rows_ahead, 0, b.extent);
        }
        kernels.pack_step(type, b.staging + step * step_bytes, tensor_panel_bytes(kernels), rows,
                          b.extent);
    }
    return true;
}

// B in row groups of `pack`.
bool stage_packed(Operand &b, const TensorKernels &kernels, uint8_t type, uint32_t pack,
                  uint32_t first, uint32_t depth) {
    const uint32_t unit = tensor_unit(kernels, type);
    const size_t step_bytes = size_t{kernels.panel} * 4;
    for (uint32_t k = 0; k < depth; k += pack) {
        const std::byte *group = b.line((first + k) / pack, 0, b.extent * pack, 0);
        if (!group)
            return false;
        b.expect_line((first + k) / pack + rows_ahead, 0, b.extent * pack);
        kernels.pack_group(type, b.staging + k / unit * step_bytes, tensor_panel_bytes(kernels),
                           group, std::min(pack, depth - k), b.extent);
    }
    return true;
}

} // namespace

Progress tile_multiply(Context &c, unsigned lane, uint64_t va) noexcept {
    brgpu_tmma_desc d;
    static_assert(sizeof(d) == 64);
    if (!read_descriptor(c, lane, va, &d) || !check_multiply(c, va, d))
        return Progress::fault;
    const uint32_t e = tensor_element_bytes(d.type);
    const uint32_t pack = (d.flags & BRGPU_TMMA_B_PACKED) && e < 4 ? 4 / e : 1;
    Operand a(c, c.worker->operand_a), b(c, c.worker->operand_b);
    a.va = d.a, a.stride = d.a_stride, a.e = e, a.extent = d.m;
    b.va = d.b, b.stride = d.b_stride, b.e = e, b.extent = d.n;
    a.transposed = d.flags & BRGPU_TMMA_A_TRANSPOSED;
    b.transposed = d.flags & BRGPU_TMMA_B_TRANSPOSED;
    const uint64_t a_lines = a.transposed ? d.k : d.m, a_line = a.transposed ? d.m : d.k;
    const uint64_t b_lines = b.transposed ? d.n : (d.k + pack - 1) / pack;
    const uint64_t b_line = b.transposed ? d.k : uint64_t{d.n} * pack;
    if (!check_rows(c, a.va, a_lines, a.stride, a_line * e, e, right_read) ||
        !check_rows(c, b.va, b_lines, b.stride, b_line * e, e, right_read))
        return Progress::fault;
    if (!c.group->ensure_tensor()) {
        refuse_descriptor(c, va);
        return Progress::fault;
    }

    const TensorKernels &kernels = tensor_kernels(c.dispatch->host());
    const uint32_t piece = d.type == BRGPU_TENSOR_I8 ? tensor_depth_int8 : tensor_depth;
    const auto multiply = d.type == BRGPU_TENSOR_I8     ? kernels.multiply_int8
                          : d.type == BRGPU_TENSOR_BF16 ? kernels.multiply_bf16
                                                        : kernels.multiply_f32;
    TensorBlock block;
    block.a = a.staging;
    block.acc_stride = d.acc_stride;
    block.rows = d.m;
    uint32_t column = c.warp->tensor_row % steps_of_piece * step_columns;
    for (uint32_t at = c.warp->tensor_row / steps_of_piece; at * uint64_t{piece} < d.k; ++at) {
        const uint32_t first = at * piece, depth = std::min<uint32_t>(piece, d.k - first);
        if (!stage_a(a, kernels, d.type, first, depth) ||
            !(pack > 1 ? stage_packed(b, kernels, d.type, pack, first, depth)
                       : stage_b(b, kernels, d.type, first, depth))) {
            c.warp->tensor_row = at * steps_of_piece + column / step_columns;
            return Progress::fault;
        }
        block.accumulate = first != 0 || (d.flags & BRGPU_TMMA_ACCUMULATE);
        const uint32_t unit = tensor_unit(kernels, d.type);
        block.steps = (depth + unit - 1) / unit;
        while (column < d.n) {
            block.b = b.staging + column / kernels.panel * tensor_panel_bytes(kernels);
            block.acc = c.group->tensor.data() + d.acc_offset + size_t{4} * column;
            block.columns = std::min(kernels.panel, d.n - column);
            multiply(block);
            column += kernels.panel;
            // Staged operands are lost by a stop, so what was granted is used up to the piece's
            // end; only who asks for the thread gets it earlier.
            if (column % step_columns == 0 && column < d.n &&
                must_stop(c, at * steps_of_piece + column / step_columns, 0))
                return Progress::stopped;
        }
        column = 0;
        if (first + depth < d.k &&
            must_stop(c, (at + 1) * steps_of_piece, uint64_t{d.m} * d.n * depth / 256))
            return Progress::stopped;
        a.window.forget();
        b.window.forget();
    }
    return Progress::done;
}

} // namespace brgpu::simt
