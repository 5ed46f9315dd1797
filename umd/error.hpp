// SPDX-License-Identifier: MIT
//
// Failures inside the library are exceptions; the C functions (api/) turn them into a status and
// the thread's detail text. Nothing else catches them.
#ifndef BRGPU_UMD_ERROR_HPP
#define BRGPU_UMD_ERROR_HPP

#include <exception>

#include "brgpu/brgpu.h"

namespace brgpu::umd {

inline constexpr size_t detail_bytes = 1024;

class Error : public std::exception {
  public:
    Error(brgpu_status status, const char *text) noexcept;
    const char *what() const noexcept override { return text_; }
    brgpu_status status() const noexcept { return status_; }

  private:
    brgpu_status status_;
    char text_[detail_bytes];
};

[[noreturn, gnu::format(printf, 2, 3)]] void raise(brgpu_status status, const char *format, ...);

// `error` is a positive errno; the formatted text says what was tried.
[[noreturn, gnu::format(printf, 2, 3)]] void raise_errno(int error, const char *format, ...);

brgpu_status status_of_errno(int error) noexcept;

// The thread's detail text, for brgpu_last_error().
void set_detail(const char *text) noexcept;
const char *detail() noexcept;

void set_log(brgpu_log_function function, void *user, int level) noexcept;
[[gnu::format(printf, 2, 3)]] void log(int level, const char *format, ...) noexcept;

} // namespace brgpu::umd

#endif // BRGPU_UMD_ERROR_HPP
