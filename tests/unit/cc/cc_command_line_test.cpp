// SPDX-License-Identifier: MIT
//
// The command line of brgpu-cc: options, messages, exit statuses.
#include "brgpu/hw/isa.h"
#include "support.hpp"

#include <filesystem>
#include <regex>

#include <gtest/gtest.h>

namespace brgpu::cc::test {
namespace {

constexpr const char *good = "kernel void k(global int *p) { *p = VALUE; }\n";

class CommandLineTest : public testing::Test {
  protected:
    CommandResult compile(const std::string &text, std::vector<std::string> options = {},
                          const std::string &environment = "") {
        const std::string path = directory_.write("test.cl", text);
        options.insert(options.end(), {path, "-o", output()});
        return run_cc(options, environment);
    }
    std::string output() const { return directory_.file("test.elf"); }
    TestDirectory directory_;
};

TEST_F(CommandLineTest, HelpAndVersion) {
    const CommandResult help = run_cc({"--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_NE(help.out.find("usage: brgpu-cc"), std::string::npos);
    const CommandResult version = run_cc({"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_NE(version.out.find("ISA " + std::to_string(BRGPU_ISA_MAJOR) + "." +
                               std::to_string(BRGPU_ISA_MINOR)),
              std::string::npos);
}

TEST_F(CommandLineTest, WrongUsageIsStatus2) {
    EXPECT_EQ(run_cc({}).status, 2);
    EXPECT_EQ(run_cc({"x.cl"}).status, 2);
    EXPECT_EQ(run_cc({"x.cl", "-o"}).status, 2);
    EXPECT_EQ(run_cc({"--frobnicate", "x.cl", "-o", output()}).status, 2);
    EXPECT_EQ(run_cc({"--stack-bytes", "0", "x.cl", "-o", output()}).status, 2);
    EXPECT_EQ(run_cc({"--stack-bytes", "999999999", "x.cl", "-o", output()}).status, 2);
    EXPECT_EQ(run_cc({"--dump", "x.elf", "y.cl"}).status, 2);
    EXPECT_NE(run_cc({"-Q"}).err.find("unknown option -Q"), std::string::npos);
}

TEST_F(CommandLineTest, MissingToolsAreStatus3) {
    const CommandResult result = compile(good, {"-DVALUE=1"}, "BRGPU_CLANG=/nonexistent/clang");
    EXPECT_EQ(result.status, 3);
    EXPECT_NE(result.err.find("install the package clang-19"), std::string::npos);
    EXPECT_EQ(compile(good, {"-DVALUE=1"}, "BRGPU_LLD=/nonexistent/lld").status, 3);
}

TEST_F(CommandLineTest, DefinesAndIncludesReachTheFrontEnd) {
    EXPECT_EQ(compile(good, {"-DVALUE=1"}).status, 0);
    EXPECT_EQ(compile(good, {"-D", "VALUE=1"}).status, 0);
    EXPECT_EQ(compile(good, {"-DVALUE=1", "-UVALUE"}).status, 1);
    const std::string header = directory_.write("value.h", "#define VALUE 3\n");
    EXPECT_EQ(compile(good, {"-include", header}).status, 0);
}

TEST_F(CommandLineTest, EveryLevelCompiles) {
    for (const char *level : {"-O0", "-O1", "-O2", "-O3", "-Os", "-Oz"})
        EXPECT_EQ(compile(good, {"-DVALUE=1", level}).status, 0) << level;
    EXPECT_EQ(compile(good, {"-DVALUE=1", "-g"}).status, 0);
    for (const char *option : {"-cl-fast-relaxed-math", "-cl-mad-enable", "-cl-opt-disable",
                               "-cl-std=CL1.2", "-cl-finite-math-only", "-Werror"})
        EXPECT_EQ(compile(good, {"-DVALUE=1", option}).status, 0) << option;
}

TEST_F(CommandLineTest, ErrorsOfTheSourceNameFileAndLine) {
    const CommandResult result = compile("kernel void k(global int *p) {\n  *p = missing;\n}\n");
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("test.cl:2:8: error:"), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(output()));
}

TEST_F(CommandLineTest, UndefinedFunctionsAreNamed) {
    const CommandResult result =
        compile("int helper(int x);\nkernel void k(global int *p) { *p = helper(1); }\n");
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("undefined function helper"), std::string::npos) << result.err;
}

TEST_F(CommandLineTest, WhatTheCardLacksIsRefused) {
    const CommandResult image =
        compile("kernel void k(read_only image2d_t i, global float4 *p) { p[0] = (float4)(0); }");
    EXPECT_EQ(image.status, 1);
    EXPECT_NE(image.err.find("image"), std::string::npos) << image.err;
    EXPECT_EQ(compile("kernel void k(read_only pipe int p) {}").status, 1);
    EXPECT_EQ(compile("void f(void) {}").status, 1); // no kernel
}

TEST_F(CommandLineTest, LimitsAreChecked) {
    const CommandResult local =
        compile("kernel void k(global int *p) { local int x[20000]; x[p[0]] = 1; "
                "barrier(CLK_LOCAL_MEM_FENCE); p[1] = x[p[2]]; }");
    EXPECT_EQ(local.status, 1);
    EXPECT_NE(local.err.find("65536 bytes of local memory"), std::string::npos) << local.err;
    const CommandResult stack = compile(
        "kernel void k(global int *p) { volatile int x[100000]; x[p[0]] = 1; p[1] = x[p[2]]; }");
    EXPECT_EQ(stack.status, 1);
    EXPECT_NE(stack.err.find("private memory"), std::string::npos) << stack.err;
    const CommandResult group =
        compile("kernel void __attribute__((reqd_work_group_size(64, 64, 1))) k(global int *p) {}");
    EXPECT_EQ(group.status, 1);
    EXPECT_NE(group.err.find("work-items"), std::string::npos) << group.err;
    const CommandResult arguments =
        compile("struct S { char c[5000]; }; kernel void k(struct S s, global int *p) "
                "{ p[0] = s.c[p[1]]; }");
    EXPECT_EQ(arguments.status, 1);
    EXPECT_NE(arguments.err.find("4096"), std::string::npos) << arguments.err;
}

TEST_F(CommandLineTest, SeveralSourcesMakeOneObject) {
    const std::string first = directory_.write(
        "first.cl", "int twice(int x);\nkernel void a(global int *p) { *p = twice(*p); }\n");
    const std::string second = directory_.write(
        "second.cl",
        "int twice(int x) { return 2 * x; }\nkernel void b(global int *p) { *p = 3; }\n");
    const CommandResult result = run_cc({first, second, "-o", output(), "--json"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_NE(result.out.find("\"name\": \"a\""), std::string::npos);
    EXPECT_NE(result.out.find("\"name\": \"b\""), std::string::npos);
    EXPECT_EQ(run_cc({first, "-c", "-o", directory_.file("first.bc")}).status, 0);
    EXPECT_EQ(run_cc({directory_.file("first.bc"), second, "-o", output()}).status, 0);
    EXPECT_EQ(run_cc({first, "-o", output()}).status, 1);
}

TEST_F(CommandLineTest, DumpReadsBack) {
    ASSERT_EQ(compile(good, {"-DVALUE=1"}).status, 0);
    const CommandResult text = run_cc({"--dump", output()});
    EXPECT_EQ(text.status, 0);
    EXPECT_NE(text.out.find("kernel k"), std::string::npos);
    EXPECT_NE(run_cc({"--dump", output(), "--json"}).out.find("\"kernarg_bytes\": 8"),
              std::string::npos);
    const std::string junk = directory_.write("junk.elf", "not an object");
    EXPECT_EQ(run_cc({"--dump", junk}).status, 1);
    EXPECT_EQ(run_cc({"--dump", directory_.file("absent")}).status, 1);
}

TEST_F(CommandLineTest, InputsThatAreNoBitcode) {
    const std::string junk = directory_.write("junk.bc", "BC\xc0\xde nothing");
    const CommandResult result = run_cc({junk, "-o", output()});
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(run_cc({directory_.file("absent.cl"), "-o", output()}).status, 1);
    EXPECT_EQ(compile(good, {"-DVALUE=1", "-S"}).status, 0);
    const auto assembly = read_file(output());
    EXPECT_NE(std::string(assembly.begin(), assembly.end()).find("k.entry:"), std::string::npos);
}

// The manual lists the options that the program has.
TEST_F(CommandLineTest, ManualNamesEveryOption) {
    const std::string help = run_cc({"--help"}).out;
    const auto bytes = read_file(corpus("../../docs/man/brgpu-cc.1.md"));
    const std::string manual(bytes.begin(), bytes.end());
    const std::regex option("(^|[ ,])(--?[a-zA-Z][-a-zA-Z0-9]*)");
    for (std::sregex_iterator it(help.begin(), help.end(), option), end; it != end; ++it)
        EXPECT_NE(manual.find((*it)[2].str()), std::string::npos) << (*it)[2].str();
}

} // namespace
} // namespace brgpu::cc::test
