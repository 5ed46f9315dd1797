// SPDX-License-Identifier: MIT
//
// The output of printf() in kernels: a ring of records (brgpu/code_object.h) that lanes append to
// and the library turns into text.
#ifndef BRGPU_UMD_PRINTF_RING_HPP
#define BRGPU_UMD_PRINTF_RING_HPP

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "vm.hpp"

namespace brgpu::umd {

// A string in a VM, at most `limit` bytes; what can't be read ends it.
std::string read_string(Vm &vm, uint64_t address, size_t limit);

// The text of one record: `format` as C has it, with OpenCL's vector sizes; each argument 64 bits
// wide. Everything is hostile: unknown conversions are printed as they stand, %n writes nothing.
std::string format_record(Vm *vm, const std::string &format, std::span<const uint64_t> arguments);

class PrintfRing {
  public:
    explicit PrintfRing(std::shared_ptr<Vm> vm);

    uint64_t address() const noexcept { return memory_.address(); }
    // Prints complete records that have not been printed. last: the work has ended, so a record
    // that isn't complete never will be, and a loss is told.
    void print(brgpu_printf_function function, void *user, bool last);
    // Only while no work uses the ring.
    void reset();

  private:
    std::mutex lock_;
    std::shared_ptr<Vm> vm_;
    OwnedAllocation memory_;
    uint64_t printed_ = 0; // bytes behind the header
    bool loss_told_ = false;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_PRINTF_RING_HPP
