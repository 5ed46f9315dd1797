// SPDX-License-Identifier: MIT
#include "controller_impl.hpp"

namespace brgpu::controller {

std::optional<std::uint32_t> Controller::Impl::read32(std::uint64_t offset) {
    if (offset >= BRGPU_SHARED_BASE)
        return shared_.load_word(static_cast<std::uint32_t>((offset - BRGPU_SHARED_BASE) / 4));
    switch (offset) {
    case BRGPU_REG_FW_ADDRESS:
        return static_cast<std::uint32_t>(registers_.fw_address);
    case BRGPU_REG_FW_ADDRESS + 4:
        return static_cast<std::uint32_t>(registers_.fw_address >> 32);
    case BRGPU_REG_FW_BYTES:
        return registers_.fw_bytes;
    case BRGPU_REG_BOOT_COMMAND:
        return 0;
    case BRGPU_REG_BOOT_STATE:
        return registers_.boot_state.load(std::memory_order_acquire);
    case BRGPU_REG_BOOT_ERROR:
        return registers_.boot_error;
    case BRGPU_REG_FW_VERSION:
        return registers_.fw_version;
    case BRGPU_REG_FW_ROLLBACK:
        return registers_.fw_rollback;
    case BRGPU_REG_HEARTBEAT:
        return registers_.heartbeat;
    case BRGPU_REG_HEARTBEAT_MS:
        return registers_.heartbeat_ms;
    case BRGPU_REG_MBOX_REQ_WRITE:
        return registers_.req_write;
    case BRGPU_REG_MBOX_REQ_READ:
        return registers_.req_read.load(std::memory_order_acquire);
    case BRGPU_REG_MBOX_RSP_WRITE:
        return registers_.rsp_write.load(std::memory_order_acquire);
    case BRGPU_REG_MBOX_RSP_READ:
        return registers_.rsp_read;
    case BRGPU_REG_LOG_WRITTEN:
        return registers_.log_written.load(std::memory_order_acquire);
    case BRGPU_REG_CRASH_VALID:
        return registers_.crash_valid.load(std::memory_order_acquire);
    default:
        return std::nullopt;
    }
}

bool Controller::Impl::write32(std::uint64_t offset, std::uint32_t value) {
    if (offset >= BRGPU_SHARED_BASE) {
        shared_.store_word(static_cast<std::uint32_t>((offset - BRGPU_SHARED_BASE) / 4), value);
        return true;
    }
    switch (offset) {
    case BRGPU_REG_FW_ADDRESS:
        write_half(registers_.fw_address, value, false);
        return true;
    case BRGPU_REG_FW_ADDRESS + 4:
        write_half(registers_.fw_address, value, true);
        return true;
    case BRGPU_REG_FW_BYTES:
        registers_.fw_bytes = value;
        return true;
    case BRGPU_REG_BOOT_COMMAND:
        boot_command(value);
        return true;
    case BRGPU_REG_MBOX_REQ_WRITE:
        registers_.req_write.store(value, std::memory_order_release);
        interrupt(BRGPU_CTL_IRQ_MAILBOX);
        return true;
    case BRGPU_REG_MBOX_RSP_READ:
        registers_.rsp_read.store(value, std::memory_order_release);
        interrupt(BRGPU_CTL_IRQ_MAILBOX);
        return true;
    default:
        return read32(offset).has_value(); // a write to an RO register
    }
}

void Controller::Impl::write_half(std::atomic<std::uint64_t> &reg, std::uint32_t value,
                                  bool upper) {
    const unsigned shift = upper ? 32 : 0;
    const std::uint64_t keep = ~(std::uint64_t{0xffffffff} << shift);
    std::uint64_t old = reg.load();
    while (!reg.compare_exchange_weak(old, (old & keep) | std::uint64_t{value} << shift)) {
    }
}

void Controller::Impl::boot_command(std::uint32_t command) {
    std::uint32_t state = registers_.boot_state.load();
    if (command == BRGPU_BOOT_START) {
        do {
            if (state == BRGPU_BOOT_STATE_CHECKING || state == BRGPU_BOOT_STATE_RUNNING)
                return;
        } while (!registers_.boot_state.compare_exchange_weak(state, BRGPU_BOOT_STATE_CHECKING));
        wake();
    } else if (command == BRGPU_BOOT_HALT) {
        if (state == BRGPU_BOOT_STATE_CHECKING &&
            registers_.boot_state.compare_exchange_strong(state, BRGPU_BOOT_STATE_HALTED)) {
            wake();
        } else if (registers_.boot_state == BRGPU_BOOT_STATE_RUNNING) {
            std::uint64_t none = 0;
            halt_deadline_ns_.compare_exchange_strong(none, host_.now_ns() +
                                                                BRGPU_CTL_HALT_MS * ns_per_ms);
            interrupt(BRGPU_CTL_IRQ_HALT);
        }
    }
}

} // namespace brgpu::controller
