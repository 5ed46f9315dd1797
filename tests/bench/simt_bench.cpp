// SPDX-License-Identifier: MIT
//
// Speed of the SIMT interpreter on one core: lane instructions a second on kernels that clang
// compiles when the benchmark starts, and tensor operations. BRGPU_SIMT_ISA=baseline|avx2|avx512
// picks a build.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <benchmark/benchmark.h>

#include "../unit/simt/support.hpp"

namespace {

using namespace brgpu::simt;
using namespace brgpu::simt::test;

constexpr uint64_t a_va = 0x100000000, b_va = 0x110000000, c_va = 0x120000000;
constexpr uint64_t area = 16 << 20;

const char *const prologue = R"(
typedef unsigned long u64; typedef unsigned int u32; typedef signed char i8;
static inline u64 gid(void) { u64 v; __asm__("csrr %0, 0xcdc" : "=r"(v)); return v; }
static inline float root(float x) { __asm__("fsqrt.s %0, %1" : "=f"(x) : "f"(x)); return x; }
struct args { float *a, *b, *c; u64 n; };
)";

struct Kernel {
    const char *name;
    uint32_t grid;
    uint64_t n;
    const char *text;
};

const Kernel kernels[] = {
    {"saxpy", 1 << 20, 0,
     "void k(struct args *p) { u64 i = gid(); p->c[i] = 2.5f * p->a[i] + p->b[i]; }"},
    {"sgemm_naive", 256 * 256, 256,
     "void k(struct args *p) { u64 i = gid(), n = p->n, r = i / n, c = i % n; float s = 0;"
     " for (u64 k = 0; k < n; k++) s += p->a[r * n + k] * p->b[k * n + c]; p->c[i] = s; }"},
    {"mandelbrot", 512 * 512, 512,
     "void k(struct args *p) { u64 i = gid(), n = p->n; float x0 = (i % n) * 3.0f / n - 2,"
     " y0 = (i / n) * 2.0f / n - 1, x = 0, y = 0; u32 t = 0;"
     " while (t < 256 && x * x + y * y < 4) { float z = x * x - y * y + x0; y = 2 * x * y + y0;"
     " x = z; t++; } ((u32 *)p->c)[i] = t; }"},
    {"nbody", 1024, 1024,
     "void k(struct args *p) { u64 i = gid(); float x = p->a[4*i], y = p->a[4*i+1], z = "
     "p->a[4*i+2],"
     " ax = 0, ay = 0, az = 0; for (u64 j = 0; j < p->n; j++) { float dx = p->a[4*j] - x,"
     " dy = p->a[4*j+1] - y, dz = p->a[4*j+2] - z, d = dx*dx + dy*dy + dz*dz + 0.01f,"
     " w = p->a[4*j+3] / (d * root(d)); ax += dx*w; ay += dy*w; az += dz*w; }"
     " p->c[3*i] = ax; p->c[3*i+1] = ay; p->c[3*i+2] = az; }"},
    {"int8_dot", 1 << 16, 64,
     "void k(struct args *p) { u64 i = gid(); const i8 *a = (const i8 *)p->a + i * p->n,"
     " *b = (const i8 *)p->b; int s = 0; for (u64 j = 0; j < p->n; j++) s += a[j] * b[j];"
     " ((int *)p->c)[i] = s; }"},
    {"integer_hash", 1 << 16, 64,
     "void k(struct args *p) { u64 i = gid(); u32 h = i, g = ((u32 *)p->a)[i];"
     " for (u64 j = 0; j < p->n; j++) { h ^= (h << 13 | h >> 19) + g; g += h ^ (g >> 7);"
     " h = (h << 5 | h >> 27) ^ (g & h); } ((u32 *)p->c)[i] = h + g; }"},
    {"private_sort", 1 << 12, 0,
     "void k(struct args *p) { u64 i = gid(); u32 v[16]; u32 s = i * 2654435761u;"
     " for (int j = 0; j < 16; j++) { s = s * 1664525u + 1013904223u; v[j] = s; }"
     " for (int j = 1; j < 16; j++) { u32 x = v[j]; int q = j; while (q > 0 && v[q-1] > x) {"
     " v[q] = v[q-1]; q--; } v[q] = x; } ((u32 *)p->c)[i] = v[3] ^ v[12]; }"},
};

std::vector<std::byte> compile(const Kernel &kernel) {
    namespace fs = std::filesystem;
    std::string folder = (fs::temp_directory_path() / "brgpu-bench-XXXXXX").string();
    if (!mkdtemp(folder.data()))
        throw std::runtime_error("no temporary folder");
    std::ofstream(folder + "/k.c") << prologue << kernel.text;
    const std::string command =
        SIMT_CLANG " --target=riscv64-unknown-elf -march=" BRGPU_ISA_MARCH
                   " -mabi=lp64d -mcmodel=medany -O2 -ffreestanding -fno-jump-tables -mno-relax "
                   "-msmall-data-limit=0 -nostdlib -static -fuse-ld=" SIMT_LLD
                   " -Wl,--oformat=binary,-Ttext=0x10000,-N " +
        folder + "/k.c -o " + folder + "/k.bin";
    const int status = std::system(command.c_str());
    std::ifstream in(folder + "/k.bin", std::ios::binary);
    const std::string image{std::istreambuf_iterator<char>(in), {}};
    fs::remove_all(folder);
    if (status != 0)
        throw std::runtime_error("clang failed");
    std::vector<std::byte> bytes(image.size());
    std::memcpy(bytes.data(), image.data(), image.size());
    return bytes;
}

void run_kernel(benchmark::State &state, const Kernel *kernel) {
    Rig rig("ret", 1024);
    const std::vector<std::byte> code = compile(*kernel);
    rig.memory.write(code_va, code.data(), code.size());
    for (const uint64_t va : {a_va, b_va, c_va})
        rig.memory.map(va, area);
    for (uint64_t i = 0; i < 1 << 20; ++i) {
        rig.memory.put<float>(a_va + 4 * i, static_cast<float>(i % 1000) * 0.001f);
        rig.memory.put<float>(b_va + 4 * i, static_cast<float>(i % 777) * 0.002f);
    }
    rig.memory.put<uint64_t>(data_va, a_va);
    rig.memory.put<uint64_t>(data_va + 8, b_va);
    rig.memory.put<uint64_t>(data_va + 16, c_va);
    rig.memory.put<uint64_t>(data_va + 24, kernel->n);
    uint64_t warp_instructions = 0, lane_instructions = 0;
    for (auto _ : state) {
        const Outcome out = rig.run(kernel->grid, 256);
        if (out.status != Status::finished) {
            state.SkipWithError(to_string(out.fault.code));
            return;
        }
        warp_instructions += out.counters.instructions;
        lane_instructions += out.counters.lane_instructions;
    }
    state.counters["lane_insn"] =
        benchmark::Counter(static_cast<double>(lane_instructions), benchmark::Counter::kIsRate);
    state.counters["warp_insn"] =
        benchmark::Counter(static_cast<double>(warp_instructions), benchmark::Counter::kIsRate);
}

void run_tensor(benchmark::State &state, uint8_t type) {
    Rig rig("li t0, 8\n1: gpu.tensor 2, a0\n addi t0, t0, -1\n bnez t0, 1b\n ret");
    rig.memory.map(a_va, area);
    brgpu_tmma_desc d{};
    d.a = a_va;
    d.b = a_va + (1 << 20);
    d.m = d.n = 128;
    d.k = 64;
    d.a_stride = d.b_stride = 512;
    d.acc_stride = 512;
    d.type = type;
    d.flags = BRGPU_TMMA_ACCUMULATE;
    rig.memory.put(data_va, d);
    double operations = 0;
    for (auto _ : state) {
        rig.run(32, 32);
        operations += 8 * 2.0 * d.m * d.n * d.k;
    }
    state.counters["flops"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
}

} // namespace

int main(int argc, char **argv) {
    if (const char *isa = std::getenv("BRGPU_SIMT_ISA"); isa && !Worker::select_isa(isa)) {
        std::fprintf(stderr, "simt-bench: this host can't run the build %s\n", isa);
        return 1;
    }
    std::printf("build: %s\n", Worker::isa_name());
    for (const Kernel &kernel : kernels)
        benchmark::RegisterBenchmark(kernel.name, run_kernel, &kernel)
            ->Unit(benchmark::kMillisecond);
    const char *names[] = {"tmma_f32", "tmma_tf32", "tmma_bf16", "tmma_f16", "tmma_i8"};
    for (uint8_t type = 0; type <= BRGPU_TENSOR_I8; ++type)
        benchmark::RegisterBenchmark(names[type], run_tensor, type)->Unit(benchmark::kMillisecond);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
