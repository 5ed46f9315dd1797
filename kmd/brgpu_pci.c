// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_hwmon.h"
#include "brgpu_pci.h"
#include "brgpu_userptr.h"

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
