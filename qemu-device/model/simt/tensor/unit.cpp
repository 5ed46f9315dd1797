// SPDX-License-Identifier: MIT
//
// The tensor unit: decodes its instructions; accumulators to and from memory.
#include "unit.hpp"

#include "../fp.hpp"
#include "formats.hpp"

namespace brgpu::simt {

bool read_descriptor(Context &c, unsigned lane, uint64_t va, void *descriptor) noexcept {
    if (va % 8 != 0) {
        c.note_fault(FaultCode::misaligned, va, right_read, 0);
        return false;
    }
    uint64_t words[8];
    for (unsigned i = 0; i < 8; ++i)
        if (!c.load(va + 8 * i, 8, lane, words[i]))
            return false;
    std::memcpy(descriptor, words, sizeof(words));
    return true;
}

bool refuse_descriptor(Context &c, uint64_t va) noexcept {
    c.note_fault(FaultCode::descriptor, va, 0, 0);
    return false;
}

bool check_rows(Context &c, uint64_t va, uint64_t rows, uint64_t stride, uint64_t bytes,
                unsigned alignment, uint8_t rights) noexcept {
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

bool must_stop(Context &c, uint32_t done, uint64_t work) noexcept {
    c.budget -= static_cast<int64_t>(1 + work);
    if (c.budget > 0 && !c.stop_asked()) {
        c.worker->observe(*c.memory);
        return false;
    }
    c.warp->tensor_row = done;
    return true;
}

namespace {

uint16_t f32_to_f16(uint32_t bits) {
    uint8_t flags = 0;
    return static_cast<uint16_t>(
        fp::convert(fp::Format::single, fp::Format::half, bits, fp::Rounding::nearest_even, flags));
}

bool check_move(Context &c, uint64_t va, const brgpu_tacc_desc &d, bool to_memory) noexcept {
    bool pads = d.pad1[0] || d.pad1[1] || d.pad1[2] || d.pad1[3];
    for (const uint8_t pad : d.pad0)
        pads = pads || pad;
    const uint32_t e = d.type == BRGPU_TACC_BF16 || d.type == BRGPU_TACC_F16 ? 2 : 4;
    const uint64_t line_bytes = uint64_t{d.n} * e;
    if (pads || d.m == 0 || d.m > BRGPU_TMMA_MAX_M || d.n == 0 || d.n > BRGPU_TMMA_MAX_N ||
        d.type > BRGPU_TACC_I32 || d.acc_offset % 4 || d.acc_stride % 4 ||
        d.acc_stride < 4u * d.n || d.stride % e ||
        (to_memory && d.m > 1 && d.stride < line_bytes) ||
        d.acc_offset + uint64_t{d.m - 1u} * d.acc_stride + 4u * d.n > BRGPU_TENSOR_BYTES)
        return refuse_descriptor(c, va);
    return check_rows(c, d.address, d.m, d.stride, line_bytes, e,
                      to_memory ? right_write : right_read);
}

void narrow(uint8_t type, uint16_t *to, const std::byte *from, uint32_t count) {
    for (uint32_t j = 0; j < count; ++j) {
        uint32_t word = 0;
        std::memcpy(&word, from + size_t{4} * j, 4);
        to[j] = type == BRGPU_TACC_BF16 ? f32_to_bf16(word) : f32_to_f16(word);
    }
}

void widen(uint8_t type, std::byte *to, const std::byte *from, uint32_t count) {
    for (uint32_t j = 0; j < count; ++j) {
        uint16_t half = 0;
        std::memcpy(&half, from + size_t{2} * j, 2);
        const uint32_t word =
            type == BRGPU_TACC_BF16 ? static_cast<uint32_t>(half) << 16 : f16_to_f32(half);
        std::memcpy(to + size_t{4} * j, &word, 4);
    }
}

} // namespace

Progress move_accumulator(Context &c, unsigned lane, uint64_t va, bool to_memory) noexcept {
    brgpu_tacc_desc d;
    static_assert(sizeof(d) == 64);
    if (!read_descriptor(c, lane, va, &d) || !check_move(c, va, d, to_memory))
        return Progress::fault;
    if (!c.group->ensure_tensor()) {
        refuse_descriptor(c, va);
        return Progress::fault;
    }
    const bool narrower = d.type == BRGPU_TACC_BF16 || d.type == BRGPU_TACC_F16;
    const uint64_t line_bytes = uint64_t{d.n} * (narrower ? 2 : 4);
    Window window(c, to_memory ? right_write : right_read);
    for (uint32_t i = c.warp->tensor_row; i < d.m; ++i) {
        std::byte *accumulator = c.group->tensor.data() + d.acc_offset + size_t{i} * d.acc_stride;
        const uint64_t address = d.address + uint64_t{i} * d.stride;
        uint16_t halves[BRGPU_TMMA_MAX_N];
        std::byte scratch[BRGPU_TMMA_MAX_N * 4];
        bool ok;
        if (to_memory) {
            const std::byte *line = accumulator;
            if (narrower) {
                narrow(d.type, halves, accumulator, d.n);
                line = reinterpret_cast<const std::byte *>(halves);
            }
            ok = window.write(address, line, line_bytes);
        } else {
            const std::byte *line = window.read(address, line_bytes, scratch);
            ok = line != nullptr;
            if (ok && narrower)
                widen(d.type, accumulator, line, d.n);
            else if (ok)
                std::memcpy(accumulator, line, line_bytes);
        }
        if (!ok) {
            c.warp->tensor_row = i;
            return Progress::fault;
        }
    }
    return Progress::done;
}

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
        progress = tile_multiply(c, lane, operand);
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
