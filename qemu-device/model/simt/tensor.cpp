// SPDX-License-Identifier: MIT
//
// The tensor unit and the tile-copy engine: descriptors, operand staging, accumulators. Copies are
// done before TDA_COPY completes, which isa.h allows. Every instruction can stop between two rows
// and go on later from Warp::tensor_row; descriptors are read and checked again then.
#include <cstring>

#include "context.hpp"
#include "fp.hpp"

namespace brgpu::simt {
namespace {

enum class Progress : uint8_t { done, stopped, fault };

constexpr uint32_t column_unit = 16; // columns of a staged fp32 operand are padded to this

template <class Descriptor>
bool read_descriptor(Context &c, unsigned lane, uint64_t va, Descriptor &descriptor) {
    static_assert(sizeof(Descriptor) == 64);
    if (va % 8 != 0) {
        c.note_fault(FaultCode::misaligned, va, right_read, 0);
        return false;
    }
    uint64_t words[8];
    for (unsigned i = 0; i < 8; ++i)
        if (!c.load(va + 8 * i, 8, lane, words[i]))
            return false;
    std::memcpy(&descriptor, words, sizeof(descriptor));
    return true;
}

bool refuse(Context &c, uint64_t va) {
    c.note_fault(FaultCode::descriptor, va, 0, 0);
    return false;
}

// Whether rows of `bytes` at `va` are aligned and lie in one aperture as a whole.
bool check_rows(Context &c, uint64_t va, uint64_t rows, uint64_t stride, uint64_t bytes,
                unsigned alignment, uint8_t rights) {
    if (va % alignment != 0) {
        c.note_fault(FaultCode::misaligned, va, rights, 0);
        return false;
    }
    const uint64_t extent = (rows - 1) * stride + bytes; // below 2^49
    const uint64_t offset = va - BRGPU_LOCAL_BASE;
    const bool global = va < global_limit && extent <= global_limit - va;
    const bool local = offset < c.local_bytes && extent <= c.local_bytes - offset;
    if (!global && !local) {
        c.note_fault(FaultCode::address, va, rights, 0);
        return false;
    }
    return true;
}

static_assert(staging_bytes >= size_t{BRGPU_TMMA_MAX_K} * BRGPU_TMMA_MAX_M * 4 &&
              staging_bytes >= size_t{BRGPU_TMMA_MAX_K} * BRGPU_TMMA_MAX_N * 4 &&
              BRGPU_TMMA_MAX_N % column_unit == 0 &&
              staging_bytes >= size_t{BRGPU_TDA_MAX_EXTENT} * 8);

bool read_bytes(Context &c, uint64_t va, std::byte *to, uint64_t bytes) {
    return c.for_each_piece(va, bytes, right_read, [&](const std::byte *host, uint64_t piece) {
        std::memcpy(to, host, piece);
        to += piece;
    });
}

bool write_bytes(Context &c, uint64_t va, const std::byte *from, uint64_t bytes) {
    return c.for_each_piece(va, bytes, right_write, [&](std::byte *host, uint64_t piece) {
        std::memcpy(host, from, piece);
        from += piece;
    });
}

// After `rows_done` of an instruction: whether to give up the thread. `work` is in bytes or so.
bool must_stop(Context &c, uint32_t rows_done, uint64_t work) {
    c.budget -= static_cast<int64_t>(1 + work / 256);
    if (c.budget > 0 && !c.stop_asked()) {
        c.worker->observe(*c.memory);
        return false;
    }
    c.warp->tensor_row = rows_done;
    return true;
}

// ---- Tile copy ---------------------------------------------------------------------------------

bool check_copy(Context &c, uint64_t va, const brgpu_tda_desc &d) {
    const uint32_t e = d.elem_bytes;
    if (d.rows == 0 || d.rows > BRGPU_TDA_MAX_EXTENT || d.cols == 0 ||
        d.cols > BRGPU_TDA_MAX_EXTENT || d.src_rows > d.rows || d.src_cols > d.cols ||
        (e != 1 && e != 2 && e != 4 && e != 8) || d.layout > BRGPU_TDA_PACK || d.pad0 || d.pad1 ||
        d.pad2[0] || d.pad2[1] || d.src_stride % e || d.dst_stride % e)
        return refuse(c, va);
    const uint32_t pack = d.layout == BRGPU_TDA_PACK && e < 4 ? 4 / e : 1;
    const bool transpose = d.layout == BRGPU_TDA_TRANSPOSE;
    const uint64_t lines = transpose ? d.cols : (d.rows + pack - 1) / pack;
    const uint64_t line_bytes = uint64_t{transpose ? d.rows : d.cols} * pack * e;
    if (lines > 1 && d.dst_stride < line_bytes)
        return refuse(c, va);
    if (d.src_rows && d.src_cols &&
        !check_rows(c, d.src, d.src_rows, d.src_stride, uint64_t{d.src_cols} * e, e, right_read))
        return false;
    return check_rows(c, d.dst, lines, d.dst_stride, line_bytes, e, right_write);
}

// Row r of the source, filled up with zeros.
bool read_source_row(Context &c, const brgpu_tda_desc &d, uint32_t r, std::byte *row) {
    const uint64_t bytes = uint64_t{d.cols} * d.elem_bytes;
    const uint64_t present = r < d.src_rows ? uint64_t{d.src_cols} * d.elem_bytes : 0;
    std::memset(row + present, 0, bytes - present);
    return present == 0 || read_bytes(c, d.src + uint64_t{r} * d.src_stride, row, present);
}

bool copy_transposed_row(Context &c, const brgpu_tda_desc &d, uint32_t r, const std::byte *row) {
    for (uint32_t col = 0; col < d.cols; ++col) {
        const uint64_t to = d.dst + uint64_t{col} * d.dst_stride + uint64_t{r} * d.elem_bytes;
        std::byte *host = c.resolve_range(to, d.elem_bytes, right_write);
        if (!host)
            return false;
        std::memcpy(host, row + uint64_t{col} * d.elem_bytes, d.elem_bytes);
    }
    return true;
}

Progress tile_copy(Context &c, unsigned lane, uint64_t va) {
    brgpu_tda_desc d;
    if (!read_descriptor(c, lane, va, d) || !check_copy(c, va, d))
        return Progress::fault;
    const uint32_t e = d.elem_bytes;
    const uint32_t pack = d.layout == BRGPU_TDA_PACK && e < 4 ? 4 / e : 1;
    const uint64_t row_bytes = uint64_t{d.cols} * e;
    const uint32_t steps = (d.rows + pack - 1) / pack;
    auto &rows = c.worker->operand_a;
    auto &packed = c.worker->operand_b;
    for (uint32_t step = c.warp->tensor_row; step < steps; ++step) {
        bool ok = true;
        for (uint32_t i = 0; ok && i < pack; ++i)
            ok = read_source_row(c, d, step * pack + i, rows.data() + i * row_bytes);
        const std::byte *line = rows.data();
        if (ok && pack > 1) {
            for (uint32_t col = 0; col < d.cols; ++col)
                for (uint32_t i = 0; i < pack; ++i)
                    std::memcpy(packed.data() + (uint64_t{col} * pack + i) * e,
                                rows.data() + i * row_bytes + uint64_t{col} * e, e);
            line = packed.data();
        }
        if (ok)
            ok =
                d.layout == BRGPU_TDA_TRANSPOSE
                    ? copy_transposed_row(c, d, step, line)
                    : write_bytes(c, d.dst + uint64_t{step} * d.dst_stride, line, row_bytes * pack);
        if (!ok) {
            c.warp->tensor_row = step;
            return Progress::fault;
        }
        if (step + 1 < steps && must_stop(c, step + 1, row_bytes * pack))
            return Progress::stopped;
    }
    return Progress::done;
}

// ---- Matrix multiply ---------------------------------------------------------------------------

constexpr uint32_t nan_single = 0x7fc00000u;

uint32_t bits_of(float value) {
    return std::bit_cast<uint32_t>(value);
}

float round_to_tf32(uint32_t bits) {
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return std::bit_cast<float>(nan_single);
    bits += 0xfffu + (bits >> 13 & 1u); // infinity has no bits that could carry
    return std::bit_cast<float>(bits & ~0x1fffu);
}

float bf16_flushed(uint16_t half) {
    if ((half & 0x7f80) == 0)
        half &= 0x8000;
    return std::bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

float f16_to_float(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31)
        return std::bit_cast<float>(fraction ? nan_single : sign | 0x7f800000u);
    if (exponent == 0) {
        const float value = static_cast<float>(fraction) * 0x1p-24f;
        return std::bit_cast<float>(sign | bits_of(value));
    }
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t float_to_f16(uint32_t bits) {
    uint8_t flags = 0;
    return static_cast<uint16_t>(
        fp::convert(fp::Format::single, fp::Format::half, bits, fp::Rounding::nearest_even, flags));
}

uint16_t float_to_bf16(uint32_t bits) {
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return nan_single >> 16;
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

uint32_t element_bytes(uint8_t type) {
    switch (type) {
    case BRGPU_TENSOR_F32:
    case BRGPU_TENSOR_TF32:
        return 4;
    case BRGPU_TENSOR_BF16:
    case BRGPU_TENSOR_F16:
        return 2;
    default:
        return 1;
    }
}

float to_float(uint8_t type, const std::byte *at) {
    uint32_t word = 0;
    std::memcpy(&word, at, element_bytes(type));
    switch (type) {
    case BRGPU_TENSOR_F32:
        return std::bit_cast<float>(word);
    case BRGPU_TENSOR_TF32:
        return round_to_tf32(word);
    case BRGPU_TENSOR_BF16:
        return bf16_flushed(static_cast<uint16_t>(word));
    default:
        return f16_to_float(static_cast<uint16_t>(word));
    }
}

// Which step of the accumulation takes element k: pairs of bf16 are taken odd one first.
uint32_t step_of(uint8_t type, uint32_t k, uint32_t depth) {
    return type == BRGPU_TENSOR_BF16 && (k ^ 1) < depth ? k ^ 1 : k;
}

// How an operand stands in memory: `lines` of `count` units, a unit being `pack` elements.
struct Operand {
    uint64_t va;
    uint64_t stride;
    uint32_t lines;
    uint32_t count;
    uint32_t pack;
    uint64_t line_bytes(uint32_t e) const { return uint64_t{count} * pack * e; }
};

// Reads an operand. whole_line(line, bytes) may take a line as it is; else place(line, position in
// line, element in unit, bytes) gets every element.
template <class WholeLine, class Place>
bool stage(Context &c, const Operand &operand, uint8_t type, WholeLine &&whole_line,
           Place &&place) {
    const uint32_t e = element_bytes(type);
    std::byte line[BRGPU_TMMA_MAX_K * 4];
    static_assert(BRGPU_TMMA_MAX_K >= 4 * BRGPU_TMMA_MAX_N);
    for (uint32_t i = 0; i < operand.lines; ++i) {
        if (!read_bytes(c, operand.va + i * operand.stride, line, operand.line_bytes(e)))
            return false;
        if (whole_line(i, line))
            continue;
        for (uint32_t j = 0; j < operand.count; ++j)
            for (uint32_t p = 0; p < operand.pack; ++p)
                place(i, j, p, line + (j * operand.pack + p) * e);
    }
    return true;
}

bool check_multiply(Context &c, uint64_t va, const brgpu_tmma_desc &d) {
    if (d.m == 0 || d.m > BRGPU_TMMA_MAX_M || d.n == 0 || d.n > BRGPU_TMMA_MAX_N || d.k == 0 ||
        d.k > BRGPU_TMMA_MAX_K || d.type > BRGPU_TENSOR_I8 || (d.flags & ~BRGPU_TMMA_FLAGS) ||
        ((d.flags & BRGPU_TMMA_B_TRANSPOSED) && (d.flags & BRGPU_TMMA_B_PACKED)) || d.pad[0] ||
        d.pad[1] || d.pad[2])
        return refuse(c, va);
    const uint32_t e = element_bytes(d.type);
    if (d.acc_offset % 4 || d.acc_stride % 4 || d.acc_stride < 4u * d.n || d.a_stride % e ||
        d.b_stride % e)
        return refuse(c, va);
    if (d.acc_offset + uint64_t{d.m - 1u} * d.acc_stride + 4u * d.n > BRGPU_TENSOR_BYTES)
        return refuse(c, va);
    return true;
}

Progress multiply(Context &c, unsigned lane, uint64_t va) {
    brgpu_tmma_desc d;
    if (!read_descriptor(c, lane, va, d) || !check_multiply(c, va, d))
        return Progress::fault;
    const uint32_t m = d.m, n = d.n, depth = d.k, e = element_bytes(d.type);
    const bool a_transposed = d.flags & BRGPU_TMMA_A_TRANSPOSED;
    const bool b_transposed = d.flags & BRGPU_TMMA_B_TRANSPOSED;
    const uint32_t pack = (d.flags & BRGPU_TMMA_B_PACKED) && e < 4 ? 4 / e : 1;
    const Operand a = a_transposed ? Operand{d.a, d.a_stride, depth, m, 1}
                                   : Operand{d.a, d.a_stride, m, depth, 1};
    const Operand b = b_transposed ? Operand{d.b, d.b_stride, n, depth, 1}
                                   : Operand{d.b, d.b_stride, (depth + pack - 1) / pack, n, pack};
    if (!check_rows(c, a.va, a.lines, a.stride, a.line_bytes(e), e, right_read) ||
        !check_rows(c, b.va, b.lines, b.stride, b.line_bytes(e), e, right_read))
        return Progress::fault;
    if (!c.group->ensure_tensor()) {
        c.note_fault(FaultCode::descriptor, va, 0, 0);
        return Progress::fault;
    }

    const bool integer = d.type == BRGPU_TENSOR_I8;
    const uint32_t width = (n + column_unit - 1) / column_unit * column_unit;
    const size_t staged = integer ? 1 : 4;
    auto &a_buffer = c.worker->operand_a;
    auto &b_buffer = c.worker->operand_b;
    std::memset(b_buffer.data(), 0, staged * width * depth);
    const auto put = [&](LazyMemory &buffer, size_t at, const std::byte *from) {
        if (integer) {
            buffer.data()[at] = *from;
        } else {
            const float value = to_float(d.type, from);
            std::memcpy(buffer.data() + 4 * at, &value, 4);
        }
    };
    // Lines that already stand as the inner loop wants them are taken whole.
    const bool ready = d.type == BRGPU_TENSOR_F32 || integer;
    const bool whole_a = ready && !a_transposed, whole_b = ready && !b_transposed && pack == 1;
    const auto take_a = [&](uint32_t line, const std::byte *from) {
        if (whole_a)
            std::memcpy(a_buffer.data() + staged * line * depth, from, staged * depth);
        return whole_a;
    };
    const auto take_b = [&](uint32_t line, const std::byte *from) {
        if (whole_b)
            std::memcpy(b_buffer.data() + staged * line * width, from, staged * n);
        return whole_b;
    };
    const bool ok =
        stage(c, a, d.type, take_a,
              [&](uint32_t line, uint32_t j, uint32_t, const std::byte *from) {
                  const uint32_t i = a_transposed ? j : line, k = a_transposed ? line : j;
                  put(a_buffer, size_t{i} * depth + step_of(d.type, k, depth), from);
              }) &&
        stage(c, b, d.type, take_b,
              [&](uint32_t line, uint32_t j, uint32_t p, const std::byte *from) {
                  const uint32_t k = b_transposed ? j : line * pack + p,
                                 col = b_transposed ? line : j;
                  if (k < depth)
                      put(b_buffer, size_t{step_of(d.type, k, depth)} * width + col, from);
              });
    if (!ok)
        return Progress::fault;

    for (uint32_t i = c.warp->tensor_row; i < m; ++i) {
        std::byte *accumulator = c.group->tensor.data() + d.acc_offset + size_t{i} * d.acc_stride;
        alignas(64) uint32_t sums[BRGPU_TMMA_MAX_N] = {};
        if (d.flags & BRGPU_TMMA_ACCUMULATE)
            std::memcpy(sums, accumulator, 4u * n);
        if (integer) {
            c.build->int8_rows(
                sums, reinterpret_cast<const int8_t *>(a_buffer.data()) + size_t{i} * depth,
                reinterpret_cast<const int8_t *>(b_buffer.data()), depth, width);
        } else {
            float values[BRGPU_TMMA_MAX_N];
            std::memcpy(values, sums, sizeof(values));
            c.build->fma_rows(values,
                              reinterpret_cast<const float *>(a_buffer.data()) + size_t{i} * depth,
                              reinterpret_cast<const float *>(b_buffer.data()), depth, width,
                              d.type == BRGPU_TENSOR_BF16);
            for (uint32_t j = 0; j < n; ++j)
                sums[j] = values[j] == values[j] ? bits_of(values[j]) : nan_single;
        }
        std::memcpy(accumulator, sums, 4u * n);
        if (i + 1 < m && must_stop(c, i + 1, uint64_t{depth} * width / 16))
            return Progress::stopped;
    }
    return Progress::done;
}

// ---- Accumulators and memory -------------------------------------------------------------------

Progress move_accumulator(Context &c, unsigned lane, uint64_t va, bool to_memory) {
    brgpu_tacc_desc d;
    if (!read_descriptor(c, lane, va, d))
        return Progress::fault;
    bool pads = d.pad1[0] || d.pad1[1] || d.pad1[2] || d.pad1[3];
    for (const uint8_t pad : d.pad0)
        pads = pads || pad;
    const uint32_t e = d.type == BRGPU_TACC_BF16 || d.type == BRGPU_TACC_F16 ? 2 : 4;
    const uint64_t line_bytes = uint64_t{d.n} * e;
    if (pads || d.m == 0 || d.m > BRGPU_TMMA_MAX_M || d.n == 0 || d.n > BRGPU_TMMA_MAX_N ||
        d.type > BRGPU_TACC_I32 || d.acc_offset % 4 || d.acc_stride % 4 ||
        d.acc_stride < 4u * d.n || d.stride % e ||
        (to_memory && d.m > 1 && d.stride < line_bytes) ||
        d.acc_offset + uint64_t{d.m - 1u} * d.acc_stride + 4u * d.n > BRGPU_TENSOR_BYTES) {
        refuse(c, va);
        return Progress::fault;
    }
    if (!check_rows(c, d.address, d.m, d.stride, line_bytes, e,
                    to_memory ? right_write : right_read))
        return Progress::fault;
    if (!c.group->ensure_tensor()) {
        refuse(c, va);
        return Progress::fault;
    }
    for (uint32_t i = c.warp->tensor_row; i < d.m; ++i) {
        std::byte *accumulator = c.group->tensor.data() + d.acc_offset + size_t{i} * d.acc_stride;
        const uint64_t address = d.address + uint64_t{i} * d.stride;
        uint32_t words[BRGPU_TMMA_MAX_N];
        uint16_t halves[BRGPU_TMMA_MAX_N];
        std::byte *line =
            e == 2 ? reinterpret_cast<std::byte *>(halves) : reinterpret_cast<std::byte *>(words);
        bool ok;
        if (to_memory) {
            std::memcpy(words, accumulator, 4u * d.n);
            if (e == 2)
                for (uint32_t j = 0; j < d.n; ++j)
                    halves[j] = d.type == BRGPU_TACC_BF16 ? float_to_bf16(words[j])
                                                          : float_to_f16(words[j]);
            ok = write_bytes(c, address, line, line_bytes);
        } else {
            ok = read_bytes(c, address, line, line_bytes);
            if (ok && e == 2)
                for (uint32_t j = 0; j < d.n; ++j)
                    words[j] = d.type == BRGPU_TACC_BF16 ? static_cast<uint32_t>(halves[j]) << 16
                                                         : bits_of(f16_to_float(halves[j]));
            if (ok)
                std::memcpy(accumulator, words, 4u * d.n);
        }
        if (!ok) {
            c.warp->tensor_row = i;
            return Progress::fault;
        }
    }
    return Progress::done;
}

} // namespace

const Insn *run_tensor(Context &c, const Insn *insn) noexcept {
    if (!meet_all(c, insn))
        return nullptr;
    Warp &w = *c.warp;
    const auto lane = static_cast<unsigned>(std::countr_zero(c.active));
    const uint64_t operand = w.x[insn->rs1][lane];
    Progress progress = Progress::done;
    switch (insn->rm) {
    case BRGPU_TENSOR_TDA_COPY:
        progress = tile_copy(c, lane, operand);
        break;
    case BRGPU_TENSOR_TDA_WAIT:
        break; // copies have finished when they were started
    case BRGPU_TENSOR_TMMA:
        progress = multiply(c, lane, operand);
        break;
    default:
        progress = move_accumulator(c, lane, operand, insn->rm == BRGPU_TENSOR_TACC_STORE);
        break;
    }
    switch (progress) {
    case Progress::fault:
        return c.fault_from(insn, lane);
    case Progress::stopped:
        c.store_pc(c.pc_of(insn));
        c.exit = Exit::stopped;
        return nullptr;
    case Progress::done:
        break;
    }
    w.tensor_row = 0;
    return insn + insn->halves;
}

} // namespace brgpu::simt
