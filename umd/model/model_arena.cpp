// SPDX-License-Identifier: MIT
#include "model_arena.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.hpp"
#include "brgpu/hw/mmu.h"

namespace brgpu::umd::model {

namespace {
// Address 0 stays free, so that a forgotten address is found out.
constexpr uint64_t first_dma = uint64_t{1} << 32;
constexpr uint64_t arena_bytes = uint64_t{1} << 38;
static_assert(first_dma + arena_bytes <= uint64_t{1} << BRGPU_DMA_BITS);
} // namespace

Arena::Arena() : addresses_(first_dma, first_dma + arena_bytes, BRGPU_PAGE_BYTES) {
    void *range =
        mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        raise(BRGPU_ERROR_OUT_OF_HOST_MEMORY,
              "brgpu: the model backend can't reserve 256 GiB of addresses: %s (is the address "
              "space limited, ulimit -v?)",
              strerrordesc_np(errno));
    base_ = static_cast<std::byte *>(range);
}

Arena::~Arena() {
    munmap(base_, arena_bytes);
}

std::byte *Arena::place(uint64_t dma) const noexcept {
    return base_ + (dma - first_dma);
}

std::unique_ptr<Block> Arena::show(int fd, int flags, uint64_t bytes, int *error) {
    const uint64_t size = (bytes + BRGPU_PAGE_BYTES - 1) & ~(BRGPU_PAGE_BYTES - 1);
    // 2 MiB alignment, so that large buffers get large pages.
    auto dma = addresses_.allocate(size, size >= 2 << 20 ? 2 << 20 : BRGPU_PAGE_BYTES);
    if (!dma) {
        *error = ENOSPC;
        return nullptr;
    }
    void *cpu =
        mmap(place(*dma), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | flags, fd, 0);
    if (cpu == MAP_FAILED) {
        *error = errno;
        addresses_.free(*dma);
        return nullptr;
    }
    madvise(cpu, size, MADV_DONTFORK);
    return add(*dma, size, cpu, fd);
}

std::unique_ptr<Block> Arena::show_file(int fd, uint64_t bytes, int *error) {
    return show(fd, 0, bytes, error);
}

// Shared with nobody, but shared memory can be mapped a second time.
std::unique_ptr<Block> Arena::allocate(uint64_t bytes, int *error) {
    return show(-1, MAP_ANONYMOUS | MAP_NORESERVE, bytes, error);
}

std::unique_ptr<Block> Arena::show_memory(void *memory, uint64_t bytes, int *error) {
    auto dma = addresses_.allocate(bytes, bytes >= 2 << 20 ? 2 << 20 : BRGPU_PAGE_BYTES);
    if (!dma) {
        *error = ENOSPC;
        return nullptr;
    }
    return add(*dma, bytes, memory, -1);
}

std::unique_ptr<Block> Arena::add(uint64_t dma, uint64_t bytes, void *cpu, int fd) {
    auto *start = static_cast<std::byte *>(cpu);
    std::unique_lock lock(lock_);
    blocks_.emplace(dma, Range{bytes, start});
    return std::make_unique<Block>(*this, dma, bytes, start, fd);
}

std::unique_ptr<Block> Arena::allocate_file(uint64_t bytes, int *error) {
    const int fd = memfd_create("brgpu-system", MFD_CLOEXEC);
    if (fd < 0) {
        *error = errno;
        return nullptr;
    }
    const uint64_t size = (bytes + BRGPU_PAGE_BYTES - 1) & ~(BRGPU_PAGE_BYTES - 1);
    std::unique_ptr<Block> block;
    if (ftruncate(fd, static_cast<off_t>(size)) != 0)
        *error = errno;
    else
        block = show_file(fd, size, error);
    if (!block)
        close(fd);
    return block;
}

void Arena::release(const Block &block) noexcept {
    {
        std::unique_lock lock(lock_);
        blocks_.erase(block.dma());
    }
    // After this no thread of the card holds a pointer into the block.
    if (on_release_)
        on_release_(block.dma(), block.bytes());
    if (block.cpu() == place(block.dma())) // not the caller's
        mmap(block.cpu(), block.bytes(), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (block.fd() >= 0)
        close(block.fd());
    addresses_.free(block.dma());
}

Block::~Block() {
    arena_.release(*this);
}

void *Block::map(uint64_t bytes, int *error) const noexcept {
    void *pointer = fd_ >= 0 ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0)
                             // An old size of 0 leaves the mapping that is there.
                             : mremap(cpu_, 0, bytes, MREMAP_MAYMOVE);
    if (pointer != MAP_FAILED)
        return pointer;
    *error = errno;
    return nullptr;
}

std::byte *Arena::translate(uint64_t dma, size_t *bytes) noexcept {
    std::shared_lock lock(lock_);
    auto block = blocks_.upper_bound(dma);
    if (block == blocks_.begin())
        return nullptr;
    --block;
    const uint64_t offset = dma - block->first;
    if (offset >= block->second.bytes)
        return nullptr;
    *bytes = std::min<uint64_t>(*bytes, block->second.bytes - offset);
    return block->second.cpu + offset;
}

} // namespace brgpu::umd::model
