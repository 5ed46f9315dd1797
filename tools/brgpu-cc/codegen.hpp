// SPDX-License-Identifier: MIT
//
// From LLVM modules to RISC-V objects.
#ifndef BRGPU_CC_CODEGEN_HPP
#define BRGPU_CC_CODEGEN_HPP

#include "kernel_info.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

namespace brgpu::cc {

using ObjectCode = llvm::SmallVector<char, 0>;

// Null with a message when LLVM has no RISC-V target.
std::unique_ptr<llvm::TargetMachine> make_target_machine(char opt_level);

// Generates code for a copy of the module, which stays as it is.
bool emit_code(const llvm::Module &module, llvm::TargetMachine &machine, bool assembly,
               ObjectCode &code);

// The undefined symbols of an object: what code generation calls that the module didn't.
bool undefined_symbols(const ObjectCode &object, std::set<std::string> &names);

struct StackQuery {
    std::set<std::string> indirect_callers; // functions with an indirect call
    std::set<std::string> address_taken;    // what such a call may reach
    std::set<std::string> self_recursive;   // their calls have no relocation to be seen by
    std::optional<uint32_t> unknown_depth;  // --stack-bytes
};

// Sets private_bytes of each kernel from the frames and the calls that the object has.
bool compute_private_bytes(const ObjectCode &object, const StackQuery &query,
                           std::vector<KernelInfo> &kernels);

// An object with the descriptors (NAME.kd) and notes of the kernels.
bool emit_descriptors(const std::vector<KernelInfo> &kernels, llvm::TargetMachine &machine,
                      ObjectCode &object);

} // namespace brgpu::cc

#endif
