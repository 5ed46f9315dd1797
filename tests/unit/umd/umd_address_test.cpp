// SPDX-License-Identifier: MIT
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "address_allocator.hpp"

using brgpu::umd::AddressAllocator;

TEST(AddressAllocator, AlignsAndFillsHoles) {
    AddressAllocator a(0x10000, 0x20000, 0x1000);
    EXPECT_EQ(0x10000u, a.allocate(0x1000, 1));
    EXPECT_EQ(0x14000u, a.allocate(0x1000, 0x4000));
    EXPECT_EQ(0x11000u, a.allocate(0x3000, 0x1000));
    EXPECT_FALSE(a.allocate(0x10000, 0x1000));
    EXPECT_EQ(0x3000u, a.free(0x11000));
    EXPECT_FALSE(a.free(0x11000));
    EXPECT_FALSE(a.free(0x12000));
    EXPECT_EQ(0x11000u, a.allocate(1, 1));
}

TEST(AddressAllocator, FixedPlaces) {
    AddressAllocator a(0x1000, 0x9000, 0x1000);
    EXPECT_FALSE(a.allocate_at(0, 0x1000));
    EXPECT_FALSE(a.allocate_at(0x8000, 0x2000));
    EXPECT_FALSE(a.allocate_at(0x8000, 0));
    EXPECT_FALSE(a.allocate_at(0x8001, 0x1000));
    EXPECT_TRUE(a.allocate_at(0x3000, 0x2000));
    EXPECT_FALSE(a.allocate_at(0x4000, 0x1000));
    EXPECT_TRUE(a.contains(0x3800, 0x1800));
    EXPECT_FALSE(a.contains(0x3800, 0x1801));
    EXPECT_FALSE(a.allocate(UINT64_MAX, 1));
}

TEST(AddressAllocator, RandomUseNeverOverlapsAndLeavesNothing) {
    AddressAllocator a(0, 1 << 20, 4096);
    std::map<uint64_t, uint64_t> used;
    std::mt19937 random(1);
    for (int i = 0; i < 5000; ++i) {
        if (random() % 2 || used.empty()) {
            const uint64_t size = (1 + random() % 20) * 4096;
            if (auto at = a.allocate(size, uint64_t{4096} << random() % 4)) {
                auto next = used.lower_bound(*at);
                ASSERT_TRUE(next == used.end() || *at + size <= next->first);
                ASSERT_TRUE(next == used.begin() ||
                            std::prev(next)->first + std::prev(next)->second <= *at);
                used[*at] = size;
            }
        } else {
            auto victim = std::next(used.begin(), static_cast<long>(random() % used.size()));
            ASSERT_EQ(victim->second, a.free(victim->first));
            used.erase(victim);
        }
    }
    for (const auto &[at, size] : used)
        a.free(at);
    EXPECT_EQ(0u, a.bytes_taken());
    EXPECT_EQ(0u, a.allocate(1 << 20, 4096));
}
