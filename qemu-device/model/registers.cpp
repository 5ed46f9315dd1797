// SPDX-License-Identifier: MIT
#include "registers.hpp"

#include "brgpu/hw/isa.h"
#include "brgpu/hw/regs.h"
#include "card.hpp"

namespace brgpu::model {

using enum RegisterAccess;

// Access of the rows to the card's parts.
struct RegisterFile::Rows {
    static const RegisterRow identity[];
    static const RegisterRow control[];
    static const RegisterRow events[];
    static const RegisterRow event_pending[];
    static const RegisterRow tlb[];
    static const RegisterRow time[];
    static const RegisterRow counters[];
    static const RegisterRow queue[];
    static const RegisterRow vm[];

    static void nothing(Card &, uint32_t, uint64_t, uint64_t) {}

    template <auto Value>
    static uint64_t constant(Card &, uint32_t) {
        return Value;
    }
    template <auto Member>
    static uint64_t product(Card &card, uint32_t) {
        return card.product_.*Member;
    }
    template <auto Member>
    static uint64_t counter(Card &card, uint32_t) {
        std::lock_guard lock(card.counters_mutex_);
        return card.latched_.*Member;
    }
    template <auto Member>
    static uint64_t queue_value(Card &card, uint32_t slot) {
        return (card.scheduler_.queue(slot16(slot)).get()->*Member).load();
    }
    template <uint32_t Offset>
    static uint64_t event(Card &card, uint32_t cls) {
        return card.events_.read(cls, Offset);
    }
    template <uint32_t Offset>
    static void set_event(Card &card, uint32_t cls, uint64_t value, uint64_t) {
        card.events_.write(cls, Offset, static_cast<uint32_t>(value));
    }
    static uint16_t slot16(uint32_t slot) { return static_cast<uint16_t>(slot); }
    static uint64_t merge(uint64_t old, uint64_t value, uint64_t mask) {
        return (old & ~mask) | (value & mask);
    }
};

namespace {

constexpr uint64_t page_sizes =
    uint64_t{1} << 12 | uint64_t{1} << 16 | uint64_t{1} << 21 | uint64_t{1} << 30;
constexpr uint64_t features = BRGPU_FEATURE_COMPUTE | BRGPU_FEATURE_COPY | BRGPU_FEATURE_TENSOR |
                              BRGPU_FEATURE_FP64 | BRGPU_FEATURE_USER_QUEUES |
                              BRGPU_FEATURE_FAULT_RETRY | BRGPU_FEATURE_SAVE_AREA |
                              BRGPU_FEATURE_ECC | BRGPU_FEATURE_REPORT;
constexpr uint64_t nanoseconds = 1'000'000'000;
constexpr uint32_t virtual_functions = 0;

} // namespace

using Rows = RegisterFile::Rows;

const RegisterRow Rows::identity[] = {
    {BRGPU_REG_MAGIC, 32, ro, "MAGIC", constant<BRGPU_MAGIC>, nothing},
    {BRGPU_REG_CONTRACT, 32, ro, "CONTRACT",
     constant<BRGPU_CONTRACT_MAJOR << 16 | BRGPU_CONTRACT_MINOR>, nothing},
    {BRGPU_REG_PRODUCT, 32, ro, "PRODUCT", product<&Product::pci_device>, nothing},
    {BRGPU_REG_REVISION, 32, ro, "REVISION", product<&Product::revision>, nothing},
    {BRGPU_REG_SERIAL, 64, ro, "SERIAL", [](Card &card, uint32_t) { return card.options_.serial; },
     nothing},
    {BRGPU_REG_FEATURES, 64, ro, "FEATURES", constant<features>, nothing},
    {BRGPU_REG_VRAM_BYTES, 64, ro, "VRAM_BYTES",
     [](Card &card, uint32_t) { return card.options_.vram_bytes; }, nothing},
    {BRGPU_REG_APERTURE_BYTES, 64, ro, "APERTURE_BYTES",
     [](Card &card, uint32_t) {
         return std::min(card.options_.aperture_bytes, card.options_.vram_bytes);
     },
     nothing},
    {BRGPU_REG_DIES, 32, ro, "DIES", product<&Product::dies>, nothing},
    {BRGPU_REG_SPCS, 32, ro, "SPCS", product<&Product::spcs>, nothing},
    {BRGPU_REG_CUS, 32, ro, "CUS", product<&Product::cus>, nothing},
    {BRGPU_REG_EUS, 32, ro, "EUS", product<&Product::eus>, nothing},
    {BRGPU_REG_QUEUES, 32, ro, "QUEUES", product<&Product::queues>, nothing},
    {BRGPU_REG_VMS, 32, ro, "VMS", product<&Product::vms>, nothing},
    {BRGPU_REG_VA_BITS, 32, ro, "VA_BITS", constant<BRGPU_VA_BITS>, nothing},
    {BRGPU_REG_DMA_BITS, 32, ro, "DMA_BITS", constant<BRGPU_DMA_BITS>, nothing},
    {BRGPU_REG_PAGE_SIZES, 64, ro, "PAGE_SIZES", constant<page_sizes>, nothing},
    {BRGPU_REG_VECTORS, 32, ro, "VECTORS", constant<BRGPU_MAX_VECTORS>, nothing},
    {BRGPU_REG_DOORBELL_PAGES, 32, ro, "DOORBELL_PAGES", product<&Product::doorbell_pages>,
     nothing},
    {BRGPU_REG_LOCAL_BYTES, 32, ro, "LOCAL_BYTES", constant<BRGPU_MAX_LOCAL_BYTES>, nothing},
    {BRGPU_REG_TENSOR_BYTES, 32, ro, "TENSOR_BYTES", constant<BRGPU_TENSOR_BYTES>, nothing},
    {BRGPU_REG_MAX_WORKGROUP, 32, ro, "MAX_WORKGROUP", constant<BRGPU_MAX_WORKGROUP>, nothing},
    {BRGPU_REG_RESIDENT_GROUPS, 32, ro, "RESIDENT_GROUPS", product<&Product::resident_groups>,
     nothing},
    {BRGPU_REG_ISA, 32, ro, "ISA", constant<BRGPU_ISA_MAJOR << 16 | BRGPU_ISA_MINOR>, nothing},
    {BRGPU_REG_PREEMPT_MS, 32, ro, "PREEMPT_MS", product<&Product::preempt_ms>, nothing},
    {BRGPU_REG_LINKS, 32, ro, "LINKS", product<&Product::links>, nothing},
    {BRGPU_REG_VFS, 32, ro, "VFS", constant<virtual_functions>, nothing},
    {BRGPU_REG_TIMESTAMP_HZ, 64, ro, "TIMESTAMP_HZ", constant<nanoseconds>, nothing},
    {BRGPU_REG_VRAM_BYTES_DIE, 64, ro, "VRAM_BYTES_DIE",
     [](Card &card, uint32_t) { return card.options_.vram_bytes / card.product_.dies; }, nothing},
    {BRGPU_REG_VF_INDEX, 32, ro, "VF_INDEX", constant<0u>, nothing},
};

const RegisterRow Rows::control[] = {
    {BRGPU_REG_STATUS, 32, ro, "STATUS",
     [](Card &card, uint32_t) { return uint64_t{card.status()}; }, nothing},
    {BRGPU_REG_RESET, 32, wo, "RESET", constant<0u>,
     [](Card &card, uint32_t, uint64_t value, uint64_t) {
         card.command_reset(static_cast<uint32_t>(value));
     }},
    {BRGPU_REG_GENERATION, 32, ro, "GENERATION",
     [](Card &card, uint32_t) { return uint64_t{card.generation_.load()}; }, nothing},
    {BRGPU_REG_BAD_ACCESS, 32, ro, "BAD_ACCESS",
     [](Card &card, uint32_t) { return uint64_t{card.registers_.bad_accesses()}; }, nothing},
    {BRGPU_REG_SCRATCH, 64, rw, "SCRATCH",
     [](Card &card, uint32_t) { return card.scratch_.load(); },
     [](Card &card, uint32_t, uint64_t value, uint64_t mask) {
         card.scratch_.store(merge(card.scratch_.load(), value, mask));
     }},
};

const RegisterRow Rows::events[] = {
    {BRGPU_EVENT_BASE, 64, rw, "EVENT_BASE",
     [](Card &card, uint32_t cls) {
         return uint64_t{card.events_.read(cls, BRGPU_EVENT_BASE + 4)} << 32 |
                card.events_.read(cls, BRGPU_EVENT_BASE);
     },
     [](Card &card, uint32_t cls, uint64_t value, uint64_t mask) {
         if (mask & 0xffffffff)
             card.events_.write(cls, BRGPU_EVENT_BASE, static_cast<uint32_t>(value));
         if (mask >> 32)
             card.events_.write(cls, BRGPU_EVENT_BASE + 4, static_cast<uint32_t>(value >> 32));
     }},
    {BRGPU_EVENT_SIZE, 32, rw, "EVENT_SIZE", event<BRGPU_EVENT_SIZE>, set_event<BRGPU_EVENT_SIZE>},
    {BRGPU_EVENT_VECTOR, 32, rw, "EVENT_VECTOR", event<BRGPU_EVENT_VECTOR>,
     set_event<BRGPU_EVENT_VECTOR>},
    {BRGPU_EVENT_CONSUMER, 32, rw, "EVENT_CONSUMER", event<BRGPU_EVENT_CONSUMER>,
     set_event<BRGPU_EVENT_CONSUMER>},
    {BRGPU_EVENT_PRODUCER, 32, ro, "EVENT_PRODUCER", event<BRGPU_EVENT_PRODUCER>, nothing},
    {BRGPU_EVENT_STATUS, 32, w1c, "EVENT_STATUS", event<BRGPU_EVENT_STATUS>,
     set_event<BRGPU_EVENT_STATUS>},
    {BRGPU_EVENT_LOST, 32, ro, "EVENT_LOST", event<BRGPU_EVENT_LOST>, nothing},
    {BRGPU_EVENT_ENABLE, 32, rw, "EVENT_ENABLE", event<BRGPU_EVENT_ENABLE>,
     set_event<BRGPU_EVENT_ENABLE>},
};

const RegisterRow Rows::event_pending[] = {
    {0, 32, ro, "EVENT_PENDING",
     [](Card &card, uint32_t) { return uint64_t{card.events_.pending_classes()}; }, nothing},
};

const RegisterRow Rows::tlb[] = {
    {BRGPU_REG_TLB_ADDRESS, 64, rw, "TLB_ADDRESS",
     [](Card &card, uint32_t) { return card.invalidation_.address(); },
     [](Card &card, uint32_t, uint64_t value, uint64_t mask) {
         card.invalidation_.set_address(value, mask);
     }},
    {BRGPU_REG_TLB_LENGTH, 64, rw, "TLB_LENGTH",
     [](Card &card, uint32_t) { return card.invalidation_.length(); },
     [](Card &card, uint32_t, uint64_t value, uint64_t mask) {
         card.invalidation_.set_length(value, mask);
     }},
    {BRGPU_REG_TLB_COMMAND, 32, wo, "TLB_COMMAND", constant<0u>,
     [](Card &card, uint32_t, uint64_t value, uint64_t) {
         card.invalidation_.command(static_cast<uint32_t>(value));
     }},
    {BRGPU_REG_TLB_ISSUED, 32, ro, "TLB_ISSUED",
     [](Card &card, uint32_t) { return uint64_t{card.invalidation_.issued()}; }, nothing},
    {BRGPU_REG_TLB_COMPLETED, 32, ro, "TLB_COMPLETED",
     [](Card &card, uint32_t) { return uint64_t{card.invalidation_.completed()}; }, nothing},
};

const RegisterRow Rows::time[] = {
    {BRGPU_REG_TIMESTAMP, 64, ro, "TIMESTAMP",
     [](Card &card, uint32_t) { return card.dma_.timestamp(); }, nothing},
};

const RegisterRow Rows::counters[] = {
    {BRGPU_REG_COUNTER_LATCH, 32, wo, "COUNTER_LATCH", constant<0u>,
     [](Card &card, uint32_t, uint64_t, uint64_t) { card.latch_counters(); }},
    {BRGPU_REG_COUNTER_TIME, 64, ro, "COUNTER_TIME", counter<&CounterSet::time>, nothing},
    {BRGPU_REG_COUNTER_COMPUTE_NS, 64, ro, "COUNTER_COMPUTE_NS", counter<&CounterSet::compute_ns>,
     nothing},
    {BRGPU_REG_COUNTER_COPY_NS, 64, ro, "COUNTER_COPY_NS", counter<&CounterSet::copy_ns>, nothing},
    {BRGPU_REG_COUNTER_WORKER_NS, 64, ro, "COUNTER_WORKER_NS", counter<&CounterSet::worker_ns>,
     nothing},
    {BRGPU_REG_COUNTER_INSTRUCTIONS, 64, ro, "COUNTER_INSTRUCTIONS",
     counter<&CounterSet::instructions>, nothing},
    {BRGPU_REG_COUNTER_WORKGROUPS, 64, ro, "COUNTER_WORKGROUPS", counter<&CounterSet::workgroups>,
     nothing},
    {BRGPU_REG_COUNTER_DISPATCHES, 64, ro, "COUNTER_DISPATCHES", counter<&CounterSet::dispatches>,
     nothing},
    {BRGPU_REG_COUNTER_COPY_BYTES, 64, ro, "COUNTER_COPY_BYTES", counter<&CounterSet::copy_bytes>,
     nothing},
    {BRGPU_REG_COUNTER_TLB_MISSES, 64, ro, "COUNTER_TLB_MISSES", counter<&CounterSet::tlb_misses>,
     nothing},
    {BRGPU_REG_COUNTER_FAULTS, 64, ro, "COUNTER_FAULTS", counter<&CounterSet::faults>, nothing},
    {BRGPU_REG_COUNTER_INTERRUPTS, 64, ro, "COUNTER_INTERRUPTS", counter<&CounterSet::interrupts>,
     nothing},
    {BRGPU_REG_ECC_CORRECTED, 64, ro, "ECC_CORRECTED",
     [](Card &card, uint32_t) { return card.ecc_corrected_.load(); }, nothing},
    {BRGPU_REG_ECC_UNCORRECTED, 64, ro, "ECC_UNCORRECTED",
     [](Card &card, uint32_t) { return card.ecc_uncorrected_.load(); }, nothing},
};

const RegisterRow Rows::queue[] = {
    {BRGPU_QUEUE_DESC, 64, rw, "QUEUE_DESC",
     [](Card &card, uint32_t slot) { return card.processor_.desc(slot16(slot)).load(); },
     [](Card &card, uint32_t slot, uint64_t value, uint64_t mask) {
         auto &desc = card.processor_.desc(slot16(slot));
         desc.store(merge(desc.load(), value, mask));
     }},
    {BRGPU_QUEUE_COMMAND, 32, wo, "QUEUE_COMMAND", constant<0u>,
     [](Card &card, uint32_t slot, uint64_t value, uint64_t) {
         if (value == BRGPU_QUEUE_CMD_KILL && take_one(card.faults_.ignored_kills))
             card.scheduler_.ignore_command(slot16(slot));
         else if (value >= BRGPU_QUEUE_CMD_MAP && value <= BRGPU_QUEUE_CMD_RESUME)
             card.scheduler_.command(slot16(slot), static_cast<uint32_t>(value));
     }},
    {BRGPU_QUEUE_STATUS, 32, ro, "QUEUE_STATUS",
     [](Card &card, uint32_t slot) { return uint64_t{card.scheduler_.status(slot16(slot))}; },
     nothing},
    {BRGPU_QUEUE_READ_INDEX, 64, ro, "QUEUE_READ_INDEX", queue_value<&Queue::read_index>, nothing},
    {BRGPU_QUEUE_WRITE_INDEX, 64, ro, "QUEUE_WRITE_INDEX", queue_value<&Queue::write_index>,
     nothing},
    {BRGPU_QUEUE_ERROR, 32, ro, "QUEUE_ERROR", queue_value<&Queue::error>, nothing},
    {BRGPU_QUEUE_FAULT_INFO, 32, ro, "QUEUE_FAULT_INFO", queue_value<&Queue::fault_info>, nothing},
    {BRGPU_QUEUE_FAULT_ADDRESS, 64, ro, "QUEUE_FAULT_ADDRESS", queue_value<&Queue::fault_address>,
     nothing},
    {BRGPU_QUEUE_FAULT_PC, 64, ro, "QUEUE_FAULT_PC", queue_value<&Queue::fault_pc>, nothing},
    {BRGPU_QUEUE_PACKET, 64, ro, "QUEUE_PACKET", queue_value<&Queue::packet>, nothing},
    {BRGPU_QUEUE_DISPATCHES, 64, ro, "QUEUE_DISPATCHES", queue_value<&Queue::dispatches>, nothing},
    {BRGPU_QUEUE_WORKGROUPS, 64, ro, "QUEUE_WORKGROUPS", queue_value<&Queue::workgroups>, nothing},
    {BRGPU_QUEUE_BUSY_NS, 64, ro, "QUEUE_BUSY_NS", queue_value<&Queue::busy_ns>, nothing},
    {BRGPU_QUEUE_PROGRESS, 64, ro, "QUEUE_PROGRESS", queue_value<&Queue::progress>, nothing},
};

const RegisterRow Rows::vm[] = {
    {BRGPU_VM_ROOT, 64, rw, "VM_ROOT",
     [](Card &card, uint32_t vm) { return card.mmu_.root(static_cast<uint16_t>(vm)); },
     [](Card &card, uint32_t vm, uint64_t value, uint64_t mask) {
         auto id = static_cast<uint16_t>(vm);
         card.mmu_.set_root(id, merge(card.mmu_.root(id), value, mask));
     }},
    {BRGPU_VM_CTRL, 32, rw, "VM_CTRL",
     [](Card &card, uint32_t vm) { return uint64_t{card.mmu_.control(static_cast<uint16_t>(vm))}; },
     [](Card &card, uint32_t vm, uint64_t value, uint64_t) {
         card.mmu_.set_control(static_cast<uint16_t>(vm),
                               static_cast<uint32_t>(value) & BRGPU_VM_CTRL_RETRY);
     }},
    {BRGPU_VM_STATUS, 32, w1c, "VM_STATUS",
     [](Card &card, uint32_t vm) { return uint64_t{card.mmu_.status(static_cast<uint16_t>(vm))}; },
     [](Card &card, uint32_t vm, uint64_t value, uint64_t) {
         card.mmu_.clear_status(static_cast<uint16_t>(vm), static_cast<uint32_t>(value));
     }},
};

std::span<const RegisterBlock> RegisterFile::blocks() {
    static const RegisterBlock all[] = {
        {0, 0x2000, 1, Rows::identity},
        {0, 0x2000, 1, Rows::control},
        {BRGPU_REG_EVENT(0), 0x40, BRGPU_EVENT_CLASSES, Rows::events},
        {BRGPU_REG_EVENT_PENDING, 4, 1, Rows::event_pending},
        {0, 0x4000, 1, Rows::tlb},
        {0, 0x7000, 1, Rows::time},
        {0, 0x8000, 1, Rows::counters},
        {BRGPU_REG_QUEUE(0), 0x80, BRGPU_MAX_QUEUES, Rows::queue},
        {BRGPU_REG_VM_CONTEXT(0), 0x10, BRGPU_MAX_VMS, Rows::vm},
    };
    return all;
}

RegisterFile::Target RegisterFile::find(uint32_t offset) const {
    for (const RegisterBlock &block : blocks()) {
        if (offset < block.base || offset - block.base >= block.stride * block.count)
            continue;
        uint32_t index = (offset - block.base) / block.stride;
        uint32_t inside = (offset - block.base) % block.stride;
        if ((block.rows.data() == Rows::queue && index >= card_.product_.queues) ||
            (block.rows.data() == Rows::vm && index >= card_.product_.vms))
            return {};
        for (const RegisterRow &row : block.rows) {
            if (inside == row.offset)
                return {&row, index, false};
            if (row.bits == 64 && inside == row.offset + 4)
                return {&row, index, true};
        }
    }
    return {};
}

void RegisterFile::note_bad() {
    uint32_t old = bad_.load(std::memory_order_relaxed);
    while (old != UINT32_MAX && !bad_.compare_exchange_weak(old, old + 1)) {
    }
}

uint64_t RegisterFile::read_word(const Target &target) {
    if (target.row->access == wo)
        return 0;
    uint64_t value = target.row->read(card_, target.index);
    return (target.high ? value >> 32 : value) & 0xffffffff;
}

uint64_t RegisterFile::read(uint64_t offset, unsigned size) {
    bool shaped = (size == 4 || size == 8) && offset % size == 0 && offset < BRGPU_BAR0_BYTES;
    if (shaped && controller::Controller::owns(offset)) {
        if (auto value = card_.controller_.read(offset, size))
            return *value;
        shaped = false;
    }
    Target first, second;
    if (shaped) {
        first = find(static_cast<uint32_t>(offset));
        second = size == 8 ? find(static_cast<uint32_t>(offset) + 4) : first;
    }
    if (!first.row || !second.row) {
        note_bad();
        return 0;
    }
    if (size == 8 && first.row == second.row)
        return first.row->access == wo ? 0 : first.row->read(card_, first.index);
    return size == 8 ? read_word(first) | read_word(second) << 32 : read_word(first);
}

void RegisterFile::write(uint64_t offset, uint64_t value, unsigned size) {
    bool shaped = (size == 4 || size == 8) && offset % size == 0 && offset < BRGPU_BAR0_BYTES;
    if (shaped && controller::Controller::owns(offset)) {
        if (!card_.controller_.write(offset, value, size))
            note_bad();
        return;
    }
    Target first, second;
    if (shaped) {
        first = find(static_cast<uint32_t>(offset));
        second = size == 8 ? find(static_cast<uint32_t>(offset) + 4) : first;
    }
    if (!first.row || !second.row) {
        note_bad();
        return;
    }
    if (size == 8 && first.row == second.row) {
        first.row->write(card_, first.index, value, ~uint64_t{0});
        return;
    }
    auto write_word = [&](const Target &target, uint64_t word) {
        word &= 0xffffffff;
        if (target.high)
            target.row->write(card_, target.index, word << 32, uint64_t{0xffffffff} << 32);
        else
            target.row->write(card_, target.index, word, 0xffffffff);
    };
    write_word(first, value);
    if (size == 8)
        write_word(second, value >> 32);
}

} // namespace brgpu::model
