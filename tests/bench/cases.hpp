// SPDX-License-Identifier: MIT
//
// The kernels that are measured: their data, how they are launched, and the same work in C++.
#ifndef BRGPU_BENCH_CASES_HPP
#define BRGPU_BENCH_CASES_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "measure.hpp"

namespace brgpu::bench {

enum class Element : uint8_t { u32, f32 };

// How near a result must be to that of the native code.
struct Tolerance {
    Element element = Element::u32;
    double relative = 0;
    double absolute = 0;
    double stray = 0; // share of elements that may be anywhere: points on the edge of a fractal
};

struct CaseBuffer {
    std::vector<std::byte> initial;
    bool output = false;
    Tolerance tolerance = {};
};

struct Value {
    std::vector<std::byte> bytes;
};
struct BufferIndex {
    size_t index;
};
struct LocalBytes {
    size_t bytes;
};
using Argument = std::variant<Value, BufferIndex, LocalBytes>;

struct Launch {
    std::string kernel;
    std::vector<Argument> arguments;
    std::vector<uint32_t> global;
    std::vector<uint32_t> local;
};

struct Case {
    std::string name;
    std::string file; // in tests/kernels, without .cl
    std::string size;
    std::vector<CaseBuffer> buffers;
    std::vector<Launch> launches; // in order
    std::function<void(Pool &, std::span<std::byte *const>)> native;
};

// All of them; `quick`: with less work. Built anew at each call of an entry's function, so that
// data lives only while it is measured.
struct CaseMaker {
    const char *name;
    Case (*make)(bool quick);
};
std::span<const CaseMaker> case_makers();

// "" or a line that says what differs.
std::string difference(const Tolerance &tolerance, std::span<const std::byte> got,
                       std::span<const std::byte> expected);

} // namespace brgpu::bench

#endif // BRGPU_BENCH_CASES_HPP
