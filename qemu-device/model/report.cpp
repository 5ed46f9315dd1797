// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <algorithm>
#include <vector>

namespace brgpu::model {
namespace {

constexpr uint64_t va_end = uint64_t{1} << BRGPU_VA_BITS;

bool fits(uint64_t address, uint64_t bytes, uint64_t alignment) {
    return address % alignment == 0 && address < va_end && bytes <= va_end - address;
}

bool keeps_the_rules(uint64_t address, const brgpu_dispatch_report &head) {
    if (head.pad0 || head.pad1 || head.pad2 || (head.flags & ~BRGPU_REPORT_FLAGS) ||
        head.bytes < sizeof(head) || head.bytes > BRGPU_REPORT_MAX_BYTES || head.bytes % 8 ||
        !fits(address, head.bytes, 64))
        return false;
    if (!(head.flags & BRGPU_REPORT_PROFILE))
        return !head.profile && !head.profile_pc && !head.profile_bytes;
    return head.profile_bytes >= 2 && head.profile_bytes % 2 == 0 &&
           head.profile_bytes <= BRGPU_REPORT_MAX_CODE &&
           fits(head.profile_pc, head.profile_bytes, 2) &&
           fits(head.profile, head.profile_bytes / 2 * sizeof(brgpu_report_entry), 16);
}

// Warps of all workgroups; those at the upper edges of the grid may have fewer.
uint64_t warps_of(const simt::DispatchParams &params) {
    uint64_t warps = 0;
    for (unsigned corner = 0; corner < 8; corner++) {
        uint64_t groups = 1, items = 1;
        for (unsigned axis = 0; axis < 3; axis++) {
            const bool edge = corner >> axis & 1;
            const uint32_t rest = params.grid[axis] % params.workgroup[axis];
            groups *= edge ? rest != 0 : params.grid[axis] / params.workgroup[axis];
            items *= edge ? rest : params.workgroup[axis];
        }
        warps += groups * ((items + BRGPU_WARP_LANES - 1) / BRGPU_WARP_LANES);
    }
    return warps;
}

} // namespace

std::unique_ptr<DispatchReport> DispatchReport::create(uint64_t address,
                                                       const brgpu_dispatch_report &head) {
    if (!keeps_the_rules(address, head))
        return nullptr;
    std::unique_ptr<DispatchReport> report(new DispatchReport(address, head));
    if (head.flags) {
        report->observer_ = simt::Observer::create(head.profile_pc, head.profile_bytes);
        if (!report->observer_)
            return nullptr;
    }
    return report;
}

void DispatchReport::add(const simt::Outcome &outcome) {
    const auto count = [&](brgpu_counter which, uint64_t by) {
        if (by)
            counts_[which].fetch_add(by, std::memory_order_relaxed);
    };
    const simt::Counters &c = outcome.counters;
    count(BRGPU_COUNTER_INSTRUCTIONS, c.instructions);
    count(BRGPU_COUNTER_LANE_INSTRUCTIONS, c.lane_instructions);
    count(BRGPU_COUNTER_BARRIERS, c.barriers);
    count(BRGPU_COUNTER_REGROUPS, c.reschedules);
    count(BRGPU_COUNTER_WORKGROUPS, outcome.status == simt::Status::finished);
}

std::array<uint64_t, BRGPU_COUNTERS>
DispatchReport::counters(const simt::DispatchParams &params) const {
    std::array<uint64_t, BRGPU_COUNTERS> values = {};
    for (unsigned i = 0; i < counts_.size(); i++)
        values[i] = counts_[i].load(std::memory_order_relaxed);
    values[BRGPU_COUNTER_WARPS] = warps_of(params);
    if (head_.flags & BRGPU_REPORT_DETAILS)
        for (unsigned i = simt::Observer::first_detail; i < BRGPU_COUNTERS; i++)
            values[i] = observer_->count(static_cast<brgpu_counter>(i));
    return values;
}

Access DispatchReport::write(Mmu &mmu, Worker &worker, uint16_t vm,
                             const simt::DispatchParams &params, uint64_t start, uint64_t end,
                             Fault &fault) const {
    brgpu_dispatch_report head = head_;
    const auto values = counters(params);
    head.start = start;
    head.end = end;
    head.counters = static_cast<uint32_t>(
        std::min<size_t>(values.size(), (head.bytes - sizeof(head)) / sizeof(uint64_t)));
    Access access = mmu.write(worker, vm, address_ + sizeof(head), values.data(),
                              head.counters * sizeof(uint64_t), fault);
    std::vector<brgpu_report_entry> part;
    const uint64_t entries = head.profile_bytes / 2;
    constexpr uint64_t step = 4096;
    for (uint64_t at = 0; access == Access::ok && at < entries; at += step) {
        part.clear();
        for (uint64_t i = at; i < std::min(entries, at + step); i++)
            part.push_back(observer_->profile(i));
        access = mmu.write(worker, vm, head.profile + at * sizeof(part[0]), part.data(),
                           part.size() * sizeof(part[0]), fault);
    }
    if (access != Access::ok)
        return access;
    return mmu.write(worker, vm, address_, &head, sizeof(head), fault);
}

// ---- save area ----

void DispatchReport::save(ImageWriter &out) const {
    out.put(address_);
    out.put(head_);
    for (const auto &count : counts_)
        out.put(count.load(std::memory_order_relaxed));
    if (!observer_)
        return;
    for (unsigned i = simt::Observer::first_detail; i < BRGPU_COUNTERS; i++)
        out.put(observer_->count(static_cast<brgpu_counter>(i)));
    for (uint64_t i = 0; i < observer_->profile_entries(); i++)
        out.put(observer_->profile(i));
}

std::unique_ptr<DispatchReport> DispatchReport::restore(ImageReader &in) {
    const auto address = in.get<uint64_t>();
    const auto head = in.get<brgpu_dispatch_report>();
    auto report = create(address, head);
    if (!in.good() || !report)
        return nullptr;
    for (auto &count : report->counts_)
        count.store(in.get<uint64_t>(), std::memory_order_relaxed);
    if (report->observer_) {
        simt::Observer::Counts details = {};
        for (unsigned i = simt::Observer::first_detail; i < BRGPU_COUNTERS; i++)
            details[i] = in.get<uint64_t>();
        report->observer_->add(details);
        for (uint64_t i = 0; i < report->observer_->profile_entries() && in.good(); i++)
            report->observer_->add_profile(i, in.get<brgpu_report_entry>());
    }
    return in.good() ? std::move(report) : nullptr;
}

} // namespace brgpu::model
