// SPDX-License-Identifier: MIT
//
// What the conformance tests share: the backend of the command line, an open card, the kernels.
#ifndef BRGPU_CONFORMANCE_SUITE_HPP
#define BRGPU_CONFORMANCE_SUITE_HPP

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "brgpu/brgpu.hpp"

namespace brgpu::conformance {

brgpu_backend backend();
const std::vector<std::byte> &code(); // conformance.elf

// One device for all tests that don't break it.
const Device &shared_device();
// For tests that do.
Device new_device();

constexpr uint64_t second_ns = 1000000000;
constexpr uint64_t timeout_ns = 60 * second_ns;

// The status of what throws.
template <typename Body>
brgpu_status status_of(Body &&body) {
    try {
        body();
    } catch (const Error &error) {
        return error.status();
    }
    return BRGPU_SUCCESS;
}

#define EXPECT_STATUS(status, ...)                                                                 \
    EXPECT_EQ(status, status_of([&] { __VA_ARGS__; })) << brgpu_last_error()

class Conformance : public testing::Test {
  protected:
    const Device &device = shared_device();
    Vm vm{device};
    Queue queue{vm};
};

} // namespace brgpu::conformance

#endif // BRGPU_CONFORMANCE_SUITE_HPP
