/* SPDX-License-Identifier: GPL-2.0 */
/* Suspend to memory, and hibernation. */
#ifndef BRGPU_PM_H
#define BRGPU_PM_H

#include <linux/pm.h>

extern const struct dev_pm_ops brgpu_pm_ops;

#endif /* BRGPU_PM_H */
