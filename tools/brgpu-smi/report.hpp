// SPDX-License-Identifier: MIT
#ifndef BRGPU_SMI_REPORT_HPP
#define BRGPU_SMI_REPORT_HPP

#include <string>
#include <vector>

#include "card.hpp"

namespace brgpu::smi {

std::string as_table(const std::vector<Card> &cards);
std::string as_json(const std::vector<Card> &cards);

} // namespace brgpu::smi

#endif // BRGPU_SMI_REPORT_HPP
