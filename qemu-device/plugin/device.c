/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI device: BARs, interrupts, the model's life and the states of QEMU that it follows.
 */
#include "brgpu-device.h"

#include "hw/pci/msix.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/host-utils.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "sysemu/sysemu.h"

#define CLASS_PROCESSING_ACCELERATOR 0x1200

/* How long `stop` waits for workers before it says that they are late. */
#define STOP_PATIENCE_US             (2 * G_USEC_PER_SEC)
#define STOP_POLL_US                 50

/* ---- what the model asks of us; workers ---- */

static void *host_dma_map(void *ctx, uint64_t addr, size_t *len, int write) {
    BrgpuDevice *s = ctx;

    return brgpu_dma_map(&s->dma, addr, len, write != 0);
}

static void host_dma_unmap(void *ctx, void *ptr, size_t len, int write, size_t accessed) {
    BrgpuDevice *s = ctx;

    brgpu_dma_unmap(&s->dma, ptr, len, write != 0, accessed);
}

static int host_dma_read(void *ctx, uint64_t addr, void *buf, size_t len) {
    BrgpuDevice *s = ctx;

    return brgpu_dma_access(&s->dma, addr, buf, len, false);
}

static int host_dma_write(void *ctx, uint64_t addr, const void *buf, size_t len) {
    BrgpuDevice *s = ctx;

    return brgpu_dma_access(&s->dma, addr, (void *)buf, len, true);
}

static void host_raise_vector(void *ctx, unsigned int vector) {
    BrgpuDevice *s = ctx;

    if (vector < s->info.msix_vectors) {
        set_bit_atomic(vector, s->pending_vectors);
        qemu_bh_schedule(s->vector_bh);
    }
}

static uint64_t host_clock_ns(void *ctx) {
    (void)ctx;
    return (uint64_t)qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static void host_thread_enter(void *ctx) {
    (void)ctx;
    rcu_register_thread();
}

static void host_thread_exit(void *ctx) {
    (void)ctx;
    rcu_unregister_thread();
}

static void host_log(void *ctx, int level, const char *text) {
    BrgpuDevice *s = ctx;

    brgpu_log_text(&s->log, object_get_typename(OBJECT(s)), level, text);
}

static const struct brgpu_model_host_ops host_ops = {
    .struct_size = sizeof(struct brgpu_model_host_ops),
    .dma_map = host_dma_map,
    .dma_unmap = host_dma_unmap,
    .dma_read = host_dma_read,
    .dma_write = host_dma_write,
    .raise_vector = host_raise_vector,
    .clock_ns = host_clock_ns,
    .thread_enter = host_thread_enter,
    .thread_exit = host_thread_exit,
    .log = host_log,
};

static void deliver_vectors(void *opaque) {
    BrgpuDevice *s = opaque;
    PCIDevice *pci = PCI_DEVICE(s);

    for (unsigned int word = 0; word < BITS_TO_LONGS(s->info.msix_vectors); word++) {
        unsigned long raised = qatomic_xchg(&s->pending_vectors[word], 0);

        while (raised) {
            unsigned int bit = ctzl(raised);

            raised &= raised - 1;
            if (msix_enabled(pci) && !brgpu_device_absent(s)) {
                msix_notify(pci, word * BITS_PER_LONG + bit);
            }
        }
    }
}

static void drop_vectors(BrgpuDevice *s) {
    for (unsigned int word = 0; word < BITS_TO_LONGS(BRGPU_MAX_VECTORS); word++) {
        qatomic_set(&s->pending_vectors[word], 0);
    }
}

/* ---- BARs ---- */

static uint64_t all_ones(unsigned int size) {
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

static uint64_t absent_read(void *opaque, hwaddr addr, unsigned int size) {
    (void)opaque;
    (void)addr;
    return all_ones(size);
}

static void absent_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size) {
    (void)opaque;
    (void)addr;
    (void)value;
    (void)size;
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned int size) {
    BrgpuDevice *s = opaque;

    return s->model ? brgpu_model_mmio_read(s->model, addr, size) : all_ones(size);
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size) {
    BrgpuDevice *s = opaque;

    if (s->model) {
        brgpu_model_mmio_write(s->model, addr, value, size);
    }
}

/* Doorbells are written only; what a read gives is said by the hardware reference: 0. */
static uint64_t doorbells_read(void *opaque, hwaddr addr, unsigned int size) {
    BrgpuDevice *s = opaque;

    (void)addr;
    return s->model ? 0 : all_ones(size);
}

static void doorbells_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size) {
    BrgpuDevice *s = opaque;

    if (s->model) {
        brgpu_model_doorbell(s->model, addr, value, size);
    }
}

/* Odd sizes and alignments reach the model: what they do is part of the contract. */
#define BAR_OPS(read_function, write_function)                                                     \
    {                                                                                              \
        .read = (read_function),                                                                   \
        .write = (write_function),                                                                 \
        .endianness = DEVICE_LITTLE_ENDIAN,                                                        \
        .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},                  \
        .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},                   \
    }

static const MemoryRegionOps absent_ops = BAR_OPS(absent_read, absent_write);
static const MemoryRegionOps register_ops = BAR_OPS(registers_read, registers_write);
static const MemoryRegionOps doorbell_ops = BAR_OPS(doorbells_read, doorbells_write);

/* Covers a BAR with all ones, switched on while the card doesn't answer. */
static void add_cover(BrgpuDevice *s, MemoryRegion *cover, MemoryRegion *bar) {
    memory_region_init_io(cover, OBJECT(s), &absent_ops, s, "brgpu-absent",
                          memory_region_size(bar));
    memory_region_set_enabled(cover, false);
    memory_region_add_subregion_overlap(bar, 0, cover, 16);
}

static void update_presence(BrgpuDevice *s) {
    memory_region_transaction_begin();
    for (unsigned int i = 0; i < ARRAY_SIZE(s->covers); i++) {
        memory_region_set_enabled(&s->covers[i], brgpu_device_absent(s));
    }
    memory_region_transaction_commit();
}

/*
 * The aperture: VRAM itself, which the guest reaches without exits. It is the model's memory mapped
 * a second time, so that its life is QEMU's affair: another device's DMA may hold on to it after
 * this card is unplugged.
 */
static bool init_vram_bar(BrgpuDevice *s, Error **errp) {
    uint64_t aperture = s->info.bar_bytes[BRGPU_MODEL_BAR_VRAM];
    uint64_t visible = MIN(aperture, s->info.vram_bytes);
    Error *err = NULL;
    int fd = fcntl(brgpu_model_vram_fd(s->model), F_DUPFD_CLOEXEC, 0);

    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot share the model's VRAM");
        return false;
    }
    memory_region_init_ram_from_fd(&s->vram, OBJECT(s), "brgpu-vram", visible,
                                   RAM_SHARED | RAM_NORESERVE, fd, 0, &err);
    if (err) {
        close(fd);
        error_propagate(errp, err);
        return false;
    }
    memory_region_init_io(&s->bar_vram, OBJECT(s), &absent_ops, s, "brgpu-aperture", aperture);
    memory_region_add_subregion(&s->bar_vram, 0, &s->vram);
    return true;
}

static bool check_info(const struct brgpu_model_info *info, Error **errp) {
    static const int bars[] = {BRGPU_MODEL_BAR_REGISTERS, BRGPU_MODEL_BAR_VRAM,
                               BRGPU_MODEL_BAR_DOORBELLS};
    uint64_t registers = info->bar_bytes[BRGPU_MODEL_BAR_REGISTERS];

    for (unsigned int i = 0; i < ARRAY_SIZE(bars); i++) {
        if (!is_power_of_2(info->bar_bytes[bars[i]])) {
            error_setg(errp,
                       "the model gives BAR %d a size of 0x%" PRIx64 ", which is no power of two",
                       bars[i], info->bar_bytes[bars[i]]);
            return false;
        }
    }
    if (info->msix_vectors == 0 || info->msix_vectors > BRGPU_MAX_VECTORS ||
        info->msix_table_offset >= registers || info->msix_pba_offset >= registers) {
        error_setg(errp, "the model's MSI-X table (%" PRIu32 " vectors) does not fit BAR 0",
                   info->msix_vectors);
        return false;
    }
    return true;
}

static bool init_bars(BrgpuDevice *s, Error **errp) {
    PCIDevice *pci = PCI_DEVICE(s);
    uint8_t memory64 = PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64;

    if (!init_vram_bar(s, errp)) {
        return false;
    }
    memory_region_init_io(&s->bar_registers, OBJECT(s), &register_ops, s, "brgpu-registers",
                          s->info.bar_bytes[BRGPU_MODEL_BAR_REGISTERS]);
    memory_region_init_io(&s->bar_doorbells, OBJECT(s), &doorbell_ops, s, "brgpu-doorbells",
                          s->info.bar_bytes[BRGPU_MODEL_BAR_DOORBELLS]);
    add_cover(s, &s->covers[0], &s->bar_registers);
    add_cover(s, &s->covers[1], &s->bar_vram);
    add_cover(s, &s->covers[2], &s->bar_doorbells);
    pci_register_bar(pci, BRGPU_MODEL_BAR_REGISTERS, memory64, &s->bar_registers);
    pci_register_bar(pci, BRGPU_MODEL_BAR_VRAM, memory64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
                     &s->bar_vram);
    pci_register_bar(pci, BRGPU_MODEL_BAR_DOORBELLS, memory64, &s->bar_doorbells);
    return true;
}

/* A region that is added to another holds a reference to its owner, this device. */
static void remove_subregions(BrgpuDevice *s) {
    memory_region_del_subregion(&s->bar_vram, &s->vram);
    memory_region_del_subregion(&s->bar_registers, &s->covers[0]);
    memory_region_del_subregion(&s->bar_vram, &s->covers[1]);
    memory_region_del_subregion(&s->bar_doorbells, &s->covers[2]);
}

static bool init_msix(BrgpuDevice *s, Error **errp) {
    PCIDevice *pci = PCI_DEVICE(s);

    if (msix_init(pci, s->info.msix_vectors, &s->bar_registers, BRGPU_MODEL_BAR_REGISTERS,
                  s->info.msix_table_offset, &s->bar_registers, BRGPU_MODEL_BAR_REGISTERS,
                  s->info.msix_pba_offset, 0, errp) < 0) {
        return false;
    }
    for (unsigned int vector = 0; vector < s->info.msix_vectors; vector++) {
        msix_vector_use(pci, vector);
    }
    return true;
}

/*
 * Instead of msix_uninit(), which frees the tables at once: a vCPU that reached a region before it
 * was unmapped may still wait for the BQL. They go with the device, which such a vCPU keeps alive.
 */
static void unmap_msix(BrgpuDevice *s) {
    PCIDevice *pci = PCI_DEVICE(s);

    memory_region_del_subregion(&s->bar_registers, &pci->msix_table_mmio);
    memory_region_del_subregion(&s->bar_registers, &pci->msix_pba_mmio);
    pci->msix_function_masked = true; /* nothing is sent for such a write any more */
}

static void free_msix(PCIDevice *pci) {
    if (msix_present(pci)) {
        g_clear_pointer(&pci->msix_table, g_free);
        g_clear_pointer(&pci->msix_pba, g_free);
        g_clear_pointer(&pci->msix_entry_used, g_free);
    }
}

/* ---- states of the card and of the machine ---- */

static void set_paused(BrgpuDevice *s, bool *cause, bool pause) {
    if (*cause == pause) {
        return;
    }
    *cause = pause;
    if (!s->model) {
        return;
    }
    if (pause) {
        brgpu_model_pause(s->model);
    } else {
        brgpu_model_resume(s->model);
    }
}

void brgpu_device_set_powered_down(BrgpuDevice *s, bool down) {
    if (s->powered_down != down) {
        set_paused(s, &s->powered_down, down);
        update_presence(s);
    }
}

void brgpu_device_set_surprise_removed(BrgpuDevice *s, bool removed) {
    if (s->surprise_removed == removed) {
        return;
    }
    set_paused(s, &s->surprise_removed, removed);
    if (!s->model) {
        return; /* not realized yet: realize looks at the flag */
    }
    if (removed) {
        /* The bus is gone for the card, too. */
        memory_region_set_enabled(&PCI_DEVICE(s)->bus_master_enable_region, false);
        brgpu_dma_cancel(&s->dma);
        drop_vectors(s);
    } else {
        pci_device_reset(PCI_DEVICE(s));
    }
    update_presence(s);
}

/*
 * Waits until no worker touches guest memory any more. They may need the BQL, which is held here,
 * only for their DMA requests, so these are answered meanwhile.
 */
static void wait_for_rest(BrgpuDevice *s) {
    for (int64_t waited = 0; !brgpu_model_is_paused(s->model); waited += STOP_POLL_US) {
        if (waited >= STOP_PATIENCE_US) {
            warn_report("%s: still working %d ms after the machine was stopped",
                        object_get_typename(OBJECT(s)),
                        (int)(STOP_PATIENCE_US * 1000 / G_USEC_PER_SEC));
            return;
        }
        brgpu_dma_serve(&s->dma);
        g_usleep(STOP_POLL_US);
    }
}

static void machine_state_changed(void *opaque, bool running, RunState state) {
    BrgpuDevice *s = opaque;

    (void)state;
    if (!s->model) {
        return;
    }
    set_paused(s, &s->machine_stopped, !running);
    if (!running) {
        wait_for_rest(s);
    }
}

static void device_reset(DeviceState *dev) {
    BrgpuDevice *s = BRGPU_DEVICE(dev);

    brgpu_config_reset(s);
    if (s->model) {
        brgpu_model_reset(s->model, BRGPU_MODEL_RESET_FUNCTION);
    }
    brgpu_dma_cancel(&s->dma);
    drop_vectors(s);
}

/* ---- life ---- */

static bool create_model(BrgpuDevice *s, Error **errp) {
    char why[256] = "no reason given";
    struct brgpu_model_config config = {
        .struct_size = sizeof(config),
        .abi_version = BRGPU_MODEL_ABI_VERSION,
        .product = BRGPU_DEVICE_GET_CLASS(s)->product,
        .vram_bytes = s->vram_bytes,
        .aperture_bytes = s->aperture_bytes,
        .workers = s->workers,
        .deterministic = s->deterministic,
        .queues = s->queues,
        .serial = s->serial,
    };

    s->model = brgpu_model_create(&config, &host_ops, s, why, sizeof(why));
    if (!s->model) {
        error_setg(errp, "%s", why);
        return false;
    }
    s->info.struct_size = sizeof(s->info);
    if (brgpu_model_get_info(s->model, &s->info) < 0) {
        error_setg(errp, "the model tells nothing about itself");
        return false;
    }
    return check_info(&s->info, errp);
}

/*
 * Joins the workers, with the BQL held: from brgpu_dma_stop() on none of them can need it.
 */
static void destroy_model(BrgpuDevice *s) {
    brgpu_model *model = s->model;

    if (model) {
        brgpu_dma_stop(&s->dma);
        brgpu_dma_attach(&s->dma, NULL);
        s->model = NULL;
        brgpu_model_destroy(model);
    }
}

/* exit() runs destructors of libraries that the workers use, so the workers have to be gone. */
static void qemu_exits(Notifier *notifier, void *data) {
    (void)data;
    destroy_model(container_of(notifier, BrgpuDevice, exit_notifier));
}

static void realize(PCIDevice *pci, Error **errp) {
    BrgpuDevice *s = BRGPU_DEVICE(pci);

#ifndef BRGPU_QEMU_IN_TREE
    brgpu_cpu_memory_maps_init();
#endif
    brgpu_log_init(&s->log);
    s->vector_bh = qemu_bh_new(deliver_vectors, s);
    brgpu_dma_init(&s->dma, pci_get_address_space(pci), s->ats);
    if (!create_model(s, errp) || !brgpu_properties_apply_early(s, errp)) {
        goto no_model;
    }
    brgpu_dma_attach(&s->dma, s->model);
    if (!brgpu_config_init(s, errp)) {
        goto no_model;
    }
    if (!init_bars(s, errp)) {
        goto no_bars;
    }
    if (!init_msix(s, errp)) {
        goto no_msix;
    }

    if (s->surprise_removed) {
        brgpu_model_pause(s->model);
    }
    update_presence(s);
    set_paused(s, &s->machine_stopped, !runstate_is_running());
    s->vm_state = qdev_add_vm_change_state_handler(DEVICE(s), machine_state_changed, s);
    s->exit_notifier.notify = qemu_exits;
    qemu_add_exit_notifier(&s->exit_notifier);
    return;

no_msix:
    remove_subregions(s);
no_bars:
    brgpu_config_exit(s);
no_model:
    destroy_model(s);
    brgpu_dma_destroy(&s->dma);
    qemu_bh_delete(s->vector_bh);
    brgpu_log_destroy(&s->log);
}

static void unrealize(PCIDevice *pci) {
    BrgpuDevice *s = BRGPU_DEVICE(pci);

    qemu_remove_exit_notifier(&s->exit_notifier);
    qemu_del_vm_change_state_handler(s->vm_state);
    destroy_model(s);
    unmap_msix(s);
    remove_subregions(s);
    brgpu_config_exit(s);
    brgpu_dma_destroy(&s->dma);
    qemu_bh_delete(s->vector_bh);
    brgpu_log_destroy(&s->log);
}

static void instance_init(Object *obj) {
    BrgpuDevice *s = BRGPU_DEVICE(obj);

    s->early_properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    /* Without it the bus takes the card for a conventional one, with 256 bytes of configuration. */
    PCI_DEVICE(obj)->cap_present |= QEMU_PCI_CAP_EXPRESS;
}

static void instance_finalize(Object *obj) {
    free_msix(PCI_DEVICE(obj));
    g_hash_table_destroy(BRGPU_DEVICE(obj)->early_properties);
}

static Property properties[] = {
    DEFINE_PROP_SIZE("vram", BrgpuDevice, vram_bytes, 0),
    DEFINE_PROP_SIZE("aperture", BrgpuDevice, aperture_bytes, 0),
    DEFINE_PROP_UINT32("workers", BrgpuDevice, workers, 0),
    DEFINE_PROP_BOOL("deterministic", BrgpuDevice, deterministic, false),
    DEFINE_PROP_UINT64("serial", BrgpuDevice, serial, 0),
    DEFINE_PROP_UINT32("queues", BrgpuDevice, queues, 0),
    DEFINE_PROP_BOOL("ats", BrgpuDevice, ats, false),
    DEFINE_PROP_END_OF_LIST(),
};

static const VMStateDescription unmigratable = {
    .name = TYPE_BRGPU_DEVICE,
    .unmigratable = 1,
};

static void base_class_init(ObjectClass *klass, void *data) {
    DeviceClass *device = DEVICE_CLASS(klass);
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(klass);

    (void)data;
    pci->realize = realize;
    pci->exit = unrealize;
    pci->config_read = brgpu_config_read;
    pci->config_write = brgpu_config_write;
    pci->vendor_id = PCI_VENDOR_ID_QEMU;
    pci->class_id = CLASS_PROCESSING_ACCELERATOR;
    device->reset = device_reset;
    device->vmsd = &unmigratable;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, properties);
    brgpu_properties_add(klass);
}

static void product_class_init(ObjectClass *klass, void *data) {
    BRGPU_DEVICE_CLASS(klass)->product = data;
    DEVICE_CLASS(klass)->desc = "BR1xx-class compute card (virtual)";
}

static const TypeInfo base_type = {
    .name = TYPE_BRGPU_DEVICE,
    .parent = TYPE_PCI_DEVICE,
    .abstract = true,
    .instance_size = sizeof(BrgpuDevice),
    .instance_init = instance_init,
    .instance_finalize = instance_finalize,
    .class_size = sizeof(BrgpuDeviceClass),
    .class_init = base_class_init,
    .interfaces = (InterfaceInfo[]){{INTERFACE_PCIE_DEVICE}, {}},
};

void brgpu_device_register_types(void) {
    static const char *const products[] = {"br106", "br110", "br166"};

    type_register_static(&base_type);
    for (unsigned int i = 0; i < ARRAY_SIZE(products); i++) {
        TypeInfo product = {
            .name = products[i],
            .parent = TYPE_BRGPU_DEVICE,
            .class_init = product_class_init,
            .class_data = (void *)products[i],
        };

        type_register(&product);
    }
}
