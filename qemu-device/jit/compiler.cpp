// SPDX-License-Identifier: MIT
#include "compiler.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <mutex>

#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include "lowering.hpp"

namespace brgpu::jit {
namespace {

namespace orc = llvm::orc;

[[noreturn]] void fail(llvm::Error error) {
    throw std::runtime_error(llvm::toString(std::move(error)));
}

template <typename T>
T take(llvm::Expected<T> value) {
    if (!value)
        fail(value.takeError());
    return std::move(*value);
}

orc::JITTargetMachineBuilder machine_for(const std::string &isa) {
    static std::once_flag once;
    std::call_once(once, [] {
        llvm::InitializeNativeTarget();
        llvm::InitializeNativeTargetAsmPrinter();
    });
    orc::JITTargetMachineBuilder builder{llvm::Triple(llvm::sys::getProcessTriple())};
#if defined(__x86_64__)
    builder.setCPU(isa == "avx512" ? "x86-64-v4" : isa == "avx2" ? "x86-64-v3" : "x86-64");
#else
    (void)isa;
    builder.setCPU(llvm::sys::getHostCPUName().str());
#endif
    builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
    llvm::TargetOptions &options = builder.getOptions();
    options.AllowFPOpFusion = llvm::FPOpFusion::Strict; // products and sums round each
    options.NoTrappingFPMath = true;
    return builder;
}

// Lanes of a sub-warp: as many as keep the values that are live in a block in registers.
unsigned choose_width(const Graph &graph, const simt::jit::Shape &shape, const std::string &isa) {
    if (const char *forced = std::getenv("BRGPU_JIT_WIDTH"))
        if (const int width = std::atoi(forced); width == 8 || width == 16 || width == 32)
            return static_cast<unsigned>(width);
    const Config config{shape, 8};
    const Analysis analysis = Analysis::run(graph, config);
    unsigned most = 0;
    for (size_t b = 0; b < graph.blocks.size(); ++b) {
        if (!analysis.reached[b][0])
            continue;
        unsigned vectors = 0;
        for (unsigned r = 1; r < registers; ++r)
            if (graph.blocks[b].live_in.any >> r & 1) {
                const Kind &k = analysis.in[b][0][r];
                if (k.spread == Spread::varying)
                    vectors += is_narrow(k.rep) ? 1 : 2;
            }
        most = std::max(most, vectors);
    }
    const unsigned room = isa == "avx512" ? 4 : 1;
    unsigned width = most <= 3 * room ? 32 : most <= 8 * room ? 16 : 8;
    if (isa == "baseline")
        width = 8; // four lanes a register
    if (!shape.one_dimension)
        while (width > 8 && shape.x_multiple % width != 0)
            width /= 2;
    return width;
}

void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager sccs;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder builder(&machine);
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(sccs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, sccs, modules);
    llvm::FunctionPassManager passes;
    passes.addPass(llvm::SROAPass(llvm::SROAOptions::PreserveCFG));
    passes.addPass(llvm::EarlyCSEPass(true));
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(llvm::GVNPass());
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()),
                                                         /*UseMemorySSA=*/true));
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(llvm::DCEPass());
    for (llvm::Function &function : module)
        if (!function.isDeclaration())
            passes.run(function, functions);
}

struct Code {
    orc::ResourceTrackerSP tracker;
};

} // namespace

struct Compiler::Target {
    std::unique_ptr<llvm::TargetMachine> machine;
    std::unique_ptr<orc::LLJIT> jit;
};

Compiler::Compiler() = default;
Compiler::~Compiler() = default;

Compiler::Target &Compiler::target(const std::string &isa) {
    std::unique_ptr<Target> &found = targets_[isa];
    if (found)
        return *found;
    auto fresh = std::make_unique<Target>();
    orc::JITTargetMachineBuilder builder = machine_for(isa);
    fresh->machine = take(builder.createTargetMachine());
    fresh->jit =
        take(orc::LLJITBuilder()
                 .setJITTargetMachineBuilder(builder)
                 .setObjectLinkingLayerCreator(
                     [](orc::ExecutionSession &session,
                        const llvm::Triple &) -> llvm::Expected<std::unique_ptr<orc::ObjectLayer>> {
                         return std::make_unique<orc::ObjectLinkingLayer>(session);
                     })
                 .create());
    // What LLVM may call for operations that the host lacks. Nothing else of the process is seen.
    orc::SymbolMap symbols;
    const auto define = [&](const char *name, void *address) {
        symbols[fresh->jit->mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(address),
                                                      llvm::JITSymbolFlags::Exported};
    };
    define("fma",
           reinterpret_cast<void *>(static_cast<double (*)(double, double, double)>(&::fma)));
    define("fmaf", reinterpret_cast<void *>(&::fmaf));
    define("floor", reinterpret_cast<void *>(static_cast<double (*)(double)>(&::floor)));
    define("floorf", reinterpret_cast<void *>(&::floorf));
    define("ceil", reinterpret_cast<void *>(static_cast<double (*)(double)>(&::ceil)));
    define("ceilf", reinterpret_cast<void *>(&::ceilf));
    define("trunc", reinterpret_cast<void *>(static_cast<double (*)(double)>(&::trunc)));
    define("truncf", reinterpret_cast<void *>(&::truncf));
    define("roundeven", reinterpret_cast<void *>(static_cast<double (*)(double)>(&::rint)));
    define("roundevenf", reinterpret_cast<void *>(&::rintf));
    define("memcpy", reinterpret_cast<void *>(&::memcpy));
    define("memset", reinterpret_cast<void *>(&::memset));
    if (auto error = fresh->jit->getMainJITDylib().define(orc::absoluteSymbols(symbols)))
        fail(std::move(error));
    found = std::move(fresh);
    return *found;
}

void Compiler::compile(const simt::jit::Request &request, simt::jit::Kernel &kernel) {
    Target &to = target(request.isa);
    const Graph graph = Graph::build(request);
    const Config config{request.shape, choose_width(graph, request.shape, request.isa)};
    const Analysis analysis = Analysis::run(graph, config);

    auto context = std::make_unique<llvm::LLVMContext>();
    auto module = std::make_unique<llvm::Module>("brgpu", *context);
    module->setTargetTriple(to.machine->getTargetTriple().str());
    module->setDataLayout(to.jit->getDataLayout());
    const std::string name = std::string(request.name) + "." + std::to_string(config.width) + "." +
                             std::to_string(serial_++);
    Lowering lowering(*module, graph, analysis, config);
    lowering.run(name);
    llvm::Function &function = *module->getFunction(name);
    function.addFnAttr("target-cpu", to.machine->getTargetCPU());
    function.addFnAttr("target-features", to.machine->getTargetFeatureString());
    function.addFnAttr("tune-cpu", llvm::sys::getHostCPUName());
    function.addFnAttr("prefer-vector-width", std::string(request.isa) == "avx512" ? "512" : "256");
    function.addFnAttr("min-legal-vector-width", "0");
    std::string problem;
    llvm::raw_string_ostream problems(problem);
    if (llvm::verifyModule(*module, &problems))
        throw std::runtime_error("invalid code: " + problems.str());
    const char *dump = std::getenv("BRGPU_JIT_DUMP");
    if (dump && *dump == '0')
        module->print(llvm::errs(), nullptr);
    optimise(*module, *to.machine);
    if (dump)
        module->print(llvm::errs(), nullptr);

    auto tracker = to.jit->getMainJITDylib().createResourceTracker();
    if (auto error = to.jit->addIRModule(
            tracker, orc::ThreadSafeModule(std::move(module), std::move(context))))
        fail(std::move(error));
    auto address = to.jit->lookup(name);
    if (!address) {
        llvm::consumeError(tracker->remove());
        fail(address.takeError());
    }
    kernel.run = address->toPtr<simt::jit::Run>();
    kernel.width = config.width;
    kernel.sites = lowering.sites();
    kernel.entries = lowering.entries();
    kernel.frame_bytes = (lowering.frame_bytes() + 63) & ~uint64_t{63};
    kernel.private_low = lowering.private_low();
    kernel.code_bytes = graph.code.size() * 64;
    kernel.handle = new Code{tracker};
}

void Compiler::release(void *handle) {
    auto *code = static_cast<Code *>(handle);
    llvm::consumeError(code->tracker->remove());
    delete code;
}

} // namespace brgpu::jit
