/* SPDX-License-Identifier: GPL-2.0 */
/* SIGNAL_MEM: a word in memory that tells a queue of fences. */
#ifndef BRGPU_SIGNAL_MEM_H
#define BRGPU_SIGNAL_MEM_H

#include <linux/list.h>
#include <linux/spinlock.h>

struct brgpu_file;
struct drm_device;
struct drm_file;

/* Of an open file: signals that are still to come. */
struct brgpu_signals {
	spinlock_t lock;	/* protects what follows */
	struct list_head list;
	u32 count;
};

void brgpu_signals_init(struct brgpu_file *file);
/* Drops those that are still to come. */
void brgpu_signals_fini(struct brgpu_file *file);

int brgpu_signal_mem_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* BRGPU_SIGNAL_MEM_H */
