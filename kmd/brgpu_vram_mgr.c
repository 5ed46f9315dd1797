// SPDX-License-Identifier: GPL-2.0
#include <drm/drm_buddy.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_placement.h>

#include "brgpu_device.h"
#include "brgpu_vram_mgr.h"

/**
 * DOC: VRAM
 *
 * A buddy allocator in pages over all of VRAM. The CPU sees VRAM from address 0 to the aperture's
 * end; buffers that it never maps are placed from the top, so that the visible part stays free for
 * those that it does.
 */

static struct brgpu_vram_mgr *to_vram_mgr(struct ttm_resource_manager *man)
{
	return container_of(man, struct brgpu_vram_mgr, base);
}

static u64 resource_visible_bytes(struct brgpu_vram_mgr *mgr, struct brgpu_vram_resource *vres)
{
	struct gpu_buddy_block *block;
	u64 visible = 0;

	list_for_each_entry(block, &vres->blocks, link) {
		const u64 start = gpu_buddy_block_offset(block);
		const u64 end = start + gpu_buddy_block_size(&mgr->mm, block);

		if (start < mgr->visible_bytes)
			visible += min(end, mgr->visible_bytes) - start;
	}
	return visible;
}

static int vram_mgr_alloc(struct ttm_resource_manager *man, struct ttm_buffer_object *bo,
			  const struct ttm_place *place, struct ttm_resource **res)
{
	struct brgpu_vram_mgr *mgr = to_vram_mgr(man);
	struct brgpu_vram_resource *vres;
	unsigned long flags = 0;
	u64 end, size;
	int ret;

	end = place->lpfn ? (u64)place->lpfn << PAGE_SHIFT : man->size;
	end = min(end, man->size);
	/* Of no use to evict for what never fits. */
	if (bo->base.size > end - ((u64)place->fpfn << PAGE_SHIFT))
		return -ENOSPC;

	vres = kzalloc(sizeof(*vres), GFP_KERNEL);
	if (!vres)
		return -ENOMEM;
	INIT_LIST_HEAD(&vres->blocks);
	ttm_resource_init(bo, place, &vres->base);

	if (ttm_resource_manager_usage(man) > man->size) {
		ret = -ENOSPC;
		goto err_fini;
	}

	size = vres->base.size;
	if (place->fpfn || end != man->size)
		flags |= GPU_BUDDY_RANGE_ALLOCATION;
	if (place->flags & TTM_PL_FLAG_TOPDOWN)
		flags |= GPU_BUDDY_TOPDOWN_ALLOCATION;

	mutex_lock(&mgr->lock);
	ret = gpu_buddy_alloc_blocks(&mgr->mm, (u64)place->fpfn << PAGE_SHIFT, end, size, PAGE_SIZE,
				     &vres->blocks, flags);
	if (!ret) {
		vres->visible_used = resource_visible_bytes(mgr, vres);
		mgr->visible_used += vres->visible_used;
	}
	mutex_unlock(&mgr->lock);
	if (ret)
		goto err_fini;

	vres->base.start = gpu_buddy_block_offset(list_first_entry(&vres->blocks,
								   struct gpu_buddy_block, link)) >>
			   PAGE_SHIFT;
	*res = &vres->base;
	return 0;

err_fini:
	ttm_resource_fini(man, &vres->base);
	kfree(vres);
	return ret;
}

static void vram_mgr_free(struct ttm_resource_manager *man, struct ttm_resource *res)
{
	struct brgpu_vram_resource *vres = to_brgpu_vram_resource(res);
	struct brgpu_vram_mgr *mgr = to_vram_mgr(man);

	mutex_lock(&mgr->lock);
	gpu_buddy_free_list(&mgr->mm, &vres->blocks, 0);
	mgr->visible_used -= vres->visible_used;
	mutex_unlock(&mgr->lock);
	atomic64_inc(&mgr->frees);
	ttm_resource_fini(man, res);
	kfree(vres);
}

static bool vram_mgr_intersects(struct ttm_resource_manager *man, struct ttm_resource *res,
				const struct ttm_place *place, size_t size)
{
	struct brgpu_vram_resource *vres = to_brgpu_vram_resource(res);
	struct brgpu_vram_mgr *mgr = to_vram_mgr(man);
	struct gpu_buddy_block *block;

	if (!place->fpfn && !place->lpfn)
		return true;
	list_for_each_entry(block, &vres->blocks, link) {
		const u64 start = gpu_buddy_block_offset(block) >> PAGE_SHIFT;
		const u64 end = start + (gpu_buddy_block_size(&mgr->mm, block) >> PAGE_SHIFT);

		if (place->fpfn < end && (!place->lpfn || place->lpfn > start))
			return true;
	}
	return false;
}

static bool vram_mgr_compatible(struct ttm_resource_manager *man, struct ttm_resource *res,
				const struct ttm_place *place, size_t size)
{
	struct brgpu_vram_resource *vres = to_brgpu_vram_resource(res);
	struct brgpu_vram_mgr *mgr = to_vram_mgr(man);
	struct gpu_buddy_block *block;

	if (!place->fpfn && !place->lpfn)
		return true;
	list_for_each_entry(block, &vres->blocks, link) {
		const u64 start = gpu_buddy_block_offset(block) >> PAGE_SHIFT;
		const u64 end = start + (gpu_buddy_block_size(&mgr->mm, block) >> PAGE_SHIFT);

		if (start < place->fpfn || (place->lpfn && end > place->lpfn))
			return false;
	}
	return true;
}

static void vram_mgr_debug(struct ttm_resource_manager *man, struct drm_printer *printer)
{
	struct brgpu_vram_mgr *mgr = to_vram_mgr(man);

	mutex_lock(&mgr->lock);
	drm_printf(printer, "visible: %llu KiB, used %llu KiB\n", mgr->visible_bytes >> 10,
		   mgr->visible_used >> 10);
	drm_buddy_print(&mgr->mm, printer);
	mutex_unlock(&mgr->lock);
}

static const struct ttm_resource_manager_func vram_mgr_func = {
	.alloc = vram_mgr_alloc,
	.free = vram_mgr_free,
	.intersects = vram_mgr_intersects,
	.compatible = vram_mgr_compatible,
	.debug = vram_mgr_debug,
};

/* System memory has no addresses to give out: only its amount is counted. */
static int tt_mgr_alloc(struct ttm_resource_manager *man, struct ttm_buffer_object *bo,
			const struct ttm_place *place, struct ttm_resource **res)
{
	*res = kzalloc(sizeof(**res), GFP_KERNEL);
	if (!*res)
		return -ENOMEM;
	ttm_resource_init(bo, place, *res);
	if (!(place->flags & TTM_PL_FLAG_TEMPORARY) &&
	    ttm_resource_manager_usage(man) > man->size) {
		ttm_resource_fini(man, *res);
		kfree(*res);
		return -ENOSPC;
	}
	return 0;
}

static void tt_mgr_free(struct ttm_resource_manager *man, struct ttm_resource *res)
{
	ttm_resource_fini(man, res);
	kfree(res);
}

static const struct ttm_resource_manager_func tt_mgr_func = {
	.alloc = tt_mgr_alloc,
	.free = tt_mgr_free,
};

bool brgpu_vram_mgr_is_visible(struct brgpu_device *brgpu, struct ttm_resource *res)
{
	return to_brgpu_vram_resource(res)->visible_used == res->size;
}

int brgpu_vram_mgr_for_each(struct brgpu_device *brgpu, struct ttm_resource *res, u64 offset,
			    u64 bytes, int (*fn)(void *ctx, u64 address, u64 bytes), void *ctx)
{
	struct brgpu_vram_resource *vres = to_brgpu_vram_resource(res);
	struct gpu_buddy_block *block;
	u64 start = 0, length = 0; /* the piece that grows while blocks are neighbours */
	int ret;

	list_for_each_entry(block, &vres->blocks, link) {
		u64 address = gpu_buddy_block_offset(block);
		u64 size = gpu_buddy_block_size(&brgpu->vram_mgr.mm, block);

		if (offset >= size) {
			offset -= size;
			continue;
		}
		address += offset;
		size = min(size - offset, bytes);
		offset = 0;
		bytes -= size;

		if (length && start + length == address) {
			length += size;
		} else {
			if (length) {
				ret = fn(ctx, start, length);
				if (ret)
					return ret;
			}
			start = address;
			length = size;
		}
		if (!bytes)
			break;
	}
	return length ? fn(ctx, start, length) : 0;
}

int brgpu_vram_mgr_init(struct brgpu_device *brgpu)
{
	struct brgpu_vram_mgr *mgr = &brgpu->vram_mgr;
	struct sysinfo info;
	int ret;

	mutex_init(&mgr->lock);
	mgr->visible_bytes = brgpu->ident.aperture_bytes;
	ret = gpu_buddy_init(&mgr->mm, brgpu->ident.vram_bytes, PAGE_SIZE);
	if (ret)
		return ret;
#ifdef BRGPU_HAVE_CGROUP_DMEM
	mgr->base.cg = drmm_cgroup_register_region(&brgpu->drm, "vram0", brgpu->ident.vram_bytes);
	if (IS_ERR(mgr->base.cg)) {
		gpu_buddy_fini(&mgr->mm);
		return PTR_ERR(mgr->base.cg);
	}
#endif
	mgr->base.func = &vram_mgr_func;
	ttm_resource_manager_init(&mgr->base, &brgpu->ttm, brgpu->ident.vram_bytes);
	ttm_set_driver_manager(&brgpu->ttm, BRGPU_PL_VRAM, &mgr->base);
	ttm_resource_manager_set_used(&mgr->base, true);

	/*
	 * Three quarters of memory: the machine must go on when the card's clients take all they
	 * can.
	 */
	si_meminfo(&info);
	mgr->tt.use_tt = true;
	mgr->tt.func = &tt_mgr_func;
	ttm_resource_manager_init(&mgr->tt, &brgpu->ttm,
				  (u64)info.totalram * info.mem_unit / 4 * 3);
	ttm_set_driver_manager(&brgpu->ttm, BRGPU_PL_TT, &mgr->tt);
	ttm_resource_manager_set_used(&mgr->tt, true);
	return 0;
}

static void manager_fini(struct brgpu_device *brgpu, struct ttm_resource_manager *man,
			 unsigned int type)
{
	ttm_resource_manager_set_used(man, false);
	ttm_resource_manager_evict_all(&brgpu->ttm, man);
	ttm_resource_manager_cleanup(man);
	ttm_set_driver_manager(&brgpu->ttm, type, NULL);
}

void brgpu_vram_mgr_fini(struct brgpu_device *brgpu)
{
	manager_fini(brgpu, &brgpu->vram_mgr.tt, BRGPU_PL_TT);
	manager_fini(brgpu, &brgpu->vram_mgr.base, BRGPU_PL_VRAM);
	gpu_buddy_fini(&brgpu->vram_mgr.mm);
}
