// SPDX-License-Identifier: MIT
#include "code_layout.hpp"

#include <cstring>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "encoding.hpp"

namespace brgpu::simt::test {
namespace {

using Kind = CodeBlock::Item::Kind;
using End = CodeBlock::End;

bool fits(int32_t value, unsigned bits) {
    const int32_t limit = 1 << (bits - 1);
    return value >= -limit && value < limit;
}

bool is_small(uint32_t reg) { // reachable by the three-bit fields
    return reg >= 8 && reg < 16;
}

// The 16-bit form of an instruction, for some that have one.
std::optional<uint16_t> compressed(uint32_t code) {
    const uint32_t opcode = code & 127, funct3 = code >> 12 & 7, funct7 = code >> 25;
    const uint32_t rd = code >> 7 & 31, rs1 = code >> 15 & 31, rs2 = code >> 20 & 31;
    const auto imm = static_cast<int32_t>(code) >> 20;
    const auto half = [](uint32_t bits) { return static_cast<uint16_t>(bits); };
    const auto imm6 = [&](int32_t value) {
        const auto bits = static_cast<uint32_t>(value);
        return (bits & 31) << 2 | (bits >> 5 & 1) << 12;
    };
    if (opcode == rv::op_imm && rd != 0) {
        if (funct3 == 0 && rd == rs1 && imm != 0 && fits(imm, 6))
            return half(0x0001 | rd << 7 | imm6(imm)); // c.addi
        if (funct3 == 0 && rs1 == 0 && fits(imm, 6))
            return half(0x4001 | rd << 7 | imm6(imm)); // c.li
        if (funct3 == 1 && rd == rs1 && imm > 0 && imm < 64)
            return half(0x0002 | rd << 7 | imm6(imm)); // c.slli
        if (funct3 == 7 && rd == rs1 && is_small(rd) && fits(imm, 6))
            return half(0x8801 | (rd - 8) << 7 | imm6(imm)); // c.andi
        const int32_t kind = imm >> 6; // srli and srai, not what Zbb has put beside them
        if (funct3 == 5 && rd == rs1 && is_small(rd) && (kind == 0 || kind == 0x10) &&
            (imm & 0x3f) != 0)
            return half((kind ? 0x8401u : 0x8001u) | (rd - 8) << 7 | imm6(imm & 63));
    }
    if (opcode == rv::op_imm_32 && funct3 == 0 && rd == rs1 && rd != 0 && fits(imm, 6))
        return half(0x2001 | rd << 7 | imm6(imm)); // c.addiw
    if (opcode == rv::op_reg && funct3 == 0 && funct7 == 0 && rd != 0 && rs2 != 0) {
        if (rs1 == 0)
            return half(0x8002 | rd << 7 | rs2 << 2); // c.mv
        if (rd == rs1)
            return half(0x9002 | rd << 7 | rs2 << 2); // c.add
    }
    if (rd == rs1 && is_small(rd) && is_small(rs2)) {
        const uint32_t both = (rd - 8) << 7 | (rs2 - 8) << 2;
        if (opcode == rv::op_reg && funct3 == 0 && funct7 == 0x20)
            return half(0x8c01 | both); // c.sub
        if (opcode == rv::op_reg && funct7 == 0 && (funct3 == 4 || funct3 == 6 || funct3 == 7))
            return half((funct3 == 4 ? 0x8c21u : funct3 == 6 ? 0x8c41u : 0x8c61u) | both);
        if (opcode == rv::op_reg_32 && funct3 == 0 && (funct7 == 0 || funct7 == 0x20))
            return half((funct7 ? 0x9c01u : 0x9c21u) | both); // c.subw, c.addw
    }
    // c.lw, c.ld, c.fld and c.sw, c.sd, c.fsd
    const bool loads = opcode == rv::op_load || opcode == rv::op_load_fp;
    const bool stores = opcode == rv::op_store || opcode == rv::op_store_fp;
    const bool is_fp = opcode == rv::op_load_fp || opcode == rv::op_store_fp;
    if ((loads || stores) && (funct3 == 3 || (funct3 == 2 && !is_fp))) {
        const auto offset = static_cast<uint32_t>(
            loads ? imm : static_cast<int32_t>(static_cast<uint32_t>(imm & ~31) | rd));
        const uint32_t data = loads ? rd : rs2;
        const uint32_t bytes = 1u << funct3;
        if (is_small(data) && is_small(rs1) && offset % bytes == 0 && offset < 32 * bytes) {
            const uint32_t base = (rs1 - 8) << 7 | (data - 8) << 2 | (offset >> 3 & 7) << 10;
            if (funct3 == 2)
                return half((loads ? 0x4000u : 0xc000u) | base | (offset >> 2 & 1) << 6 |
                            (offset >> 6 & 1) << 5);
            const uint32_t kind = (loads ? 0x2000u : 0xa000u) + (is_fp ? 0u : 0x4000u);
            return half(kind | base | (offset >> 6 & 3) << 5);
        }
    }
    return std::nullopt;
}

// One attempt at an arrangement. Conditional branches reach 4 KiB; the blocks in `far` use a jump
// instead, and those that turn out to need it are added there.
class Layout {
  public:
    Layout(const std::vector<CodeBlock> &blocks, const std::vector<uint32_t> &order,
           std::vector<bool> &far)
        : blocks_(blocks), order_(order), far_(far), starts_(blocks.size()) {}

    // Empty: `far` has grown, try again.
    std::vector<uint8_t> run(std::mt19937_64 *compress) {
        for (size_t at = 0; at < order_.size(); ++at)
            place(order_[at], at + 1 < order_.size() ? order_[at + 1] : UINT32_MAX, compress);
        bool complete = true;
        for (const Fixup &fixup : fixups_)
            complete = patch(fixup) && complete;
        return complete ? std::move(bytes_) : std::vector<uint8_t>();
    }

  private:
    struct Fixup {
        enum class Field : uint8_t { branch, jal, pc_relative_pair };
        size_t at;
        uint32_t target;
        Field field;
        uint32_t block;
    };

    void word(uint32_t code) { append(&code, 4); }
    void append(const void *from, size_t count) {
        const auto *at = static_cast<const uint8_t *>(from);
        bytes_.insert(bytes_.end(), at, at + count);
    }
    void jump_to(uint32_t rd, uint32_t target) {
        fixups_.push_back({bytes_.size(), target, Fixup::Field::jal, 0});
        word(rv::jal(rd, 0));
    }
    void address_of(uint32_t rd, uint32_t target) {
        fixups_.push_back({bytes_.size(), target, Fixup::Field::pc_relative_pair, 0});
        word(rv::auipc(rd, 0));
        word(rv::addi(rd, rd, 0));
    }

    void place_item(const CodeBlock::Item &item, std::mt19937_64 *compress) {
        switch (item.kind) {
        case Kind::plain: {
            std::optional<uint16_t> shorter;
            if (compress && (*compress)() % 4 != 0)
                shorter = compressed(item.code);
            if (shorter)
                append(&*shorter, 2);
            else
                word(item.code);
            break;
        }
        case Kind::call:
            jump_to(item.rd, item.target);
            break;
        case Kind::call_by_reg:
            address_of(item.rd, item.target);
            word(rv::jalr(rv::ra, item.rd, 0));
            break;
        case Kind::address:
            address_of(item.rd, item.target);
            break;
        }
    }

    void place_branch(uint32_t index, uint32_t next) {
        const CodeBlock &block = blocks_[index];
        uint32_t taken = block.targets[0], other = block.targets[1], funct3 = block.funct3;
        if (taken == next) {
            std::swap(taken, other);
            funct3 ^= 1u;
        }
        if (far_[index]) {
            word(rv::branch(funct3 ^ 1u, block.rs1, block.rs2, 8));
            jump_to(0, taken);
        } else {
            fixups_.push_back({bytes_.size(), taken, Fixup::Field::branch, index});
            word(rv::branch(funct3, block.rs1, block.rs2, 0));
        }
        if (other != next)
            jump_to(0, other);
    }

    void place(uint32_t index, uint32_t next, std::mt19937_64 *compress) {
        const CodeBlock &block = blocks_[index];
        starts_[index] = bytes_.size();
        for (const CodeBlock::Item &item : block.items)
            place_item(item, compress);
        switch (block.end) {
        case End::jump:
            if (block.targets[0] != next)
                jump_to(0, block.targets[0]);
            break;
        case End::branch:
            place_branch(index, next);
            break;
        case End::table:
            word(rv::auipc(rv::t1, 0));
            word(rv::shadd(2, rv::t1, block.rs1, rv::t1));
            word(rv::jalr(0, rv::t1, 12));
            for (const uint32_t target : block.targets)
                jump_to(0, target);
            break;
        case End::leave:
            break;
        }
    }

    bool patch(const Fixup &fixup) {
        const auto distance =
            static_cast<int64_t>(starts_[fixup.target]) - static_cast<int64_t>(fixup.at);
        if (distance < -(1 << 20) || distance >= 1 << 20)
            throw std::runtime_error("code is larger than a jump reaches");
        const auto offset = static_cast<int32_t>(distance);
        uint32_t code[2];
        const size_t bytes = fixup.field == Fixup::Field::pc_relative_pair ? 8 : 4;
        std::memcpy(code, &bytes_[fixup.at], bytes);
        switch (fixup.field) {
        case Fixup::Field::branch:
            if (!fits(offset, 13)) {
                far_[fixup.block] = true;
                return false;
            }
            code[0] |= rv::branch(0, 0, 0, offset);
            break;
        case Fixup::Field::jal:
            code[0] |= rv::jal(0, offset);
            break;
        case Fixup::Field::pc_relative_pair:
            code[0] |= ((static_cast<uint32_t>(offset) + 0x800) >> 12 & 0xfffff) << 12;
            code[1] |= static_cast<uint32_t>(offset) << 20;
            break;
        }
        std::memcpy(&bytes_[fixup.at], code, bytes);
        return true;
    }

    const std::vector<CodeBlock> &blocks_;
    const std::vector<uint32_t> &order_;
    std::vector<bool> &far_;
    std::vector<size_t> starts_;
    std::vector<Fixup> fixups_;
    std::vector<uint8_t> bytes_;
};

} // namespace

std::vector<uint8_t> lay_out(const std::vector<CodeBlock> &blocks, const LayoutOptions &options,
                             std::mt19937_64 &random) {
    std::vector<uint32_t> order(blocks.size());
    std::iota(order.begin(), order.end(), 0u);
    if (options.permute)
        for (size_t i = order.size(); i > 2; --i)
            std::swap(order[i - 1], order[1 + random() % (i - 1)]);
    std::vector<bool> far(blocks.size());
    for (;;) {
        std::mt19937_64 same = random; // every attempt compresses the same instructions
        std::vector<uint8_t> code =
            Layout(blocks, order, far).run(options.compress ? &same : nullptr);
        if (!code.empty())
            return code;
    }
}

} // namespace brgpu::simt::test
