// SPDX-License-Identifier: MIT
#include "model_vm.hpp"

#include <cerrno>
#include <utility>

#include "brgpu/hw/regs.h"
#include "brgpu_core_fault.h"

namespace brgpu::umd::model {

namespace {
constexpr size_t faults_kept = 64;
}

const brgpu_core_pt_ops Vm::ops = {Vm::take, Vm::retire, nullptr};

std::unique_ptr<Vm> Vm::create(Card &card, uint32_t hw_id, uint32_t flags, int *error) {
    std::unique_ptr<Vm> vm(new Vm(card, hw_id, flags));
    vm->root_ = vm->new_table(BRGPU_PT_LEVELS - 1);
    if (!vm->root_) {
        *error = ENOSPC;
        return nullptr;
    }
    brgpu_core_pt_init(&vm->pt_, &vm->root_->core, &ops, card.ident().page_sizes);
    card.write64(BRGPU_REG_VM_CONTEXT(uint64_t{hw_id}) + BRGPU_VM_ROOT,
                 brgpu_core_pt_directory(&vm->root_->core));
    card.write32(BRGPU_REG_VM_CONTEXT(uint64_t{hw_id}) + BRGPU_VM_CTRL,
                 flags & DRM_BRGPU_VM_FAULT_RETRY ? BRGPU_VM_CTRL_RETRY : 0);
    return vm;
}

Vm::~Vm() {
    for (Bind &bind : binds_) {
        signal_all(bind.signals, -ECANCELED);
        signal_all({bind.done}, -ECANCELED);
    }
    if (root_) {
        card_.write64(BRGPU_REG_VM_CONTEXT(uint64_t{hw_id_}) + BRGPU_VM_ROOT, 0);
        card_.invalidate_tlb(hw_id_, 0, uint64_t{1} << BRGPU_VA_BITS);
        brgpu_core_pt_clear(&pt_, this);
        free_table(root_);
    }
    for (Table *table : retired_)
        free_table(table);
    for (auto &list : spare_)
        for (Table *table : list)
            free_table(table);
}

Vm::Table *Vm::new_table(unsigned level) {
    const auto address = card_.allocate_vram(BRGPU_PT_BYTES, BRGPU_PT_BYTES);
    if (!address)
        return nullptr;
    auto *table = new Table;
    table->core.entries = reinterpret_cast<uint64_t *>(card_.vram(*address));
    table->core.address = *address;
    table->core.aperture = BRGPU_PTE_VRAM;
    table->core.level = level;
    if (level) {
        table->children.resize(BRGPU_PT_ENTRIES);
        table->core.children = table->children.data();
    }
    return table;
}

void Vm::free_table(Table *table) {
    card_.free_vram(table->core.address);
    delete table;
}

brgpu_core_pt_table *Vm::take(void *ctx, unsigned level) {
    auto &spare = static_cast<Vm *>(ctx)->spare_[level];
    if (spare.empty())
        return nullptr;
    Table *table = spare.back();
    spare.pop_back();
    return &table->core;
}

void Vm::retire(void *ctx, brgpu_core_pt_table *table) {
    // The core structure is the first member.
    static_cast<Vm *>(ctx)->retired_.push_back(reinterpret_cast<Table *>(table));
}

int Vm::reserve(const brgpu_core_pt_tables &counts) {
    for (unsigned level = 0; level < BRGPU_PT_LEVELS - 1; ++level)
        while (spare_[level].size() < counts.count[level]) {
            Table *table = new_table(level);
            if (!table)
                return -ENOSPC;
            spare_[level].push_back(table);
        }
    return 0;
}

// Maps (map not null) or unmaps a range in the page tables.
int Vm::change(uint64_t va, uint64_t bytes, const Op *map) {
    const bool null = map && map->args.flags & DRM_BRGPU_BIND_NULL;
    brgpu_core_pt_tables counts = {};
    if (map)
        brgpu_core_pt_tables_for_map(&pt_, va, bytes, null, &counts);
    else
        brgpu_core_pt_tables_for_unmap(va, bytes, &counts);
    int error = reserve(counts);
    if (error)
        return error;
    if (!map)
        return brgpu_core_pt_unmap(&pt_, this, va, bytes, &update_);
    const Bo *bo = map->bo.get();
    return brgpu_core_pt_map(&pt_, this, va, bytes, bo ? bo->address() + map->args.bo_offset : 0,
                             brgpu_core_pt_rights(map->args.flags, bo && !bo->in_vram()), &update_);
}

int Vm::apply(const Op &op) {
    const drm_brgpu_bind_op &a = op.args;
    // What is cut out stays alive until the TLB has let go of it.
    const auto keep = [this](uint64_t va, uint64_t size) {
        mappings_.find_if([&](const BasicMapping<Bo> &m) {
            if (m.memory && m.address < va + size && va < m.address + m.size)
                unmapped_.push_back(m.memory);
            return false;
        });
    };
    if (a.op == DRM_BRGPU_BIND_UNMAP_BO) {
        while (auto found = mappings_.find_if(
                   [&](const BasicMapping<Bo> &m) { return m.memory == op.bo; })) {
            int error = change(found->address, found->size, nullptr);
            if (error)
                return error;
            unmapped_.push_back(op.bo);
            mappings_.erase(found->address, found->size);
        }
        return 0;
    }
    const bool maps = a.op == DRM_BRGPU_BIND_MAP;
    int error = change(a.va, a.size, maps ? &op : nullptr);
    if (error)
        return error;
    keep(a.va, a.size);
    if (maps)
        mappings_.insert({a.va, a.size, op.bo, a.bo_offset, a.flags});
    else
        mappings_.erase(a.va, a.size);
    return 0;
}

int Vm::flush() {
    int error = 0;
    if (update_.flush && !card_.invalidate_tlb(hw_id_, update_.start, update_.end))
        error = -EIO;
    update_ = {};
    for (Table *table : std::exchange(retired_, {}))
        free_table(table);
    unmapped_.clear();
    return error;
}

void Vm::enqueue(Bind bind) {
    binds_.push_back(std::move(bind));
}

bool Vm::pump() {
    bool any = false;
    while (!binds_.empty() && all_signalled(binds_.front().waits)) {
        Bind bind = std::move(binds_.front());
        binds_.pop_front();
        int error = 0;
        for (const Op &op : bind.ops)
            if (!error)
                error = apply(op);
        const int flush_error = flush();
        error = error ? error : flush_error;
        signal_all(bind.signals, error);
        signal_all({bind.done}, error);
        any = true;
    }
    return any;
}

Vm::Bound Vm::bound(uint64_t address, uint32_t access) const {
    const uint32_t needed = brgpu_core_fault_needs(access);
    if (const auto mapping = mappings_.find(address); mapping && !(needed & ~mapping->access))
        return Bound::yes;
    for (const Bind &bind : binds_)
        for (const Op &op : bind.ops)
            if (op.args.op == DRM_BRGPU_BIND_MAP && address - op.args.va < op.args.size &&
                !(needed & ~op.args.flags))
                return Bound::later;
    return Bound::no;
}

void Vm::note_fault(const drm_brgpu_fault &fault) {
    faults_.push_back(fault);
    if (faults_.size() > faults_kept)
        faults_.pop_front();
    ++fault_count_;
}

} // namespace brgpu::umd::model
