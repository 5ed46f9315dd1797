// SPDX-License-Identifier: MIT
#include <cstring>

#include <gtest/gtest.h>

#include "argument_spec.hpp"
#include "suggestion.hpp"

using namespace brgpu::exec;

TEST(ArgumentSpec, Kinds) {
    EXPECT_EQ("a:b.bin", parse_argument("in:a:b.bin").input);
    const auto out = parse_argument("out:c:d:4K");
    EXPECT_EQ("c:d", out.output);
    EXPECT_EQ(4096u, out.bytes);
    const auto both = parse_argument("inout:a:b");
    EXPECT_EQ("a", both.input);
    EXPECT_EQ("b", both.output);
    EXPECT_EQ(1u << 20, parse_argument("zero:1M").bytes);
    EXPECT_EQ(64u, parse_argument("local:0x40").bytes);
    int32_t number = 0;
    std::memcpy(&number, parse_argument("i32:-7").value.data(), 4);
    EXPECT_EQ(-7, number);
    float real = 0;
    std::memcpy(&real, parse_argument("f32:1.5e3").value.data(), 4);
    EXPECT_EQ(1500.0f, real);
    EXPECT_EQ(8u, parse_argument("u64:18446744073709551615").value.size());
}

TEST(ArgumentSpec, Refused) {
    for (const char *text : {"",
                             "in",
                             "in:",
                             "out:file",
                             "out::4",
                             "out:f:0",
                             "out:f:x",
                             "inout:a",
                             "inout:a:",
                             "zero:-1",
                             "zero:99999999999G",
                             "local:",
                             "i32:2147483648",
                             "i32:1x",
                             "u32:-1",
                             "u32:4294967296",
                             "f32:",
                             "f32:one",
                             "u8:1",
                             "u64:18446744073709551616"})
        EXPECT_THROW(parse_argument(text), UsageError) << text;
}

TEST(Extent, Parsed) {
    const auto e = parse_extent("640,480", 1);
    EXPECT_EQ(2u, e.dimensions);
    EXPECT_EQ(480u, e.size[1]);
    EXPECT_EQ(1u, e.size[2]);
    for (const char *text : {"", "0", "1,", "1,2,3,4", "-1", "4294967296", "a"})
        EXPECT_THROW(parse_extent(text, 1), UsageError) << text;
}

TEST(Suggestion, NearNamesOnly) {
    EXPECT_EQ("saxpy", nearest("saxpi", {"reduce", "saxpy"}));
    EXPECT_EQ("", nearest("zzzzzz", {"reduce", "saxpy"}));
}
