// SPDX-License-Identifier: MIT
#include <bit>

#include <gtest/gtest.h>

#include "printf_ring.hpp"

using brgpu::umd::format_record;

namespace {
std::string text(const std::string &format, std::vector<uint64_t> arguments = {}) {
    return format_record(nullptr, format, arguments);
}
} // namespace

TEST(Printf, Conversions) {
    EXPECT_EQ("-5 7 ff 0X1F", text("%d %u %x %#X", {static_cast<uint64_t>(-5), 7, 255, 31}));
    EXPECT_EQ("1.50|  2.0",
              text("%.2f|%5.1f", {std::bit_cast<uint64_t>(1.5), std::bit_cast<uint64_t>(2.0)}));
    EXPECT_EQ("1,2,3,4", text("%v4hld", {1, 2, 3, 4}));
    EXPECT_EQ("A%", text("%c%%", {65}));
    EXPECT_EQ("4294967295", text("%u", {UINT64_MAX}));
    EXPECT_EQ("18446744073709551615", text("%lu", {UINT64_MAX}));
    EXPECT_EQ("(null)", text("%s", {0}));
}

TEST(Printf, HostileFormats) {
    EXPECT_EQ("%n", text("%n", {0x1234}));
    EXPECT_EQ("%", text("%"));
    EXPECT_EQ("%v99d", text("%v99d", {1}));
    EXPECT_EQ("", text("%d"));
    EXPECT_EQ("%*d", text("%*d", {1, 2}));
    EXPECT_LE(text("%999999999d", {1}).size(), 1001u);
}
