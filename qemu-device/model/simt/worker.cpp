// SPDX-License-Identifier: MIT
//
// Caches of a worker thread: translations and decoded instructions.
#include <algorithm>
#include <cstring>
#include <new>

#include "context.hpp"
#include "jit.hpp"

namespace brgpu::simt {
namespace {

std::atomic<uint64_t> next_memory_id{1};

} // namespace

Memory::Memory() noexcept : id_(next_memory_id.fetch_add(1)) {}

Worker::Worker() : impl_(std::make_unique<Impl>()) {}
Worker::~Worker() = default;

Worker::Impl::~Impl() = default;

jit::Runner *Worker::Impl::ready_runner() noexcept {
    if (!runner)
        runner.reset(new (std::nothrow) jit::Runner);
    return runner.get();
}

Worker::Impl::Impl() {
    if (!operand_a.resize(staging_bytes) || !operand_b.resize(staging_bytes))
        throw std::bad_alloc();
}

bool Worker::may_use(const Memory &memory, uint64_t epoch) const noexcept {
    return impl_->active_memory.load() == memory.id() && impl_->observed_epoch.load() < epoch;
}

// The order matters: whoever bumps the epoch and then finds active_memory unset knows that this
// worker reads the new epoch when it enters.
void Worker::Impl::enter(const Memory &memory) noexcept {
    observed_epoch.store(0);
    active_memory.store(memory.id());
    observe(memory);
}

void Worker::Impl::leave() noexcept {
    active_memory.store(0);
}

void Worker::Impl::observe(const Memory &memory) noexcept {
    const uint64_t epoch = memory.epoch();
    if (tlb_memory != memory.id() || tlb_epoch != epoch) {
        tlb.fill(TlbEntry{});
        tlb_memory = memory.id();
        tlb_epoch = epoch;
    }
    if (observed_epoch.load(std::memory_order_relaxed) != epoch)
        observed_epoch.store(epoch);
}

std::byte *Context::translate_miss(uint64_t va, uint8_t rights) noexcept {
    const uint64_t page_va = va & ~(page_bytes - 1);
    const PageMapping mapping = memory->map_page(page_va, rights);
    if (!mapping.host) {
        note_fault(FaultCode::memory, va, rights, mapping.fault);
        return nullptr;
    }
    if ((mapping.rights & rights) != rights) {
        note_fault(FaultCode::memory, va, rights, memory->rights_fault(page_va, rights));
        return nullptr;
    }
    TlbEntry &entry = worker->slot(va);
    entry = {page_va, mapping.host, mapping.host_write ? mapping.host_write : mapping.host,
             static_cast<uint32_t>(std::min<uint64_t>(mapping.bytes / page_bytes, UINT32_MAX)),
             mapping.rights};
    return entry.host_for(rights);
}

bool Context::forgets(uint64_t va, const std::byte *&host) const noexcept {
    if (va >= global_limit)
        return false;
    const TlbEntry &entry = worker->slot(va);
    host = entry.host + va % page_bytes;
    return entry.host != entry.host_write;
}

bool Context::fetch_page(uint64_t pc) noexcept {
    const uint64_t va = pc & ~(page_bytes - 1);
    if (pc >= global_limit) {
        note_fault(FaultCode::address, pc, right_execute, 0);
        return false;
    }
    // Cached translations are as old as the epoch that this worker has observed, so entries are
    // compared with that, not with a newer one.
    const uint64_t epoch = worker->tlb_epoch;
    const uint64_t code_epoch = memory->code_epoch();
    auto &slot = worker->code[page_slot(va, Worker::Impl::code_bits)];
    if (slot && slot->va == va && slot->memory_id == memory->id() &&
        slot->code_epoch == code_epoch && slot->epoch == epoch) [[likely]] {
        page = slot.get();
        return true;
    }
    const std::byte *host = translate(pc, right_execute);
    if (!host)
        return false;
    if (!slot)
        slot.reset(new (std::nothrow) CodePage);
    if (!slot) {
        note_fault(FaultCode::memory, pc, right_execute, 0);
        return false;
    }
    CodePage &entry = *slot;
    bool same = entry.va == va && entry.memory_id == memory->id() &&
                entry.code_epoch == code_epoch && entry.host == host;
    if (same && entry.next_host) {
        const Fault before = fault;
        same = va + page_bytes < global_limit &&
               translate(va + page_bytes, right_execute) == entry.next_host;
        fault = before;
    }
    if (!same) {
        entry.insns.fill(Insn{});
        entry.insns[page_halves].op = Op::page_end;
        entry.insns[page_halves + 1].op = Op::page_end;
        entry.va = va;
        entry.memory_id = memory->id();
        entry.code_epoch = code_epoch;
        entry.host = host;
        entry.next_host = nullptr;
    }
    entry.epoch = epoch;
    page = &entry;
    return true;
}

bool Context::decode_at(Insn *insn) noexcept {
    const auto at = static_cast<uint64_t>(insn - page->insns.data()) * 2;
    uint16_t low, high = 0;
    std::memcpy(&low, page->host + at, 2);
    if ((low & 3) == 3) {
        if (at + 4 <= page_bytes) {
            std::memcpy(&high, page->host + at + 2, 2);
        } else {
            const uint64_t next = page->va + page_bytes;
            if (next >= global_limit) {
                note_fault(FaultCode::address, next, right_execute, 0);
                return false;
            }
            const std::byte *host = translate(next, right_execute);
            if (!host)
                return false;
            std::memcpy(&high, host, 2);
            page->next_host = host;
        }
    }
    *insn = decode(low | (static_cast<uint32_t>(high) << 16));
    return true;
}

} // namespace brgpu::simt
