// SPDX-License-Identifier: MIT
//
// The frames that the launcher and the agent in the guest exchange over virtio-serial ports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace brgpu::guest {

/// Names of the two virtio-serial ports. Input has a port of its own, so that a command that does
/// not read its input holds up nothing but its input.
inline constexpr std::string_view control_port = "org.brgpu.control";
inline constexpr std::string_view input_port = "org.brgpu.input";

enum class FrameType : std::uint32_t {
    // guest to host, control port
    Hello = 1,   ///< the agent is up; no payload
    Started = 2, ///< the module is loaded and the command runs; no payload
    Output = 3,  ///< bytes of the command's standard output
    Error = 4,   ///< bytes of the command's standard error
    Notice = 5,  ///< a line of the agent's own for the user
    Failed = 6,  ///< the agent cannot go on; the payload says why; the guest powers off
    Exited = 7,  ///< an ExitReport
    // host to guest, control port
    Start = 16,  ///< a StartRequest
    Window = 17, ///< two u16: rows, columns
    // host to guest, input port
    Input = 32,    ///< bytes for the command's standard input
    InputEnd = 33, ///< no more input
};

struct Frame {
    FrameType type{};
    std::string payload;
};

/// Largest payload of a frame; a longer length field is a broken peer.
inline constexpr std::size_t max_payload = 8u << 20;

std::string encode(FrameType type, std::string_view payload);

/// Collects bytes and hands out whole frames. Not thread-safe.
class FrameDecoder {
  public:
    void feed(std::string_view bytes) { buffer_.append(bytes); }

    /// The next whole frame, or nothing yet. Throws std::runtime_error on a length that no peer
    /// sends.
    std::optional<Frame> next();

  private:
    std::string buffer_;
    std::size_t start_ = 0;
};

/// Sends whole frames over a blocking file descriptor, from any thread.
class FrameSender {
  public:
    explicit FrameSender(int fd) : fd_(fd) {}

    /// False where the peer is gone or the payload too long. Streams (Output, Error, Input) go out
    /// in frames of a bounded size.
    bool send(FrameType type, std::string_view payload = {});

  private:
    int fd_;
    std::mutex mutex_; ///< one frame at a time
};

/// What the agent is asked to do. Encoded as CBOR, for names and arguments are bytes, not always
/// UTF-8.
struct StartRequest {
    std::vector<std::string> command; ///< empty: the user's shell
    std::string directory;
    std::vector<std::string> environment; ///< NAME=VALUE
    bool terminal = false;                ///< the command gets a terminal of its own
    bool merge_output = false;            ///< standard output and error are one stream
    std::uint16_t rows = 0;
    std::uint16_t columns = 0;
    std::string module;           ///< path of brgpu.ko; empty: load none
    std::string module_arguments; ///< as on insmod's command line
    bool unload_at_end = false;   ///< unload the module after the command and report a failure

    std::string to_bytes() const;
    /// Throws std::runtime_error on anything but what to_bytes() makes.
    static StartRequest from_bytes(std::string_view bytes);
};

/// How the command ended.
struct ExitReport {
    int code = 0;
    std::vector<std::string> stuck; ///< processes that SIGKILL did not end
    std::string unload_error;

    std::string to_bytes() const;
    static ExitReport from_bytes(std::string_view bytes);
};

} // namespace brgpu::guest
