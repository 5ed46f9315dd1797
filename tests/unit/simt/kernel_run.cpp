// SPDX-License-Identifier: MIT
#include "kernel_run.hpp"

#include <array>
#include <bitset>
#include <cstring>
#include <new>
#include <random>
#include <stdexcept>

#include "jit_environment.hpp"

namespace brgpu::simt::test {
namespace {

constexpr uint32_t missing_page = 77, missing_right = 78; // fault codes

// Contiguous regions. Pages of data may be absent until show() is called.
class SpaceMemory : public Memory {
  public:
    SpaceMemory(const GeneratedKernel &kernel, const KernelMemory &memory, bool hide)
        : memory_(memory) {
        code_.resize((kernel.code.size() + page_bytes) / page_bytes * page_bytes);
        std::memcpy(code_.data(), kernel.code.data(), kernel.code.size());
        constexpr uint8_t all = right_read | right_write | right_atomic;
        add(space::code, code_, right_read | right_execute, false);
        add(space::table, memory_.table, right_read, hide);
        add(space::slots, memory_.slots, all, hide);
        add(space::rows4, memory_.rows4, all, hide);
        add(space::rows8, memory_.rows8, all, hide);
        add(space::dump, memory_.dump, all, hide);
        add(space::shared, memory_.shared, all, hide);
    }

    PageMapping map_page(uint64_t page_va, uint8_t) noexcept override {
        const Region *region = find(page_va);
        if (!region || !region->present[(page_va - region->va) / page_bytes])
            return {.host = nullptr, .rights = 0, .fault = missing_page, .host_write = nullptr};
        return {.host = region->host + (page_va - region->va),
                .rights = region->rights,
                .fault = 0,
                .host_write = nullptr};
    }
    uint32_t rights_fault(uint64_t, uint8_t) noexcept override { return missing_right; }

    // False: nothing is to appear at `va`.
    bool show(uint64_t va) {
        Region *region = find(va);
        if (!region || region->present[(va - region->va) / page_bytes])
            return false;
        region->present[(va - region->va) / page_bytes] = true;
        invalidate_translations();
        return true;
    }
    KernelMemory take() { return std::move(memory_); }

  private:
    struct Region {
        uint64_t va, bytes;
        std::byte *host;
        uint8_t rights;
        std::bitset<1024> present;
    };
    void add(uint64_t va, std::vector<std::byte> &bytes, uint8_t rights, bool hide) {
        Region region{va, bytes.size(), bytes.data(), rights, {}};
        if (!hide)
            region.present.set();
        regions_.push_back(region);
    }
    Region *find(uint64_t va) {
        for (Region &region : regions_)
            if (va >= region.va && va - region.va < region.bytes)
                return &region;
        return nullptr;
    }

    std::vector<std::byte> code_;
    KernelMemory memory_;
    std::vector<Region> regions_;
};

class NoClock : public Host {
  public:
    uint64_t timestamp_ns() noexcept override { return 0; }
};

DispatchParams make_params(uint32_t items, uint32_t workgroup) {
    DispatchParams params;
    params.kernel.magic = BRGPU_KERNEL_DESC_MAGIC;
    params.kernel.isa_major = BRGPU_ISA_MAJOR;
    params.kernel.private_bytes = space::private_bytes;
    params.kernel.static_local_bytes = space::local_bytes;
    params.kernel_va = space::code - 64;
    params.kernel.entry_offset = 64;
    params.kernarg_va = space::slots;
    params.grid[0] = items;
    params.workgroup[0] = workgroup;
    if (check_dispatch(params) != DispatchError::none)
        throw std::runtime_error("the dispatch of a generated kernel is refused");
    return params;
}

void fill(std::vector<std::byte> &bytes, std::mt19937_64 &random) {
    constexpr uint64_t edges[] = {0,
                                  1,
                                  UINT64_MAX,
                                  INT64_MAX,
                                  uint64_t{1} << 63,
                                  0x7fffffff,
                                  0x80000000,
                                  0xffffffff80000000,
                                  0xffffffff7f800000,
                                  0xffffffff3f800000,
                                  0x3ff0000000000000,
                                  0x7ff0000000000000,
                                  0xffffffffffff3c00,
                                  0xffffffffffff7c00,
                                  0xffffffff7fc00000,
                                  0xffffffff00000001};
    for (size_t at = 0; at + 8 <= bytes.size(); at += 8) {
        uint64_t value = random();
        switch (value >> 60) {
        case 0:
        case 1:
        case 2:
            value = edges[value % std::size(edges)];
            break;
        case 3:
        case 4:
        case 5:
            value = random() >> value % 64;
            break;
        case 6: // a boxed single near one
            value = 0xffffffff00000000 | (value & 0x807fffff) | (120 + value % 16) << 23;
            break;
        case 7:
            value = (value & 0x800fffffffffffff) | (1015 + value % 16) << 52;
            break;
        case 8:
            value = 0xffffffffffff0000 | (value & 0x83ff) | (10 + value % 10) << 10;
            break;
        default:
            break;
        }
        std::memcpy(&bytes[at], &value, 8);
    }
}

} // namespace

KernelMemory KernelMemory::make(uint64_t seed) {
    KernelMemory m;
    std::mt19937_64 random(seed ^ 0x6b65726e656c);
    m.table.resize(space::table_bytes);
    m.slots.resize(space::slot_bytes * space::row_items);
    m.rows4.resize(space::rows * page_bytes);
    m.rows8.resize(space::rows * page_bytes);
    m.dump.resize(space::dump_bytes * space::row_items);
    m.shared.resize(space::shared_bytes);
    fill(m.table, random);
    fill(m.slots, random);
    fill(m.rows4, random);
    fill(m.rows8, random);
    // Numbers of moderate size, 64 of each format (KernelBuilder::moderate).
    for (uint32_t i = 0; i < 64; ++i) {
        const uint64_t r = random();
        const auto single = static_cast<uint32_t>((r & 0x807fffff) | (117 + r % 20) << 23);
        const uint64_t dbl = (r & 0x800fffffffffffff) | (1013 + r % 20) << 52;
        const auto half = static_cast<uint16_t>((r & 0x83ff) | (9 + r % 12) << 10);
        std::memcpy(&m.table[2048 + 4 * i], &single, 4);
        std::memcpy(&m.table[2048 + 512 + 8 * i], &dbl, 8);
        std::memcpy(&m.table[2048 + 1024 + 2 * i], &half, 2);
    }
    return m;
}

std::string KernelMemory::difference(const KernelMemory &other) const {
    const struct {
        const char *name;
        const std::vector<std::byte> &mine, &theirs;
        uint64_t stride;
    } regions[] = {{"registers of item", dump, other.dump, space::dump_bytes},
                   {"slot of item", slots, other.slots, space::slot_bytes},
                   {"4-byte element of item", rows4, other.rows4, 4},
                   {"8-byte element of item", rows8, other.rows8, 8},
                   {"shared word", shared, other.shared, 4},
                   {"table", table, other.table, 8}};
    for (const auto &region : regions) {
        for (size_t at = 0; at < region.mine.size(); at += 4) {
            uint32_t a, b;
            std::memcpy(&a, &region.mine[at], 4);
            std::memcpy(&b, &region.theirs[at], 4);
            if (a == b)
                continue;
            char text[160];
            const uint64_t in = region.stride < 16 ? at % page_bytes : at;
            std::snprintf(text, sizeof(text), "%s %llu, byte %llu: 0x%08x and 0x%08x", region.name,
                          static_cast<unsigned long long>(in / region.stride),
                          static_cast<unsigned long long>(in % region.stride), a, b);
            return text;
        }
    }
    return "";
}

KernelResult run_kernel(const GeneratedKernel &kernel, const KernelMemory &memory, uint32_t items,
                        const RunWay &way) {
    if (!Worker::select_isa(way.isa))
        throw std::runtime_error(std::string("this host can't run ") + way.isa);
    const struct Restore {
        ~Restore() { Worker::select_isa(nullptr); }
    } restore;
    static thread_local Worker worker;
    NoClock host;
    SpaceMemory space_memory(kernel, memory, way.missing_pages);
    Dispatch dispatch(make_params(items, way.workgroup), space_memory, host, nullptr,
                      jit_of_environment());
    Workgroup group;
    KernelResult result;
    while (const auto index = dispatch.take_workgroup()) {
        if (!group.start(dispatch, *index, 0))
            throw std::bad_alloc();
        for (;;) {
            result.outcome = group.run(worker, {.budget = way.budget, .stop = nullptr});
            result.total.instructions += result.outcome.counters.instructions;
            result.total.lane_instructions += result.outcome.counters.lane_instructions;
            result.total.barriers += result.outcome.counters.barriers;
            result.total.reschedules += result.outcome.counters.reschedules;
            if (result.outcome.status == Status::finished)
                break;
            const Fault &fault = result.outcome.fault;
            const bool appears = result.outcome.status == Status::faulted &&
                                 fault.code == FaultCode::memory &&
                                 fault.memory_code == missing_page && space_memory.show(fault.va);
            if ((result.outcome.status == Status::faulted && !appears) ||
                result.total.instructions > way.most_instructions) {
                result.memory = space_memory.take();
                return result;
            }
            ++result.resumed;
            if (way.save) {
                const std::vector<std::byte> image = group.save();
                group = Workgroup();
                if (!group.restore(dispatch, image))
                    throw std::runtime_error("a saved workgroup is not restored");
            }
        }
    }
    result.memory = space_memory.take();
    return result;
}

} // namespace brgpu::simt::test
