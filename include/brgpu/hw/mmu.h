/* SPDX-License-Identifier: MIT */
/*
 * Address spaces and page tables.
 *
 * A VM has a 48-bit space and 4 levels of 512 entries of 8 bytes, 4 KiB a table: level 3 (root,
 * VA 47:39), 2 (38:30), 1 (29:21), 0 (20:12). An address with a bit above 47 set never reaches the
 * MMU as a packet's or descriptor's address: it faults (shader apertures: isa.h).
 *
 * An entry of level 0 is a page of 4 KiB. At levels 1 and 2 the LEAF bit makes it a page of 2 MiB
 * or 1 GiB, else it is the address of the next table. CONTIGUOUS on 16 aligned level-0 entries that
 * map 64 KiB of contiguous, 64 KiB aligned memory with equal rights says that they may be cached
 * as one; the MMU trusts it.
 *
 * The TLB caches leaf entries and directory entries of any level; it never caches an invalid entry.
 * A changed or removed entry may be used until an invalidation that covers it has completed; no
 * access that began before is then still using it, and tables that it named may be freed. Making an
 * invalid entry valid needs no invalidation. Rights may be widened without one: the MMU walks again
 * before it reports a fault.
 *
 * VM 0 is the kernel's and is used by the rings, descriptors and completion values of kernel queues.
 * It needs no page table:
 *   VA [0, VRAM bytes)      VRAM
 *   VA bit 47 set           system memory at DMA address VA & ~(1 << 47)
 *   VA bit 46 set, 47 clear translated by VM 0's page table, if it has a root
 * Everything in VM 0's direct ranges is readable and writable, and not executable.
 */
#ifndef BRGPU_HW_MMU_H
#define BRGPU_HW_MMU_H

#include "types.h"

#define BRGPU_VA_BITS 48
#define BRGPU_DMA_BITS 47
#define BRGPU_PAGE_SHIFT 12
#define BRGPU_PAGE_BYTES BRGPU_U64(0x1000)
#define BRGPU_PT_LEVELS 4
#define BRGPU_PT_ENTRIES 512
#define BRGPU_PT_BYTES 4096
/* Bytes that an entry of the level covers. */
#define BRGPU_PT_SPAN_SHIFT(level) (BRGPU_PAGE_SHIFT + 9 * (level))

#define BRGPU_VM0_SYSTEM (BRGPU_U64(1) << 47)
#define BRGPU_VM0_MAPPED (BRGPU_U64(1) << 46)

/*
 * Entry bits. A directory entry uses VALID, APERTURE (VRAM or SYSTEM) and ADDRESS; its other bits
 * but the software ones must be zero. VM_ROOT has the format of a directory entry. An entry with a
 * reserved bit set, or an aperture that the VM may not use, faults (BRGPU_FAULT_ENTRY).
 */
#define BRGPU_PTE_VALID (BRGPU_U64(1) << 0)
#define BRGPU_PTE_READ (BRGPU_U64(1) << 1)
#define BRGPU_PTE_WRITE (BRGPU_U64(1) << 2)
#define BRGPU_PTE_EXEC (BRGPU_U64(1) << 3)
#define BRGPU_PTE_ATOMIC (BRGPU_U64(1) << 4) /* AMOs and LR/SC; needs READ and WRITE */
#define BRGPU_PTE_APERTURE_SHIFT 5
#define BRGPU_PTE_APERTURE_MASK (BRGPU_U64(3) << 5)
#define BRGPU_PTE_VRAM (BRGPU_U64(0) << 5)   /* ADDRESS is an offset in VRAM */
#define BRGPU_PTE_SYSTEM (BRGPU_U64(1) << 5) /* ADDRESS is a DMA address */
#define BRGPU_PTE_PEER (BRGPU_U64(2) << 5)   /* ADDRESS in a peer card's window; reserved for links */
#define BRGPU_PTE_COHERENT (BRGPU_U64(1) << 7) /* snoops CPU caches; system memory only */
#define BRGPU_PTE_LEAF (BRGPU_U64(1) << 8)     /* levels 1 and 2: a large page; level 0: must be zero */
#define BRGPU_PTE_NULL (BRGPU_U64(1) << 9)     /* no memory behind: reads give zero, writes vanish; ADDRESS zero */
#define BRGPU_PTE_CONTIGUOUS (BRGPU_U64(1) << 10) /* level 0 only: one of 16 entries of a 64 KiB page */
#define BRGPU_PTE_ADDRESS_MASK BRGPU_U64(0x000ffffffffff000)
#define BRGPU_PTE_SOFTWARE_MASK (BRGPU_U64(0x7f) << 52) /* ignored by the hardware */
#define BRGPU_PTE_RESERVED_MASK ((BRGPU_U64(1) << 11) | (BRGPU_U64(0x1f) << 59))

/* Access kinds, as a mask in fault records. */
#define BRGPU_ACCESS_READ 1u
#define BRGPU_ACCESS_WRITE 2u
#define BRGPU_ACCESS_EXEC 4u
#define BRGPU_ACCESS_ATOMIC 8u

#endif /* BRGPU_HW_MMU_H */
