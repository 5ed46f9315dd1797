// SPDX-License-Identifier: MIT
#include "wire.hpp"

#include "files.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <thread>

namespace brgpu::guest {
namespace {

TEST(GuestFrames, SurviveAnyCutting) {
    const std::string bytes = encode(FrameType::Output, "first") + encode(FrameType::Error, "") +
                              encode(FrameType::Exited, std::string(100000, 'x'));
    for (const std::size_t step :
         {std::size_t{1}, std::size_t{7}, std::size_t{4096}, bytes.size()}) {
        FrameDecoder decoder;
        std::vector<Frame> frames;
        for (std::size_t i = 0; i < bytes.size(); i += step) {
            decoder.feed(std::string_view(bytes).substr(i, step));
            while (auto frame = decoder.next())
                frames.push_back(*frame);
        }
        ASSERT_EQ(frames.size(), 3u);
        EXPECT_EQ(frames[0].type, FrameType::Output);
        EXPECT_EQ(frames[0].payload, "first");
        EXPECT_EQ(frames[1].type, FrameType::Error);
        EXPECT_TRUE(frames[1].payload.empty());
        EXPECT_EQ(frames[2].payload.size(), 100000u);
        EXPECT_FALSE(decoder.next());
    }
}

TEST(GuestFrames, RefuseALengthThatNoPeerSends) {
    FrameDecoder decoder;
    const std::uint32_t header[2] = {3, max_payload + 1};
    decoder.feed({reinterpret_cast<const char *>(header), sizeof header});
    EXPECT_THROW(decoder.next(), std::runtime_error);
}

TEST(GuestFrames, LongStreamsGoOutInBoundedFrames) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    UniqueFd near(ends[0]);
    const UniqueFd far(ends[1]);
    std::string sent(300000, '\0');
    for (std::size_t i = 0; i < sent.size(); i++)
        sent[i] = static_cast<char>(i * 7);
    std::thread writer([&] {
        EXPECT_TRUE(FrameSender(near.get()).send(FrameType::Output, sent));
        near.reset();
    });
    FrameDecoder decoder;
    std::string received;
    std::size_t frames = 0;
    char buffer[8192];
    ssize_t count;
    while ((count = ::read(far.get(), buffer, sizeof buffer)) > 0) {
        decoder.feed({buffer, static_cast<std::size_t>(count)});
        while (const auto frame = decoder.next()) {
            EXPECT_LE(frame->payload.size(), 64u * 1024);
            received += frame->payload;
            frames++;
        }
    }
    writer.join();
    EXPECT_GT(frames, 1u);
    EXPECT_EQ(received, sent);
}

TEST(GuestFrames, APeerThatIsGoneIsReported) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[0]);
    const UniqueFd writer(ends[1]);
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_FALSE(FrameSender(writer.get()).send(FrameType::Hello));
}

TEST(GuestFrames, TooLongAMessageIsNotSent) {
    FrameSender sender(-1);
    EXPECT_FALSE(sender.send(FrameType::Start, std::string(max_payload + 1, 'x')));
}

TEST(GuestRequest, KeepsBytesThatAreNoText) {
    StartRequest request;
    request.command = {"prog", "a b", "\xff\xfe\x01", ""};
    request.directory = "/\xe9";
    request.environment = {"X=\x80"};
    request.terminal = true;
    request.rows = 65535;
    request.module = "/m.ko";
    request.module_arguments = "a=1 b=2";
    request.unload_at_end = true;
    const auto copy = StartRequest::from_bytes(request.to_bytes());
    EXPECT_EQ(copy.command, request.command);
    EXPECT_EQ(copy.directory, request.directory);
    EXPECT_EQ(copy.environment, request.environment);
    EXPECT_EQ(copy.terminal, true);
    EXPECT_EQ(copy.merge_output, false);
    EXPECT_EQ(copy.rows, 65535);
    EXPECT_EQ(copy.module_arguments, request.module_arguments);
    EXPECT_EQ(copy.unload_at_end, true);
}

TEST(GuestRequest, RefusesWhatIsMalformed) {
    EXPECT_THROW(StartRequest::from_bytes(""), std::runtime_error);
    EXPECT_THROW(StartRequest::from_bytes("\xa0"), std::runtime_error); // an empty map
    const std::string good = StartRequest{}.to_bytes();
    for (std::size_t length = 0; length < good.size(); length++)
        EXPECT_THROW(StartRequest::from_bytes(std::string_view(good).substr(0, length)),
                     std::runtime_error);
}

TEST(GuestReport, RoundTrip) {
    const ExitReport report{139, {"a (12)", "b (13)"}, "busy"};
    const auto copy = ExitReport::from_bytes(report.to_bytes());
    EXPECT_EQ(copy.code, 139);
    EXPECT_EQ(copy.stuck, report.stuck);
    EXPECT_EQ(copy.unload_error, "busy");
    EXPECT_THROW(ExitReport::from_bytes("nonsense"), std::runtime_error);
}

} // namespace
} // namespace brgpu::guest
