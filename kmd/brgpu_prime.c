// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_tt.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"

/**
 * DOC: sharing
 *
 * A buffer of one VM only is not exported. Within this driver and card a dma-buf is the buffer
 * itself, wherever it lies. Others attach: those that can follow a buffer are told before it moves
 * and map it anew; for the rest it is pinned. Memory of this card is given to whom the kernel's
 * pci_p2pdma lets reach it; for all others the buffer goes to system memory first, so that a
 * VRAM-only buffer can't be given to them. Why not is said once in the log, each time at debug
 * level, and in the attribute peer_dma.
 *
 * An imported buffer has an attachment, and a mapping of it while it lies in TTM's TT. A notice
 * that it moves takes it to TTM's system, which waits for its users and drops the mapping; the next
 * bind or submission brings it back.
 */

/* The most that one entry of a scatter list takes; a multiple of all pages. */
#define PRIME_MAX_SEGMENT	SZ_1G

const char *brgpu_prime_no_peer_dma(void)
{
	return IS_ENABLED(CONFIG_PCI_P2PDMA) ? NULL :
					       "this kernel is built without CONFIG_PCI_P2PDMA";
}

/* Why `dev` can't reach this card's memory, or NULL. */
static const char *prime_refuses_peer(struct brgpu_device *brgpu, struct dma_buf_attachment *attach)
{
	if (!attach->peer2peer)
		return "it takes no memory of other devices";
	if (brgpu_prime_no_peer_dma())
		return brgpu_prime_no_peer_dma();
	if (pci_p2pdma_distance(to_pci_dev(brgpu->drm.dev), attach->dev, false) < 0)
		return "pci_p2pdma knows no way between the two";
	return NULL;
}

/*
 * An attachment. The buffer knows them itself, for the core forgets a dma-buf with the buffer's
 * last handle, and makes another one for a new handle.
 */
struct prime_holder {
	struct dma_buf_attachment *attach;
	struct list_head link;	/* brgpu_bo.holders */
};

/* Whether the buffer can be had through system memory, or why at all not. */
static int prime_check_peer(struct brgpu_bo *bo, struct dma_buf_attachment *attach)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(bo->ttm.bdev);
	const char *why = prime_refuses_peer(brgpu, attach);

	if (!why)
		return 0;
	attach->peer2peer = false;
	drm_info_once(&brgpu->drm, "buffers for %s go through system memory: %s\n",
		      dev_name(attach->dev), why);
	drm_dbg_prime(&brgpu->drm, "a buffer for %s goes through system memory: %s\n",
		      dev_name(attach->dev), why);
	if (!(bo->placements & DRM_BRGPU_PLACEMENT_SYSTEM))
		return brgpu_refuse(brgpu, "PRIME attach", -EOPNOTSUPP,
				    "the buffer may lie in VRAM alone, which %s can't reach: %s",
				    dev_name(attach->dev), why);
	return 0;
}

static int prime_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct brgpu_bo *bo = gem_to_brgpu_bo(dmabuf->priv);
	struct prime_holder *holder;
	int ret = prime_check_peer(bo, attach);

	if (ret)
		return ret;
	holder = kzalloc(sizeof(*holder), GFP_KERNEL);
	if (!holder)
		return -ENOMEM;
	holder->attach = attach;
	attach->priv = holder;
	dma_resv_lock(dmabuf->resv, NULL);
	list_add_tail(&holder->link, &bo->holders);
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static void prime_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct prime_holder *holder = attach->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	list_del(&holder->link);
	dma_resv_unlock(dmabuf->resv);
	kfree(holder);
}

static int prime_to_system(struct brgpu_bo *bo)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	const struct ttm_place place = { .mem_type = BRGPU_PL_TT };
	struct ttm_placement placement = { .num_placement = 1, .placement = &place };

	return ttm_bo_validate(&bo->ttm, &placement, &ctx);
}

static int prime_pin(struct dma_buf_attachment *attach)
{
	struct brgpu_bo *bo = gem_to_brgpu_bo(attach->dmabuf->priv);
	int ret;

	dma_resv_assert_held(bo->ttm.base.resv);
	if (bo->placements & DRM_BRGPU_PLACEMENT_SYSTEM)
		ret = prime_to_system(bo);
	else
		ret = attach->peer2peer ? brgpu_bo_make_visible(bo) : -EOPNOTSUPP;
	if (!ret)
		ttm_bo_pin(&bo->ttm);
	return ret;
}

static void prime_unpin(struct dma_buf_attachment *attach)
{
	ttm_bo_unpin(&gem_to_brgpu_bo(attach->dmabuf->priv)->ttm);
}

struct prime_vram {
	struct brgpu_device *brgpu;
	struct device *dev;
	enum dma_data_direction dir;
	struct scatterlist *sg;	/* NULL: only count */
	unsigned int count;
};

static int prime_vram_piece(void *ctx, u64 address, u64 bytes)
{
	struct prime_vram *vram = ctx;

	while (bytes) {
		const size_t length = min_t(u64, bytes, PRIME_MAX_SEGMENT);
		dma_addr_t dma;

		if (vram->sg) {
			dma = dma_map_resource(vram->dev, vram->brgpu->vram_phys + address, length,
					       vram->dir, DMA_ATTR_SKIP_CPU_SYNC);
			if (dma_mapping_error(vram->dev, dma))
				return -EIO;
			/* No pages stand behind it. */
			sg_set_page(vram->sg, NULL, length, 0);
			sg_dma_address(vram->sg) = dma;
			sg_dma_len(vram->sg) = length;
			vram->sg = sg_next(vram->sg);
		}
		vram->count++;
		address += length;
		bytes -= length;
	}
	return 0;
}

static void prime_unmap_vram(struct device *dev, struct sg_table *sgt, unsigned int count,
			     enum dma_data_direction dir)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(sgt->sgl, sg, count, i)
		dma_unmap_resource(dev, sg_dma_address(sg), sg_dma_len(sg), dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
}

static int prime_map_vram(struct brgpu_bo *bo, struct device *dev, enum dma_data_direction dir,
			  struct sg_table *sgt)
{
	struct prime_vram vram = {
		.brgpu = ttm_to_brgpu(bo->ttm.bdev),
		.dev = dev,
		.dir = dir,
	};
	const u64 bytes = bo->ttm.base.size;
	int ret;

	brgpu_vram_mgr_for_each(vram.brgpu, bo->ttm.resource, 0, bytes, prime_vram_piece, &vram);
	ret = sg_alloc_table(sgt, vram.count, GFP_KERNEL);
	if (ret)
		return ret;
	vram.sg = sgt->sgl;
	vram.count = 0;
	ret = brgpu_vram_mgr_for_each(vram.brgpu, bo->ttm.resource, 0, bytes, prime_vram_piece,
				      &vram);
	if (ret) {
		prime_unmap_vram(dev, sgt, vram.count, dir);
		sg_free_table(sgt);
	}
	return ret;
}

static struct sg_table *prime_map_pages(struct brgpu_bo *bo, struct device *dev,
					enum dma_data_direction dir)
{
	struct ttm_tt *tt = bo->ttm.ttm;
	struct sg_table *sgt;
	int ret;

	sgt = drm_prime_pages_to_sg(bo->ttm.base.dev, tt->pages, tt->num_pages);
	if (IS_ERR(sgt))
		return sgt;
	ret = dma_map_sgtable(dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret) {
		sg_free_table(sgt);
		kfree(sgt);
		return ERR_PTR(ret);
	}
	return sgt;
}

/* Where the buffer shall be while the attachment has a mapping. */
static int prime_place(struct brgpu_bo *bo, bool peer)
{
	int ret = 0;

	if (bo->ttm.pin_count)
		return 0;
	if (!peer)
		return prime_to_system(bo);
	/* As it lies: others may have mapped it there. */
	if (bo->ttm.resource->mem_type == BRGPU_PL_SYSTEM)
		ret = brgpu_bo_validate(bo, true);
	return ret ?: brgpu_bo_make_visible(bo);
}

static struct sg_table *prime_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct brgpu_bo *bo = gem_to_brgpu_bo(attach->dmabuf->priv);
	struct sg_table *sgt;
	int ret;

	dma_resv_assert_held(bo->ttm.base.resv);
	ret = prime_place(bo, attach->peer2peer);
	if (ret)
		return ERR_PTR(ret);
	if (!brgpu_bo_is_vram(bo))
		return prime_map_pages(bo, attach->dev, dir);

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = prime_map_vram(bo, attach->dev, dir, sgt);
	if (ret) {
		kfree(sgt);
		return ERR_PTR(ret);
	}
	return sgt;
}

static void prime_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	if (sg_page(sgt->sgl))
		dma_unmap_sgtable(attach->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	else
		prime_unmap_vram(attach->dev, sgt, sgt->nents, dir);
	sg_free_table(sgt);
	kfree(sgt);
}

static const struct dma_buf_ops prime_dmabuf_ops = {
	.attach = prime_attach,
	.detach = prime_detach,
	.pin = prime_pin,
	.unpin = prime_unpin,
	.map_dma_buf = prime_map,
	.unmap_dma_buf = prime_unmap,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
	.vmap = drm_gem_dmabuf_vmap,
	.vunmap = drm_gem_dmabuf_vunmap,
};

struct dma_buf *brgpu_prime_export(struct drm_gem_object *gem, int flags)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &prime_dmabuf_ops,
		.size = gem->size,
		.flags = flags,
		.priv = gem,
		.resv = gem->resv,
	};

	if (gem_to_brgpu_bo(gem)->vm_resv_obj) {
		brgpu_refuse(to_brgpu(gem->dev), "PRIME export", -EINVAL,
			     "buffer belongs to one VM");
		return ERR_PTR(-EINVAL);
	}
	return drm_gem_dmabuf_export(gem->dev, &info);
}

void brgpu_prime_moving(struct brgpu_bo *bo)
{
	struct dma_buf *told = NULL;
	struct prime_holder *holder;

	dma_resv_assert_held(bo->ttm.base.resv);
	/* All holders of a dma-buf are told at once; to be told twice does no harm. */
	list_for_each_entry(holder, &bo->holders, link) {
		if (holder->attach->dmabuf != told)
			brgpu_compat_dma_buf_moving(holder->attach->dmabuf);
		told = holder->attach->dmabuf;
	}
}

bool brgpu_prime_is_attached(struct brgpu_bo *bo)
{
	dma_resv_assert_held(bo->ttm.base.resv);
	return !list_empty(&bo->holders);
}

/* ---- imports ---- */

void brgpu_prime_unmap_import(struct ttm_buffer_object *tbo)
{
	if (!tbo->sg)
		return;
	dma_buf_unmap_attachment(tbo->base.import_attach, tbo->sg, DMA_BIDIRECTIONAL);
	tbo->sg = NULL;
}

int brgpu_prime_map_import(struct ttm_buffer_object *tbo)
{
	struct ttm_tt *tt = tbo->ttm;
	struct sg_table *sgt;
	int ret;

	sgt = dma_buf_map_attachment(tbo->base.import_attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	ret = drm_prime_sg_to_dma_addr_array(sgt, tt->dma_address, tt->num_pages);
	if (ret) {
		dma_buf_unmap_attachment(tbo->base.import_attach, sgt, DMA_BIDIRECTIONAL);
		return ret;
	}
	tbo->sg = sgt;
	return 0;
}

static void prime_move_notify(struct dma_buf_attachment *attach)
{
	struct brgpu_bo *bo = gem_to_brgpu_bo(attach->importer_priv);
	struct ttm_operation_ctx ctx = {};
	const struct ttm_place place = { .mem_type = BRGPU_PL_SYSTEM };
	struct ttm_placement placement = { .num_placement = 1, .placement = &place };
	int ret;

	dma_resv_assert_held(bo->ttm.base.resv);
	/* On its way out: the exporter has waited for all its users. */
	if (bo->ttm.deleted || !bo->ttm.resource) {
		brgpu_prime_unmap_import(&bo->ttm);
		return;
	}
	ret = ttm_bo_validate(&bo->ttm, &placement, &ctx);
	drm_WARN_ONCE(bo->ttm.base.dev, ret, "an imported buffer can't let go: %pe\n",
		      ERR_PTR(ret));
}

static const struct dma_buf_attach_ops prime_importer_ops = {
	.allow_peer2peer = true,
	.brgpu_compat_move_notify = prime_move_notify,
};

struct drm_gem_object *brgpu_prime_import(struct drm_device *drm, struct dma_buf *dmabuf)
{
	const struct brgpu_bo_params params = {
		.size = PAGE_ALIGN(dmabuf->size),
		.placements = DRM_BRGPU_PLACEMENT_SYSTEM,
		.import_resv = dmabuf->resv,
	};
	struct dma_buf_attachment *attach;
	struct drm_gem_object *gem;
	struct brgpu_bo *bo;

	if (dmabuf->ops == &prime_dmabuf_ops) {
		gem = dmabuf->priv;
		if (gem->dev == drm) {
			/* The buffer itself, not its file. */
			drm_gem_object_get(gem);
			return gem;
		}
	}

	dma_resv_lock(params.import_resv, NULL);
	bo = brgpu_bo_create(to_brgpu(drm), &params);
	dma_resv_unlock(params.import_resv);
	if (IS_ERR(bo))
		return ERR_CAST(bo);
	get_dma_buf(dmabuf);
	bo->import_dmabuf = dmabuf;
	gem = &bo->ttm.base;
	attach = dma_buf_dynamic_attach(dmabuf, drm->dev, &prime_importer_ops, gem);
	if (IS_ERR(attach)) {
		brgpu_refuse(to_brgpu(drm), "PRIME import", PTR_ERR(attach),
			     "attaching to a buffer of %s", dmabuf->exp_name);
		drm_gem_object_put(gem);
		return ERR_CAST(attach);
	}
	gem->import_attach = attach;
	mutex_lock(&to_brgpu(drm)->shown_lock);
	list_add_tail(&bo->import_link, &to_brgpu(drm)->imports);
	mutex_unlock(&to_brgpu(drm)->shown_lock);
	return gem;
}

void brgpu_prime_revoke(struct brgpu_device *brgpu)
{
	struct brgpu_bo *bo;

	mutex_lock(&brgpu->shown_lock);
	list_for_each_entry(bo, &brgpu->imports, import_link) {
		struct dma_resv *resv = bo->ttm.base.resv;

		/* Also of one on its way out; what runs has ended with the card. */
		dma_resv_lock(resv, NULL);
		brgpu_prime_unmap_import(&bo->ttm);
		dma_resv_unlock(resv);
	}
	mutex_unlock(&brgpu->shown_lock);
}

BRGPU_IMPORT_NS(DMA_BUF);
