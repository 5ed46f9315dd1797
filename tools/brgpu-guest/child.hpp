// SPDX-License-Identifier: MIT
#pragma once

#include "files.hpp"
#include "wire.hpp"

#include <cstdint>
#include <functional>
#include <string_view>
#include <sys/types.h>

namespace brgpu::guest {

/// The command in the guest, and the near ends of its streams. Its methods may be called from
/// different threads; each stream has one.
class Child {
  public:
    using Sink = std::function<void(std::string_view)>;

    /// Starts the command. Where it cannot be run, the child itself says so on its standard error
    /// and ends with 126 or 127, as a shell does. Throws std::system_error where not even that
    /// works.
    explicit Child(const StartRequest &request);

    /// Passes on what the command writes, until no process has the stream open any more.
    void read_output(const Sink &sink) const;
    void read_error(const Sink &sink) const;

    /// Blocks while the command does not read. Bytes that it will never read are dropped.
    void write_input(std::string_view bytes);
    void end_input();

    void set_window(std::uint16_t rows, std::uint16_t columns) const;

    /// Waits for the command and reaps every orphan meanwhile: to be called in process 1. Returns
    /// the exit code, or 128 + the signal's number.
    int wait() const;

  private:
    pid_t pid_ = -1;
    bool terminal_;
    UniqueFd output_;
    UniqueFd error_;
    UniqueFd input_; ///< for the input's thread alone
};

} // namespace brgpu::guest
