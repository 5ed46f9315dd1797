// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace brgpu::controller {

/// What the hart reaches beyond its SRAM. Both return false for an access fault.
class Bus {
  public:
    virtual ~Bus() = default;
    virtual bool load(std::uint32_t address, unsigned bytes, std::uint32_t &value) = 0;
    virtual bool store(std::uint32_t address, unsigned bytes, std::uint32_t value) = 0;
    /// The hart's mip: what is pending now.
    virtual std::uint32_t interrupts() = 0;
    /// True once a store has ended the firmware: the hart stops behind it.
    virtual bool ended() const = 0;
};

/// An RV32IMC hart in machine mode, as controller.h describes it. It interprets: the controller is
/// asleep nearly always, and hostile code can do nothing here but what the switch says. One thread
/// at a time; run() always returns within its budget.
class Hart {
  public:
    enum class Stop {
        budget,      ///< the budget is used up
        idle,        ///< in WFI with nothing pending
        ended,       ///< Bus::ended()
        double_trap, ///< a trap that no handler can take; cause(), trap_value() and pc() say which
    };

    static constexpr std::uint32_t mip_timer = 1u << 7;
    static constexpr std::uint32_t mip_external = 1u << 11;

    Hart(std::span<std::uint8_t> sram, std::uint32_t sram_base, Bus &bus);

    /// All registers and CSRs to zero, then pc, sp and a0 as given.
    void reset(std::uint32_t pc, std::uint32_t sp, std::uint32_t a0);
    Stop run(std::uint64_t budget);
    /// An illegal-instruction trap before the next instruction.
    void force_illegal() { forced_illegal_ = true; }

    std::uint32_t pc() const { return pc_; }
    std::uint32_t reg(unsigned index) const { return x_[index]; }
    void set_reg(unsigned index, std::uint32_t value) {
        if (index != 0)
            x_[index] = value;
    }
    std::uint32_t cause() const { return mcause_; }
    std::uint32_t trap_value() const { return mtval_; }
    std::uint32_t status() const;
    std::uint32_t interrupt_enable() const { return mie_; }
    std::uint64_t retired() const { return retired_; }

  private:
    enum Cause : std::uint32_t {
        fetch_fault = 1,
        illegal = 2,
        breakpoint = 3,
        load_fault = 5,
        store_fault = 7,
        environment_call = 11,
    };

    bool fetch(std::uint32_t &instruction, std::uint32_t &raw, unsigned &length);
    void execute(std::uint32_t instruction, std::uint32_t raw, unsigned length);
    void execute_load(std::uint32_t instruction, std::uint32_t raw);
    void execute_store(std::uint32_t instruction, std::uint32_t raw);
    void execute_branch(std::uint32_t instruction, std::uint32_t raw);
    void execute_immediate(std::uint32_t instruction, std::uint32_t raw);
    void execute_register(std::uint32_t instruction, std::uint32_t raw);
    void execute_system(std::uint32_t instruction, std::uint32_t raw);
    void trap(std::uint32_t cause, std::uint32_t value);
    void enter_handler(std::uint32_t cause, std::uint32_t value);
    bool take_interrupt();
    bool read_csr(std::uint32_t csr, std::uint32_t &value);
    bool write_csr(std::uint32_t csr, std::uint32_t value);
    std::uint8_t *sram(std::uint32_t address, unsigned bytes);

    std::span<std::uint8_t> sram_;
    std::uint32_t sram_base_;
    Bus &bus_;

    std::array<std::uint32_t, 32> x_{};
    std::uint32_t pc_ = 0;
    std::uint32_t next_pc_ = 0;
    bool interrupts_on_ = false;      ///< mstatus.MIE
    bool interrupts_were_on_ = false; ///< mstatus.MPIE
    std::uint32_t mie_ = 0;
    std::uint32_t mtvec_ = 0;
    std::uint32_t mepc_ = 0;
    std::uint32_t mcause_ = 0;
    std::uint32_t mtval_ = 0;
    std::uint32_t mscratch_ = 0;
    std::uint64_t cycle_offset_ = 0;   ///< mcycle less retired_
    std::uint64_t instret_offset_ = 0; ///< minstret less retired_
    std::uint64_t retired_ = 0;
    unsigned handler_guard_ = 0; ///< instructions until a further trap is no double trap
    bool waiting_ = false;
    bool double_trap_ = false;
    bool look_at_interrupts_ = true;
    bool forced_illegal_ = false;
};

} // namespace brgpu::controller
