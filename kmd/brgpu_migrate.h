/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's copy queue: clears new memory and moves buffers. */
#ifndef BRGPU_MIGRATE_H
#define BRGPU_MIGRATE_H

#include <linux/mutex.h>
#include <linux/types.h>

struct brgpu_device;
struct brgpu_hwq;
struct ttm_resource;
struct ttm_tt;

struct brgpu_migrate {
	/* One transfer at a time. Protects packets and count. */
	struct mutex lock;
	struct brgpu_hwq *hwq;
	void *packets;
	u32 count;
};

int brgpu_migrate_init(struct brgpu_device *brgpu);
void brgpu_migrate_fini(struct brgpu_device *brgpu);
/* Maps the queue again after an engine reset; the caller holds reset_lock. */
int brgpu_migrate_restart(struct brgpu_device *brgpu);

/*
 * Both wait until done. -EIO: the queue is stopped; -ETIMEDOUT: it had to be; -ENODEV: card gone.
 */
int brgpu_migrate_clear(struct brgpu_device *brgpu, struct ttm_resource *vram, u64 bytes);
int brgpu_migrate_copy(struct brgpu_device *brgpu, struct ttm_resource *vram, struct ttm_tt *tt,
		       u64 bytes, bool to_vram);

#endif /* BRGPU_MIGRATE_H */
