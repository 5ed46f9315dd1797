// SPDX-License-Identifier: MIT
//
// The entry function of a kernel: `void NAME.entry(kernarg *)` loads the arguments from the kernarg
// block and calls the kernel proper, which is inlined unless somebody else calls it too.
#include "passes.hpp"
#include "printf_ring.hpp"

#include "brgpu/hw/isa.h"

#include <algorithm>

#include <llvm/IR/Constants.h>
#include <llvm/IR/DIBuilder.h>
#include <llvm/IR/DebugInfoMetadata.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/Support/Alignment.h>

namespace brgpu::cc {
namespace {

constexpr llvm::StringRef kernel_annotation = "brgpu_kernel";
constexpr llvm::StringRef workgroup_annotation = "brgpu_workgroup:";

// Dynamic local memory begins at least this aligned, whatever its pointer's type says.
constexpr uint64_t local_argument_align = 16;

struct Annotations {
    std::set<const llvm::Function *> kernels;
    std::map<const llvm::Function *, std::array<uint32_t, 3>> workgroups;
};

// C sources mark kernels with __attribute__((annotate(...))), see brgpu/device/brgpu_c.h.
Annotations read_annotations(llvm::Module &module) {
    Annotations result;
    llvm::GlobalVariable *table = module.getGlobalVariable("llvm.global.annotations");
    if (table == nullptr)
        return result;
    const auto *rows = llvm::dyn_cast<llvm::ConstantArray>(table->getInitializer());
    for (unsigned i = 0; rows != nullptr && i < rows->getNumOperands(); i++) {
        const auto *row = llvm::dyn_cast<llvm::ConstantStruct>(rows->getOperand(i));
        if (row == nullptr || row->getNumOperands() < 2)
            continue;
        const auto *function =
            llvm::dyn_cast<llvm::Function>(row->getOperand(0)->stripPointerCasts());
        const auto *text =
            llvm::dyn_cast<llvm::GlobalVariable>(row->getOperand(1)->stripPointerCasts());
        if (function == nullptr || text == nullptr || !text->hasInitializer())
            continue;
        const auto *data = llvm::dyn_cast<llvm::ConstantDataArray>(text->getInitializer());
        if (data == nullptr || !data->isCString())
            continue;
        llvm::StringRef string = data->getAsCString();
        if (string == kernel_annotation)
            result.kernels.insert(function);
        else if (string.consume_front(workgroup_annotation)) {
            llvm::SmallVector<llvm::StringRef, 3> parts;
            string.split(parts, ',');
            std::array<uint32_t, 3> size = {1, 1, 1};
            for (size_t part = 0; part < std::min<size_t>(parts.size(), 3); part++)
                if (parts[part].trim().getAsInteger(0, size[part]))
                    size[part] = 0;
            result.workgroups[function] = size;
        }
    }
    table->eraseFromParent();
    return result;
}

std::string metadata_string(const llvm::Function &function, const char *kind, unsigned index) {
    const llvm::MDNode *node = function.getMetadata(kind);
    if (node == nullptr || index >= node->getNumOperands())
        return {};
    const auto *string = llvm::dyn_cast<llvm::MDString>(node->getOperand(index));
    return string != nullptr ? string->getString().str() : std::string();
}

uint32_t metadata_number(const llvm::MDNode &node, unsigned index) {
    const auto *constant = llvm::mdconst::dyn_extract<llvm::ConstantInt>(node.getOperand(index));
    return constant != nullptr ? static_cast<uint32_t>(constant->getZExtValue()) : 0;
}

// Names for the types of C kernels, which have no metadata; by size and kind.
std::string ir_type_name(const llvm::Type *type) {
    if (type->isPointerTy())
        return "void*";
    if (const auto *structure = llvm::dyn_cast<llvm::StructType>(type);
        structure != nullptr && structure->hasName()) {
        llvm::StringRef name = structure->getName();
        return (name.consume_front("struct.")  ? "struct "
                : name.consume_front("union.") ? "union "
                                               : "") +
               name.str();
    }
    std::string text;
    llvm::raw_string_ostream stream(text);
    type->print(stream);
    return text;
}

std::string join(const std::array<uint32_t, 3> &values) {
    return std::to_string(values[0]) + "," + std::to_string(values[1]) + "," +
           std::to_string(values[2]);
}

bool read_attributes(const llvm::Function &function, const Annotations &annotations,
                     KernelInfo &kernel) {
    std::array<uint32_t, 3> size = {0, 0, 0};
    if (const llvm::MDNode *node = function.getMetadata("reqd_work_group_size");
        node != nullptr && node->getNumOperands() == 3)
        size = {metadata_number(*node, 0), metadata_number(*node, 1), metadata_number(*node, 2)};
    const auto annotated = annotations.workgroups.find(&function);
    if (annotated != annotations.workgroups.end())
        size = annotated->second;
    const bool given = size[0] != 0 || size[1] != 0 || size[2] != 0;
    const uint64_t items = uint64_t{size[0]} * size[1] * size[2];
    if (given && (items == 0 || items > BRGPU_MAX_WORKGROUP ||
                  *std::max_element(size.begin(), size.end()) > BRGPU_MAX_WORKGROUP)) {
        report_error("kernel " + kernel.name + " requires workgroups of " + join(size) +
                     " work-items; the card has 1 to " + std::to_string(BRGPU_MAX_WORKGROUP));
        return false;
    }
    for (size_t i = 0; i < 3; i++)
        kernel.required_workgroup[i] = static_cast<uint16_t>(size[i]);
    if (given)
        kernel.attributes = "reqd_work_group_size(" + join(size) + ")";
    if (const llvm::MDNode *node = function.getMetadata("work_group_size_hint");
        node != nullptr && node->getNumOperands() == 3)
        kernel.attributes += std::string(kernel.attributes.empty() ? "" : " ") +
                             "work_group_size_hint(" +
                             join({metadata_number(*node, 0), metadata_number(*node, 1),
                                   metadata_number(*node, 2)}) +
                             ")";
    return true;
}

KernelArg describe_argument(const llvm::Argument &argument, const llvm::DataLayout &layout) {
    const llvm::Function &function = *argument.getParent();
    const unsigned index = argument.getArgNo();
    KernelArg result;
    llvm::Type *type = argument.hasByValAttr() ? argument.getParamByValType() : argument.getType();
    uint64_t align = layout.getABITypeAlign(type).value();
    uint64_t size = layout.getTypeAllocSize(type);
    if (argument.hasByValAttr())
        align = std::max(align, argument.getParamAlign().valueOrOne().value());
    if (type->isIntegerTy(1))
        size = align = 1;
    if (type->isPointerTy() && !argument.hasByValAttr()) {
        result.kind = BRGPU_ARG_GLOBAL;
        if (type->getPointerAddressSpace() == local_address_space) {
            result.kind = BRGPU_ARG_LOCAL;
            align = std::max(argument.getParamAlign().valueOrOne().value(), local_argument_align);
        }
    }
    result.size = static_cast<uint32_t>(std::min<uint64_t>(size, UINT32_MAX));
    result.align = static_cast<uint16_t>(std::min<uint64_t>(align, 4096));
    result.name = metadata_string(function, "kernel_arg_name", index);
    if (result.name.empty())
        result.name = argument.getName().str();
    result.type_name = metadata_string(function, "kernel_arg_type", index);
    if (result.type_name.empty())
        result.type_name = ir_type_name(type);
    const std::string qualifiers = metadata_string(function, "kernel_arg_type_qual", index);
    const auto has = [&](const char *word) { return qualifiers.find(word) != std::string::npos; };
    result.flags = static_cast<uint8_t>((has("const") ? BRGPU_ARG_CONST : 0) |
                                        (has("volatile") ? BRGPU_ARG_VOLATILE : 0) |
                                        (has("restrict") ? BRGPU_ARG_RESTRICT : 0));
    return result;
}

void place(KernelArg &argument, uint32_t &end) {
    // The block itself is 64-byte aligned; a local argument's `align` speaks of the memory.
    const uint32_t align = argument.kind == BRGPU_ARG_VALUE ? argument.align : 8;
    argument.offset = static_cast<uint32_t>(llvm::alignTo(end, std::max<uint32_t>(align, 1)));
    end = argument.offset + argument.size;
}

bool check_arguments(const KernelInfo &kernel, uint64_t bytes) {
    if (kernel.args.size() > BRGPU_MAX_KERNEL_ARGS) {
        report_error("kernel " + kernel.name + " has " + std::to_string(kernel.args.size()) +
                     " arguments; at most " + std::to_string(BRGPU_MAX_KERNEL_ARGS) +
                     " are possible");
        return false;
    }
    if (bytes > BRGPU_MAX_KERNARG_BYTES) {
        report_error("the arguments of kernel " + kernel.name + " need " + std::to_string(bytes) +
                     " bytes; at most " + std::to_string(BRGPU_MAX_KERNARG_BYTES) +
                     " are possible");
        return false;
    }
    return true;
}

// Emits the entry for `function`. `prints`: the kernel can reach a printf.
bool make_entry(llvm::Function &function, bool prints, KernelInfo &kernel) {
    llvm::Module &module = *function.getParent();
    llvm::LLVMContext &context = module.getContext();
    const llvm::DataLayout &layout = module.getDataLayout();

    uint64_t total = 0;
    uint32_t end = 0;
    for (const llvm::Argument &argument : function.args()) {
        kernel.args.push_back(describe_argument(argument, layout));
        total += kernel.args.back().size;
        if (!check_arguments(kernel, total))
            return false;
        place(kernel.args.back(), end);
    }
    if (prints) {
        KernelArg hidden;
        hidden.kind = BRGPU_ARG_PRINTF;
        hidden.size = hidden.align = 8;
        hidden.name = "printf";
        place(hidden, end);
        kernel.args.push_back(hidden);
    }
    if (!check_arguments(kernel, end))
        return false;
    kernel.kernarg_bytes = static_cast<uint32_t>(llvm::alignTo(end, 8));

    llvm::Type *ptr = llvm::PointerType::get(context, 0);
    auto *entry = llvm::Function::Create(
        llvm::FunctionType::get(llvm::Type::getVoidTy(context), {ptr}, false),
        llvm::GlobalValue::ExternalLinkage, kernel.entry, module);
    entry->setVisibility(llvm::GlobalValue::HiddenVisibility);
    entry->setDSOLocal(true);
    entry->copyAttributesFrom(&function);
    entry->setAttributes(llvm::AttributeList::get(context, function.getAttributes().getFnAttrs(),
                                                  llvm::AttributeSet(), {}));
    entry->setCallingConv(llvm::CallingConv::C);
    entry->setLinkage(llvm::GlobalValue::ExternalLinkage);
    entry->setVisibility(llvm::GlobalValue::HiddenVisibility);
    llvm::Argument *block = entry->getArg(0);
    block->setName("kernarg");
    block->addAttr(llvm::Attribute::NoAlias);
    block->addAttr(llvm::Attribute::NonNull);
    block->addAttr(llvm::Attribute::getWithAlignment(context, llvm::Align(64)));
    if (kernel.kernarg_bytes != 0)
        block->addAttr(llvm::Attribute::getWithDereferenceableBytes(context, kernel.kernarg_bytes));

    llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "entry", entry));
    llvm::MDNode *invariant = llvm::MDNode::get(context, {});
    const auto load = [&](llvm::Type *type, const KernelArg &argument) {
        llvm::Value *address =
            builder.CreateConstInBoundsGEP1_32(builder.getInt8Ty(), block, argument.offset);
        const uint64_t known = llvm::MinAlign(64, argument.offset);
        llvm::LoadInst *value = builder.CreateAlignedLoad(type, address, llvm::Align(known));
        value->setMetadata(llvm::LLVMContext::MD_invariant_load, invariant);
        return static_cast<llvm::Value *>(value);
    };
    std::vector<llvm::Value *> values;
    for (const llvm::Argument &argument : function.args()) {
        const KernelArg &info = kernel.args[argument.getArgNo()];
        llvm::Type *type = argument.getType();
        if (argument.hasByValAttr())
            values.push_back(
                builder.CreateConstInBoundsGEP1_32(builder.getInt8Ty(), block, info.offset));
        else if (type->isIntegerTy(1))
            values.push_back(builder.CreateTrunc(load(builder.getInt8Ty(), info), type));
        else
            values.push_back(load(type, info));
    }
    if (prints)
        builder.CreateStore(load(builder.getInt64Ty(), kernel.args.back()),
                            printf_ring_variable(module));
    llvm::CallInst *call = builder.CreateCall(&function, values);
    call->setAttributes(function.getAttributes().removeFnAttributes(context));
    if (!function.hasFnAttribute(llvm::Attribute::OptimizeNone) &&
        !function.hasFnAttribute(llvm::Attribute::NoInline))
        call->addFnAttr(llvm::Attribute::AlwaysInline);
    if (const llvm::DISubprogram *kernel_scope = function.getSubprogram()) {
        // Without a scope of its own the entry would lose the lines of what is inlined into it.
        llvm::DIBuilder debug(module, false, kernel_scope->getUnit());
        llvm::DISubprogram *scope = debug.createFunction(
            kernel_scope->getFile(), kernel.entry, kernel.entry, kernel_scope->getFile(),
            kernel_scope->getLine(), debug.createSubroutineType(debug.getOrCreateTypeArray({})),
            kernel_scope->getLine(), llvm::DINode::FlagArtificial,
            llvm::DISubprogram::SPFlagDefinition | llvm::DISubprogram::SPFlagOptimized);
        entry->setSubprogram(scope);
        debug.finalizeSubprogram(scope);
        call->setDebugLoc(llvm::DILocation::get(context, kernel_scope->getLine(), 0, scope));
    }
    builder.CreateRetVoid();
    return true;
}

} // namespace

bool make_kernel_entries(llvm::Module &module, std::vector<KernelInfo> &kernels) {
    const Annotations annotations = read_annotations(module);
    std::vector<llvm::Function *> found;
    for (llvm::Function &function : module) {
        const bool is_opencl = function.getMetadata("kernel_arg_addr_space") != nullptr;
        if (!function.isDeclaration() && (is_opencl || annotations.kernels.count(&function) != 0))
            found.push_back(&function);
    }
    if (found.empty()) {
        report_error("there is no kernel in the sources");
        return false;
    }
    // These lists would keep dead code alive, and count as address-taking.
    for (const char *list : {"llvm.used", "llvm.compiler.used"})
        if (llvm::GlobalVariable *used = module.getGlobalVariable(list))
            used->eraseFromParent();
    std::set<const llvm::Function *> printing;
    if (llvm::GlobalVariable *ring = printf_ring_variable(module))
        for (const llvm::User *user : ring->users())
            if (const auto *instruction = llvm::dyn_cast<llvm::Instruction>(user))
                printing.insert(instruction->getFunction());
    for (llvm::Function *function : found) {
        KernelInfo kernel;
        kernel.name = function->getName().str();
        kernel.entry = kernel.name + ".entry";
        if (!function->getReturnType()->isVoidTy() || function->isVarArg()) {
            report_error("kernel " + kernel.name + " must return void and have fixed arguments");
            return false;
        }
        bool prints = false;
        if (!printing.empty())
            for (const llvm::Function *reached : reachable_functions(*function))
                prints = prints || printing.count(reached) != 0;
        if (!read_attributes(*function, annotations, kernel) ||
            !make_entry(*function, prints, kernel))
            return false;
        kernels.push_back(std::move(kernel));
    }
    // From here on only the entries are visible outside.
    std::set<std::string> entries;
    for (const KernelInfo &kernel : kernels)
        entries.insert(kernel.entry);
    for (llvm::GlobalValue &value : module.global_values()) {
        if (value.isDeclaration() || entries.count(value.getName().str()) != 0)
            continue;
        value.setVisibility(llvm::GlobalValue::DefaultVisibility);
        value.setLinkage(llvm::GlobalValue::InternalLinkage);
    }
    return true;
}

} // namespace brgpu::cc
