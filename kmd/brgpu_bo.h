/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers. */
#ifndef BRGPU_BO_H
#define BRGPU_BO_H

#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_placement.h>

struct brgpu_device;
struct brgpu_file;
struct brgpu_vm;
struct drm_gem_object;

struct brgpu_bo {
	struct ttm_buffer_object ttm;
	u32 placements;		/* DRM_BRGPU_PLACEMENT_* */
	u32 flags;		/* DRM_BRGPU_BO_* */
	/* The VM that owns it, by its reservation object; NULL: shared. Holds a reference. */
	struct drm_gem_object *vm_resv_obj;
	struct list_head owner_link;	/* brgpu_file.bos of its creator, while that is open */
};

static inline struct brgpu_bo *ttm_to_brgpu_bo(struct ttm_buffer_object *ttm)
{
	return container_of(ttm, struct brgpu_bo, ttm);
}

static inline struct brgpu_bo *gem_to_brgpu_bo(struct drm_gem_object *gem)
{
	return container_of(gem, struct brgpu_bo, ttm.base);
}

static inline bool brgpu_bo_is_vram(struct brgpu_bo *bo)
{
	return bo->ttm.resource && bo->ttm.resource->mem_type == TTM_PL_VRAM;
}

struct brgpu_bo_params {
	u64 size;		/* multiple of a page */
	u32 placements;
	u32 flags;
	struct brgpu_vm *vm;	/* NULL, or the only VM; its reservation object must not be held */
	struct sg_table *sg;	/* of an import, else NULL */
	struct dma_resv *resv;	/* of an import: the exporter's */
};

struct brgpu_bo *brgpu_bo_create(struct brgpu_device *brgpu, const struct brgpu_bo_params *params);
/*
 * Brings it to where the card can use it; comes back to VRAM where there is room. The reservation
 * is held. Never evicts others.
 */
int brgpu_bo_validate(struct brgpu_bo *bo, bool interruptible);
/* Their creator's file is closed. */
void brgpu_bo_disown_all(struct brgpu_file *file);
/* Whether the CPU can reach it, or may by moving it. */
bool brgpu_bo_is_mappable(struct brgpu_bo *bo);
/* Reads the 64-bit word at `offset` (checked by the caller). Takes the reservation. */
int brgpu_bo_read64(struct brgpu_bo *bo, u64 offset, u64 *value);
int brgpu_bo_write64(struct brgpu_bo *bo, u64 offset, u64 value);
/* TTM placement lists for the buffer; `back`: come back to VRAM from system memory. */
void brgpu_bo_placement(struct brgpu_bo *bo, struct ttm_place *places,
			struct ttm_placement *placement, bool back);

int brgpu_bo_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int brgpu_bo_mmap_offset_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* brgpu_ttm.c */
int brgpu_ttm_init(struct brgpu_device *brgpu);
void brgpu_ttm_fini(struct brgpu_device *brgpu);

/* brgpu_prime.c */
struct sg_table *brgpu_prime_get_sg_table(struct drm_gem_object *gem);
struct dma_buf *brgpu_prime_export(struct drm_gem_object *gem, int flags);
int brgpu_prime_pin(struct drm_gem_object *gem);
void brgpu_prime_unpin(struct drm_gem_object *gem);
struct drm_gem_object *brgpu_prime_import_sg_table(struct drm_device *drm,
						   struct dma_buf_attachment *attach,
						   struct sg_table *sg);

#endif /* BRGPU_BO_H */
