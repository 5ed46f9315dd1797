// SPDX-License-Identifier: MIT
#include "kernel_compare.hpp"

#include <cstring>
#include <random>

#include "encoding.hpp"

namespace brgpu::simt::test {
namespace {

constexpr const char *class_names[] = {"lanes", "lanes_exact", "integers",
                                       "warps", "warps_exact", "faults"};

std::string describe(const Outcome &outcome) {
    if (outcome.status == Status::finished)
        return "finished";
    if (outcome.status == Status::yielded)
        return "does not end";
    char text[200];
    const Fault &f = outcome.fault;
    std::snprintf(
        text, sizeof(text),
        "fault %s at pc 0x%llx, address 0x%llx, access %u, workgroup %llu, warp %u, lane %u",
        to_string(f.code), static_cast<unsigned long long>(f.pc),
        static_cast<unsigned long long>(f.va), f.access,
        static_cast<unsigned long long>(f.workgroup), f.warp, f.lane);
    return text;
}

// What one work-item left, for kernels that fault: the others may have been anywhere.
KernelMemory of_item(const KernelMemory &memory, uint32_t item) {
    KernelMemory part;
    const auto cut = [&](const std::vector<std::byte> &from, uint64_t at, uint64_t bytes) {
        const auto start = from.begin() + static_cast<std::ptrdiff_t>(at);
        return std::vector<std::byte>(start, start + static_cast<std::ptrdiff_t>(bytes));
    };
    part.slots = cut(memory.slots, item * space::slot_bytes, space::slot_bytes);
    part.rows4 = cut(memory.rows4, uint64_t{item} * 4, 4);
    part.rows8 = cut(memory.rows8, uint64_t{item} * 8, 8);
    return part;
}

} // namespace

const char *name_of(KernelClass which) {
    return class_names[static_cast<unsigned>(which)];
}

bool class_by_name(const std::string &name, KernelClass &which) {
    for (const KernelClass one : all_kernel_classes)
        if (name == name_of(one)) {
            which = one;
            return true;
        }
    return false;
}

KernelCase case_of(KernelClass which, uint64_t seed) {
    KernelCase test;
    test.which = which;
    KernelOptions &o = test.options;
    o.seed = seed;
    o.plain = which == KernelClass::lanes || which == KernelClass::lanes_exact;
    o.exact = which == KernelClass::lanes_exact || which == KernelClass::warps_exact;
    o.floating = which != KernelClass::integers;
    o.fault = which == KernelClass::faults;
    std::mt19937_64 random(seed * 0x9e3779b97f4a7c15 + 1);
    constexpr struct {
        uint32_t items, workgroup;
    } shapes[] = {{64, 64}, {32, 32}, {128, 64}, {96, 96}, {70, 64}, {33, 40}, {5, 5}, {256, 128}};
    const auto &shape = shapes[random() % std::size(shapes)];
    o.items = shape.items;
    test.workgroup = shape.workgroup;
    o.statements = 4 + static_cast<uint32_t>(random() % 24);
    return test;
}

GeneratedKernel for_engine(GeneratedKernel kernel, const KernelOptions &options) {
    // The first instruction gives the id.
    const uint32_t id = rv::csr(2, 24, BRGPU_CSR_GLOBAL_LINEAR_ID, rv::zero);
    if (options.plain)
        std::memcpy(kernel.code.data(), &id, sizeof(id));
    return kernel;
}

std::string compare_ways(const KernelCase &test, ReferenceMachine *reference) {
    const KernelOptions &o = test.options;
    const KernelMemory memory = KernelMemory::make(o.seed);
    const GeneratedKernel made = generate_kernel(o), kernel = for_engine(made, o);
    const RunWay plain = {.isa = "baseline", .workgroup = test.workgroup};
    const KernelResult first = run_kernel(kernel, memory, o.items, plain);
    if (first.outcome.status == Status::yielded)
        return "baseline: does not end";
    if (o.plain && reference) {
        const KernelMemory want = reference->run(made, memory, o.items);
        if (first.outcome.status != Status::finished)
            return "baseline: " + describe(first.outcome);
        if (const std::string where = want.difference(first.memory); !where.empty())
            return "qemu-riscv64 and baseline: " + where;
    }
    const auto against = [&](const char *name, const GeneratedKernel &code, const RunWay &way,
                             bool same_pcs) -> std::string {
        const KernelResult other = run_kernel(code, memory, o.items, way);
        Outcome a = first.outcome, b = other.outcome;
        if (!same_pcs)
            a.fault.pc = b.fault.pc = 0;
        if (describe(a) != describe(b))
            return std::string("baseline and ") + name + ": " + describe(a) + "; " + describe(b);
        const bool whole = a.status == Status::finished;
        const std::string where =
            whole ? first.memory.difference(other.memory)
                  : of_item(first.memory, kernel.faulting_item)
                        .difference(of_item(other.memory, kernel.faulting_item));
        if (!where.empty())
            return std::string("baseline and ") + name + ": " + where;
        return "";
    };
    for (const char *isa : {"avx2", "avx512"}) {
        if (!Worker::select_isa(isa))
            continue;
        Worker::select_isa(nullptr);
        RunWay way = plain;
        way.isa = isa;
        if (std::string found = against(isa, kernel, way, true); !found.empty())
            return found;
    }
    RunWay slices = plain;
    slices.isa = nullptr;
    slices.budget = 1 + o.seed % 700;
    slices.save = o.seed % 2 != 0;
    if (std::string found = against("slices", kernel, slices, true); !found.empty())
        return found;
    RunWay late = plain;
    late.isa = nullptr;
    late.missing_pages = true;
    late.save = o.seed % 4 == 0;
    if (std::string found = against("late pages", kernel, late, true); !found.empty())
        return found;
    KernelOptions other_order = o;
    other_order.permute = true;
    RunWay way = plain;
    way.isa = nullptr;
    return against("blocks in another order", for_engine(generate_kernel(other_order), o), way,
                   false);
}

KernelCase shrink(KernelCase test, ReferenceMachine *reference) {
    const uint32_t statements = generate_kernel(test.options).statements;
    // Larger pieces first: a statement's nested ones have the numbers behind it.
    for (uint32_t piece = statements; piece >= 1; piece /= 2) {
        for (uint32_t start = 0; start < statements; start += piece) {
            KernelCase less = test;
            for (uint32_t i = start; i < start + piece && i < statements; ++i)
                less.options.skip.insert(i);
            if (less.options.skip.size() != test.options.skip.size() &&
                !compare_ways(less, reference).empty())
                test = less;
        }
    }
    return test;
}

} // namespace brgpu::simt::test
