// SPDX-License-Identifier: MIT
//
// Which build of the engine a thread runs, where that is not simply the host's best.
#ifndef BRGPU_SIMT_BUILDS_HPP
#define BRGPU_SIMT_BUILDS_HPP

namespace brgpu::simt {

struct InterpreterBuild;

// By name: "avx512", "avx2", "baseline"; null if this host can't run it, or there is none.
const InterpreterBuild *find_build(const char *name) noexcept;
const char *name_of(const InterpreterBuild &build) noexcept;
// What this thread runs from now on; null: what Worker::isa_name() says.
void use_build(const InterpreterBuild *build) noexcept;

} // namespace brgpu::simt

#endif // BRGPU_SIMT_BUILDS_HPP
