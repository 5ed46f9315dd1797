// SPDX-License-Identifier: MIT
#pragma once

#include "options.hpp"

namespace brgpu::guest {

/// Exit codes that are not the command's.
inline constexpr int exit_complaints = 3;
inline constexpr int exit_timeout = 124;
inline constexpr int exit_failure = 125;

/// Boots the guest, runs the command and returns the exit code for the caller. Messages for the
/// user go to standard error. Throws std::exception where the guest cannot even be tried.
int launch(const Options &options);

} // namespace brgpu::guest
