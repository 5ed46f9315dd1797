// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <termios.h>

namespace brgpu::guest {

/// The caller's terminal, passed on key by key to the guest while this object lives.
class RawTerminal {
  public:
    /// Does nothing where `fd` is no terminal.
    explicit RawTerminal(int fd);
    RawTerminal(const RawTerminal &) = delete;
    RawTerminal &operator=(const RawTerminal &) = delete;
    ~RawTerminal() { restore(); }

    void restore();

  private:
    int fd_;
    bool changed_ = false;
    termios saved_{};
};

struct WindowSize {
    std::uint16_t rows = 24;
    std::uint16_t columns = 80;
};

/// Size of the terminal, or the usual one where it is not known.
WindowSize window_size(int fd);

/// Whether this process may read the terminal `fd` without being stopped for it.
bool in_foreground(int fd);

} // namespace brgpu::guest
