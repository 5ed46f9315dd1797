// SPDX-License-Identifier: MIT
//
// Device memory: a sparse mapping, so that 32 GB are shown and only what is touched is resident.
#ifndef BRGPU_MODEL_VRAM_HPP
#define BRGPU_MODEL_VRAM_HPP

#include <cstddef>
#include <cstdint>

namespace brgpu::model {

// Owns the memfd and its mapping, or borrows memory that the host provides. Constant after
// construction; the content belongs to whoever has the address. Throws std::system_error where the
// host has no memory left.
class Vram {
  public:
    // `host` null: make a memfd of our own.
    Vram(void *host, uint64_t bytes);
    Vram(const Vram &) = delete;
    Vram &operator=(const Vram &) = delete;
    ~Vram();

    std::byte *data() const { return data_; }
    uint64_t bytes() const { return bytes_; }
    int fd() const { return fd_; } // -1: the host's memory

    // Everything becomes zero. Nobody may be using it.
    void clear();
    // Host memory that the content takes now, as far as the kernel tells.
    uint64_t resident_bytes() const;

  private:
    std::byte *data_ = nullptr;
    uint64_t bytes_ = 0;
    int fd_ = -1;
};

} // namespace brgpu::model

#endif
