// SPDX-License-Identifier: MIT
//
// Which code of the kernel a thread's calls have run through, from KCOV where the kernel has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>

namespace brgpu::fuzz {

/// Of one thread; used by it alone.
class Coverage {
  public:
    Coverage();
    ~Coverage();
    Coverage(const Coverage &) = delete;
    Coverage &operator=(const Coverage &) = delete;

    bool works() const { return area_ != nullptr; }
    void start();
    /// Adds to `seen`; returns how many places are new in it.
    std::size_t collect(std::unordered_set<std::uint64_t> &seen);

  private:
    static constexpr std::size_t entries = 128 * 1024;
    int fd_ = -1;
    std::uint64_t *area_ = nullptr;
};

} // namespace brgpu::fuzz
