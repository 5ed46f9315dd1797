// SPDX-License-Identifier: MIT
#ifndef BRGPU_CC_PRINTF_RING_HPP
#define BRGPU_CC_PRINTF_RING_HPP

#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/Module.h>

namespace brgpu::cc {

// OpenCL's __local in LLVM IR.
inline constexpr unsigned local_address_space = 3;

// The __local variable that holds the address of the printf ring, or null when the module doesn't
// print. It is made by lower_printf().
llvm::GlobalVariable *printf_ring_variable(llvm::Module &module);

} // namespace brgpu::cc

#endif
