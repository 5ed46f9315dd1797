// SPDX-License-Identifier: GPL-2.0
#include <linux/math64.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_fdinfo.h"
#include "brgpu_queue.h"

/**
 * DOC: fdinfo
 *
 * Keys of the kernel's drm-usage-stats. Engines are `compute` and `copy`: time in ns, and the same
 * in ticks of the card's TIMESTAMP, whose present value is the total. Memory regions are `vram` and
 * `system`: a buffer's total and shared bytes stand at the region that it is meant for (VRAM where
 * it may have it), its resident bytes where it lies, and none while it is swapped out. A buffer
 * whose handle is closed is counted as long as a mapping keeps it. Nothing is purgeable: clients
 * can't mark buffers so.
 */

enum fdinfo_region { REGION_SYSTEM, REGION_VRAM, REGIONS };

static void fdinfo_count(struct brgpu_bo *bo, struct drm_memory_stats *stats)
{
	const u64 bytes = bo->ttm.base.size;
	struct ttm_device *ttm = bo->ttm.bdev;
	struct ttm_resource *resource;
	const enum fdinfo_region home =
		bo->placements & DRM_BRGPU_PLACEMENT_VRAM ? REGION_VRAM : REGION_SYSTEM;
	u32 type = BRGPU_PL_SYSTEM;

	/* The resource changes under the reservation, and is freed under this lock. */
	spin_lock(&ttm->lru_lock);
	resource = bo->ttm.resource;
	if (resource)
		type = resource->mem_type;
	spin_unlock(&ttm->lru_lock);

	if (drm_gem_object_is_shared_for_memory_stats(&bo->ttm.base))
		stats[home].shared += bytes;
	else
		stats[home].private += bytes;
	/* TTM's system: swapped out, or about to be; the card does not reach it. */
	if (type != BRGPU_PL_SYSTEM)
		stats[type == BRGPU_PL_VRAM ? REGION_VRAM : REGION_SYSTEM].resident += bytes;
	if (!dma_resv_test_signaled(bo->ttm.base.resv, DMA_RESV_USAGE_BOOKKEEP))
		stats[home].active += bytes;
}

static void fdinfo_show_memory(struct drm_printer *p, struct drm_file *file)
{
	static const char * const regions[REGIONS] = { "system", "vram" };
	struct brgpu_file *priv = file->driver_priv;
	struct drm_memory_stats stats[REGIONS] = {};
	struct drm_gem_object *gem;
	struct brgpu_bo *bo;
	unsigned int i;
	int id;

	spin_lock(&file->table_lock);
	idr_for_each_entry(&file->object_idr, gem, id)
		fdinfo_count(gem_to_brgpu_bo(gem), stats);
	spin_unlock(&file->table_lock);

	spin_lock(&priv->brgpu->owners_lock);
	list_for_each_entry(bo, &priv->bos, owner_link) {
		if (!READ_ONCE(bo->ttm.base.handle_count))
			fdinfo_count(bo, stats);
	}
	spin_unlock(&priv->brgpu->owners_lock);

	for (i = 0; i < REGIONS; i++)
		drm_print_memory_stats(p, &stats[i],
				       BRGPU_GEM_OBJECT_ACTIVE | DRM_GEM_OBJECT_RESIDENT,
				       regions[i]);
}

void brgpu_fdinfo_show(struct drm_printer *p, struct drm_file *file)
{
	static const char * const engines[] = { "compute", "copy" };
	struct brgpu_file *priv = file->driver_priv;
	struct brgpu_device *brgpu = priv->brgpu;
	const u64 hz = brgpu->ident.timestamp_hz;
	u64 busy[ARRAY_SIZE(engines)], now = 0;
	struct brgpu_queue *queue;
	unsigned long id;
	unsigned int i;
	int idx;

	for (i = 0; i < ARRAY_SIZE(engines); i++)
		busy[i] = atomic64_read(&priv->busy_ns[i]);
	xa_lock(&priv->queues);
	xa_for_each(&priv->queues, id, queue)
		busy[brgpu_queue_class(queue)] += brgpu_queue_busy_ns(queue);
	xa_unlock(&priv->queues);
	if (drm_dev_enter(&brgpu->drm, &idx)) {
		now = brgpu_read64(brgpu, BRGPU_REG_TIMESTAMP);
		drm_dev_exit(idx);
	}
	for (i = 0; i < ARRAY_SIZE(engines); i++) {
		drm_printf(p, "drm-engine-%s:\t%llu ns\n", engines[i], busy[i]);
		drm_printf(p, "drm-cycles-%s:\t%llu\n", engines[i],
			   mul_u64_u64_div_u64(busy[i], hz, NSEC_PER_SEC));
		drm_printf(p, "drm-total-cycles-%s:\t%llu\n", engines[i], now);
	}
	fdinfo_show_memory(p, file);
}
