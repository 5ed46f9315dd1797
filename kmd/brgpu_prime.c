// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-buf.h>

#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_tt.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"

/**
 * DOC: sharing
 *
 * A buffer of one VM only is not exported. Within this driver a dma-buf is the buffer itself,
 * wherever it lies. Other drivers get system memory: the buffer is moved there and pinned while
 * they are attached, so a VRAM-only buffer can't be given to them.
 */

struct dma_buf *brgpu_prime_export(struct drm_gem_object *gem, int flags)
{
	if (gem_to_brgpu_bo(gem)->vm_resv_obj) {
		brgpu_refuse(to_brgpu(gem->dev), "PRIME export", -EINVAL,
			     "buffer belongs to one VM");
		return ERR_PTR(-EINVAL);
	}
	return drm_gem_prime_export(gem, flags);
}

int brgpu_prime_pin(struct drm_gem_object *gem)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	const struct ttm_place place = { .mem_type = BRGPU_PL_TT };
	struct ttm_placement placement = { .num_placement = 1, .placement = &place };
	struct brgpu_bo *bo = gem_to_brgpu_bo(gem);
	int ret;

	dma_resv_assert_held(gem->resv);
	if (!(bo->placements & DRM_BRGPU_PLACEMENT_SYSTEM))
		return -EOPNOTSUPP;
	ret = ttm_bo_validate(&bo->ttm, &placement, &ctx);
	if (!ret)
		ttm_bo_pin(&bo->ttm);
	return ret;
}

void brgpu_prime_unpin(struct drm_gem_object *gem)
{
	ttm_bo_unpin(&gem_to_brgpu_bo(gem)->ttm);
}

struct sg_table *brgpu_prime_get_sg_table(struct drm_gem_object *gem)
{
	struct ttm_tt *tt = gem_to_brgpu_bo(gem)->ttm.ttm;

	return drm_prime_pages_to_sg(gem->dev, tt->pages, tt->num_pages);
}

struct drm_gem_object *brgpu_prime_import_sg_table(struct drm_device *drm,
						   struct dma_buf_attachment *attach,
						   struct sg_table *sg)
{
	const struct brgpu_bo_params params = {
		.size = PAGE_ALIGN(attach->dmabuf->size),
		.placements = DRM_BRGPU_PLACEMENT_SYSTEM,
		.sg = sg,
		.resv = attach->dmabuf->resv,
	};
	struct brgpu_bo *bo;

	dma_resv_lock(params.resv, NULL);
	bo = brgpu_bo_create(to_brgpu(drm), &params);
	dma_resv_unlock(params.resv);
	return IS_ERR(bo) ? ERR_CAST(bo) : &bo->ttm.base;
}

BRGPU_IMPORT_NS(DMA_BUF);
