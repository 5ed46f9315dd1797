// SPDX-License-Identifier: MIT
//
// LLVM: optimises a kernel's function, makes machine code of it and keeps it in memory that is
// never writable and executable at once (JITLink maps code read-only once it is written).
#ifndef BRGPU_JIT_COMPILER_HPP
#define BRGPU_JIT_COMPILER_HPP

#include <map>
#include <memory>
#include <string>

#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Target/TargetMachine.h>

#include "simt/jit_abi.hpp"

namespace brgpu::jit {

// One a card. Used by one thread at a time.
class Compiler {
  public:
    Compiler();
    ~Compiler();
    // Throws std::runtime_error with a reason.
    void compile(const simt::jit::Request &request, simt::jit::Kernel &kernel);
    void release(void *handle);

  private:
    struct Target; // one class of hosts
    Target &target(const std::string &isa);

    std::map<std::string, std::unique_ptr<Target>> targets_;
    uint64_t serial_ = 0;
};

} // namespace brgpu::jit

#endif
