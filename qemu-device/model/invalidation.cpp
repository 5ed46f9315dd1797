// SPDX-License-Identifier: MIT
#include "invalidation.hpp"

#include "brgpu/hw/regs.h"
#include "faults.hpp"

namespace brgpu::model {

uint64_t Invalidation::address() const {
    std::lock_guard lock(mutex_);
    return address_;
}

uint64_t Invalidation::length() const {
    std::lock_guard lock(mutex_);
    return length_;
}

void Invalidation::set_address(uint64_t value, uint64_t mask) {
    std::lock_guard lock(mutex_);
    address_ = (address_ & ~mask) | (value & mask);
}

void Invalidation::set_length(uint64_t value, uint64_t mask) {
    std::lock_guard lock(mutex_);
    length_ = (length_ & ~mask) | (value & mask);
}

uint32_t Invalidation::issued() const {
    std::lock_guard lock(mutex_);
    return issued_;
}

uint32_t Invalidation::completed() const {
    std::lock_guard lock(mutex_);
    return completed_;
}

void Invalidation::invalidate(uint32_t kind, uint16_t vm) {
    if (kind == BRGPU_TLB_RANGE)
        mmu_.tlb().invalidate_range(vm, address_, length_);
    else if (kind == BRGPU_TLB_VM)
        mmu_.tlb().invalidate_vm(vm);
    else
        mmu_.tlb().invalidate_all();
}

void Invalidation::command(uint32_t value) {
    uint32_t kind = value & 0xff;
    auto vm = static_cast<uint16_t>(value >> 8 & 0xffff);
    if (kind < BRGPU_TLB_RANGE || kind > BRGPU_TLB_ALL ||
        (kind != BRGPU_TLB_ALL && vm >= mmu_.vms()))
        return;
    {
        std::lock_guard lock(mutex_);
        if (!take_one(lose_invalidations))
            invalidate(kind, vm);
        issued_++;
        // Whoever floods the register waits for one and the same moment.
        uint64_t epoch = points_.advance();
        pending_.push_back({epoch, (value & BRGPU_TLB_EVENT) != 0});
        waiting_.store(true, std::memory_order_seq_cst);
    }
    progress();
}

void Invalidation::progress() {
    if (!waiting_.load(std::memory_order_seq_cst))
        return;
    bool event = false;
    uint32_t completed;
    {
        std::lock_guard lock(mutex_);
        while (!pending_.empty() && points_.passed(pending_.front().epoch, true)) {
            event |= pending_.front().event;
            pending_.pop_front();
            completed_++;
        }
        waiting_.store(!pending_.empty(), std::memory_order_seq_cst);
        completed = completed_;
    }
    if (event)
        events_.post(BRGPU_EVENT_TLB_DONE, BRGPU_EVENT_NO_QUEUE, 0, completed);
}

void Invalidation::reset() {
    std::lock_guard lock(mutex_);
    address_ = length_ = 0;
    issued_ = completed_ = 0;
    pending_.clear();
    waiting_.store(false);
}

} // namespace brgpu::model
