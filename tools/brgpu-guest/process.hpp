// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace brgpu::guest {

/// A QEMU that ends when its owner does: with the destructor, and with the death of this process
/// whatever its reason. Used from one thread, the process's main one.
class OwnedProcess {
  public:
    /// `output_fd` becomes its standard output and error; `inherited` are the descriptors that it
    /// keeps under the same numbers; `environment` is added to this process's. Throws
    /// std::system_error.
    OwnedProcess(const std::vector<std::string> &command, int output_fd,
                 const std::vector<int> &inherited,
                 const std::vector<std::string> &environment = {});
    OwnedProcess(const OwnedProcess &) = delete;
    OwnedProcess &operator=(const OwnedProcess &) = delete;
    ~OwnedProcess() { end(); }

    /// Whether it has ended by itself; does not block.
    bool ended();

    /// Ends it and what it started, and waits for it.
    void end();

    /// The status of waitpid(), once it has ended.
    int status() const { return status_; }

  private:
    pid_t pid_ = -1;
    bool running_ = false;
    int status_ = 0;
};

} // namespace brgpu::guest
