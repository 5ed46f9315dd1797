/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the device types known to the running QEMU, once it is sure that both sides agree on the
 * layout of what they share. The loader has compared versions by then; this notices a build against
 * headers that were configured differently.
 */
#include "brgpu-device.h"

#include "hw/pci/pci_bus.h"
#include "hw/qdev-core.h"
#include "qemu/module.h"

/* A device of QEMU's own whose class fields are well known. */
#define REFERENCE_TYPE   "edu"
#define REFERENCE_VENDOR PCI_VENDOR_ID_QEMU
#define REFERENCE_DEVICE 0x11e8

static bool same_class_layout(void) {
    ObjectClass *klass = object_class_by_name(REFERENCE_TYPE);
    PCIDeviceClass *pci = klass ? PCI_DEVICE_CLASS(klass) : NULL;

    return !pci || (pci->vendor_id == REFERENCE_VENDOR && pci->device_id == REFERENCE_DEVICE &&
                    pci->realize != NULL && pci->config_read == NULL && pci->romfile == NULL);
}

const char *brgpu_qemu_register_types(void) {
    static bool registered;
    static char why[256];

    if (registered) {
        return NULL;
    }
    const struct {
        const char *type;
        size_t size;
    } embedded[] = {
        {TYPE_OBJECT, sizeof(Object)},
        {TYPE_DEVICE, sizeof(DeviceState)},
        {TYPE_PCI_DEVICE, sizeof(PCIDevice)},
        {TYPE_PCI_BUS, sizeof(PCIBus)},
        {TYPE_MEMORY_REGION, sizeof(MemoryRegion)},
        {TYPE_IOMMU_MEMORY_REGION, sizeof(IOMMUMemoryRegion)},
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(embedded); i++) {
        size_t actual = object_class_by_name(embedded[i].type)
                            ? object_type_get_instance_size(embedded[i].type)
                            : 0;

        if (actual != embedded[i].size) {
            snprintf(why, sizeof(why),
                     "type '%s' has %zu bytes in this QEMU and %zu in the headers built against; "
                     "rebuild against the headers of this QEMU",
                     embedded[i].type, actual, embedded[i].size);
            return why;
        }
    }
    if (!same_class_layout()) {
        return "the layout of PCIDeviceClass differs from the headers built against; rebuild "
               "against the headers of this QEMU";
    }
    if (brgpu_model_abi_version() != BRGPU_MODEL_ABI_VERSION) {
        snprintf(why, sizeof(why),
                 "libbrgpu-model.so speaks ABI %u and this plugin %u; install both from one build",
                 brgpu_model_abi_version(), BRGPU_MODEL_ABI_VERSION);
        return why;
    }
    brgpu_device_register_types();
    registered = true;
    return NULL;
}

#ifdef BRGPU_QEMU_IN_TREE
type_init(brgpu_device_register_types)
#endif
