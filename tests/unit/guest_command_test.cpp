// SPDX-License-Identifier: MIT
#include "options.hpp"
#include "qemu_command.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace brgpu::guest {
namespace {

TEST(GuestSize, TakesUnits) {
    EXPECT_EQ(parse_size("4096"), 4096u);
    EXPECT_EQ(parse_size("512M"), 512u << 20);
    EXPECT_EQ(parse_size("2g"), std::uint64_t{2} << 30);
    EXPECT_EQ(parse_size("1T"), std::uint64_t{1} << 40);
}

TEST(GuestSize, RefusesWhatIsNone) {
    for (const char *text :
         {"", "0", "G", "-1G", "1.5G", "1GB", "1X", " 1G", "99999999999999999999", "99999999999T"})
        EXPECT_THROW(parse_size(text), std::invalid_argument) << text;
}

TEST(GuestCard, TakesTypeAndProperties) {
    const auto card = Card::parse("br106,vram=1G,x-hang-kernel=on");
    EXPECT_EQ(card.type, "br106");
    ASSERT_EQ(card.properties.size(), 2u);
    EXPECT_EQ(card.property("vram"), "1G");
    EXPECT_EQ(card.property("x-hang-kernel"), "on");
    EXPECT_FALSE(card.property("vra"));
    EXPECT_FALSE(Card::parse("br110").property("vram"));
}

TEST(GuestCard, RefusesWhatQemuWouldMisread) {
    for (const char *text : {"", ",vram=1G", "br106,", "br106,vram", "br106,=1", "br106,bus=x",
                             "br106,id=y", "br 106", "br106;x", "br106,vram=much"})
        EXPECT_THROW(Card::parse(text), std::invalid_argument) << text;
}

TEST(GuestCard, WindowHoldsTheApertureAligned) {
    const std::uint64_t gib = std::uint64_t{1} << 30;
    EXPECT_EQ(card_window(Card::parse("br106")), 16 * gib);
    EXPECT_EQ(card_window(Card::parse("br106,vram=1G")), 16 * gib);
    EXPECT_EQ(card_window(Card::parse("br106,vram=20G")), 64 * gib);
}

class GuestCommand : public ::testing::Test {
  protected:
    std::vector<std::string> command(Accelerator accelerator = Accelerator::Tcg) {
        kernel.image = "/k/vmlinux";
        return qemu_command(options, kernel, {10, 11, 12, "/proc/self/fd/13"}, accelerator);
    }
    static bool has(const std::vector<std::string> &words, const std::string &first,
                    const std::string &second) {
        for (std::size_t i = 0; i + 1 < words.size(); i++)
            if (words[i] == first && words[i + 1] == second)
                return true;
        return false;
    }
    Options options;
    GuestKernel kernel;
};

TEST_F(GuestCommand, EachCardHasAPortOfItsOwn) {
    options.plugin = "/b/lib/brgpu-qemu.so";
    options.cards = {Card::parse("br106,vram=1G"), Card::parse("br110")};
    const auto words = command();
    EXPECT_TRUE(has(words, "-plugin", "/b/lib/brgpu-qemu.so"));
    EXPECT_TRUE(has(words, "-device",
                    "pcie-root-port,id=port0,chassis=1,slot=1,pref64-reserve=17179869184"));
    EXPECT_TRUE(has(words, "-device", "br106,id=card0,bus=port0,vram=1G"));
    EXPECT_TRUE(has(words, "-device", "br110,id=card1,bus=port1"));
}

TEST_F(GuestCommand, NoCardNeedsNoPlugin) {
    options.plugin = "/b/lib/brgpu-qemu.so";
    const auto words = command();
    EXPECT_EQ(std::count(words.begin(), words.end(), "-plugin"), 0);
}

TEST_F(GuestCommand, KvmLoadsTheDeviceOtherwise) {
    options.plugin = "/b/lib/brgpu-qemu.so";
    options.cards = {Card::parse("br106")};
    const auto words = command(Accelerator::Kvm);
    EXPECT_EQ(std::count(words.begin(), words.end(), "-plugin"), 0);
    EXPECT_TRUE(has(words, "-accel", "kvm"));
}

TEST_F(GuestCommand, TheIommuStandsBeforeWhatItServes) {
    options.cards = {Card::parse("br106")};
    auto words = command();
    EXPECT_EQ(std::count(words.begin(), words.end(), "intel-iommu,caching-mode=on"), 0);
    options.iommu = true;
    options.append = "intel_iommu=off";
    words = command();
    EXPECT_TRUE(has(words, "-device", "intel-iommu,caching-mode=on"));
    EXPECT_EQ(std::find(words.begin(), words.end(), "-device") + 1,
              std::find(words.begin(), words.end(), "intel-iommu,caching-mode=on"));
    EXPECT_TRUE(has(words, "-append", kernel_command_line("intel_iommu=on intel_iommu=off")));
}

TEST_F(GuestCommand, TheHostsRootIsReadOnlyAndSharesAreNot) {
    options.shares = {"/home/a,b"};
    const auto words = command();
    EXPECT_TRUE(has(words, "-virtfs",
                    "local,id=root,path=/,mount_tag=brgpu-root,security_model=none,"
                    "multidevs=remap,readonly=on"));
    // A comma in a name must not become an option of QEMU.
    EXPECT_TRUE(has(words, "-virtfs",
                    "local,id=share0,path=/home/a,,b,mount_tag=brgpu-share0,security_model=none,"
                    "multidevs=remap"));
}

TEST_F(GuestCommand, ArgumentsOfTheUserComeLast) {
    options.qemu_arguments = {"-device", "edu"};
    options.append = "brgpu.x=1";
    const auto words = command();
    ASSERT_GE(words.size(), 2u);
    EXPECT_EQ(words[words.size() - 2], "-device");
    EXPECT_EQ(words.back(), "edu");
    EXPECT_TRUE(has(words, "-append", kernel_command_line("brgpu.x=1")));
    EXPECT_TRUE(kernel_command_line("brgpu.x=1").ends_with(" brgpu.x=1"));
}

// QEMU before 8.1 mixes up code that one processor patches while another one runs it.
TEST_F(GuestCommand, TheKernelBootsOnOneProcessor) {
    options.cpus = 4;
    EXPECT_TRUE(has(command(), "-smp", "4"));
    EXPECT_NE(kernel_command_line("").find(" maxcpus=1 "), std::string::npos);
}

class GuestOptions : public ::testing::Test {
  protected:
    std::optional<Options> parse(std::vector<std::string> words) {
        words.insert(words.begin(), "brgpu-guest");
        words.emplace(words.begin() + 1, "--no-share");
        std::vector<char *> argv;
        for (auto &word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        return parse_options(static_cast<int>(words.size()), argv.data(), exit_code);
    }
    int exit_code = -1;
};

TEST_F(GuestOptions, OneCardIsTheDefault) {
    const auto options = parse({});
    ASSERT_TRUE(options);
    ASSERT_EQ(options->cards.size(), 1u);
    EXPECT_EQ(options->cards[0].type, "br106");
    EXPECT_TRUE(parse({"--no-card"})->cards.empty());
}

TEST_F(GuestOptions, TheCommandKeepsItsOptions) {
    const auto options = parse({"--timeout", "5", "--", "ls", "-l", "--timeout", "7"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->timeout, 5);
    EXPECT_EQ(options->command, (std::vector<std::string>{"ls", "-l", "--timeout", "7"}));
}

TEST_F(GuestOptions, TheLastOfSeveralCounts) {
    const auto options = parse({"--timeout", "5", "--timeout", "9", "--env", "A=1", "--env", "B"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->timeout, 9);
    EXPECT_EQ(options->environment, (std::vector<std::string>{"A=1", "B"}));
}

TEST_F(GuestOptions, WrongOnesEndWith125) {
    for (const std::vector<std::string> &words :
         std::vector<std::vector<std::string>>{{"--card", "br106,id=x"},
                                               {"--card", "br106", "--no-card"},
                                               {"--memory", "lots"},
                                               {"--cpus", "0"},
                                               {"--timeout", "-1"},
                                               {"--accel", "warp"},
                                               {"--share", "/nonexistent"},
                                               {"--env", "=x"},
                                               {"--no-such-option"}}) {
        ::testing::internal::CaptureStderr();
        EXPECT_FALSE(parse(words)) << words[0];
        EXPECT_FALSE(::testing::internal::GetCapturedStderr().empty()) << words[0];
        EXPECT_EQ(exit_code, 125) << words[0];
    }
}

TEST_F(GuestOptions, HelpEndsWithZero) {
    ::testing::internal::CaptureStdout();
    EXPECT_FALSE(parse({"--help"}));
    EXPECT_NE(::testing::internal::GetCapturedStdout().find("--card"), std::string::npos);
    EXPECT_EQ(exit_code, 0);
}

} // namespace
} // namespace brgpu::guest
