// SPDX-License-Identifier: MIT
#include "argument_spec.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace brgpu::exec {

namespace {

[[noreturn]] void bad(const std::string &text, const std::string &why) {
    throw UsageError("argument '" + text + "': " + why);
}

uint64_t parse_unsigned(const std::string &digits, uint64_t most, const std::string &whole) {
    if (digits.empty() || digits[0] == '-' || digits[0] == '+' || digits[0] == ' ')
        bad(whole, "'" + digits + "' is not a number");
    errno = 0;
    char *end = nullptr;
    const unsigned long long value = std::strtoull(digits.c_str(), &end, 0);
    if (*end)
        bad(whole, "'" + digits + "' is not a number");
    if (errno == ERANGE || value > most)
        bad(whole, "'" + digits + "' is larger than " + std::to_string(most));
    return value;
}

int64_t parse_signed(const std::string &digits, int64_t least, int64_t most,
                     const std::string &whole) {
    errno = 0;
    char *end = nullptr;
    const long long value = std::strtoll(digits.c_str(), &end, 0);
    if (digits.empty() || digits[0] == ' ' || *end)
        bad(whole, "'" + digits + "' is not a number");
    if (errno == ERANGE || value < least || value > most)
        bad(whole, "'" + digits + "' is not within " + std::to_string(least) + " to " +
                       std::to_string(most));
    return value;
}

double parse_real(const std::string &digits, const std::string &whole) {
    char *end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || digits[0] == ' ' || *end)
        bad(whole, "'" + digits + "' is not a number");
    return value;
}

template <typename Value>
std::vector<std::byte> bytes_of(Value value) {
    std::vector<std::byte> bytes(sizeof(value));
    std::memcpy(bytes.data(), &value, sizeof(value));
    return bytes;
}

// A byte count with an optional K, M or G.
uint64_t parse_bytes(std::string digits, const std::string &whole) {
    unsigned shift = 0;
    if (!digits.empty()) {
        const size_t unit = std::string("KMG").find(digits.back());
        if (unit != std::string::npos) {
            shift = static_cast<unsigned>(unit + 1) * 10;
            digits.pop_back();
        }
    }
    const uint64_t value = parse_unsigned(digits, (uint64_t{1} << 46) >> shift, whole) << shift;
    if (value == 0)
        bad(whole, "a size of zero bytes");
    return value;
}

std::vector<std::byte> parse_value(const std::string &type, const std::string &digits,
                                   const std::string &whole) {
    if (type == "i32")
        return bytes_of(
            static_cast<int32_t>(parse_signed(digits, std::numeric_limits<int32_t>::min(),
                                              std::numeric_limits<int32_t>::max(), whole)));
    if (type == "u32")
        return bytes_of(static_cast<uint32_t>(parse_unsigned(digits, UINT32_MAX, whole)));
    if (type == "i64")
        return bytes_of(parse_signed(digits, std::numeric_limits<int64_t>::min(),
                                     std::numeric_limits<int64_t>::max(), whole));
    if (type == "u64")
        return bytes_of(parse_unsigned(digits, UINT64_MAX, whole));
    if (type == "f32")
        return bytes_of(static_cast<float>(parse_real(digits, whole)));
    if (type == "f64")
        return bytes_of(parse_real(digits, whole));
    bad(whole, "unknown kind '" + type +
                   "': in:FILE, out:FILE:BYTES, inout:FILE:OUTFILE, zero:BYTES, local:BYTES, "
                   "i32:V, u32:V, i64:V, u64:V, f32:V and f64:V are known");
}

} // namespace

ArgumentSpec parse_argument(const std::string &text) {
    const size_t colon = text.find(':');
    if (colon == std::string::npos)
        bad(text, "no ':'; it has the form KIND:...");
    const std::string kind = text.substr(0, colon), rest = text.substr(colon + 1);
    // The last colon separates, so that the first file name may have colons.
    const size_t last = rest.rfind(':');
    ArgumentSpec spec;
    spec.text = text;
    if (kind == "in") {
        spec.kind = ArgumentSpec::Kind::in;
        spec.input = rest;
        if (rest.empty())
            bad(text, "no file name");
    } else if (kind == "out") {
        spec.kind = ArgumentSpec::Kind::out;
        if (last == std::string::npos || last == 0)
            bad(text, "it has the form out:FILE:BYTES");
        spec.output = rest.substr(0, last);
        spec.bytes = parse_bytes(rest.substr(last + 1), text);
    } else if (kind == "inout") {
        spec.kind = ArgumentSpec::Kind::inout;
        if (last == std::string::npos || last == 0 || last + 1 == rest.size())
            bad(text, "it has the form inout:FILE:OUTFILE");
        spec.input = rest.substr(0, last);
        spec.output = rest.substr(last + 1);
    } else if (kind == "zero") {
        spec.kind = ArgumentSpec::Kind::zero;
        spec.bytes = parse_bytes(rest, text);
    } else if (kind == "local") {
        spec.kind = ArgumentSpec::Kind::local;
        spec.bytes = parse_bytes(rest, text);
    } else {
        spec.value = parse_value(kind, rest, text);
    }
    return spec;
}

Extent parse_extent(const std::string &text, uint32_t least) {
    Extent extent;
    size_t start = 0;
    for (;;) {
        if (extent.dimensions == 3)
            bad(text, "more than three dimensions");
        const size_t comma = text.find(',', start);
        const std::string part = text.substr(start, comma - start);
        const auto value = static_cast<uint32_t>(parse_unsigned(part, UINT32_MAX, text));
        if (value < least)
            bad(text, "a size of 0");
        extent.size[extent.dimensions++] = value;
        if (comma == std::string::npos)
            return extent;
        start = comma + 1;
    }
}

} // namespace brgpu::exec
