// SPDX-License-Identifier: MIT
//
// TDA: tile copies between global and local memory, done before TDA_COPY completes, which isa.h
// allows. A step (Warp::tensor_row) is a row of the source, or a group of rows that are packed.
#include <algorithm>

#include "rearrange.hpp"
#include "unit.hpp"

namespace brgpu::simt {
namespace {

// Rows are transposed so many at a time, and bytes copied between two looks whether to stop.
constexpr uint32_t rows_at_once = 64;
constexpr uint64_t bytes_between_stops = 16 << 10;

static_assert(staging_bytes >= size_t{BRGPU_TDA_MAX_EXTENT} * 8 * 2);

// Source rows of a step: those of a row group.
uint32_t rows_of_step(const brgpu_tda_desc &d) {
    const bool packs = d.layout == BRGPU_TDA_PACK || d.layout == BRGPU_TDA_PANELS;
    return packs && d.elem_bytes < 4 ? 4 / d.elem_bytes : 1;
}

// Bytes of a row group in a panel.
uint32_t group_bytes(const brgpu_tda_desc &d) {
    return BRGPU_TENSOR_PANEL * d.elem_bytes * rows_of_step(d);
}

bool check_copy(Context &c, uint64_t va, const brgpu_tda_desc &d) {
    const uint32_t e = d.elem_bytes;
    if (d.rows == 0 || d.rows > BRGPU_TDA_MAX_EXTENT || d.cols == 0 ||
        d.cols > BRGPU_TDA_MAX_EXTENT || d.src_rows > d.rows || d.src_cols > d.cols ||
        (e != 1 && e != 2 && e != 4 && e != 8) || d.layout > BRGPU_TDA_PANELS || d.pad0 || d.pad1 ||
        d.pad2[0] || d.pad2[1] || d.src_stride % e || d.dst_stride % e)
        return refuse_descriptor(c, va);
    const uint32_t pack = rows_of_step(d);
    uint64_t lines = (d.rows + pack - 1) / pack;
    uint64_t line_bytes = uint64_t{d.cols} * pack * e;
    if (d.layout == BRGPU_TDA_TRANSPOSE) {
        lines = d.cols;
        line_bytes = uint64_t{d.rows} * e;
    } else if (d.layout == BRGPU_TDA_PANELS) {
        line_bytes = lines * group_bytes(d);
        lines = (d.cols + BRGPU_TENSOR_PANEL - 1) / BRGPU_TENSOR_PANEL;
    }
    if (lines > 1 && d.dst_stride < line_bytes)
        return refuse_descriptor(c, va);
    if (d.src_rows && d.src_cols &&
        !check_rows(c, d.src, d.src_rows, d.src_stride, uint64_t{d.src_cols} * e, e, right_read))
        return false;
    return check_rows(c, d.dst, lines, d.dst_stride, line_bytes, e, right_write);
}

struct Copy {
    const brgpu_tda_desc &d;
    Window source, target;
    std::byte *rows;  // staging of source rows that are not contiguous in the host
    std::byte *lines; // staging of what is written

    Copy(Context &c, const brgpu_tda_desc &descriptor)
        : d(descriptor), source(c, right_read), target(c, right_write),
          rows(c.worker->operand_a.data()), lines(c.worker->operand_b.data()) {}

    uint64_t row_bytes() const { return uint64_t{d.cols} * d.elem_bytes; }
    uint64_t present() const { return uint64_t{d.src_cols} * d.elem_bytes; }
    bool reads(uint32_t row) const { return row < d.src_rows && d.src_cols != 0; }

    // Null: fault noted.
    const std::byte *source_row(uint32_t row, uint32_t slot) {
        return source.read(d.src + uint64_t{row} * d.src_stride, present(),
                           rows + slot * present());
    }

    bool plain_row(uint32_t row) {
        const uint64_t to = d.dst + uint64_t{row} * d.dst_stride;
        uint64_t done = 0;
        if (reads(row)) {
            const std::byte *from = source_row(row, 0);
            if (!from || !target.write(to, from, present()))
                return false;
            done = present();
        }
        return zeros(to + done, row_bytes() - done);
    }

    bool zeros(uint64_t to, uint64_t bytes) {
        while (bytes) {
            uint64_t piece = 0;
            std::byte *host = target.run(to, piece);
            if (!host)
                return false;
            piece = std::min(piece, bytes);
            std::memset(host, 0, piece);
            to += piece;
            bytes -= piece;
        }
        return true;
    }

    // The rows of a group, interleaved; `lines` or where the one row stands. Null: fault noted.
    const std::byte *group_line(uint32_t group) {
        const uint32_t pack = rows_of_step(d);
        const std::byte *from[4] = {};
        for (uint32_t i = 0; i < pack; ++i) {
            const uint32_t row = group * pack + i;
            if (reads(row) && !(from[i] = source_row(row, i)))
                return nullptr;
        }
        if (pack > 1)
            interleave_lines(lines, from, d.src_cols, d.elem_bytes);
        else if (!from[0])
            std::memset(lines, 0, present());
        return pack == 1 && from[0] ? from[0] : lines;
    }

    bool packed_group(uint32_t group) {
        const std::byte *line = group_line(group);
        const uint64_t to = d.dst + uint64_t{group} * d.dst_stride;
        const uint64_t bytes = present() * rows_of_step(d);
        return line && target.write(to, line, bytes) &&
               zeros(to + bytes, row_bytes() * rows_of_step(d) - bytes);
    }

    bool panel_group(uint32_t group) {
        const std::byte *line = group_line(group);
        if (!line)
            return false;
        const uint32_t width = group_bytes(d);
        const uint64_t bytes = present() * rows_of_step(d);
        const uint64_t columns = row_bytes() * rows_of_step(d);
        uint64_t to = d.dst + uint64_t{group} * width;
        for (uint64_t at = 0; at < columns; at += width, to += d.dst_stride) {
            const uint64_t part = at < bytes ? std::min<uint64_t>(width, bytes - at) : 0;
            if (!target.write(to, line + at, part) || !zeros(to + part, width - part))
                return false;
        }
        return true;
    }

    // Rows [row, row + count), columns of the target.
    bool transposed_rows(uint32_t row, uint32_t count) {
        static constexpr uint32_t columns_at_once = 512;
        const uint32_t e = d.elem_bytes;
        const uint64_t to = d.dst + uint64_t{row} * e;
        const uint32_t present_rows = reads(row) ? std::min(count, d.src_rows - row) : 0;
        const std::byte *from[rows_at_once];
        for (uint32_t i = 0; i < present_rows; ++i)
            if (!(from[i] = source_row(row + i, i)))
                return false;
        const size_t stride = size_t{count} * e;
        for (uint32_t column = 0; column < d.cols; column += columns_at_once) {
            const uint32_t width = std::min(columns_at_once, d.cols - column);
            const uint32_t read = column < d.src_cols ? std::min(width, d.src_cols - column) : 0;
            if (read < width || present_rows < count)
                std::memset(lines, 0, stride * width);
            if (read) {
                transpose_lines(lines, stride, from, present_rows, read, e);
                for (uint32_t i = 0; i < present_rows; ++i)
                    from[i] += size_t{read} * e;
            }
            for (uint32_t i = 0; i < width; ++i)
                if (!target.write(to + uint64_t{column + i} * d.dst_stride, lines + i * stride,
                                  stride))
                    return false;
        }
        return true;
    }
};

} // namespace

Progress tile_copy(Context &c, unsigned lane, uint64_t va) noexcept {
    brgpu_tda_desc d;
    static_assert(sizeof(d) == 64);
    if (!read_descriptor(c, lane, va, &d) || !check_copy(c, va, d))
        return Progress::fault;
    Copy copy(c, d);
    const uint32_t pack = rows_of_step(d);
    const uint32_t steps = (d.rows + pack - 1) / pack;
    // As many rows as the staging holds, if none of them is contiguous in the host.
    const auto fitting = static_cast<uint32_t>(
        std::min<uint64_t>(rows_at_once, staging_bytes / std::max<uint64_t>(copy.present(), 1)));
    uint64_t bytes = 0; // since the last look
    for (uint32_t step = c.warp->tensor_row; step < steps;) {
        uint32_t count = 1;
        bool ok;
        if (d.layout == BRGPU_TDA_TRANSPOSE) {
            count = std::min(fitting, steps - step);
            ok = copy.transposed_rows(step, count);
        } else if (d.layout == BRGPU_TDA_PANELS) {
            ok = copy.panel_group(step);
        } else if (pack > 1) {
            ok = copy.packed_group(step);
        } else {
            ok = copy.plain_row(step);
        }
        if (!ok) {
            c.warp->tensor_row = step;
            return Progress::fault;
        }
        step += count;
        bytes += copy.row_bytes() * pack * count;
        if (bytes >= bytes_between_stops && step < steps) {
            if (must_stop(c, step, bytes / 256))
                return Progress::stopped;
            bytes = 0;
            copy.source.forget();
            copy.target.forget();
        }
    }
    return Progress::done;
}

} // namespace brgpu::simt
