/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space: capabilities and what writes to them do. QEMU 7.2 has no helper for power
 * management and for links beyond x1, 2.5 GT/s, so these are laid out here.
 */
#include "brgpu-device.h"

#include "hw/pci/msix.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie.h"
#include "qapi/error.h"

/* The extended capabilities, one behind the other. */
#define AER_OFFSET    PCI_CONFIG_SPACE_SIZE
#define SERIAL_OFFSET (AER_OFFSET + PCI_ERR_SIZEOF)
#define ATS_OFFSET    (SERIAL_OFFSET + ROUND_UP(PCI_EXT_CAP_DSN_SIZEOF, 16))

/* The hardware's own link: PCI Express 5.0, 16 lanes. */
#define LINK_SPEED    PCI_EXP_LNKCAP_SLS_32_0GB
#define LINK_WIDTH    16
#define LINK_SPEEDS                                                                                \
    (PCI_EXP_LNKCAP2_SLS_2_5GB | PCI_EXP_LNKCAP2_SLS_5_0GB | PCI_EXP_LNKCAP2_SLS_8_0GB |           \
     PCI_EXP_LNKCAP2_SLS_16_0GB | PCI_EXP_LNKCAP2_SLS_32_0GB)

enum { POWER_D0 = 0, POWER_D3HOT = 3 };

/* What the card can do, and what it agreed on with the port above it. */
static void init_link(PCIDevice *pci) {
    uint8_t *cap = pci->config + pci->exp.exp_cap;
    PCIDevice *port = pci_get_bus(pci)->parent_dev;
    uint32_t speed = LINK_SPEED;
    uint32_t width = LINK_WIDTH;

    if (pcie_cap_get_type(pci) == PCI_EXP_TYPE_RC_END) {
        return; /* integrated in the root complex: there is no link */
    }
    pci_long_test_and_clear_mask(cap + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW);
    pci_long_test_and_set_mask(cap + PCI_EXP_LNKCAP, speed | (width << 4));
    pci_set_long(cap + PCI_EXP_LNKCAP2, LINK_SPEEDS);
    pci_set_word(cap + PCI_EXP_LNKCTL2, speed);

    if (port && pci_is_express(port) && port->exp.exp_cap) {
        uint32_t port_cap = pci_get_long(port->config + port->exp.exp_cap + PCI_EXP_LNKCAP);

        speed = MIN(speed, port_cap & PCI_EXP_LNKCAP_SLS);
        width = MIN(width, (port_cap & PCI_EXP_LNKCAP_MLW) >> 4);
    }
    pci_word_test_and_clear_mask(cap + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW);
    pci_word_test_and_set_mask(cap + PCI_EXP_LNKSTA, speed | (width << PCI_EXP_LNKSTA_NLW_SHIFT));
}

static bool init_power_management(PCIDevice *pci, Error **errp) {
    int pos = pci_add_capability(pci, PCI_CAP_ID_PM, 0, PCI_PM_SIZEOF, errp);

    if (pos < 0) {
        return false;
    }
    pci->exp.pm_cap = pos;
    pci_set_word(pci->config + pos + PCI_PM_PMC, 3); /* version 1.2; D0 and D3 only, no PME */
    pci_set_word(pci->config + pos + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(pci->wmask + pos + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    return true;
}

bool brgpu_config_init(BrgpuDevice *s, Error **errp) {
    PCIDevice *pci = PCI_DEVICE(s);
    int ret;

    pci_config_set_device_id(pci->config, s->info.pci_device);
    pci_config_set_revision(pci->config, s->info.pci_revision);
    pci_set_word(pci->config + PCI_SUBSYSTEM_VENDOR_ID, PCI_VENDOR_ID_QEMU);
    pci_set_word(pci->config + PCI_SUBSYSTEM_ID, s->info.pci_device);
    pci_config_set_interrupt_pin(pci->config, 0);

    if (!init_power_management(pci, errp)) {
        return false;
    }
    ret = pcie_endpoint_cap_init(pci, 0);
    if (ret < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return false;
    }
    init_link(pci);
    pcie_cap_deverr_init(pci);
    pcie_cap_lnkctl_init(pci);
    pcie_cap_flr_init(pci);

    if (pcie_aer_init(pci, PCI_ERR_VER, AER_OFFSET, PCI_ERR_SIZEOF, errp) < 0) {
        pcie_cap_exit(pci);
        return false;
    }
    pcie_dev_ser_num_init(pci, SERIAL_OFFSET, s->info.serial);
    if (s->ats) {
        pcie_ats_init(pci, ATS_OFFSET, true);
    }
    return true;
}

void brgpu_config_exit(BrgpuDevice *s) {
    PCIDevice *pci = PCI_DEVICE(s);

    pcie_aer_exit(pci);
    pcie_cap_exit(pci);
}

void brgpu_config_reset(BrgpuDevice *s) {
    PCIDevice *pci = PCI_DEVICE(s);

    pcie_cap_deverr_reset(pci);
    pcie_cap_lnkctl_reset(pci);
    pci_word_test_and_clear_mask(pci->config + pci->exp.pm_cap + PCI_PM_CTRL,
                                 PCI_PM_CTRL_STATE_MASK);
    brgpu_device_set_powered_down(s, false);
}

uint32_t brgpu_config_read(PCIDevice *pci, uint32_t addr, int len) {
    if (BRGPU_DEVICE(pci)->surprise_removed) {
        return len >= 4 ? UINT32_MAX : (1u << (8 * len)) - 1;
    }
    return pci_default_read_config(pci, addr, len);
}

static void update_power_state(BrgpuDevice *s, unsigned int old_state) {
    PCIDevice *pci = PCI_DEVICE(s);
    uint8_t *ctrl = pci->config + pci->exp.pm_cap + PCI_PM_CTRL;
    unsigned int state = pci_get_word(ctrl) & PCI_PM_CTRL_STATE_MASK;

    /* A write that asks for a state the function lacks is completed and changes nothing. */
    if (state != POWER_D0 && state != POWER_D3HOT) {
        pci_word_test_and_clear_mask(ctrl, PCI_PM_CTRL_STATE_MASK);
        pci_word_test_and_set_mask(ctrl, old_state);
        return;
    }
    brgpu_device_set_powered_down(s, state == POWER_D3HOT);
}

void brgpu_config_write(PCIDevice *pci, uint32_t addr, uint32_t value, int len) {
    BrgpuDevice *s = BRGPU_DEVICE(pci);
    unsigned int old_state;

    if (s->surprise_removed) {
        return;
    }
    old_state = pci_get_word(pci->config + pci->exp.pm_cap + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK;
    pci_default_write_config(pci, addr, value, len);
    update_power_state(s, old_state);
    pcie_cap_flr_write_config(pci, addr, value, len);
    pcie_aer_write_config(pci, addr, value, len);
}
