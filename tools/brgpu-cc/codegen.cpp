// SPDX-License-Identifier: MIT
#include "codegen.hpp"
#include "passes.hpp"

#include "brgpu/hw/isa.h"

#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/Transforms/IPO/GlobalDCE.h>
#include <llvm/Transforms/Utils/Cloning.h>

namespace brgpu::cc {
namespace {

constexpr const char *triple = "riscv64-unknown-elf";

// BRGPU_ISA_MARCH as LLVM spells it. Relaxation is off: it has nothing to gain in
// position-independent code of this size, and it would leave relocations in debug information.
constexpr const char *features = "+m,+a,+f,+d,+c,+zicsr,+zifencei,+zba,+zbb,+zfh,+zfhmin,-relax";
static_assert(std::string_view(BRGPU_ISA_MARCH) == "rv64gc_zba_zbb_zfh");

llvm::OptimizationLevel optimisation_level(char level) {
    switch (level) {
    case '0':
        return llvm::OptimizationLevel::O0;
    case '1':
        return llvm::OptimizationLevel::O1;
    case '3':
        return llvm::OptimizationLevel::O3;
    case 's':
        return llvm::OptimizationLevel::Os;
    case 'z':
        return llvm::OptimizationLevel::Oz;
    default:
        return llvm::OptimizationLevel::O2;
    }
}

llvm::CodeGenOptLevel codegen_level(char level) {
    switch (level) {
    case '0':
        return llvm::CodeGenOptLevel::None;
    case '1':
        return llvm::CodeGenOptLevel::Less;
    case '3':
        return llvm::CodeGenOptLevel::Aggressive;
    default:
        return llvm::CodeGenOptLevel::Default;
    }
}

} // namespace

std::unique_ptr<llvm::TargetMachine> make_target_machine(char opt_level) {
    LLVMInitializeRISCVTargetInfo();
    LLVMInitializeRISCVTarget();
    LLVMInitializeRISCVTargetMC();
    LLVMInitializeRISCVAsmPrinter();
    LLVMInitializeRISCVAsmParser(); // inline assembly
    std::string error;
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
    if (target == nullptr) {
        report_error("this LLVM library has no RISC-V target: " + error);
        return nullptr;
    }
    llvm::TargetOptions options;
    options.EmitStackSizeSection = true;
    options.FunctionSections = true;
    options.DataSections = true;
    options.TrapUnreachable = true;
    options.NoTrapAfterNoreturn = true;
    options.MCOptions.ABIName = "lp64d";
    options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
    return std::unique_ptr<llvm::TargetMachine>(
        target->createTargetMachine(triple, "generic-rv64", features, options, llvm::Reloc::PIC_,
                                    llvm::CodeModel::Medium, codegen_level(opt_level)));
}

void optimise_module(llvm::Module &module, llvm::TargetMachine &machine, char opt_level) {
    llvm::PipelineTuningOptions tuning;
    // The vectors of this machine are its warps.
    tuning.LoopVectorization = false;
    tuning.SLPVectorization = false;
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager sccs;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder(&machine, tuning);
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(sccs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, sccs, modules);
    llvm::ModulePassManager passes;
    const llvm::OptimizationLevel level = optimisation_level(opt_level);
    if (level == llvm::OptimizationLevel::O0) {
        passes = builder.buildO0DefaultPipeline(level);
        passes.addPass(llvm::GlobalDCEPass());
    } else {
        passes = builder.buildPerModuleDefaultPipeline(level);
    }
    passes.run(module, modules);
}

bool emit_code(const llvm::Module &module, llvm::TargetMachine &machine, bool assembly,
               ObjectCode &code) {
    std::string problems;
    llvm::raw_string_ostream problem_stream(problems);
    if (llvm::verifyModule(module, &problem_stream)) {
        report_error("internal: broken intermediate code: " + problems);
        return false;
    }
    const std::unique_ptr<llvm::Module> copy = llvm::CloneModule(module);
    code.clear();
    llvm::raw_svector_ostream stream(code);
    llvm::legacy::PassManager passes;
    if (machine.addPassesToEmitFile(passes, stream, nullptr,
                                    assembly ? llvm::CodeGenFileType::AssemblyFile
                                             : llvm::CodeGenFileType::ObjectFile)) {
        report_error("this LLVM library cannot emit RISC-V objects");
        return false;
    }
    passes.run(*copy);
    return true;
}

bool undefined_symbols(const ObjectCode &object, std::set<std::string> &names) {
    auto file = llvm::object::ObjectFile::createELFObjectFile(
        llvm::MemoryBufferRef(llvm::StringRef(object.data(), object.size()), "kernels.o"));
    if (!file) {
        report_error("internal: unreadable object: " + llvm::toString(file.takeError()));
        return false;
    }
    for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
        auto flags = symbol.getFlags();
        auto name = symbol.getName();
        if (!flags || !name) {
            report_error("internal: unreadable symbol table: " +
                         llvm::toString(flags ? name.takeError() : flags.takeError()));
            return false;
        }
        if ((*flags & llvm::object::SymbolRef::SF_Undefined) != 0 && !name->empty())
            names.insert(name->str());
    }
    return true;
}

} // namespace brgpu::cc
