// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/pci.h>
#include <linux/sysfs.h>

#include "brgpu_bo.h"
#include "brgpu_core_fw.h"
#include "brgpu_device.h"
#include "brgpu_hwmon.h"

/*
 * Attributes of the PCI device, described in docs/observability.md. They are the driver's
 * dev_groups, so they exist exactly while it is bound.
 */

static struct brgpu_device *dev_to_brgpu(struct device *dev)
{
	return pci_get_drvdata(to_pci_dev(dev));
}

static ssize_t serial_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%016llx\n", dev_to_brgpu(dev)->ident.serial);
}
static DEVICE_ATTR_RO(serial);

static ssize_t product_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", brgpu_core_ident_name(&dev_to_brgpu(dev)->ident));
}
static DEVICE_ATTR_RO(product);

static ssize_t firmware_version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const u32 version = dev_to_brgpu(dev)->fw.version;

	return sysfs_emit(buf, "%u.%u.%u\n", BRGPU_FW_VERSION_MAJOR(version),
			  BRGPU_FW_VERSION_MINOR(version), BRGPU_FW_VERSION_PATCH(version));
}
static DEVICE_ATTR_RO(firmware_version);

static ssize_t health_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct brgpu_device *brgpu = dev_to_brgpu(dev);

	return sysfs_emit(buf, "%s\n",
			  brgpu->wedged	 ? "wedged" :
			  brgpu->fw_dead ? "firmware dead" :
					   "ok");
}
static DEVICE_ATTR_RO(health);

static ssize_t peer_dma_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const char *why = brgpu_prime_no_peer_dma();

	return why ? sysfs_emit(buf, "no: %s\n", why) : sysfs_emit(buf, "yes\n");
}
static DEVICE_ATTR_RO(peer_dma);

static ssize_t vram_total_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", dev_to_brgpu(dev)->ident.vram_bytes);
}
static DEVICE_ATTR_RO(vram_total);

static ssize_t vram_used_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  ttm_resource_manager_usage(&dev_to_brgpu(dev)->vram_mgr.base));
}
static DEVICE_ATTR_RO(vram_used);

static struct attribute *brgpu_attrs[] = {
	&dev_attr_firmware_version.attr,
	&dev_attr_health.attr,
	&dev_attr_peer_dma.attr,
	&dev_attr_product.attr,
	&dev_attr_serial.attr,
	&dev_attr_vram_total.attr,
	&dev_attr_vram_used.attr,
	NULL
};

static const struct attribute_group brgpu_group = {
	.attrs = brgpu_attrs,
};

const struct attribute_group *brgpu_sysfs_groups[] = {
	&brgpu_group,
	NULL
};
