// SPDX-License-Identifier: MIT
//
// The seam between the user-mode driver and the kernel: ioctl, mmap and close of one open device
// file, the core's syncobj, PRIME and GEM_CLOSE calls included. Everything above it is written
// once; below it stand drm (a real file), model (the same requests served inside the process) and
// the recording one of the unit tests.
#ifndef BRGPU_UMD_KERNEL_INTERFACE_HPP
#define BRGPU_UMD_KERNEL_INTERFACE_HPP

#include <cstddef>
#include <cstdint>
#include <string>

#include "brgpu/brgpu.h"

namespace brgpu::umd {

// One open device file; closed by the destructor. All functions are thread safe.
class KernelInterface {
  public:
    KernelInterface() = default;
    KernelInterface(const KernelInterface &) = delete;
    KernelInterface &operator=(const KernelInterface &) = delete;
    virtual ~KernelInterface() = default;

    // 0 or a negative errno. Interrupted calls are restarted inside.
    virtual int ioctl(unsigned long request, void *argument) noexcept = 0;

    // Shared read-write mapping at an offset from BO_MMAP_OFFSET; null with *error = positive
    // errno.
    virtual void *map(size_t bytes, uint64_t offset, int *error) noexcept = 0;
    virtual void unmap(void *pointer, size_t bytes) noexcept = 0;

    // Rings a user-mode queue: `doorbell` is its word in the page that map() gave. After all that
    // was written before; no system call.
    virtual void ring(volatile uint64_t *doorbell) noexcept {
        // Index and packets must have left the processor before the card is told.
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        *doorbell = 1;
    }

    // The bytes of a buffer where the CPU reaches them as fast as the card does, so that copies
    // needn't go through the card; null else. Valid as long as the buffer.
    virtual std::byte *memory_of(uint32_t handle) noexcept;

    virtual brgpu_backend backend() const noexcept = 0;
    virtual int fd() const noexcept { return -1; }
    virtual std::string node() const { return {}; }

    // Faults on demand; -EOPNOTSUPP where the card is not ours to break. `why` receives a line.
    virtual int inject(const char *property, const char *value, std::string *why) noexcept;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_KERNEL_INTERFACE_HPP
