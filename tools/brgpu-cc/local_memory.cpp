// SPDX-License-Identifier: MIT
//
// Places for __local variables. tp holds the address of the workgroup's local memory, and an
// address relative to it costs nothing, where the aperture itself is beyond the reach of medany
// code.
#include "passes.hpp"
#include "printf_ring.hpp"

#include "brgpu/hw/isa.h"

#include <algorithm>

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/ReplaceConstant.h>
#include <llvm/Support/MathExtras.h>

namespace brgpu::cc {
namespace {

struct LocalVariable {
    llvm::GlobalVariable *variable;
    uint64_t size;
    uint64_t align;
    std::set<size_t> kernels; // indices of the kernels that can reach a use
    uint64_t offset;
};

// Functions that use a variable, constant expressions resolved.
void collect_functions(const llvm::User *user, std::set<const llvm::Function *> &functions) {
    if (const auto *instruction = llvm::dyn_cast<llvm::Instruction>(user))
        functions.insert(instruction->getFunction());
    else if (llvm::isa<llvm::Constant>(user))
        for (const llvm::User *next : user->users())
            collect_functions(next, functions);
}

// An initialiser that holds the address of a local variable gets its fixed place in the aperture.
llvm::Constant *absolute_address(const LocalVariable &local) {
    llvm::Type *i64 = llvm::Type::getInt64Ty(local.variable->getContext());
    return llvm::ConstantExpr::getIntToPtr(
        llvm::ConstantInt::get(i64, BRGPU_LOCAL_BASE + local.offset), local.variable->getType());
}

void replace_uses(const LocalVariable &local) {
    llvm::GlobalVariable *variable = local.variable;
    llvm::convertUsersOfConstantsToInstructions({variable});
    std::map<llvm::Function *, llvm::Value *> bases;
    std::vector<llvm::Use *> uses;
    for (llvm::Use &use : variable->uses())
        if (llvm::isa<llvm::Instruction>(use.getUser()))
            uses.push_back(&use);
    for (llvm::Use *use : uses) {
        llvm::Function *function = llvm::cast<llvm::Instruction>(use->getUser())->getFunction();
        llvm::Value *&address = bases[function];
        if (address == nullptr) {
            llvm::IRBuilder<> builder(&*function->getEntryBlock().getFirstInsertionPt());
            llvm::Value *base =
                builder.CreateIntrinsic(builder.getPtrTy(), llvm::Intrinsic::thread_pointer, {});
            address = builder.CreateAddrSpaceCast(
                builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), base, local.offset),
                variable->getType(), variable->getName());
        }
        use->set(address);
    }
    if (!variable->use_empty())
        variable->replaceAllUsesWith(absolute_address(local));
    variable->eraseFromParent();
}

uint64_t lowest_free_offset(const LocalVariable &local, const std::vector<LocalVariable> &placed) {
    uint64_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (const LocalVariable &other : placed) {
            const bool together =
                std::any_of(other.kernels.begin(), other.kernels.end(),
                            [&](size_t kernel) { return local.kernels.count(kernel) != 0; });
            if (together && offset < other.offset + other.size &&
                other.offset < offset + local.size) {
                offset = llvm::alignTo(other.offset + other.size, local.align);
                moved = true;
            }
        }
    }
    return offset;
}

} // namespace

bool allocate_local_memory(llvm::Module &module, std::vector<KernelInfo> &kernels) {
    const llvm::DataLayout &layout = module.getDataLayout();
    std::vector<std::set<const llvm::Function *>> reached;
    for (const KernelInfo &kernel : kernels)
        reached.push_back(reachable_functions(*module.getFunction(kernel.entry)));

    std::vector<LocalVariable> locals;
    for (llvm::GlobalVariable &variable : module.globals()) {
        if (variable.getAddressSpace() != local_address_space)
            continue;
        LocalVariable local{&variable,
                            layout.getTypeAllocSize(variable.getValueType()),
                            layout.getPreferredAlign(&variable).value(),
                            {},
                            0};
        std::set<const llvm::Function *> functions;
        bool in_initialiser = false;
        for (const llvm::User *user : variable.users()) {
            collect_functions(user, functions);
            in_initialiser = in_initialiser || llvm::isa<llvm::GlobalVariable>(user) ||
                             llvm::isa<llvm::ConstantAggregate>(user);
        }
        for (size_t kernel = 0; kernel < kernels.size(); kernel++)
            for (const llvm::Function *function : functions)
                if (in_initialiser || reached[kernel].count(function) != 0)
                    local.kernels.insert(kernel);
        locals.push_back(std::move(local));
    }
    // Small ones first: a kernel that shares one with a kernel of large needs doesn't pay for
    // those.
    std::stable_sort(locals.begin(), locals.end(), [](const auto &a, const auto &b) {
        return a.align != b.align ? a.align > b.align : a.size < b.size;
    });
    std::vector<LocalVariable> placed;
    for (LocalVariable &local : locals) {
        local.offset = lowest_free_offset(local, placed);
        for (const size_t kernel : local.kernels) {
            const uint64_t end = local.offset + local.size;
            if (end > BRGPU_MAX_LOCAL_BYTES) {
                report_error("kernel " + kernels[kernel].name + " needs more than " +
                             std::to_string(BRGPU_MAX_LOCAL_BYTES) +
                             " bytes of local memory (variable " + local.variable->getName().str() +
                             ", " + std::to_string(local.size) + " bytes)");
                return false;
            }
            uint32_t &total = kernels[kernel].static_local_bytes;
            total = std::max(total, static_cast<uint32_t>(llvm::alignTo(end, 16)));
        }
        placed.push_back(local);
    }
    for (const LocalVariable &local : placed)
        replace_uses(local);
    return true;
}

} // namespace brgpu::cc
