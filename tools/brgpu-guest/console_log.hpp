// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace brgpu::guest {

/// What the guest's kernel says on its console: keeps the last lines and the complaints.
/// Not thread-safe.
class ConsoleLog {
  public:
    void feed(std::string_view bytes);

    /// The last lines, an unfinished one included.
    std::vector<std::string> tail(std::size_t lines) const;

    /// Lines with which the kernel reports that something is wrong with it or a module.
    const std::vector<std::string> &complaints() const { return complaints_; }

    /// The kernel has panicked: it will say and do no more.
    bool panicked() const { return panicked_; }

    /// Whether a line of the kernel's log is such a complaint.
    static bool is_complaint(std::string_view line);

  private:
    void finish_line();

    static constexpr std::size_t kept_lines = 400;
    static constexpr std::size_t kept_complaints = 100;

    std::deque<std::string> lines_;
    std::string current_;
    std::vector<std::string> complaints_;
    bool panicked_ = false;
};

} // namespace brgpu::guest
