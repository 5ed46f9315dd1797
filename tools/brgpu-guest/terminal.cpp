// SPDX-License-Identifier: MIT
#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace brgpu::guest {

RawTerminal::RawTerminal(int fd) : fd_(fd) {
    if (!::isatty(fd) || ::tcgetattr(fd, &saved_) != 0)
        return;
    termios raw = saved_;
    ::cfmakeraw(&raw);
    changed_ = ::tcsetattr(fd, TCSADRAIN, &raw) == 0;
}

void RawTerminal::restore() {
    if (changed_)
        ::tcsetattr(fd_, TCSADRAIN, &saved_);
    changed_ = false;
}

WindowSize window_size(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return {};
    return {size.ws_row, size.ws_col};
}

bool in_foreground(int fd) {
    return !::isatty(fd) || ::tcgetpgrp(fd) == ::getpgrp();
}

} // namespace brgpu::guest
