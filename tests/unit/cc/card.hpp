// SPDX-License-Identifier: MIT
//
// Code objects run on the SIMT engine's interpreter, with a flat memory around it: loader and
// launcher in the smallest form that follows brgpu/code_object.h.
#ifndef BRGPU_TESTS_CC_CARD_HPP
#define BRGPU_TESTS_CC_CARD_HPP

#include "support.hpp"

#include "simt/engine.hpp"

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace brgpu::cc::test {

// Code pages can't be written, data pages can't be executed, unmapped ones fault.
class FlatMemory : public simt::Memory {
  public:
    static constexpr uint64_t base = 0x10000000;
    explicit FlatMemory(size_t bytes);
    simt::PageMapping map_page(uint64_t page_va, uint8_t wanted) noexcept override;
    uint32_t rights_fault(uint64_t, uint8_t) noexcept override { return 2; }
    std::byte *at(uint64_t va, size_t bytes);
    uint64_t allocate(size_t bytes, uint8_t rights, size_t align = 4096);
    void set_rights(uint64_t va, size_t bytes, uint8_t rights);

  private:
    struct Free {
        void operator()(std::byte *p) const { std::free(p); }
    };
    std::unique_ptr<std::byte, Free> bytes_;
    size_t size_;
    size_t used_ = 0;
    std::vector<uint8_t> rights_;
};

struct Launch {
    std::array<uint32_t, 3> grid = {1, 1, 1};
    std::array<uint32_t, 3> workgroup = {1, 1, 1};
    std::array<uint64_t, 3> offset = {0, 0, 0};
    uint32_t work_dim = 1;
};

// One code object on a card of its own.
class Card {
  public:
    explicit Card(const Compiled &compiled, size_t memory_bytes = size_t{64} << 20);

    uint64_t allocate(size_t bytes);
    // The same memory for the same number, as long as it is large enough.
    uint64_t scratch(unsigned number, size_t bytes);
    template <class T>
    uint64_t upload(const std::vector<T> &values) {
        const uint64_t va = allocate(values.size() * sizeof(T));
        write(va, values);
        return va;
    }
    template <class T>
    void write(uint64_t va, const std::vector<T> &values) {
        std::memcpy(memory_.at(va, values.size() * sizeof(T)), values.data(),
                    values.size() * sizeof(T));
    }
    template <class T>
    std::vector<T> download(uint64_t va, size_t count) {
        std::vector<T> values(count);
        std::memcpy(values.data(), memory_.at(va, count * sizeof(T)), count * sizeof(T));
        return values;
    }

    // Arguments of the next launch, in order. A local argument is its byte count.
    template <class T>
    Card &arg(const T &value) {
        std::vector<std::byte> bytes(sizeof(T));
        std::memcpy(bytes.data(), &value, sizeof(T));
        arguments_.push_back({bytes, 0});
        return *this;
    }
    Card &local_arg(uint32_t bytes) {
        arguments_.push_back({{}, bytes});
        return *this;
    }

    // Runs the kernel to its end; throws when it doesn't finish, with the fault.
    void run(const std::string &kernel_name, const Launch &launch);
    // How kernels run from now on; null: interpreted. The environment variable BRGPU_JIT (off,
    // auto, sync) says how they do at first.
    void use(simt::Jit *jit) { jit_ = jit; }
    // Of the last run.
    const simt::Counters &counters() const { return counters_; }
    double kernel_ms = 0; // CPU time of this thread in kernels, to be cleared at will
    void run(const std::string &kernel_name, uint32_t items, uint32_t workgroup = 32) {
        run(kernel_name, Launch{{items, 1, 1}, {workgroup, 1, 1}, {0, 0, 0}, 1});
    }

    struct PrintRecord {
        std::string format;
        std::vector<uint64_t> words;
    };
    std::vector<PrintRecord> printed();
    std::string string_at(uint64_t va);

  private:
    struct Argument {
        std::vector<std::byte> bytes;
        uint32_t local_bytes;
    };
    void relocate(const Compiled &compiled);

    FlatMemory memory_;
    CodeObject object_;
    uint64_t load_address_ = 0;
    std::vector<Argument> arguments_;
    uint64_t ring_ = 0;
    simt::Jit *jit_ = nullptr;
    std::map<unsigned, std::pair<uint64_t, size_t>> scratch_;
    simt::Counters counters_;
    simt::Worker worker_;
};

} // namespace brgpu::cc::test

#endif
