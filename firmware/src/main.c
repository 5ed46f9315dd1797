/* SPDX-License-Identifier: MIT */
/*
 * Bring-up and the main loop. The firmware polls: it sleeps in WFI with interrupts masked in
 * mstatus, and looks at everything that may have woken it. There is no other thread of control but
 * the trap handler, which never returns.
 */
#include "heartbeat.h"
#include "log.h"
#include "mailbox.h"
#include "platform.h"
#include "power.h"
#include "ras.h"
#include "trap.h"

#define MIE_TIMER    (1u << 7)
#define MIE_EXTERNAL (1u << 11)
#define WATCHDOG_MS  (2 * HEARTBEAT_MAX_MS)

void firmware_main(const struct brgpu_fw_header *header);

__attribute__((noreturn)) static void halt(void) {
    log_info("halted by the driver");
    io_write(BRGPU_CTL_STATUS, 0);
    io_write(BRGPU_CTL_EXIT, BRGPU_CTL_EXIT_HALTED);
    for (;;)
        wait_for_interrupt();
}

static void bring_up(const struct brgpu_fw_header *header) {
    trap_init(header, time_ns());
    log_info("brgpu firmware %u.%u.%u for %x on %u dies",
             BRGPU_FW_VERSION_MAJOR(header->fw_version), BRGPU_FW_VERSION_MINOR(header->fw_version),
             BRGPU_FW_VERSION_PATCH(header->fw_version), io_read(BRGPU_CTL_PRODUCT),
             io_read(BRGPU_CTL_DIES));
    uint32_t dies = io_read(BRGPU_CTL_DIES);
    if (!dies || dies > BRGPU_CTL_MAX_DIES)
        panic("the card has no dies that this firmware knows");
    ras_init();
    power_init();
    messages_init(header);
    io_write(BRGPU_CTL_WATCHDOG_MS, WATCHDOG_MS);
    io_write(BRGPU_CTL_WATCHDOG_KICK, 1);
    heartbeat_set_period(BRGPU_FW_HEARTBEAT_DEFAULT_MS);
    io_write(BRGPU_CTL_IRQ_ENABLE, BRGPU_CTL_IRQ_MAILBOX | BRGPU_CTL_IRQ_HALT | BRGPU_CTL_IRQ_ECC |
                                       BRGPU_CTL_IRQ_RESET | BRGPU_CTL_IRQ_THERMAL);
    csr_write(mie, MIE_TIMER | MIE_EXTERNAL);
    /* Releases the engines, unless they are too hot. */
    power_update();
    notify(BRGPU_FW_NOTIFY_STARTED, header->fw_version, 0);
}

void firmware_main(const struct brgpu_fw_header *header) {
    bring_up(header);
    for (;;) {
        /* Cleared before looking: what comes later sets it again, and WFI falls through. */
        uint32_t pending = io_read(BRGPU_CTL_IRQ_PENDING);
        int beat;
        io_write(BRGPU_CTL_IRQ_PENDING, pending);
        if (pending & BRGPU_CTL_IRQ_HALT)
            halt();
        if (pending & BRGPU_CTL_IRQ_ECC)
            ras_collect();
        if (pending & BRGPU_CTL_IRQ_RESET)
            messages_reset_done();
        mailbox_serve();
        uint64_t next = heartbeat_run(&beat);
        if (beat || (pending & BRGPU_CTL_IRQ_THERMAL))
            power_update();
        io_write64(BRGPU_CTL_COMPARE_LO, next);
        wait_for_interrupt();
    }
}
