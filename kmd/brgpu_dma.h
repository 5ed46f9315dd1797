/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that the kernel and the card share. */
#ifndef BRGPU_DMA_H
#define BRGPU_DMA_H

#include <linux/types.h>
#include <linux/xarray.h>

struct brgpu_device;

struct brgpu_dma {
	/* What the card may reach: by page number of the kernel's pointer, address and length. */
	struct xarray pieces;
};

void brgpu_dma_init(struct brgpu_device *brgpu);
void brgpu_dma_fini(struct brgpu_device *brgpu);

/* Zeroed, whole pages, at most a megabyte. NULL: no memory, or the card has gone. Sleeps. */
void *brgpu_dma_alloc(struct brgpu_device *brgpu, size_t bytes, dma_addr_t *address);
void brgpu_dma_free(struct brgpu_device *brgpu, size_t bytes, void *cpu);
/* The card goes: it reaches none of it any more, while the kernel's pointers stay good. */
void brgpu_dma_revoke(struct brgpu_device *brgpu);

#endif /* BRGPU_DMA_H */
