// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_tt.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_preempt.h"
#include "brgpu_trace.h"
#include "brgpu_vm.h"

/**
 * DOC: placements
 *
 * A VRAM-only buffer never leaves VRAM, so creating more of them than fit fails with ENOSPC at
 * once. A buffer that may live in both is placed in VRAM while there is room, is the one that makes
 * room (its content goes to system memory by the copy engine), and comes back at a later submission
 * when there is room again. Submissions never evict: what is bound stays resident while it runs.
 */

static const struct ttm_place system_place = { .mem_type = BRGPU_PL_SYSTEM };
static const struct ttm_place tt_place = { .mem_type = BRGPU_PL_TT };
static const struct ttm_placement system_placement = { .num_placement = 1,
						       .placement = &system_place };
static const struct ttm_placement tt_placement = { .num_placement = 1, .placement = &tt_place };

static struct ttm_tt *brgpu_tt_create(struct ttm_buffer_object *tbo, u32 page_flags)
{
	struct ttm_tt *tt = kzalloc(sizeof(*tt), GFP_KERNEL);

	if (!tt)
		return NULL;
	/* The card snoops CPU caches: system memory is always mapped coherent. */
	if (ttm_sg_tt_init(tt, tbo, page_flags, ttm_cached)) {
		kfree(tt);
		return NULL;
	}
	return tt;
}

static int brgpu_tt_populate(struct ttm_device *ttm, struct ttm_tt *tt,
			     struct ttm_operation_ctx *ctx)
{
	/* An import: mapped by its move. */
	if (tt->page_flags & TTM_TT_FLAG_EXTERNAL)
		return 0;
	return ttm_pool_alloc(&ttm->pool, tt, ctx);
}

static void brgpu_tt_unpopulate(struct ttm_device *ttm, struct ttm_tt *tt)
{
	if (!(tt->page_flags & TTM_TT_FLAG_EXTERNAL))
		ttm_pool_free(&ttm->pool, tt);
}

static void brgpu_tt_destroy(struct ttm_device *ttm, struct ttm_tt *tt)
{
	ttm_tt_fini(tt);
	kfree(tt);
}

static bool brgpu_eviction_valuable(struct ttm_buffer_object *tbo, const struct ttm_place *place)
{
	/* One that is going away is fair game. */
	if (tbo->resource && tbo->resource->mem_type == BRGPU_PL_VRAM && !tbo->deleted &&
	    !(ttm_to_brgpu_bo(tbo)->placements & DRM_BRGPU_PLACEMENT_SYSTEM))
		return false;
	return ttm_bo_eviction_valuable(tbo, place);
}

static void brgpu_evict_flags(struct ttm_buffer_object *tbo, struct ttm_placement *placement)
{
	if (tbo->resource && tbo->resource->mem_type == BRGPU_PL_VRAM)
		*placement = tt_placement;
	else
		*placement = system_placement;
}

/* Clears new VRAM, by the CPU where the copy queue can't. */
static int brgpu_clear_vram(struct brgpu_device *brgpu, struct ttm_resource *vram)
{
	int ret = brgpu_migrate_clear(brgpu, vram, vram->size);

	if (ret == -EIO || ret == -ETIMEDOUT)
		drm_err_ratelimited(&brgpu->drm, "clearing %zu bytes of VRAM failed: %pe\n",
				    vram->size, ERR_PTR(ret));
	return ret;
}

/* An import is mapped in TT, and in system it is not. */
static int move_import(struct ttm_buffer_object *tbo, struct ttm_operation_ctx *ctx,
		       struct ttm_resource *new)
{
	int ret;

	if (new->mem_type == BRGPU_PL_TT) {
		ret = brgpu_prime_map_import(tbo);
		if (ret)
			return ret;
	} else if (tbo->sg) {
		ret = ttm_bo_wait_ctx(tbo, ctx);
		if (ret)
			return ret;
		if (!tbo->deleted)
			brgpu_vm_bo_moved(ttm_to_brgpu_bo(tbo));
		brgpu_prime_unmap_import(tbo);
	}
	ttm_bo_move_null(tbo, new);
	return 0;
}

static int move(struct ttm_buffer_object *tbo, struct ttm_operation_ctx *ctx,
		struct ttm_resource *new, struct ttm_place *hop)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(tbo->bdev);
	struct ttm_resource *old = tbo->resource;
	int ret;

	if (tbo->type == ttm_bo_type_sg)
		return move_import(tbo, ctx, new);
	if (!old || (old->mem_type == BRGPU_PL_SYSTEM && !tbo->ttm)) {
		/* A new buffer: its pages are zeroed by TTM, its VRAM by us. */
		if (new->mem_type == BRGPU_PL_VRAM) {
			ret = brgpu_clear_vram(brgpu, new);
			if (ret)
				return ret;
		}
		ttm_bo_move_null(tbo, new);
		return 0;
	}

	if (old->mem_type == BRGPU_PL_SYSTEM && new->mem_type == BRGPU_PL_TT) {
		ttm_bo_move_null(tbo, new);
		return 0;
	}

	/*
	 * The copy engine reaches system memory only while it is mapped for the card; and a move
	 * within VRAM, into the aperture, goes by system memory too.
	 */
	if (old->mem_type != BRGPU_PL_TT && new->mem_type != BRGPU_PL_TT) {
		memset(hop, 0, sizeof(*hop));
		hop->mem_type = BRGPU_PL_TT;
		hop->flags = TTM_PL_FLAG_TEMPORARY;
		return -EMULTIHOP;
	}

	/* Nobody uses it any more; VMs map it anew before they run again. */
	ret = ttm_bo_wait_ctx(tbo, ctx);
	if (ret)
		return ret;
	if (!tbo->deleted) {
		brgpu_vm_bo_moved(ttm_to_brgpu_bo(tbo));
		brgpu_prime_moving(ttm_to_brgpu_bo(tbo));
	}

	if (old->mem_type == BRGPU_PL_TT && new->mem_type == BRGPU_PL_SYSTEM) {
		ttm_bo_move_null(tbo, new);
		return 0;
	}

	if (old->mem_type == BRGPU_PL_VRAM && new->mem_type == BRGPU_PL_TT)
		ret = brgpu_migrate_copy(brgpu, old, tbo->ttm, tbo->base.size, false);
	else
		ret = brgpu_migrate_copy(brgpu, new, tbo->ttm, tbo->base.size, true);
	if (ret)
		return ret;
	ttm_bo_move_sync_cleanup(tbo, new);
	return 0;
}

static int brgpu_move(struct ttm_buffer_object *tbo, bool evict, struct ttm_operation_ctx *ctx,
		      struct ttm_resource *new, struct ttm_place *hop)
{
	const u32 from = tbo->resource ? tbo->resource->mem_type : U32_MAX;
	const u32 to = new->mem_type;
	int ret = move(tbo, ctx, new, hop);

	/* A hop is no move: the two parts of it are. */
	if (ret != -EMULTIHOP)
		trace_brgpu_move(tbo->base.size, from, to, evict, ret);
	return ret;
}

/*
 * The buffer is going, so it is bound nowhere: nobody needs to stop working for it. The bind that
 * took it away has a fence of its own here.
 */
static void brgpu_release_notify(struct ttm_buffer_object *tbo)
{
	struct dma_fence *fence, *done = NULL;
	struct dma_resv_iter cursor;

	/* Its own: that of a VM is left to others when a buffer goes. */
	if (tbo->base.resv != &tbo->base._resv || !dma_resv_trylock(tbo->base.resv))
		return;
	dma_resv_for_each_fence(&cursor, tbo->base.resv, DMA_RESV_USAGE_BOOKKEEP, fence) {
		if (!brgpu_fence_is_preempt(fence) || dma_fence_is_signaled(fence))
			continue;
		if (!done)
			done = dma_fence_get_stub();
		dma_resv_replace_fences(tbo->base.resv, fence->context, done,
					DMA_RESV_USAGE_BOOKKEEP);
	}
	dma_fence_put(done);
	dma_resv_unlock(tbo->base.resv);
}

static void brgpu_swap_notify(struct ttm_buffer_object *tbo)
{
	brgpu_vm_bo_moved(ttm_to_brgpu_bo(tbo));
	brgpu_prime_moving(ttm_to_brgpu_bo(tbo));
}

static int brgpu_io_mem_reserve(struct ttm_device *ttm, struct ttm_resource *res)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(ttm);
	struct gpu_buddy_block *block;

	if (res->mem_type != BRGPU_PL_VRAM)
		return 0;
	if (!brgpu_vram_mgr_is_visible(brgpu, res))
		return -EINVAL;

	res->bus.is_iomem = true;
	res->bus.caching = ttm_write_combined;
	block = list_first_entry(&to_brgpu_vram_resource(res)->blocks, struct gpu_buddy_block,
				 link);
	if (list_is_singular(&to_brgpu_vram_resource(res)->blocks)) {
		res->bus.offset = brgpu->vram_phys + gpu_buddy_block_offset(block);
		res->bus.addr = (u8 __force *)brgpu->vram + gpu_buddy_block_offset(block);
	}
	return 0;
}

struct io_pfn {
	struct brgpu_device *brgpu;
	unsigned long pfn;
};

static int io_pfn_piece(void *ctx, u64 address, u64 bytes)
{
	struct io_pfn *io = ctx;

	io->pfn = (io->brgpu->vram_phys + address) >> PAGE_SHIFT;
	return 0;
}

static unsigned long brgpu_io_mem_pfn(struct ttm_buffer_object *tbo, unsigned long page)
{
	struct io_pfn io = { .brgpu = ttm_to_brgpu(tbo->bdev) };

	brgpu_vram_mgr_for_each(io.brgpu, tbo->resource, (u64)page << PAGE_SHIFT, PAGE_SIZE,
				io_pfn_piece, &io);
	return io.pfn;
}

static const struct ttm_device_funcs brgpu_ttm_funcs = {
	.ttm_tt_create = brgpu_tt_create,
	.ttm_tt_populate = brgpu_tt_populate,
	.ttm_tt_unpopulate = brgpu_tt_unpopulate,
	.ttm_tt_destroy = brgpu_tt_destroy,
	.eviction_valuable = brgpu_eviction_valuable,
	.evict_flags = brgpu_evict_flags,
	.move = brgpu_move,
	.release_notify = brgpu_release_notify,
	.delete_mem_notify = brgpu_prime_unmap_import,
	.swap_notify = brgpu_swap_notify,
	.io_mem_reserve = brgpu_io_mem_reserve,
	.io_mem_pfn = brgpu_io_mem_pfn,
};

int brgpu_ttm_init(struct brgpu_device *brgpu)
{
	struct drm_device *drm = &brgpu->drm;
	int ret;

	ret = brgpu_compat_ttm_device_init(&brgpu->ttm, &brgpu_ttm_funcs, drm->dev,
					   drm->anon_inode->i_mapping, drm->vma_offset_manager);
	if (ret)
		return ret;
	ret = brgpu_vram_mgr_init(brgpu);
	if (ret)
		ttm_device_fini(&brgpu->ttm);
	return ret;
}

void brgpu_ttm_fini(struct brgpu_device *brgpu)
{
	brgpu_vram_mgr_fini(brgpu);
	ttm_device_fini(&brgpu->ttm);
}
