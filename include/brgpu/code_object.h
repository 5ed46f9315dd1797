/* SPDX-License-Identifier: MIT */
/*
 * Code objects: the contract between brgpu-cc (and other compilers) and the UMD's loader.
 *
 * A code object is an ELF64 little-endian RISC-V file of type ET_DYN, position-independent, with no
 * needed libraries and only R_RISCV_RELATIVE and R_RISCV_64 (to its own defined symbols)
 * relocations. PT_LOAD segments are loaded at one base, at least 64 KiB aligned; writable segments
 * are program-scope variables, shared by all kernels of the loaded object. Segment alignment is at
 * most 64 KiB and no page holds two segments of different rights.
 *
 * For each kernel NAME the object has
 *   - a struct brgpu_kernel_desc (brgpu/hw/isa.h), global symbol `NAME.kd`, in a loaded read-only
 *     segment, 64-byte aligned;
 *   - a note in section `.note.brgpu`: ELF note header, name "BRGPU", type BRGPU_NOTE_KERNEL,
 *     descriptor: struct brgpu_note_kernel, then arg_count times struct brgpu_note_arg, then a
 *     string table of NUL-terminated strings, `string_bytes` long.
 * The loader believes nothing of it unchecked.
 */
#ifndef BRGPU_CODE_OBJECT_H
#define BRGPU_CODE_OBJECT_H

#include "hw/types.h"

#define BRGPU_NOTE_NAME         "BRGPU" /* namesz 6 */
#define BRGPU_NOTE_KERNEL       1u

#define BRGPU_NOTE_VERSION      1u
#define BRGPU_MAX_KERNEL_ARGS   256u
#define BRGPU_MAX_KERNARG_BYTES 4096u

enum brgpu_arg_kind {
    BRGPU_ARG_VALUE = 0,  /* scalar, vector or struct, `size` bytes at `offset` */
    BRGPU_ARG_GLOBAL = 1, /* 64-bit address in the VM (global or constant memory) */
    BRGPU_ARG_LOCAL = 2,  /* 64-bit address in the local aperture; the launch gives a byte count */
    /* Filled by the UMD, not seen by the caller: */
    BRGPU_ARG_PRINTF = 3, /* 64-bit address of the struct brgpu_printf_ring, or 0 */
};

#define BRGPU_ARG_CONST    (1u << 0) /* pointee is const */
#define BRGPU_ARG_VOLATILE (1u << 1)
#define BRGPU_ARG_RESTRICT (1u << 2)

struct brgpu_note_kernel {
    uint16_t version;      /* BRGPU_NOTE_VERSION */
    uint16_t struct_bytes; /* sizeof(struct brgpu_note_kernel) */
    uint16_t arg_bytes;    /* sizeof(struct brgpu_note_arg) */
    uint16_t arg_count;
    uint32_t name;       /* offset in the string table: the kernel's name, without .kd */
    uint32_t attributes; /* offset in the string table: OpenCL attributes as text, may be "" */
    uint32_t kernarg_bytes;
    uint32_t string_bytes;
    uint16_t required_workgroup[3]; /* reqd_work_group_size; 0, 0, 0: any */
    uint16_t pad;                   /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_note_kernel, 32);

struct brgpu_note_arg {
    uint8_t kind;       /* enum brgpu_arg_kind */
    uint8_t flags;      /* BRGPU_ARG_* flags */
    uint16_t align;     /* of the value in the kernarg block; for LOCAL of the memory */
    uint32_t offset;    /* in the kernarg block */
    uint32_t size;      /* bytes in the kernarg block */
    uint32_t name;      /* offset in the string table */
    uint32_t type_name; /* offset in the string table */
    uint32_t pad;       /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_note_arg, 24);

/*
 * printf: records that lanes append and the UMD prints after (and, for a hung kernel, before) the
 * end of the dispatch. A lane claims 8 + words * 8 bytes by an atomic add to
 * `claimed`; a record that doesn't fit is not written, and `claimed` beyond `capacity` tells that
 * output was lost. A record: u32 words (written last, with release order; 0 means not yet
 * complete), u32 zero, u64 address of the format string in the VM, then `words` - 1 64-bit
 * arguments: integers sign- or zero-extended by their type, floating point as f64, %s as an address
 * in the VM; a vector gives one argument an element.
 */
struct brgpu_printf_ring {
    uint64_t claimed;  /* bytes behind this header that have been claimed */
    uint64_t capacity; /* bytes behind this header */
};
BRGPU_ASSERT_SIZE(struct brgpu_printf_ring, 16);

#endif /* BRGPU_CODE_OBJECT_H */
