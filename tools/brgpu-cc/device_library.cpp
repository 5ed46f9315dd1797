// SPDX-License-Identifier: MIT
#include "passes.hpp"

#include <llvm/ADT/StringSet.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/Demangle/Demangle.h>
#include <llvm/IR/DebugInfoMetadata.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/Instructions.h>
#include <llvm/Linker/Linker.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Transforms/IPO/Internalize.h>
#include <llvm/Transforms/Utils/ModuleUtils.h>

namespace brgpu::cc {
namespace {

std::string first_use(const llvm::GlobalValue &value) {
    for (const llvm::User *user : value.users()) {
        const auto *instruction = llvm::dyn_cast<llvm::Instruction>(user);
        if (instruction == nullptr)
            continue;
        std::string place =
            " (used in " + llvm::demangle(instruction->getFunction()->getName().str());
        if (const llvm::DebugLoc &location = instruction->getDebugLoc())
            place +=
                ", " + location->getFilename().str() + ":" + std::to_string(location.getLine());
        return place + ")";
    }
    return {};
}

} // namespace

bool link_device_library(llvm::Module &module, const std::string &path) {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    if (!buffer) {
        report_error("cannot read the device library " + path + ": " + buffer.getError().message());
        return false;
    }
    // Lazy: function bodies are read only when the linker wants them.
    auto library = llvm::getOwningLazyBitcodeModule(std::move(*buffer), module.getContext(),
                                                    /*ShouldLazyLoadMetadata=*/true);
    if (!library) {
        report_error("the device library " + path +
                     " is not readable: " + llvm::toString(library.takeError()));
        return false;
    }
    // The flags speak of how the library was compiled, and ours have been set already.
    if (llvm::Error error = (*library)->materializeMetadata()) {
        report_error("the device library " + path +
                     " is not readable: " + llvm::toString(std::move(error)));
        return false;
    }
    if (llvm::NamedMDNode *flags = (*library)->getModuleFlagsMetadata())
        flags->eraseFromParent();
    (*library)->setTargetTriple(module.getTargetTriple());
    (*library)->setDataLayout(module.getDataLayout());
    const bool failed = llvm::Linker::linkModules(
        module, std::move(*library), llvm::Linker::Flags::LinkOnlyNeeded,
        [](llvm::Module &destination, const llvm::StringSet<> &linked) {
            llvm::internalizeModule(destination, [&](const llvm::GlobalValue &value) {
                return !value.hasName() || linked.count(value.getName()) == 0;
            });
        });
    if (failed)
        report_error("linking the device library " + path + " failed");
    return !failed;
}

bool link_runtime_functions(llvm::Module &module, const llvm::TargetMachine &machine,
                            const std::string &path, const std::set<std::string> &names) {
    // Declarations of the right name make the linker want them, whatever their type.
    auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(module.getContext()), false);
    std::vector<llvm::GlobalValue *> wanted;
    for (const std::string &name : names) {
        if (module.getNamedValue(name) != nullptr && !module.getNamedValue(name)->isDeclaration()) {
            report_error("the compiler needs the function " + name +
                         ", and the sources define something else of that name");
            return false;
        }
        module.getOrInsertFunction(name, type);
    }
    if (!link_device_library(module, path))
        return false;
    for (const std::string &name : names) {
        llvm::Function *function = module.getFunction(name);
        if (function == nullptr || function->isDeclaration()) {
            report_error("undefined function " + name + ", which the compiler needs");
            return false;
        }
        wanted.push_back(function);
    }
    // Code generation refers to them by name only.
    llvm::appendToUsed(module, wanted);
    retarget_module(module, machine);
    return check_resolved(module);
}

bool check_resolved(const llvm::Module &module) {
    bool good = true;
    for (const llvm::Function &function : module)
        if (function.isDeclaration() && !function.isIntrinsic() && !function.use_empty()) {
            report_error("undefined function " + llvm::demangle(function.getName().str()) +
                         first_use(function));
            good = false;
        }
    for (const llvm::GlobalVariable &variable : module.globals())
        if (variable.isDeclaration() && !variable.use_empty()) {
            report_error("undefined variable " + variable.getName().str() + first_use(variable));
            good = false;
        }
    return good;
}

} // namespace brgpu::cc
