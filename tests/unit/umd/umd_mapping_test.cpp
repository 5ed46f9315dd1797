// SPDX-License-Identifier: MIT
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "mapping_table.hpp"

using namespace brgpu::umd;

TEST(MappingTable, CutsWhatItReplaces) {
    BasicMappingTable<int> table;
    const auto a = std::make_shared<int>(1), b = std::make_shared<int>(2);
    table.insert({100, 100, a, 1000, 1});
    table.insert({140, 20, b, 0, 2});
    EXPECT_EQ(3u, table.count());
    EXPECT_EQ(1000u, table.find(139)->offset);
    EXPECT_EQ(b, table.find(140)->memory);
    EXPECT_EQ(1060u, table.find(160)->offset);
    table.erase(0, 1000);
    EXPECT_EQ(0u, table.count());
}

TEST(MappingTable, AgreesWithAnArray) {
    BasicMappingTable<int> table;
    std::vector<std::shared_ptr<int>> owner(256);
    std::vector<uint64_t> offset(256);
    std::mt19937 random(2);
    for (int i = 0; i < 3000; ++i) {
        const uint64_t at = random() % 250, size = 1 + random() % (256 - at);
        const auto object = random() % 3 ? std::make_shared<int>(i) : nullptr;
        if (object)
            table.insert({at, size, object, 7, 0});
        else
            table.erase(at, size);
        for (uint64_t k = 0; k < size; ++k) {
            owner[at + k] = object;
            offset[at + k] = 7 + k;
        }
        for (uint64_t k = 0; k < 256; k += 5) {
            const auto found = table.find(k);
            ASSERT_EQ(owner[k], found ? found->memory : nullptr);
            if (found) {
                ASSERT_EQ(offset[k], found->offset + (k - found->address));
            }
        }
    }
}
