// SPDX-License-Identifier: MIT
//
// Where lanes can be apart, and the kinds of registers at the start of each block.
//
// Lanes of a sub-warp that are apart are run lowest block first. From that follow the pairs of
// blocks at which lanes can stand at the same time: only the lower of a pair moves on. While block
// b runs, registers that lanes at a block of such a pair still need must keep their values: they
// are "blended" wherever masked code writes them.
#include <set>

#include "kinds.hpp"

namespace brgpu::jit {
namespace {

class Solver {
  public:
    Solver(const Graph &graph, const Config &config) : graph_(graph), config_(config) {
        const size_t n = graph.blocks.size();
        a_.divergent.resize(n, {false, false});
        a_.blended_rep.fill(Rep::full);
    }

    Analysis solve() {
        // Each round may find more divergence or more registers to blend, never less.
        for (;;) {
            const auto divergent = a_.divergent;
            const uint64_t blended = a_.blended;
            find_pairs();
            find_blended();
            flow();
            if (divergent == a_.divergent && blended == a_.blended)
                break;
        }
        return std::move(a_);
    }

  private:
    const Graph &graph_;
    const Config &config_;
    Analysis a_;
    std::array<bool, registers> rep_known_{};

    void find_pairs() {
        const size_t n = graph_.blocks.size();
        a_.pending.assign(n, std::vector<bool>(n, false));
        std::vector<std::pair<unsigned, unsigned>> work;
        const auto add = [&](int a, int b) {
            if (a < 0 || b < 0 || a == b)
                return;
            const auto low = static_cast<unsigned>(std::min(a, b));
            const auto high = static_cast<unsigned>(std::max(a, b));
            if (a_.pending[low][high])
                return;
            a_.pending[low][high] = true;
            work.emplace_back(low, high);
        };
        for (size_t b = 0; b < n; ++b)
            if (a_.divergent[b][0] || a_.divergent[b][1])
                add(graph_.blocks[b].taken, graph_.blocks[b].next);
        while (!work.empty()) {
            const auto [low, high] = work.back();
            work.pop_back();
            graph_.blocks[low].each_successor(
                [&](unsigned to) { add(static_cast<int>(to), static_cast<int>(high)); });
        }
        // "apart": somebody may wait elsewhere, or while others run.
        std::vector<bool> apart(n, false);
        for (size_t b = 0; b < n; ++b)
            for (size_t c = 0; c < n; ++c)
                if (a_.pending[b][c])
                    apart[b] = true;
        a_.rejoins.assign(n, false);
        // Where nobody can wait elsewhere, and somebody could a block before.
        for (size_t b = 0; b < n; ++b) {
            if (!apart[b])
                continue;
            graph_.blocks[b].each_successor([&](unsigned to) {
                if (!apart[to])
                    a_.rejoins[to] = true;
            });
        }
        // Two lanes sets that meet at a block that one of them waited at.
        for (size_t b = 0; b < n; ++b)
            for (size_t c = 0; c < n; ++c)
                if (a_.pending[b][c] && !apart[c])
                    a_.rejoins[c] = true;
    }

    void find_blended() {
        for (size_t b = 0; b < graph_.blocks.size(); ++b) {
            const Block &block = graph_.blocks[b];
            uint64_t needed = 0;
            for (size_t c = 0; c < graph_.blocks.size(); ++c)
                if (a_.pending[b][c])
                    needed |= graph_.blocks[c].live_in.any;
            if (!needed)
                continue;
            for (uint32_t k = 0; k < block.count; ++k) {
                const Operands o = operands_of(graph_.code[block.first + k].insn, false);
                if (o.rd != no_register)
                    a_.blended |= needed & (uint64_t{1} << o.rd);
            }
        }
    }

    void flow() {
        const size_t n = graph_.blocks.size();
        a_.in.assign(n, {});
        a_.reached.assign(n, {false, false});
        std::set<std::pair<unsigned, unsigned>> work;
        const auto merge = [&](int to, unsigned masked, const State &state) {
            if (to < 0)
                return;
            const auto t = static_cast<unsigned>(to);
            const Block &block = graph_.blocks[t];
            State &in = a_.in[t][masked];
            bool changed = !a_.reached[t][masked];
            a_.reached[t][masked] = true;
            for (unsigned r = 1; r < registers; ++r) {
                const uint64_t bit = uint64_t{1} << r;
                if (!(block.live_in.any & bit))
                    continue;
                const bool low = !(block.live_in.full & bit);
                Kind kind = state[r];
                if (masked && (a_.blended & bit))
                    kind = as_blended(r, kind);
                // A blended register keeps one form in all of the masked code.
                const bool keeps = masked && (a_.blended & bit);
                const Kind joined = join(in[r], kind, low && !keeps);
                if (!(joined == in[r])) {
                    in[r] = joined;
                    changed = true;
                }
            }
            if (changed)
                work.insert({t, masked});
        };
        const State start = entry_state(config_);
        merge(static_cast<int>(graph_.entry), 0, start);
        if (config_.shape.partial)
            merge(static_cast<int>(graph_.entry), 1, start);
        for (;;) {
            reps_changed_ = false;
            while (!work.empty()) {
                const auto [b, masked] = *work.begin();
                work.erase(work.begin());
                step(b, masked, merge);
            }
            if (!reps_changed_)
                break;
            // The common form of a blended register has become wider: everybody who has it follows.
            for (unsigned b = 0; b < n; ++b)
                for (unsigned m = 0; m < 2; ++m)
                    if (a_.reached[b][m])
                        work.insert({b, m});
            for (unsigned b = 0; b < n; ++b)
                if (a_.reached[b][1])
                    for (unsigned r = 1; r < registers; ++r)
                        if ((a_.blended >> r & 1) && a_.in[b][1][r].spread != Spread::none)
                            a_.in[b][1][r].rep = a_.blended_rep[r];
        }
    }

    bool reps_changed_ = false;

    Kind as_blended(unsigned r, const Kind &kind) {
        const Rep rep = rep_known_[r] ? a_.blended_rep[r] : kind.rep;
        Rep joined =
            join(Kind::of(Spread::varying, rep), Kind::of(Spread::varying, kind.rep), false).rep;
        if (!rep_known_[r] || joined != a_.blended_rep[r]) {
            rep_known_[r] = true;
            a_.blended_rep[r] = joined;
            reps_changed_ = true;
        }
        Kind k = Kind::of(Spread::varying, joined);
        k.is_private = kind.is_private;
        return k;
    }

    template <typename Merge>
    void step(unsigned b, unsigned masked, Merge &&merge) {
        const Block &block = graph_.blocks[b];
        State state = a_.in[b][masked];
        if (masked && a_.rejoins[b])
            merge(static_cast<int>(b), 0, state);
        for (uint32_t k = 0; k < block.count; ++k) {
            const CodeUnit &unit = graph_.code[block.first + k];
            if (k + 1 == block.count && (block.end == End::finish || block.end == End::leave))
                return;
            const Operands o = operands_of(unit.insn, false);
            if (o.rd != no_register) {
                const Demand after = live_after(graph_, block, k);
                const bool low = !(after.full >> o.rd & 1);
                state[o.rd] = result_kind(config_, unit, state, low);
            }
        }
        const CodeUnit &last = graph_.code[block.first + block.count - 1];
        if (block.end == End::branch) {
            const Kind x = operand(state, last.insn.rs1 ? last.insn.rs1 : no_register);
            const Kind y = operand(state, last.insn.rs2 ? last.insn.rs2 : no_register);
            const bool splits = !(x.one() && y.one());
            if (splits) {
                a_.divergent[b][masked] = true;
                merge(block.taken, 1, state);
                merge(block.next, 1, state);
            }
            merge(block.taken, masked, state);
            merge(block.next, masked, state);
            return;
        }
        block.each_successor([&](unsigned to) { merge(static_cast<int>(to), masked, state); });
    }
};

} // namespace

Demand live_after(const Graph &graph, const Block &block, uint32_t k) {
    if (k + 1 < block.count)
        return block.before[k + 1];
    if (block.end == End::finish)
        return {};
    if (block.end == End::indirect || block.end == End::returns || block.end == End::leave ||
        block.next < 0 || (block.end == End::branch && block.taken < 0))
        return everything;
    Demand live = graph.blocks[static_cast<size_t>(block.next)].live_in;
    if (block.taken >= 0)
        live |= graph.blocks[static_cast<size_t>(block.taken)].live_in;
    return live;
}

Analysis Analysis::run(const Graph &graph, const Config &config) {
    return Solver(graph, config).solve();
}

} // namespace brgpu::jit
