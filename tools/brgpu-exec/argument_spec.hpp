// SPDX-License-Identifier: MIT
//
// The --arg and --global/--local texts of the command line.
#ifndef BRGPU_EXEC_ARGUMENT_SPEC_HPP
#define BRGPU_EXEC_ARGUMENT_SPEC_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace brgpu::exec {

// What the user wrote is wrong: exit code 2.
class UsageError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

struct ArgumentSpec {
    enum class Kind { in, out, inout, zero, local, value };

    Kind kind = Kind::value;
    std::string text;             // as written, for messages
    std::string input;            // in, inout: file
    std::string output;           // out, inout: file
    uint64_t bytes = 0;           // out, zero, local
    std::vector<std::byte> value; // value
};

// in:FILE, out:FILE:BYTES, inout:FILE:OUTFILE, zero:BYTES, local:BYTES, i32:V .. f64:V.
ArgumentSpec parse_argument(const std::string &text);

struct Extent {
    uint32_t dimensions = 0;
    std::array<uint32_t, 3> size = {1, 1, 1};
};
// X[,Y[,Z]], each 0..2^32-1 (`least` 0) or from 1.
Extent parse_extent(const std::string &text, uint32_t least);

} // namespace brgpu::exec

#endif // BRGPU_EXEC_ARGUMENT_SPEC_HPP
