// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "brgpu_device.h"
#include "brgpu_trace.h"
#include "brgpu_userptr.h"
#include "brgpu_vm.h"

/**
 * DOC: memory of processes
 *
 * A VM may map memory of a process. Nothing is pinned: an interval notifier says that pages are to
 * go (munmap, fork, swapping, migration...), and takes them away when every job of the VM that was
 * submitted so far has ended. The page tables are left as they are: before the next job runs, the
 * submission looks again at what stands there and maps it anew, or unmaps it where there is
 * nothing, so that an access is a fault of the job that does it. So a dead range costs nobody else.
 *
 * Between the look and the fence of the new job more may be taken away. Submissions hold
 * notifier_lock for reading over that time; with it, either the invalidation has been seen and the
 * submission starts again, or the invalidation finds the fence and waits for it. A bind needs no
 * such check: what it writes is looked at by the next submission before anything can use it.
 *
 * Addresses for the card end within the invalidation, for pages must not be given back to a process
 * while an IOMMU still lets the card reach them.
 */

void brgpu_userptrs_init(struct brgpu_userptrs *userptrs)
{
	init_rwsem(&userptrs->notifier_lock);
	spin_lock_init(&userptrs->lock);
	INIT_LIST_HEAD(&userptrs->invalid);
	if (IS_ENABLED(CONFIG_LOCKDEP)) {
		/* Reclaim invalidates: lockdep shall know before it happens. */
		fs_reclaim_acquire(GFP_KERNEL);
		down_write(&userptrs->notifier_lock);
		up_write(&userptrs->notifier_lock);
		fs_reclaim_release(GFP_KERNEL);
	}
}

void brgpu_userptr_get(struct brgpu_userptr *userptr)
{
	kref_get(&userptr->refs);
}

#if BRGPU_USERPTR_SUPPORTED

/* Pages of one call of hmm_range_fault(): between two, signals are looked at. */
#define POPULATE_CHUNK	(SZ_64M >> PAGE_SHIFT)

static void userptr_unmap_dma(struct brgpu_userptr *userptr)
{
	if (!userptr->mapped)
		return;
	userptr->mapped = false;
	dma_unmap_sgtable(userptr->vm->brgpu->drm.dev, &userptr->sgt,
			  userptr->write ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE,
			  DMA_ATTR_SKIP_CPU_SYNC);
}

static bool userptr_invalidate(struct mmu_interval_notifier *notifier,
			       const struct mmu_notifier_range *range, unsigned long seq)
{
	struct brgpu_userptr *userptr = container_of(notifier, struct brgpu_userptr, notifier);
	struct brgpu_vm *vm = userptr->vm;

	if (!mmu_notifier_range_blockable(range))
		return false;

	down_write(&vm->userptrs.notifier_lock);
	mmu_interval_set_seq(notifier, seq);
	spin_lock(&vm->userptrs.lock);
	list_move_tail(&userptr->invalid_link, &vm->userptrs.invalid);
	spin_unlock(&vm->userptrs.lock);
	if (userptr->mapped) {
		trace_brgpu_userptr_invalidate(vm->hw_id, userptr->start, userptr->bytes,
					       range->start, range->end, range->event);
		/* Jobs and binds alike: what the latter write is stale from now on. */
		dma_resv_wait_timeout(drm_gpuvm_resv(&vm->base), DMA_RESV_USAGE_BOOKKEEP, false,
				      MAX_SCHEDULE_TIMEOUT);
		userptr_unmap_dma(userptr);
	}
	up_write(&vm->userptrs.notifier_lock);
	return true;
}

static const struct mmu_interval_notifier_ops userptr_notifier_ops = {
	.invalidate = userptr_invalidate,
};

static void userptr_release_work(struct work_struct *work)
{
	struct brgpu_userptr *userptr = container_of(work, struct brgpu_userptr, release_work);
	struct brgpu_vm *vm = userptr->vm;

	mutex_lock(&vm->brgpu->shown_lock);
	list_del(&userptr->device_link);
	mutex_unlock(&vm->brgpu->shown_lock);
	/* Waits for an invalidation under way; none comes after it. */
	mmu_interval_notifier_remove(&userptr->notifier);
	spin_lock(&vm->userptrs.lock);
	list_del_init(&userptr->invalid_link);
	spin_unlock(&vm->userptrs.lock);
	userptr_unmap_dma(userptr);
	sg_free_table(&userptr->sgt);
	kfree(userptr);
	brgpu_vm_put(vm);
}

static void userptr_release(struct kref *refs)
{
	struct brgpu_userptr *userptr = container_of(refs, struct brgpu_userptr, refs);

	/* The last may be a bind job's, and what the work waits for may need its thread. */
	queue_work(brgpu_release_wq, &userptr->release_work);
}

void brgpu_userptr_put(struct brgpu_userptr *userptr)
{
	if (userptr)
		kref_put(&userptr->refs, userptr_release);
}

struct brgpu_userptr *brgpu_userptr_create(struct brgpu_vm *vm, u64 start, u64 bytes, bool write)
{
	struct brgpu_userptr *userptr;
	int ret;

	if (start > ULONG_MAX || bytes > ULONG_MAX ||
	    !access_ok((void __user *)(unsigned long)start, bytes))
		return ERR_PTR(-EFAULT);
	/* More than there is can't be in memory all at once. */
	if (bytes >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);

	userptr = kzalloc(sizeof(*userptr), GFP_KERNEL_ACCOUNT);
	if (!userptr)
		return ERR_PTR(-ENOMEM);
	kref_init(&userptr->refs);
	userptr->vm = vm;
	userptr->start = start;
	userptr->bytes = bytes;
	userptr->write = write;
	INIT_LIST_HEAD(&userptr->vas);
	INIT_LIST_HEAD(&userptr->invalid_link);
	INIT_LIST_HEAD(&userptr->call_link);
	INIT_WORK(&userptr->release_work, userptr_release_work);
	drm_gpuvm_get(&vm->base);
	ret = mmu_interval_notifier_insert(&userptr->notifier, current->mm, start, bytes,
					   &userptr_notifier_ops);
	if (ret) {
		brgpu_vm_put(vm);
		kfree(userptr);
		return ERR_PTR(ret);
	}
	mutex_lock(&vm->brgpu->shown_lock);
	list_add_tail(&userptr->device_link, &vm->brgpu->userptrs);
	mutex_unlock(&vm->brgpu->shown_lock);
	return userptr;
}

static int userptr_fault_pages(struct brgpu_userptr *userptr, struct mm_struct *mm,
			       unsigned long seq, unsigned long *pfns)
{
	const unsigned long count = userptr->bytes >> PAGE_SHIFT;
	unsigned long done = 0;
	int ret = 0;

	while (done < count && !ret) {
		const unsigned long pages = min_t(unsigned long, count - done, POPULATE_CHUNK);
		struct hmm_range range = {
			.notifier = &userptr->notifier,
			.notifier_seq = seq,
			.start = userptr->start + (done << PAGE_SHIFT),
			.end = userptr->start + ((done + pages) << PAGE_SHIFT),
			.hmm_pfns = pfns + done,
			.default_flags = HMM_PFN_REQ_FAULT |
					 (userptr->write ? HMM_PFN_REQ_WRITE : 0),
		};

		if (signal_pending(current))
			return -ERESTARTSYS;
		mmap_read_lock(mm);
		ret = hmm_range_fault(&range);
		mmap_read_unlock(mm);
		done += pages;
		cond_resched();
	}
	/* Not writable is as good as not there. */
	return ret == -EPERM ? -EFAULT : ret;
}

/*
 * notifier_lock is held for reading. A private page that the CPU may write need not be dirty yet;
 * nobody would notice that the card has written it.
 */
static void userptr_mark_dirty(struct page **pages, unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		if (PageAnon(pages[i]))
			set_page_dirty(pages[i]);
	}
}

int brgpu_userptr_populate(struct brgpu_userptr *userptr)
{
	struct brgpu_userptrs *userptrs = &userptr->vm->userptrs;
	struct device *dev = userptr->vm->brgpu->drm.dev;
	const unsigned long count = userptr->bytes >> PAGE_SHIFT;
	struct mm_struct *mm = userptr->notifier.mm;
	unsigned long *pfns, seq, i;
	struct page **pages;
	struct sg_table sgt;
	int ret, idx;

	lockdep_assert_held(&userptr->vm->lock);
	if (READ_ONCE(userptr->mapped))
		return 0;
	/* The process that mapped it may have ended, while another one still has the file. */
	if (!mmget_not_zero(mm))
		return -EFAULT;
	pfns = kvmalloc_array(count, sizeof(*pfns), GFP_KERNEL_ACCOUNT);
	if (!pfns) {
		ret = -ENOMEM;
		goto put_mm;
	}

	BUILD_BUG_ON(sizeof(*pages) != sizeof(*pfns));
	for (;;) {
		memset(pfns, 0, count * sizeof(*pfns));
		seq = mmu_interval_read_begin(&userptr->notifier);
		ret = userptr_fault_pages(userptr, mm, seq, pfns);
		if (ret == -EBUSY)
			continue;
		if (ret)
			break;
		/* In place: the pages are of interest, not their flags. */
		pages = (struct page **)pfns;
		for (i = 0; i < count; i++)
			pages[i] = hmm_pfn_to_page(pfns[i]);
		ret = sg_alloc_table_from_pages_segment(&sgt, pages, count, 0, userptr->bytes,
							dma_get_max_seg_size(dev), GFP_KERNEL);
		if (ret)
			break;

		down_read(&userptrs->notifier_lock);
		if (mmu_interval_read_retry(&userptr->notifier, seq)) {
			up_read(&userptrs->notifier_lock);
			sg_free_table(&sgt);
			continue;
		}
		ret = -ENODEV;
		if (drm_dev_enter(&userptr->vm->brgpu->drm, &idx)) {
			/* The card snoops; the same page may be shown to it twice. */
			ret = dma_map_sgtable(dev, &sgt,
					      userptr->write ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE,
					      DMA_ATTR_SKIP_CPU_SYNC);
			drm_dev_exit(idx);
		}
		if (!ret) {
			if (userptr->write)
				userptr_mark_dirty(pages, count);
			swap(userptr->sgt, sgt);
			userptr->rebound = false;
			userptr->zapped = false;
			userptr->mapped = true;
		}
		up_read(&userptrs->notifier_lock);
		/* That of before, or the one that could not be mapped. */
		sg_free_table(&sgt);
		break;
	}
	kvfree(pfns);
put_mm:
	/*
	 * Where the process has ended meanwhile, this takes its memory down, closes files that it
	 * had mapped, and calls notifiers: not under the VM's lock.
	 */
	mmput_async(mm);
	return ret;
}

void brgpu_userptrs_revoke(struct brgpu_device *brgpu)
{
	struct brgpu_userptr *userptr;

	mutex_lock(&brgpu->shown_lock);
	list_for_each_entry(userptr, &brgpu->userptrs, device_link) {
		down_write(&userptr->vm->userptrs.notifier_lock);
		userptr_unmap_dma(userptr);
		up_write(&userptr->vm->userptrs.notifier_lock);
	}
	mutex_unlock(&brgpu->shown_lock);
}

#else /* !BRGPU_USERPTR_SUPPORTED: the feature bit is not set, nobody gets past the check of it */

struct brgpu_userptr *brgpu_userptr_create(struct brgpu_vm *vm, u64 start, u64 bytes, bool write)
{
	return ERR_PTR(-EOPNOTSUPP);
}

void brgpu_userptr_put(struct brgpu_userptr *userptr)
{
}

int brgpu_userptr_populate(struct brgpu_userptr *userptr)
{
	return -EOPNOTSUPP;
}

void brgpu_userptrs_revoke(struct brgpu_device *brgpu)
{
}

#endif

int brgpu_userptrs_prepare(struct brgpu_vm *vm, struct list_head *list)
{
	struct brgpu_userptr *userptr;
	int ret;

	lockdep_assert_held(&vm->lock);
	spin_lock(&vm->userptrs.lock);
	list_for_each_entry(userptr, &vm->userptrs.invalid, invalid_link) {
		/* One whose last mapping went is of no interest. */
		if (!list_empty(&userptr->call_link) || !kref_get_unless_zero(&userptr->refs))
			continue;
		list_add_tail(&userptr->call_link, list);
	}
	spin_unlock(&vm->userptrs.lock);

	list_for_each_entry(userptr, list, call_link) {
		if (list_empty(&userptr->vas))
			continue;
		ret = brgpu_userptr_populate(userptr);
		userptr->gone = ret == -EFAULT;
		trace_brgpu_userptr_populate(vm->hw_id, userptr->start, userptr->bytes, ret);
		if (ret && !userptr->gone)
			return ret;
	}
	return 0;
}

int brgpu_userptrs_begin(struct brgpu_vm *vm)
{
	struct brgpu_userptr *userptr, *next;
	int ret = 0;

	lockdep_assert_held(&vm->lock);
	down_read(&vm->userptrs.notifier_lock);
	spin_lock(&vm->userptrs.lock);
	list_for_each_entry_safe(userptr, next, &vm->userptrs.invalid, invalid_link) {
		if (userptr->mapped && userptr->rebound)
			list_del_init(&userptr->invalid_link);
		else if (!userptr->zapped && !list_empty(&userptr->vas))
			ret = -EAGAIN;
	}
	spin_unlock(&vm->userptrs.lock);
	if (ret)
		up_read(&vm->userptrs.notifier_lock);
	return ret;
}

void brgpu_userptrs_end(struct brgpu_vm *vm)
{
	up_read(&vm->userptrs.notifier_lock);
}

void brgpu_userptrs_finish(struct list_head *list)
{
	struct brgpu_userptr *userptr, *next;

	list_for_each_entry_safe(userptr, next, list, call_link) {
		list_del_init(&userptr->call_link);
		brgpu_userptr_put(userptr);
	}
}
