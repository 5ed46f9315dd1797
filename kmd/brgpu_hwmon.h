/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BRGPU_HWMON_H
#define BRGPU_HWMON_H

struct brgpu_device;

/* Reads the firmware's sensors into brgpu->sensors. Sleeps. */
void brgpu_hwmon_update(struct brgpu_device *brgpu);
/* Registers the hwmon device, which goes with the card's device. */
int brgpu_hwmon_init(struct brgpu_device *brgpu);
/* sysfs attributes of the PCI device: brgpu_sysfs.c */
extern const struct attribute_group *brgpu_sysfs_groups[];
/* debugfs files: brgpu_debugfs.c */
struct drm_minor;
void brgpu_debugfs_init(struct drm_minor *minor);

#endif /* BRGPU_HWMON_H */
