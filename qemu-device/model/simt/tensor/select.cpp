// SPDX-License-Identifier: MIT
//
// Which kernels the tensor unit uses on this host.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>

#include "../engine.hpp"
#include "kernels.hpp"

namespace brgpu::simt {

extern const TensorKernels tensor_kernels_baseline;
#if defined(__x86_64__)
extern const TensorKernels tensor_kernels_avx2;
extern const TensorKernels tensor_kernels_avx512;
extern const TensorKernels tensor_kernels_avx512_vnni;
extern const TensorKernels tensor_kernels_avx512_bf16;
#endif

namespace {

// The best first.
const TensorKernels *const all_kernels[] = {
#if defined(__x86_64__)
    &tensor_kernels_avx512_bf16, &tensor_kernels_avx512_vnni,
    &tensor_kernels_avx512,      &tensor_kernels_avx2,
#endif
    &tensor_kernels_baseline,
};

std::atomic<const TensorKernels *> selected{nullptr};

// ---- Whether they agree ----

constexpr uint32_t max_m = 27, max_n = 67, max_k = 9;
constexpr uint32_t max_panels = (max_n + tensor_panel - 1) / tensor_panel;

// Words whose upper bytes are the elements. Palettes are small, so that what is rare meets often.
constexpr uint32_t specials[] = {0x7fc12345, 0xff812345, 0x7f800000, 0xff800000,
                                 0x7f7fffff, 0xff7fffff, 0x00000000, 0x80000000};
// Around the smallest normal number, where products and sums are flushed, or just not.
constexpr uint32_t tinies[] = {0x00800000, 0x00c00000, 0x80810000, 0x33000000,
                               0xb3000000, 0x00010000, 0x807f0000, 0x3f800000};
constexpr uint32_t tiny_sums[] = {0x00800000, 0x80800000, 0x00000000, 0x80000000,
                                  0x007fffff, 0x80000001, 0x00800001, 0x01000000};

// One multiplication, and what is needed to run it.
struct Sample {
    uint32_t m, n, k;
    uint8_t type;
    bool from_panels, accumulate;
    std::byte a[max_m][max_k * 4];
    std::byte b[max_k][max_n * 4];
    std::byte panels[max_panels][max_k * tensor_step_bytes]; // B as BRGPU_TDA_PANELS leaves it
    uint32_t start[max_m][max_n];

    uint32_t got[max_m][max_n], expected[max_m][max_n];
    alignas(64) std::byte staged_a[max_m * tensor_row_bytes];
    alignas(64) std::byte staged_b[max_panels * tensor_panel_bytes];
};

class Random {
  public:
    uint32_t next() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<uint32_t>(state_ >> 32);
    }
    // A number near 1, or one of a palette.
    uint32_t word(const uint32_t (*palette)[8]) {
        const uint32_t r = next();
        return palette ? (*palette)[r % 8] : (r & 0x81ffffff) | 0x3e000000;
    }

  private:
    uint64_t state_ = 1;
};

void fill(Sample &s, Random &random, const uint32_t (*palette)[8], const uint32_t (*sums)[8]) {
    const uint32_t e = tensor_element_bytes(s.type);
    const uint32_t pack = 4 / e;
    const auto element = [&](std::byte *to) {
        const uint32_t word =
            s.type == BRGPU_TENSOR_I8 && !palette ? random.next() : random.word(palette);
        const uint32_t bits = word >> (32 - 8 * e);
        std::memcpy(to, &bits, e);
    };
    for (uint32_t k = 0; k < s.k; ++k) {
        for (uint32_t i = 0; i < s.m; ++i)
            element(&s.a[i][k * e]);
        for (uint32_t j = 0; j < s.n; ++j) {
            element(&s.b[k][j * e]);
            std::memcpy(&s.panels[j / tensor_panel][k / pack * tensor_step_bytes +
                                                    j % tensor_panel * 4 + k % pack * e],
                        &s.b[k][j * e], e);
        }
    }
    for (auto &row : s.start)
        for (uint32_t &word : row)
            word = random.word(sums);
}

void run(const TensorKernels &kernels, Sample &s, uint32_t (&result)[max_m][max_n]) {
    std::byte *a = s.staged_a, *b = s.staged_b;
    const uint32_t unit = tensor_unit(kernels, s.type);
    for (uint32_t i = 0; i < s.m; ++i)
        kernels.pack_row(s.type, a + i * tensor_row_bytes, s.a[i], s.k);
    for (uint32_t p = 0; s.from_panels && p * tensor_panel < s.n; ++p)
        kernels.pack_panel(s.type, b + p * tensor_panel_bytes, s.panels[p], s.k,
                           std::min(tensor_panel, s.n - p * tensor_panel));
    for (uint32_t k = 0; !s.from_panels && k < s.k; k += unit) {
        const std::byte *rows[4] = {};
        for (uint32_t i = 0; i < unit && k + i < s.k; ++i)
            rows[i] = s.b[tensor_place(kernels, s.type, k + i, s.k)];
        kernels.pack_step(s.type, b + k / unit * tensor_step_bytes, rows, s.n);
    }
    std::memcpy(result, s.start, sizeof(result));
    for (uint32_t column = 0; column < s.n; column += kernels.columns) {
        TensorBlock block;
        block.a = a;
        block.a_stride = tensor_row_bytes;
        block.b[0] = b + column / tensor_panel * tensor_panel_bytes;
        block.b[1] = block.b[0] + tensor_panel_bytes;
        block.acc = reinterpret_cast<std::byte *>(&result[0][column]);
        block.acc_stride = sizeof(result[0]);
        block.rows = s.m;
        block.columns = std::min(kernels.columns, s.n - column);
        block.steps = (s.k + unit - 1) / unit;
        block.accumulate = s.accumulate;
        if (s.type == BRGPU_TENSOR_I8)
            kernels.multiply_int8(block);
        else if (s.type == BRGPU_TENSOR_BF16)
            kernels.multiply_bf16(block);
        else
            kernels.multiply_f32(block);
    }
}

const TensorKernels *find(const char *name, Host *host) noexcept {
    for (const TensorKernels *kernels : all_kernels) {
        if ((name && std::strcmp(name, kernels->name) != 0) ||
            (kernels->available && !kernels->available()))
            continue;
        uint8_t type = 0;
        if (name || tensor_kernels_agree(*kernels, type))
            return kernels;
        if (host) {
            char text[160];
            std::snprintf(text, sizeof(text),
                          "tensor unit: the %s kernels differ from the baseline on this processor "
                          "(operand type %u), slower ones are used",
                          kernels->name, type);
            host->warn(text);
        }
    }
    return name ? nullptr : &tensor_kernels_baseline;
}

} // namespace

bool tensor_kernels_agree(const TensorKernels &kernels, uint8_t &type) noexcept {
    if (&kernels == &tensor_kernels_baseline)
        return true;
    const std::unique_ptr<Sample> storage(new (std::nothrow) Sample());
    type = 0;
    if (!storage)
        return false;
    Sample &sample = *storage;
    Random random;
    constexpr struct {
        uint32_t m, n, k;
    } shapes[] = {{27, 67, 1}, {8, 64, 9}, {27, 17, 2}};
    for (; type <= BRGPU_TENSOR_I8; ++type)
        for (const auto &shape : shapes)
            for (unsigned variant = 0; variant < 12; ++variant) {
                sample.m = shape.m;
                sample.n = shape.n;
                sample.k = shape.k;
                sample.type = type;
                sample.from_panels = variant & 1;
                sample.accumulate = variant & 2;
                fill(sample, random,
                     variant < 4   ? nullptr
                     : variant < 8 ? &specials
                                   : &tinies,
                     variant < 4   ? nullptr
                     : variant < 8 ? &specials
                                   : &tiny_sums);
                run(kernels, sample, sample.got);
                run(tensor_kernels_baseline, sample, sample.expected);
                if (std::memcmp(sample.got, sample.expected, sizeof(sample.got)) != 0)
                    return false;
            }
    return true;
}

const TensorKernels &tensor_kernels(Host &host) noexcept {
    const TensorKernels *kernels = selected.load(std::memory_order_acquire);
    if (!kernels) [[unlikely]] {
        static std::mutex mutex; // so that a difference is told once
        const std::lock_guard lock(mutex);
        kernels = selected.load(std::memory_order_acquire);
        if (!kernels) {
            kernels = find(nullptr, &host);
            selected.store(kernels, std::memory_order_release);
        }
    }
    return *kernels;
}

bool Worker::select_tensor(const char *name) noexcept {
    const TensorKernels *kernels = find(name, nullptr);
    if (kernels)
        selected.store(kernels, std::memory_order_release);
    return kernels != nullptr;
}

} // namespace brgpu::simt
