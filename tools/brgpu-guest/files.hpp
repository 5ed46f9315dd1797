// SPDX-License-Identifier: MIT
//
// Small helpers around files, descriptors and child processes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace brgpu::guest {

/// Owns a file descriptor.
class UniqueFd {
  public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd &operator=(UniqueFd &&other) noexcept {
        reset(std::exchange(other.fd_, -1));
        return *this;
    }
    UniqueFd(const UniqueFd &) = delete;
    UniqueFd &operator=(const UniqueFd &) = delete;
    ~UniqueFd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void reset(int fd = -1) {
        if (fd_ >= 0)
            ::close(fd_);
        fd_ = fd;
    }

  private:
    int fd_ = -1;
};

/// A file in memory with that content; `name` is for humans only. Throws std::system_error.
UniqueFd memory_file(const char *name, std::string_view bytes);

/// Throws std::system_error naming the file.
std::string read_file(const std::filesystem::path &file);

/// Replaces `file` in one step, so that no other process sees half of it. Throws std::system_error.
void write_file(const std::filesystem::path &file, std::string_view bytes);

/// Runs a program and returns its standard output. Throws std::runtime_error where it cannot be run
/// or does not exit with 0.
std::string output_of(const std::vector<std::string> &command);

/// The text quoted as one word of a shell.
std::string shell_quote(std::string_view text);

/// The caller's PATH, and then the system's folders: those of root are not in everyone's PATH.
std::string search_path();

/// First file of that name in the folders of search_path(), or an empty path.
std::filesystem::path find_program(const std::string &name);

/// strerror(errno) with what was tried, for messages: "cannot open FILE: No such file".
[[noreturn]] void throw_errno(const std::string &what);

} // namespace brgpu::guest
