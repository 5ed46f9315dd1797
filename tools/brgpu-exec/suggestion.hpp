// SPDX-License-Identifier: MIT
#ifndef BRGPU_EXEC_SUGGESTION_HPP
#define BRGPU_EXEC_SUGGESTION_HPP

#include <string>
#include <vector>

namespace brgpu::exec {

// The candidate that a mistyped word most likely meant; "" when none is near.
std::string nearest(const std::string &word, const std::vector<std::string> &candidates);

} // namespace brgpu::exec

#endif // BRGPU_EXEC_SUGGESTION_HPP
