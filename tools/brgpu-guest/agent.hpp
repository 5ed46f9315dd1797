// SPDX-License-Identifier: MIT
#pragma once

namespace brgpu::guest {

/// The guest's process 1 after the init script: takes one StartRequest from the launcher, loads the
/// module, runs the command with its streams relayed, reports how it ended, and powers off.
[[noreturn]] void run_agent();

} // namespace brgpu::guest
