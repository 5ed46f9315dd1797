// SPDX-License-Identifier: MIT
//
// The tensor unit and the tile-copy engine against plain loops that follow docs/isa.md, and their
// descriptors with every rule broken once.
#include <bit>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "simt/tensor/kernels.hpp"
#include "support.hpp"

namespace brgpu::simt::test {
namespace {

constexpr uint64_t descriptor_va = data_va;
constexpr uint64_t a_va = data_va + 0x10000;
constexpr uint64_t b_va = data_va + 0x40000;
constexpr uint64_t c_va = data_va + 0x80000;

// Runs tensor instructions on descriptors that stand 64 bytes apart at a0.
std::string sequence(std::initializer_list<int> kinds) {
    std::string text;
    for (const int kind : kinds)
        text += "gpu.tensor " + std::to_string(kind) + ", a0\n addi a0, a0, 64\n";
    return text + "ret";
}

float widen(uint8_t type, uint32_t bits) {
    switch (type) {
    case BRGPU_TENSOR_F32:
        return std::bit_cast<float>(bits);
    case BRGPU_TENSOR_TF32: {
        const float x = std::bit_cast<float>(bits);
        if (std::isnan(x) || std::isinf(x))
            return x;
        // Round to 11 significant bits by arithmetic, the way a reader of the text would.
        int exponent;
        std::frexp(x, &exponent);
        exponent = std::max(exponent, -125);
        const double unit = std::ldexp(1.0, exponent - 11);
        return static_cast<float>(std::nearbyint(static_cast<double>(x) / unit) * unit);
    }
    case BRGPU_TENSOR_BF16: {
        const float x = std::bit_cast<float>(bits << 16);
        return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
    }
    default: {
        const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
        double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent == 0
                           ? std::ldexp(fraction, -24)
                           : std::ldexp(1024 + fraction, static_cast<int>(exponent) - 25);
        return static_cast<float>(bits & 0x8000 ? -value : value);
    }
    }
}

float flush(float x) {
    return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
}

// One bf16 step: what rounds to less than the smallest normal number, the exponent unbounded, is
// zero. To see it, small results are computed anew 100 binades higher up.
float flushing_fma(float x, float y, float sum) {
    const float result = std::fma(x, y, sum);
    if (!(std::fabs(result) <= 0x1p-126f))
        return result;
    int exponent;
    const float fraction = std::frexp(x, &exponent);
    const float high = std::fma(fraction, std::ldexp(y, exponent + 100), std::ldexp(sum, 100));
    return std::fabs(high) < 0x1p-26f ? std::copysign(0.0f, result) : result;
}

uint32_t bytes_of(uint8_t type) {
    return type <= BRGPU_TENSOR_TF32 ? 4 : type <= BRGPU_TENSOR_F16 ? 2 : 1;
}

constexpr unsigned forms_of_b = BRGPU_TMMA_B_TRANSPOSED | BRGPU_TMMA_B_PACKED | BRGPU_TMMA_B_PANELS;

struct Shape {
    uint16_t m, n, k;
    uint8_t type, flags;
};

uint32_t reference(const Shape &s, const std::vector<uint32_t> &a, const std::vector<uint32_t> &b,
                   uint32_t start, uint32_t i, uint32_t j) {
    const auto at = [&](uint32_t k) { return std::pair(a[i * s.k + k], b[k * s.n + j]); };
    if (s.type == BRGPU_TENSOR_I8) {
        uint32_t sum = start;
        for (uint32_t k = 0; k < s.k; ++k) {
            const auto [x, y] = at(k);
            sum += static_cast<uint32_t>(static_cast<int8_t>(x) * static_cast<int8_t>(y));
        }
        return sum;
    }
    float sum = std::bit_cast<float>(start);
    const auto step = [&](uint32_t k) {
        const auto [x, y] = at(k);
        sum = s.type == BRGPU_TENSOR_BF16 ? flushing_fma(widen(s.type, x), widen(s.type, y), sum)
                                          : std::fma(widen(s.type, x), widen(s.type, y), sum);
    };
    if (s.type == BRGPU_TENSOR_BF16) {
        sum = flush(sum);
        uint32_t k = 0;
        for (; k + 1 < s.k; k += 2) {
            step(k + 1);
            step(k);
        }
        if (k < s.k)
            step(k);
    } else {
        for (uint32_t k = 0; k < s.k; ++k)
            step(k);
    }
    return std::isnan(sum) ? 0x7fc00000u : std::bit_cast<uint32_t>(sum);
}

// What elements and accumulators are like.
enum class Values : uint8_t { plain, special, tiny };

void check_multiply(const Shape &s, Values values, uint64_t budget = UINT64_MAX) {
    const bool special = values == Values::special;
    SCOPED_TRACE(testing::Message() << s.m << 'x' << s.n << 'x' << s.k << " type " << int(s.type)
                                    << " flags " << int(s.flags) << " values " << int(values));
    std::mt19937 random(s.m * 7 + s.n * 3 + s.k + s.type * 1000u + s.flags);
    Rig rig(sequence({4, 2, 3}));
    const uint32_t e = bytes_of(s.type);
    const auto element = [&]() -> uint32_t {
        const uint32_t mask = e == 4 ? UINT32_MAX : (1u << 8 * e) - 1;
        // Products around the smallest normal number, and just below half a unit of it.
        constexpr uint32_t tiny[] = {0x00800000, 0x80c00000, 0x33000000, 0xb3000000, 0x00010000};
        if (values == Values::tiny)
            return tiny[random() % 5] >> (32 - 8 * e) & mask;
        if (s.type == BRGPU_TENSOR_I8 || (special && random() % 4 == 0))
            return random() & mask;
        const float x = static_cast<float>(random()) / static_cast<float>(1u << 30) - 2.0f;
        const uint32_t bits = std::bit_cast<uint32_t>(x);
        if (e == 4)
            return bits;
        if (s.type == BRGPU_TENSOR_BF16)
            return bits >> 16;
        return (random() & 0x83ff) | (10 + random() % 8) << 10;
    };
    std::vector<uint32_t> a(s.m * s.k), b(s.k * s.n);
    for (auto &x : a)
        x = element();
    for (auto &x : b)
        x = element();
    const uint32_t a_stride = (s.flags & BRGPU_TMMA_A_TRANSPOSED ? s.m : s.k) * e + 8 * e;
    const bool panels = s.flags & BRGPU_TMMA_B_PANELS;
    const uint32_t pack = s.flags & BRGPU_TMMA_B_PACKED || panels ? 4 / e : 1;
    const uint32_t b_line = s.flags & BRGPU_TMMA_B_TRANSPOSED ? s.k
                            : panels                          ? (s.k + pack - 1) / pack * 16 * pack
                                                              : s.n * pack;
    const uint32_t b_stride = (b_line + 4) * e;
    const auto b_place = [&](uint32_t k, uint32_t j) {
        if (s.flags & BRGPU_TMMA_B_TRANSPOSED)
            return j * b_stride + k * e;
        if (panels)
            return j / 16 * b_stride + ((k / pack * 16 + j % 16) * pack + k % pack) * e;
        return k / pack * b_stride + (j * pack + k % pack) * e;
    };
    for (uint32_t i = 0; i < s.m; ++i)
        for (uint32_t k = 0; k < s.k; ++k)
            rig.memory.write(a_va + (s.flags & BRGPU_TMMA_A_TRANSPOSED ? k * a_stride + i * e
                                                                       : i * a_stride + k * e),
                             &a[i * s.k + k], e);
    for (uint32_t k = 0; k < s.k; ++k)
        for (uint32_t j = 0; j < s.n; ++j)
            rig.memory.write(b_va + b_place(k, j), &b[k * s.n + j], e);
    const uint32_t stride = 4u * s.n + 12;
    brgpu_tacc_desc load{};
    load.address = c_va;
    load.stride = 4 * s.n;
    load.acc_offset = 20;
    load.acc_stride = stride;
    load.m = s.m;
    load.n = s.n;
    load.type = BRGPU_TACC_I32;
    brgpu_tacc_desc save = load;
    save.address = c_va + 0x20000;
    brgpu_tmma_desc multiply{};
    multiply.a = a_va;
    multiply.b = b_va;
    multiply.a_stride = a_stride;
    multiply.b_stride = b_stride;
    multiply.acc_offset = 20;
    multiply.acc_stride = stride;
    multiply.m = s.m;
    multiply.n = s.n;
    multiply.k = s.k;
    multiply.type = s.type;
    multiply.flags = s.flags;
    std::vector<uint32_t> start(s.m * s.n);
    for (auto &x : start)
        x = s.type == BRGPU_TENSOR_I8 ? random()
            : values == Values::tiny  ? (random() & 0x80000000) | (0x00800000 - random() % 2)
                                      : std::bit_cast<uint32_t>(widen(0, random() >> 2));
    rig.memory.put(descriptor_va, load);
    rig.memory.put(descriptor_va + 64, multiply);
    rig.memory.put(descriptor_va + 128, save);
    rig.memory.write(c_va, start.data(), start.size() * 4);
    auto dispatch = rig.dispatch(32, 32);
    Workgroup group;
    ASSERT_TRUE(group.start(*dispatch, 0, 0));
    Outcome out = group.run(rig.worker, {.budget = budget});
    for (unsigned stops = 0; out.status == Status::yielded && stops < 1000; ++stops)
        out = group.run(rig.worker, {.budget = budget});
    ASSERT_EQ(out.status, Status::finished) << to_string(out.fault.code);
    const auto got = rig.memory.get_all<uint32_t>(c_va + 0x20000, s.m * s.n);
    for (uint32_t i = 0; i < s.m; ++i)
        for (uint32_t j = 0; j < s.n; ++j)
            ASSERT_EQ(
                got[i * s.n + j],
                reference(s, a, b, s.flags & BRGPU_TMMA_ACCUMULATE ? start[i * s.n + j] : 0, i, j))
                << i << ' ' << j;
}

constexpr const char *kernel_names[] = {"baseline", "avx2", "avx512", "avx512-vnni", "avx512-bf16"};

// Runs `body` with each of the kernels that this host can run.
template <class Body>
void with_all_kernels(Body &&body) {
    for (const char *name : kernel_names) {
        if (!Worker::select_tensor(name))
            continue;
        SCOPED_TRACE(name);
        body();
    }
    Worker::select_tensor(nullptr);
}

TEST(SimtTensor, MultipliesEveryTypeAndLayout) {
    with_all_kernels([] {
        for (uint8_t type = 0; type <= BRGPU_TENSOR_I8; ++type)
            for (uint8_t flags = 0; flags <= BRGPU_TMMA_FLAGS; ++flags) {
                if (std::popcount(flags & forms_of_b) > 1)
                    continue;
                check_multiply({5, 7, 9, type, flags}, Values::plain);
                check_multiply({1, 1, 1, type, flags}, Values::special);
                check_multiply({16, 33, 6, type, flags}, Values::special);
                check_multiply({9, 65, 3, type, flags}, Values::tiny);
            }
    });
}

TEST(SimtTensor, TilesOfEveryHeight) {
    with_all_kernels([] {
        for (uint16_t m = 1; m <= 27; ++m)
            for (const uint8_t type : {BRGPU_TENSOR_F32, BRGPU_TENSOR_BF16, BRGPU_TENSOR_I8})
                check_multiply({m, 33, 5, type, BRGPU_TMMA_ACCUMULATE}, Values::plain);
    });
}

// Deeper than what is staged at a time, and stopped after each piece of that.
TEST(SimtTensor, DeepTilesAreStoppedAndResumed) {
    with_all_kernels([] {
        for (uint8_t type = 0; type <= BRGPU_TENSOR_I8; ++type)
            for (const unsigned flags :
                 {0u, BRGPU_TMMA_A_TRANSPOSED | BRGPU_TMMA_B_TRANSPOSED,
                  BRGPU_TMMA_ACCUMULATE | BRGPU_TMMA_B_PACKED, 0u | BRGPU_TMMA_B_PANELS}) {
                const uint16_t k = type == BRGPU_TENSOR_I8 ? 1109 : 613;
                check_multiply({13, 70, k, type, static_cast<uint8_t>(flags)}, Values::plain, 1);
            }
    });
}

TEST(SimtTensor, LargestTiles) {
    check_multiply({64, 128, 128, BRGPU_TENSOR_F32, BRGPU_TMMA_ACCUMULATE}, Values::plain);
    check_multiply({64, 64, 300, BRGPU_TENSOR_BF16, BRGPU_TMMA_B_PACKED}, Values::plain);
    check_multiply({128, 100, 255, BRGPU_TENSOR_I8, BRGPU_TMMA_B_PACKED}, Values::plain);
}

// What is done at first use: kernels that give other bits are found out.
TEST(SimtTensor, KernelsAreCheckedAgainstTheBaseline) {
    class Warnings : public Host {
      public:
        uint64_t timestamp_ns() noexcept override { return 0; }
        void warn(const char *text) noexcept override { ADD_FAILURE() << text; }
    } host;
    with_all_kernels([&] {
        const TensorKernels &kernels = tensor_kernels(host);
        uint8_t type = 0;
        EXPECT_TRUE(tensor_kernels_agree(kernels, type)) << kernels.name << " type " << int(type);
    });
    // Faults that a processor or compiler might have, one at a time.
    static TensorKernels good;
    ASSERT_TRUE(Worker::select_tensor("baseline"));
    good = tensor_kernels(host);
    Worker::select_tensor(nullptr);
    const auto broken = [&](uint8_t wrong, auto &&change) {
        TensorKernels kernels = good;
        change(kernels);
        uint8_t type = 0xff;
        EXPECT_FALSE(tensor_kernels_agree(kernels, type));
        EXPECT_EQ(type, wrong);
    };
    broken(BRGPU_TENSOR_BF16, [](auto &k) { k.multiply_bf16 = k.multiply_f32; }); // no flush
    broken(BRGPU_TENSOR_F32, [](auto &k) { k.multiply_f32 = k.multiply_bf16; });
    broken(BRGPU_TENSOR_I8, [](auto &k) { k.multiply_int8 = k.multiply_f32; });
    broken(BRGPU_TENSOR_F32, [](auto &k) { // another NaN
        k.multiply_f32 = [](const TensorBlock &block) {
            good.multiply_f32(block);
            for (uint32_t i = 0; i < block.rows; ++i)
                for (uint32_t j = 0; j < block.columns; ++j) {
                    std::byte &top = block.acc[i * block.acc_stride + 4 * j + 3];
                    const std::byte &next = block.acc[i * block.acc_stride + 4 * j + 2];
                    if (top == std::byte{0x7f} && next == std::byte{0xc0})
                        top = std::byte{0xff};
                }
        };
    });
    broken(BRGPU_TENSOR_F32, [](auto &k) { // an edge that is written beyond
        k.multiply_f32 = [](const TensorBlock &block) {
            good.multiply_f32(block);
            if (block.columns % 16 != 0 && block.rows > 1)
                block.acc[4 * block.columns] ^= std::byte{1};
        };
    });
    broken(BRGPU_TENSOR_BF16, [](auto &k) { // the smallest normal number flushed
        k.multiply_bf16 = [](const TensorBlock &block) {
            good.multiply_bf16(block);
            for (uint32_t i = 0; i < block.rows; ++i)
                for (uint32_t j = 0; j < block.columns; ++j) {
                    uint32_t word;
                    std::memcpy(&word, block.acc + i * block.acc_stride + 4 * j, 4);
                    if (word == 0x00800000)
                        std::memset(block.acc + i * block.acc_stride + 4 * j, 0, 4);
                }
        };
    });
}

TEST(SimtTensor, AccumulatorFormats) {
    const uint32_t values[] = {0x3f800000, 0x3f808000, 0x3f818000, 0x3f808001,
                               0x7f7fffff, 0xff800000, 0x7f800001, 0x00000001,
                               0x477fe000, 0x477ff000, 0x33000000, 0x33000001,
                               0x38800000, 0xb87fe000, 0x7fffffff, 0x80000000};
    const uint16_t bf16[] = {0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x7f80, 0xff80, 0x7fc0, 0x0000,
                             0x4780, 0x4780, 0x3300, 0x3300, 0x3880, 0xb880, 0x7fc0, 0x8000};
    const uint16_t f16[] = {0x3c00, 0x3c04, 0x3c0c, 0x3c04, 0x7c00, 0xfc00, 0x7e00, 0x0000,
                            0x7bff, 0x7c00, 0x0000, 0x0001, 0x0400, 0x8400, 0x7e00, 0x8000};
    for (const uint8_t type : {BRGPU_TACC_BF16, BRGPU_TACC_F16}) {
        Rig rig(sequence({4, 3, 4, 3}));
        brgpu_tacc_desc d{};
        d.address = c_va;
        d.stride = 16;
        d.acc_stride = 16;
        d.m = 4;
        d.n = 4;
        d.type = BRGPU_TACC_F32;
        rig.memory.write(c_va, values, sizeof(values));
        rig.memory.put(descriptor_va, d);
        d.address = c_va + 0x1000;
        d.stride = 8;
        d.type = type;
        rig.memory.put(descriptor_va + 64, d);
        rig.memory.put(descriptor_va + 128, d);
        d.address = c_va + 0x2000;
        d.stride = 16;
        d.type = BRGPU_TACC_F32;
        rig.memory.put(descriptor_va + 192, d);
        ASSERT_EQ(rig.run(32, 32).status, Status::finished);
        for (unsigned i = 0; i < 16; ++i) {
            const auto narrow = rig.memory.get<uint16_t>(c_va + 0x1000 + 2 * i);
            EXPECT_EQ(narrow, type == BRGPU_TACC_BF16 ? bf16[i] : f16[i]) << i << ' ' << int(type);
            const auto back = rig.memory.get<uint32_t>(c_va + 0x2000 + 4 * i);
            const float expected = type == BRGPU_TACC_BF16
                                       ? std::bit_cast<float>(uint32_t{narrow} << 16)
                                       : widen(BRGPU_TENSOR_F16, narrow);
            if (std::isnan(expected))
                EXPECT_TRUE(std::isnan(std::bit_cast<float>(back)));
            else
                EXPECT_EQ(back, std::bit_cast<uint32_t>(expected));
        }
    }
}

TEST(SimtTensor, TileCopies) {
    for (const uint8_t e : {1, 2, 4, 8})
        for (uint8_t layout = 0; layout <= BRGPU_TDA_PANELS; ++layout)
            for (const bool to_local : {false, true}) {
                SCOPED_TRACE(testing::Message() << int(e) << ' ' << int(layout) << to_local);
                // Larger from global to global memory, which takes the vectors' ways.
                const uint32_t rows = to_local ? 13 : 70, cols = to_local ? 21 : 530;
                const uint32_t src_rows = rows - 2, src_cols = cols - 4, pitch = cols + 19;
                // Through local memory and back, or straight.
                Rig rig(sequence(to_local ? std::initializer_list<int>{0, 1, 0}
                                          : std::initializer_list<int>{0}),
                        256, 8192);
                const bool packs = layout == BRGPU_TDA_PACK || layout == BRGPU_TDA_PANELS;
                const uint32_t pack = packs && e < 4 ? 4u / e : 1;
                const uint32_t groups = (rows + pack - 1) / pack;
                const uint32_t lines = layout == BRGPU_TDA_TRANSPOSE ? cols
                                       : layout == BRGPU_TDA_PANELS  ? (cols + 15) / 16
                                                                     : groups;
                const uint32_t width = layout == BRGPU_TDA_TRANSPOSE ? rows
                                       : layout == BRGPU_TDA_PANELS  ? groups * 16 * pack
                                                                     : cols * pack;
                const uint32_t stride = width * e + 3 * e;
                brgpu_tda_desc d{};
                d.src = a_va;
                d.dst = to_local ? BRGPU_LOCAL_BASE + 8 : c_va;
                d.rows = rows;
                d.cols = cols;
                d.src_rows = src_rows;
                d.src_cols = src_cols;
                d.src_stride = pitch * e;
                d.dst_stride = stride;
                d.elem_bytes = e;
                d.layout = layout;
                rig.memory.put(descriptor_va, d);
                if (to_local) {
                    brgpu_tda_desc out{};
                    out.src = BRGPU_LOCAL_BASE + 8;
                    out.dst = c_va;
                    out.rows = out.src_rows = lines;
                    out.cols = out.src_cols = width;
                    out.src_stride = out.dst_stride = stride;
                    out.elem_bytes = e;
                    rig.memory.put(descriptor_va + 128, out);
                }
                std::vector<uint8_t> source(rows * pitch * e);
                for (size_t i = 0; i < source.size(); ++i)
                    source[i] = static_cast<uint8_t>(i * 7 + i / 251 + 1);
                rig.memory.write(a_va, source.data(), source.size());
                const Outcome out = rig.run(64, 64); // both warps do the same
                ASSERT_EQ(out.status, Status::finished) << to_string(out.fault.code);
                const auto got = rig.memory.get_all<uint8_t>(c_va, lines * stride);
                for (uint32_t line = 0; line < lines; ++line)
                    for (uint32_t at = 0; at < width; ++at) {
                        uint32_t r = line, c = at;
                        if (layout == BRGPU_TDA_TRANSPOSE) {
                            r = at;
                            c = line;
                        } else if (layout == BRGPU_TDA_PACK) {
                            r = line * pack + at % pack;
                            c = at / pack;
                        } else if (layout == BRGPU_TDA_PANELS) {
                            r = at / (16 * pack) * pack + at % pack;
                            c = line * 16 + at / pack % 16;
                        }
                        for (uint32_t byte = 0; byte < e; ++byte)
                            ASSERT_EQ(got[line * stride + at * e + byte],
                                      r < src_rows && c < src_cols
                                          ? source[r * pitch * e + c * e + byte]
                                          : 0)
                                << line << ' ' << at;
                    }
            }
}

template <class Descriptor>
void expect_fault(int kind, const Descriptor &d, FaultCode code, int which) {
    SCOPED_TRACE(which);
    Rig rig(sequence({kind}), 256, 4096);
    rig.memory.put(descriptor_va, d);
    const Outcome out = rig.run(32, 32);
    ASSERT_EQ(out.status, code == FaultCode::none ? Status::finished : Status::faulted);
    EXPECT_STREQ(to_string(out.fault.code), to_string(code));
    if (code != FaultCode::none) {
        EXPECT_EQ(out.fault.pc, code_va);
    }
    if (code == FaultCode::descriptor) {
        EXPECT_EQ(out.fault.va, descriptor_va);
    }
}

TEST(SimtTensor, BrokenCopyDescriptorsAreRefused) {
    brgpu_tda_desc good{};
    good.src = a_va;
    good.dst = BRGPU_LOCAL_BASE;
    good.rows = good.src_rows = 8;
    good.cols = good.src_cols = 16;
    good.src_stride = good.dst_stride = 64;
    good.elem_bytes = 4;
    int which = 0;
    const auto with = [&](FaultCode code, auto &&change) {
        brgpu_tda_desc d = good;
        change(d);
        expect_fault(0, d, code, which++);
    };
    using F = FaultCode;
    with(F::none, [](auto &) {});
    with(F::none, [](auto &d) { d.src_stride = 0; }); // repeats a row
    with(F::descriptor, [](auto &d) { d.rows = 0; });
    with(F::descriptor, [](auto &d) { d.rows = 65537; });
    with(F::descriptor, [](auto &d) { d.cols = 0; });
    with(F::descriptor, [](auto &d) { d.cols = UINT32_MAX; });
    with(F::descriptor, [](auto &d) { d.src_rows = 9; });
    with(F::descriptor, [](auto &d) { d.src_cols = 17; });
    with(F::descriptor, [](auto &d) { d.elem_bytes = 3; });
    with(F::descriptor, [](auto &d) { d.elem_bytes = 0; });
    with(F::descriptor, [](auto &d) { d.layout = 4; });
    with(F::none, [](auto &d) { d.layout = 3, d.dst_stride = 0; }); // one panel
    with(F::descriptor, [](auto &d) { d.layout = 3, d.cols = 17, d.dst_stride = 8 * 64 - 4; });
    with(F::address, [](auto &d) { d.layout = 3, d.cols = 17, d.dst_stride = 4096 - 8 * 64 + 4; });
    with(F::none, [](auto &d) { d.layout = 3, d.cols = 17, d.dst_stride = 4096 - 8 * 64; });
    with(F::descriptor, [](auto &d) { d.pad0 = 1; });
    with(F::descriptor, [](auto &d) { d.pad1 = 1; });
    with(F::descriptor, [](auto &d) { d.pad2[1] = 1; });
    with(F::descriptor, [](auto &d) { d.dst_stride = 60; });
    with(F::descriptor, [](auto &d) { d.src_stride = 66; });
    with(F::misaligned, [](auto &d) { d.src += 2; });
    with(F::misaligned, [](auto &d) { d.dst += 1; });
    with(F::address, [](auto &d) { d.dst += 4096 - 8 * 64 + 4; });
    with(F::address, [](auto &d) { d.dst = BRGPU_PRIVATE_BASE; });
    with(F::address, [](auto &d) { d.src = BRGPU_LOCAL_BASE - 4; });
    with(F::address, [](auto &d) { d.src = UINT64_MAX - 3; });
    with(F::memory, [](auto &d) { d.src = 0x1000; });
    with(F::none, [](auto &d) { d.src = 0x1000, d.src_rows = 0; }); // nothing is read
    with(F::none, [](auto &d) { d.src = 0x1000, d.src_cols = 0; });
}

TEST(SimtTensor, BrokenMultiplyDescriptorsAreRefused) {
    brgpu_tmma_desc good{};
    good.a = a_va;
    good.b = b_va;
    good.a_stride = good.b_stride = 64;
    good.acc_stride = 64;
    good.m = good.n = good.k = 16;
    int which = 0;
    const auto with = [&](FaultCode code, auto &&change) {
        brgpu_tmma_desc d = good;
        change(d);
        expect_fault(2, d, code, which++);
    };
    using F = FaultCode;
    with(F::none, [](auto &) {});
    with(F::descriptor, [](auto &d) { d.m = 0; });
    with(F::descriptor, [](auto &d) { d.m = 129; });
    with(F::descriptor, [](auto &d) { d.n = 129; });
    with(F::descriptor, [](auto &d) { d.k = 4097; });
    with(F::descriptor, [](auto &d) { d.k = 0; });
    with(F::descriptor, [](auto &d) { d.type = 5; });
    with(F::descriptor, [](auto &d) { d.flags = 32; });
    with(F::descriptor, [](auto &d) { d.flags = 12; });
    with(F::descriptor, [](auto &d) { d.flags = 20; });
    with(F::descriptor, [](auto &d) { d.flags = 24; });
    with(F::none, [](auto &d) { d.flags = 16, d.b_stride = 0; });
    with(F::address, [](auto &d) { d.flags = 16, d.b = BRGPU_LOCAL_BASE + 4096 - 15 * 64; });
    with(F::none, [](auto &d) { d.flags = 16, d.b = BRGPU_LOCAL_BASE + 4096 - 16 * 64; });
    with(F::descriptor, [](auto &d) { d.pad[0] = 1; });
    with(F::descriptor, [](auto &d) { d.acc_offset = 2; });
    with(F::descriptor, [](auto &d) { d.acc_stride = 60; });
    with(F::descriptor, [](auto &d) { d.acc_offset = 65536 - 15 * 64 - 60; });
    with(F::descriptor, [](auto &d) { d.acc_stride = 0xfffffffc; });
    with(F::descriptor, [](auto &d) { d.a_stride = 2; });
    with(F::misaligned, [](auto &d) { d.a += 2; });
    with(F::misaligned, [](auto &d) { d.b += 1; });
    with(F::address, [](auto &d) { d.a = BRGPU_LOCAL_BASE + 4096 - 15 * 64 - 60; });
    with(F::none, [](auto &d) { d.a = BRGPU_LOCAL_BASE + 4096 - 15 * 64 - 64; });
    with(F::memory, [](auto &d) { d.b = 0x1000; });
    with(F::address, [](auto &d) { d.b = BRGPU_PRIVATE_BASE; });
}

TEST(SimtTensor, BrokenAccumulatorDescriptorsAreRefused) {
    brgpu_tacc_desc good{};
    good.address = c_va;
    good.stride = 64;
    good.acc_stride = 64;
    good.m = good.n = 16;
    int which = 0;
    const auto with = [&](FaultCode code, auto &&change) {
        brgpu_tacc_desc d = good;
        change(d);
        expect_fault(3, d, code, which++);
    };
    using F = FaultCode;
    with(F::none, [](auto &) {});
    with(F::descriptor, [](auto &d) { d.m = 0; });
    with(F::descriptor, [](auto &d) { d.n = 200; });
    with(F::descriptor, [](auto &d) { d.type = 4; });
    with(F::descriptor, [](auto &d) { d.pad0[6] = 1; });
    with(F::descriptor, [](auto &d) { d.pad1[3] = 1; });
    with(F::descriptor, [](auto &d) { d.stride = 60; });
    with(F::descriptor, [](auto &d) { d.acc_stride = 32; });
    with(F::descriptor, [](auto &d) { d.acc_offset = 65536; });
    with(F::misaligned, [](auto &d) { d.address += 2; });
    with(F::memory, [](auto &d) { d.address = 0x1000; });
}

TEST(SimtTensor, DescriptorsThemselvesFault) {
    Rig misaligned("addi a0, a0, 4\n gpu.tensor 2, a0\n ret");
    EXPECT_EQ(misaligned.run(32, 32).fault.code, FaultCode::misaligned);
    Rig absent("li a0, 0x1000\n gpu.tensor 0, a0\n ret");
    EXPECT_EQ(absent.run(32, 32).fault.code, FaultCode::memory);
    // In private memory: the lowest live lane's counts.
    Rig in_private(R"(
        csrr t0, CSR_LANE_ID
        addi t1, sp, -64
        beqz t0, 1f
        li t2, -1
        sd t2, 0(t1)
     1: gpu.tensor 1, t0
        gpu.tensor 3, t1
        ret
    )");
    const Outcome out = in_private.run(32, 32);
    EXPECT_EQ(out.fault.code, FaultCode::descriptor); // all zero: m is 0
}

TEST(SimtTensor, FaultsAndStopsInTheMiddleOfACopyAreResumed) {
    Rig rig(sequence({0}));
    brgpu_tda_desc d{};
    d.src = 0x50000000;
    d.dst = 0x60000000;
    d.rows = d.src_rows = 64;
    d.cols = d.src_cols = 512;
    d.src_stride = d.dst_stride = 2048;
    d.elem_bytes = 4;
    rig.memory.put(descriptor_va, d);
    auto dispatch = rig.dispatch(32, 32);
    Workgroup group;
    ASSERT_TRUE(group.start(*dispatch, 0, 0));
    RunLimits limits;
    limits.budget = 5;
    unsigned faults = 0, stops = 0;
    for (;;) {
        const Outcome out = group.run(rig.worker, limits);
        if (out.status == Status::finished)
            break;
        if (out.status == Status::yielded) {
            ASSERT_LT(++stops, 1000u);
            continue;
        }
        ASSERT_EQ(out.fault.code, FaultCode::memory);
        ASSERT_LT(++faults, 1000u);
        const uint64_t page = out.fault.va & ~(page_bytes - 1);
        rig.memory.map(page, page_bytes);
        for (unsigned i = 0; i < page_bytes && out.fault.access == right_read; i += 4)
            rig.memory.put<uint32_t>(page + i, static_cast<uint32_t>(page + i) * 31);
    }
    EXPECT_EQ(faults, 64u);
    for (uint32_t i = 0; i < 64 * 2048; i += 4)
        ASSERT_EQ(rig.memory.get<uint32_t>(0x60000000 + i), (0x50000000 + i) * 31);

    // Once more, with all of it mapped.
    ASSERT_TRUE(group.start(*dispatch, 0, 0));
    stops = 0;
    while (group.run(rig.worker, limits).status == Status::yielded)
        ASSERT_LT(++stops, 1000u);
    EXPECT_GT(stops, 5u);
}

} // namespace
} // namespace brgpu::simt::test
