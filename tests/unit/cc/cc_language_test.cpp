// SPDX-License-Identifier: MIT
//
// What the language promises: ids, arguments, functions, variables, printf, conversions.
#include "card.hpp"

#include <algorithm>
#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include <gtest/gtest.h>

namespace brgpu::cc::test {
namespace {

TEST(LanguageTest, WorkItemFunctions) {
    Card card(compile_file(corpus("ids.cl")));
    const uint64_t out = card.allocate(7 * 5 * 3 * 32 * 8);
    card.arg(out);
    // Edges in every dimension: 7 = 4 + 3, 5 = 2 + 2 + 1.
    card.run("ids", {{7, 5, 3}, {4, 2, 2}, {100, 20, 3}, 3});
    const auto got = card.download<uint64_t>(out, 7 * 5 * 3 * 32);
    for (uint64_t z = 0; z < 3; z++)
        for (uint64_t y = 0; y < 5; y++)
            for (uint64_t x = 0; x < 7; x++) {
                const uint64_t linear = (z * 5 + y) * 7 + x;
                const uint64_t *r = &got[linear * 32];
                const uint64_t sizes[3] = {x < 4 ? 4u : 3u, y < 4 ? 2u : 1u, z < 2 ? 2u : 1u};
                const std::vector<uint64_t> expected = {x + 100,
                                                        y + 20,
                                                        z + 3,
                                                        0,
                                                        x % 4,
                                                        y % 2,
                                                        z % 2,
                                                        0,
                                                        x / 4,
                                                        y / 2,
                                                        z / 2,
                                                        0,
                                                        7,
                                                        5,
                                                        3,
                                                        1,
                                                        sizes[0],
                                                        sizes[1],
                                                        sizes[2],
                                                        1,
                                                        4,
                                                        2,
                                                        2,
                                                        1,
                                                        2,
                                                        3,
                                                        2,
                                                        1,
                                                        3,
                                                        linear,
                                                        (z % 2 * sizes[1] + y % 2) * sizes[0] +
                                                            x % 4,
                                                        100};
                ASSERT_EQ(std::vector<uint64_t>(r, r + 32), expected) << x << ' ' << y << ' ' << z;
            }
}

TEST(LanguageTest, StructArguments) {
    Card card(compile_file(corpus("structs.cl")));
    struct Transform {
        char tag;
        float scale[4];
        double offset;
        int16_t a, b;
    } transform = {42, {1, 2, 3, 4}, 0.5, 7, 5};
    struct Item {
        float value;
        int tag;
        bool operator==(const Item &) const = default;
    };
    const uint64_t items = card.upload(std::vector<Item>(8, {10.0f, 0}));
    const std::array<float, 4> shift = {0, 0.25f, 0, 0};
    card.arg(transform).arg(shift).arg(char{3}).arg(items).arg(8u).run("struct_args", 32);
    const auto got = card.download<Item>(items, 8);
    const float scale[4] = {3.5f, 2, 3, 4};
    for (size_t i = 0; i < 8; i++)
        EXPECT_EQ(got[i], (Item{10.0f * scale[i % 4] + 0.25f + 3, 42}));

    struct Node {
        uint64_t next;
        int64_t value;
    };
    const uint64_t nodes = card.allocate(3 * sizeof(Node));
    card.write(nodes, std::vector<Node>{{nodes + 32, 5}, {0, 100}, {nodes + 16, -7}});
    const uint64_t sum = card.allocate(8);
    card.arg(nodes).arg(sum).run("struct_pointers", 1, 1);
    EXPECT_EQ(card.download<int64_t>(sum, 1)[0], 5 - 7 + 100);
}

TEST(LanguageTest, Vectors) {
    Card card(compile_file(corpus("vectors.cl")));
    std::vector<float> a(128), b(128);
    std::iota(a.begin(), a.end(), 1.0f);
    std::iota(b.begin(), b.end(), 0.5f);
    const uint64_t out = card.allocate(4096);
    card.arg(card.upload(a)).arg(card.upload(b)).arg(out).run("vector_arithmetic", 32);
    const auto got = card.download<float>(out, 128);
    for (size_t i = 0; i < 128; i++)
        EXPECT_EQ(got[i], (a[i / 4 * 4 + 3 - i % 4] + b[i / 4 * 4 + 3 - i % 4]) * a[i / 4 * 4]);
    card.arg(card.upload(a)).arg(out).run("vector3_packed", 32);
    const auto cross = card.download<float>(out, 96);
    for (size_t i = 0; i < 96; i += 3) {
        EXPECT_EQ(cross[i], a[i + 1] * 3 - a[i + 2] * 2);
        EXPECT_EQ(cross[i + 1], a[i + 2] * 1 - a[i] * 3);
        EXPECT_EQ(cross[i + 2], a[i] * 2 - a[i + 1] * 1);
    }
    std::vector<int> p(256), q(256);
    for (size_t i = 0; i < 256; i++) {
        p[i] = int(i * 7919 % 256) - 128;
        q[i] = int(i * 104729 % 256) - 128;
    }
    card.arg(card.upload(p)).arg(card.upload(q)).arg(out).run("vector_integer", 32);
    const auto integers = card.download<int>(out, 256);
    for (size_t i = 0; i < 256; i++)
        EXPECT_EQ(integers[i], (p[i] < q[i] ? q[i] : p[i]) + std::abs(p[i] - q[i]));
    std::vector<uint8_t> bytes(512);
    std::iota(bytes.begin(), bytes.end(), uint8_t{0});
    card.arg(card.upload(bytes)).arg(out).run("vector_bytes", 32);
    EXPECT_EQ(card.download<uint16_t>(out, 2)[1], 16 * 16 + 120);
}

TEST(LanguageTest, FunctionsRecursionAndPointers) {
    Card card(compile_file(corpus("functions.cl")));
    std::vector<uint32_t> n(32), fibonacci(32);
    for (uint32_t i = 0; i < 32; i++) {
        n[i] = i % 16;
        uint32_t a = 0, b = 1;
        for (uint32_t j = 0; j < n[i]; j++)
            std::tie(a, b) = std::make_pair(b, a + b);
        fibonacci[i] = a;
    }
    const uint64_t out = card.allocate(4096);
    card.arg(card.upload(n)).arg(out).run("recursive_fibonacci", 32);
    EXPECT_EQ(card.download<uint32_t>(out, 32), fibonacci);

    std::vector<int> data(32 * 32);
    for (size_t i = 0; i < data.size(); i++)
        data[i] = int(i * 7919 % 1009);
    const uint64_t sorted = card.upload(data);
    card.arg(sorted).run("quicksort_private", 32);
    for (auto at = data.begin(); at != data.end(); at += 32)
        std::sort(at, at + 32);
    EXPECT_EQ(card.download<int>(sorted, data.size()), data);

    std::vector<int> operation(32), x(32), expected(32);
    for (int i = 0; i < 32; i++) {
        operation[size_t(i)] = i % 3;
        x[size_t(i)] = i - 10;
        expected[size_t(i)] = i % 3 == 0 ? i - 9 : i % 3 == 1 ? (i - 10) * (i - 10) : 10 - i;
    }
    for (const char *name : {"call_pointers", "call_kernel"}) {
        const uint64_t result = card.allocate(128);
        card.arg(card.upload(operation)).arg(card.upload(x)).arg(result).run(name, 32);
        EXPECT_EQ(card.download<int>(result, 32), expected) << name;
    }
}

TEST(LanguageTest, ProgramScopeVariables) {
    Card card(compile_file(corpus("globals.cl")));
    const uint64_t tickets = card.allocate(400);
    card.arg(tickets).run("globals_count", 64, 32);
    card.arg(tickets).run("globals_count", 32, 32);
    auto got = card.download<uint32_t>(tickets, 32);
    std::sort(got.begin(), got.end());
    for (uint32_t i = 0; i < 32; i++)
        EXPECT_EQ(got[i], 64 + i);
    const uint64_t out = card.upload(std::vector<uint32_t>{0, 0, 0, 0, 0, 0, 1});
    card.arg(out).run("globals_read", 1, 1);
    EXPECT_EQ(card.download<uint32_t>(out, 6), (std::vector<uint32_t>{96, 3, 1, 4, 1, 26}));
}

TEST(LanguageTest, Printf) {
    for (const char *level : {"-O0", "-O2"}) {
        Card card(compile_file(corpus("printf.cl"), {level}));
        card.run("print_hello", 3, 2);
        auto records = card.printed();
        ASSERT_EQ(records.size(), 3u);
        std::vector<uint64_t> ids;
        for (const auto &record : records) {
            EXPECT_EQ(record.format, "hello from work-item %u of %u\n");
            ids.push_back(record.words[0]);
            EXPECT_EQ(record.words[1], 3u);
        }
        std::sort(ids.begin(), ids.end());
        EXPECT_EQ(ids, (std::vector<uint64_t>{0, 1, 2}));

        const uint64_t text = card.upload(std::vector<char>{'t', 'e', 'x', 't', 0});
        card.arg(-5).arg(1.5f).arg(text).run("print_formats", 1, 1);
        records = card.printed();
        ASSERT_EQ(records.size(), 5u);
        const auto &words = records[3].words;
        const auto real = [](double value) { return std::bit_cast<uint64_t>(value); };
        EXPECT_EQ(words, (std::vector<uint64_t>{uint64_t(-5), 0xfffffffbu, uint64_t(-5) << 32,
                                                real(1.5), text, 'x', real(1.5), real(1), real(2),
                                                real(3), uint64_t(-1), 7}));
        EXPECT_EQ(card.string_at(words[4]), "text");
        EXPECT_EQ(records[4].words[0], real(12.0));
    }
}

TEST(LanguageTest, PrintfStopsAtTheEndOfTheRing) {
    Card card(compile_file(corpus("printf.cl")));
    card.run("print_hello", 4096, 256);
    const auto records = card.printed();
    EXPECT_EQ(records.size(), (65536 - 16) / 32u);
}

// Conversions of float and double with every rounding mode and saturation, against the host.
template <class From, class To>
void check_conversion(const std::string &from, const std::string &to,
                      const std::vector<From> &values) {
    std::string source;
    const std::pair<const char *, int> modes[] = {{"_rte", FE_TONEAREST},
                                                  {"_rtz", FE_TOWARDZERO},
                                                  {"_rtp", FE_UPWARD},
                                                  {"_rtn", FE_DOWNWARD}};
    for (const auto &[mode, unused] : modes)
        source += "kernel void k" + std::string(mode) + "(global const " + from + " *in, global " +
                  to + " *out) { size_t i = get_global_id(0); out[i] = convert_" + to + "_sat" +
                  mode + "(in[i]); }\n";
    Card card(compile_text(source));
    for (const auto &[mode, rounding] : modes) {
        const uint64_t out = card.allocate(values.size() * sizeof(To));
        card.arg(card.upload(values)).arg(out);
        card.run("k" + std::string(mode), static_cast<uint32_t>(values.size()));
        const auto got = card.download<To>(out, values.size());
        for (size_t i = 0; i < values.size(); i++) {
            std::fesetround(rounding);
            const long double whole = std::nearbyint(static_cast<long double>(values[i]));
            std::fesetround(FE_TONEAREST);
            const auto low = static_cast<long double>(std::numeric_limits<To>::min());
            const auto high = static_cast<long double>(std::numeric_limits<To>::max());
            const To expected =
                std::isnan(values[i]) ? To{0} : static_cast<To>(std::clamp(whole, low, high));
            EXPECT_EQ(got[i], expected) << from << " to " << to << mode << ' ' << values[i];
        }
    }
}

template <class From>
std::vector<From> conversion_values() {
    std::vector<From> values;
    for (const double whole :
         {0.0, 1.0, 2.0, 127.0, 128.0, 255.0, 32767.0, 65535.0, 8388608.0, 2147483648.0,
          4294967296.0, 9223372036854775808.0, 18446744073709551616.0, 1e30})
        for (const double part : {0.0, 0.25, 0.5, 0.75, 1.0, -0.5})
            for (const double sign : {1.0, -1.0})
                values.push_back(static_cast<From>(sign * (whole + part)));
    values.push_back(std::numeric_limits<From>::infinity());
    values.push_back(-std::numeric_limits<From>::infinity());
    values.push_back(std::numeric_limits<From>::quiet_NaN());
    values.push_back(std::numeric_limits<From>::denorm_min());
    return values;
}

TEST(LanguageTest, SaturatingConversions) {
    const auto floats = conversion_values<float>();
    check_conversion<float, int8_t>("float", "char", floats);
    check_conversion<float, uint8_t>("float", "uchar", floats);
    check_conversion<float, int16_t>("float", "short", floats);
    check_conversion<float, int32_t>("float", "int", floats);
    check_conversion<float, uint32_t>("float", "uint", floats);
    check_conversion<float, int64_t>("float", "long", floats);
    check_conversion<float, uint64_t>("float", "ulong", floats);
    const auto doubles = conversion_values<double>();
    check_conversion<double, int8_t>("double", "char", doubles);
    check_conversion<double, int32_t>("double", "int", doubles);
    check_conversion<double, uint32_t>("double", "uint", doubles);
    check_conversion<double, int64_t>("double", "long", doubles);
    check_conversion<double, uint64_t>("double", "ulong", doubles);
}

TEST(LanguageTest, RoundedConversionsToFloat) {
    const std::pair<const char *, int> modes[] = {{"", FE_TONEAREST},
                                                  {"_rte", FE_TONEAREST},
                                                  {"_rtz", FE_TOWARDZERO},
                                                  {"_rtp", FE_UPWARD},
                                                  {"_rtn", FE_DOWNWARD}};
    std::string source;
    for (const auto &[mode, unused] : modes)
        source +=
            "kernel void k" + std::string(mode) +
            "(global const long *l, global const ulong *u, global const double *d, global float "
            "*out) { size_t i = get_global_id(0); out[3 * i] = convert_float" +
            mode + "(l[i]); out[3 * i + 1] = convert_float" + mode +
            "(u[i]); out[3 * i + 2] = convert_float" + mode + "(d[i]); }\n";
    Card card(compile_text(source));
    std::vector<int64_t> l;
    std::vector<uint64_t> u;
    std::vector<double> d;
    for (const int64_t base : {int64_t{0}, int64_t{1} << 24, int64_t{1} << 53, INT64_MAX})
        for (const int64_t step : {-1, 0, 1, 3}) {
            l.push_back(base == INT64_MAX ? base - step - 1 : base + step);
            u.push_back(uint64_t(l.back()) * 2 + 1);
            d.push_back(double(base) + double(step) * 0.3);
        }
    d[0] = 1e300;
    d[1] = -1e-300;
    d[2] = 1.00000000001;
    for (const auto &[mode, rounding] : modes) {
        const uint64_t out = card.allocate(l.size() * 12);
        card.arg(card.upload(l)).arg(card.upload(u)).arg(card.upload(d)).arg(out);
        card.run("k" + std::string(mode), static_cast<uint32_t>(l.size()), 16);
        const auto got = card.download<float>(out, l.size() * 3);
        for (size_t i = 0; i < l.size(); i++) {
            std::fesetround(rounding);
            volatile float a = static_cast<float>(l[i]);
            volatile float b = static_cast<float>(u[i]);
            volatile float c = static_cast<float>(d[i]);
            std::fesetround(FE_TONEAREST);
            EXPECT_EQ(got[3 * i], a) << mode << ' ' << l[i];
            EXPECT_EQ(got[3 * i + 1], b) << mode << ' ' << u[i];
            EXPECT_EQ(got[3 * i + 2], c) << mode << ' ' << d[i];
        }
    }
}

TEST(LanguageTest, HalfAndDouble) {
    Card card(compile_file(corpus("fp16.cl")));
    // Every half there is, there and back.
    std::vector<uint16_t> halves(65536);
    std::iota(halves.begin(), halves.end(), uint16_t{0});
    const uint64_t floats = card.allocate(65536 * 4), back = card.allocate(65536 * 2);
    card.arg(65536u).arg(card.upload(halves)).arg(floats).run("half_unpack", 65536, 256);
    card.arg(65536u).arg(floats).arg(back).run("half_pack", 65536, 256);
    const auto got = card.download<uint16_t>(back, 65536);
    for (size_t i = 0; i < 65536; i++)
        EXPECT_EQ(got[i], (i & 0x7fff) > 0x7c00 ? 0x7e00 : i);
    const auto values = card.download<float>(floats, 65536);
    EXPECT_EQ(values[0x3c00], 1.0f);
    EXPECT_EQ(values[0x0001], 0x1p-24f);
    EXPECT_EQ(values[0xfbff], -65504.0f);

    Card real(compile_file(corpus("fp64.cl")));
    const uint64_t partial = real.allocate(64 * 8);
    real.arg(10000u).arg(partial).run("integrate_pi", 64, 32);
    const auto sums = real.download<double>(partial, 64);
    EXPECT_NEAR(std::accumulate(sums.begin(), sums.end(), 0.0), M_PI, 1e-8);
}

TEST(LanguageTest, IntegerFunctions) {
    Card card(compile_text(R"(
        kernel void k(global const int *a, global const int *b, global long *out) {
            const size_t i = get_global_id(0);
            const int x = a[i], y = b[i];
            global long *r = out + i * 16;
            r[0] = add_sat(x, y);
            r[1] = sub_sat(x, y);
            r[2] = mul_hi(x, y);
            r[3] = hadd(x, y);
            r[4] = rhadd(x, y);
            r[5] = mad_sat(x, y, 7);
            r[6] = clz(x);
            r[7] = ctz(x);
            r[8] = popcount(x);
            r[9] = rotate(x, y);
            r[10] = upsample((short)x, (ushort)y);
            r[11] = bit_reverse((uint)x);
            r[12] = bitfield_extract_signed(x, 4, 7);
            r[13] = bitfield_insert((uint)x, (uint)y, 8, 12);
            r[14] = mul24(x & 0x7fffff, y & 0x7fffff);
            r[15] = abs_diff(x, y);
        })"));
    const std::vector<int> interesting = {0, 1, -1, INT32_MAX, INT32_MIN, 0x12345678, -77777};
    std::vector<int> a, b;
    for (const int x : interesting)
        for (const int y : interesting) {
            a.push_back(x);
            b.push_back(y);
        }
    const uint64_t out = card.allocate(a.size() * 128);
    card.arg(card.upload(a)).arg(card.upload(b)).arg(out);
    card.run("k", static_cast<uint32_t>(a.size()), 7);
    const auto got = card.download<int64_t>(out, a.size() * 16);
    for (size_t i = 0; i < a.size(); i++) {
        const int64_t x = a[i], y = b[i];
        const auto ux = static_cast<uint32_t>(a[i]), uy = static_cast<uint32_t>(b[i]);
        const auto saturate = [](int64_t v) {
            return std::clamp<int64_t>(v, INT32_MIN, INT32_MAX);
        };
        uint32_t reversed = 0;
        for (int bit = 0; bit < 32; bit++)
            reversed |= (ux >> bit & 1) << (31 - bit);
        const int64_t expected[16] = {
            saturate(x + y),
            saturate(x - y),
            x * y >> 32,
            (x + y) >> 1,
            (x + y + 1) >> 1,
            saturate(x * y + 7),
            std::countl_zero(ux),
            std::countr_zero(ux),
            std::popcount(ux),
            static_cast<int32_t>(std::rotl(ux, static_cast<int>(uy & 31))),
            static_cast<int32_t>(ux << 16 | (uy & 0xffff)),
            reversed,
            static_cast<int64_t>(static_cast<uint64_t>(x) << 53) >> 57,
            static_cast<uint32_t>((ux & ~0xfff00u) | (uy << 8 & 0xfff00u)),
            static_cast<int32_t>((ux & 0x7fffff) * (uy & 0x7fffff)),
            std::abs(x - y)};
        for (size_t j = 0; j < 16; j++)
            EXPECT_EQ(got[i * 16 + j], expected[j]) << "function " << j << " of " << x << ", " << y;
    }
}

// Vectors and structs of every size through calls that stay calls.
TEST(LanguageTest, ArgumentsOfRealCalls) {
    const std::string source = R"(
        #pragma OPENCL EXTENSION cl_khr_fp16 : enable
        #pragma OPENCL EXTENSION __cl_clang_bitfields : enable
        #define CALL __attribute__((noinline))
        struct Big { int a[9]; double d; float3 v; };
        union Bits { float f; uint u; };
        struct Fields { uint low : 5; int middle : 11; uint high : 16; };
        CALL float16 wide(float16 x, double8 y) { return x * convert_float16((double16)(y, y)); }
        CALL char3 narrow(char3 x, uchar2 y) { return x + (char3)(convert_char2(y), 1); }
        CALL half4 halves(half4 x, half y) { return x * y; }
        CALL struct Big change(struct Big b, int i) { b.a[i] += 1; b.v.y = 2 * b.v.z; return b; }
        CALL uint bits(union Bits b) { return b.u; }
        CALL int fields(struct Fields f) { return f.low + f.middle + f.high; }
        CALL long many(long a, int b, float c, double d, char e, short f, long2 g, float h, int i,
                       ulong j, float k, double l) {
            return a + b + (long)c + (long)d + e + f + g.x + g.y + (long)h + i + j + (long)k +
                   (long)l;
        }
        kernel void k(global float *out, global int *n) {
            float16 x = 3.0f;
            x.s7 = n[0];
            const float16 w = wide(x, (double8)(1, 2, 3, 4, 5, 6, 7, 8));
            out[0] = w.s0 + w.s7 + w.sf;
            const char3 c = narrow((char3)(1, 2, n[0]), (uchar2)(10, 20));
            out[1] = c.x + c.y + c.z;
            out[2] = (float)halves((half4)(1.5h), (half)n[0]).w;
            struct Big b = {{0}, 0.5, (float3)(0, 0, n[0])};
            const struct Big r = change(b, n[0]);
            out[3] = r.a[n[0]] + r.v.y + r.d + b.a[n[0]];
            out[4] = bits((union Bits){.f = (float)n[0]}) == as_uint(4.0f);
            out[5] = fields((struct Fields){3, -n[0], 500});
            out[6] = many(1, 2, 3, 4, 5, 6, (long2)(7, 8), 9, 10, 11, 12, n[0]);
        })";
    const std::string c_source = R"(
        #include <brgpu/device/brgpu_c.h>
        #include <stdarg.h>
        __attribute__((noinline)) static double sum(int count, ...) {
            va_list list;
            va_start(list, count);
            double total = 0;
            for (int i = 0; i < count; i++)
                total += i % 2 ? va_arg(list, double) : va_arg(list, int);
            va_end(list);
            return total;
        }
        BRGPU_KERNEL void k(float *out, int *n) {
            out[0] = (float)sum(n[0], 1, 2.5, 3, 4.25);
            switch (n[0]) {
            case 1: out[1] = 5; break;
            case 2: out[1] = 6; break;
            case 3: out[1] = 7; break;
            case 4: out[1] = 8; break;
            case 5: out[1] = 9; break;
            default: out[1] = 10;
            }
        })";
    for (const char *level : {"-O0", "-O2"}) {
        Card card(compile_text(source, {level}));
        const uint64_t out = card.allocate(64);
        card.arg(out).arg(card.upload(std::vector<int>{4})).run("k", 1, 1);
        const std::vector<float> expected = {3 + 32 + 24, 11 + 22 + 5, 6, 1 + 8 + 0.5f, 1, 499, 82};
        EXPECT_EQ(card.download<float>(out, 7), expected) << level;
        Card c_card(compile_text(c_source, {level}, "kernel.c"));
        const uint64_t c_out = c_card.allocate(64);
        c_card.arg(c_out).arg(c_card.upload(std::vector<int>{4})).run("k", 1, 1);
        EXPECT_EQ(c_card.download<float>(c_out, 2), (std::vector<float>{10.75f, 8})) << level;
    }
}

TEST(LanguageTest, DebugAndUnoptimisedCodeComputeTheSame) {
    for (const char *option : {"-O0", "-O1", "-O3", "-Os", "-g"}) {
        Card card(compile_file(corpus("functions.cl"), {option}));
        const uint64_t out = card.allocate(128);
        card.arg(card.upload(std::vector<uint32_t>(32, 10)))
            .arg(out)
            .run("recursive_fibonacci", 32);
        EXPECT_EQ(card.download<uint32_t>(out, 32), std::vector<uint32_t>(32, 55)) << option;
    }
}

} // namespace
} // namespace brgpu::cc::test
