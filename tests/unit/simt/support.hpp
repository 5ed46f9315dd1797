// SPDX-License-Identifier: MIT
//
// What the tests of the SIMT engine share: a memory made of single pages, an assembler, and a way
// to run a kernel on them.
#ifndef BRGPU_TESTS_SIMT_SUPPORT_HPP
#define BRGPU_TESTS_SIMT_SUPPORT_HPP

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "jit_environment.hpp"
#include "simt/engine.hpp"

namespace brgpu::simt::test {

inline constexpr uint32_t no_page_fault = 77; // fault codes of PagedMemory
inline constexpr uint32_t rights_fault_code = 78;

// Every page has host memory of its own, so that neighbours in the address space are none in the
// host's: an access that runs over a page's end is caught by the sanitizers.
class PagedMemory : public Memory {
  public:
    static constexpr uint8_t all_rights = right_read | right_write | right_execute | right_atomic;

    void map(uint64_t va, uint64_t bytes, uint8_t rights = all_rights);
    void unmap(uint64_t va, uint64_t bytes);
    // A page that reads as zeros and forgets what is written.
    void map_null(uint64_t va);
    // Makes `va` another name of the page at `target`.
    void alias(uint64_t va, uint64_t target);
    void write(uint64_t va, const void *from, size_t bytes);
    void read(uint64_t va, void *to, size_t bytes) const;
    template <class T>
    T get(uint64_t va) const {
        T value;
        read(va, &value, sizeof(value));
        return value;
    }
    template <class T>
    void put(uint64_t va, T value) {
        write(va, &value, sizeof(value));
    }
    template <class T>
    std::vector<T> get_all(uint64_t va, size_t count) const {
        std::vector<T> values(count);
        read(va, values.data(), count * sizeof(T));
        return values;
    }
    std::byte *host(uint64_t va) const;

    PageMapping map_page(uint64_t page_va, uint8_t wanted) noexcept override;
    uint32_t rights_fault(uint64_t, uint8_t) noexcept override { return rights_fault_code; }

    uint64_t lookups = 0;

  private:
    struct Page {
        std::shared_ptr<std::array<std::byte, page_bytes>> bytes;
        uint8_t rights;
        std::shared_ptr<std::array<std::byte, page_bytes>> sink = nullptr;
    };
    mutable std::mutex mutex_;
    std::map<uint64_t, Page> pages_;
};

class CountingHost : public Host {
  public:
    uint64_t timestamp_ns() noexcept override { return ++now; }
    std::atomic<uint64_t> now{0};
};

inline constexpr uint64_t code_va = 0x10000;
inline constexpr uint64_t data_va = 0x40000000;

// Assembles text with the macros of isa.inc in front, linked to run at `va`. Throws with the
// assembler's messages. Results are kept for the life of the process.
std::vector<std::byte> assemble(const std::string &text, uint64_t va = code_va);
bool have_assembler();

// Code, a kernel descriptor and 1 MiB of data, ready to dispatch.
class Rig {
  public:
    explicit Rig(const std::string &text, uint32_t private_bytes = 4096, uint32_t local_bytes = 0);
    Outcome run(uint32_t grid, uint32_t workgroup);
    std::unique_ptr<Dispatch> dispatch(uint32_t grid, uint32_t workgroup);

    PagedMemory memory;
    CountingHost host;
    Worker worker;
    DispatchParams params;
    RunLimits limits;
};

} // namespace brgpu::simt::test

#endif
