/* SPDX-License-Identifier: MIT */
#include "trap.h"

#include "log.h"

extern uint32_t trap_registers[32]; /* start.S */
void trap_handler(void);

static struct brgpu_fw_crash record;
static uint64_t started_ns;

void trap_init(const struct brgpu_fw_header *header, uint64_t start_ns) {
    record.magic = BRGPU_FW_CRASH_MAGIC;
    record.version = BRGPU_FW_CRASH_VERSION;
    record.bytes = sizeof(record);
    record.fw_version = header->fw_version;
    memcpy(record.build_id, header->build_id, sizeof(record.build_id));
    started_ns = start_ns;
}

void trap_note_request(uint32_t type) {
    record.last_message = type;
    record.requests++;
}

static void set_text(const char *text) {
    for (uint32_t i = 0; i < sizeof(record.text) - 1 && text[i]; i++)
        record.text[i] = text[i];
}

/* As much of the stack as there is; sp itself may be wrong. */
static void copy_stack(uint32_t sp) {
    for (uint32_t i = 0; i < BRGPU_FW_CRASH_STACK_WORDS; i++) {
        uint32_t offset = sp + 4 * i - BRGPU_CTL_SRAM;
        if (offset <= BRGPU_CTL_SRAM_BYTES - 4)
            record.stack[i] = io_read((BRGPU_CTL_SRAM + offset) & ~3u);
    }
}

__attribute__((noreturn)) static void end_with_record(uint32_t cause, uint32_t pc) {
    record.cause = cause;
    record.pc = pc;
    record.status = csr_read(mstatus);
    record.heartbeat = io_read(BRGPU_CTL_HEARTBEAT);
    record.uptime_ns = time_ns() - started_ns;
    window_write(BRGPU_CTL_SHARED_CRASH, &record, sizeof(record));
    io_write(BRGPU_CTL_CRASH_VALID, 1);
    notify(BRGPU_FW_NOTIFY_CRASH, pc, cause);
    log_error("crash: cause %x pc %x tval %x %s", cause, pc, record.tval, record.text);
    io_write(BRGPU_CTL_EXIT, BRGPU_CTL_EXIT_CRASHED);
    for (;;)
        wait_for_interrupt();
}

void trap_handler(void) {
    memcpy(record.registers, trap_registers, sizeof(record.registers));
    record.tval = csr_read(mtval);
    copy_stack(record.registers[2]);
    end_with_record(csr_read(mcause), csr_read(mepc));
}

void panic(const char *text) {
    record.registers[2] = (uint32_t)__builtin_frame_address(0);
    copy_stack(record.registers[2]);
    set_text(text);
    end_with_record(BRGPU_FW_CAUSE_PANIC, (uint32_t)__builtin_return_address(0));
}
