// SPDX-License-Identifier: GPL-2.0
#include <drm/ttm/ttm_tt.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_pt.h"
#include "brgpu_save.h"

/**
 * DOC: save areas
 *
 * A save area is made with its queue, as preempting must not wait for memory. It is system memory,
 * in pages as they come, which VM 0's page table makes one range; VM 0's other ranges need no
 * table, so nothing else is in it. No user reaches it.
 */

/* Room between two areas: what is not mapped faults, should the device run over an end. */
#define SAVE_STRIDE	SZ_64M

static u64 save_va(u32 index)
{
	return BRGPU_VM0_MAPPED + (u64)index * SAVE_STRIDE;
}

void brgpu_save_restore(struct brgpu_device *brgpu)
{
	brgpu_write64(brgpu, BRGPU_REG_VM_CONTEXT(0) + BRGPU_VM_ROOT,
		      brgpu_core_pt_directory(&brgpu->save.root->core));
}

int brgpu_save_init(struct brgpu_device *brgpu)
{
	struct brgpu_save_space *save = &brgpu->save;

	save->root = brgpu_pt_table_alloc(brgpu, BRGPU_PT_LEVELS - 1);
	if (!save->root)
		return -ENOMEM;
	mutex_init(&save->lock);
	ida_init(&save->indices);
	brgpu_core_pt_init(&save->pt, &save->root->core, &brgpu_pt_ops, brgpu->ident.page_sizes);
	brgpu_save_restore(brgpu);
	return 0;
}

void brgpu_save_fini(struct brgpu_device *brgpu)
{
	struct brgpu_save_space *save = &brgpu->save;
	struct brgpu_pt_reserve reserve;

	brgpu_pt_reserve_init(&reserve);
	brgpu_core_pt_clear(&save->pt, &reserve);
	brgpu_pt_reserve_free(brgpu, &reserve);
	brgpu_pt_table_free(brgpu, save->root);
	ida_destroy(&save->indices);
	mutex_destroy(&save->lock);
}

static int save_map(struct brgpu_device *brgpu, struct brgpu_save_area *area)
{
	const u64 rights = brgpu_core_pt_rights(DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE, true);
	const dma_addr_t *pages = area->bo->ttm.ttm->dma_address;
	struct brgpu_save_space *save = &brgpu->save;
	struct brgpu_core_pt_tables tables = {};
	struct brgpu_core_pt_update update = {};
	struct brgpu_pt_reserve reserve;
	u64 page, next;
	int ret;

	brgpu_pt_reserve_init(&reserve);
	mutex_lock(&save->lock);
	brgpu_core_pt_tables_for_map(&save->pt, area->address, area->bytes, false, &tables);
	ret = brgpu_pt_reserve_fill(brgpu, &reserve, &tables);
	for (page = 0; page < area->bytes >> PAGE_SHIFT && !ret; page = next) {
		next = page + 1;
		while (next < area->bytes >> PAGE_SHIFT &&
		       pages[next] == pages[page] + ((next - page) << PAGE_SHIFT))
			next++;
		ret = brgpu_core_pt_map(&save->pt, &reserve, area->address + (page << PAGE_SHIFT),
					(next - page) << PAGE_SHIFT, pages[page], rights, &update);
	}
	mutex_unlock(&save->lock);
	/* What was not mapped before needs no invalidation: nothing was retired. */
	brgpu_pt_reserve_free(brgpu, &reserve);
	return ret;
}

static void save_unmap(struct brgpu_device *brgpu, struct brgpu_save_area *area)
{
	struct brgpu_save_space *save = &brgpu->save;
	struct brgpu_core_pt_update update = {};
	struct brgpu_pt_reserve reserve;

	brgpu_pt_reserve_init(&reserve);
	mutex_lock(&save->lock);
	/* Takes no table: the area's ends are those of its pages. */
	drm_WARN_ON_ONCE(&brgpu->drm, brgpu_core_pt_unmap(&save->pt, &reserve, area->address,
							  area->bytes, &update));
	mutex_unlock(&save->lock);
	/* Before tables and pages are given back; with the card gone nothing walks them. */
	if (update.flush)
		brgpu_tlb_invalidate_vm(brgpu, 0, area->unmap_fence);
	else
		brgpu_tlb_fence_free(area->unmap_fence);
	area->unmap_fence = NULL;
	brgpu_pt_reserve_free(brgpu, &reserve);
}

int brgpu_save_area_create(struct brgpu_device *brgpu, struct brgpu_save_area *area, u64 bytes)
{
	const struct brgpu_bo_params params = {
		.size = bytes,
		.placements = DRM_BRGPU_PLACEMENT_SYSTEM,
	};
	int ret;

	ret = ida_alloc_max(&brgpu->save.indices, (BRGPU_VM0_MAPPED / SAVE_STRIDE) - 1, GFP_KERNEL);
	if (ret < 0)
		return ret;
	area->index = ret;
	area->address = save_va(area->index);
	area->bytes = bytes;
	area->unmap_fence = brgpu_tlb_fence_alloc();
	if (!area->unmap_fence) {
		ret = -ENOMEM;
		goto err_index;
	}
	area->bo = brgpu_bo_create(brgpu, &params);
	if (IS_ERR(area->bo)) {
		ret = PTR_ERR(area->bo);
		goto err_fence;
	}
	dma_resv_lock(area->bo->ttm.base.resv, NULL);
	ret = brgpu_bo_validate(area->bo, false);
	if (!ret)
		ttm_bo_pin(&area->bo->ttm);
	dma_resv_unlock(area->bo->ttm.base.resv);
	if (ret)
		goto err_bo;
	ret = save_map(brgpu, area);
	if (!ret)
		return 0;

	save_unmap(brgpu, area);
	dma_resv_lock(area->bo->ttm.base.resv, NULL);
	ttm_bo_unpin(&area->bo->ttm);
	dma_resv_unlock(area->bo->ttm.base.resv);
err_bo:
	drm_gem_object_put(&area->bo->ttm.base);
err_fence:
	brgpu_tlb_fence_free(area->unmap_fence);
err_index:
	area->bo = NULL;
	ida_free(&brgpu->save.indices, area->index);
	return ret;
}

void brgpu_save_area_destroy(struct brgpu_device *brgpu, struct brgpu_save_area *area)
{
	if (!area->bo)
		return;
	save_unmap(brgpu, area);
	dma_resv_lock(area->bo->ttm.base.resv, NULL);
	ttm_bo_unpin(&area->bo->ttm);
	dma_resv_unlock(area->bo->ttm.base.resv);
	drm_gem_object_put(&area->bo->ttm.base);
	area->bo = NULL;
	ida_free(&brgpu->save.indices, area->index);
}
