// SPDX-License-Identifier: MIT
//
// Source lines of a code object's instructions, from its DWARF debug information.
#ifndef BRGPU_EXEC_LINE_TABLE_HPP
#define BRGPU_EXEC_LINE_TABLE_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace brgpu::exec {

struct SourceLine {
    std::string file; // "": not known
    int line = 0;
};

class LineTable {
  public:
    // Of an ELF file. Without debug information the table is empty.
    explicit LineTable(std::span<const std::byte> file);

    bool empty() const noexcept { return rows_.empty(); }
    // `address` as in the file.
    SourceLine find(uint64_t address) const;

  private:
    struct Row {
        uint64_t address;
        SourceLine line; // line 0: the end of a sequence
    };
    std::vector<Row> rows_; // by address
};

} // namespace brgpu::exec

#endif // BRGPU_EXEC_LINE_TABLE_HPP
