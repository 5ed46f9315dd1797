// SPDX-License-Identifier: MIT
#include "passes.hpp"
#include "printf_ring.hpp"

#include <cstdio>

#include <llvm/IR/Constants.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IRReader/IRReader.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/raw_ostream.h>

namespace brgpu::cc {
namespace {

// The tables that a switch becomes are an indirect jump, and each lane's target is looked up by
// itself: compare-and-branch chains keep a warp together.
constexpr const char *no_jump_tables = "no-jump-tables";

constexpr llvm::StringRef event_type_name = "spirv.Event";

llvm::Type *element_type(llvm::Type *type) {
    while (const auto *array = llvm::dyn_cast<llvm::ArrayType>(type))
        type = array->getElementType();
    return type;
}

bool has_event_type(const llvm::Type *type) {
    const auto *target = llvm::dyn_cast<llvm::TargetExtType>(type);
    return target != nullptr && target->getName() == event_type_name;
}

bool uses_events(const llvm::Module &module) {
    for (const llvm::Function &function : module) {
        if (has_event_type(function.getReturnType()))
            return true;
        for (const llvm::Argument &argument : function.args())
            if (has_event_type(argument.getType()))
                return true;
        for (const llvm::Instruction &instruction : llvm::instructions(function))
            if (const auto *variable = llvm::dyn_cast<llvm::AllocaInst>(&instruction))
                for (const llvm::Type *part :
                     {variable->getAllocatedType(), element_type(variable->getAllocatedType())})
                    if (has_event_type(part))
                        return true;
    }
    return false;
}

const char *unsupported_type(const llvm::Type *type) {
    if (const auto *target = llvm::dyn_cast<llvm::TargetExtType>(type)) {
        const llvm::StringRef name = target->getName();
        if (name == "spirv.Image" || name == "spirv.SampledImage")
            return "images";
        if (name == "spirv.Sampler")
            return "samplers";
        if (name == "spirv.Pipe")
            return "pipes";
        if (name != event_type_name)
            return "device-side enqueue or another opaque OpenCL type";
    }
    return nullptr;
}

void set_module_flags(llvm::Module &module) {
    llvm::SmallVector<llvm::Module::ModuleFlagEntry, 8> old;
    module.getModuleFlagsMetadata(old);
    if (llvm::NamedMDNode *flags = module.getModuleFlagsMetadata())
        flags->eraseFromParent();
    for (const llvm::Module::ModuleFlagEntry &flag : old)
        if (flag.Key->getString() == "Debug Info Version" ||
            flag.Key->getString() == "Dwarf Version")
            module.addModuleFlag(flag.Behavior, flag.Key->getString(), flag.Val);
    module.addModuleFlag(llvm::Module::Error, "SmallDataLimit", uint32_t{0});
    module.addModuleFlag(llvm::Module::Error, "target-abi",
                         llvm::MDString::get(module.getContext(), "lp64d"));
    module.setPICLevel(llvm::PICLevel::BigPIC);
    module.setPIELevel(llvm::PIELevel::Large);
}

void retarget_call(llvm::CallBase &call) {
    call.setCallingConv(llvm::CallingConv::C);
    // Inline assembly in a kernel is taken for convergent. Reading a CSR or converting a number
    // isn't, and ids are read too often not to be moved and merged.
    const auto *text = llvm::dyn_cast<llvm::InlineAsm>(call.getCalledOperand());
    if (text == nullptr || text->hasSideEffects())
        return;
    const llvm::StringRef assembly = text->getAsmString();
    if (assembly.starts_with("csrr ") || assembly.starts_with("fcvt.")) {
        call.removeFnAttr(llvm::Attribute::Convergent);
        call.addFnAttr(llvm::Attribute::NoUnwind);
        call.addFnAttr(llvm::Attribute::WillReturn);
        call.setMemoryEffects(llvm::MemoryEffects::none());
    }
}

} // namespace

void report_error(const std::string &text) {
    std::fprintf(stderr, "brgpu-cc: error: %s\n", text.c_str());
}

void retarget_module(llvm::Module &module, const llvm::TargetMachine &machine) {
    module.setTargetTriple(machine.getTargetTriple().str());
    module.setDataLayout(machine.createDataLayout());
    set_module_flags(module);
    // Nothing initialises local memory; C's rule of zero must not become a promise.
    for (llvm::GlobalVariable &variable : module.globals())
        if (variable.getAddressSpace() == local_address_space && variable.hasInitializer())
            variable.setInitializer(llvm::UndefValue::get(variable.getValueType()));
    for (llvm::Function &function : module) {
        function.setCallingConv(llvm::CallingConv::C);
        for (const char *attribute : {"target-cpu", "target-features", "tune-cpu", "frame-pointer",
                                      "stack-protector-buffer-size"})
            function.removeFnAttr(attribute);
        if (function.isDeclaration())
            continue;
        function.addFnAttr(no_jump_tables, "true");
        for (llvm::BasicBlock &block : function)
            for (llvm::Instruction &instruction : block)
                if (auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction))
                    retarget_call(*call);
    }
}

bool check_supported(const llvm::Module &module) {
    bool good = true;
    const auto refuse = [&](const llvm::Function &function, const char *what) {
        report_error("function " + function.getName().str() + " uses " + what +
                     ", which brgpu does not support");
        good = false;
    };
    for (const llvm::Function &function : module) {
        if (const char *what = unsupported_type(function.getReturnType()))
            refuse(function, what);
        for (const llvm::Argument &argument : function.args())
            if (const char *what = unsupported_type(argument.getType()))
                refuse(function, what);
        if (function.getName().starts_with("__enqueue_kernel"))
            refuse(function, "device-side enqueue");
    }
    return good;
}

bool replace_event_type(std::unique_ptr<llvm::Module> &module) {
    if (!uses_events(*module))
        return true;
    // The type stands in signatures, allocations and everything derived from them; in the text of
    // the module it is one word.
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream, nullptr);
    const std::string word = "target(\"spirv.Event\")";
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at))
        text.replace(at, word.size(), "ptr");
    llvm::SMDiagnostic problem;
    std::unique_ptr<llvm::Module> result = llvm::parseIR(
        llvm::MemoryBufferRef(text, module->getName()), problem, module->getContext());
    if (!result) {
        report_error("internal: event_t in " + module->getName().str() + ": " +
                     problem.getMessage().str());
        return false;
    }
    module = std::move(result);
    return true;
}

} // namespace brgpu::cc
