// SPDX-License-Identifier: MIT
//
// What compiled code asks the engine for.
#include <algorithm>

#include "fp.hpp"
#include "jit.hpp"

namespace brgpu::simt::jit {
namespace {

// Sub-warp instructions between two polls, some microseconds.
constexpr int64_t fuel_between_polls = 8192;
// A sub-warp that has run for so long may be waiting for others: they get their turn.
constexpr uint64_t longest_run = 2'000'000;
constexpr size_t most_ranges = 32;

Runner &runner_of(Thread *thread) {
    return *reinterpret_cast<Runner *>(thread); // its first member
}

// Lane of the warp that stands for bit 0, with the context set to that warp.
unsigned select_warp(Runner &r) {
    const unsigned first = first_lane_of(r, r.thread.sub);
    r.context->warp = r.group->warps[first / lanes].get();
    return first % lanes;
}

uint32_t load(Thread *thread, uint32_t active, uint32_t bytes, uint32_t site, uint32_t span) {
    Runner &r = runner_of(thread);
    const unsigned base = select_warp(r);
    uint64_t low = UINT64_MAX;
    for (uint32_t left = active; left; left &= left - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(left));
        if (!r.context->load(thread->address[i], bytes, base + i, thread->value[i]))
            return 0;
        low = std::min(low, thread->address[i]);
    }
    r.refresh_site(site, low, span, false);
    return 1;
}

uint32_t store(Thread *thread, uint32_t active, uint32_t bytes, uint32_t site, uint32_t span) {
    Runner &r = runner_of(thread);
    const unsigned base = select_warp(r);
    uint64_t low = UINT64_MAX;
    for (uint32_t left = active; left; left &= left - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(left));
        if (!r.context->probe(thread->address[i], bytes, right_write, base + i))
            return 0;
        low = std::min(low, thread->address[i]);
    }
    for (uint32_t left = active; left; left &= left - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(left));
        if (!r.context->store(thread->address[i], bytes, base + i, thread->value[i]))
            return 0; // mapped otherwise meanwhile: the same values are stored again
    }
    r.refresh_site(site, low, span, true);
    return 1;
}

uint32_t load_one(Thread *thread, uint64_t va, uint32_t bytes, uint32_t site) {
    Runner &r = runner_of(thread);
    if (va >= BRGPU_PRIVATE_BASE) {
        r.met_private = true;
        return 0;
    }
    if (!r.context->load(va, bytes, 0, thread->value[0]))
        return 0;
    r.refresh_site(site, va, bytes, false);
    return 1;
}

uint32_t atomic(Thread *thread, uint32_t active, uint32_t op) {
    Runner &r = runner_of(thread);
    Context &c = *r.context;
    const unsigned base = select_warp(r);
    const bool is_double = op >= static_cast<uint32_t>(Op::amoswap_d);
    const unsigned bytes = is_double ? 8 : 4;
    constexpr uint8_t rights = right_read | right_write | right_atomic;
    std::byte *host[max_lanes];
    alignas(8) std::byte forgotten[max_lanes][8];
    for (uint32_t left = active; left; left &= left - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(left));
        const uint64_t va = thread->address[i];
        if (va % bytes != 0)
            return 0;
        host[i] = c.resolve(va, bytes, rights, base + i);
        if (!host[i])
            return 0;
        const std::byte *readable = nullptr;
        if (c.forgets(va, readable)) {
            std::copy(readable, readable + bytes, forgotten[i]);
            host[i] = forgotten[i];
        }
    }
    for (uint32_t left = active; left; left &= left - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(left));
        thread->value[i] = read_modify_write(static_cast<Op>(op), host[i], thread->value[i]);
    }
    return 1;
}

void floating(Thread *thread, uint32_t active, uint32_t op, uint32_t mode) {
    for (uint32_t left = active; left; left &= left - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(left));
        thread->value[i] = fp::execute(static_cast<Op>(op), static_cast<fp::Rounding>(mode),
                                       thread->value[i], thread->value_b[i], thread->value_c[i])
                               .value;
    }
}

uint32_t poll(Thread *thread) {
    Runner &r = runner_of(thread);
    Context &c = *r.context;
    const auto used = static_cast<uint64_t>(r.granted - thread->fuel);
    r.spent += used;
    if (r.spending != thread->sub) {
        r.spending = thread->sub;
        r.spent_by_sub = 0;
    }
    r.spent_by_sub += used;
    thread->fuel = r.granted = fuel_between_polls;
    return c.stop_asked() || r.over_budget() || c.memory->epoch() != c.worker->tlb_epoch ||
           r.spent_by_sub > longest_run;
}

} // namespace

const Helpers helpers = {load, store, atomic, load_one, floating, poll};

void Runner::refresh_site(uint32_t site, uint64_t va, uint32_t span, bool write) noexcept {
    if (site == no_site)
        return;
    Site &to = sites[site];
    const auto use = [&](uint64_t low, uint64_t end, uint64_t delta) {
        to = {low, end - low >= span ? end - low - span + 1 : 0, delta};
    };
    if (va >= global_limit) {
        if (va - BRGPU_LOCAL_BASE < context->local_bytes)
            use(BRGPU_LOCAL_BASE, BRGPU_LOCAL_BASE + context->local_bytes,
                reinterpret_cast<uint64_t>(context->local) - BRGPU_LOCAL_BASE);
        return;
    }
    const TlbEntry &known_page = context->worker->slot(va);
    const uint64_t page = va & ~(page_bytes - 1);
    if (known_page.page != page || !(known_page.rights & (write ? right_write : right_read)))
        return;
    const auto host = reinterpret_cast<uint64_t>(write ? known_page.host_write : known_page.host);
    const bool forgets = known_page.host != known_page.host_write;
    Range range = {page, page + (forgets ? page_bytes : known_page.pages * page_bytes),
                   host - page};
    // Neighbours that lie side by side in the host, too, become one.
    std::vector<Range> &known = ranges[write];
    for (size_t i = 0; i < known.size();) {
        if (known[i].delta == range.delta && known[i].low <= range.end &&
            range.low <= known[i].end) {
            range.low = std::min(range.low, known[i].low);
            range.end = std::max(range.end, known[i].end);
            known[i] = known.back();
            known.pop_back();
        } else {
            ++i;
        }
    }
    if (known.size() >= most_ranges) {
        next_range[write] = (next_range[write] + 1) % most_ranges;
        known[next_range[write]] = range;
    } else {
        known.push_back(range); // reserved: does not allocate
    }
    use(range.low, range.end, range.delta);
}

} // namespace brgpu::simt::jit
