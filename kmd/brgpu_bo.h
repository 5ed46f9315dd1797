/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers. */
#ifndef BRGPU_BO_H
#define BRGPU_BO_H

#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_placement.h>

struct brgpu_device;
struct brgpu_file;
struct brgpu_vm;
struct dma_buf;
struct drm_gem_object;

struct brgpu_bo {
	struct ttm_buffer_object ttm;
	u32 placements;		/* DRM_BRGPU_PLACEMENT_* */
	u32 flags;		/* DRM_BRGPU_BO_* */
	struct list_head vram_link;	/* in brgpu_device.vram_bos, or empty */
	/* The VM that owns it, by its reservation object; NULL: shared. Holds a reference. */
	struct drm_gem_object *vm_resv_obj;
	/* prime_holder: other drivers and cards that hold it. Protected by the reservation. */
	struct list_head holders;
	/* Of an import: a reference, for its reservation is this one's too, to the very end. */
	struct dma_buf *import_dmabuf;
	struct list_head import_link;	/* brgpu_device.imports */
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
	struct dma_resv *import_resv;	/* of an import: the exporter's, which is held; else NULL */
};

struct brgpu_bo *brgpu_bo_create(struct brgpu_device *brgpu, const struct brgpu_bo_params *params);
/*
 * Brings it to where the card can use it; comes back to VRAM where there is room. The reservation
 * is held. Never evicts others.
 */
int brgpu_bo_validate(struct brgpu_bo *bo, bool interruptible);
/* Their creator's file is closed. */
void brgpu_bo_disown_all(struct brgpu_file *file);
/* Brings one that landed in invisible VRAM to where the CPU sees it; the reservation is held. */
int brgpu_bo_make_visible(struct brgpu_bo *bo);
/*
 * After a sleep: what has no other place comes back to VRAM. The first error, after all were
 * tried.
 */
int brgpu_bo_restore_all(struct brgpu_device *brgpu);
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
struct dma_buf *brgpu_prime_export(struct drm_gem_object *gem, int flags);
struct drm_gem_object *brgpu_prime_import(struct drm_device *drm, struct dma_buf *dmabuf);
/* Why no other device can reach this card's memory on this kernel; NULL: some may. */
const char *brgpu_prime_no_peer_dma(void);
/* With the reservation held: it is about to move, tells those that have mapped it. */
void brgpu_prime_moving(struct brgpu_bo *bo);
/* Other drivers or cards hold it. */
bool brgpu_prime_is_attached(struct brgpu_bo *bo);
/* The card has gone: it is shown no buffers of others any more. */
void brgpu_prime_revoke(struct brgpu_device *brgpu);
/* The mapping of an import, for TTM. */
int brgpu_prime_map_import(struct ttm_buffer_object *tbo);
void brgpu_prime_unmap_import(struct ttm_buffer_object *tbo);

#endif /* BRGPU_BO_H */
