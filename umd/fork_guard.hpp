// SPDX-License-Identifier: MIT
//
// Tells the child of a fork from the process that made an object: in the child, device files and
// GEM handles are the parent's, and the model's threads don't exist.
#ifndef BRGPU_UMD_FORK_GUARD_HPP
#define BRGPU_UMD_FORK_GUARD_HPP

#include <cstdint>

namespace brgpu::umd {

// How often this process is the result of a fork() since the library watches; an object that
// remembers another number belongs to an ancestor.
uint32_t fork_generation() noexcept;

} // namespace brgpu::umd

#endif // BRGPU_UMD_FORK_GUARD_HPP
