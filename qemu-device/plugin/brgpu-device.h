/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One BR1xx card on a PCI Express bus of QEMU: the glue between QEMU's device model and
 * libbrgpu-model.so. docs/qemu-device.md describes the device from the outside.
 *
 * Locks. "BQL" is QEMU's big lock. Code here runs
 *  - under the BQL: QOM and PCI callbacks, MMIO, memory listeners, bottom halves;
 *  - on the model's worker threads, without it: the brgpu_model_host_ops callbacks. These never
 *    take the BQL; what needs it is posted to a bottom half (BrgpuDma's queue, the vector bitmap).
 * Nothing under the BQL waits for a worker, unless the worker cannot need the BQL by then.
 */
#ifndef BRGPU_QEMU_DEVICE_H
#define BRGPU_QEMU_DEVICE_H

#include "qemu/osdep.h"

#include "exec/memory.h"
#include "hw/pci/pci.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qom/object.h"
#include "sysemu/runstate.h"

#include "brgpu/model.h"

#define TYPE_BRGPU_DEVICE "brgpu-device"
OBJECT_DECLARE_TYPE(BrgpuDevice, BrgpuDeviceClass, BRGPU_DEVICE)

/* What an MSI-X table can hold (PCI_MSIX_FLAGS_QSIZE + 1). */
#define BRGPU_MAX_VECTORS 2048

typedef struct BrgpuRamTable BrgpuRamTable;
typedef struct BrgpuDmaRequest BrgpuDmaRequest;

/* System memory as this card sees it; see dma.c. */
typedef struct BrgpuDma {
    AddressSpace *as;
    /* The card whose pointers into memory are dropped on a change; NULL: none to tell. BQL. */
    brgpu_model *model;

    MemoryListener listener;
    MemoryListener target_listener;
    GArray *sections;      /* BrgpuRamRange, as the listener reports them; BQL */
    GList *iommus;         /* BrgpuIommu; BQL */
    bool sections_changed; /* BQL */
    bool sections_removed; /* BQL */
    bool target_removed;   /* BQL */
    bool ats;

    BrgpuRamTable *table; /* read under RCU, replaced under the BQL */

    QemuMutex iotlb_lock; /* iotlb; a leaf lock */
    GHashTable *iotlb;    /* page and direction -> BrgpuIotlbEntry */

    QemuMutex lock; /* the fields below; a leaf lock */
    QemuCond done;
    QSIMPLEQ_HEAD(, BrgpuDmaRequest) queue;
    bool stopping; /* requests fail at once */
    QEMUBH *bh;
} BrgpuDma;

typedef struct BrgpuLog {
    QemuMutex lock;
    int64_t window_start_ns;
    unsigned int window_lines;
    unsigned int suppressed;
} BrgpuLog;

struct BrgpuDeviceClass {
    PCIDeviceClass parent_class;
    const char *product;
};

struct BrgpuDevice {
    PCIDevice parent_obj;

    /* User's properties; constant once realized. */
    uint64_t vram_bytes;
    uint64_t aperture_bytes;
    uint32_t workers;
    bool deterministic;
    uint32_t queues;
    uint64_t serial;
    bool ats;

    /* NULL before realize and after unrealize or exit. Changed under the BQL. */
    brgpu_model *model;
    struct brgpu_model_info info;
    GHashTable *early_properties; /* name -> value, set before the model exists */

    MemoryRegion bar_registers;
    MemoryRegion bar_vram; /* all ones, with vram on top: the aperture may be the larger */
    MemoryRegion vram;
    MemoryRegion bar_doorbells;
    MemoryRegion covers[3]; /* on top of the BARs while the card doesn't answer */

    BrgpuDma dma;
    BrgpuLog log;

    QEMUBH *vector_bh;
    DECLARE_BITMAP(pending_vectors, BRGPU_MAX_VECTORS);

    bool surprise_removed;
    bool powered_down; /* D3hot */
    bool machine_stopped;
    VMChangeStateEntry *vm_state;
    Notifier exit_notifier;
};

/* True while nothing on the bus gets an answer from the card's memory. */
static inline bool brgpu_device_absent(const BrgpuDevice *s) {
    return s->surprise_removed || s->powered_down || !s->model;
}

/* device.c */
void brgpu_device_register_types(void);
void brgpu_device_set_surprise_removed(BrgpuDevice *s, bool removed);
/* A power state change in the PM capability: D0 or D3hot. */
void brgpu_device_set_powered_down(BrgpuDevice *s, bool down);

/* config.c: capabilities and configuration space */
bool brgpu_config_init(BrgpuDevice *s, Error **errp);
void brgpu_config_exit(BrgpuDevice *s);
void brgpu_config_reset(BrgpuDevice *s);
uint32_t brgpu_config_read(PCIDevice *pci, uint32_t addr, int len);
void brgpu_config_write(PCIDevice *pci, uint32_t addr, uint32_t value, int len);

/* cpu-memory-map.c: may be called again; under the BQL. */
void brgpu_cpu_memory_maps_init(void);

/*
 * dma.c. _init to _destroy bracket the model's life: callbacks may come from its creation on.
 * _stop makes every request of a worker fail at once, for good; _cancel only those that wait now.
 * _serve answers the waiting ones; all under the BQL.
 */
void brgpu_dma_init(BrgpuDma *dma, AddressSpace *as, bool ats);
void brgpu_dma_attach(BrgpuDma *dma, brgpu_model *model);
void brgpu_dma_stop(BrgpuDma *dma);
void brgpu_dma_cancel(BrgpuDma *dma);
void brgpu_dma_serve(BrgpuDma *dma);
void brgpu_dma_destroy(BrgpuDma *dma);
/* From workers: the semantics of the callbacks of the same name in brgpu/model.h. */
void *brgpu_dma_map(BrgpuDma *dma, uint64_t addr, size_t *len, bool write);
void brgpu_dma_unmap(BrgpuDma *dma, void *ptr, size_t len, bool write, size_t accessed);
int brgpu_dma_access(BrgpuDma *dma, uint64_t addr, void *buf, size_t len, bool write);

/* log.c: any thread */
void brgpu_log_init(BrgpuLog *log);
void brgpu_log_destroy(BrgpuLog *log);
void brgpu_log_text(BrgpuLog *log, const char *card, int level, const char *text);

/* properties.c: the model's run-time properties as QOM string properties */
void brgpu_properties_add(ObjectClass *klass);
bool brgpu_properties_apply_early(BrgpuDevice *s, Error **errp);

/* types.c: what the loader calls; NULL or a line that says why not. */
__attribute__((visibility("default"))) const char *brgpu_qemu_register_types(void);

#endif /* BRGPU_QEMU_DEVICE_H */
