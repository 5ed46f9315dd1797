// SPDX-License-Identifier: MIT
//
// Which code belongs to a kernel.
#include <map>

#include "jit.hpp"

namespace brgpu::simt::jit {
namespace {

constexpr size_t most_instructions = 20'000;

// Does what follows never run after this instruction?
bool ends(const Insn &insn) {
    switch (insn.op) {
    case Op::jalr:
    case Op::lane_exit:
    case Op::trap:
    case Op::ecall:
    case Op::ebreak:
    case Op::illegal:
        return true;
    case Op::jal:
        return insn.rd == sink_register;
    default:
        return false;
    }
}

} // namespace

std::vector<CodeUnit> collect(Context &c, uint64_t entry) {
    const Fault fault_before = c.fault;
    CodePage *const page = c.page;
    std::map<uint64_t, Insn> found;
    std::vector<uint64_t> work = {entry};
    while (!work.empty() && found.size() <= most_instructions) {
        uint64_t pc = work.back();
        work.pop_back();
        Insn before;
        uint64_t before_pc = 0;
        while (pc % 2 == 0 && !found.count(pc) && c.fetch_page(pc)) {
            Insn &insn = c.page->insns[(pc - c.page->va) / 2];
            if (insn.op == Op::undecoded && !c.decode_at(&insn))
                break;
            found[pc] = insn;
            // Compilers call far functions by auipc and jalr.
            if (insn.op == Op::jalr && before_pc + 2u * before.halves == pc &&
                before.op == Op::auipc && before.rd == insn.rs1)
                work.push_back(before_pc + static_cast<uint64_t>(int64_t{before.imm} + insn.imm));
            const bool call = insn.rd == 1 || insn.rd == 5;
            before = insn;
            before_pc = pc;
            const bool branch = insn.op >= Op::beq && insn.op <= Op::bgeu;
            if (branch || insn.op == Op::jal)
                work.push_back(pc + static_cast<uint64_t>(static_cast<int64_t>(insn.imm)));
            if (ends(insn) && !(insn.op == Op::jalr && call))
                break;
            pc += 2u * insn.halves;
        }
    }
    c.fault = fault_before;
    c.page = page;
    std::vector<CodeUnit> code;
    if (found.size() <= most_instructions)
        for (const auto &[pc, insn] : found)
            code.push_back({pc, insn});
    return code;
}

} // namespace brgpu::simt::jit
