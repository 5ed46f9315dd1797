// SPDX-License-Identifier: MIT
#include "faults.hpp"

namespace brgpu::model {
namespace {

uint64_t page_of(uint64_t address) {
    return address & ~(BRGPU_PAGE_BYTES - 1);
}

} // namespace

bool take_one(std::atomic<uint32_t> &count) {
    uint32_t left = count.load(std::memory_order_relaxed);
    while (left != 0) {
        if (count.compare_exchange_weak(left, left - 1, std::memory_order_relaxed))
            return true;
    }
    return false;
}

void FaultInjector::update_armed() {
    armed_.store(page_faults_.count != 0 || !poison_.empty(), std::memory_order_release);
}

void FaultInjector::arm_page_faults(const PageFaults &faults) {
    std::lock_guard lock(mutex_);
    page_faults_ = faults;
    if (page_faults_.address != any)
        page_faults_.address = page_of(page_faults_.address);
    update_armed();
}

void FaultInjector::arm_ecc(uint64_t offset, bool uncorrected) {
    std::lock_guard lock(mutex_);
    poison_[page_of(offset)] = uncorrected ? Poison::uncorrected : Poison::corrected;
    update_armed();
}

void FaultInjector::clear_poison() {
    std::lock_guard lock(mutex_);
    poison_.clear();
    update_armed();
}

uint32_t FaultInjector::page_faults_left() const {
    std::lock_guard lock(mutex_);
    return page_faults_.count;
}

bool FaultInjector::take_page_fault(uint16_t vm, uint64_t va) {
    std::lock_guard lock(mutex_);
    if (page_faults_.count == 0 || (page_faults_.vm != any && page_faults_.vm != vm) ||
        (page_faults_.address != any && page_faults_.address != page_of(va)))
        return false;
    page_faults_.count--;
    update_armed();
    return true;
}

bool FaultInjector::poisoned(uint64_t vram_offset, uint8_t access) {
    bool report, uncorrected;
    {
        std::lock_guard lock(mutex_);
        auto item = poison_.find(page_of(vram_offset));
        if (item == poison_.end())
            return false;
        if (!(access & (BRGPU_ACCESS_READ | BRGPU_ACCESS_EXEC))) {
            // New data makes the cells good again.
            poison_.erase(item);
            update_armed();
            return false;
        }
        report = item->second != Poison::reported;
        uncorrected = item->second != Poison::corrected;
        if (uncorrected)
            item->second = Poison::reported;
        else
            poison_.erase(item);
        update_armed();
    }
    if (report && ecc_)
        ecc_(page_of(vram_offset), uncorrected);
    return uncorrected;
}

} // namespace brgpu::model
