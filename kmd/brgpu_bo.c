// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-buf.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>
#include <drm/drm_gem_ttm_helper.h>
#include <drm/drm_gpuvm.h>
#include <drm/drm_prime.h>
#include <drm/ttm/ttm_tt.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_vm.h"

void brgpu_bo_placement(struct brgpu_bo *bo, struct ttm_place *places,
			struct ttm_placement *placement, bool back)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(bo->ttm.bdev);
	const bool both = bo->placements == (DRM_BRGPU_PLACEMENT_VRAM | DRM_BRGPU_PLACEMENT_SYSTEM);
	unsigned int count = 0;

	memset(places, 0, 2 * sizeof(*places));
	if (bo->placements & DRM_BRGPU_PLACEMENT_VRAM) {
		places[count].mem_type = BRGPU_PL_VRAM;
		if (brgpu->ident.aperture_bytes < brgpu->ident.vram_bytes) {
			if (bo->flags & DRM_BRGPU_BO_CPU_VISIBLE)
				places[count].lpfn = brgpu->ident.aperture_bytes >> PAGE_SHIFT;
			else
				places[count].flags |= TTM_PL_FLAG_TOPDOWN;
		}
		/* With a second choice, VRAM is taken only where it needs no eviction. */
		if (both)
			places[count].flags |= TTM_PL_FLAG_DESIRED;
		count++;
	}
	if (bo->placements & DRM_BRGPU_PLACEMENT_SYSTEM) {
		places[count].mem_type = BRGPU_PL_TT;
		if (both && back)
			places[count].flags |= TTM_PL_FLAG_FALLBACK;
		count++;
	}
	placement->num_placement = count;
	placement->placement = places;
}

int brgpu_bo_validate(struct brgpu_bo *bo, bool interruptible)
{
	struct ttm_operation_ctx ctx = { .interruptible = interruptible };
	struct ttm_placement placement;
	struct ttm_place places[2];

	/* Who holds it may have had it put where it lies: it must not go to and fro. */
	brgpu_bo_placement(bo, places, &placement, !brgpu_prime_is_attached(bo));
	return ttm_bo_validate(&bo->ttm, &placement, &ctx);
}

/* Gives up `bo` and takes a reference to the next that has to be in VRAM; NULL: the first. */
static struct brgpu_bo *bo_next_in_vram(struct brgpu_device *brgpu, struct brgpu_bo *bo)
{
	struct list_head *link = bo ? &bo->vram_link : &brgpu->vram_bos;
	struct brgpu_bo *next = NULL;

	spin_lock(&brgpu->bos_lock);
	while (!list_is_last(link, &brgpu->vram_bos) && !next) {
		link = link->next;
		next = list_entry(link, struct brgpu_bo, vram_link);
		/* One that is on its way out needs no memory any more. */
		if (!kref_get_unless_zero(&next->ttm.base.refcount))
			next = NULL;
	}
	spin_unlock(&brgpu->bos_lock);
	if (bo)
		drm_gem_object_put(&bo->ttm.base);
	return next;
}

int brgpu_bo_restore_all(struct brgpu_device *brgpu)
{
	struct brgpu_bo *bo = NULL;
	int first = 0;

	while ((bo = bo_next_in_vram(brgpu, bo))) {
		int ret = ttm_bo_reserve(&bo->ttm, false, false, NULL);

		if (!ret) {
			ret = brgpu_bo_validate(bo, false);
			ttm_bo_unreserve(&bo->ttm);
		}
		if (ret)
			drm_err(&brgpu->drm,
				"a buffer of %zu bytes does not come back to VRAM: %pe\n",
				bo->ttm.base.size, ERR_PTR(ret));
		first = first ?: ret;
	}
	return first;
}

bool brgpu_bo_is_mappable(struct brgpu_bo *bo)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(bo->ttm.bdev);

	return brgpu->ident.aperture_bytes == brgpu->ident.vram_bytes ||
	       bo->placements != DRM_BRGPU_PLACEMENT_VRAM || bo->flags & DRM_BRGPU_BO_CPU_VISIBLE;
}

int brgpu_bo_make_visible(struct brgpu_bo *bo)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(bo->ttm.bdev);
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct ttm_place places[2];
	struct ttm_placement placement;

	if (!brgpu_bo_is_vram(bo) || brgpu_vram_mgr_is_visible(brgpu, bo->ttm.resource))
		return 0;
	if (bo->ttm.pin_count)
		return -EBUSY;
	brgpu_bo_placement(bo, places, &placement, false);
	places[0].flags &= ~TTM_PL_FLAG_TOPDOWN;
	places[0].lpfn = brgpu->ident.aperture_bytes >> PAGE_SHIFT;
	return ttm_bo_validate(&bo->ttm, &placement, &ctx);
}

static vm_fault_t brgpu_bo_fault(struct vm_fault *vmf)
{
	struct ttm_buffer_object *tbo = vmf->vma->vm_private_data;
	struct drm_device *drm = tbo->base.dev;
	vm_fault_t ret;
	int idx, error;

	ret = ttm_bo_vm_reserve(tbo, vmf);
	if (ret)
		return ret;

	if (drm_dev_enter(drm, &idx)) {
		error = brgpu_bo_make_visible(ttm_to_brgpu_bo(tbo));
		if (error)
			ret = error == -ERESTARTSYS ? VM_FAULT_NOPAGE : VM_FAULT_SIGBUS;
		else
			ret = ttm_bo_vm_fault_reserved(vmf, vmf->vma->vm_page_prot,
						       TTM_BO_VM_NUM_PREFAULT);
		drm_dev_exit(idx);
	} else {
		/* The card has gone: the process reads zeros and lives on. */
		ret = ttm_bo_vm_dummy_page(vmf, vmf->vma->vm_page_prot);
	}
	/* TTM has dropped the reservation before it asked for a retry. */
	if (ret == VM_FAULT_RETRY && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return ret;

	dma_resv_unlock(tbo->base.resv);
	return ret;
}

static const struct vm_operations_struct brgpu_bo_vm_ops = {
	.fault = brgpu_bo_fault,
	.open = ttm_bo_vm_open,
	.close = ttm_bo_vm_close,
	.access = ttm_bo_vm_access,
};

/* An imported buffer is its exporter's to map. */
static int brgpu_bo_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	int ret;

	if (!gem->import_attach)
		return drm_gem_ttm_mmap(gem, vma);
	vma->vm_ops = NULL;
	vma->vm_private_data = NULL;
	ret = dma_buf_mmap(gem->dma_buf, vma, 0);
	/* The mapping holds the dma-buf; this was the core's reference for ours. */
	if (!ret)
		drm_gem_object_put(gem);
	return ret;
}

static void brgpu_bo_free(struct drm_gem_object *gem)
{
	brgpu_compat_ttm_bo_put(&gem_to_brgpu_bo(gem)->ttm);
}

static enum drm_gem_object_status brgpu_bo_status(struct drm_gem_object *gem)
{
	struct brgpu_bo *bo = gem_to_brgpu_bo(gem);

	return READ_ONCE(bo->ttm.resource) ? DRM_GEM_OBJECT_RESIDENT : 0;
}

static const struct drm_gem_object_funcs brgpu_bo_gem_funcs = {
	.free = brgpu_bo_free,
	.export = brgpu_prime_export,
	.vmap = drm_gem_ttm_vmap,
	.vunmap = drm_gem_ttm_vunmap,
	.mmap = brgpu_bo_mmap,
	.print_info = drm_gem_ttm_print_info,
	.status = brgpu_bo_status,
	.vm_ops = &brgpu_bo_vm_ops,
};

static void bo_destroy(struct ttm_buffer_object *tbo)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(tbo->bdev);
	struct brgpu_bo *bo = ttm_to_brgpu_bo(tbo);

	spin_lock(&brgpu->owners_lock);
	list_del_init(&bo->owner_link);
	spin_unlock(&brgpu->owners_lock);
	/* One that never got there may be destroyed with its reservation held. */
	if (!list_empty(&bo->import_link)) {
		mutex_lock(&brgpu->shown_lock);
		list_del(&bo->import_link);
		mutex_unlock(&brgpu->shown_lock);
	}
	spin_lock(&brgpu->bos_lock);
	list_del(&bo->vram_link);
	spin_unlock(&brgpu->bos_lock);
	/* Not earlier: TTM holds the exporter's reservation while it takes a buffer down. */
	if (tbo->base.import_attach)
		dma_buf_detach(bo->import_dmabuf, tbo->base.import_attach);
	/* Not earlier: TTM holds the exporter's reservation while it takes a buffer down. */
	if (bo->import_dmabuf)
		dma_buf_put(bo->import_dmabuf);
	drm_gem_object_release(&tbo->base);
	if (bo->vm_resv_obj)
		drm_gem_object_put(bo->vm_resv_obj);
	kfree(bo);
}

/*
 * TTM says ENOMEM for a placement that is full too. A buffer in VRAM needs next to no host memory;
 * for the others, the count of what is given out tells.
 */
static int bo_create_error(struct brgpu_device *brgpu, const struct brgpu_bo_params *params,
			   int error)
{
	struct ttm_resource_manager *tt = &brgpu->vram_mgr.tt;

	if (error != -ENOMEM)
		return error;
	if (params->placements == DRM_BRGPU_PLACEMENT_VRAM ||
	    ttm_resource_manager_usage(tt) + params->size > tt->size)
		return -ENOSPC;
	return error;
}

struct brgpu_bo *brgpu_bo_create(struct brgpu_device *brgpu, const struct brgpu_bo_params *params)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	struct ttm_placement placement;
	struct ttm_place places[2];
	struct dma_resv *resv = params->import_resv;
	struct brgpu_bo *bo;
	int ret;

	bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	if (!bo)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&bo->vram_link);
	bo->placements = params->placements;
	bo->flags = params->flags;
	INIT_LIST_HEAD(&bo->owner_link);
	INIT_LIST_HEAD(&bo->holders);
	INIT_LIST_HEAD(&bo->import_link);
	bo->ttm.base.funcs = &brgpu_bo_gem_funcs;
	bo->ttm.bdev = &brgpu->ttm;
	drm_gem_private_object_init(&brgpu->drm, &bo->ttm.base, params->size);

	if (params->vm) {
		bo->vm_resv_obj = drm_gpuvm_resv_obj(&params->vm->base);
		drm_gem_object_get(bo->vm_resv_obj);
		resv = bo->vm_resv_obj->resv;
		/*
		 * Idle buffers of the same VM may make room: it is not running while it is held
		 * here.
		 */
		ctx.resv = resv;
		ctx.allow_res_evict = true;
	}
	if (resv && params->vm) {
		ret = dma_resv_lock_interruptible(resv, NULL);
		if (ret) {
			drm_gem_object_release(&bo->ttm.base);
			drm_gem_object_put(bo->vm_resv_obj);
			kfree(bo);
			return ERR_PTR(ret);
		}
	}

	brgpu_bo_placement(bo, places, &placement, false);
	/* What is imported has no attachment yet, let alone a mapping. */
	if (params->import_resv)
		places[0].mem_type = BRGPU_PL_SYSTEM;
	/* Frees bo on error, by bo_destroy(). Comes back with the reservation held. */
	ret = ttm_bo_init_reserved(&brgpu->ttm, &bo->ttm,
				   params->import_resv ? ttm_bo_type_sg : ttm_bo_type_device,
				   &placement, 0, &ctx, NULL, resv, bo_destroy);
	if (ret) {
		if (params->vm)
			dma_resv_unlock(resv);
		return ERR_PTR(bo_create_error(brgpu, params, ret));
	}
	if (bo->placements == DRM_BRGPU_PLACEMENT_VRAM) {
		spin_lock(&brgpu->bos_lock);
		list_add_tail(&bo->vram_link, &brgpu->vram_bos);
		spin_unlock(&brgpu->bos_lock);
	}
	/* Of an import, the reservation is the exporter's, and the caller's to unlock. */
	if (params->import_resv)
		ttm_bo_move_to_lru_tail_unlocked(&bo->ttm);
	else
		ttm_bo_unreserve(&bo->ttm);
	return bo;
}

static void bo_set_owner(struct brgpu_bo *bo, struct brgpu_file *file)
{
	spin_lock(&file->brgpu->owners_lock);
	list_add_tail(&bo->owner_link, &file->bos);
	spin_unlock(&file->brgpu->owners_lock);
}

void brgpu_bo_disown_all(struct brgpu_file *file)
{
	struct brgpu_bo *bo, *next;

	spin_lock(&file->brgpu->owners_lock);
	list_for_each_entry_safe(bo, next, &file->bos, owner_link)
		list_del_init(&bo->owner_link);
	spin_unlock(&file->brgpu->owners_lock);
}

/* A 64-bit word of the buffer; the reservation is held. */
static int bo_access64(struct brgpu_bo *bo, u64 offset, u64 *value, bool write)
{
	struct brgpu_device *brgpu = ttm_to_brgpu(bo->ttm.bdev);
	struct ttm_bo_kmap_obj map = {};
	bool is_iomem;
	u64 *word;
	int ret, idx;

	ret = brgpu_bo_make_visible(bo);
	if (ret)
		return ret;
	if (bo->ttm.type == ttm_bo_type_sg)
		return -EOPNOTSUPP;
	if (brgpu_bo_is_vram(bo)) {
		const unsigned long pfn =
			bo->ttm.bdev->funcs->io_mem_pfn(&bo->ttm, offset >> PAGE_SHIFT);
		void __iomem *at = brgpu->vram + ((u64)pfn << PAGE_SHIFT) - brgpu->vram_phys +
				   (offset & ~PAGE_MASK);

		if (!drm_dev_enter(&brgpu->drm, &idx))
			return -ENODEV;
		if (write)
			writeq(*value, at);
		else
			*value = readq(at);
		drm_dev_exit(idx);
		return 0;
	}
	ret = ttm_bo_kmap(&bo->ttm, offset >> PAGE_SHIFT, 1, &map);
	if (ret)
		return ret;
	word = ttm_kmap_obj_virtual(&map, &is_iomem) + (offset & ~PAGE_MASK);
	if (write)
		WRITE_ONCE(*word, *value);
	else
		*value = READ_ONCE(*word);
	ttm_bo_kunmap(&map);
	return 0;
}

int brgpu_bo_read64(struct brgpu_bo *bo, u64 offset, u64 *value)
{
	int ret = ttm_bo_reserve(&bo->ttm, true, false, NULL);

	if (ret)
		return ret;
	ret = bo_access64(bo, offset, value, false);
	ttm_bo_unreserve(&bo->ttm);
	return ret;
}

int brgpu_bo_write64(struct brgpu_bo *bo, u64 offset, u64 value)
{
	int ret = ttm_bo_reserve(&bo->ttm, false, false, NULL);

	if (ret)
		return ret;
	ret = bo_access64(bo, offset, &value, true);
	ttm_bo_unreserve(&bo->ttm);
	return ret;
}

int brgpu_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_bo_create *args = data;
	struct brgpu_bo_params params = {};
	const char *why = "";
	struct brgpu_bo *bo;
	int ret, idx;

	ret = brgpu_core_check_bo_create(args, &brgpu->limits, &why);
	if (ret)
		return brgpu_refuse(brgpu, "BO_CREATE", ret, "%s", why);
	params.size = PAGE_ALIGN(args->size);
	params.placements = args->placements;
	params.flags = args->flags;
	if (args->vm_id) {
		params.vm = brgpu_vm_lookup(priv, args->vm_id);
		if (!params.vm)
			return brgpu_refuse(brgpu, "BO_CREATE", -ENOENT, "no VM %u", args->vm_id);
	}

	ret = -ENODEV;
	if (drm_dev_enter(drm, &idx)) {
		bo = brgpu_bo_create(brgpu, &params);
		ret = PTR_ERR_OR_ZERO(bo);
		if (!ret) {
			bo_set_owner(bo, priv);
			ret = drm_gem_handle_create(file, &bo->ttm.base, &args->handle);
			args->size = params.size;
			/* The handle has a reference of its own. */
			drm_gem_object_put(&bo->ttm.base);
		}
		drm_dev_exit(idx);
	}
	if (params.vm)
		brgpu_vm_put(params.vm);
	if (ret == -ENOSPC)
		brgpu_refuse(brgpu, "BO_CREATE", ret, "no room for %llu bytes in placements 0x%x",
			     params.size, params.placements);
	return ret;
}

int brgpu_bo_mmap_offset_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct drm_brgpu_bo_mmap_offset *args = data;
	struct drm_gem_object *gem;
	const char *why = "";
	int ret;

	ret = brgpu_core_check_bo_mmap_offset(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "BO_MMAP_OFFSET", ret, "%s", why);
	gem = drm_gem_object_lookup(file, args->handle);
	if (!gem)
		return brgpu_refuse(brgpu, "BO_MMAP_OFFSET", -ENOENT, "no handle %u", args->handle);
	if (!brgpu_bo_is_mappable(gem_to_brgpu_bo(gem)))
		ret = brgpu_refuse(brgpu, "BO_MMAP_OFFSET", -EACCES,
				   "VRAM-only buffer without CPU_VISIBLE, and a small aperture");
	else
		args->offset = drm_vma_node_offset_addr(&gem->vma_node);
	drm_gem_object_put(gem);
	return ret;
}
