// SPDX-License-Identifier: MIT
#include "child.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <vector>

namespace brgpu::guest {

namespace {

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw_errno("cannot make a pipe in the guest");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string users_shell() {
    const char *shell = std::getenv("SHELL");
    if (shell && ::access(shell, X_OK) == 0)
        return shell;
    return ::access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

/// Becomes the command; only called in the new process. The streams are already in place.
[[noreturn]] void become(const StartRequest &request) {
    const auto fail = [](int code, const std::string &what) {
        std::fprintf(stderr, "brgpu-guest: %s: %s\n", what.c_str(), std::strerror(errno));
        std::_Exit(code);
    };
    if (::chdir(request.directory.c_str()) != 0)
        fail(126, "cannot enter " + request.directory + " in the guest");

    ::clearenv();
    for (const auto &variable : request.environment)
        ::putenv(::strdup(variable.c_str()));

    std::vector<std::string> words = request.command;
    if (words.empty())
        words = {users_shell()};
    std::vector<char *> argv;
    for (auto &word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);

    ::signal(SIGPIPE, SIG_DFL);
    ::execvp(argv[0], argv.data());
    fail(errno == ENOENT ? 127 : 126, "cannot run '" + words[0] + "' in the guest");
    std::_Exit(126);
}

void read_all(int fd, const Child::Sink &sink) {
    char buffer[65536];
    for (;;) {
        const ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) // a terminal without users reads as EIO
            return;
        sink({buffer, static_cast<std::size_t>(count)});
    }
}

} // namespace

Child::Child(const StartRequest &request) : terminal_(request.terminal) {
    UniqueFd child_input;
    UniqueFd child_output;
    UniqueFd child_error;
    if (terminal_) {
        output_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (!output_ || ::grantpt(output_.get()) != 0 || ::unlockpt(output_.get()) != 0)
            throw_errno("cannot make a terminal in the guest");
        char name[64];
        if (::ptsname_r(output_.get(), name, sizeof name) != 0)
            throw_errno("cannot name a terminal in the guest");
        child_input.reset(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
        if (!child_input)
            throw_errno("cannot open the guest's terminal");
        child_output.reset(::fcntl(child_input.get(), F_DUPFD_CLOEXEC, 3));
        child_error.reset(::fcntl(child_input.get(), F_DUPFD_CLOEXEC, 3));
        input_.reset(::fcntl(output_.get(), F_DUPFD_CLOEXEC, 3));
        set_window(request.rows, request.columns);
    } else {
        auto input = make_pipe();
        auto output = make_pipe();
        child_input = std::move(input.read);
        input_ = std::move(input.write);
        child_output = std::move(output.write);
        output_ = std::move(output.read);
        if (request.merge_output) {
            child_error.reset(::fcntl(child_output.get(), F_DUPFD_CLOEXEC, 3));
        } else {
            auto error = make_pipe();
            child_error = std::move(error.write);
            error_ = std::move(error.read);
        }
    }

    // Process 1 has small limits; a command expects those of a login.
    const rlimit files{1024, 1u << 20};
    ::setrlimit(RLIMIT_NOFILE, &files);

    pid_ = ::fork();
    if (pid_ < 0)
        throw_errno("cannot start a process in the guest");
    if (pid_ == 0) {
        ::setsid();
        if (terminal_)
            ::ioctl(child_input.get(), TIOCSCTTY, 0);
        ::dup2(child_input.get(), STDIN_FILENO);
        ::dup2(child_output.get(), STDOUT_FILENO);
        ::dup2(child_error.get(), STDERR_FILENO);
        become(request);
    }
}

void Child::read_output(const Sink &sink) const {
    read_all(output_.get(), sink);
}

void Child::read_error(const Sink &sink) const {
    if (error_)
        read_all(error_.get(), sink);
}

void Child::write_input(std::string_view bytes) {
    while (input_ && !bytes.empty()) {
        const ssize_t written = ::write(input_.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            input_.reset();
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

void Child::end_input() {
    if (terminal_)
        write_input("\x04"); // end of input on a terminal in its usual mode
    else
        input_.reset();
}

void Child::set_window(std::uint16_t rows, std::uint16_t columns) const {
    if (!terminal_)
        return;
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    ::ioctl(output_.get(), TIOCSWINSZ, &size);
}

int Child::wait() const {
    for (;;) {
        int status = 0;
        const pid_t ended = ::waitpid(-1, &status, 0);
        if (ended < 0 && errno == EINTR)
            continue;
        if (ended == pid_)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (ended < 0)
            throw_errno("the command's process is lost");
    }
}

} // namespace brgpu::guest
