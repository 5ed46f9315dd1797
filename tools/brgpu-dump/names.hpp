// SPDX-License-Identifier: MIT
//
// The contract's names for the numbers in a dump. A number without a name is shown as it is.
#ifndef BRGPU_DUMP_NAMES_HPP
#define BRGPU_DUMP_NAMES_HPP

#include <cstdint>
#include <string>

namespace brgpu::dump {

std::string register_name(uint32_t offset);
std::string queue_state(uint32_t status);
std::string queue_error(uint32_t error);
std::string fault_reason(uint32_t info);
std::string fault_client(uint32_t info);
std::string fault_access(uint32_t info);
std::string packet_type(uint8_t type);
std::string page_entry(uint64_t entry, unsigned level);

} // namespace brgpu::dump

#endif
