// SPDX-License-Identifier: MIT
#include "process.hpp"

#include "files.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace brgpu::guest {

OwnedProcess::OwnedProcess(const std::vector<std::string> &command, int output_fd,
                           const std::vector<int> &inherited,
                           const std::vector<std::string> &environment) {
    std::vector<char *> argv;
    for (const auto &word : command)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);

    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0)
        throw_errno("cannot start a process");
    if (pid_ == 0) {
        // A group of its own: the terminal's Ctrl-C is the launcher's affair.
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent)
            std::_Exit(125);
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::signal(SIGPIPE, SIG_DFL);
        for (const int fd : inherited)
            ::fcntl(fd, F_SETFD, 0);
        for (const auto &variable : environment)
            ::putenv(const_cast<char *>(variable.c_str()));
        const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::dup2(null, STDIN_FILENO);
        ::dup2(output_fd, STDOUT_FILENO);
        ::dup2(output_fd, STDERR_FILENO);
        ::execv(argv[0], argv.data());
        std::fprintf(stderr, "cannot run %s: %s\n", argv[0], std::strerror(errno));
        std::_Exit(125);
    }
    ::setpgid(pid_, pid_);
    running_ = true;
}

bool OwnedProcess::ended() {
    if (running_ && ::waitpid(pid_, &status_, WNOHANG) == pid_)
        running_ = false;
    return !running_;
}

void OwnedProcess::end() {
    if (!running_)
        return;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    running_ = false;
}

} // namespace brgpu::guest
