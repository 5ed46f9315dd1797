// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_ident.h"

#include <brgpu/hw/mmu.h>
#include <brgpu/hw/regs.h>
#include <drm/brgpu_drm.h>

static int refuse(const char **why, int error, const char *text)
{
	*why = text;
	return error;
}

int brgpu_core_ident_read(struct brgpu_core_ident *ident, brgpu_core_read_fn read, void *ctx,
			  const char **why)
{
	uint64_t magic;

	memset(ident, 0, sizeof(*ident));
	*why = "";

	magic = read(ctx, BRGPU_REG_MAGIC, 4);
	if ((uint32_t)magic == 0xffffffffu)
		return refuse(why, -ENODEV, "registers read all-ones: the card has gone");
	if (magic != BRGPU_MAGIC)
		return refuse(why, -ENODEV, "register MAGIC is not that of a brgpu card");

	ident->contract = read(ctx, BRGPU_REG_CONTRACT, 4);
	if (ident->contract >> 16 != BRGPU_CONTRACT_MAJOR)
		return refuse(why, -EPROTONOSUPPORT, "hardware contract of another major version");

	ident->product = read(ctx, BRGPU_REG_PRODUCT, 4);
	ident->revision = read(ctx, BRGPU_REG_REVISION, 4);
	ident->serial = read(ctx, BRGPU_REG_SERIAL, 8);
	ident->features = read(ctx, BRGPU_REG_FEATURES, 8);
	ident->vram_bytes = read(ctx, BRGPU_REG_VRAM_BYTES, 8);
	ident->vram_bytes_die = read(ctx, BRGPU_REG_VRAM_BYTES_DIE, 8);
	ident->aperture_bytes = read(ctx, BRGPU_REG_APERTURE_BYTES, 8);
	ident->dies = read(ctx, BRGPU_REG_DIES, 4);
	ident->spcs = read(ctx, BRGPU_REG_SPCS, 4);
	ident->cus = read(ctx, BRGPU_REG_CUS, 4);
	ident->eus = read(ctx, BRGPU_REG_EUS, 4);
	ident->queues = read(ctx, BRGPU_REG_QUEUES, 4);
	ident->vms = read(ctx, BRGPU_REG_VMS, 4);
	ident->va_bits = read(ctx, BRGPU_REG_VA_BITS, 4);
	ident->dma_bits = read(ctx, BRGPU_REG_DMA_BITS, 4);
	ident->page_sizes = read(ctx, BRGPU_REG_PAGE_SIZES, 8);
	ident->vectors = read(ctx, BRGPU_REG_VECTORS, 4);
	ident->doorbell_pages = read(ctx, BRGPU_REG_DOORBELL_PAGES, 4);
	ident->local_bytes = read(ctx, BRGPU_REG_LOCAL_BYTES, 4);
	ident->tensor_bytes = read(ctx, BRGPU_REG_TENSOR_BYTES, 4);
	ident->max_workgroup = read(ctx, BRGPU_REG_MAX_WORKGROUP, 4);
	ident->resident_groups = read(ctx, BRGPU_REG_RESIDENT_GROUPS, 4);
	ident->isa = read(ctx, BRGPU_REG_ISA, 4);
	ident->preempt_ms = read(ctx, BRGPU_REG_PREEMPT_MS, 4);
	ident->links = read(ctx, BRGPU_REG_LINKS, 4);
	ident->vfs = read(ctx, BRGPU_REG_VFS, 4);
	ident->vf_index = read(ctx, BRGPU_REG_VF_INDEX, 4);
	ident->timestamp_hz = read(ctx, BRGPU_REG_TIMESTAMP_HZ, 8);

	/* A card that went away in the middle answers all-ones for the rest. */
	if (read(ctx, BRGPU_REG_MAGIC, 4) != BRGPU_MAGIC)
		return refuse(why, -ENODEV, "the card went away while it was being identified");

	if (!ident->vram_bytes || ident->vram_bytes & (BRGPU_PAGE_BYTES - 1) ||
	    ident->vram_bytes > BRGPU_VM0_MAPPED)
		return refuse(why, -EINVAL, "VRAM_BYTES out of range");
	if (ident->aperture_bytes & (BRGPU_PAGE_BYTES - 1))
		return refuse(why, -EINVAL, "APERTURE_BYTES is not a multiple of a page");
	if (ident->va_bits != BRGPU_VA_BITS)
		return refuse(why, -EINVAL, "VA_BITS is not 48");
	if (ident->dma_bits < 32 || ident->dma_bits > BRGPU_DMA_BITS)
		return refuse(why, -EINVAL, "DMA_BITS out of range");
	if (!(ident->page_sizes & BRGPU_PAGE_BYTES))
		return refuse(why, -EINVAL, "PAGE_SIZES lacks 4 KiB");
	if (!ident->dies || !ident->spcs || !ident->cus || !ident->eus)
		return refuse(why, -EINVAL, "topology with a zero");
	/* The driver itself needs a copy queue; VM 0 is never a client's. */
	if (ident->queues < 2 || ident->vms < 2)
		return refuse(why, -EINVAL, "fewer than two queue slots or VMs");
	if (!ident->doorbell_pages || !ident->vectors)
		return refuse(why, -EINVAL, "no doorbell page or no interrupt vector");
	if (!ident->preempt_ms || ident->preempt_ms > 60000)
		return refuse(why, -EINVAL, "PREEMPT_MS out of range");
	if (!ident->timestamp_hz)
		return refuse(why, -EINVAL, "TIMESTAMP_HZ is zero");

	if (ident->queues > BRGPU_MAX_QUEUES)
		ident->queues = BRGPU_MAX_QUEUES;
	if (ident->vms > BRGPU_MAX_VMS)
		ident->vms = BRGPU_MAX_VMS;
	if (ident->aperture_bytes > ident->vram_bytes)
		ident->aperture_bytes = ident->vram_bytes;
	return 0;
}

const char *brgpu_core_ident_name(const struct brgpu_core_ident *ident)
{
	switch (ident->product) {
	case BRGPU_PRODUCT_BR106:
		return "BR106";
	case BRGPU_PRODUCT_BR110:
		return "BR110";
	case BRGPU_PRODUCT_BR166:
		return "BR166";
	default:
		return "BR1xx";
	}
}

uint32_t brgpu_core_ident_features(const struct brgpu_core_ident *ident)
{
	const uint64_t needed = BRGPU_FEATURE_USER_QUEUES | BRGPU_FEATURE_SAVE_AREA;
	uint32_t features = 0;

	/* Page 0 of the doorbells is the kernel's. */
	if ((ident->features & needed) == needed && ident->doorbell_pages > 1) {
		features |= DRM_BRGPU_FEATURE_USER_QUEUES;
		if (ident->features & BRGPU_FEATURE_FAULT_RETRY)
			features |= DRM_BRGPU_FEATURE_FAULT_RETRY;
	}
	return features;
}
