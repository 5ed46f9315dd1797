// SPDX-License-Identifier: MIT
//
// The module passes that turn what clang's front end gives into code for the card. They run in the
// order in which they are declared here. Each reports what it can't do through report_error() and
// returns false then.
#ifndef BRGPU_CC_PASSES_HPP
#define BRGPU_CC_PASSES_HPP

#include "kernel_info.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <llvm/ADT/StringRef.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

namespace brgpu::cc {

// "brgpu-cc: error: ..." on stderr.
void report_error(const std::string &text);

// Gives the module the card's triple and data layout, and its functions the card's calling
// convention; drops attributes that speak of another target. Safe to repeat after linking.
void retarget_module(llvm::Module &module, const llvm::TargetMachine &machine);

// Refuses what the card has no hardware for (images, samplers, pipes, device-side enqueue).
bool check_supported(const llvm::Module &module);

// Makes pointers of OpenCL's event_t, an opaque type that code generation doesn't take.
bool replace_event_type(std::unique_ptr<llvm::Module> &module);

// Replaces calls of printf by appends to the ring of struct brgpu_printf_ring.
bool lower_printf(llvm::Module &module);

// Makes for each kernel the entry function that unpacks the kernarg block, and collects the
// kernels. Everything but the entries becomes internal.
bool make_kernel_entries(llvm::Module &module, std::vector<KernelInfo> &kernels);

// Links what the module needs of the device library, and internalises it.
bool link_device_library(llvm::Module &module, const std::string &path);

// Links functions that code generation has come to call (`names`) and that the module doesn't have.
bool link_runtime_functions(llvm::Module &module, const llvm::TargetMachine &machine,
                            const std::string &path, const std::set<std::string> &names);

// Reports every function and variable that is used and has no definition.
bool check_resolved(const llvm::Module &module);

void optimise_module(llvm::Module &module, llvm::TargetMachine &machine, char opt_level);

// Gives every __local variable its place in local memory. Variables that no kernel uses together
// may share a place.
bool allocate_local_memory(llvm::Module &module, std::vector<KernelInfo> &kernels);

// Sets uses_tensor where a kernel can reach a tensor instruction.
void find_tensor_use(const llvm::Module &module, std::vector<KernelInfo> &kernels);

// Functions that can run when `root` is called. An indirect call reaches every function whose
// address is taken.
std::set<const llvm::Function *> reachable_functions(const llvm::Function &root);

// Names of the functions with an indirect call.
std::set<std::string> functions_with_indirect_calls(const llvm::Module &module);

// Names of the functions that call themselves.
std::set<std::string> self_recursive_functions(const llvm::Module &module);

// Names of the functions whose address is taken.
std::set<std::string> address_taken_functions(const llvm::Module &module);

} // namespace brgpu::cc

#endif
