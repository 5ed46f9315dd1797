// SPDX-License-Identifier: MIT
#include "hart.hpp"

#include <cstring>

#include "compressed.hpp"

namespace brgpu::controller {
namespace {

constexpr std::uint32_t mstatus_mie = 1u << 3;
constexpr std::uint32_t mstatus_mpie = 1u << 7;
constexpr std::uint32_t mstatus_mpp_machine = 3u << 11;
constexpr std::uint32_t misa_rv32imc = 1u << 30 | 1u << 12 | 1u << 8 | 1u << 2;
constexpr std::uint32_t interrupt_bit = 1u << 31;
constexpr unsigned handler_guard = 16;

enum Csr : std::uint32_t {
    csr_mstatus = 0x300,
    csr_misa = 0x301,
    csr_mie = 0x304,
    csr_mtvec = 0x305,
    csr_mstatush = 0x310,
    csr_mscratch = 0x340,
    csr_mepc = 0x341,
    csr_mcause = 0x342,
    csr_mtval = 0x343,
    csr_mip = 0x344,
    csr_mcycle = 0xb00,
    csr_minstret = 0xb02,
    csr_mcycleh = 0xb80,
    csr_minstreth = 0xb82,
    csr_mvendorid = 0xf11,
    csr_mhartid = 0xf14,
};

constexpr std::uint32_t rd_of(std::uint32_t i) {
    return i >> 7 & 31;
}
constexpr std::uint32_t rs1_of(std::uint32_t i) {
    return i >> 15 & 31;
}
constexpr std::uint32_t rs2_of(std::uint32_t i) {
    return i >> 20 & 31;
}
constexpr std::uint32_t funct3_of(std::uint32_t i) {
    return i >> 12 & 7;
}
constexpr std::uint32_t funct7_of(std::uint32_t i) {
    return i >> 25;
}
constexpr std::int32_t to_signed(std::uint32_t v) {
    return static_cast<std::int32_t>(v);
}
constexpr std::uint32_t immediate_i(std::uint32_t i) {
    return static_cast<std::uint32_t>(to_signed(i) >> 20);
}
constexpr std::uint32_t immediate_s(std::uint32_t i) {
    return static_cast<std::uint32_t>(to_signed(i & 0xfe000000u) >> 20) | (i >> 7 & 31);
}
constexpr std::uint32_t immediate_b(std::uint32_t i) {
    return static_cast<std::uint32_t>(to_signed(i & 0x80000000u) >> 19) | (i & 0x80) << 4 |
           (i >> 20 & 0x7e0) | (i >> 7 & 0x1e);
}
constexpr std::uint32_t immediate_j(std::uint32_t i) {
    return static_cast<std::uint32_t>(to_signed(i & 0x80000000u) >> 11) | (i & 0xff000) |
           (i >> 9 & 0x800) | (i >> 20 & 0x7fe);
}

std::uint32_t shift_right_arithmetic(std::uint32_t value, std::uint32_t by) {
    return static_cast<std::uint32_t>(to_signed(value) >> (by & 31));
}

/// The M extension; division by zero and overflow have the results that the specification gives.
std::uint32_t multiply_divide(std::uint32_t funct3, std::uint32_t a, std::uint32_t b) {
    const auto signed_a = static_cast<std::int64_t>(to_signed(a));
    const auto signed_b = static_cast<std::int64_t>(to_signed(b));
    switch (funct3) {
    case 0: // MUL
        return a * b;
    case 1: // MULH
        return static_cast<std::uint32_t>(static_cast<std::uint64_t>(signed_a * signed_b) >> 32);
    case 2: // MULHSU
        return static_cast<std::uint32_t>(
            static_cast<std::uint64_t>(signed_a * static_cast<std::int64_t>(b)) >> 32);
    case 3: // MULHU
        return static_cast<std::uint32_t>(static_cast<std::uint64_t>(a) * b >> 32);
    case 4: // DIV
        return b == 0 ? ~0u : static_cast<std::uint32_t>(signed_a / signed_b);
    case 5: // DIVU
        return b == 0 ? ~0u : a / b;
    case 6: // REM
        return b == 0 ? a : static_cast<std::uint32_t>(signed_a % signed_b);
    default: // REMU
        return b == 0 ? a : a % b;
    }
}

} // namespace

Hart::Hart(std::span<std::uint8_t> sram, std::uint32_t sram_base, Bus &bus)
    : sram_(sram), sram_base_(sram_base), bus_(bus) {}

void Hart::reset(std::uint32_t pc, std::uint32_t sp, std::uint32_t a0) {
    const std::uint64_t retired = retired_;
    x_.fill(0);
    x_[2] = sp;
    x_[10] = a0;
    pc_ = pc;
    interrupts_on_ = interrupts_were_on_ = false;
    mie_ = mtvec_ = mepc_ = mcause_ = mtval_ = mscratch_ = 0;
    cycle_offset_ = instret_offset_ = 0 - retired;
    handler_guard_ = 0;
    waiting_ = double_trap_ = forced_illegal_ = false;
    look_at_interrupts_ = true;
}

std::uint32_t Hart::status() const {
    return mstatus_mpp_machine | (interrupts_on_ ? mstatus_mie : 0) |
           (interrupts_were_on_ ? mstatus_mpie : 0);
}

Hart::Stop Hart::run(std::uint64_t budget) {
    look_at_interrupts_ = true;
    for (; budget != 0; --budget) {
        if (double_trap_)
            return Stop::double_trap;
        if (forced_illegal_) {
            forced_illegal_ = waiting_ = false;
            next_pc_ = pc_;
            trap(illegal, 0);
            pc_ = next_pc_;
            continue;
        }
        if (waiting_) {
            if ((bus_.interrupts() & mie_) == 0)
                return Stop::idle;
            waiting_ = false;
            look_at_interrupts_ = true;
        }
        if (look_at_interrupts_) {
            look_at_interrupts_ = false;
            if (take_interrupt())
                continue;
        }
        std::uint32_t instruction = 0;
        std::uint32_t raw = 0;
        unsigned length = 0;
        if (fetch(instruction, raw, length)) {
            next_pc_ = pc_ + length;
            execute(instruction, raw, length);
        } else {
            next_pc_ = pc_;
            trap(fetch_fault, pc_);
        }
        ++retired_;
        if (handler_guard_ != 0)
            --handler_guard_;
        if (double_trap_)
            return Stop::double_trap; // pc() stays at the culprit
        pc_ = next_pc_;
        if (bus_.ended())
            return Stop::ended;
    }
    return Stop::budget;
}

std::uint8_t *Hart::sram(std::uint32_t address, unsigned bytes) {
    const std::uint32_t offset = address - sram_base_;
    if (offset >= sram_.size() || sram_.size() - offset < bytes)
        return nullptr;
    return sram_.data() + offset;
}

bool Hart::fetch(std::uint32_t &instruction, std::uint32_t &raw, unsigned &length) {
    const std::uint8_t *at = sram(pc_, 2);
    if (at == nullptr)
        return false;
    std::uint16_t parcel = 0;
    std::memcpy(&parcel, at, sizeof parcel);
    if ((parcel & 3) != 3) {
        instruction = expand_compressed(parcel);
        raw = parcel;
        length = 2;
        return true;
    }
    at = sram(pc_, 4);
    if (at == nullptr)
        return false;
    std::memcpy(&instruction, at, sizeof instruction);
    raw = instruction;
    length = 4;
    return true;
}

void Hart::trap(std::uint32_t cause, std::uint32_t value) {
    if (handler_guard_ != 0 || mtvec_ == 0) {
        mcause_ = cause;
        mtval_ = value;
        double_trap_ = true;
        return;
    }
    enter_handler(cause, value);
    // The instruction that trapped is counted off by run() as well.
    handler_guard_ = handler_guard + 1;
}

void Hart::enter_handler(std::uint32_t cause, std::uint32_t value) {
    mcause_ = cause;
    mtval_ = value;
    mepc_ = pc_;
    interrupts_were_on_ = interrupts_on_;
    interrupts_on_ = false;
    next_pc_ = mtvec_ & ~3u;
    if ((cause & interrupt_bit) != 0 && (mtvec_ & 1) != 0)
        next_pc_ += 4 * (cause & ~interrupt_bit);
}

bool Hart::take_interrupt() {
    if (!interrupts_on_)
        return false;
    const std::uint32_t pending = bus_.interrupts() & mie_;
    if (pending == 0)
        return false;
    enter_handler(interrupt_bit | ((pending & mip_external) != 0 ? 11u : 7u), 0);
    pc_ = next_pc_;
    return true;
}

void Hart::execute(std::uint32_t i, std::uint32_t raw, unsigned length) {
    switch (i & 0x7f) {
    case 0x03:
        return execute_load(i, raw);
    case 0x0f: // FENCE, FENCE.I: one hart, no caches
        if (funct3_of(i) > 1)
            trap(illegal, raw);
        return;
    case 0x13:
        return execute_immediate(i, raw);
    case 0x17: // AUIPC
        return set_reg(rd_of(i), pc_ + (i & 0xfffff000u));
    case 0x23:
        return execute_store(i, raw);
    case 0x33:
        return execute_register(i, raw);
    case 0x37: // LUI
        return set_reg(rd_of(i), i & 0xfffff000u);
    case 0x63:
        return execute_branch(i, raw);
    case 0x67: { // JALR
        if (funct3_of(i) != 0)
            return trap(illegal, raw);
        const std::uint32_t target = (x_[rs1_of(i)] + immediate_i(i)) & ~1u;
        set_reg(rd_of(i), pc_ + length);
        next_pc_ = target;
        return;
    }
    case 0x6f: // JAL
        set_reg(rd_of(i), pc_ + length);
        next_pc_ = pc_ + immediate_j(i);
        return;
    case 0x73:
        return execute_system(i, raw);
    default:
        return trap(illegal, raw);
    }
}

void Hart::execute_load(std::uint32_t i, std::uint32_t raw) {
    const std::uint32_t funct3 = funct3_of(i);
    if (funct3 == 3 || funct3 > 5)
        return trap(illegal, raw);
    const std::uint32_t address = x_[rs1_of(i)] + immediate_i(i);
    const unsigned bytes = 1u << (funct3 & 3);
    std::uint32_t value = 0;
    if (const std::uint8_t *at = sram(address, bytes))
        std::memcpy(&value, at, bytes);
    else if (!bus_.load(address, bytes, value))
        return trap(load_fault, address);
    if (funct3 == 0)
        value = static_cast<std::uint32_t>(static_cast<std::int8_t>(value));
    else if (funct3 == 1)
        value = static_cast<std::uint32_t>(static_cast<std::int16_t>(value));
    set_reg(rd_of(i), value);
}

void Hart::execute_store(std::uint32_t i, std::uint32_t raw) {
    const std::uint32_t funct3 = funct3_of(i);
    if (funct3 > 2)
        return trap(illegal, raw);
    const std::uint32_t address = x_[rs1_of(i)] + immediate_s(i);
    const std::uint32_t value = x_[rs2_of(i)];
    const unsigned bytes = 1u << funct3;
    if (std::uint8_t *at = sram(address, bytes)) {
        std::memcpy(at, &value, bytes);
        return;
    }
    if (!bus_.store(address, bytes, value))
        return trap(store_fault, address);
    look_at_interrupts_ = true;
}

void Hart::execute_branch(std::uint32_t i, std::uint32_t raw) {
    const std::uint32_t a = x_[rs1_of(i)];
    const std::uint32_t b = x_[rs2_of(i)];
    bool taken = false;
    switch (funct3_of(i)) {
    case 0:
        taken = a == b;
        break;
    case 1:
        taken = a != b;
        break;
    case 4:
        taken = to_signed(a) < to_signed(b);
        break;
    case 5:
        taken = to_signed(a) >= to_signed(b);
        break;
    case 6:
        taken = a < b;
        break;
    case 7:
        taken = a >= b;
        break;
    default:
        return trap(illegal, raw);
    }
    if (taken)
        next_pc_ = pc_ + immediate_b(i);
}

void Hart::execute_immediate(std::uint32_t i, std::uint32_t raw) {
    const std::uint32_t a = x_[rs1_of(i)];
    const std::uint32_t imm = immediate_i(i);
    const std::uint32_t shift = imm & 31;
    std::uint32_t result = 0;
    switch (funct3_of(i)) {
    case 0:
        result = a + imm;
        break;
    case 1:
        if (funct7_of(i) != 0)
            return trap(illegal, raw);
        result = a << shift;
        break;
    case 2:
        result = to_signed(a) < to_signed(imm) ? 1 : 0;
        break;
    case 3:
        result = a < imm ? 1 : 0;
        break;
    case 4:
        result = a ^ imm;
        break;
    case 5:
        if (funct7_of(i) == 0)
            result = a >> shift;
        else if (funct7_of(i) == 0x20)
            result = shift_right_arithmetic(a, shift);
        else
            return trap(illegal, raw);
        break;
    case 6:
        result = a | imm;
        break;
    default:
        result = a & imm;
        break;
    }
    set_reg(rd_of(i), result);
}

void Hart::execute_register(std::uint32_t i, std::uint32_t raw) {
    const std::uint32_t a = x_[rs1_of(i)];
    const std::uint32_t b = x_[rs2_of(i)];
    std::uint32_t result = 0;
    // funct7 and funct3 side by side: one number per operation.
    const std::uint32_t operation = funct7_of(i) << 4 | funct3_of(i);
    if (funct7_of(i) == 1) {
        result = multiply_divide(funct3_of(i), a, b);
    } else {
        switch (operation) {
        case 0x000:
            result = a + b;
            break;
        case 0x200:
            result = a - b;
            break;
        case 0x001:
            result = a << (b & 31);
            break;
        case 0x002:
            result = to_signed(a) < to_signed(b) ? 1 : 0;
            break;
        case 0x003:
            result = a < b ? 1 : 0;
            break;
        case 0x004:
            result = a ^ b;
            break;
        case 0x005:
            result = a >> (b & 31);
            break;
        case 0x205:
            result = shift_right_arithmetic(a, b);
            break;
        case 0x006:
            result = a | b;
            break;
        case 0x007:
            result = a & b;
            break;
        default:
            return trap(illegal, raw);
        }
    }
    set_reg(rd_of(i), result);
}

void Hart::execute_system(std::uint32_t i, std::uint32_t raw) {
    const std::uint32_t funct3 = funct3_of(i);
    if (funct3 == 0) {
        switch (i) {
        case 0x00000073:
            return trap(environment_call, 0);
        case 0x00100073:
            return trap(breakpoint, pc_);
        case 0x10500073: // WFI
            waiting_ = true;
            return;
        case 0x30200073: // MRET
            interrupts_on_ = interrupts_were_on_;
            interrupts_were_on_ = true;
            next_pc_ = mepc_;
            look_at_interrupts_ = true;
            return;
        default:
            return trap(illegal, raw);
        }
    }
    const std::uint32_t csr = i >> 20;
    const std::uint32_t source = (funct3 & 4) != 0 ? rs1_of(i) : x_[rs1_of(i)];
    const bool is_write = (funct3 & 3) == 1;
    std::uint32_t old = 0;
    if (funct3 == 4 || !read_csr(csr, old))
        return trap(illegal, raw);
    if (is_write || rs1_of(i) != 0) {
        const std::uint32_t value = is_write            ? source
                                    : (funct3 & 3) == 2 ? old | source
                                                        : old & ~source;
        if (!write_csr(csr, value))
            return trap(illegal, raw);
    }
    set_reg(rd_of(i), old);
}

bool Hart::read_csr(std::uint32_t csr, std::uint32_t &value) {
    switch (csr) {
    case csr_mstatus:
        value = status();
        return true;
    case csr_misa:
        value = misa_rv32imc;
        return true;
    case csr_mie:
        value = mie_;
        return true;
    case csr_mtvec:
        value = mtvec_;
        return true;
    case csr_mscratch:
        value = mscratch_;
        return true;
    case csr_mepc:
        value = mepc_;
        return true;
    case csr_mcause:
        value = mcause_;
        return true;
    case csr_mtval:
        value = mtval_;
        return true;
    case csr_mip:
        value = bus_.interrupts();
        return true;
    case csr_mcycle:
        value = static_cast<std::uint32_t>(retired_ + cycle_offset_);
        return true;
    case csr_mcycleh:
        value = static_cast<std::uint32_t>((retired_ + cycle_offset_) >> 32);
        return true;
    case csr_minstret:
        value = static_cast<std::uint32_t>(retired_ + instret_offset_);
        return true;
    case csr_minstreth:
        value = static_cast<std::uint32_t>((retired_ + instret_offset_) >> 32);
        return true;
    default:
        value = 0;
        return csr == csr_mstatush || (csr >= csr_mvendorid && csr <= csr_mhartid);
    }
}

bool Hart::write_csr(std::uint32_t csr, std::uint32_t value) {
    // The value that minstret shows to the next instruction is the one written.
    const auto set_low = [this](std::uint64_t &offset, std::uint32_t low) {
        const std::uint64_t now = retired_ + offset;
        offset = ((now & ~std::uint64_t{0xffffffff}) | low) - retired_ - 1;
    };
    const auto set_high = [this](std::uint64_t &offset, std::uint32_t high) {
        const std::uint64_t now = retired_ + offset;
        offset = (static_cast<std::uint64_t>(high) << 32 | (now & 0xffffffff)) - retired_ - 1;
    };
    switch (csr) {
    case csr_mstatus:
        interrupts_on_ = (value & mstatus_mie) != 0;
        interrupts_were_on_ = (value & mstatus_mpie) != 0;
        look_at_interrupts_ = true;
        return true;
    case csr_mie:
        mie_ = value & (mip_timer | mip_external);
        look_at_interrupts_ = true;
        return true;
    case csr_mtvec:
        mtvec_ = value & ~2u;
        return true;
    case csr_mscratch:
        mscratch_ = value;
        return true;
    case csr_mepc:
        mepc_ = value & ~1u;
        return true;
    case csr_mcause:
        mcause_ = value;
        return true;
    case csr_mtval:
        mtval_ = value;
        return true;
    case csr_mcycle:
        set_low(cycle_offset_, value);
        return true;
    case csr_mcycleh:
        set_high(cycle_offset_, value);
        return true;
    case csr_minstret:
        set_low(instret_offset_, value);
        return true;
    case csr_minstreth:
        set_high(instret_offset_, value);
        return true;
    default:
        return csr == csr_misa || csr == csr_mip || csr == csr_mstatush;
    }
}

} // namespace brgpu::controller
