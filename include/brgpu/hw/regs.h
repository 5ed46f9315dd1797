/* SPDX-License-Identifier: MIT */
/*
 * Registers in BAR 0. The comment of a register line is "ACCESS WIDTH text": RO read-only, WO reads
 * as zero, RW, W1C write one to clear; 32 or 64 bits. docs/reference/registers.md is made from it.
 *
 * Access rules
 *   - 4-byte accesses at 4-byte alignment work everywhere. 8-byte accesses at 8-byte alignment work
 *     on every 64-bit register and on pairs of 32-bit ones. A 64-bit RW register may be written as
 *     two halves; each takes effect alone.
 *   - An unknown offset reads zero and ignores writes; so does any other size or alignment. Both
 *     count in BAD_ACCESS. Reserved bits read zero and are ignored on write.
 *   - A card that has gone reads all-ones everywhere. MAGIC is never all-ones, so a driver that
 *     doubts a value reads MAGIC.
 *   - Before the firmware has started, the identity, control, time and controller blocks work; queues
 *     can't be mapped (STATUS.READY is 0).
 */
#ifndef BRGPU_HW_REGS_H
#define BRGPU_HW_REGS_H

#include "types.h"

/* PCI identity. The vendor id is QEMU's; it is not Biren's and names no silicon. */
#define BRGPU_PCI_VENDOR 0x1234
#define BRGPU_PCI_CLASS 0x1200 /* processing accelerator */
#define BRGPU_PRODUCT_BR106 0xb106 /* product number = PCI device id */
#define BRGPU_PRODUCT_BR110 0xb110
#define BRGPU_PRODUCT_BR166 0xb166

/* BARs */
#define BRGPU_BAR_REGISTERS 0
#define BRGPU_BAR_VRAM 2
#define BRGPU_BAR_DOORBELLS 4

#define BRGPU_BAR0_BYTES 0x100000u
#define BRGPU_MSIX_TABLE_OFFSET 0xfe000u
#define BRGPU_MSIX_PBA_OFFSET 0xff000u
#define BRGPU_MAX_VECTORS 16u

/* Identity, 0x0000: constant over the card's life. */
#define BRGPU_REG_MAGIC 0x0000            /* RO 32 BRGPU_MAGIC */
#define BRGPU_REG_CONTRACT 0x0004         /* RO 32 contract version: major << 16 | minor */
#define BRGPU_REG_PRODUCT 0x0008          /* RO 32 product number, equal to the PCI device id */
#define BRGPU_REG_REVISION 0x000c         /* RO 32 stepping of the product */
#define BRGPU_REG_SERIAL 0x0010           /* RO 64 serial number, also in the PCIe serial number capability */
#define BRGPU_REG_FEATURES 0x0018         /* RO 64 BRGPU_FEATURE_* */
#define BRGPU_REG_VRAM_BYTES 0x0020       /* RO 64 device memory, all dies */
#define BRGPU_REG_APERTURE_BYTES 0x0028   /* RO 64 how much of it BAR 2 shows, from address 0 */
#define BRGPU_REG_DIES 0x0030             /* RO 32 dies in the package */
#define BRGPU_REG_SPCS 0x0034             /* RO 32 SPCs a die */
#define BRGPU_REG_CUS 0x0038              /* RO 32 CUs an SPC */
#define BRGPU_REG_EUS 0x003c              /* RO 32 EUs a CU */
#define BRGPU_REG_QUEUES 0x0040           /* RO 32 hardware queue slots */
#define BRGPU_REG_VMS 0x0044              /* RO 32 VM ids, VM 0 included */
#define BRGPU_REG_VA_BITS 0x0048          /* RO 32 width of a virtual address */
#define BRGPU_REG_DMA_BITS 0x004c         /* RO 32 width of a system memory address */
#define BRGPU_REG_PAGE_SIZES 0x0050       /* RO 64 bit n set: pages of 2^n bytes */
#define BRGPU_REG_VECTORS 0x0058          /* RO 32 MSI-X vectors */
#define BRGPU_REG_DOORBELL_PAGES 0x005c   /* RO 32 4 KiB pages in BAR 4; page 0 is the kernel's */
#define BRGPU_REG_LOCAL_BYTES 0x0060      /* RO 32 local memory a workgroup may have */
#define BRGPU_REG_TENSOR_BYTES 0x0064     /* RO 32 accumulator memory a workgroup has */
#define BRGPU_REG_MAX_WORKGROUP 0x0068    /* RO 32 work-items a workgroup may have */
#define BRGPU_REG_RESIDENT_GROUPS 0x006c  /* RO 32 workgroups of one dispatch that are guaranteed to make progress side by side */
#define BRGPU_REG_ISA 0x0070              /* RO 32 ISA version: major << 16 | minor */
#define BRGPU_REG_PREEMPT_MS 0x0074       /* RO 32 longest time until a preempted queue has left, ms */
#define BRGPU_REG_LINKS 0x0078            /* RO 32 card-to-card link ports */
#define BRGPU_REG_VFS 0x007c              /* RO 32 virtual functions */
#define BRGPU_REG_TIMESTAMP_HZ 0x0080     /* RO 64 rate of TIMESTAMP */
#define BRGPU_REG_VRAM_BYTES_DIE 0x0088   /* RO 64 device memory of one die */
#define BRGPU_REG_VF_INDEX 0x0090         /* RO 32 0: physical function, else this virtual function's number */
/* 0x0094..0x0fff reserved for identity */

#define BRGPU_MAGIC 0x55504742u /* "BGPU" */

#define BRGPU_FEATURE_COMPUTE (BRGPU_U64(1) << 0)
#define BRGPU_FEATURE_COPY (BRGPU_U64(1) << 1)
#define BRGPU_FEATURE_TENSOR (BRGPU_U64(1) << 2)
#define BRGPU_FEATURE_FP64 (BRGPU_U64(1) << 3)
#define BRGPU_FEATURE_USER_QUEUES (BRGPU_U64(1) << 4) /* rings in user memory, doorbell pages */
#define BRGPU_FEATURE_FAULT_RETRY (BRGPU_U64(1) << 5) /* VM mode RETRY */
#define BRGPU_FEATURE_SAVE_AREA (BRGPU_U64(1) << 6)   /* PREEMPT saves work in mid-kernel */
#define BRGPU_FEATURE_ECC (BRGPU_U64(1) << 7)
#define BRGPU_FEATURE_REPORT (BRGPU_U64(1) << 8)      /* DISPATCH with BRGPU_PACKET_REPORT_BIT: counters and profile */
#define BRGPU_FEATURE_LANE_SNAPSHOT (BRGPU_U64(1) << 9) /* snapshot.h; since 1.1 */
/* bits 32..47 reserved for links and peers, 48..63 for partitions and virtual functions */

/* Control, 0x1000 */
#define BRGPU_REG_STATUS 0x1000       /* RO 32 BRGPU_STATUS_* */
#define BRGPU_REG_RESET 0x1004        /* WO 32 BRGPU_RESET_KEY | BRGPU_RESET_*; other values are ignored */
#define BRGPU_REG_GENERATION 0x1008   /* RO 32 counts device and function resets since power-on */
#define BRGPU_REG_BAD_ACCESS 0x100c   /* RO 32 register accesses that the rules above ignore, saturating */
#define BRGPU_REG_SCRATCH 0x1010      /* RW 64 for the driver; kept over a device reset, cleared by a function reset */

#define BRGPU_STATUS_READY (1u << 0)      /* the firmware has released the engines */
#define BRGPU_STATUS_RESETTING (1u << 1)  /* a reset is under way; registers but STATUS may read zero */
#define BRGPU_STATUS_FAILED (1u << 2)     /* beyond repair by a device reset: function reset needed */
#define BRGPU_STATUS_THROTTLED (1u << 3)  /* clocks are held down, the firmware says why */

#define BRGPU_RESET_KEY 0x52530000u
#define BRGPU_RESET_ENGINE 1u /* all queues end as after KILL with error RESET; VM contexts, event rings, firmware stay */
#define BRGPU_RESET_DEVICE 2u /* power-on state but for VRAM content, SCRATCH and GENERATION; firmware stops */

/* Event rings, 0x2000 + class * 0x40; classes and records: events.h */
#define BRGPU_REG_EVENT(cls) (0x2000 + (cls) * 0x40)
#define BRGPU_EVENT_BASE 0x00     /* RW 64 system memory address of the ring, 4 KiB aligned */
#define BRGPU_EVENT_SIZE 0x08     /* RW 32 log2 of the number of records, 4..16 */
#define BRGPU_EVENT_VECTOR 0x0c   /* RW 32 MSI-X vector */
#define BRGPU_EVENT_CONSUMER 0x10 /* RW 32 records consumed since enabling, modulo 2^32; a write arms the ring */
#define BRGPU_EVENT_PRODUCER 0x14 /* RO 32 records produced since enabling, modulo 2^32 */
#define BRGPU_EVENT_STATUS 0x18   /* W1C 32 BRGPU_EVENT_STATUS_* */
#define BRGPU_EVENT_LOST 0x1c     /* RO 32 records dropped since enabling, saturating */
#define BRGPU_EVENT_ENABLE 0x20   /* RW 32 1: on. Turning it on resets indices, phase, LOST, and arms */
#define BRGPU_EVENT_CLASSES 4u
#define BRGPU_EVENT_STATUS_OVERFLOW (1u << 0)  /* the ring was full: records were dropped */
#define BRGPU_EVENT_STATUS_DMA_ERROR (1u << 1) /* the ring could not be written */
#define BRGPU_REG_EVENT_PENDING 0x2800 /* RO 32 bit per class: PRODUCER != CONSUMER */

/* MMU, 0x3000: invalidation; contexts are at VM_CONTEXT */
#define BRGPU_REG_TLB_ADDRESS 0x3000   /* RW 64 first byte of the range */
#define BRGPU_REG_TLB_LENGTH 0x3008    /* RW 64 bytes */
#define BRGPU_REG_TLB_COMMAND 0x3010   /* WO 32 BRGPU_TLB_* | VM id << 8: starts one invalidation */
#define BRGPU_REG_TLB_ISSUED 0x3014    /* RO 32 commands accepted, modulo 2^32 */
#define BRGPU_REG_TLB_COMPLETED 0x3018 /* RO 32 commands completed, modulo 2^32, in order */
#define BRGPU_TLB_RANGE 1u
#define BRGPU_TLB_VM 2u
#define BRGPU_TLB_ALL 3u
#define BRGPU_TLB_EVENT (1u << 31) /* also write a TLB_DONE event record when completed */

/* Controller, 0x5000: boot, mailbox, heartbeat; contents of messages: firmware.h */
#define BRGPU_REG_FW_ADDRESS 0x5000     /* RW 64 firmware image, VM 0 address, 64-byte aligned */
#define BRGPU_REG_FW_BYTES 0x5008       /* RW 32 its size */
#define BRGPU_REG_BOOT_COMMAND 0x500c   /* WO 32 BRGPU_BOOT_START or BRGPU_BOOT_HALT */
#define BRGPU_REG_BOOT_STATE 0x5010     /* RO 32 BRGPU_BOOT_STATE_* */
#define BRGPU_REG_BOOT_ERROR 0x5014     /* RO 32 enum brgpu_boot_error (firmware.h) of the last start */
#define BRGPU_REG_FW_VERSION 0x5018     /* RO 32 of the image that runs: major << 24 | minor << 16 | patch */
#define BRGPU_REG_FW_ROLLBACK 0x501c    /* RO 32 lowest rollback counter that the boot ROM accepts */
#define BRGPU_REG_HEARTBEAT 0x5020      /* RO 32 counts while the firmware lives */
#define BRGPU_REG_HEARTBEAT_MS 0x5024   /* RO 32 longest time between two counts, ms; 0 before the firmware runs */
#define BRGPU_REG_MBOX_REQ_WRITE 0x5030 /* RW 32 requests written by the driver, modulo 2^32; a write wakes the firmware */
#define BRGPU_REG_MBOX_REQ_READ 0x5034  /* RO 32 requests taken by the firmware */
#define BRGPU_REG_MBOX_RSP_WRITE 0x5038 /* RO 32 responses written by the firmware */
#define BRGPU_REG_MBOX_RSP_READ 0x503c  /* RW 32 responses taken by the driver */
#define BRGPU_REG_LOG_WRITTEN 0x5040    /* RO 32 bytes ever written to the log ring, modulo 2^32 */
#define BRGPU_REG_CRASH_VALID 0x5044    /* RO 32 1: the crash record is filled */

#define BRGPU_BOOT_START 1u
#define BRGPU_BOOT_HALT 2u

#define BRGPU_BOOT_STATE_OFF 0u
#define BRGPU_BOOT_STATE_CHECKING 1u /* the boot ROM reads and verifies the image */
#define BRGPU_BOOT_STATE_RUNNING 2u
#define BRGPU_BOOT_STATE_REFUSED 3u  /* BOOT_ERROR says why; START may be tried again */
#define BRGPU_BOOT_STATE_CRASHED 4u  /* the firmware trapped; crash record valid */
#define BRGPU_BOOT_STATE_HALTED 5u

/* Time, 0x6000 */
#define BRGPU_REG_TIMESTAMP 0x6000 /* RO 64 monotonic; not reset but by a function reset; stops with the machine */

/* Counters, 0x7000: since power-on or function reset, wrap at 2^64. LATCH copies all at once. */
#define BRGPU_REG_COUNTER_LATCH 0x7000        /* WO 32 any value: take a snapshot; the registers below show the last one */
#define BRGPU_REG_COUNTER_TIME 0x7008         /* RO 64 TIMESTAMP of the snapshot */
#define BRGPU_REG_COUNTER_COMPUTE_NS 0x7010   /* RO 64 time in which any compute work ran */
#define BRGPU_REG_COUNTER_COPY_NS 0x7018      /* RO 64 time in which any copy work ran */
#define BRGPU_REG_COUNTER_WORKER_NS 0x7020    /* RO 64 engine time, summed over the engines that work */
#define BRGPU_REG_COUNTER_INSTRUCTIONS 0x7028 /* RO 64 warp instructions */
#define BRGPU_REG_COUNTER_WORKGROUPS 0x7030   /* RO 64 workgroups finished */
#define BRGPU_REG_COUNTER_DISPATCHES 0x7038   /* RO 64 dispatches finished */
#define BRGPU_REG_COUNTER_COPY_BYTES 0x7040   /* RO 64 bytes written by copies and fills */
#define BRGPU_REG_COUNTER_TLB_MISSES 0x7048   /* RO 64 page-table walks */
#define BRGPU_REG_COUNTER_FAULTS 0x7050       /* RO 64 page faults */
#define BRGPU_REG_COUNTER_INTERRUPTS 0x7058   /* RO 64 interrupts raised */
#define BRGPU_REG_ECC_CORRECTED 0x7080        /* RO 64 VRAM, corrected */
#define BRGPU_REG_ECC_UNCORRECTED 0x7088      /* RO 64 VRAM, uncorrected */

/* 0x8000..0x8fff reserved for links, 0x9000..0x9fff partitions and virtual functions,
 * 0xa000..0xafff die-to-die, 0xb000..0xffff unassigned */

/* Shared memory of the controller, 0x10000: plain memory, 4- or 8-byte accesses */
#define BRGPU_MBOX_REQUESTS 0x10000u  /* BRGPU_MBOX_SLOTS messages, written by the driver */
#define BRGPU_MBOX_RESPONSES 0x10400u /* BRGPU_MBOX_SLOTS messages, written by the firmware */
#define BRGPU_FW_LOG 0x11000u         /* BRGPU_FW_LOG_BYTES, text, written by the firmware */
#define BRGPU_FW_CRASH 0x12000u       /* struct brgpu_fw_crash */
#define BRGPU_SHARED_BASE 0x10000u
#define BRGPU_SHARED_BYTES 0x4000u
#define BRGPU_MBOX_SLOTS 16u
#define BRGPU_FW_LOG_BYTES 4096u

/* Queues, 0x20000 + queue * 0x80; commands and states: queue.h */
#define BRGPU_REG_QUEUE(q) (0x20000 + (q) * 0x80)
#define BRGPU_QUEUE_DESC 0x00          /* RW 64 struct brgpu_hw_queue_desc, VM 0 address, 128-byte aligned */
#define BRGPU_QUEUE_COMMAND 0x08       /* WO 32 BRGPU_QUEUE_CMD_* */
#define BRGPU_QUEUE_STATUS 0x0c        /* RO 32 state in bits 3:0, BRGPU_QUEUE_BUSY */
#define BRGPU_QUEUE_READ_INDEX 0x10    /* RO 64 ring packets completed */
#define BRGPU_QUEUE_WRITE_INDEX 0x18   /* RO 64 write index as last seen */
#define BRGPU_QUEUE_ERROR 0x20         /* RO 32 enum brgpu_queue_error; kept until the next MAP */
#define BRGPU_QUEUE_FAULT_INFO 0x24    /* RO 32 info word of the fault record (events.h) */
#define BRGPU_QUEUE_FAULT_ADDRESS 0x28 /* RO 64 */
#define BRGPU_QUEUE_FAULT_PC 0x30      /* RO 64 shader pc, 0 where no shader faulted */
#define BRGPU_QUEUE_PACKET 0x38        /* RO 64 address of the packet that runs or failed */
#define BRGPU_QUEUE_DISPATCHES 0x40    /* RO 64 dispatches finished since MAP */
#define BRGPU_QUEUE_WORKGROUPS 0x48    /* RO 64 workgroups finished since MAP */
#define BRGPU_QUEUE_BUSY_NS 0x50       /* RO 64 engine time since MAP */
#define BRGPU_QUEUE_PROGRESS 0x58      /* RO 64 PROGRESS instructions since MAP */
#define BRGPU_QUEUE_SNAPSHOT_ADDRESS 0x60 /* RW 64 VM 0 address, 4 KiB aligned: for command SNAPSHOT (snapshot.h) */
#define BRGPU_QUEUE_SNAPSHOT_ROOM 0x68 /* RW 32 bytes there */
#define BRGPU_QUEUE_SNAPSHOT_WRITTEN 0x6c /* RO 32 bytes that the last SNAPSHOT wrote */
#define BRGPU_MAX_QUEUES 1024u

/* VM contexts, 0x40000 + vm * 0x10; format: mmu.h */
#define BRGPU_REG_VM_CONTEXT(vm) (0x40000 + (vm) * 0x10)
#define BRGPU_VM_ROOT 0x0   /* RW 64 root directory entry; takes effect for new page-table walks */
#define BRGPU_VM_CTRL 0x8   /* RW 32 BRGPU_VM_CTRL_* */
#define BRGPU_VM_STATUS 0xc /* W1C 32 BRGPU_VM_STATUS_* */
#define BRGPU_MAX_VMS 4096u
#define BRGPU_VM_CTRL_RETRY (1u << 0)     /* faults stall the queue until resumed; else they end its work */
#define BRGPU_VM_STATUS_FAULTED (1u << 0)

/* Doorbells, BAR 4: page p, slot s at p * 4096 + s * 8; 4- or 8-byte writes; reads give zero */
#define BRGPU_DOORBELL_PAGE_BYTES 4096u
#define BRGPU_DOORBELLS_A_PAGE 512u
#define BRGPU_DOORBELL_OFFSET(page, slot) ((page) * BRGPU_DOORBELL_PAGE_BYTES + (slot) * 8u)

#endif /* BRGPU_HW_REGS_H */
