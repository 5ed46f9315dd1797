// SPDX-License-Identifier: MIT
//
// Kernel descriptors and notes, as a module of nothing but data.
#include "codegen.hpp"
#include "passes.hpp"

#include "brgpu/hw/isa.h"

#include <cstring>

#include <llvm/IR/Constants.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/Transforms/Utils/ModuleUtils.h>

namespace brgpu::cc {
namespace {

template <typename T>
void append(std::vector<uint8_t> &bytes, const T &value) {
    const auto *raw = reinterpret_cast<const uint8_t *>(&value);
    bytes.insert(bytes.end(), raw, raw + sizeof(value));
}

std::vector<uint8_t> note_bytes(const KernelInfo &kernel) {
    std::string strings;
    const auto intern = [&](const std::string &text) {
        const auto offset = static_cast<uint32_t>(strings.size());
        strings += text;
        strings += '\0';
        return offset;
    };
    brgpu_note_kernel header = {};
    header.version = BRGPU_NOTE_VERSION;
    header.struct_bytes = sizeof(brgpu_note_kernel);
    header.arg_bytes = sizeof(brgpu_note_arg);
    header.arg_count = static_cast<uint16_t>(kernel.args.size());
    header.name = intern(kernel.name);
    header.attributes = intern(kernel.attributes);
    header.kernarg_bytes = kernel.kernarg_bytes;
    for (size_t i = 0; i < 3; i++)
        header.required_workgroup[i] = kernel.required_workgroup[i];
    std::vector<brgpu_note_arg> args;
    for (const KernelArg &arg : kernel.args) {
        brgpu_note_arg note = {};
        note.kind = arg.kind;
        note.flags = arg.flags;
        note.align = arg.align;
        note.offset = arg.offset;
        note.size = arg.size;
        note.name = intern(arg.name);
        note.type_name = intern(arg.type_name);
        args.push_back(note);
    }
    header.string_bytes = static_cast<uint32_t>(strings.size());

    static constexpr char note_name[] = BRGPU_NOTE_NAME;
    constexpr uint32_t name_bytes = sizeof(note_name);
    std::vector<uint8_t> bytes;
    append(bytes, name_bytes);
    append(bytes, static_cast<uint32_t>(sizeof(header) + args.size() * sizeof(brgpu_note_arg) +
                                        strings.size()));
    append(bytes, uint32_t{BRGPU_NOTE_KERNEL});
    bytes.insert(bytes.end(), std::begin(note_name), std::end(note_name));
    bytes.resize((bytes.size() + 3) / 4 * 4);
    append(bytes, header);
    for (const brgpu_note_arg &arg : args)
        append(bytes, arg);
    bytes.insert(bytes.end(), strings.begin(), strings.end());
    bytes.resize((bytes.size() + 3) / 4 * 4);
    return bytes;
}

llvm::GlobalVariable *add_data(llvm::Module &module, llvm::Constant *data, const std::string &name,
                               const char *section, uint64_t align) {
    auto *variable = new llvm::GlobalVariable(module, data->getType(), true,
                                              llvm::GlobalValue::ExternalLinkage, data, name);
    variable->setSection(section);
    variable->setAlignment(llvm::Align(align));
    variable->setDSOLocal(true);
    return variable;
}

// A descriptor: bytes with the entry's distance in the place of entry_offset.
void add_descriptor(llvm::Module &module, const KernelInfo &kernel) {
    llvm::LLVMContext &context = module.getContext();
    llvm::Type *i64 = llvm::Type::getInt64Ty(context);
    brgpu_kernel_desc desc = {};
    desc.magic = BRGPU_KERNEL_DESC_MAGIC;
    desc.isa_major = BRGPU_ISA_MAJOR;
    desc.isa_minor = BRGPU_ISA_MINOR;
    desc.flags = kernel.uses_tensor ? BRGPU_KERNEL_USES_TENSOR : 0;
    desc.kernarg_bytes = kernel.kernarg_bytes;
    desc.static_local_bytes = kernel.static_local_bytes;
    desc.private_bytes = kernel.private_bytes;
    uint32_t items = 1;
    for (size_t i = 0; i < 3; i++) {
        desc.required_workgroup[i] = kernel.required_workgroup[i];
        items *= kernel.required_workgroup[i];
    }
    desc.max_workgroup = static_cast<uint16_t>(items);

    constexpr size_t before = offsetof(brgpu_kernel_desc, entry_offset);
    constexpr size_t after = before + sizeof(desc.entry_offset);
    const auto *raw = reinterpret_cast<const uint8_t *>(&desc);
    const auto bytes = [&](size_t begin, size_t end) {
        return llvm::ConstantDataArray::get(context,
                                            llvm::ArrayRef<uint8_t>(raw + begin, end - begin));
    };
    llvm::Constant *head = bytes(0, before);
    llvm::Constant *tail = bytes(after, sizeof(desc));
    auto *type = llvm::StructType::get(context, {head->getType(), i64, tail->getType()}, true);
    auto *entry =
        llvm::Function::Create(llvm::FunctionType::get(llvm::Type::getVoidTy(context), false),
                               llvm::GlobalValue::ExternalLinkage, kernel.entry, module);
    entry->setVisibility(llvm::GlobalValue::HiddenVisibility);
    entry->setDSOLocal(true);
    llvm::GlobalVariable *variable =
        add_data(module, llvm::UndefValue::get(type), kernel.name + ".kd", ".rodata.brgpu.kd", 64);
    llvm::Constant *distance =
        llvm::ConstantExpr::getSub(llvm::ConstantExpr::getPtrToInt(entry, i64),
                                   llvm::ConstantExpr::getPtrToInt(variable, i64));
    variable->setInitializer(llvm::ConstantStruct::get(type, {head, distance, tail}));
    llvm::appendToUsed(module, {variable});
}

} // namespace

bool emit_descriptors(const std::vector<KernelInfo> &kernels, llvm::TargetMachine &machine,
                      ObjectCode &object) {
    llvm::LLVMContext context;
    llvm::Module module("descriptors", context);
    retarget_module(module, machine);
    std::vector<uint8_t> notes;
    for (const KernelInfo &kernel : kernels) {
        add_descriptor(module, kernel);
        const std::vector<uint8_t> note = note_bytes(kernel);
        notes.insert(notes.end(), note.begin(), note.end());
    }
    llvm::GlobalVariable *variable =
        add_data(module, llvm::ConstantDataArray::get(context, llvm::ArrayRef<uint8_t>(notes)),
                 "brgpu.notes", ".note.brgpu", 4);
    variable->setLinkage(llvm::GlobalValue::InternalLinkage);
    llvm::appendToUsed(module, {variable});
    return emit_code(module, machine, false, object);
}

} // namespace brgpu::cc
