// SPDX-License-Identifier: MIT
#include "tlb.hpp"

#include <algorithm>

#include "brgpu/hw/mmu.h"

namespace brgpu::model {
namespace {

constexpr uint8_t leaf_shifts[] = {12, 16, 21, 30};
constexpr uint8_t table_shift =
    BRGPU_PT_SPAN_SHIFT(1); // a level-0 table covers an entry of level 1
// Beyond this many pages an invalidation takes the whole VM: probing would take longer.
constexpr uint64_t max_probes = 512;

uint64_t align_down(uint64_t va, unsigned shift) {
    return va >> shift << shift;
}

} // namespace

SharedTlb::SharedTlb(uint32_t vms)
    : sets_(sets), vm_life_(std::make_unique<std::atomic<uint32_t>[]>(vms)),
      vm_sizes_(std::make_unique<std::atomic<uint8_t>[]>(vms)) {
    for (uint32_t vm = 0; vm < vms; vm++)
        vm_life_[vm].store(1, std::memory_order_relaxed);
}

uint64_t SharedTlb::lifetime(uint16_t vm) const {
    return uint64_t{life_.load(std::memory_order_acquire)} << 32 |
           vm_life_[vm].load(std::memory_order_acquire);
}

SharedTlb::Set &SharedTlb::set_of(uint16_t vm, uint64_t va, uint8_t mark) {
    uint64_t hash = (va >> (mark & ~directory_mark)) * 0x9e3779b97f4a7c15u;
    hash ^= (uint64_t{vm} << 8 | mark) * 0xc2b2ae3d27d4eb4fu;
    return sets_[hash >> 40 & (sets - 1)];
}

std::optional<PageEntry> SharedTlb::find(uint16_t vm, uint64_t va, uint8_t mark) {
    uint64_t base = align_down(va, mark & ~directory_mark);
    uint64_t life = lifetime(vm);
    Set &set = set_of(vm, va, mark);
    std::lock_guard lock(set.mutex);
    for (const Slot &slot : set.slots) {
        if (slot.life == life && slot.vm == vm && slot.mark == mark && slot.entry.base == base)
            return slot.entry;
    }
    return std::nullopt;
}

std::optional<PageEntry> SharedTlb::find_leaf(uint16_t vm, uint64_t va) {
    uint8_t sizes = vm_sizes_[vm].load(std::memory_order_relaxed);
    for (unsigned i = 0; i < std::size(leaf_shifts); i++) {
        if (!(sizes & 1u << i))
            continue;
        if (auto entry = find(vm, va, leaf_shifts[i])) {
            hits_.fetch_add(1, std::memory_order_relaxed);
            return entry;
        }
    }
    return std::nullopt;
}

std::optional<PageEntry> SharedTlb::find_directory(uint16_t vm, uint64_t va) {
    return find(vm, va, table_shift | directory_mark);
}

void SharedTlb::insert(uint16_t vm, const PageEntry &entry, uint8_t mark, uint64_t stamp) {
    uint64_t life = lifetime(vm);
    Set &set = set_of(vm, entry.base, mark);
    std::lock_guard lock(set.mutex);
    // Under the set's lock: an invalidation moves the version before it looks into the sets.
    if (version() != stamp)
        return;
    Slot *victim = nullptr;
    for (Slot &slot : set.slots) {
        bool same = slot.vm == vm && slot.mark == mark && slot.entry.base == entry.base;
        if (same || slot.life == 0)
            victim = &slot;
        if (same)
            break;
    }
    if (!victim)
        victim = &set.slots[set.next++ % ways];
    *victim = {entry, life, vm, mark};
}

void SharedTlb::insert_leaf(uint16_t vm, const PageEntry &entry, uint64_t stamp) {
    for (unsigned i = 0; i < std::size(leaf_shifts); i++) {
        if (leaf_shifts[i] == entry.shift)
            vm_sizes_[vm].fetch_or(static_cast<uint8_t>(1u << i), std::memory_order_relaxed);
    }
    insert(vm, entry, entry.shift, stamp);
}

void SharedTlb::insert_directory(uint16_t vm, const PageEntry &entry, uint64_t stamp) {
    insert(vm, entry, table_shift | directory_mark, stamp);
}

void SharedTlb::erase(uint16_t vm, uint64_t va, uint8_t mark) {
    uint64_t base = align_down(va, mark & ~directory_mark);
    Set &set = set_of(vm, va, mark);
    std::lock_guard lock(set.mutex);
    for (Slot &slot : set.slots) {
        if (slot.vm == vm && slot.mark == mark && slot.entry.base == base)
            slot.life = 0;
    }
}

void SharedTlb::invalidate_all() {
    version_.fetch_add(1, std::memory_order_acq_rel);
    life_.fetch_add(1, std::memory_order_acq_rel);
}

void SharedTlb::invalidate_vm(uint16_t vm) {
    version_.fetch_add(1, std::memory_order_acq_rel);
    vm_life_[vm].fetch_add(1, std::memory_order_acq_rel);
}

void SharedTlb::invalidate_range(uint16_t vm, uint64_t address, uint64_t length) {
    if (length == 0)
        return;
    uint64_t last = address + (length - 1);
    if (last < address || (last >> 12) - (address >> 12) >= max_probes) {
        invalidate_vm(vm);
        return;
    }
    version_.fetch_add(1, std::memory_order_acq_rel);
    for (uint8_t shift : leaf_shifts) {
        for (uint64_t unit = address >> shift; unit <= last >> shift; unit++)
            erase(vm, unit << shift, shift);
    }
    for (uint64_t unit = address >> table_shift; unit <= last >> table_shift; unit++)
        erase(vm, unit << table_shift, table_shift | directory_mark);
}

} // namespace brgpu::model
