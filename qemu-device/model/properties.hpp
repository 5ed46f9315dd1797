// SPDX-License-Identifier: MIT
//
// Properties of a card by name: faults on demand and statistics, in one table.
#ifndef BRGPU_MODEL_PROPERTIES_HPP
#define BRGPU_MODEL_PROPERTIES_HPP

#include <span>
#include <string>
#include <string_view>

#include "card.hpp"

namespace brgpu::model {

class Properties {
  public:
    struct Row {
        const char *name;
        const char *help;
        // Empty text: set. Else why not. Null: read-only.
        std::string (*set)(Card &card, std::string_view value);
        std::string (*get)(Card &card);
    };
    struct Rows;

    static std::span<const Row> all();
    static const Row *find(std::string_view name);
};

} // namespace brgpu::model

#endif
