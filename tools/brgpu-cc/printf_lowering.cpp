// SPDX-License-Identifier: MIT
//
// printf becomes an append to the record ring of brgpu/code_object.h. The ring's address comes in a
// hidden kernel argument; the kernel's entry puts it into a word of local memory, where any
// function of the workgroup finds it.
#include "passes.hpp"
#include "printf_ring.hpp"

#include <cctype>

#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

namespace brgpu::cc {
namespace {

// For each argument of a format: is it a signed integer? An argument that `*` takes is one.
std::vector<bool> signed_arguments(llvm::StringRef format) {
    std::vector<bool> result;
    for (size_t i = 0; i < format.size(); i++) {
        if (format[i] != '%')
            continue;
        for (i++; i < format.size(); i++) {
            const char c = format[i];
            if (c == '*')
                result.push_back(true);
            else if (c == '%')
                break;
            else if (std::isalpha(static_cast<unsigned char>(c)) && c != 'h' && c != 'l' &&
                     c != 'v' && c != 'j' && c != 'z' && c != 't' && c != 'L') {
                result.push_back(c == 'd' || c == 'i' || c == 'c');
                break;
            }
        }
    }
    return result;
}

llvm::Value *to_word(llvm::IRBuilder<> &builder, llvm::Value *value, bool is_signed) {
    llvm::Type *i64 = builder.getInt64Ty();
    if (value->getType()->isPointerTy())
        return builder.CreatePtrToInt(value, i64);
    if (value->getType()->isFloatingPointTy())
        return builder.CreateBitCast(builder.CreateFPCast(value, builder.getDoubleTy()), i64);
    return builder.CreateIntCast(value, i64, is_signed);
}

bool lower_call(llvm::CallInst &call, llvm::GlobalVariable &ring) {
    llvm::Module &module = *call.getModule();
    llvm::IRBuilder<> builder(&call);
    std::vector<bool> signs;
    llvm::StringRef format;
    if (llvm::getConstantStringInfo(call.getArgOperand(0), format))
        signs = signed_arguments(format);

    std::vector<llvm::Value *> words;
    for (unsigned i = 1; i < call.arg_size(); i++) {
        llvm::Value *argument = call.getArgOperand(i);
        const bool is_signed = i - 1 < signs.size() ? signs[i - 1] : true;
        llvm::Type *type = argument->getType();
        if (call.isByValArgument(i) || type->isAggregateType()) {
            report_error("printf in function " + call.getFunction()->getName().str() +
                         ": argument " + std::to_string(i) + " is a struct");
            return false;
        }
        if (const auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(type)) {
            for (unsigned element = 0; element < vector->getNumElements(); element++)
                words.push_back(
                    to_word(builder, builder.CreateExtractElement(argument, element), is_signed));
        } else {
            words.push_back(to_word(builder, argument, is_signed));
        }
    }

    llvm::Type *i64 = builder.getInt64Ty();
    llvm::Type *ptr = builder.getPtrTy();
    const auto begin =
        module.getOrInsertFunction("__brgpu_printf_begin", ptr, i64, i64, builder.getInt32Ty());
    const auto end = module.getOrInsertFunction("__brgpu_printf_end", builder.getVoidTy(), ptr,
                                                builder.getInt32Ty());
    llvm::Value *count = builder.getInt32(static_cast<uint32_t>(words.size()) + 1);
    llvm::Value *address = builder.CreatePtrToInt(call.getArgOperand(0), i64);
    llvm::Value *record =
        builder.CreateCall(begin, {builder.CreateLoad(i64, &ring), address, count});
    llvm::Value *fits = builder.CreateIsNotNull(record);
    llvm::Instruction *then = llvm::SplitBlockAndInsertIfThen(fits, &call, false);
    llvm::IRBuilder<> writer(then);
    for (size_t i = 0; i < words.size(); i++)
        writer.CreateStore(words[i], writer.CreateConstGEP1_64(i64, record, i + 2));
    writer.CreateCall(end, {record, count});
    builder.SetInsertPoint(&call);
    call.replaceAllUsesWith(builder.CreateSelect(fits, llvm::ConstantInt::get(call.getType(), 0),
                                                 llvm::ConstantInt::getSigned(call.getType(), -1)));
    call.eraseFromParent();
    return true;
}

} // namespace

llvm::GlobalVariable *printf_ring_variable(llvm::Module &module) {
    return module.getGlobalVariable("brgpu.printf.ring", true);
}

bool lower_printf(llvm::Module &module) {
    llvm::Function *printf = module.getFunction("printf");
    if (printf == nullptr || !printf->isDeclaration() || !printf->isVarArg() ||
        !printf->getReturnType()->isIntegerTy() || printf->arg_size() != 1)
        return true;
    std::vector<llvm::CallInst *> calls;
    for (llvm::User *user : printf->users()) {
        auto *call = llvm::dyn_cast<llvm::CallInst>(user);
        if (call == nullptr || call->getCalledOperand() != printf) {
            report_error("the address of printf is taken: printf can only be called");
            return false;
        }
        calls.push_back(call);
    }
    if (calls.empty())
        return true;
    llvm::Type *i64 = llvm::Type::getInt64Ty(module.getContext());
    auto *ring = new llvm::GlobalVariable(module, i64, false, llvm::GlobalValue::InternalLinkage,
                                          llvm::UndefValue::get(i64), "brgpu.printf.ring", nullptr,
                                          llvm::GlobalValue::NotThreadLocal, local_address_space);
    for (llvm::CallInst *call : calls)
        if (!lower_call(*call, *ring))
            return false;
    printf->eraseFromParent();
    return true;
}

} // namespace brgpu::cc
