// SPDX-License-Identifier: MIT
//
// Turns a kernel into an LLVM function (jit_abi.hpp: Run). Each block of the graph is lowered up to
// twice: as run by all lanes of the sub-warp together, and under a mask.
//
// Between blocks a register lives in a slot for its form; LLVM's mem2reg makes values of them.
#ifndef BRGPU_JIT_LOWERING_HPP
#define BRGPU_JIT_LOWERING_HPP

#include <map>
#include <stdexcept>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include "kinds.hpp"

namespace brgpu::jit {

// A register's value in a block.
struct Value {
    Kind kind;
    llvm::Value *v = nullptr;
};

class CannotCompile : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Lowering {
  public:
    Lowering(llvm::Module &module, const Graph &graph, const Analysis &analysis,
             const Config &config);

    // Adds the function. Throws CannotCompile.
    void run(const std::string &name);

    uint32_t sites() const { return sites_; }
    uint32_t entries() const { return static_cast<uint32_t>(resumes_.size()) + 1; }
    uint64_t frame_bytes() const { return frame_bytes_; }
    uint64_t private_low() const { return private_low_; }

  private:
    using V = llvm::Value *;
    using BB = llvm::BasicBlock *;

    struct Node { // what is being lowered
        unsigned block = 0;
        bool masked = false;
        uint32_t k = 0; // instruction in the block
        State kinds;
        std::array<V, registers> values{};
        uint64_t written = 0;
        V mask = nullptr; // sign bits of <width x i32>; null: all lanes
    };
    struct PendingExit {
        BB from;
        Node node;
        uint64_t pc;
        simt::jit::ExitReason reason;
        uint64_t live;
    };
    struct Resume { // behind a barrier
        unsigned block;
        bool masked;
        uint64_t barrier_pc;
    };

    // lowering.cpp: the frame of the function, blocks, edges
    void prepare(const std::string &name);
    void emit_start();
    void emit_resumes();
    void emit_node(unsigned block, bool masked);
    void emit_exits();
    void emit_flush();
    void emit_returns();
    void end_block(const Block &block, const CodeUnit &last);
    void branch_on(const Block &block, const CodeUnit &last);
    void end_lanes();
    void return_on(const Block &block, const CodeUnit &last);
    void barrier(const Block &block, const CodeUnit &last);
    void load_values(Node &node);
    void commit_blended();
    V blended_form(unsigned reg, const Kind &kind);
    void flow_to(int block, bool masked);
    void go_to(int block, uint64_t pc);
    void dispatch(std::vector<unsigned> candidates, bool may_be_none);
    std::vector<unsigned> waiting_at(unsigned block) const;
    void leave(uint64_t pc, simt::jit::ExitReason reason, uint64_t live);
    void store_exit(const Node &node, uint64_t pc, simt::jit::ExitReason reason, uint64_t live);
    void store_exit(const Node &node, V pc, uint64_t live, V rows_x, V rows_f);
    void emit_exit_group(const std::vector<const PendingExit *> &group, uint64_t live);
    V slot(unsigned reg, const Kind &kind);
    V load_slot(unsigned reg, const Kind &kind);
    void store_slot(unsigned reg, const Kind &kind, V value);
    V mask_slot(unsigned block) { return masks_[block]; }
    BB node_block(unsigned block, bool masked);

    // values.cpp: forms of values
    Value get(unsigned reg) const;
    void set(unsigned reg, const Kind &kind, V value);
    V convert(unsigned reg, const Value &value, const Kind &target);
    V scalar64(const Value &value) const; // one() or the base of an affine
    V vector64(unsigned reg, const Value &value);
    V vector32(const Value &value); // low halves
    V canonical_single(V bits);
    V canonical_double(V bits);
    V single_bits(const Value &value, bool vector);
    V double_bits(const Value &value, bool vector);
    V splat(V scalar) { return b_.CreateVectorSplat(config_.width, scalar); }
    V iota(unsigned bits, int64_t stride);
    V constant_like(V value, uint64_t constant);
    V int64(uint64_t value) { return b_.getInt64(value); }
    V int32(uint32_t value) { return b_.getInt32(value); }
    llvm::Type *float_type(V bits, bool dbl);
    V as_float(V bits);
    V as_double(V bits);
    V as_bits(V value);

    // Conditions and masks
    V bits_of(V i1_vector); // lane bits as i32
    V mask_bits();          // of the node's lanes
    V active();             // <width x i1>
    V sign_mask(V i1_vector);
    V any(V mask);
    V all(V i1_vector); // in all active lanes
    void guard(V holds, simt::jit::ExitReason reason);
    void branch_likely(V condition, BB likely, BB unlikely);
    BB new_block(const char *name);

    // integer.cpp
    void lower(const CodeUnit &unit);
    void lower_integer(const CodeUnit &unit);
    void lower_csr(const CodeUnit &unit);
    void affine_word(const CodeUnit &unit, const Kind &kind);
    V integer(const CodeUnit &unit, V a, V b); // on vectors or scalars of 64 bits
    V integer_word(const CodeUnit &unit, V a, V b);
    V division(Op op, V a, V b);
    V multiply_high(Op op, V a, V b);
    V compare(Op op, unsigned rs1, unsigned rs2); // i1 or a vector of it

    // floating.cpp
    void lower_floating(const CodeUnit &unit);
    void floating_by_engine(const CodeUnit &unit);
    V minimum(V a, V b, bool maximum, bool dbl);
    V to_integer(V value, unsigned width, bool is_signed, unsigned mode);

    // memory.cpp
    void lower_load(const CodeUnit &unit);
    void lower_store(const CodeUnit &unit);
    void lower_atomic(const CodeUnit &unit);
    Value address_of(const Insn &insn);
    V site_field(uint32_t site, size_t offset);
    V in_range(uint32_t site, V address);
    V addresses(const Value &address);
    V load_private_row(V offset, unsigned bytes);
    void store_private_row(V offset, unsigned bytes, V value);
    V row_pointer(V offset);
    V slow_load(const Value &address, unsigned bytes, uint32_t site, uint32_t span);
    void slow_store(const Value &address, V value64, unsigned bytes, uint32_t site, uint32_t span);
    void finish_load(const CodeUnit &unit, const Kind &kind, V loaded);
    V pointers(V addresses64, bool redirect);
    void scatter(V pointers, V value);
    V store_value(const CodeUnit &unit, unsigned bytes, bool &one, V &scalar);

    // Thread fields
    V field(size_t offset, llvm::Type *type);
    V field_address(size_t offset);
    llvm::CallInst *call(size_t helper_offset, llvm::Type *result, std::vector<V> arguments);
    bool affine_stride_fits(const Kind &kind) const;

    llvm::Module &module_;
    llvm::LLVMContext &context_;
    const Graph &graph_;
    const Analysis &analysis_;
    const Config config_;
    llvm::IRBuilder<> b_;

    llvm::Type *i8_, *i16_, *i32_, *i64_, *ptr_;
    llvm::FixedVectorType *v32_, *v64_;

    llvm::Function *function_ = nullptr;
    V thread_ = nullptr, first_ = nullptr, end_ = nullptr, entry_ = nullptr, frame_ = nullptr,
      leave_ = nullptr;
    V fuel_ = nullptr, sub_ = nullptr, rows_ = nullptr; // slots
    BB allocas_ = nullptr, start_ = nullptr, next_sub_ = nullptr, flush_ = nullptr,
       return_exit_ = nullptr;
    std::map<std::tuple<unsigned, bool, unsigned>, llvm::AllocaInst *> slots_;
    std::vector<V> masks_;
    std::vector<std::array<BB, 2>> nodes_;
    std::vector<Resume> resumes_;
    std::vector<PendingExit> exits_;
    Node node_;
    uint32_t sites_ = 0;
    uint64_t frame_bytes_ = 0;
    uint64_t private_low_ = 0;
    bool uses_rows_ = false;
};

} // namespace brgpu::jit

#endif
