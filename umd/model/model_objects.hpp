// SPDX-License-Identifier: MIT
//
// What the model backend keeps for an open file: buffers and fences.
#ifndef BRGPU_UMD_MODEL_MODEL_OBJECTS_HPP
#define BRGPU_UMD_MODEL_MODEL_OBJECTS_HPP

#include <cstdint>
#include <memory>
#include <vector>

#include "model_card.hpp"

namespace brgpu::umd::model {

// Protected by the interface's lock.
struct Fence {
    bool signalled = false;
    int error = 0; // 0 or a negative errno, once signalled
};
using FenceRef = std::shared_ptr<Fence>;

inline bool all_signalled(const std::vector<FenceRef> &fences) {
    for (const FenceRef &fence : fences)
        if (!fence->signalled)
            return false;
    return true;
}

inline void signal_all(const std::vector<FenceRef> &fences, int error) {
    for (const FenceRef &fence : fences) {
        fence->signalled = true;
        fence->error = error;
    }
}

// A buffer in video or system memory; mappings and handles share it.
class Bo {
  public:
    // Null with *error = positive errno. placements: DRM_BRGPU_PLACEMENT_*, VRAM is tried first.
    static std::shared_ptr<Bo> create(Card &card, uint64_t bytes, uint32_t placements,
                                      uint32_t flags, uint32_t vm_id, int *error);
    // Takes the file over on success.
    static std::shared_ptr<Bo> import(Card &card, int fd, uint64_t bytes, int *error);
    // Memory of the process, which must be readable, and writable when `write` says so.
    static std::shared_ptr<Bo> from_host(Card &card, uint64_t address, uint64_t bytes, bool write,
                                         int *error);
    ~Bo();

    uint64_t bytes() const noexcept { return bytes_; }
    bool in_vram() const noexcept { return !block_; }
    uint64_t address() const noexcept { return block_ ? block_->dma() : vram_; }
    std::byte *cpu() const noexcept { return block_ ? block_->cpu() : card_.vram(vram_); }
    // A mapping of the first bytes, for munmap(). Null with *error = positive errno.
    void *map(uint64_t bytes, int *error) const noexcept;
    // What can be handed to others; -1 for a buffer of one VM, or in VRAM.
    int file() const noexcept { return block_ ? block_->fd() : -1; }
    uint32_t vm_id() const noexcept { return vm_id_; }
    bool cpu_mappable() const noexcept;

    uint64_t inode = 0; // of an exported or imported file; 0: neither

  private:
    Bo(Card &card, uint64_t bytes) : card_(card), bytes_(bytes) {}

    Card &card_;
    uint64_t bytes_;
    uint64_t vram_ = 0;
    std::unique_ptr<Block> block_;
    uint32_t flags_ = 0;
    uint32_t placements_ = 0;
    uint32_t vm_id_ = 0;
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_OBJECTS_HPP
