/* SPDX-License-Identifier: MIT */
/*
 * The flat C ABI of the device model (libbrgpu-model.so): one virtual card per handle.
 *
 * Who uses it: the QEMU plugin (a card on a PCI bus) and the UMD's model backend (a card inside the
 * process, through dlopen()). Both see the same registers, page tables and queues.
 *
 * There is no process-global state: every call takes the card's handle, and cards don't know of
 * each other.
 *
 * Threads. brgpu_model_mmio_read/_mmio_write/_doorbell may be called from any thread at any time
 * between create and destroy; they store and wake, and never wait for a worker. Functions marked
 * [rest] bring the card's workers to rest and must not be called from a host callback. Host
 * callbacks marked [worker] run on the model's own threads, many at once.
 */
#ifndef BRGPU_MODEL_H
#define BRGPU_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BRGPU_MODEL_ABI_VERSION 1u

#if defined(__GNUC__)
#define BRGPU_MODEL_API __attribute__((visibility("default")))
#else
#define BRGPU_MODEL_API
#endif

typedef struct brgpu_model brgpu_model;

/* BARs by their index in the PCI header (64-bit BARs: 0, 2, 4). */
enum brgpu_model_bar {
    BRGPU_MODEL_BAR_REGISTERS = 0,
    BRGPU_MODEL_BAR_VRAM = 2,
    BRGPU_MODEL_BAR_DOORBELLS = 4,
};

enum brgpu_model_log_level {
    BRGPU_MODEL_LOG_ERROR = 0, /* the model itself failed */
    BRGPU_MODEL_LOG_GUEST = 1, /* the driver or a shader did something the contract forbids */
    BRGPU_MODEL_LOG_INFO = 2,
    BRGPU_MODEL_LOG_TRACE = 3,
};

enum brgpu_model_reset {
    /* Function-level reset, bus reset and power-on: everything, VRAM cleared. */
    BRGPU_MODEL_RESET_FUNCTION = 0,
    /* As the driver's RESET register command "device": everything but VRAM content. */
    BRGPU_MODEL_RESET_DEVICE = 1,
};

/*
 * What the model asks of its host. `ctx` is the pointer given to brgpu_model_create().
 * All callbacks except `log` are mandatory. None may call back into the model.
 */
struct brgpu_model_host_ops {
    size_t struct_size; /* sizeof(struct brgpu_model_host_ops) */

    /*
     * [worker] Direct pointer to system memory at device address `addr` (what the driver got from
     * its DMA API). On entry *len is the wanted length, on return the length that is contiguous
     * behind the pointer, 1 or more. NULL: not RAM, not accessible for this direction, or bus
     * mastering is off; then dma_read/dma_write decide. Each success is paired with one dma_unmap.
     * Cheap enough to be called for every page touched: the host caches.
     */
    void *(*dma_map)(void *ctx, uint64_t addr, size_t *len, int write);
    void (*dma_unmap)(void *ctx, void *ptr, size_t len, int write, size_t accessed);
    /* [worker] Access that need not be RAM. 0, or -1: the bus answered with an error. */
    int (*dma_read)(void *ctx, uint64_t addr, void *buf, size_t len);
    int (*dma_write)(void *ctx, uint64_t addr, const void *buf, size_t len);
    /* [worker] MSI-X vector. May defer; must not block. Order with earlier dma_write is kept. */
    void (*raise_vector)(void *ctx, unsigned int vector);
    /* [worker] Device time, ns, monotonic, stops while the host machine is stopped. */
    uint64_t (*clock_ns)(void *ctx);
    /* [worker] First and last call of each model thread, so that the host can register it (RCU). */
    void (*thread_enter)(void *ctx);
    void (*thread_exit)(void *ctx);
    /* Optional. `text` has no newline. */
    void (*log)(void *ctx, int level, const char *text);
};

struct brgpu_model_config {
    size_t struct_size;      /* sizeof(struct brgpu_model_config) */
    uint32_t abi_version;    /* BRGPU_MODEL_ABI_VERSION */
    const char *product;     /* "br106", "br110", "br166" */
    uint64_t vram_bytes;     /* 0: the product's; else a multiple of 2 MiB, at least 16 MiB */
    uint64_t aperture_bytes; /* BAR 2, power of two; 0: smallest power of two that holds VRAM */
    /*
     * VRAM that the host provides (vram_bytes long, page aligned, shared mapping where the host
     * wants to map it elsewhere), or NULL: the model makes its own memfd (brgpu_model_vram_fd()).
     */
    void *vram;
    uint32_t workers;       /* engine threads; 0: one per online CPU, at most 16 */
    uint32_t deterministic; /* 1: one worker, fixed order, for debugging and differential tests */
    uint64_t serial;        /* serial number in the identity registers; 0: derived from product */
    uint32_t queues;        /* queue slots, 2 or more; 0: the product's, which is the most */
};

/*
 * Creates a card in the power-on state. On failure returns NULL and writes one line that says why
 * into err (if err_size > 0).
 */
BRGPU_MODEL_API brgpu_model *brgpu_model_create(const struct brgpu_model_config *config,
                                                const struct brgpu_model_host_ops *ops, void *ctx,
                                                char *err, size_t err_size);
/* [rest] Stops all threads and frees the card. NULL is ignored. */
BRGPU_MODEL_API void brgpu_model_destroy(brgpu_model *model);

/* Facts for the PCI glue; constant over the card's life. */
struct brgpu_model_info {
    size_t struct_size;
    const char *product;
    uint16_t pci_device; /* 0xb106, 0xb110, 0xb166 (vendor 0x1234) */
    uint8_t pci_revision;
    uint64_t bar_bytes[6]; /* by BAR index; 0: absent */
    uint32_t msix_vectors;
    uint64_t msix_table_offset; /* in BAR 0 */
    uint64_t msix_pba_offset;   /* in BAR 0 */
    uint64_t vram_bytes;
    void *vram;
    uint64_t serial;
};
/* Fills the first info->struct_size bytes. Returns 0, or -1 for a struct_size of 0. */
BRGPU_MODEL_API int brgpu_model_get_info(const brgpu_model *model, struct brgpu_model_info *info);
/* The memfd behind VRAM, owned by the model; -1 where the host provided the memory. */
BRGPU_MODEL_API int brgpu_model_vram_fd(const brgpu_model *model);

/*
 * Register access in BAR 0, except the MSI-X table and PBA, which are the host's. size is 1, 2, 4
 * or 8; what unknown offsets and wrong sizes do is in brgpu/hw/regs.h.
 */
BRGPU_MODEL_API uint64_t brgpu_model_mmio_read(brgpu_model *model, uint64_t offset,
                                               unsigned int size);
BRGPU_MODEL_API void brgpu_model_mmio_write(brgpu_model *model, uint64_t offset, uint64_t value,
                                            unsigned int size);
/* A write to BAR 4 at byte `offset`. */
BRGPU_MODEL_API void brgpu_model_doorbell(brgpu_model *model, uint64_t offset, uint64_t value,
                                          unsigned int size);

/*
 * The host dropped or changed its address space (memory listener, IOMMU unmap, bus master): when
 * this returns, the model holds no pointer from dma_map() into [addr, addr + len). len 0: all.
 */
BRGPU_MODEL_API void brgpu_model_dma_invalidate(brgpu_model *model, uint64_t addr, uint64_t len);

/*
 * Workers stop at the next safe point and stay there until resume. Pause only asks;
 * brgpu_model_is_paused() tells when all are at rest (so a host that holds a lock the workers may
 * need can wait without it). Pauses nest.
 */
BRGPU_MODEL_API void brgpu_model_pause(brgpu_model *model);
BRGPU_MODEL_API int brgpu_model_is_paused(brgpu_model *model);
BRGPU_MODEL_API void brgpu_model_resume(brgpu_model *model);

/*
 * Reset of the given kind (enum brgpu_model_reset). Asks the workers to drop their work and
 * returns without waiting for them: registers show reset values at once, and no DMA or interrupt of
 * the time before leaves the card after this returns.
 */
BRGPU_MODEL_API void brgpu_model_reset(brgpu_model *model, int kind);

/*
 * Properties: faults on demand and statistics, by name, at run time. docs/faults.md lists them.
 * The value is text ("1", "on", "0x1000", "vm=3,address=0x1000"). set: 0, or -1 with a line in err.
 * get: writes the value, returns its length without the terminator (as snprintf), or -1.
 */
BRGPU_MODEL_API int brgpu_model_property_set(brgpu_model *model, const char *name,
                                             const char *value, char *err, size_t err_size);
BRGPU_MODEL_API int brgpu_model_property_get(brgpu_model *model, const char *name, char *value,
                                             size_t value_size);
/* The i-th property's name and one-line help; NULL past the end. Static strings. */
BRGPU_MODEL_API const char *brgpu_model_property_name(unsigned int i, const char **help,
                                                      int *writable);

/* BRGPU_MODEL_ABI_VERSION of the library that is loaded. */
BRGPU_MODEL_API uint32_t brgpu_model_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_MODEL_H */
