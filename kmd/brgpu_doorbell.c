// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>

#include "brgpu_device.h"
#include "brgpu_doorbell.h"

/**
 * DOC: doorbells
 *
 * A process gets one page of BAR 4 for all its user-mode queues, by a mapping at an offset below
 * the buffers' ones. The page is entered when it is touched first. Whenever writing to it would be
 * of no use, or not allowed any more, the mappings are taken down, and the next touch finds a page
 * of ordinary memory: the card has gone, it is being reset, or the file has no queue left. A child
 * of fork() does not get the mapping.
 */

static u32 doorbell_pages(struct brgpu_device *brgpu)
{
	const resource_size_t bytes =
		pci_resource_len(to_pci_dev(brgpu->drm.dev), BRGPU_BAR_DOORBELLS);

	return min_t(u64, brgpu->ident.doorbell_pages, bytes / BRGPU_DOORBELL_PAGE_BYTES);
}

void brgpu_doorbells_init(struct brgpu_file *file)
{
	mutex_init(&file->doorbells.lock);
	ida_init(&file->doorbells.slots);
}

/* The mappings hold the file: none is left. */
void brgpu_doorbells_fini(struct brgpu_file *file)
{
	struct brgpu_doorbells *doorbells = &file->doorbells;

	if (doorbells->page)
		ida_free(&file->brgpu->doorbell_ida, doorbells->page);
	if (doorbells->dummy)
		__free_page(doorbells->dummy);
	ida_destroy(&doorbells->slots);
	mutex_destroy(&doorbells->lock);
}

u64 brgpu_doorbell_offset(struct brgpu_file *file)
{
	return (u64)file->doorbells.page << PAGE_SHIFT;
}

static void doorbell_zap(struct brgpu_device *brgpu, u32 page, u32 pages)
{
	unmap_mapping_range(brgpu->drm.anon_inode->i_mapping, (loff_t)page << PAGE_SHIFT,
			    (loff_t)pages << PAGE_SHIFT, 1);
}

/* The file's page, once and for all. */
static int doorbell_page_get(struct brgpu_file *file)
{
	struct brgpu_doorbells *doorbells = &file->doorbells;
	struct brgpu_device *brgpu = file->brgpu;
	struct page *dummy;
	int page;

	if (READ_ONCE(doorbells->page))
		return 0;
	dummy = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!dummy)
		return -ENOMEM;
	/* Page 0 is the kernel's. */
	page = ida_alloc_range(&brgpu->doorbell_ida, 1, doorbell_pages(brgpu) - 1, GFP_KERNEL);
	if (page < 0) {
		__free_page(dummy);
		return page;
	}
	mutex_lock(&doorbells->lock);
	if (!doorbells->page) {
		doorbells->dummy = dummy;
		WRITE_ONCE(doorbells->page, page);
		dummy = NULL;
	}
	mutex_unlock(&doorbells->lock);
	if (dummy) {
		ida_free(&brgpu->doorbell_ida, page);
		__free_page(dummy);
	}
	return 0;
}

int brgpu_doorbell_get(struct brgpu_file *file, u32 *slot)
{
	struct brgpu_doorbells *doorbells = &file->doorbells;
	bool first;
	int ret;

	ret = doorbell_page_get(file);
	if (ret)
		return ret;
	ret = ida_alloc_max(&doorbells->slots, BRGPU_DOORBELLS_A_PAGE - 1, GFP_KERNEL);
	if (ret < 0)
		return ret;
	*slot = ret;
	mutex_lock(&doorbells->lock);
	first = !doorbells->users++;
	mutex_unlock(&doorbells->lock);
	/* A mapping may show the dummy page. */
	if (first)
		doorbell_zap(file->brgpu, doorbells->page, 1);
	return doorbells->page * BRGPU_DOORBELLS_A_PAGE + *slot;
}

void brgpu_doorbell_put(struct brgpu_file *file, u32 slot)
{
	struct brgpu_doorbells *doorbells = &file->doorbells;
	bool last;

	mutex_lock(&doorbells->lock);
	last = !--doorbells->users;
	mutex_unlock(&doorbells->lock);
	if (last)
		doorbell_zap(file->brgpu, doorbells->page, 1);
	ida_free(&doorbells->slots, slot);
}

static vm_fault_t doorbell_fault(struct vm_fault *vmf)
{
	struct brgpu_file *file = vmf->vma->vm_private_data;
	struct brgpu_doorbells *doorbells = &file->doorbells;
	struct brgpu_device *brgpu = file->brgpu;
	unsigned long pfn;
	vm_fault_t ret;
	int idx;

	down_read(&brgpu->doorbells_sem);
	mutex_lock(&doorbells->lock);
	pfn = page_to_pfn(doorbells->dummy);
	if (drm_dev_enter(&brgpu->drm, &idx)) {
		const resource_size_t bar =
			pci_resource_start(to_pci_dev(brgpu->drm.dev), BRGPU_BAR_DOORBELLS);

		/* Under the locks that those who take the mapping down take before they do. */
		if (doorbells->users && !brgpu->doorbells_are_off)
			pfn = (bar >> PAGE_SHIFT) + doorbells->page;
		ret = vmf_insert_pfn(vmf->vma, vmf->address, pfn);
		drm_dev_exit(idx);
	} else {
		ret = vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	}
	mutex_unlock(&doorbells->lock);
	up_read(&brgpu->doorbells_sem);
	return ret;
}

static const struct vm_operations_struct doorbell_vm_ops = {
	.fault = doorbell_fault,
};

int brgpu_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct drm_file *drm_file = filp->private_data;
	struct brgpu_file *file = drm_file->driver_priv;
	const u32 page = READ_ONCE(file->doorbells.page);

	if (vma->vm_pgoff >= DRM_FILE_PAGE_OFFSET_START)
		return drm_gem_mmap(filp, vma);
	if (!page || vma->vm_pgoff != page)
		return brgpu_refuse(file->brgpu, "mmap", -EINVAL, "no doorbell page of this file");
	if (vma->vm_end - vma->vm_start != PAGE_SIZE || !(vma->vm_flags & VM_SHARED) ||
	    vma->vm_flags & VM_EXEC)
		return brgpu_refuse(file->brgpu, "mmap", -EINVAL,
				    "a doorbell page is mapped alone, shared, not executable");

	vma->vm_private_data = file;
	vma->vm_ops = &doorbell_vm_ops;
	vm_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY,
		     VM_MAYEXEC);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	return 0;
}

static void doorbells_switch(struct brgpu_device *brgpu, bool off)
{
	down_write(&brgpu->doorbells_sem);
	brgpu->doorbells_are_off = off;
	up_write(&brgpu->doorbells_sem);
	doorbell_zap(brgpu, 0, doorbell_pages(brgpu));
}

void brgpu_doorbells_off(struct brgpu_device *brgpu)
{
	doorbells_switch(brgpu, true);
}

void brgpu_doorbells_on(struct brgpu_device *brgpu)
{
	doorbells_switch(brgpu, false);
}
