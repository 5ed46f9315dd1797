// SPDX-License-Identifier: MIT
#include "console_log.hpp"

#include <algorithm>

namespace brgpu::guest {

namespace {

// How the kernel's own checks begin their reports: WARN(), BUG(), lockdep ("WARNING: possible ...",
// "[ BUG: ..."), KASAN, UBSAN, oopses, the watchdogs, reference counts, lists, slabs.
constexpr std::string_view reports[] = {
    "WARNING: ",
    "BUG: ",
    "BUG at ",
    "Oops: ",
    "KASAN: ",
    "UBSAN: ",
    "KCSAN: ",
    "general protection fault",
    "Kernel panic",
    "INFO: task ",
    "detected stall",
    "detected expedited stalls",
    "refcount_t: ",
    "list_add corruption",
    "list_add double add",
    "list_del corruption",
    "ODEBUG: ",
    "DMA-API: exceeded",
    "DMA-API: device driver",
    "DMA-API: cacheline tracking",
    "trying to register non-static key",
    "] BUG kmalloc-",
    "Objects remaining in ",
    "double free or invalid",
    "Bad page state in process",
    "possible recursive locking detected",
    "scheduling while atomic",
    "sleeping function called from invalid context",
    "nobody cared",
    "unreferenced object",
};

constexpr std::size_t longest_line = 4096;

} // namespace

bool ConsoleLog::is_complaint(std::string_view line) {
    return std::any_of(std::begin(reports), std::end(reports), [line](std::string_view report) {
        return line.find(report) != std::string_view::npos;
    });
}

void ConsoleLog::finish_line() {
    if (is_complaint(current_) && complaints_.size() < kept_complaints)
        complaints_.push_back(current_);
    if (current_.find("Kernel panic - not syncing") != std::string::npos)
        panicked_ = true;
    lines_.push_back(std::move(current_));
    current_.clear();
    if (lines_.size() > kept_lines)
        lines_.pop_front();
}

void ConsoleLog::feed(std::string_view bytes) {
    for (const char c : bytes) {
        if (c == '\n')
            finish_line();
        else if (c != '\r')
            current_.push_back(c);
        if (current_.size() >= longest_line)
            finish_line();
    }
}

std::vector<std::string> ConsoleLog::tail(std::size_t lines) const {
    const bool unfinished = !current_.empty() && lines > 0;
    const std::size_t whole = std::min(lines - (unfinished ? 1 : 0), lines_.size());
    std::vector<std::string> last(lines_.end() - static_cast<std::ptrdiff_t>(whole), lines_.end());
    if (unfinished)
        last.push_back(current_);
    return last;
}

} // namespace brgpu::guest
