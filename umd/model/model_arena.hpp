// SPDX-License-Identifier: MIT
//
// System memory as the model's card sees it: blocks, each memory of its own, a file that can be
// shared, or memory of the caller, at addresses of a made-up DMA space. All but the caller's stand
// in one reserved range of this process. Only files cost a file descriptor: a process may have few.
#ifndef BRGPU_UMD_MODEL_MODEL_ARENA_HPP
#define BRGPU_UMD_MODEL_MODEL_ARENA_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>

#include "../address_allocator.hpp"

namespace brgpu::umd::model {

class Arena;

// Zeroed at first; unmapped from the card's view when it goes.
class Block {
  public:
    Block(Arena &arena, uint64_t dma, uint64_t bytes, std::byte *cpu, int fd)
        : arena_(arena), dma_(dma), bytes_(bytes), cpu_(cpu), fd_(fd) {}
    Block(const Block &) = delete;
    Block &operator=(const Block &) = delete;
    ~Block();

    uint64_t dma() const noexcept { return dma_; }
    uint64_t bytes() const noexcept { return bytes_; }
    std::byte *cpu() const noexcept { return cpu_; }
    int fd() const noexcept { return fd_; } // -1: no file
    // Another mapping of the first bytes, for munmap(); it outlives the block. Null with *error =
    // positive errno. Not for memory of the caller.
    void *map(uint64_t bytes, int *error) const noexcept;

  private:
    Arena &arena_;
    uint64_t dma_;
    uint64_t bytes_;
    std::byte *cpu_;
    int fd_;
};

class Arena {
  public:
    // Throws when the address range can't be had.
    Arena();
    ~Arena();

    // Null with *error = positive errno. Not thread safe.
    std::unique_ptr<Block> allocate(uint64_t bytes, int *error);
    // The same as a file of its own, which can be handed to others.
    std::unique_ptr<Block> allocate_file(uint64_t bytes, int *error);
    // A block that shows the file, which the block then owns; nothing is owned on failure.
    std::unique_ptr<Block> show_file(int fd, uint64_t bytes, int *error);
    // A block that shows memory of the process, which stays the caller's. Multiples of a page.
    std::unique_ptr<Block> show_memory(void *memory, uint64_t bytes, int *error);
    // Any thread: the pointer of a DMA address, and in *bytes how much of the wanted is behind it.
    std::byte *translate(uint64_t dma, size_t *bytes) noexcept;
    // Called when a block goes, before its memory does.
    void set_on_release(std::function<void(uint64_t dma, uint64_t bytes)> function) {
        on_release_ = std::move(function);
    }
    uint64_t bytes_used() const noexcept { return addresses_.bytes_taken(); }

  private:
    friend class Block;
    void release(const Block &block) noexcept;
    std::byte *place(uint64_t dma) const noexcept;
    std::unique_ptr<Block> show(int fd, int flags, uint64_t bytes, int *error);
    std::unique_ptr<Block> add(uint64_t dma, uint64_t bytes, void *cpu, int fd);

    std::byte *base_;
    AddressAllocator addresses_;
    std::function<void(uint64_t, uint64_t)> on_release_;
    std::shared_mutex lock_; // blocks_: the card's threads read it
    struct Range {
        uint64_t bytes;
        std::byte *cpu;
    };
    std::map<uint64_t, Range> blocks_; // by DMA address
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_ARENA_HPP
