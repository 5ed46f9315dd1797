// SPDX-License-Identifier: MIT
#include "mmu.hpp"

#include <algorithm>
#include <cstring>

#include "brgpu/hw/regs.h"

namespace brgpu::model {
namespace {

constexpr uint64_t va_end = uint64_t{1} << BRGPU_VA_BITS;
constexpr uint64_t dma_end = uint64_t{1} << BRGPU_DMA_BITS;
constexpr uint64_t directory_bits =
    BRGPU_PTE_VALID | BRGPU_PTE_APERTURE_MASK | BRGPU_PTE_ADDRESS_MASK | BRGPU_PTE_SOFTWARE_MASK;

uint8_t rights_of(uint64_t pte) {
    uint8_t rights = 0;
    if (pte & BRGPU_PTE_READ)
        rights |= BRGPU_ACCESS_READ;
    if (pte & BRGPU_PTE_WRITE)
        rights |= BRGPU_ACCESS_WRITE;
    if (pte & BRGPU_PTE_EXEC)
        rights |= BRGPU_ACCESS_EXEC;
    if ((pte & BRGPU_PTE_ATOMIC) && (pte & BRGPU_PTE_READ) && (pte & BRGPU_PTE_WRITE))
        rights |= BRGPU_ACCESS_ATOMIC;
    return rights;
}

bool is_known_aperture(uint64_t entry) {
    uint64_t aperture = entry & BRGPU_PTE_APERTURE_MASK;
    return aperture == BRGPU_PTE_VRAM || aperture == BRGPU_PTE_SYSTEM;
}

bool is_good_directory(uint64_t entry) {
    return (entry & ~directory_bits) == 0 && is_known_aperture(entry);
}

Translation make_fault(uint16_t vm, uint64_t va, uint8_t access, uint8_t level, uint8_t reason) {
    Translation result;
    result.kind = Translation::Kind::fault;
    result.fault.vm = vm;
    result.fault.address = va;
    result.fault.access = access;
    result.fault.level = level;
    result.fault.reason = reason;
    return result;
}

Translation make_kind(Translation::Kind kind) {
    Translation result;
    result.kind = kind;
    return result;
}

} // namespace

Mmu::Mmu(uint32_t vms, Vram &vram, HostPort &host, AccessFaults &faults)
    : vms_(vms), vram_(vram), host_(host), faults_(faults), tlb_(vms),
      contexts_(std::make_unique<Context[]>(vms)) {}

void Mmu::reset() {
    for (uint32_t vm = 0; vm < vms_; vm++) {
        contexts_[vm].root.store(0);
        contexts_[vm].control.store(0);
        contexts_[vm].status.store(0);
    }
    tlb_.invalidate_all();
}

void Mmu::note_fault(uint16_t vm) {
    if (vm < vms_)
        contexts_[vm].status.fetch_or(BRGPU_VM_STATUS_FAULTED);
    fault_count_.fetch_add(1, std::memory_order_relaxed);
}

bool Mmu::retries(const Fault &fault) const {
    // Only what a driver can repair is worth waiting for.
    bool repairable = fault.reason == BRGPU_FAULT_NOT_MAPPED ||
                      fault.reason == BRGPU_FAULT_RIGHTS || fault.reason == BRGPU_FAULT_ENTRY;
    return repairable && fault.vm < vms_ && (control(fault.vm) & BRGPU_VM_CTRL_RETRY);
}

Translation::Kind Mmu::load_entry(Worker &worker, uint64_t directory, unsigned index, May may,
                                  uint64_t &value, uint8_t &reason) {
    uint64_t address = (directory & BRGPU_PTE_ADDRESS_MASK) + index * sizeof(uint64_t);
    const std::byte *pointer = nullptr;
    if ((directory & BRGPU_PTE_APERTURE_MASK) == BRGPU_PTE_VRAM) {
        if (address >= vram_.bytes()) {
            reason = BRGPU_FAULT_ENTRY;
            return Translation::Kind::fault;
        }
        pointer = vram_.data() + address;
    } else {
        if (address >= dma_end) {
            reason = BRGPU_FAULT_ENTRY;
            return Translation::Kind::fault;
        }
        HostPort::Mapping mapping = host_.cached(address, false);
        if (!mapping.pointer && may == May::not_block)
            return Translation::Kind::ask;
        if (!mapping.pointer)
            mapping = host_.map(worker, address, false);
        pointer = mapping.bytes >= sizeof(value) ? mapping.pointer : nullptr;
        if (!pointer) {
            if (host_.read(worker, address, &value, sizeof(value)))
                return Translation::Kind::pointer;
            reason = BRGPU_FAULT_BUS;
            return host_.current(worker) ? Translation::Kind::fault : Translation::Kind::gone;
        }
    }
    value = __atomic_load_n(reinterpret_cast<const uint64_t *>(pointer), __ATOMIC_ACQUIRE);
    return Translation::Kind::pointer;
}

Mmu::Walk Mmu::leaf(uint16_t vm, uint64_t va, unsigned level, uint64_t pte, uint64_t stamp) {
    Walk found;
    found.level = static_cast<uint8_t>(level);
    found.reason = BRGPU_FAULT_ENTRY;
    unsigned shift = BRGPU_PT_SPAN_SHIFT(level);
    uint64_t address = pte & BRGPU_PTE_ADDRESS_MASK;
    if ((pte & BRGPU_PTE_RESERVED_MASK) || ((pte & BRGPU_PTE_LEAF) && level == 0) ||
        ((pte & BRGPU_PTE_CONTIGUOUS) && level != 0))
        return found;

    PageEntry &entry = found.entry;
    if (pte & BRGPU_PTE_NULL) {
        if (address != 0)
            return found;
        entry.backing = Backing::null;
    } else {
        if (!is_known_aperture(pte) || (address & ((uint64_t{1} << shift) - 1)) != 0)
            return found;
        bool system = (pte & BRGPU_PTE_APERTURE_MASK) == BRGPU_PTE_SYSTEM;
        entry.backing = system ? Backing::system : Backing::vram;
    }
    if (pte & BRGPU_PTE_CONTIGUOUS) {
        shift = 16;
        address &= ~uint64_t{0xffff};
    }
    entry.base = va >> shift << shift;
    entry.address = address;
    entry.shift = static_cast<uint8_t>(shift);
    entry.rights = rights_of(pte);
    found.reason = BRGPU_FAULT_NONE;
    found.kind = Translation::Kind::pointer;
    tlb_.insert_leaf(vm, entry, stamp);
    return found;
}

Mmu::Walk Mmu::walk_from(Worker &worker, uint16_t vm, uint64_t va, May may, unsigned level,
                         uint64_t directory, uint64_t stamp) {
    for (;; level--) {
        Walk state;
        state.level = static_cast<uint8_t>(level);
        unsigned index = va >> BRGPU_PT_SPAN_SHIFT(level) & (BRGPU_PT_ENTRIES - 1);
        uint64_t pte = 0;
        state.kind = load_entry(worker, directory, index, may, pte, state.reason);
        if (state.kind != Translation::Kind::pointer)
            return state;
        state.kind = Translation::Kind::fault;
        if (!(pte & BRGPU_PTE_VALID)) {
            state.reason = BRGPU_FAULT_NOT_MAPPED;
            return state;
        }
        if (level == 0 || (level < BRGPU_PT_LEVELS - 1 && (pte & BRGPU_PTE_LEAF)))
            return leaf(vm, va, level, pte, stamp);
        if (!is_good_directory(pte)) {
            state.reason = BRGPU_FAULT_ENTRY;
            return state;
        }
        if (level == 1) {
            PageEntry entry;
            entry.base = va >> BRGPU_PT_SPAN_SHIFT(1) << BRGPU_PT_SPAN_SHIFT(1);
            entry.address = pte;
            tlb_.insert_directory(vm, entry, stamp);
        }
        directory = pte;
    }
}

Mmu::Walk Mmu::walk(Worker &worker, uint16_t vm, uint64_t va, May may, bool use_directory) {
    walks_.fetch_add(1, std::memory_order_relaxed);
    uint64_t stamp = tlb_.version();
    if (use_directory) {
        if (auto entry = tlb_.find_directory(vm, va)) {
            Walk state = walk_from(worker, vm, va, may, 0, entry->address, stamp);
            if (state.kind != Translation::Kind::fault)
                return state;
        }
    }
    Walk state;
    state.level = BRGPU_PT_LEVELS - 1;
    uint64_t directory = root(vm);
    if (!(directory & BRGPU_PTE_VALID)) {
        state.reason = BRGPU_FAULT_NOT_MAPPED;
        return state;
    }
    if (!is_good_directory(directory)) {
        state.reason = BRGPU_FAULT_ENTRY;
        return state;
    }
    return walk_from(worker, vm, va, may, BRGPU_PT_LEVELS - 1, directory, stamp);
}

Mmu::Walk Mmu::find(Worker &worker, uint16_t vm, uint64_t va, uint8_t access, May may) {
    Walk state;
    auto direct = [&](Backing backing, uint64_t base, uint64_t address, uint8_t shift) {
        state.kind = Translation::Kind::pointer;
        state.entry = {base, address, shift,
                       BRGPU_ACCESS_READ | BRGPU_ACCESS_WRITE | BRGPU_ACCESS_ATOMIC, backing};
        return state;
    };
    if (vm == 0 && (va & BRGPU_VM0_SYSTEM)) {
        uint64_t base = va & ~(BRGPU_PAGE_BYTES - 1);
        // One large "page", so that long pieces are found at once.
        uint64_t large = va >> 30 << 30;
        base = large;
        return direct(Backing::system, base, large & ~BRGPU_VM0_SYSTEM, 30);
    }
    if (vm == 0 && !(va & BRGPU_VM0_MAPPED)) {
        if (va < vram_.bytes())
            return direct(Backing::vram, va >> 30 << 30, va >> 30 << 30, 30);
        state.reason = BRGPU_FAULT_ADDRESS;
        return state;
    }
    if (auto entry = tlb_.find_leaf(vm, va); entry && (entry->rights & access) == access) {
        state.kind = Translation::Kind::pointer;
        state.entry = *entry;
        return state;
    }
    state = walk(worker, vm, va, may, true);
    // A directory entry in the TLB may be stale, and rights may have been widened since.
    if (state.kind == Translation::Kind::pointer && (state.entry.rights & access) != access)
        state = walk(worker, vm, va, may, false);
    return state;
}

Translation Mmu::resolve(Worker &worker, uint16_t vm, uint64_t va, uint8_t access, May may,
                         const PageEntry &entry) {
    uint64_t offset = va - entry.base;
    uint64_t left = (uint64_t{1} << entry.shift) - offset;
    uint64_t address = entry.address + offset;
    Translation result;
    result.rights = entry.rights;
    result.bytes = left;
    if (entry.backing == Backing::null) {
        result.kind = Translation::Kind::null;
        return result;
    }
    uint64_t page = address & ~(BRGPU_PAGE_BYTES - 1);
    if (entry.backing == Backing::vram) {
        if (page + BRGPU_PAGE_BYTES > vram_.bytes())
            return make_fault(vm, va, access, 0, BRGPU_FAULT_ENTRY);
        if (faults_.armed() && faults_.poisoned(page, access))
            return make_fault(vm, va, access, 0, BRGPU_FAULT_POISON);
        result.kind = Translation::Kind::pointer;
        result.pointer = vram_.data() + address;
        result.bytes = std::min(left, vram_.bytes() - address);
        return result;
    }
    if (address >= dma_end)
        return make_fault(vm, va, access, 0, BRGPU_FAULT_ENTRY);
    result.bus = address;
    result.system = true;
    result.bytes = std::min(left, dma_end - address);
    bool write = (access & (BRGPU_ACCESS_WRITE | BRGPU_ACCESS_ATOMIC)) != 0;
    // From the page's start, so that the whole page can be kept in the worker's TLB.
    uint64_t in_page = address - page;
    HostPort::Mapping mapping = host_.cached(page, write);
    if (mapping.bytes <= in_page) {
        if (may == May::not_block)
            return make_kind(Translation::Kind::ask);
        mapping = host_.map(worker, page, write);
    }
    if (mapping.bytes > in_page)
        mapping = {mapping.pointer + in_page, mapping.bytes - in_page};
    else
        mapping = host_.map(worker, address, write);
    if (!host_.current(worker))
        return make_kind(Translation::Kind::gone);
    if (!mapping.pointer) {
        result.kind = Translation::Kind::bus;
        result.bytes =
            std::min<uint64_t>(result.bytes, BRGPU_PAGE_BYTES - (address & (BRGPU_PAGE_BYTES - 1)));
        return result;
    }
    result.kind = Translation::Kind::pointer;
    result.pointer = mapping.pointer;
    result.bytes = std::min(result.bytes, mapping.bytes);
    return result;
}

Translation Mmu::translate(Worker &worker, uint16_t vm, uint64_t va, uint8_t access, May may) {
    if (va >= va_end || vm >= vms_)
        return make_fault(vm, va, access, 0, BRGPU_FAULT_ADDRESS);
    bool write = (access & (BRGPU_ACCESS_WRITE | BRGPU_ACCESS_ATOMIC)) != 0;
    bool armed = faults_.armed();
    if (!armed) {
        const LocalTlb::Entry *known = worker.tlb.find(vm, va);
        if (known && (known->rights & access) == access && (!write || known->writable)) {
            Translation result;
            uint64_t offset = va & (BRGPU_PAGE_BYTES - 1);
            result.rights = known->rights;
            result.system = known->backing == Backing::system;
            result.bytes = known->extent - offset;
            result.pointer = known->pointer ? known->pointer + offset : nullptr;
            result.kind = known->backing == Backing::null ? Translation::Kind::null
                                                          : Translation::Kind::pointer;
            return result;
        }
    }

    for (;;) {
        uint64_t before = worker.interruptions;
        if (!host_.current(worker))
            return make_kind(Translation::Kind::gone);
        Walk state = find(worker, vm, va, access, may);
        if (state.kind == Translation::Kind::ask || state.kind == Translation::Kind::gone)
            return make_kind(state.kind);
        // What was found while an invalidation completed is not to be used.
        if (worker.interruptions != before)
            continue;
        if (state.kind == Translation::Kind::fault)
            return make_fault(vm, va, access, state.level, state.reason);
        if ((state.entry.rights & access) != access)
            return make_fault(vm, va, access, state.level, BRGPU_FAULT_RIGHTS);
        if (armed && vm != 0 && faults_.take_page_fault(vm, va))
            return make_fault(vm, va, access, 0, BRGPU_FAULT_NOT_MAPPED);
        Translation result = resolve(worker, vm, va, access, may, state.entry);
        if (worker.interruptions != before)
            continue;
        uint64_t offset = va & (BRGPU_PAGE_BYTES - 1);
        if (armed) // the next page has to be asked for as well
            result.bytes = std::min<uint64_t>(result.bytes, BRGPU_PAGE_BYTES - offset);
        bool cacheable =
            result.kind == Translation::Kind::pointer || result.kind == Translation::Kind::null;
        if (cacheable && !armed && result.bytes + offset >= BRGPU_PAGE_BYTES) {
            LocalTlb::Entry entry;
            entry.pointer = result.pointer ? result.pointer - offset : nullptr;
            entry.extent = result.bytes + offset;
            entry.rights = result.rights;
            entry.backing = state.entry.backing;
            entry.writable = write || state.entry.backing != Backing::system;
            // A piece that the host mapped from the middle of a page has nothing before it.
            bool whole = state.entry.backing != Backing::system ||
                         host_.cached(result.bus - offset, write).pointer == entry.pointer;
            if (whole)
                worker.tlb.insert(vm, va, entry);
        }
        return result;
    }
}

Access Mmu::read(Worker &worker, uint16_t vm, uint64_t va, void *buffer, uint64_t bytes,
                 Fault &fault) {
    auto *out = static_cast<std::byte *>(buffer);
    while (bytes) {
        Translation page = translate(worker, vm, va, BRGPU_ACCESS_READ);
        uint64_t part = std::min(bytes, page.bytes);
        switch (page.kind) {
        case Translation::Kind::pointer:
            std::memcpy(out, page.pointer, part);
            break;
        case Translation::Kind::null:
            std::memset(out, 0, part);
            break;
        case Translation::Kind::bus:
            if (!host_.read(worker, page.bus, out, part)) {
                if (!host_.current(worker))
                    return Access::gone;
                fault = make_fault(vm, va, BRGPU_ACCESS_READ, 0, BRGPU_FAULT_BUS).fault;
                return Access::fault;
            }
            break;
        case Translation::Kind::fault:
            fault = page.fault;
            return Access::fault;
        default:
            return Access::gone;
        }
        out += part;
        va += part;
        bytes -= part;
    }
    return Access::ok;
}

Access Mmu::write(Worker &worker, uint16_t vm, uint64_t va, const void *buffer, uint64_t bytes,
                  Fault &fault) {
    const auto *in = static_cast<const std::byte *>(buffer);
    while (bytes) {
        Translation page = translate(worker, vm, va, BRGPU_ACCESS_WRITE);
        uint64_t part = std::min(bytes, page.bytes);
        switch (page.kind) {
        case Translation::Kind::pointer:
            std::memcpy(page.pointer, in, part);
            break;
        case Translation::Kind::null:
            break;
        case Translation::Kind::bus:
            if (!host_.write(worker, page.bus, in, part)) {
                if (!host_.current(worker))
                    return Access::gone;
                fault = make_fault(vm, va, BRGPU_ACCESS_WRITE, 0, BRGPU_FAULT_BUS).fault;
                return Access::fault;
            }
            break;
        case Translation::Kind::fault:
            fault = page.fault;
            return Access::fault;
        default:
            return Access::gone;
        }
        in += part;
        va += part;
        bytes -= part;
    }
    return Access::ok;
}

Access Mmu::load64(Worker &worker, uint16_t vm, uint64_t va, uint64_t &value, Fault &fault) {
    Translation page = translate(worker, vm, va, BRGPU_ACCESS_READ);
    if (page.kind == Translation::Kind::pointer && page.bytes >= sizeof(value)) {
        value = __atomic_load_n(reinterpret_cast<uint64_t *>(page.pointer), __ATOMIC_ACQUIRE);
        return Access::ok;
    }
    if (page.kind == Translation::Kind::fault) {
        fault = page.fault;
        return Access::fault;
    }
    return read(worker, vm, va, &value, sizeof(value), fault);
}

Access Mmu::store64(Worker &worker, uint16_t vm, uint64_t va, uint64_t value, Fault &fault) {
    Translation page = translate(worker, vm, va, BRGPU_ACCESS_WRITE);
    if (page.kind == Translation::Kind::pointer && page.bytes >= sizeof(value)) {
        __atomic_store_n(reinterpret_cast<uint64_t *>(page.pointer), value, __ATOMIC_RELEASE);
        return Access::ok;
    }
    if (page.kind == Translation::Kind::fault) {
        fault = page.fault;
        return Access::fault;
    }
    return write(worker, vm, va, &value, sizeof(value), fault);
}

Access Mmu::add64(Worker &worker, uint16_t vm, uint64_t va, uint64_t value, Fault &fault) {
    Translation page = translate(worker, vm, va, BRGPU_ACCESS_READ | BRGPU_ACCESS_WRITE);
    if (page.kind == Translation::Kind::pointer && page.bytes >= sizeof(value)) {
        __atomic_fetch_add(reinterpret_cast<uint64_t *>(page.pointer), value, __ATOMIC_ACQ_REL);
        return Access::ok;
    }
    if (page.kind == Translation::Kind::fault) {
        fault = page.fault;
        return Access::fault;
    }
    uint64_t old = 0;
    Access result = read(worker, vm, va, &old, sizeof(old), fault);
    if (result != Access::ok)
        return result;
    old += value;
    return write(worker, vm, va, &old, sizeof(old), fault);
}

} // namespace brgpu::model
