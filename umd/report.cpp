// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "brgpu/hw/queue.h"
#include "brgpu/hw/regs.h"
#include "error.hpp"

namespace brgpu::umd {

namespace {

constexpr uint32_t report_bytes = sizeof(brgpu_dispatch_report) + BRGPU_COUNTERS * sizeof(uint64_t);
constexpr uint64_t profile_offset = (report_bytes + 63) & ~uint64_t{63};

static_assert(BRGPU_COUNT_DETAILS == BRGPU_REPORT_DETAILS &&
              BRGPU_COUNT_PROFILE == BRGPU_REPORT_PROFILE);

// Counters in the order of enum brgpu_counter.
constexpr uint64_t brgpu_dispatch_counters::*members[] = {
    &brgpu_dispatch_counters::workgroups,
    &brgpu_dispatch_counters::warps,
    &brgpu_dispatch_counters::instructions,
    &brgpu_dispatch_counters::lane_instructions,
    &brgpu_dispatch_counters::barriers,
    &brgpu_dispatch_counters::regroups,
    &brgpu_dispatch_counters::yields,
    &brgpu_dispatch_counters::compiled_instructions,
    &brgpu_dispatch_counters::compiled_lane_instructions,
    &brgpu_dispatch_counters::compiled_exits,
    &brgpu_dispatch_counters::branches,
    &brgpu_dispatch_counters::divergent_branches,
    &brgpu_dispatch_counters::fp_instructions,
    &brgpu_dispatch_counters::loads,
    &brgpu_dispatch_counters::stores,
    &brgpu_dispatch_counters::atomics,
    &brgpu_dispatch_counters::global_uniform,
    &brgpu_dispatch_counters::global_consecutive,
    &brgpu_dispatch_counters::global_page,
    &brgpu_dispatch_counters::global_scattered,
    &brgpu_dispatch_counters::local_accesses,
    &brgpu_dispatch_counters::private_accesses,
    &brgpu_dispatch_counters::load_bytes,
    &brgpu_dispatch_counters::store_bytes,
    &brgpu_dispatch_counters::local_bank_conflicts,
    &brgpu_dispatch_counters::shuffles,
    &brgpu_dispatch_counters::tensor_instructions,
    &brgpu_dispatch_counters::tensor_macs,
    &brgpu_dispatch_counters::tensor_copy_bytes,
};
static_assert(std::size(members) == BRGPU_COUNTERS);

} // namespace

Report::Report(std::shared_ptr<Vm> vm, uint32_t flags, std::shared_ptr<CodeObject> code)
    : vm_(std::move(vm)), flags_(flags), code_(std::move(code)) {
    if (flags_ & ~(BRGPU_COUNT_DETAILS | BRGPU_COUNT_PROFILE))
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: report: unknown flags 0x%x", flags_);
    const bool profiles = (flags_ & BRGPU_COUNT_PROFILE) != 0;
    if (profiles != (code_ != nullptr))
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              profiles ? "brgpu: report: a profile needs the code object that is to be profiled"
                       : "brgpu: report: a code object without BRGPU_COUNT_PROFILE");
    if (code_ && &code_->vm() != vm_.get())
        raise(BRGPU_ERROR_INVALID_ARGUMENT,
              "brgpu: report: the code object was loaded into another address space");
    if (!(vm_->device().facts().hw_features & BRGPU_FEATURE_REPORT))
        raise(BRGPU_ERROR_UNSUPPORTED,
              "brgpu: report: the card (contract %u.%u) counts nothing for a dispatch; 1.1 does",
              vm_->device().facts().contract >> 16, vm_->device().facts().contract & 0xffff);
    if (code_) {
        uint64_t first = UINT64_MAX, end = 0;
        for (const ElfSegment &segment : code_->image().segments) {
            if (!segment.execute)
                continue;
            first = std::min(first, segment.address & ~uint64_t{1});
            end = std::max(end, (segment.address + segment.memory_bytes + 1) & ~uint64_t{1});
        }
        if (end > first && end - first > BRGPU_REPORT_MAX_CODE)
            raise(BRGPU_ERROR_UNSUPPORTED,
                  "brgpu: report: %llu bytes of code, at most %u can be profiled",
                  static_cast<unsigned long long>(end - first), BRGPU_REPORT_MAX_CODE);
        if (end <= first)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: report: the code object has no code");
        code_start_ = first;
        code_bytes_ = end - first;
    }
    memory_ = OwnedAllocation(vm_, profile_offset + code_bytes_ / 2 * sizeof(brgpu_report_entry),
                              BRGPU_PLACEMENT_SYSTEM, BRGPU_ACCESS_RW);
    brgpu_dispatch_report head = {};
    head.bytes = report_bytes;
    head.flags = flags_;
    if (code_) {
        head.profile = memory_.address() + profile_offset;
        head.profile_pc = code_->base() + code_start_;
        head.profile_bytes = static_cast<uint32_t>(code_bytes_);
    }
    std::memcpy(memory_.cpu(), &head, sizeof(head));
}

brgpu_dispatch_counters Report::counters() const {
    brgpu_dispatch_report head;
    std::memcpy(&head, memory_.cpu(), sizeof(head));
    std::atomic_thread_fence(std::memory_order_acquire);
    if (head.counters == 0)
        raise(BRGPU_ERROR_BUSY, "brgpu: report: no dispatch with this report has ended");
    brgpu_dispatch_counters values = {};
    values.struct_size = sizeof(values);
    values.flags = flags_;
    values.start = head.start;
    values.end = head.end;
    for (uint32_t i = 0; i < std::min<uint32_t>(head.counters, BRGPU_COUNTERS); ++i)
        std::memcpy(&(values.*members[i]), memory_.cpu() + sizeof(head) + i * sizeof(uint64_t),
                    sizeof(uint64_t));
    return values;
}

std::vector<brgpu_profile_count> Report::profile() const {
    if (!code_)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: report: it was made without a profile");
    counters();
    std::vector<brgpu_profile_count> counts;
    for (uint64_t i = 0; i < code_bytes_ / 2; ++i) {
        brgpu_report_entry entry;
        std::memcpy(&entry, memory_.cpu() + profile_offset + i * sizeof(entry), sizeof(entry));
        if (entry.instructions)
            counts.push_back({sizeof(brgpu_profile_count), code_start_ + 2 * i, entry.instructions,
                              entry.lane_instructions});
    }
    return counts;
}

} // namespace brgpu::umd
