// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/mm.h>

#include "brgpu_device.h"
#include "brgpu_dma.h"

/**
 * DOC: shared memory of the kernel
 *
 * Rings and page tables live as long as objects of clients, maybe longer than the device is on
 * its bus. Memory of dma_alloc_coherent() can't: once an IOMMU has let go of the device, there is
 * no giving it back. So this is ordinary memory, mapped for the card, which snoops caches; when the
 * card goes the mappings end, and the memory is freed when its owner is.
 */

#define PIECE_PAGES_BITS 8

static unsigned long piece_index(const void *cpu)
{
	return (unsigned long)cpu >> PAGE_SHIFT;
}

static void piece_unmap(struct brgpu_device *brgpu, void *entry)
{
	const unsigned long value = xa_to_value(entry);

	dma_unmap_single(brgpu->drm.dev,
			 (dma_addr_t)(value >> PIECE_PAGES_BITS) << PAGE_SHIFT,
			 (value & (BIT(PIECE_PAGES_BITS) - 1)) << PAGE_SHIFT, DMA_BIDIRECTIONAL);
}

void brgpu_dma_init(struct brgpu_device *brgpu)
{
	xa_init(&brgpu->dma.pieces);
}

void brgpu_dma_fini(struct brgpu_device *brgpu)
{
	drm_WARN_ON(&brgpu->drm, !xa_empty(&brgpu->dma.pieces));
	xa_destroy(&brgpu->dma.pieces);
}

void *brgpu_dma_alloc(struct brgpu_device *brgpu, size_t bytes, dma_addr_t *address)
{
	const size_t pages = DIV_ROUND_UP(bytes, PAGE_SIZE);
	void *cpu = NULL;
	int ret, idx;

	if (drm_WARN_ON(&brgpu->drm, pages >= BIT(PIECE_PAGES_BITS)) ||
	    !drm_dev_enter(&brgpu->drm, &idx))
		return NULL;
	cpu = alloc_pages_exact(pages << PAGE_SHIFT, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!cpu)
		goto exit_dev;
	*address = dma_map_single(brgpu->drm.dev, cpu, pages << PAGE_SHIFT, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(brgpu->drm.dev, *address))
		goto free;
	ret = xa_err(xa_store(&brgpu->dma.pieces, piece_index(cpu),
			      xa_mk_value(*address >> PAGE_SHIFT << PIECE_PAGES_BITS | pages),
			      GFP_KERNEL));
	if (!ret)
		goto exit_dev;
	dma_unmap_single(brgpu->drm.dev, *address, pages << PAGE_SHIFT, DMA_BIDIRECTIONAL);
free:
	free_pages_exact(cpu, pages << PAGE_SHIFT);
	cpu = NULL;
exit_dev:
	drm_dev_exit(idx);
	return cpu;
}

void brgpu_dma_free(struct brgpu_device *brgpu, size_t bytes, void *cpu)
{
	/* Whoever takes the entry ends the mapping. */
	void *entry = xa_erase(&brgpu->dma.pieces, piece_index(cpu));

	if (entry)
		piece_unmap(brgpu, entry);
	free_pages_exact(cpu, PAGE_ALIGN(bytes));
}

void brgpu_dma_revoke(struct brgpu_device *brgpu)
{
	unsigned long index;
	void *entry;

	xa_for_each(&brgpu->dma.pieces, index, entry) {
		entry = xa_erase(&brgpu->dma.pieces, index);
		if (entry)
			piece_unmap(brgpu, entry);
	}
}
