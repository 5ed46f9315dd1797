// SPDX-License-Identifier: MIT
//
// Barriers, sub-groups, collectives, atomics and work-group copies.
#include "card.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

namespace brgpu::cc::test {
namespace {

std::vector<int> test_input(size_t count) {
    std::vector<int> values(count);
    for (size_t i = 0; i < count; i++)
        values[i] = int(i * 7919 % 1009);
    return values;
}

// Workgroups of one partial warp, of whole warps, and of both.
class SubgroupTest : public testing::TestWithParam<uint32_t> {};

TEST_P(SubgroupTest, SubgroupFunctions) {
    const uint32_t size = GetParam();
    for (const char *level : {"-O0", "-O2"}) {
        Card card(compile_file(corpus("subgroups.cl"), {level}));
        const auto in = test_input(size * 2);
        const uint64_t out = card.allocate(in.size() * 32);
        card.arg(card.upload(in)).arg(out).run("subgroup_ops", size * 2, size);
        const auto got = card.download<int>(out, in.size() * 8);
        for (size_t i = 0; i < in.size(); i++) {
            const size_t local = i % size;
            const size_t begin = i - local + local / 32 * 32;
            const size_t end = std::min(begin + 32, i - local + size);
            const auto first = in.begin() + ptrdiff_t(begin), last = in.begin() + ptrdiff_t(end);
            const auto here = in.begin() + ptrdiff_t(i);
            const size_t partner = begin + ((i - begin) ^ 1);
            const std::vector<int> expected = {int(end - begin),
                                               int(i - begin),
                                               end - begin > 1 ? in[begin + 1] : in[i],
                                               std::accumulate(first, last, 0),
                                               std::accumulate(first, here, 0),
                                               *std::max_element(first, here + 1),
                                               partner < end ? in[partner] : in[i],
                                               (*std::max_element(first, last) > 900 ? 2 : 0) + 1};
            const auto *r = &got[i * 8];
            EXPECT_EQ(std::vector<int>(r, r + 8), expected) << level << " item " << i;
        }
    }
}

TEST_P(SubgroupTest, Collectives) {
    const uint32_t size = GetParam();
    Card card(compile_file(corpus("subgroups.cl")));
    auto in = test_input(size * 2);
    in.back() = -1;
    const uint64_t out = card.allocate(in.size() * 24);
    card.arg(card.upload(in)).arg(out).run("workgroup_ops", size * 2, size);
    const auto got = card.download<int>(out, in.size() * 6);
    for (size_t i = 0; i < in.size(); i++) {
        const auto first = in.begin() + ptrdiff_t(i / size * size);
        const auto last = first + size;
        const auto here = in.begin() + ptrdiff_t(i);
        const auto *r = &got[i * 6];
        if (size > 2) {
            EXPECT_EQ(r[0], first[2]);
        }
        const std::vector<int> expected = {
            std::accumulate(first, last, 0), *std::min_element(first, last),
            std::accumulate(first, here, 0), std::accumulate(first, here + 1, 0),
            (*std::max_element(first, last) > 900 ? 2 : 0) +
                (*std::min_element(first, last) >= 0 ? 1 : 0)};
        EXPECT_EQ(std::vector<int>(r + 1, r + 6), expected) << "item " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, SubgroupTest, testing::Values(3u, 20u, 32u, 50u, 128u, 1000u));

TEST(SyncTest, AtomicsUnderContention) {
    for (const char *level : {"-O0", "-O2"}) {
        Card card(compile_file(corpus("atomics.cl"), {level}));
        const uint32_t n = 500;
        const uint64_t i32 = card.upload(std::vector<int>{0, INT32_MAX, INT32_MIN, 0});
        const uint64_t i64 = card.upload(std::vector<int64_t>{int64_t{1} << 40});
        const uint64_t f32 = card.upload(std::vector<float>{1.0f});
        card.arg(i32).arg(i64).arg(f32).run("atomic_counters", n, 100);
        int all = 0;
        for (int i = 0; i < int(n); i++)
            all ^= i;
        EXPECT_EQ(card.download<int>(i32, 4), (std::vector<int>{int(n), 0, int(n) - 1, all}));
        EXPECT_EQ(card.download<int64_t>(i64, 1)[0], (int64_t{1} << 40) + n * (n - 1) / 2);
        EXPECT_EQ(card.download<float>(f32, 1)[0], 1.0f + n * 0.5f);

        const uint64_t lock = card.upload(std::vector<int>{0});
        const uint64_t counter = card.upload(std::vector<int>{0});
        card.arg(lock).arg(counter).run("atomic_spin_lock", 200, 100);
        EXPECT_EQ(card.download<int>(counter, 1)[0], 200);

        auto in = test_input(n);
        const uint64_t size = card.upload(std::vector<uint32_t>{0});
        const uint64_t out = card.allocate(n * 4);
        card.arg(n).arg(card.upload(in)).arg(size).arg(out).run("atomic_append", 512, 64);
        auto kept = card.download<int>(out, card.download<uint32_t>(size, 1)[0]);
        std::erase_if(in, [](int value) { return value % 2 != 0; });
        std::sort(in.begin(), in.end());
        std::sort(kept.begin(), kept.end());
        EXPECT_EQ(kept, in);
    }
}

TEST(SyncTest, EveryAtomicFunction) {
    std::string source;
    const std::vector<std::pair<std::string, std::string>> types = {{"int", "atomic_int"},
                                                                    {"uint", "atomic_uint"},
                                                                    {"long", "atomic_long"},
                                                                    {"ulong", "atomic_ulong"}};
    for (const auto &[type, atomic] : types)
        source += "kernel void test_" + type + "(global " + atomic + " *a, global " + type +
                  " *out) {\n typedef " + type + " T;\n local " + atomic + R"( l;
            atomic_init(&l, 12);
            out[0] = atomic_fetch_add(&a[0], (T)5);
            out[1] = atomic_fetch_sub(&a[0], (T)3);
            out[2] = atomic_fetch_or(&a[0], 0x30);
            out[3] = atomic_fetch_and(&a[0], 0x3c);
            out[4] = atomic_fetch_xor(&a[0], 0xff);
            out[5] = atomic_fetch_min(&a[0], 9);
            out[6] = atomic_fetch_max(&a[0], 100);
            out[7] = atomic_exchange_explicit(&a[0], 7, memory_order_acq_rel);
            )" + type +
                  R"( expected = 8;
            out[8] = atomic_compare_exchange_strong(&a[0], &expected, 1);
            out[9] = expected;
            out[10] = atomic_compare_exchange_strong(&a[0], &expected, 2);
            out[11] = atomic_load_explicit(&a[0], memory_order_acquire, memory_scope_device);
            atomic_store(&a[0], 77);
            out[12] = atomic_load(&a[0]);
            out[13] = atomic_fetch_add_explicit(&l, (T)3, memory_order_relaxed, memory_scope_work_group);
            out[14] = atomic_load(&l);
        })";
    Card card(compile_text(source));
    const std::vector<int64_t> expected = {10, 15, 12, 60, 60, 195, 9, 100, 0, 7, 1, 2, 77, 12, 15};
    for (const auto &[type, atomic] : types) {
        const bool wide = type.find("long") != std::string::npos;
        const uint64_t a =
            wide ? card.upload(std::vector<int64_t>{10}) : card.upload(std::vector<int>{10});
        const uint64_t out = card.allocate(15 * 8);
        card.arg(a).arg(out).run("test_" + type, 1, 1);
        std::vector<int64_t> got;
        if (wide)
            got = card.download<int64_t>(out, 15);
        else
            for (const int value : card.download<int>(out, 15))
                got.push_back(value);
        EXPECT_EQ(got, expected) << type;
    }
}

TEST(SyncTest, WorkGroupCopies) {
    for (const char *level : {"-O0", "-O2"}) {
        Card card(compile_file(corpus("async_copy.cl"), {level}));
        std::vector<float> in(300);
        std::iota(in.begin(), in.end(), 0.0f);
        const uint64_t out = card.allocate(1200);
        card.arg(card.upload(in)).arg(out).local_arg(400).run("async_reverse", 300, 100);
        const auto got = card.download<float>(out, 300);
        for (size_t i = 0; i < 300; i++)
            EXPECT_EQ(got[i], in[i / 100 * 100 + 99 - i % 100]);
        const uint32_t width = 5;
        const auto table = test_input(width * 64);
        const uint64_t columns = card.allocate(width * 64 * 4);
        card.arg(width).arg(card.upload(table)).arg(columns).run("async_columns", width * 48, 48);
        const auto turned = card.download<int>(columns, width * 64);
        for (size_t i = 0; i < turned.size(); i++)
            EXPECT_EQ(turned[i], table[i % 64 * width + i / 64]);
    }
}

// A loop with a rendezvous must not be duplicated or its branches be sunk: every lane has another
// number of rounds of work between the barriers.
TEST(SyncTest, ConvergenceSurvivesOptimisation) {
    const std::string source = R"(
        kernel void k(global const int *rounds, global int *out) {
            local int shared[64];
            const uint id = get_local_id(0);
            int value = id;
            for (int i = 0; i < 10; i++) {
                if (rounds[id] > i)
                    for (int j = 0; j < rounds[(id + i) % 64]; j++)
                        value = value * 3 + j;
                shared[id] = value;
                barrier(CLK_LOCAL_MEM_FENCE);
                value += shared[(id + 1) % 64];
                value ^= sub_group_shuffle_xor(value, 5);
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            out[id] = value;
        })";
    std::vector<int> rounds(64);
    for (size_t i = 0; i < 64; i++)
        rounds[i] = int(i * 13 % 11);
    std::vector<int> value(64);
    std::iota(value.begin(), value.end(), 0);
    for (int i = 0; i < 10; i++) {
        for (size_t id = 0; id < 64; id++)
            if (rounds[id] > i)
                for (int j = 0; j < rounds[(id + size_t(i)) % 64]; j++)
                    value[id] = int(uint32_t(value[id]) * 3u + uint32_t(j));
        std::vector<int> next(64);
        for (size_t id = 0; id < 64; id++)
            next[id] = int(uint32_t(value[id]) + uint32_t(value[(id + 1) % 64]));
        for (size_t id = 0; id < 64; id++)
            value[id] = next[id] ^ next[id ^ 5];
    }
    for (const char *level : {"-O0", "-O1", "-O2", "-O3"}) {
        Card card(compile_text(source, {level}));
        const uint64_t out = card.allocate(256);
        card.arg(card.upload(rounds)).arg(out).run("k", 64, 64);
        EXPECT_EQ(card.download<int>(out, 64), value) << level;
    }
}

TEST(SyncTest, IsaHeader) {
    Card card(compile_text(R"(
        #include <brgpu/device/brgpu_isa.h>
        kernel void k(global ulong *out) {
            const uint lane = brgpu_lane_id();
            global ulong *r = out + get_global_id(0) * 8;
            r[0] = brgpu_ballot(lane % 3 == 0, 0);
            r[1] = brgpu_shuffle_down(lane * 10, 2, 0);
            r[2] = brgpu_first(lane + 100, 0);
            r[3] = brgpu_any(lane == 31, 0) * 2 + brgpu_all(lane < 31, 0);
            if (lane < 8)
                r[4] = brgpu_ballot(1, 0xff);
            else
                r[4] = brgpu_ballot(lane & 1, 0xffffff00u);
            r[5] = brgpu_warp_size();
            const ulong before = brgpu_clock();
            r[6] = brgpu_clock() > before;
            r[7] = brgpu_float_to_bf16(1.00390625f);
        })"));
    const uint64_t out = card.allocate(32 * 64);
    card.arg(out).run("k", 32, 32);
    const auto got = card.download<uint64_t>(out, 256);
    for (uint64_t lane = 0; lane < 32; lane++) {
        const uint64_t *r = &got[lane * 8];
        EXPECT_EQ(r[0], 0x49249249u);
        EXPECT_EQ(r[1], (lane < 30 ? lane + 2 : lane) * 10);
        EXPECT_EQ(r[2], 100u);
        EXPECT_EQ(r[3], 2u);
        EXPECT_EQ(r[4], lane < 8 ? 0xffu : 0xaaaaaa00u);
        EXPECT_EQ(r[5], 32u);
        EXPECT_EQ(r[6], 1u);
        EXPECT_EQ(r[7], 0x3f80u);
    }
}

} // namespace
} // namespace brgpu::cc::test
