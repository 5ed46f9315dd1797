/* SPDX-License-Identifier: GPL-2.0 */
/* VRAM and system memory as TTM resource managers. */
#ifndef BRGPU_VRAM_MGR_H
#define BRGPU_VRAM_MGR_H

#include <linux/mutex.h>

#include <drm/ttm/ttm_resource.h>

#include "brgpu_compat.h"

#define BRGPU_PL_SYSTEM	TTM_PL_SYSTEM	/* not accessible by the card */
#define BRGPU_PL_TT	TTM_PL_TT	/* system memory */
#define BRGPU_PL_VRAM	TTM_PL_VRAM

struct brgpu_device;

struct brgpu_vram_mgr {
	struct ttm_resource_manager base;
	/* Protects mm and visible_used. */
	struct mutex lock;
	struct gpu_buddy mm;
	u64 visible_bytes;	/* what the CPU can reach, from address 0 */
	u64 visible_used;
	/* Counts what was freed: buffers that found no room may look again. */
	atomic64_t frees;
	struct ttm_resource_manager tt;
};

struct brgpu_vram_resource {
	struct ttm_resource base;
	struct list_head blocks;	/* gpu_buddy_block */
	u64 visible_used;
};

static inline struct brgpu_vram_resource *to_brgpu_vram_resource(struct ttm_resource *res)
{
	return container_of(res, struct brgpu_vram_resource, base);
}

int brgpu_vram_mgr_init(struct brgpu_device *brgpu);
void brgpu_vram_mgr_fini(struct brgpu_device *brgpu);
/* Whether all of a VRAM resource can be reached by the CPU. */
bool brgpu_vram_mgr_is_visible(struct brgpu_device *brgpu, struct ttm_resource *res);

/* Calls fn for each contiguous piece of [offset, offset + bytes) of a VRAM resource. */
int brgpu_vram_mgr_for_each(struct brgpu_device *brgpu, struct ttm_resource *res, u64 offset,
			    u64 bytes, int (*fn)(void *ctx, u64 address, u64 bytes), void *ctx);

#endif /* BRGPU_VRAM_MGR_H */
