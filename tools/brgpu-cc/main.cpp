// SPDX-License-Identifier: MIT
//
// brgpu-cc: from OpenCL C or C to a code object. clang's front end and the linker are programs of
// their own; what lies between runs here, on the LLVM library.
#include "code_object.hpp"
#include "codegen.hpp"
#include "options.hpp"
#include "passes.hpp"
#include "toolchain.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IRReader/IRReader.h>
#include <llvm/Linker/Linker.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/raw_ostream.h>

namespace fs = std::filesystem;

namespace brgpu::cc {
namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
constexpr int exit_no_tool = 3;

bool write_file(const fs::path &path, const char *data, size_t size) {
    std::ofstream stream(path, std::ios::binary);
    stream.write(data, static_cast<std::streamsize>(size));
    stream.close();
    if (!stream)
        report_error("cannot write " + path.string() + ": " + std::strerror(errno));
    return static_cast<bool>(stream);
}

void write_bitcode(const llvm::Module &module, const fs::path &path) {
    std::error_code error;
    llvm::raw_fd_ostream stream(path.string(), error);
    if (!error)
        llvm::WriteBitcodeToFile(module, stream);
}

int describe(const fs::path &path, bool json) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
        report_error("cannot read " + path.string() + ": " + std::strerror(errno));
        return exit_failure;
    }
    const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(stream)),
                                     std::istreambuf_iterator<char>());
    CodeObject object;
    std::string error;
    if (!parse_code_object(bytes, object, error)) {
        report_error(path.string() + ": " + error);
        return exit_failure;
    }
    std::fputs((json ? describe_json(object) : describe_text(object)).c_str(), stdout);
    return 0;
}

// Errors of LLVM (inline assembly, frames, linking) reach the user as ours; remarks don't.
class Diagnostics : public llvm::DiagnosticHandler {
  public:
    explicit Diagnostics(bool &failed) : failed_(failed) {}

    bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
        if (info.getSeverity() != llvm::DS_Error && info.getSeverity() != llvm::DS_Warning)
            return true;
        std::string text;
        llvm::raw_string_ostream stream(text);
        llvm::DiagnosticPrinterRawOStream printer(stream);
        info.print(printer);
        const bool is_error = info.getSeverity() == llvm::DS_Error;
        std::fprintf(stderr, "brgpu-cc: %s: %s\n", is_error ? "error" : "warning", text.c_str());
        failed_ = failed_ || is_error;
        return true;
    }

  private:
    bool &failed_;
};

// LLVM ends the process on what it can't express as a diagnostic; then at least in one clear line.
void report_fatal(void *, const char *reason, bool) {
    report_error(std::string("the LLVM library gave up: ") + reason);
    std::_Exit(exit_failure);
}

class Compilation {
  public:
    Compilation(const Options &options, const Toolchain &toolchain, const fs::path &work)
        : options_(options), toolchain_(toolchain), work_(work) {
        context_.setDiagnosticHandler(std::make_unique<Diagnostics>(failed_));
    }

    bool run() { return read_sources() && prepare() && generate() && finish(); }

  private:
    bool read_sources() {
        machine_ = make_target_machine(options_.opt_level);
        if (!machine_)
            return false;
        for (size_t i = 0; i < options_.inputs.size(); i++) {
            const fs::path input = options_.inputs[i];
            fs::path bitcode = input;
            if (input.extension() != ".bc") {
                bitcode = work_ / (std::to_string(i) + "-" + input.stem().string() + ".bc");
                if (!run_frontend(toolchain_, options_, input, bitcode))
                    return false;
            }
            llvm::SMDiagnostic problem;
            std::unique_ptr<llvm::Module> part =
                llvm::parseIRFile(bitcode.string(), problem, context_);
            if (!part) {
                report_error(bitcode.string() + ": " + problem.getMessage().str());
                return false;
            }
            if (!check_supported(*part) || !replace_event_type(part))
                return false;
            retarget_module(*part, *machine_);
            if (!module_)
                module_ = std::move(part);
            else if (llvm::Linker::linkModules(*module_, std::move(part)))
                return false;
        }
        return true;
    }

    bool prepare() {
        if (!lower_printf(*module_) || !make_kernel_entries(*module_, kernels_) ||
            !link_device_library(*module_, toolchain_.device_library) || !check_resolved(*module_))
            return false;
        retarget_module(*module_, *machine_);
        if (options_.save_temps)
            write_bitcode(*module_, options_.output + ".linked.bc");
        optimise_module(*module_, *machine_, options_.opt_level);
        find_tensor_use(*module_, kernels_);
        if (!allocate_local_memory(*module_, kernels_))
            return false;
        if (options_.save_temps)
            write_bitcode(*module_, options_.output + ".optimised.bc");
        return !failed_;
    }

    // Code generation may call what the module didn't, memcpy for one: then that is linked, too.
    bool generate() {
        std::set<std::string> known;
        for (;;) {
            if (!emit_code(*module_, *machine_, options_.assembly, code_) || failed_)
                return false;
            std::set<std::string> undefined;
            if (options_.assembly)
                return true;
            if (!undefined_symbols(code_, undefined))
                return false;
            if (undefined.empty())
                break;
            if (!link_runtime_functions(*module_, *machine_, toolchain_.device_library, undefined))
                return false;
        }
        const StackQuery query = {functions_with_indirect_calls(*module_),
                                  address_taken_functions(*module_),
                                  self_recursive_functions(*module_), options_.stack_bytes};
        return compute_private_bytes(code_, query, kernels_);
    }

    bool finish() {
        if (options_.assembly)
            return write_file(options_.output, code_.data(), code_.size());
        ObjectCode descriptors;
        if (!emit_descriptors(kernels_, *machine_, descriptors))
            return false;
        const fs::path base = options_.save_temps ? fs::path(options_.output) : work_ / "out";
        const std::vector<fs::path> objects = {base.string() + ".kernels.o",
                                               base.string() + ".descriptors.o"};
        return write_file(objects[0], code_.data(), code_.size()) &&
               write_file(objects[1], descriptors.data(), descriptors.size()) &&
               run_linker(toolchain_, options_, objects, options_.output);
    }

    const Options &options_;
    const Toolchain &toolchain_;
    const fs::path work_;
    bool failed_ = false;
    llvm::LLVMContext context_;
    std::unique_ptr<llvm::TargetMachine> machine_;
    std::unique_ptr<llvm::Module> module_;
    std::vector<KernelInfo> kernels_;
    ObjectCode code_;
};

int compile(const Options &options) {
    Toolchain toolchain;
    if (!find_toolchain(toolchain))
        return exit_no_tool;
    llvm::install_fatal_error_handler(report_fatal);
    const TemporaryDirectory work;
    if (!work.valid())
        return exit_failure;
    if (options.emit_bitcode_only)
        return run_frontend(toolchain, options, options.inputs.front(), options.output)
                   ? 0
                   : exit_failure;
    Compilation compilation(options, toolchain, work.path());
    if (!compilation.run()) {
        // A stale result must not pass for this one.
        std::error_code error;
        fs::remove(options.output, error);
        return exit_failure;
    }
    return options.json && !options.assembly ? describe(options.output, true) : 0;
}

} // namespace
} // namespace brgpu::cc

int main(int argc, char **argv) {
    using namespace brgpu::cc;
    Options options;
    switch (parse_options(argc, argv, options)) {
    case ParseResult::done:
        return 0;
    case ParseResult::usage_error:
        return exit_usage;
    case ParseResult::run:
        break;
    }
    if (!options.dump.empty())
        return describe(options.dump, options.json);
    return compile(options);
}
