// SPDX-License-Identifier: MIT
//
// Private memory of a kernel: the deepest path of frames through the calls of its object code.
#include "codegen.hpp"
#include "passes.hpp"

#include "brgpu/hw/isa.h"

#include <algorithm>

#include <llvm/BinaryFormat/ELF.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/DataExtractor.h>
#include <llvm/Support/Endian.h>
#include <llvm/Support/MathExtras.h>

namespace brgpu::cc {
namespace {

// Room below the deepest known frame when the depth can't be known.
constexpr uint32_t default_unknown_depth = 8192;

struct FunctionCode {
    uint64_t frame = 0;
    uint64_t realignment = 0; // what rounding sp down may add to the frame
    std::set<std::string> callees;
};

// A frame with objects that need more than the ABI's 16 bytes rounds sp down: `andi sp, sp,
// -align`, or a pair of shifts for large alignments. What that may cost isn't in .stack_sizes.
uint64_t realignment_of(llvm::StringRef code) {
    constexpr uint32_t andi_sp_sp = 0x00017113; // immediate zero
    constexpr uint32_t srli_sp_sp = 0x00015113; // shift amount zero
    uint64_t largest = 16;
    for (size_t at = 0; at + 4 <= code.size();) {
        const uint32_t word = llvm::support::endian::read32le(code.data() + at);
        if ((word & 3) != 3) {
            at += 2;
            continue;
        }
        if ((word & 0xfffff) == andi_sp_sp && static_cast<int32_t>(word) < 0)
            largest = std::max<uint64_t>(largest, 4096 - (word >> 20));
        if ((word & 0xfc0fffff) == srli_sp_sp)
            largest = std::max(largest, uint64_t{1} << (word >> 20 & 63));
        at += 4;
    }
    return largest - 16;
}

using ElfFile = llvm::object::ELF64LEObjectFile;

class StackAnalysis {
  public:
    StackAnalysis(const ElfFile &file, const StackQuery &query) : file_(file), query_(query) {}

    llvm::Error read() {
        // With a section for each function, a section index names a function.
        for (const llvm::object::ELFSymbolRef symbol : file_.symbols()) {
            if (symbol.getELFType() != llvm::ELF::STT_FUNC)
                continue;
            auto section = symbol.getSection();
            auto name = symbol.getName();
            if (!section)
                return section.takeError();
            if (!name)
                return name.takeError();
            if (*section == file_.section_end())
                continue;
            by_section_[(*section)->getIndex()] = name->str();
            auto code = (*section)->getContents();
            if (!code)
                return code.takeError();
            functions_[name->str()].realignment = realignment_of(*code);
        }
        for (const llvm::object::ELFSectionRef section : file_.sections()) {
            auto name = section.getName();
            if (!name)
                return name.takeError();
            if (section.getType() != llvm::ELF::SHT_RELA)
                continue;
            auto target = section.getRelocatedSection();
            if (!target)
                return target.takeError();
            if (*target == file_.section_end())
                continue;
            auto target_name = (*target)->getName();
            if (!target_name)
                return target_name.takeError();
            if (*target_name == ".stack_sizes") {
                if (llvm::Error error = read_frames(section, **target))
                    return error;
            } else if (by_section_.count((*target)->getIndex()) != 0) {
                read_calls(section, by_section_[(*target)->getIndex()]);
            }
        }
        return llvm::Error::success();
    }

    // Bytes below the stack pointer at entry of `name`; sets unknown() when it isn't bounded.
    uint64_t depth(const std::string &name) {
        const auto known = depths_.find(name);
        if (known != depths_.end())
            return known->second;
        const auto function = functions_.find(name);
        if (function == functions_.end())
            return 0;
        if (!active_.insert(name).second) {
            unknown_ = true;
            return 0;
        }
        unknown_ = unknown_ || query_.self_recursive.count(name) != 0;
        uint64_t deepest = 0;
        for (const std::string &callee : function->second.callees)
            deepest = std::max(deepest, depth(callee));
        if (query_.indirect_callers.count(name) != 0)
            for (const std::string &callee : query_.address_taken)
                deepest = std::max(deepest, depth(callee));
        active_.erase(name);
        const uint64_t result = function->second.frame + function->second.realignment + deepest;
        // Inside a cycle the number depends on where the walk came from: don't keep it.
        if (!unknown_)
            depths_[name] = result;
        return result;
    }

    bool unknown() const { return unknown_; }
    void reset() { unknown_ = false; }

  private:
    llvm::Error read_frames(const llvm::object::ELFSectionRef &relocations,
                            const llvm::object::SectionRef &sizes) {
        auto contents = sizes.getContents();
        if (!contents)
            return contents.takeError();
        const llvm::DataExtractor data(*contents, true, 8);
        for (const llvm::object::ELFRelocationRef relocation : relocations.relocations()) {
            const auto symbol = relocation.getSymbol();
            if (symbol == file_.symbol_end())
                continue;
            auto section = symbol->getSection();
            if (!section)
                return section.takeError();
            if (*section == file_.section_end())
                continue;
            uint64_t offset = relocation.getOffset() + 8;
            functions_[by_section_[(*section)->getIndex()]].frame = data.getULEB128(&offset);
        }
        return llvm::Error::success();
    }

    void read_calls(const llvm::object::ELFSectionRef &relocations, const std::string &caller) {
        for (const llvm::object::ELFRelocationRef relocation : relocations.relocations()) {
            if (relocation.getType() != llvm::ELF::R_RISCV_CALL_PLT &&
                relocation.getType() != llvm::ELF::R_RISCV_CALL &&
                relocation.getType() != llvm::ELF::R_RISCV_JAL)
                continue;
            const auto symbol = relocation.getSymbol();
            if (symbol == file_.symbol_end())
                continue;
            if (auto name = symbol->getName())
                functions_[caller].callees.insert(name->str());
            else
                llvm::consumeError(name.takeError());
        }
    }

    const ElfFile &file_;
    const StackQuery &query_;
    std::map<uint64_t, std::string> by_section_;
    std::map<std::string, FunctionCode> functions_;
    std::map<std::string, uint64_t> depths_;
    std::set<std::string> active_;
    bool unknown_ = false;
};

} // namespace

bool compute_private_bytes(const ObjectCode &object, const StackQuery &query,
                           std::vector<KernelInfo> &kernels) {
    auto file = ElfFile::create(
        llvm::MemoryBufferRef(llvm::StringRef(object.data(), object.size()), "kernels.o"));
    if (!file) {
        report_error("internal: unreadable object: " + llvm::toString(file.takeError()));
        return false;
    }
    StackAnalysis analysis(*file, query);
    if (llvm::Error error = analysis.read()) {
        report_error("internal: unreadable object: " + llvm::toString(std::move(error)));
        return false;
    }
    for (KernelInfo &kernel : kernels) {
        analysis.reset();
        uint64_t bytes = analysis.depth(kernel.entry);
        if (analysis.unknown()) {
            if (query.unknown_depth)
                bytes = std::max<uint64_t>(bytes, *query.unknown_depth);
            else
                bytes += default_unknown_depth;
        }
        bytes = llvm::alignTo(bytes, 16);
        if (bytes > BRGPU_MAX_PRIVATE_BYTES) {
            report_error("kernel " + kernel.name + " needs " + std::to_string(bytes) +
                         " bytes of private memory a work-item; the card has " +
                         std::to_string(BRGPU_MAX_PRIVATE_BYTES) +
                         ": make its private arrays smaller");
            return false;
        }
        kernel.private_bytes = static_cast<uint32_t>(bytes);
    }
    return true;
}

} // namespace brgpu::cc
