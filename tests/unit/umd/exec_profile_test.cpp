// SPDX-License-Identifier: MIT
//
// brgpu-exec --counters and --profile, from source with brgpu-cc -g to the lines that ran.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

constexpr const char *source = R"(kernel void loops(global uint *data, uint turns) {
    uint sum = 0;
    for (uint i = 0; i < turns; i++)
        sum = sum * 1664525u + 1013904223u; /* the hot line */
    atomic_add((volatile global int *)data, (int)sum);
}
)";

class ExecProfile : public testing::Test {
  protected:
    void SetUp() override {
        namespace fs = std::filesystem;
        std::string name = (fs::temp_directory_path() / "brgpu-exec-test-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder = name;
        std::ofstream(folder + "/loops.cl") << source;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    // The JSON that brgpu-exec prints; discarded where it prints none.
    nlohmann::json run(const std::string &compiler_options, const std::string &options) {
        const std::string command =
            "cd " + folder + " && " BRGPU_CC_PROGRAM " -O1 " + compiler_options +
            " loops.cl -o loops.elf >log 2>&1 && " BRGPU_EXEC_PROGRAM
            " --backend model loops.elf --kernel loops --global 256 --local 64 "
            "--arg inout:zero.bin:out.bin --arg u32:1000 --json " +
            options + " >out.json 2>>log";
        std::ofstream(folder + "/zero.bin") << std::string(4, '\0');
        EXPECT_EQ(std::system(command.c_str()), 0) << text_of("log");
        return nlohmann::json::parse(text_of("out.json"), nullptr, false);
    }
    std::string text_of(const std::string &name) const {
        std::ifstream file(folder + "/" + name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string folder;
};

TEST_F(ExecProfile, TheHotLineComesFirst) {
    const auto report = run("-g", "--profile");
    ASSERT_TRUE(report.contains("profile")) << report;
    const auto &hottest = report["profile"].at(0);
    const std::string place = hottest["place"];
    // The loop is lines 3 and 4; which of them has more instructions is the compiler's affair.
    EXPECT_TRUE(place.ends_with("loops.cl:3") || place.ends_with("loops.cl:4")) << place;
    EXPECT_NE(hottest["text"], "");
    EXPECT_GE(hottest["instructions"], 8 * 1000);
    EXPECT_EQ(hottest["lane_instructions"].get<uint64_t>(),
              32 * hottest["instructions"].get<uint64_t>());
    EXPECT_FALSE(report.contains("counters"));
}

TEST_F(ExecProfile, WithoutDebugInformationAddressesAreShown) {
    const auto report = run("", "--profile --counters");
    ASSERT_TRUE(report.contains("profile")) << report;
    const std::string place = report["profile"].at(0)["place"];
    EXPECT_TRUE(place.starts_with("0x")) << place;
    uint64_t sum = 0;
    for (const auto &spot : report["profile"])
        sum += spot["instructions"].get<uint64_t>();
    EXPECT_GT(sum, 8 * 1000u);
}

TEST_F(ExecProfile, CountersAreOfOneRun) {
    const auto once = run("-g", "--counters"), often = run("-g", "--counters --repeat 3");
    ASSERT_TRUE(once.contains("counters") && often.contains("counters")) << once << often;
    const auto &counters = once["counters"];
    EXPECT_EQ(counters["workgroups"], 4);
    EXPECT_EQ(counters["warps"], 8);
    EXPECT_EQ(counters["atomics"], 8);
    EXPECT_GE(counters["global_uniform"], 8); // and the arguments
    EXPECT_DOUBLE_EQ(counters["lanes_active_share"], 1.0);
    EXPECT_EQ(often["counters"]["atomics"], 8);
    EXPECT_EQ(often["counters"]["workgroups"], 4);
    // Each run starts from the same data.
    uint32_t sum = 0, one = 0;
    for (int i = 0; i < 1000; ++i)
        one = one * 1664525u + 1013904223u;
    for (int i = 0; i < 256; ++i)
        sum += one;
    uint32_t got = 0;
    const std::string out = text_of("out.bin");
    ASSERT_EQ(out.size(), sizeof(got));
    std::memcpy(&got, out.data(), sizeof(got));
    EXPECT_EQ(got, sum);
}

} // namespace
