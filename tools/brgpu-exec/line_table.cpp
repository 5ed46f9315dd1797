// SPDX-License-Identifier: MIT
#include "line_table.hpp"

#include <algorithm>
#include <memory>

#include <elfutils/libdw.h>
#include <libelf.h>

namespace brgpu::exec {

LineTable::LineTable(std::span<const std::byte> file) {
    elf_version(EV_CURRENT);
    // libelf writes to what it is given.
    std::vector<std::byte> copy(file.begin(), file.end());
    const std::unique_ptr<Elf, decltype(&elf_end)> elf(
        elf_memory(reinterpret_cast<char *>(copy.data()), copy.size()), elf_end);
    if (!elf)
        return;
    const std::unique_ptr<Dwarf, decltype(&dwarf_end)> dwarf(
        dwarf_begin_elf(elf.get(), DWARF_C_READ, nullptr), dwarf_end);
    if (!dwarf)
        return;
    Dwarf_Off unit = 0, next = 0;
    size_t header_bytes = 0;
    while (dwarf_nextcu(dwarf.get(), unit, &next, &header_bytes, nullptr, nullptr, nullptr) == 0) {
        Dwarf_Die die;
        Dwarf_Lines *lines = nullptr;
        size_t count = 0;
        if (dwarf_offdie(dwarf.get(), unit + header_bytes, &die) &&
            dwarf_getsrclines(&die, &lines, &count) == 0) {
            for (size_t i = 0; i < count; ++i) {
                Dwarf_Line *row = dwarf_onesrcline(lines, i);
                Dwarf_Addr address = 0;
                bool ends = false;
                int line = 0;
                if (dwarf_lineaddr(row, &address) != 0 || dwarf_lineendsequence(row, &ends) != 0 ||
                    dwarf_lineno(row, &line) != 0)
                    continue;
                const char *name = dwarf_linesrc(row, nullptr, nullptr);
                rows_.push_back({address, {ends || !name ? "" : name, ends ? 0 : line}});
            }
        }
        unit = next;
    }
    // A sequence that ends where another begins comes first.
    std::stable_sort(rows_.begin(), rows_.end(), [](const Row &a, const Row &b) {
        return a.address != b.address ? a.address < b.address : a.line.line < b.line.line;
    });
}

SourceLine LineTable::find(uint64_t address) const {
    const auto after =
        std::upper_bound(rows_.begin(), rows_.end(), address,
                         [](uint64_t value, const Row &row) { return value < row.address; });
    return after == rows_.begin() ? SourceLine{} : std::prev(after)->line;
}

} // namespace brgpu::exec
