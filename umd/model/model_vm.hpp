// SPDX-License-Identifier: MIT
//
// An address space of the model backend: page tables in video memory, and binds in their order.
#ifndef BRGPU_UMD_MODEL_MODEL_VM_HPP
#define BRGPU_UMD_MODEL_MODEL_VM_HPP

#include <deque>
#include <memory>
#include <vector>

#include "../mapping_table.hpp"
#include "brgpu_core_pt.h"
#include "drm/brgpu_drm.h"
#include "model_objects.hpp"

namespace brgpu::umd::model {

class Vm {
  public:
    // Null with *error = positive errno.
    static std::unique_ptr<Vm> create(Card &card, uint32_t hw_id, uint32_t flags, int *error);
    ~Vm();

    uint32_t hw_id() const noexcept { return hw_id_; }
    uint32_t flags() const noexcept { return flags_; } // DRM_BRGPU_VM_*
    // Whether an address is bound with the rights (BRGPU_ACCESS_*): in effect, by a bind that waits
    // for its turn, or not at all.
    enum class Bound { yes, later, no };
    Bound bound(uint64_t address, uint32_t access) const;

    struct Op {
        drm_brgpu_bind_op args;
        std::shared_ptr<Bo> bo;
    };
    struct Bind {
        std::vector<Op> ops;
        std::vector<FenceRef> waits;
        std::vector<FenceRef> signals;
        FenceRef done = std::make_shared<Fence>();
    };
    void enqueue(Bind bind);
    // Does the binds whose turn has come and whose waits are over; true when any was done.
    bool pump();
    bool waiting() const noexcept { return !binds_.empty(); }

    uint64_t bytes_bound() const noexcept { return mappings_.bytes(); }
    void note_fault(const drm_brgpu_fault &fault);
    uint64_t fault_count() const noexcept { return fault_count_; }
    const std::deque<drm_brgpu_fault> &faults() const noexcept { return faults_; }

    unsigned queues = 0; // that live in it

  private:
    struct Table {
        brgpu_core_pt_table core = {};
        std::vector<brgpu_core_pt_table *> children;
    };

    Vm(Card &card, uint32_t hw_id, uint32_t flags) : card_(card), hw_id_(hw_id), flags_(flags) {}
    int apply(const Op &op);
    int change(uint64_t va, uint64_t bytes, const Op *map);
    int reserve(const brgpu_core_pt_tables &counts);
    Table *new_table(unsigned level);
    void free_table(Table *table);
    int flush();

    static brgpu_core_pt_table *take(void *ctx, unsigned level);
    static void retire(void *ctx, brgpu_core_pt_table *table);
    static const brgpu_core_pt_ops ops;

    Card &card_;
    const uint32_t hw_id_;
    const uint32_t flags_;
    brgpu_core_pt pt_ = {};
    Table *root_ = nullptr;
    std::vector<Table *> spare_[BRGPU_PT_LEVELS - 1];
    std::vector<Table *> retired_; // until the TLB has let go
    brgpu_core_pt_update update_ = {};
    BasicMappingTable<Bo> mappings_;
    std::vector<std::shared_ptr<Bo>> unmapped_; // until the TLB has let go
    std::deque<Bind> binds_;
    std::deque<drm_brgpu_fault> faults_;
    uint64_t fault_count_ = 0;
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_VM_HPP
