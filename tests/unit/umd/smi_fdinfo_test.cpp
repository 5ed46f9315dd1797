// SPDX-License-Identifier: MIT
#include <sstream>

#include <gtest/gtest.h>

#include "fdinfo.hpp"

using namespace brgpu::smi;

TEST(Fdinfo, OurDescriptors) {
    std::istringstream text("pos:\t0\ndrm-driver:\tbrgpu\ndrm-client-id:\t7\n"
                            "drm-pdev:\t0000:01:00.0\ndrm-total-vram:\t4096 KiB\n"
                            "drm-resident-vram:\t2 MiB\ndrm-engine-compute:\t1500 ns\n"
                            "drm-engine-copy:\t500 ns\ndrm-engine-capacity-compute:\t9\n");
    const auto use = parse_fdinfo(text);
    ASSERT_TRUE(use);
    EXPECT_EQ("0000:01:00.0", use->pci_address);
    EXPECT_EQ(7u, use->client);
    EXPECT_EQ(2u << 20, use->memory_bytes);
    EXPECT_EQ(2000u, use->engine_ns);
}

TEST(Fdinfo, OthersAndGarbage) {
    std::istringstream other("drm-driver:\tother\n"), garbage(":\n\xff\n:::\ndrm-driver:\n"), empty;
    EXPECT_FALSE(parse_fdinfo(other));
    EXPECT_FALSE(parse_fdinfo(garbage));
    EXPECT_FALSE(parse_fdinfo(empty));
    EXPECT_TRUE(find_processes("x", "/nonexistent").empty());
}
