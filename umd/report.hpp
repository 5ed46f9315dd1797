// SPDX-License-Identifier: MIT
//
// Where a dispatch reports what it did: counters, and on request how often each instruction ran.
#ifndef BRGPU_UMD_REPORT_HPP
#define BRGPU_UMD_REPORT_HPP

#include <cstdint>
#include <memory>
#include <vector>

#include "code_object.hpp"
#include "vm.hpp"

namespace brgpu::umd {

class Report {
  public:
    // flags: BRGPU_COUNT_*. `code` is the one to profile, null without a profile.
    Report(std::shared_ptr<Vm> vm, uint32_t flags, std::shared_ptr<CodeObject> code);

    Vm &vm() noexcept { return *vm_; }
    uint64_t address() const noexcept { return memory_.address(); }

    // Of the last dispatch that has ended; both throw BUSY before the first.
    brgpu_dispatch_counters counters() const;
    std::vector<brgpu_profile_count> profile() const;

  private:
    std::shared_ptr<Vm> vm_;
    const uint32_t flags_;
    std::shared_ptr<CodeObject> code_;
    OwnedAllocation memory_;  // the contract's structure, the counters, then the profile
    uint64_t code_start_ = 0; // relative to the code object's base
    uint64_t code_bytes_ = 0;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_REPORT_HPP
