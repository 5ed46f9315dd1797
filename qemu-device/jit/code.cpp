// SPDX-License-Identifier: MIT
#include "code.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

#include "brgpu/hw/isa.h"

namespace brgpu::jit {
namespace {

bool is_branch(Op op) {
    return op >= Op::beq && op <= Op::bgeu;
}

// Instructions that compiled code leaves to the interpreter.
bool leaves(const Insn &insn) {
    switch (insn.op) {
    case Op::undecoded:
    case Op::page_end:
    case Op::illegal:
    case Op::fetch_fault:
    case Op::fence_i:
    case Op::ecall:
    case Op::ebreak:
    case Op::lr_w:
    case Op::lr_d:
    case Op::sc_w:
    case Op::sc_d:
    case Op::warp_sync:
    case Op::yield:
    case Op::progress:
    case Op::trap:
    case Op::tensor:
    case Op::shuffle:
    case Op::vote:
        return true;
    default:
        break;
    }
    if (insn.op >= Op::csrrw && insn.op <= Op::csrrci) {
        const auto csr = static_cast<uint32_t>(insn.imm) & 0xfff;
        const bool reads = (insn.op == Op::csrrs || insn.op == Op::csrrc || insn.op == Op::csrrsi ||
                            insn.op == Op::csrrci) &&
                           insn.rs1 == 0;
        if (!reads || csr == BRGPU_CSR_CLOCK)
            return true;
        const bool vector = csr >= BRGPU_CSR_LOCAL_ID && csr <= BRGPU_CSR_GLOBAL_ID + 2;
        const bool scalar = csr >= BRGPU_CSR_WORK_DIM && csr <= BRGPU_CSR_DISPATCH_ID;
        return !((vector && (csr & 3) != 3) || scalar);
    }
    return false;
}

End end_of(const Insn &insn) {
    if (is_branch(insn.op))
        return End::branch;
    switch (insn.op) {
    case Op::jal:
        return End::fall;
    case Op::jalr:
        return End::indirect;
    case Op::lane_exit:
        return End::finish;
    case Op::barrier:
        return End::barrier;
    default:
        return leaves(insn) ? End::leave : End::fall;
    }
}

bool ends_block(const Insn &insn) {
    return insn.op == Op::jal || end_of(insn) != End::fall;
}

uint64_t target_of(const CodeUnit &unit) {
    return unit.pc + static_cast<uint64_t>(static_cast<int64_t>(unit.insn.imm));
}
bool is_link(unsigned reg) {
    return reg == 1 || reg == 5;
}

// auipc and jalr as compilers pair them for far calls: where they lead.
bool far_jump(const CodeUnit &first, const CodeUnit &second, uint64_t &target) {
    if (first.insn.op != Op::auipc || second.insn.op != Op::jalr ||
        first.insn.rd != second.insn.rs1 || first.insn.rd == 0 ||
        first.pc + 2u * first.insn.halves != second.pc)
        return false;
    target = (target_of(first) + static_cast<uint64_t>(static_cast<int64_t>(second.insn.imm))) &
             ~uint64_t{1};
    return true;
}

uint64_t after(const CodeUnit &unit) {
    return unit.pc + 2u * unit.insn.halves;
}

} // namespace

Operands operands_of(const Insn &insn, bool low_result) {
    Operands o;
    const Op op = insn.op;
    const auto in = [&](Op first, Op last) { return op >= first && op <= last; };
    const auto x = [](unsigned r) { return r == 0 || r >= 32 ? no_register : r; };
    const auto f = [](unsigned r) { return 32 + r; };
    const unsigned rd = insn.rd == simt::sink_register ? no_register : x(insn.rd);
    const auto sources = [&](unsigned a, unsigned b = no_register, unsigned c = no_register) {
        o.source[0] = a;
        o.source[1] = b;
        o.source[2] = c;
    };
    const auto low = [&](bool a, bool b = false) {
        o.low[0] = a;
        o.low[1] = b;
    };

    if (op == Op::li || op == Op::auipc || op == Op::jal) {
        o.rd = rd;
    } else if (op == Op::jalr) {
        o.rd = rd;
        sources(x(insn.rs1));
    } else if (in(Op::beq, Op::bgeu)) {
        sources(x(insn.rs1), x(insn.rs2));
    } else if (in(Op::lb, Op::lwu)) {
        o.rd = rd;
        sources(x(insn.rs1));
    } else if (in(Op::sb, Op::sd)) {
        sources(x(insn.rs1), x(insn.rs2));
        low(false, op != Op::sd);
    } else if (in(Op::addi, Op::srai)) {
        o.rd = rd;
        sources(x(insn.rs1));
        const bool small = op == Op::andi && insn.imm >= 0;
        low(small || (low_result && (op == Op::addi || op == Op::xori || op == Op::ori ||
                                     op == Op::andi || (op == Op::slli && insn.imm < 32))));
    } else if (in(Op::add, Op::and_)) {
        o.rd = rd;
        sources(x(insn.rs1), x(insn.rs2));
        const bool can =
            op == Op::add || op == Op::sub || op == Op::xor_ || op == Op::or_ || op == Op::and_;
        low(can && low_result, can && low_result);
    } else if (in(Op::addiw, Op::sraiw)) {
        o.rd = rd;
        sources(x(insn.rs1));
        low(true);
    } else if (in(Op::addw, Op::sraw)) {
        o.rd = rd;
        sources(x(insn.rs1), x(insn.rs2));
        low(true, true);
    } else if (in(Op::mul, Op::remuw)) {
        o.rd = rd;
        sources(x(insn.rs1), x(insn.rs2));
        const bool word = op >= Op::mulw || (op == Op::mul && low_result);
        low(word, word);
    } else if (in(Op::csrrw, Op::csrrc)) {
        o.rd = rd;
        sources(x(insn.rs1));
    } else if (in(Op::csrrwi, Op::csrrci)) {
        o.rd = rd;
    } else if (in(Op::lr_w, Op::amomaxu_d)) {
        o.rd = rd;
        sources(x(insn.rs1), x(insn.rs2));
        low(false, in(Op::amoswap_w, Op::amomaxu_w));
    } else if (in(Op::flh, Op::fld)) {
        o.rd = f(insn.rd);
        sources(x(insn.rs1));
    } else if (in(Op::fsh, Op::fsd)) {
        sources(x(insn.rs1), f(insn.rs2));
    } else if (in(Op::fmadd_h, Op::fp_exact)) {
        const Op real = op == Op::fp_exact ? static_cast<Op>(insn.imm) : op;
        const auto is = [&](Op first, Op last) { return real >= first && real <= last; };
        const bool to_x = is(Op::feq_h, Op::fmv_x_d) || is(Op::fcvt_w_h, Op::fcvt_lu_d);
        const bool from_x = is(Op::fmv_h_x, Op::fmv_d_x) || is(Op::fcvt_h_w, Op::fcvt_d_lu);
        o.rd = to_x ? rd : f(insn.rd);
        if (is(Op::fmadd_h, Op::fnmadd_d)) {
            sources(f(insn.rs1), f(insn.rs2), f(insn.rs3));
        } else if (is(Op::fadd_h, Op::fdiv_d) || is(Op::fsgnj_h, Op::fle_d)) {
            sources(f(insn.rs1), f(insn.rs2));
        } else if (from_x) {
            sources(x(insn.rs1));
            low(real != Op::fmv_d_x && !is(Op::fcvt_h_l, Op::fcvt_d_lu));
        } else {
            sources(f(insn.rs1));
        }
    } else if (in(Op::add_uw, Op::sh3add_uw)) {
        o.rd = rd;
        sources(x(insn.rs1), x(insn.rs2));
        const bool unsigned_word = op == Op::add_uw || op >= Op::sh1add_uw;
        low(unsigned_word || low_result, low_result);
    } else if (op == Op::slli_uw) {
        o.rd = rd;
        sources(x(insn.rs1));
        low(true);
    } else if (in(Op::andn, Op::xnor)) {
        o.rd = rd;
        sources(x(insn.rs1), x(insn.rs2));
        low(low_result, low_result);
    } else if (in(Op::clz, Op::cpopw)) {
        o.rd = rd;
        sources(x(insn.rs1));
        low(op == Op::clzw || op == Op::ctzw || op == Op::cpopw);
    } else if (in(Op::max, Op::minu)) {
        o.rd = rd;
        sources(x(insn.rs1), x(insn.rs2));
    } else if (in(Op::sext_b, Op::zext_h)) {
        o.rd = rd;
        sources(x(insn.rs1));
        low(true);
    } else if (in(Op::rol, Op::rev8)) {
        o.rd = rd;
        const bool two = op == Op::rol || op == Op::rolw || op == Op::ror || op == Op::rorw;
        sources(x(insn.rs1), two ? x(insn.rs2) : no_register);
        const bool word = op == Op::rolw || op == Op::roriw || op == Op::rorw;
        low(word, word);
    }
    return o;
}

Graph Graph::build(const simt::jit::Request &request) {
    Graph graph;
    graph.code.assign(request.code, request.code + request.count);
    std::sort(graph.code.begin(), graph.code.end(),
              [](const CodeUnit &a, const CodeUnit &b) { return a.pc < b.pc; });
    for (const CodeUnit &unit : graph.code) {
        const Operands o = operands_of(unit.insn, false);
        graph.links = graph.links || o.rd == link_register;
        graph.barriers = graph.barriers || unit.insn.op == Op::barrier;
    }
    graph.split(request.entry);
    graph.order();
    graph.find_live();
    return graph;
}

void Graph::split(uint64_t entry_pc) {
    std::set<uint64_t> starts = {entry_pc};
    std::map<uint64_t, uint32_t> index;
    for (uint32_t i = 0; i < code.size(); ++i)
        index[code[i].pc] = i;
    for (const CodeUnit &unit : code) {
        if (is_branch(unit.insn.op) || unit.insn.op == Op::jal)
            starts.insert(target_of(unit));
        if (ends_block(unit.insn))
            starts.insert(after(unit));
    }
    for (size_t i = 1; i < code.size(); ++i)
        if (uint64_t target = 0; far_jump(code[i - 1], code[i], target))
            starts.insert(target);
    std::map<uint64_t, int> block_at;
    for (const uint64_t pc : starts) {
        const auto found = index.find(pc);
        if (found == index.end())
            continue;
        Block block;
        block.pc = pc;
        block.first = found->second;
        uint64_t at = pc;
        for (uint32_t i = found->second; i < code.size() && code[i].pc == at; ++i) {
            ++block.count;
            at = after(code[i]);
            if (ends_block(code[i].insn) || starts.count(at))
                break;
            // Code may overlap itself; then the next in memory is not the next to run.
            if (i + 1 < code.size() && code[i + 1].pc != at)
                break;
        }
        block_at[pc] = static_cast<int>(blocks.size());
        blocks.push_back(block);
    }
    const auto find = [&](uint64_t pc) {
        const auto found = block_at.find(pc);
        return found == block_at.end() ? -1 : found->second;
    };
    for (Block &block : blocks) {
        const CodeUnit &last = code[block.first + block.count - 1];
        block.end = end_of(last.insn);
        block.next_pc = last.insn.op == Op::jal ? target_of(last) : after(last);
        block.next = find(block.next_pc);
        if (block.end == End::branch) {
            block.taken_pc = target_of(last);
            block.taken = find(block.taken_pc);
        }
        if (block.end == End::indirect && block.count > 1) {
            uint64_t target = 0;
            if (far_jump(code[block.first + block.count - 2], last, target)) {
                block.end = End::fall;
                block.next_pc = target;
                block.next = find(target);
            }
        }
        if (block.end == End::indirect && last.insn.rd == simt::sink_register &&
            is_link(last.insn.rs1) && last.insn.imm == 0) {
            // A kernel that calls nothing returns to who started it.
            block.end = links || last.insn.rs1 != link_register ? End::returns : End::finish;
        }
        if (block.end == End::indirect || block.end == End::returns || block.end == End::finish ||
            block.end == End::leave)
            block.next = -1;
    }
    std::vector<unsigned> behind_calls;
    for (const CodeUnit &unit : code)
        if ((unit.insn.op == Op::jal || unit.insn.op == Op::jalr) && is_link(unit.insn.rd))
            if (const int to = find(after(unit)); to >= 0)
                behind_calls.push_back(static_cast<unsigned>(to));
    for (Block &block : blocks)
        if (block.end == End::returns)
            block.returns = behind_calls;
    entry = static_cast<unsigned>(find(entry_pc));
}

namespace {

// Weak topological order: what is inside a loop before what follows it, the two sides of an if
// before where they meet. Only speed depends on it.
class Order {
  public:
    explicit Order(const std::vector<Block> &blocks) : blocks_(blocks), inside_(blocks.size()) {}

    std::vector<unsigned> run(unsigned entry) {
        std::vector<unsigned> all;
        for (unsigned i = 0; i < blocks_.size(); ++i)
            all.push_back(i);
        place(all, entry);
        return order_;
    }

  private:
    const std::vector<Block> &blocks_;
    std::vector<unsigned> inside_; // number of the innermost place() that looks at the block
    std::vector<unsigned> order_;
    unsigned places_ = 0;

    struct Search {
        std::vector<unsigned> number, low, stack;
        std::vector<bool> on_stack;
        std::vector<std::vector<unsigned>> components; // in reverse topological order
        unsigned next = 1;
    };

    void search(unsigned root, unsigned place, Search &s) {
        struct Frame {
            unsigned block;
            std::vector<unsigned> left;
        };
        std::vector<Frame> frames;
        const auto open = [&](unsigned b) {
            s.number[b] = s.low[b] = s.next++;
            s.stack.push_back(b);
            s.on_stack[b] = true;
            Frame frame{b, {}};
            blocks_[b].each_successor([&](unsigned to) { frame.left.push_back(to); });
            frames.push_back(std::move(frame));
        };
        open(root);
        while (!frames.empty()) {
            Frame &top = frames.back();
            if (!top.left.empty()) {
                const unsigned to = top.left.back();
                top.left.pop_back();
                if (inside_[to] != place)
                    continue;
                if (s.number[to] == 0)
                    open(to);
                else if (s.on_stack[to])
                    s.low[top.block] = std::min(s.low[top.block], s.number[to]);
                continue;
            }
            const unsigned b = top.block;
            frames.pop_back();
            if (!frames.empty()) {
                unsigned &low = s.low[frames.back().block];
                low = std::min(low, s.low[b]);
            }
            if (s.low[b] != s.number[b])
                continue;
            std::vector<unsigned> component;
            unsigned last;
            do {
                last = s.stack.back();
                s.stack.pop_back();
                s.on_stack[last] = false;
                component.push_back(last);
            } while (last != b);
            s.components.push_back(std::move(component));
        }
    }

    void place(const std::vector<unsigned> &blocks, unsigned first) {
        const unsigned here = ++places_;
        for (const unsigned b : blocks)
            inside_[b] = here;
        Search s;
        s.number.resize(blocks_.size());
        s.low.resize(blocks_.size());
        s.on_stack.resize(blocks_.size());
        if (inside_[first] == here)
            search(first, here, s);
        for (const unsigned b : blocks)
            if (s.number[b] == 0)
                search(b, here, s);
        for (size_t i = s.components.size(); i-- > 0;) {
            std::vector<unsigned> component = s.components[i];
            // The block that the search met first is where the loop is entered.
            const unsigned head = component.back();
            order_.push_back(head);
            component.pop_back();
            if (!component.empty())
                place(component, head);
        }
    }
};

} // namespace

void Graph::order() {
    const std::vector<unsigned> wanted = Order(blocks).run(entry);
    std::vector<unsigned> place(blocks.size());
    for (unsigned i = 0; i < wanted.size(); ++i)
        place[wanted[i]] = i;
    std::vector<Block> sorted(blocks.size());
    for (unsigned i = 0; i < blocks.size(); ++i) {
        Block &block = blocks[i];
        if (block.taken >= 0)
            block.taken = static_cast<int>(place[static_cast<size_t>(block.taken)]);
        if (block.next >= 0)
            block.next = static_cast<int>(place[static_cast<size_t>(block.next)]);
        for (unsigned &to : block.returns)
            to = place[to];
        sorted[place[i]] = std::move(block);
    }
    blocks = std::move(sorted);
    entry = place[entry];
    for (unsigned i = 0; i < blocks.size(); ++i)
        blocks[i].each_successor([&](unsigned to) {
            if (to <= i)
                blocks[to].loop_header = true;
        });
}

void Graph::find_live() {
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = blocks.size(); i-- > 0;) {
            Block &block = blocks[i];
            Demand live;
            switch (block.end) {
            case End::finish:
                break;
            case End::indirect:
            case End::returns:
            case End::leave:
                live = everything;
                break;
            default:
                for (const int to : {block.next, block.taken})
                    if (to >= 0)
                        live |= blocks[static_cast<unsigned>(to)].live_in;
                if (block.next < 0 || (block.end == End::branch && block.taken < 0))
                    live = everything;
            }
            block.before.resize(block.count);
            for (uint32_t k = block.count; k-- > 0;) {
                const Insn &insn = code[block.first + k].insn;
                if (insn.op != Op::lane_exit) {
                    const Operands plain = operands_of(insn, false);
                    const uint64_t bit = plain.rd == no_register ? 0 : uint64_t{1} << plain.rd;
                    const Operands o = operands_of(insn, bit != 0 && (live.full & bit) == 0);
                    live.any &= ~bit;
                    live.full &= ~bit;
                    for (unsigned s = 0; s < 3; ++s)
                        if (o.source[s] != no_register) {
                            live.any |= uint64_t{1} << o.source[s];
                            if (!o.low[s])
                                live.full |= uint64_t{1} << o.source[s];
                        }
                }
                block.before[k] = live;
            }
            if (!(live == block.live_in)) {
                block.live_in = live;
                changed = true;
            }
        }
    }
}

} // namespace brgpu::jit
