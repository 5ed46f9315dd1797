// SPDX-License-Identifier: MIT
#ifndef BRGPU_DUMP_REPORT_HPP
#define BRGPU_DUMP_REPORT_HPP

#include <string>

#include "dump_file.hpp"

namespace brgpu::dump {

// For humans; `all_registers`: those of every lane too, not only of the one that faulted.
std::string as_text(const Dump &dump, bool all_registers);
std::string as_json(const Dump &dump);

} // namespace brgpu::dump

#endif
