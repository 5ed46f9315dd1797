// SPDX-License-Identifier: MIT
#include "passes.hpp"

#include "brgpu/hw/isa.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Operator.h>

namespace brgpu::cc {
namespace {

bool is_indirect(const llvm::CallBase &call) {
    const llvm::Value *callee = call.getCalledOperand()->stripPointerCastsAndAliases();
    return !llvm::isa<llvm::Function>(callee) && !llvm::isa<llvm::InlineAsm>(callee);
}

// `.insn r opcode, ...` with the opcode as a constant operand, as brgpu_isa.h has it.
bool is_tensor_instruction(const llvm::CallBase &call) {
    const auto *text = llvm::dyn_cast<llvm::InlineAsm>(call.getCalledOperand());
    if (text == nullptr || !llvm::StringRef(text->getAsmString()).starts_with(".insn r ") ||
        call.arg_empty())
        return false;
    const auto *opcode = llvm::dyn_cast<llvm::ConstantInt>(call.getArgOperand(0));
    return opcode != nullptr && opcode->equalsInt(BRGPU_OPCODE_CUSTOM1);
}

} // namespace

std::set<std::string> functions_with_indirect_calls(const llvm::Module &module) {
    std::set<std::string> names;
    for (const llvm::Function &function : module)
        for (const llvm::Instruction &instruction : llvm::instructions(function))
            if (const auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction))
                if (is_indirect(*call)) {
                    names.insert(function.getName().str());
                    break;
                }
    return names;
}

std::set<std::string> self_recursive_functions(const llvm::Module &module) {
    std::set<std::string> names;
    for (const llvm::Function &function : module)
        for (const llvm::Instruction &instruction : llvm::instructions(function))
            if (const auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction))
                if (call->getCalledOperand()->stripPointerCastsAndAliases() == &function)
                    names.insert(function.getName().str());
    return names;
}

std::set<std::string> address_taken_functions(const llvm::Module &module) {
    std::set<std::string> names;
    for (const llvm::Function &function : module)
        if (!function.isIntrinsic() && function.hasAddressTaken())
            names.insert(function.getName().str());
    return names;
}

std::set<const llvm::Function *> reachable_functions(const llvm::Function &root) {
    std::set<const llvm::Function *> reached;
    std::vector<const llvm::Function *> work = {&root};
    bool has_indirect_call = false;
    while (!work.empty()) {
        const llvm::Function *function = work.back();
        work.pop_back();
        if (function->isIntrinsic() || !reached.insert(function).second)
            continue;
        for (const llvm::Instruction &instruction : llvm::instructions(*function)) {
            const auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction);
            if (call == nullptr)
                continue;
            const llvm::Value *callee = call->getCalledOperand()->stripPointerCastsAndAliases();
            if (const auto *direct = llvm::dyn_cast<llvm::Function>(callee)) {
                work.push_back(direct);
            } else if (!has_indirect_call && is_indirect(*call)) {
                has_indirect_call = true;
                for (const llvm::Function &candidate : *root.getParent())
                    if (!candidate.isIntrinsic() && candidate.hasAddressTaken())
                        work.push_back(&candidate);
            }
        }
    }
    return reached;
}

void find_tensor_use(const llvm::Module &module, std::vector<KernelInfo> &kernels) {
    // The tensor instructions exist only as inline assembly of the device headers and library.
    std::set<const llvm::Function *> users;
    for (const llvm::Function &function : module)
        for (const llvm::Instruction &instruction : llvm::instructions(function))
            if (const auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction))
                if (is_tensor_instruction(*call))
                    users.insert(&function);
    if (users.empty())
        return;
    for (KernelInfo &kernel : kernels)
        for (const llvm::Function *function :
             reachable_functions(*module.getFunction(kernel.entry)))
            kernel.uses_tensor = kernel.uses_tensor || users.count(function) != 0;
}

} // namespace brgpu::cc
