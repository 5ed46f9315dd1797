// SPDX-License-Identifier: MIT
#include "model_objects.hpp"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <sys/mman.h>

#include "brgpu/hw/mmu.h"
#include "drm/brgpu_drm.h"

namespace brgpu::umd::model {

namespace {
constexpr uint64_t big_page = 2 << 20;

// Whether [start, start + bytes) is memory of this process with those rights, by what the kernel
// says of its mappings.
bool is_memory(uint64_t start, uint64_t bytes, bool write) {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    const uint64_t end = start + bytes;
    while (std::getline(maps, line)) {
        uint64_t first = 0, behind = 0;
        char rights[5] = "";
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &first, &behind, rights) != 3)
            continue;
        if (behind <= start)
            continue;
        if (first > start || rights[0] != 'r' || (write && rights[1] != 'w'))
            return false;
        start = behind;
        if (start >= end)
            return true;
    }
    return false;
}
} // namespace

std::shared_ptr<Bo> Bo::create(Card &card, uint64_t bytes, uint32_t placements, uint32_t flags,
                               uint32_t vm_id, int *error) {
    bytes = (bytes + BRGPU_PAGE_BYTES - 1) & ~(BRGPU_PAGE_BYTES - 1);
    std::shared_ptr<Bo> bo(new Bo(card, 0));
    bo->flags_ = flags;
    bo->placements_ = placements;
    bo->vm_id_ = vm_id;
    *error = ENOSPC;
    if (placements & DRM_BRGPU_PLACEMENT_VRAM) {
        if (auto address =
                card.allocate_vram(bytes, bytes >= big_page ? big_page : BRGPU_PAGE_BYTES)) {
            bo->vram_ = *address;
            bo->bytes_ = bytes;
            return bo;
        }
    }
    if (placements & DRM_BRGPU_PLACEMENT_SYSTEM)
        bo->block_ =
            vm_id ? card.arena().allocate(bytes, error) : card.arena().allocate_file(bytes, error);
    if (!bo->block_)
        return nullptr;
    bo->bytes_ = bytes;
    return bo;
}

std::shared_ptr<Bo> Bo::import(Card &card, int fd, uint64_t bytes, int *error) {
    std::shared_ptr<Bo> bo(new Bo(card, 0));
    bo->block_ = card.arena().show_file(fd, bytes, error);
    if (!bo->block_)
        return nullptr;
    bo->placements_ = DRM_BRGPU_PLACEMENT_SYSTEM;
    bo->bytes_ = bo->block_->bytes();
    return bo;
}

std::shared_ptr<Bo> Bo::from_host(Card &card, uint64_t address, uint64_t bytes, bool write,
                                  int *error) {
    *error = EFAULT;
    if (!is_memory(address, bytes, write))
        return nullptr;
    std::shared_ptr<Bo> bo(new Bo(card, 0));
    bo->block_ = card.arena().show_memory(reinterpret_cast<void *>(static_cast<uintptr_t>(address)),
                                          bytes, error);
    if (!bo->block_)
        return nullptr;
    bo->placements_ = DRM_BRGPU_PLACEMENT_SYSTEM;
    bo->bytes_ = bytes;
    return bo;
}

Bo::~Bo() {
    if (!block_ && bytes_)
        card_.free_vram(vram_);
}

void *Bo::map(uint64_t bytes, int *error) const noexcept {
    if (block_)
        return block_->map(bytes, error);
    void *pointer = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, card_.vram_fd(),
                         static_cast<off_t>(vram_));
    if (pointer != MAP_FAILED)
        return pointer;
    *error = errno;
    return nullptr;
}

bool Bo::cpu_mappable() const noexcept {
    return placements_ != DRM_BRGPU_PLACEMENT_VRAM || flags_ & DRM_BRGPU_BO_CPU_VISIBLE ||
           card_.ident().aperture_bytes >= card_.ident().vram_bytes;
}

} // namespace brgpu::umd::model
