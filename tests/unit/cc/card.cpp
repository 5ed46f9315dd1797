// SPDX-License-Identifier: MIT
#include "card.hpp"

#include "../simt/jit_environment.hpp"
#include "brgpu/hw/isa.h"

#include <algorithm>
#include <ctime>
#include <elf.h>
#include <stdexcept>

namespace brgpu::cc::test {
namespace {

constexpr size_t ring_bytes = 65536;

double thread_ms() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

class Clock : public simt::Host {
  public:
    uint64_t timestamp_ns() noexcept override { return ++now_; }

  private:
    std::atomic<uint64_t> now_{0};
};

template <class T>
T read(const std::vector<uint8_t> &file, uint64_t offset) {
    T value;
    if (offset + sizeof(T) > file.size())
        throw std::runtime_error("code object is cut off");
    std::memcpy(&value, file.data() + offset, sizeof(T));
    return value;
}

} // namespace

FlatMemory::FlatMemory(size_t bytes)
    : bytes_(static_cast<std::byte *>(std::aligned_alloc(4096, bytes))), size_(bytes),
      rights_(bytes / 4096) {
    std::memset(bytes_.get(), 0, bytes);
}

simt::PageMapping FlatMemory::map_page(uint64_t page_va, uint8_t) noexcept {
    simt::PageMapping mapping;
    if (page_va < base || page_va - base >= size_ || rights_[(page_va - base) / 4096] == 0) {
        mapping.fault = 1;
        return mapping;
    }
    mapping.host = bytes_.get() + (page_va - base);
    mapping.rights = rights_[(page_va - base) / 4096];
    return mapping;
}

std::byte *FlatMemory::at(uint64_t va, size_t bytes) {
    if (va < base || va - base > size_ || size_ - (va - base) < bytes)
        throw std::runtime_error("address outside the test's memory");
    return bytes_.get() + (va - base);
}

uint64_t FlatMemory::allocate(size_t bytes, uint8_t rights, size_t align) {
    const size_t start = (used_ + align - 1) / align * align;
    const size_t end = start + (std::max<size_t>(bytes, 1) + 4095) / 4096 * 4096;
    if (end > size_)
        throw std::runtime_error("the test's memory is full");
    used_ = end + 4096; // a page that faults
    set_rights(base + start, end - start, rights);
    return base + start;
}

void FlatMemory::set_rights(uint64_t va, size_t bytes, uint8_t rights) {
    const auto first = static_cast<ptrdiff_t>((va - base) / 4096);
    const auto last = static_cast<ptrdiff_t>((va - base + bytes + 4095) / 4096);
    std::fill(rights_.begin() + first, rights_.begin() + last, rights);
}

Card::Card(const Compiled &compiled, size_t memory_bytes)
    : memory_(memory_bytes), object_(compiled.object), jit_(simt::test::jit_of_environment()) {
    uint64_t end = 0;
    for (const CodeObjectSegment &segment : object_.segments)
        end = std::max(end, segment.address + segment.memory_bytes);
    load_address_ = memory_.allocate(end, 0, 65536);
    const auto header = read<Elf64_Ehdr>(compiled.elf, 0);
    for (size_t i = 0; i < header.e_phnum; i++) {
        const auto program =
            read<Elf64_Phdr>(compiled.elf, header.e_phoff + i * sizeof(Elf64_Phdr));
        if (program.p_type != PT_LOAD)
            continue;
        std::memcpy(memory_.at(load_address_ + program.p_vaddr, program.p_memsz),
                    compiled.elf.data() + program.p_offset, program.p_filesz);
    }
    relocate(compiled);
    // Rights by segment; pages of no segment stay unmapped.
    for (const CodeObjectSegment &segment : object_.segments) {
        const uint8_t rights = static_cast<uint8_t>(
            ((segment.flags & PF_R) != 0 ? simt::right_read : 0) |
            ((segment.flags & PF_W) != 0 ? simt::right_write | simt::right_atomic : 0) |
            ((segment.flags & PF_X) != 0 ? simt::right_execute : 0));
        memory_.set_rights(load_address_ + segment.address, segment.memory_bytes, rights);
    }
    ring_ = allocate(ring_bytes);
    brgpu_printf_ring ring = {0, ring_bytes - sizeof(brgpu_printf_ring)};
    std::memcpy(memory_.at(ring_, sizeof(ring)), &ring, sizeof(ring));
}

void Card::relocate(const Compiled &compiled) {
    const auto header = read<Elf64_Ehdr>(compiled.elf, 0);
    for (size_t i = 0; i < header.e_shnum; i++) {
        const auto section =
            read<Elf64_Shdr>(compiled.elf, header.e_shoff + i * sizeof(Elf64_Shdr));
        if (section.sh_type != SHT_RELA || (section.sh_flags & SHF_ALLOC) == 0)
            continue;
        for (uint64_t at = 0; at < section.sh_size; at += sizeof(Elf64_Rela)) {
            const auto entry = read<Elf64_Rela>(compiled.elf, section.sh_offset + at);
            if (ELF64_R_TYPE(entry.r_info) != R_RISCV_RELATIVE)
                throw std::runtime_error("a relocation that the contract doesn't name");
            const uint64_t value = load_address_ + static_cast<uint64_t>(entry.r_addend);
            std::memcpy(memory_.at(load_address_ + entry.r_offset, 8), &value, 8);
        }
    }
}

uint64_t Card::allocate(size_t bytes) {
    return memory_.allocate(bytes, simt::right_read | simt::right_write | simt::right_atomic);
}

uint64_t Card::scratch(unsigned number, size_t bytes) {
    auto &[va, size] = scratch_[number];
    if (size < bytes) {
        va = allocate(bytes);
        size = bytes;
    }
    return va;
}

void Card::run(const std::string &kernel_name, const Launch &launch) {
    const CodeObjectKernel *found = nullptr;
    for (const CodeObjectKernel &candidate : object_.kernels)
        if (candidate.info.name == kernel_name)
            found = &candidate;
    if (found == nullptr)
        throw std::runtime_error("no kernel " + kernel_name);
    simt::DispatchParams params;
    params.kernel_va = load_address_ + found->descriptor_address;
    std::memcpy(&params.kernel, memory_.at(params.kernel_va, sizeof(params.kernel)),
                sizeof(params.kernel));
    const uint64_t kernarg = allocate(std::max<size_t>(found->info.kernarg_bytes, 64));
    uint32_t local_end = found->info.static_local_bytes;
    size_t next = 0;
    for (const KernelArg &info : found->info.args) {
        uint64_t address = ring_;
        const void *from = &address;
        if (info.kind != BRGPU_ARG_PRINTF) {
            if (next == arguments_.size())
                throw std::runtime_error(kernel_name + ": too few arguments");
            const Argument &argument = arguments_[next++];
            from = argument.bytes.data();
            if (info.kind == BRGPU_ARG_LOCAL) {
                local_end = (local_end + info.align - 1u) / info.align * info.align;
                address = BRGPU_LOCAL_BASE + local_end;
                local_end += argument.local_bytes;
                from = &address;
            } else if (argument.bytes.size() != info.size) {
                throw std::runtime_error(kernel_name + ": argument " + info.name + " has " +
                                         std::to_string(info.size) + " bytes");
            }
        }
        std::memcpy(memory_.at(kernarg + info.offset, info.size), from, info.size);
    }
    if (next != arguments_.size())
        throw std::runtime_error(kernel_name + ": too many arguments");
    arguments_.clear();
    params.kernarg_va = kernarg;
    params.work_dim = launch.work_dim;
    std::copy(launch.grid.begin(), launch.grid.end(), params.grid);
    std::copy(launch.workgroup.begin(), launch.workgroup.end(), params.workgroup);
    std::copy(launch.offset.begin(), launch.offset.end(), params.offset);
    params.dynamic_local_bytes = local_end - found->info.static_local_bytes;
    if (const auto error = simt::check_dispatch(params); error != simt::DispatchError::none)
        throw std::runtime_error(kernel_name + ": " + simt::to_string(error));

    Clock clock;
    simt::Dispatch dispatch(params, memory_, clock, nullptr, jit_);
    counters_ = {};
    const double begin = thread_ms();
    simt::Workgroup group;
    constexpr uint64_t budget = uint64_t{2000} << 20; // warp instructions: a runaway kernel ends
    while (const auto index = dispatch.take_workgroup()) {
        if (!group.start(dispatch, *index, 0))
            throw std::runtime_error("host memory is exhausted");
        uint64_t used = 0;
        simt::Outcome outcome;
        do {
            outcome = group.run(worker_, {budget, nullptr});
            used += outcome.counters.instructions;
            counters_.instructions += outcome.counters.instructions;
            counters_.compiled_instructions += outcome.counters.compiled_instructions;
        } while (outcome.status == simt::Status::yielded && used < budget);
        if (outcome.status == simt::Status::yielded)
            throw std::runtime_error(kernel_name + " does not end");
        if (outcome.status == simt::Status::faulted) {
            char text[200];
            std::snprintf(text, sizeof(text),
                          "%s: fault %s, pc %#llx (object + %#llx), address %#llx",
                          kernel_name.c_str(), simt::to_string(outcome.fault.code),
                          static_cast<unsigned long long>(outcome.fault.pc),
                          static_cast<unsigned long long>(outcome.fault.pc - load_address_),
                          static_cast<unsigned long long>(outcome.fault.va));
            throw std::runtime_error(text);
        }
    }
    kernel_ms += thread_ms() - begin;
}

std::string Card::string_at(uint64_t va) {
    std::string text;
    for (;; va++) {
        const char c = static_cast<char>(*memory_.at(va, 1));
        if (c == '\0')
            return text;
        text += c;
    }
}

std::vector<Card::PrintRecord> Card::printed() {
    const auto ring = download<brgpu_printf_ring>(ring_, 1).front();
    const uint64_t begin = ring_ + sizeof(brgpu_printf_ring);
    std::vector<PrintRecord> records;
    for (uint64_t at = 0; at < std::min(ring.claimed, ring.capacity);) {
        const uint32_t words = download<uint32_t>(begin + at, 1).front();
        if (words == 0)
            break;
        const auto content = download<uint64_t>(begin + at + 8, words);
        records.push_back({string_at(content[0]), {content.begin() + 1, content.end()}});
        at += 8 + uint64_t{words} * 8;
    }
    return records;
}

} // namespace brgpu::cc::test
