// SPDX-License-Identifier: MIT
//
// Control and status registers, and the floating-point instructions that need them.
#include "context.hpp"
#include "fp.hpp"

namespace brgpu::simt {
namespace {

constexpr uint32_t csr_fflags = 1;
constexpr uint32_t csr_frm = 2;
constexpr uint32_t csr_fcsr = 3;

uint32_t local_id(const Workgroup::Impl &group, const Warp &warp, unsigned lane, unsigned axis) {
    const uint32_t linear = warp.index * lanes + lane;
    switch (axis) {
    case 0:
        return linear % group.local_size[0];
    case 1:
        return linear / group.local_size[0] % group.local_size[1];
    default:
        return linear / group.local_size[0] / group.local_size[1];
    }
}

bool read_custom(const Context &c, uint32_t csr, unsigned lane, uint64_t &value) {
    const Workgroup::Impl &group = *c.group;
    const DispatchParams &params = c.dispatch->params();
    const Warp &w = *c.warp;
    const auto global_index = [&](unsigned axis) { // without the offset
        return uint64_t{group.group_id[axis]} * params.workgroup[axis] +
               local_id(group, w, lane, axis);
    };
    switch (csr) {
    case BRGPU_CSR_WORK_DIM:
        value = params.work_dim;
        return true;
    case BRGPU_CSR_LANE_ID:
        value = lane;
        return true;
    case BRGPU_CSR_WARP_ID:
        value = w.index;
        return true;
    case BRGPU_CSR_NUM_WARPS:
        value = group.warp_count;
        return true;
    case BRGPU_CSR_WARP_SIZE:
        value = static_cast<uint64_t>(std::popcount(w.started));
        return true;
    case BRGPU_CSR_LOCAL_LINEAR_ID:
        value = w.index * lanes + lane;
        return true;
    case BRGPU_CSR_GLOBAL_LINEAR_ID:
        value =
            (global_index(2) * params.grid[1] + global_index(1)) * params.grid[0] + global_index(0);
        return true;
    case BRGPU_CSR_CLOCK:
        value = c.dispatch->host().timestamp_ns();
        return true;
    case BRGPU_CSR_LOCAL_BYTES:
        value = c.dispatch->local_bytes();
        return true;
    case BRGPU_CSR_STATIC_LOCAL_BYTES:
        value = params.kernel.static_local_bytes;
        return true;
    case BRGPU_CSR_QUEUE_ID:
        value = params.queue_id;
        return true;
    case BRGPU_CSR_CU_ID:
        value = group.cu_id;
        return true;
    case BRGPU_CSR_DISPATCH_ID:
        value = params.dispatch_id;
        return true;
    default:
        break;
    }
    if (csr < BRGPU_CSR_LOCAL_ID || csr > BRGPU_CSR_GLOBAL_ID + 2)
        return false;
    const unsigned axis = csr & 3;
    if (axis == 3)
        return false;
    switch (csr - axis) {
    case BRGPU_CSR_LOCAL_ID:
        value = local_id(group, w, lane, axis);
        return true;
    case BRGPU_CSR_GROUP_ID:
        value = group.group_id[axis];
        return true;
    case BRGPU_CSR_LOCAL_SIZE:
        value = group.local_size[axis];
        return true;
    case BRGPU_CSR_ENQUEUED_LOCAL_SIZE:
        value = params.workgroup[axis];
        return true;
    case BRGPU_CSR_GLOBAL_SIZE:
        value = params.grid[axis];
        return true;
    case BRGPU_CSR_GLOBAL_OFFSET:
        value = params.offset[axis];
        return true;
    case BRGPU_CSR_NUM_GROUPS:
        value = c.dispatch->num_groups(axis);
        return true;
    case BRGPU_CSR_GLOBAL_ID:
        value = params.offset[axis] + global_index(axis);
        return true;
    default:
        return false;
    }
}

uint64_t read_fp(const Warp &w, uint32_t csr, unsigned lane) {
    switch (csr) {
    case csr_fflags:
        return w.fflags[lane];
    case csr_frm:
        return w.frm[lane];
    default:
        return static_cast<uint64_t>(w.frm[lane] << 5 | w.fflags[lane]);
    }
}

void write_fp(Warp &w, uint32_t csr, unsigned lane, uint64_t value) {
    switch (csr) {
    case csr_fflags:
        w.fflags[lane] = value & 0x1f;
        w.accruing |= 1u << lane;
        break;
    case csr_frm:
        w.frm[lane] = value & 7;
        break;
    default:
        w.fflags[lane] = value & 0x1f;
        w.frm[lane] = (value >> 5) & 7;
        w.accruing |= 1u << lane;
        break;
    }
}

} // namespace

const Insn *run_csr(Context &c, const Insn *insn) noexcept {
    Warp &w = *c.warp;
    const auto csr = static_cast<uint32_t>(insn->imm) & 0xfff;
    const bool immediate = insn->op >= Op::csrrwi;
    const unsigned kind = (static_cast<unsigned>(insn->op) - static_cast<unsigned>(Op::csrrw)) % 3;
    const bool writes = kind == 0 || insn->rs1 != 0;
    const bool is_fp = csr >= csr_fflags && csr <= csr_fcsr;
    const auto first = static_cast<unsigned>(std::countr_zero(c.active));
    uint64_t probe;
    if (!is_fp && (writes || !read_custom(c, csr, first, probe)))
        return c.raise(insn, FaultCode::illegal, first, insn->raw);
    for (unsigned lane = 0; lane < lanes; ++lane) {
        if (!(c.active >> lane & 1))
            continue;
        uint64_t old = 0;
        if (is_fp)
            old = read_fp(w, csr, lane);
        else
            read_custom(c, csr, lane, old);
        if (writes) {
            const uint64_t operand = immediate ? insn->rs1 : w.x[insn->rs1][lane];
            write_fp(w, csr, lane,
                     kind == 0 ? operand : (kind == 1 ? old | operand : old & ~operand));
        }
        w.x[insn->rd][lane] = old;
    }
    if (writes)
        w.update_exact_fp();
    return insn + insn->halves;
}

const Insn *run_fp_exact(Context &c, const Insn *insn) noexcept {
    Warp &w = *c.warp;
    const Op op = insn->op == Op::fp_exact ? static_cast<Op>(insn->imm) : insn->op;
    const bool needs_mode = fp::rounds(op);
    const bool dynamic = insn->rm == rm_dynamic;
    if (needs_mode && dynamic)
        for (unsigned lane = 0; lane < lanes; ++lane)
            if ((c.active >> lane & 1) && w.frm[lane] > 4)
                return c.raise(insn, FaultCode::illegal, lane, insn->raw);
    const uint64_t *a = fp::reads_integer(op) ? w.x[insn->rs1] : w.f[insn->rs1];
    for (unsigned lane = 0; lane < lanes; ++lane) {
        if (!(c.active >> lane & 1))
            continue;
        const uint8_t mode = !needs_mode ? 0 : dynamic ? w.frm[lane] : insn->rm;
        const fp::Result result = fp::execute(op, static_cast<fp::Rounding>(mode), a[lane],
                                              w.f[insn->rs2][lane], w.f[insn->rs3][lane]);
        if (result.to_integer_register) {
            w.x[insn->rd][lane] = result.value;
        } else {
            w.f[insn->rd][lane] = result.value;
            w.boxed &= ~(1u << insn->rd);
        }
        if (w.accruing >> lane & 1)
            w.fflags[lane] |= result.flags;
    }
    return insn + insn->halves;
}

} // namespace brgpu::simt
