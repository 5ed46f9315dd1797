// SPDX-License-Identifier: MIT
//
// What brgpu-cc writes: descriptors, notes, segments, local and private memory.
#include "support.hpp"

#include "brgpu/hw/isa.h"

#include <cstring>
#include <elf.h>

#include <gtest/gtest.h>

namespace brgpu::cc::test {
namespace {

TEST(CodeObjectTest, DescribesEveryKindOfArgument) {
    const Compiled compiled = compile_text(R"(
        #pragma OPENCL EXTENSION cl_khr_fp16 : enable
        struct S { char c; double d; float4 v; };
        kernel void k(char a, float3 b, global const float *restrict c, constant int *d,
                      local double *e, struct S f, volatile global uint *g, half h, uchar2 i) {
            g[0] = a + (uint)b.x + (uint)c[0] + d[0] + (uint)e[0] + (uint)f.d + (uint)h + i.y;
        })");
    const KernelInfo &info = kernel(compiled.object, "k");
    ASSERT_EQ(info.args.size(), 9u);
    struct Expected {
        const char *name;
        const char *type;
        int kind;
        unsigned offset, size;
        int flags;
    };
    const Expected expected[] = {
        {"a", "char", BRGPU_ARG_VALUE, 0, 1, 0},
        {"b", "float3", BRGPU_ARG_VALUE, 16, 16, 0},
        {"c", "float*", BRGPU_ARG_GLOBAL, 32, 8, BRGPU_ARG_CONST | BRGPU_ARG_RESTRICT},
        {"d", "int*", BRGPU_ARG_GLOBAL, 40, 8, BRGPU_ARG_CONST},
        {"e", "double*", BRGPU_ARG_LOCAL, 48, 8, 0},
        {"f", "struct S", BRGPU_ARG_VALUE, 64, 32, 0},
        {"g", "uint*", BRGPU_ARG_GLOBAL, 96, 8, BRGPU_ARG_VOLATILE},
        {"h", "half", BRGPU_ARG_VALUE, 104, 2, 0},
        {"i", "uchar2", BRGPU_ARG_VALUE, 106, 2, 0},
    };
    for (size_t i = 0; i < std::size(expected); i++) {
        const KernelArg &arg = info.args[i];
        EXPECT_EQ(arg.name, expected[i].name);
        EXPECT_EQ(arg.type_name, expected[i].type);
        EXPECT_EQ(arg.kind, expected[i].kind) << arg.name;
        EXPECT_EQ(arg.offset, expected[i].offset) << arg.name;
        EXPECT_EQ(arg.size, expected[i].size) << arg.name;
        EXPECT_EQ(arg.flags, expected[i].flags) << arg.name;
    }
    EXPECT_EQ(info.kernarg_bytes, 112u);
}

TEST(CodeObjectTest, SegmentsOfDifferentRightsShareNoPage) {
    const Compiled compiled = compile_text(R"(
        global int counter = 5;
        constant int table[3] = {1, 2, 3};
        kernel void k(global int *p) { p[0] = counter++ + table[p[1] & 1]; })");
    ASSERT_EQ(compiled.object.segments.size(), 3u);
    uint64_t last_page = UINT64_MAX;
    for (const CodeObjectSegment &segment : compiled.object.segments) {
        EXPECT_FALSE((segment.flags & PF_W) != 0 && (segment.flags & PF_X) != 0);
        const uint64_t first = segment.address / 65536;
        EXPECT_NE(first, last_page);
        last_page = (segment.address + segment.memory_bytes - 1) / 65536;
    }
    EXPECT_LT(compiled.elf.size(), 20000u);
}

TEST(CodeObjectTest, NoWritableSegmentWithoutWritableData) {
    const Compiled compiled = compile_text("kernel void k(global int *p) { p[0] = 1; }");
    for (const CodeObjectSegment &segment : compiled.object.segments)
        EXPECT_EQ(segment.flags & PF_W, 0u);
}

TEST(CodeObjectTest, DescriptorsAreAlignedAndPointIntoCode) {
    const Compiled compiled = compile_text("kernel void a(global int *p) { p[0] = 1; }\n"
                                           "kernel void b(global int *p) { p[0] = 2; }");
    ASSERT_EQ(compiled.object.kernels.size(), 2u);
    for (const CodeObjectKernel &found : compiled.object.kernels) {
        EXPECT_EQ(found.descriptor_address % 64, 0u);
        bool in_code = false;
        for (const CodeObjectSegment &segment : compiled.object.segments)
            in_code =
                in_code || ((segment.flags & PF_X) != 0 && found.entry_address >= segment.address &&
                            found.entry_address < segment.address + segment.memory_bytes);
        EXPECT_TRUE(in_code);
    }
}

TEST(CodeObjectTest, LocalMemoryIsCountedByReachability) {
    const Compiled compiled = compile_text(R"(
        kernel void small(global int *out) {
            local int x[4];
            x[get_local_id(0) & 3] = out[0];
            barrier(CLK_LOCAL_MEM_FENCE);
            out[1] = x[out[2] & 3];
        }
        kernel void large(global int *out) {
            local int x[1000];
            local int y[500];
            x[get_local_id(0)] = out[0];
            y[get_local_id(0)] = out[3];
            barrier(CLK_LOCAL_MEM_FENCE);
            out[1] = x[out[2]] + y[out[4]];
        }
        kernel void none(global int *out) { out[0] = 1; }
        kernel void both(global int *out) { small(out); large(out); })");
    EXPECT_EQ(kernel(compiled.object, "small").static_local_bytes, 16u);
    EXPECT_EQ(kernel(compiled.object, "large").static_local_bytes, 6016u);
    EXPECT_EQ(kernel(compiled.object, "none").static_local_bytes, 0u);
    EXPECT_EQ(kernel(compiled.object, "both").static_local_bytes, 6016u);
}

TEST(CodeObjectTest, PrivateMemoryFollowsTheFrames) {
    const std::string text = R"(
        int deep(int n) { return n <= 1 ? 1 : deep(n - 1) * n + deep(n / 3); }
        kernel void flat(global int *p) { p[0] = 1; }
        kernel void array(global int *p) {
            int x[500];
            for (int i = 0; i < 500; i++)
                x[i] = p[i];
            p[0] = x[p[1]];
        }
        kernel void recursive(global int *p) { p[0] = deep(p[1]); })";
    const Compiled compiled = compile_text(text);
    EXPECT_EQ(kernel(compiled.object, "flat").private_bytes, 0u);
    EXPECT_GE(kernel(compiled.object, "array").private_bytes, 2000u);
    EXPECT_LT(kernel(compiled.object, "array").private_bytes, 2200u);
    EXPECT_GE(kernel(compiled.object, "recursive").private_bytes, 8192u);
    const Compiled larger = compile_text(text, {"--stack-bytes", "65536"});
    EXPECT_EQ(kernel(larger.object, "recursive").private_bytes, 65536u);
    EXPECT_EQ(kernel(larger.object, "flat").private_bytes, 0u);
}

TEST(CodeObjectTest, RequiredWorkgroupIsKept) {
    const Compiled compiled = compile_text(
        "kernel void __attribute__((reqd_work_group_size(8, 4, 2))) k(global int *p) { *p = 1; }");
    const KernelInfo &info = kernel(compiled.object, "k");
    EXPECT_EQ(info.required_workgroup, (std::array<uint16_t, 3>{8, 4, 2}));
    EXPECT_EQ(info.attributes, "reqd_work_group_size(8,4,2)");
}

TEST(CodeObjectTest, TensorUseIsFlagged) {
    const Compiled compiled = compile_file(corpus("tensor_gemm.cl"));
    for (const CodeObjectKernel &found : compiled.object.kernels)
        EXPECT_TRUE(found.info.uses_tensor) << found.info.name;
    const Compiled plain = compile_file(corpus("saxpy.cl"));
    EXPECT_FALSE(plain.object.kernels.front().info.uses_tensor);
}

TEST(CodeObjectTest, HiddenPrintfArgumentOnlyWhereItPrints) {
    const Compiled compiled = compile_text("kernel void quiet(global int *p) { *p = 1; }\n"
                                           "kernel void loud(int i) { printf(\"%d\", i); }");
    EXPECT_EQ(kernel(compiled.object, "quiet").args.size(), 1u);
    const KernelInfo &loud = kernel(compiled.object, "loud");
    ASSERT_EQ(loud.args.size(), 2u);
    EXPECT_EQ(loud.args[1].kind, BRGPU_ARG_PRINTF);
    EXPECT_EQ(loud.args[1].offset, 8u);
}

// The reader is given every prefix and many flips of a good file: it may refuse, never crash.
TEST(CodeObjectTest, ReaderSurvivesDamage) {
    const Compiled compiled = compile_file(corpus("structs.cl"));
    CodeObject object;
    std::string error;
    EXPECT_FALSE(parse_code_object({}, object, error));
    for (size_t length = 0; length < compiled.elf.size(); length += 7) {
        CodeObject cut;
        parse_code_object({compiled.elf.data(), length}, cut, error);
    }
    uint64_t state = 1;
    for (int round = 0; round < 3000; round++) {
        std::vector<uint8_t> damaged = compiled.elf;
        for (int flip = 0; flip < 4; flip++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            damaged[(state >> 33) % damaged.size()] = static_cast<uint8_t>(state >> 20);
        }
        CodeObject broken;
        parse_code_object(damaged, broken, error);
    }
    std::vector<uint8_t> other = compiled.elf;
    other[EI_CLASS] = ELFCLASS32;
    EXPECT_FALSE(parse_code_object(other, object, error));
    EXPECT_NE(error.find("RISC-V"), std::string::npos);
}

} // namespace
} // namespace brgpu::cc::test
