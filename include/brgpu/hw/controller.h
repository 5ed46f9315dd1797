/* SPDX-License-Identifier: MIT */
/*
 * The management controller as its own firmware sees it: an RV32IMC hart in machine mode, its
 * memory, and its peripherals. The driver sees the other side of some of it: regs.h "Controller".
 *
 *   0x10000000  SRAM, BRGPU_CTL_SRAM_BYTES: code, data, stack
 *   0x20000000  shared memory window: the same bytes as BAR 0 0x10000..0x13fff
 *   0x30000000  peripherals, one 4 KiB block each: 4-byte accesses only
 *   elsewhere   nothing: access fault
 *
 * The hart: user and supervisor mode, atomics, and counters other than mcycle and minstret don't exist.
 * CSRs: mstatus (MIE, MPIE), misa, mie, mip, mtvec (direct or vectored), mepc, mcause, mtval,
 * mscratch, mcycle[h], minstret[h], mvendorid, marchid, mimpid, mhartid. Misaligned loads and stores in
 * SRAM and the window work. Traps that are taken: those of the privileged specification; a
 * trap with mtvec 0, or before the first has reached 16 instructions of its handler, ends in a crash
 * (BRGPU_FW_CAUSE_DOUBLE).
 * WFI sleeps until (mip & mie) != 0, whatever mstatus.MIE is: main loops poll, and take no interrupts.
 *
 * At the start of an image: pc = its entry, sp (x2) = end of SRAM, a0 = address of a copy of its
 * struct brgpu_fw_header (read-only memory, BRGPU_CTL_HEADER), other registers 0, interrupts off; SRAM
 * beyond payload and bss is zero; the watchdog runs with BRGPU_CTL_WATCHDOG_START_MS.
 *
 * The comment of a register is "ACCESS text" as in regs.h; all have 32 bits. A write to an RO
 * register or an access to an unknown one is an access fault.
 */
#ifndef BRGPU_HW_CONTROLLER_H
#define BRGPU_HW_CONTROLLER_H

#include "types.h"

#define BRGPU_CTL_SRAM 0x10000000u
#define BRGPU_CTL_SRAM_BYTES 0x40000u
#define BRGPU_CTL_HEADER 0x18000000u /* 256 bytes, read-only */
#define BRGPU_CTL_SHARED 0x20000000u
#define BRGPU_CTL_WATCHDOG_START_MS 2000u

/* Offsets within the window; the BAR 0 offsets of regs.h less BRGPU_SHARED_BASE. */
#define BRGPU_CTL_SHARED_REQUESTS 0x0000u
#define BRGPU_CTL_SHARED_RESPONSES 0x0400u
#define BRGPU_CTL_SHARED_LOG 0x1000u
#define BRGPU_CTL_SHARED_CRASH 0x2000u

/* System block */
#define BRGPU_CTL_PRODUCT 0x30000000u     /* RO product number */
#define BRGPU_CTL_CONTRACT 0x30000004u    /* RO contract version: major << 16 | minor */
#define BRGPU_CTL_DIES 0x30000008u        /* RO dies, 1..BRGPU_CTL_MAX_DIES */
#define BRGPU_CTL_SERIAL_LO 0x3000000cu   /* RO */
#define BRGPU_CTL_SERIAL_HI 0x30000010u   /* RO */
#define BRGPU_CTL_VRAM_LO 0x30000014u     /* RO bytes of device memory */
#define BRGPU_CTL_VRAM_HI 0x30000018u     /* RO */
#define BRGPU_CTL_STATUS 0x3000001cu      /* RW BRGPU_CTL_STATUS_*: shown in STATUS of the driver */
#define BRGPU_CTL_EXIT 0x30000020u        /* WO BRGPU_CTL_EXIT_*: ends the firmware, no instruction follows */
#define BRGPU_CTL_IRQ_PENDING 0x30000024u /* RW BRGPU_CTL_IRQ_*; write one to clear */
#define BRGPU_CTL_IRQ_ENABLE 0x30000028u  /* RW; (PENDING & ENABLE) != 0 is mip.MEIP */
#define BRGPU_CTL_WATCHDOG_MS 0x3000002cu /* RW ms between kicks, 1..60000; other values are ignored */
#define BRGPU_CTL_WATCHDOG_KICK 0x30000030u /* WO any value */

#define BRGPU_CTL_STATUS_READY (1u << 0)     /* engines released: queues may be mapped and run */
#define BRGPU_CTL_STATUS_FAILED (1u << 2)    /* beyond repair; can't be cleared */
#define BRGPU_CTL_STATUS_THROTTLED (1u << 3)

#define BRGPU_CTL_EXIT_HALTED 0u  /* BOOT_STATE HALTED */
#define BRGPU_CTL_EXIT_CRASHED 1u /* BOOT_STATE CRASHED; the firmware has filled the crash record */

#define BRGPU_CTL_IRQ_MAILBOX (1u << 0)  /* the driver wrote REQ_WRITE or RSP_READ */
#define BRGPU_CTL_IRQ_HALT (1u << 1)     /* the driver wrote BOOT_HALT: EXIT follows within HALT_MS, or is forced */
#define BRGPU_CTL_IRQ_ECC (1u << 2)      /* the ECC queue is not empty; level: clears when it is */
#define BRGPU_CTL_IRQ_RESET (1u << 3)    /* an engine reset was done */
#define BRGPU_CTL_IRQ_THERMAL (1u << 4)  /* a core temperature passed THERMAL_ALARM, upward */
#define BRGPU_CTL_HALT_MS 100u

/* Timer: device time in ns since the card got power. Reading LO latches HI. */
#define BRGPU_CTL_TIME_LO 0x30001000u    /* RO */
#define BRGPU_CTL_TIME_HI 0x30001004u    /* RO of the last read of TIME_LO */
#define BRGPU_CTL_COMPARE_LO 0x30001008u /* RW time >= COMPARE is mip.MTIP; all-ones at start */
#define BRGPU_CTL_COMPARE_HI 0x3000100cu /* RW */

/* Driver-visible registers and events */
#define BRGPU_CTL_REQ_WRITE 0x30002000u    /* RO */
#define BRGPU_CTL_REQ_READ 0x30002004u     /* RW */
#define BRGPU_CTL_RSP_WRITE 0x30002008u    /* RW */
#define BRGPU_CTL_RSP_READ 0x3000200cu     /* RO */
#define BRGPU_CTL_HEARTBEAT 0x30002010u    /* RW */
#define BRGPU_CTL_HEARTBEAT_MS 0x30002014u /* RW */
#define BRGPU_CTL_LOG_WRITTEN 0x30002018u  /* RW; kept over a start */
#define BRGPU_CTL_CRASH_VALID 0x3000201cu  /* RW 0 or 1; cleared by a start */
#define BRGPU_CTL_EVENT_INFO 0x30002020u   /* RW record to post */
#define BRGPU_CTL_EVENT_DATA0_LO 0x30002024u /* RW */
#define BRGPU_CTL_EVENT_DATA0_HI 0x30002028u /* RW */
#define BRGPU_CTL_EVENT_DATA1_LO 0x3000202cu /* RW */
#define BRGPU_CTL_EVENT_DATA1_HI 0x30002030u /* RW */
#define BRGPU_CTL_EVENT_POST 0x30002034u /* WO BRGPU_EVENT_FW_RESPONSE or FW_NOTIFY: posts; others are ignored */

/* Sensors and clocks of a die: BRGPU_CTL_DIE(die) + offset */
#define BRGPU_CTL_MAX_DIES 4u
#define BRGPU_CTL_DIE(die) (0x30003000u + (uint32_t)(die) * 0x40u)
#define BRGPU_CTL_DIE_CORE_TEMP 0x00u   /* RO millidegrees Celsius, signed */
#define BRGPU_CTL_DIE_MEMORY_TEMP 0x04u /* RO millidegrees Celsius, signed */
#define BRGPU_CTL_DIE_POWER 0x08u       /* RO milliwatt */
#define BRGPU_CTL_DIE_VOLTAGE 0x0cu     /* RO millivolt */
#define BRGPU_CTL_DIE_BUSY 0x10u        /* RO permille of the time that engines worked, since the last read */
#define BRGPU_CTL_DIE_CORE_MHZ 0x14u    /* RW in [CORE_MHZ_MIN, CORE_MHZ_MAX], clamped */
#define BRGPU_CTL_DIE_MEMORY_MHZ 0x18u  /* RO */

/* Limits of the product; thermal alarm */
#define BRGPU_CTL_CORE_MHZ_MIN 0x30003800u  /* RO */
#define BRGPU_CTL_CORE_MHZ_MAX 0x30003804u  /* RO */
#define BRGPU_CTL_POWER_MIN_MW 0x30003808u  /* RO lowest power limit that makes sense, whole card */
#define BRGPU_CTL_POWER_MAX_MW 0x3000380cu  /* RO board power */
#define BRGPU_CTL_THROTTLE_TEMP 0x30003810u /* RO millidegrees: clocks down from here */
#define BRGPU_CTL_TRIP_TEMP 0x30003814u     /* RO millidegrees: engines off from here */
#define BRGPU_CTL_THERMAL_ALARM 0x30003818u /* RW millidegrees: IRQ_THERMAL when a core passes it */

/* ECC queue: errors of VRAM as they happen. POP moves the oldest into the other registers. */
#define BRGPU_CTL_ECC_COUNT 0x30004000u      /* RO entries waiting */
#define BRGPU_CTL_ECC_POP 0x30004004u        /* WO any value */
#define BRGPU_CTL_ECC_ADDRESS_LO 0x30004008u /* RO VRAM address of the entry popped last */
#define BRGPU_CTL_ECC_ADDRESS_HI 0x3000400cu /* RO */
#define BRGPU_CTL_ECC_KIND 0x30004010u       /* RO 0 corrected, 1 uncorrected */
#define BRGPU_CTL_ECC_LOST 0x30004014u       /* RO entries dropped by a full queue, saturating */
#define BRGPU_CTL_ECC_DEPTH 32u

/* Non-volatile memory: kept over every reset; zero on a new card. Plain words. */
#define BRGPU_CTL_NVRAM 0x30005000u
#define BRGPU_CTL_NVRAM_BYTES 1024u

/* Bad-page table, at the start of the non-volatile memory. */
#define BRGPU_CTL_BAD_PAGES_MAGIC 0x45474150u /* "PAGE" */
#define BRGPU_CTL_BAD_PAGES_MAX 64u
struct brgpu_ctl_bad_pages {
    uint32_t magic;    /* BRGPU_CTL_BAD_PAGES_MAGIC; anything else is an empty table */
    uint32_t count;    /* 0..BRGPU_CTL_BAD_PAGES_MAX */
    uint32_t checksum; /* sum of page[0..count-1], plus count, complemented */
    uint32_t pad;      /* zero */
    uint32_t page[BRGPU_CTL_BAD_PAGES_MAX]; /* VRAM address / 4096, ascending */
};
BRGPU_ASSERT_SIZE(struct brgpu_ctl_bad_pages, 272);

#endif /* BRGPU_HW_CONTROLLER_H */
