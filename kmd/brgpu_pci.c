// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_hwmon.h"
#include "brgpu_pci.h"
#include "brgpu_pm.h"
#include "brgpu_reset.h"
#include "brgpu_userptr.h"

/*
 * A card that was pulled out and put back, or reset, without the kernel being told comes without
 * its addresses, and nothing answers where the kernel believes it to be.
 */
static int pci_check_bars(struct pci_dev *pdev)
{
	static const int bars[] = { BRGPU_BAR_REGISTERS, BRGPU_BAR_VRAM, BRGPU_BAR_DOORBELLS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bars); i++) {
		const int where = PCI_BASE_ADDRESS_0 + bars[i] * 4;
		struct pci_bus_region wanted;
		u32 low = 0, high = 0;
		u64 found;

		pcibios_resource_to_bus(pdev->bus, &wanted, &pdev->resource[bars[i]]);
		pci_read_config_dword(pdev, where, &low);
		pci_read_config_dword(pdev, where + 4, &high);
		found = (u64)high << 32 | (low & PCI_BASE_ADDRESS_MEM_MASK);
		if (found == wanted.start)
			continue;
		dev_err(&pdev->dev,
			"BAR %d is at 0x%llx on the card and at 0x%llx for the kernel: the card was pulled out or reset behind the kernel's back. Have it found anew: echo 1 > /sys/bus/pci/devices/%s/remove; echo 1 > /sys/bus/pci/rescan\n",
			bars[i], found, (u64)wanted.start, pci_name(pdev));
		return -ENODEV;
	}
	return 0;
}

static int pci_map_bars(struct brgpu_device *brgpu, struct pci_dev *pdev)
{
	const resource_size_t vram_bytes = pci_resource_len(pdev, BRGPU_BAR_VRAM);
	int ret;

	if (pci_resource_len(pdev, BRGPU_BAR_REGISTERS) < BRGPU_BAR0_BYTES || !vram_bytes ||
	    pci_resource_len(pdev, BRGPU_BAR_DOORBELLS) < BRGPU_DOORBELL_PAGE_BYTES) {
		dev_err(&pdev->dev,
			"BARs are missing or too small: the machine's firmware gave them no room (try pci=realloc, or a larger bridge window)\n");
		return -ENODEV;
	}
	ret = pci_check_bars(pdev);
	if (ret)
		return ret;
	ret = pcim_request_all_regions(pdev, "brgpu");
	if (ret)
		return ret;

	brgpu->regs = devm_ioremap(&pdev->dev, pci_resource_start(pdev, BRGPU_BAR_REGISTERS),
				   BRGPU_BAR0_BYTES);
	brgpu->doorbells = devm_ioremap(&pdev->dev, pci_resource_start(pdev, BRGPU_BAR_DOORBELLS),
					pci_resource_len(pdev, BRGPU_BAR_DOORBELLS));
	if (!brgpu->regs || !brgpu->doorbells)
		return -ENOMEM;

	/* No more than the card says that it shows, and no more than the BAR has. */
	brgpu->vram_mapped = min_t(u64, vram_bytes, brgpu_read64(brgpu, BRGPU_REG_APERTURE_BYTES));
	brgpu->vram_phys = pci_resource_start(pdev, BRGPU_BAR_VRAM);
	brgpu->vram = devm_ioremap_wc(&pdev->dev, brgpu->vram_phys, brgpu->vram_mapped);
	if (!brgpu->vram)
		return -ENOMEM;
	return 0;
}

static int brgpu_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct brgpu_device *brgpu;
	int ret;

	brgpu = devm_drm_dev_alloc(&pdev->dev, &brgpu_drm_driver, struct brgpu_device, drm);
	if (IS_ERR(brgpu))
		return PTR_ERR(brgpu);
	pci_set_drvdata(pdev, brgpu);

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = pci_map_bars(brgpu, pdev);
	if (ret)
		return ret;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);

	ret = brgpu_device_init(brgpu);
	if (ret)
		goto clear_master;
	ret = brgpu_hwmon_init(brgpu);
	if (ret)
		drm_warn(&brgpu->drm, "no hwmon: %pe\n", ERR_PTR(ret));
	ret = drm_dev_register(&brgpu->drm, 0);
	if (ret) {
		drm_dev_unplug(&brgpu->drm);
		brgpu_device_stop(brgpu);
		goto clear_master;
	}
	/* What a reset of the slot gives back. */
	pci_save_state(pdev);
	brgpu_device_start_watch(brgpu);
	return 0;

clear_master:
	pci_clear_master(pdev);
	return ret;
}

static void brgpu_pci_remove(struct pci_dev *pdev)
{
	struct brgpu_device *brgpu = pci_get_drvdata(pdev);

	/*
	 * Waits until nobody is at the hardware, and keeps everybody out; user mappings are taken
	 * down.
	 */
	drm_dev_unplug(&brgpu->drm);
	brgpu_device_stop(brgpu);
	/* What clients keep must not be mapped any more when an IOMMU lets go of the card. */
	brgpu_userptrs_revoke(brgpu);
	brgpu_prime_revoke(brgpu);
	ttm_device_clear_dma_mappings(&brgpu->ttm);
	brgpu_dma_revoke(brgpu);
	pci_clear_master(pdev);
}

static void brgpu_pci_shutdown(struct pci_dev *pdev)
{
	/* Kexec and reboot: the card must not write into the next kernel's memory. */
	brgpu_pci_remove(pdev);
}

/*
 * Errors of the bus (AER), and resets by sysfs. What was on the card while it was away is gone:
 * queues with work are LOST, and VRAM is taken for cleared.
 */
static pci_ers_result_t brgpu_pci_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct brgpu_device *brgpu = pci_get_drvdata(pdev);

	switch (state) {
	case pci_channel_io_normal:
		drm_warn(&brgpu->drm, "an error of the bus that lost nothing\n");
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		drm_err(&brgpu->drm, "an error of the bus: the slot is going to be reset\n");
		brgpu_reset_prepare(brgpu);
		pci_clear_master(pdev);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		brgpu_device_wedge(brgpu, "the bus has given it up");
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static pci_ers_result_t brgpu_pci_mmio_enabled(struct pci_dev *pdev)
{
	return brgpu_device_is_gone(pci_get_drvdata(pdev)) ? PCI_ERS_RESULT_NEED_RESET :
							     PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t brgpu_pci_slot_reset(struct pci_dev *pdev)
{
	struct brgpu_device *brgpu = pci_get_drvdata(pdev);

	/* Asked for by mmio_enabled() only. */
	brgpu_reset_prepare(brgpu);
	pci_restore_state(pdev);
	pci_save_state(pdev);
	pci_set_master(pdev);
	return brgpu_reset_done(brgpu, true) ? PCI_ERS_RESULT_DISCONNECT : PCI_ERS_RESULT_RECOVERED;
}

static void brgpu_pci_resume(struct pci_dev *pdev)
{
	struct brgpu_device *brgpu = pci_get_drvdata(pdev);

	drm_warn(&brgpu->drm, "recovered from an error of the bus\n");
}

static void brgpu_pci_reset_prepare(struct pci_dev *pdev)
{
	struct brgpu_device *brgpu = pci_get_drvdata(pdev);

	if (brgpu_reset_is_own(brgpu))
		return;
	drm_warn(&brgpu->drm, "somebody resets the card\n");
	brgpu_reset_prepare(brgpu);
}

static void brgpu_pci_reset_done(struct pci_dev *pdev)
{
	struct brgpu_device *brgpu = pci_get_drvdata(pdev);

	if (!brgpu_reset_is_own(brgpu) && !brgpu_reset_done(brgpu, true))
		drm_warn(&brgpu->drm, "the card is back from its reset\n");
}

static const struct pci_error_handlers brgpu_pci_errors = {
	.error_detected = brgpu_pci_error_detected,
	.mmio_enabled = brgpu_pci_mmio_enabled,
	.slot_reset = brgpu_pci_slot_reset,
	.resume = brgpu_pci_resume,
	.reset_prepare = brgpu_pci_reset_prepare,
	.reset_done = brgpu_pci_reset_done,
};

static const struct pci_device_id brgpu_pci_ids[] = {
	{ PCI_DEVICE(BRGPU_PCI_VENDOR, BRGPU_PRODUCT_BR106) },
	{ PCI_DEVICE(BRGPU_PCI_VENDOR, BRGPU_PRODUCT_BR110) },
	{ PCI_DEVICE(BRGPU_PCI_VENDOR, BRGPU_PRODUCT_BR166) },
	{ }
};
MODULE_DEVICE_TABLE(pci, brgpu_pci_ids);

static struct pci_driver brgpu_pci_driver = {
	.name = "brgpu",
	.id_table = brgpu_pci_ids,
	.probe = brgpu_pci_probe,
	.remove = brgpu_pci_remove,
	.shutdown = brgpu_pci_shutdown,
	.err_handler = &brgpu_pci_errors,
	.driver.pm = pm_sleep_ptr(&brgpu_pm_ops),
	.dev_groups = brgpu_sysfs_groups,
};

int brgpu_pci_register(void)
{
	return pci_register_driver(&brgpu_pci_driver);
}

void brgpu_pci_unregister(void)
{
	pci_unregister_driver(&brgpu_pci_driver);
}
