// SPDX-License-Identifier: MIT
//
// The modelled TLB. What stands here is used until it is invalidated, whatever has become of the
// page tables: a driver that forgets an invalidation is seen to be wrong.
#ifndef BRGPU_MODEL_TLB_HPP
#define BRGPU_MODEL_TLB_HPP

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace brgpu::model {

// Where the bytes of a page are.
enum class Backing : uint8_t { vram, system, null };

// One page, or one directory entry, as page tables describe it.
struct PageEntry {
    uint64_t base = 0; // virtual address of the first byte
    uint64_t address =
        0;              // offset in VRAM or DMA address of that byte; of a directory: of the table
    uint8_t shift = 0;  // log2 of the bytes it covers
    uint8_t rights = 0; // BRGPU_ACCESS_*
    Backing backing = Backing::null;
};

// The card's TLB: shared by all threads, 4-way, by VM and page size. Thread safe.
class SharedTlb {
  public:
    explicit SharedTlb(uint32_t vms);

    // The leaf that translates va, or nothing.
    std::optional<PageEntry> find_leaf(uint16_t vm, uint64_t va);
    // The cached directory entry that names the level-0 table of va.
    std::optional<PageEntry> find_directory(uint16_t vm, uint64_t va);
    // `stamp` is what version() gave before the walk that found the entry: nothing is stored if an
    // invalidation came between.
    void insert_leaf(uint16_t vm, const PageEntry &entry, uint64_t stamp);
    void insert_directory(uint16_t vm, const PageEntry &entry, uint64_t stamp);

    uint64_t version() const { return version_.load(std::memory_order_acquire); }

    void invalidate_all();
    void invalidate_vm(uint16_t vm);
    void invalidate_range(uint16_t vm, uint64_t address, uint64_t length);

    uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }

  private:
    static constexpr unsigned ways = 4;
    static constexpr unsigned sets = 4096;
    static constexpr uint8_t directory_mark = 0x80; // in Slot::shift

    struct Slot {
        PageEntry entry;
        uint64_t life = 0; // see lifetime(); 0: empty
        uint16_t vm = 0;
        uint8_t mark = 0; // shift, and directory_mark for a directory
    };
    struct Set {
        std::mutex mutex;
        std::array<Slot, ways> slots;
        uint8_t next = 0; // round-robin replacement
    };

    Set &set_of(uint16_t vm, uint64_t va, uint8_t mark);
    std::optional<PageEntry> find(uint16_t vm, uint64_t va, uint8_t mark);
    void insert(uint16_t vm, const PageEntry &entry, uint8_t mark, uint64_t stamp);
    void erase(uint16_t vm, uint64_t va, uint8_t mark);
    // Entries live as long as this number stays: a VM or everything is invalidated by moving it.
    uint64_t lifetime(uint16_t vm) const;

    std::vector<Set> sets_;
    std::unique_ptr<std::atomic<uint32_t>[]> vm_life_;
    std::unique_ptr<std::atomic<uint8_t>[]> vm_sizes_; // which leaf sizes a VM has used
    std::atomic<uint32_t> life_{1};
    std::atomic<uint64_t> version_{1};
    std::atomic<uint64_t> hits_{0};
};

// What one thread has translated, ready for use: 4 KiB pages with the host's pointer. Emptied at
// the first safe point after an invalidation.
class LocalTlb {
  public:
    struct Entry {
        uint64_t tag = ~uint64_t{0};  // vm << 48 | page number
        std::byte *pointer = nullptr; // null: an access by bus, or a null page
        uint64_t bus = 0;             // DMA address of the page's first byte
        uint64_t extent = 0;          // bytes that are contiguous from the page's first byte
        uint8_t rights = 0;
        Backing backing = Backing::null;
        bool writable = false; // the pointer may be written
    };

    static uint64_t tag(uint16_t vm, uint64_t va) { return uint64_t{vm} << 48 | va >> 12; }

    const Entry *find(uint16_t vm, uint64_t va) const {
        const Entry &entry = entries_[index(vm, va)];
        return entry.tag == tag(vm, va) ? &entry : nullptr;
    }
    void insert(uint16_t vm, uint64_t va, Entry entry) {
        entry.tag = tag(vm, va);
        entries_[index(vm, va)] = entry;
        used_ = true;
    }
    void clear() {
        if (used_)
            entries_.fill(Entry{});
        used_ = false;
    }

  private:
    static constexpr size_t count = 256;
    static size_t index(uint16_t vm, uint64_t va) { return ((va >> 12) ^ vm) % count; }

    std::array<Entry, count> entries_;
    bool used_ = false;
};

} // namespace brgpu::model

#endif
