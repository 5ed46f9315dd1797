// SPDX-License-Identifier: MIT
//
// simt-differ: compares all ways to run generated kernels, seed by seed, and reduces what differs.
#include <cstdio>
#include <fstream>

#include <CLI/CLI.hpp>

#include "kernel_compare.hpp"

using namespace brgpu::simt::test;

namespace {

void report(const KernelCase &found, ReferenceMachine *reference, const std::string &folder) {
    const KernelCase least = shrink(found, reference);
    const GeneratedKernel kernel = generate_kernel(least.options);
    const std::string path =
        folder + "/" + name_of(found.which) + "-" + std::to_string(found.options.seed) + ".bin";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(kernel.code.data()),
               static_cast<std::streamsize>(kernel.code.size()));
    std::printf("  reduced to %zu of %u statements: %s\n",
                kernel.statements - least.options.skip.size(), kernel.statements,
                compare_ways(least, reference).c_str());
    std::printf(
        "  %u work-items, workgroups of %u; code for 0x%llx in %s: llvm-objdump-19 -D -b binary "
        "-m riscv64 --mattr=+a,+c,+d,+f,+m,+zba,+zbb,+zfh\n",
        least.options.items, least.workgroup, static_cast<unsigned long long>(space::code),
        path.c_str());
    std::printf("  leave out:");
    for (const uint32_t number : least.options.skip)
        std::printf(" %u", number);
    std::printf("\n");
}

void show_case(const KernelCase &test) {
    const GeneratedKernel kernel = generate_kernel(test.options);
    const KernelResult result =
        run_kernel(for_engine(kernel, test.options), KernelMemory::make(test.options.seed),
                   test.options.items, {.workgroup = test.workgroup});
    const auto &counters = result.total;
    std::printf(
        "%s %llu: %zu bytes, %u statements, %u work-items by %u: %llu warp instructions, %llu "
        "of lanes, %llu barriers, %llu reschedules\n",
        name_of(test.which), static_cast<unsigned long long>(test.options.seed), kernel.code.size(),
        kernel.statements, test.options.items, test.workgroup,
        static_cast<unsigned long long>(counters.instructions),
        static_cast<unsigned long long>(counters.lane_instructions),
        static_cast<unsigned long long>(counters.barriers),
        static_cast<unsigned long long>(counters.reschedules));
}

} // namespace

int main(int argc, char **argv) {
    std::string which = "all", folder = ".";
    uint64_t first = 1, count = 100;
    bool stop = false, show = false;
    std::vector<uint32_t> skip;
    CLI::App app("Compares all ways to run generated kernels.", "simt-differ");
    app.add_option("--class", which, "lanes, lanes_exact, integers, warps, warps_exact, faults")
        ->capture_default_str();
    app.add_option("--seed", first, "First seed")->capture_default_str();
    app.add_option("--count", count, "Seeds")->capture_default_str();
    app.add_option("--out", folder, "Folder for code that gives differences")
        ->capture_default_str();
    app.add_option("--skip", skip, "Statements to leave out");
    app.add_flag("--show", show, "Say what each kernel does");
    app.add_flag("--stop", stop, "Stop at the first difference");
    CLI11_PARSE(app, argc, argv);
    const auto reference = ReferenceMachine::start();
    if (!reference)
        std::printf("no qemu-riscv64: nothing is compared with it\n");
    uint64_t bad = 0, runs = 0;
    for (const KernelClass one : all_kernel_classes) {
        if (which != "all" && which != name_of(one))
            continue;
        for (uint64_t seed = first; seed < first + count; ++seed) {
            KernelCase test = case_of(one, seed);
            test.options.skip.insert(skip.begin(), skip.end());
            ++runs;
            if (show)
                show_case(test);
            const std::string found = compare_ways(test, reference.get());
            if (found.empty())
                continue;
            ++bad;
            std::printf("%s, seed %llu: %s\n", name_of(one), static_cast<unsigned long long>(seed),
                        found.c_str());
            report(test, reference.get(), folder);
            std::fflush(stdout);
            if (stop)
                return 1;
        }
    }
    if (runs == 0) {
        std::fprintf(stderr, "simt-differ: no class is called '%s'\n", which.c_str());
        return 2;
    }
    std::printf("%llu kernels, %llu differ\n", static_cast<unsigned long long>(runs),
                static_cast<unsigned long long>(bad));
    return bad != 0;
}
