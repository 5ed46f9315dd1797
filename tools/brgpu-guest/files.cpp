// SPDX-License-Identifier: MIT
#include "files.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/wait.h>
#include <system_error>

namespace brgpu::guest {

void throw_errno(const std::string &what) {
    throw std::system_error(errno, std::generic_category(), what);
}

UniqueFd memory_file(const char *name, std::string_view bytes) {
    UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
    if (!fd)
        throw_errno("cannot make a file in memory");
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            throw_errno("cannot write a file in memory");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return fd;
}

std::string read_file(const std::filesystem::path &file) {
    const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        throw_errno("cannot open " + file.string());
    std::string bytes;
    char buffer[65536];
    for (;;) {
        const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            throw_errno("cannot read " + file.string());
        if (count == 0)
            return bytes;
        bytes.append(buffer, static_cast<std::size_t>(count));
    }
}

void write_file(const std::filesystem::path &file, std::string_view bytes) {
    const std::string temporary = file.string() + "." + std::to_string(::getpid());
    {
        std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
        stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        stream.close();
        if (!stream)
            throw_errno("cannot write " + temporary);
    }
    if (::rename(temporary.c_str(), file.c_str()) != 0)
        throw_errno("cannot rename " + temporary + " to " + file.string());
}

std::string output_of(const std::vector<std::string> &command) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw_errno("cannot make a pipe");
    UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);

    std::vector<char *> argv;
    for (const auto &word : command)
        argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        throw std::runtime_error("cannot run " + command[0] + ": " +
                                 std::generic_category().message(error));
    writer.reset();

    std::string output;
    char buffer[65536];
    for (;;) {
        const ssize_t count = ::read(reader.get(), buffer, sizeof buffer);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        output.append(buffer, static_cast<std::size_t>(count));
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw std::runtime_error(command[0] + " failed");
    return output;
}

std::string shell_quote(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    }
    return quoted + "'";
}

std::string search_path() {
    const char *path = std::getenv("PATH");
    return (path && *path ? std::string(path) + ":" : "") +
           "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
}

std::filesystem::path find_program(const std::string &name) {
    const std::string folders = search_path();
    for (std::size_t start = 0; start <= folders.size();) {
        const auto end = std::min(folders.find(':', start), folders.size());
        const auto file = std::filesystem::path(folders.substr(start, end - start)) / name;
        if (end > start && ::access(file.c_str(), X_OK) == 0)
            return file;
        start = end + 1;
    }
    return {};
}

} // namespace brgpu::guest
