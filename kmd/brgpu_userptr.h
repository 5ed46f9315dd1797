/* SPDX-License-Identifier: GPL-2.0 */
/* Memory of processes, mapped in VMs. */
#ifndef BRGPU_USERPTR_H
#define BRGPU_USERPTR_H

#include <linux/kconfig.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct brgpu_device;
struct brgpu_vm;

/* Whether this kernel tells drivers what happens to a process's memory and gives them its pages. */
#define BRGPU_USERPTR_SUPPORTED (IS_ENABLED(CONFIG_MMU_NOTIFIER) && IS_ENABLED(CONFIG_HMM_MIRROR))

/* Of a VM. */
struct brgpu_userptrs {
	/*
	 * Held for reading while it is made sure that no page table shows what has gone, until the
	 * job that relies on it has its fence on the VM; for writing while memory is taken away,
	 * which waits for those fences. Reclaim takes it: nothing is allocated under it.
	 */
	struct rw_semaphore notifier_lock;
	/* Protects invalid. */
	spinlock_t lock;
	struct list_head invalid;	/* brgpu_userptr that the page tables don't show as it is */
};

/* A range of a process's memory. Mappings that were cut out of one share it. */
struct brgpu_userptr {
	struct kref refs;		/* each mapping, calls under way */
	struct brgpu_vm *vm;		/* reference */
	u64 start;
	u64 bytes;
	bool write;
#if BRGPU_USERPTR_SUPPORTED
	struct mmu_interval_notifier notifier;
#endif
	/* Changed with vm->lock. */
	struct list_head vas;		/* brgpu_va */
	struct sg_table sgt;		/* addresses for the card; stale unless `mapped` */
	bool gone;			/* nothing usable stood there at the last look */
	bool rebound;			/* a pushed bind job shows sgt in the page tables */
	bool zapped;			/* a pushed bind job has taken it out of them */
	/* Set with notifier_lock for reading and vm->lock, cleared with it for writing. */
	bool mapped;
	struct list_head invalid_link;	/* vm->userptrs.invalid */
	struct list_head call_link;	/* of the call that holds vm->lock */
	struct list_head device_link;	/* brgpu_device.userptrs */
	struct work_struct release_work;
};

void brgpu_userptrs_init(struct brgpu_userptrs *userptrs);
/* The card has gone: it is shown none of it any more. */
void brgpu_userptrs_revoke(struct brgpu_device *brgpu);

/* [start, start + bytes) of the calling process; checked for overflow and alignment. */
struct brgpu_userptr *brgpu_userptr_create(struct brgpu_vm *vm, u64 start, u64 bytes, bool write);
void brgpu_userptr_get(struct brgpu_userptr *userptr);
/* Any context. The end runs in a work. */
void brgpu_userptr_put(struct brgpu_userptr *userptr);
/*
 * Finds the pages and gives the card addresses of them. vm->lock is held, no reservation. -EFAULT:
 * no memory, or not writable.
 */
int brgpu_userptr_populate(struct brgpu_userptr *userptr);

/*
 * A submission, with vm->lock held: prepare() before reservations are taken, looks again at all
 * that was invalidated and lists it in `list`; brgpu_bind_evicted() brings it to the page tables;
 * begin() keeps more from being taken away, or says -EAGAIN: it was, start again; end() when the
 * job's fence is on the VM; finish() at last.
 */
int brgpu_userptrs_prepare(struct brgpu_vm *vm, struct list_head *list);
int brgpu_userptrs_begin(struct brgpu_vm *vm);
void brgpu_userptrs_end(struct brgpu_vm *vm);
void brgpu_userptrs_finish(struct list_head *list);

#endif /* BRGPU_USERPTR_H */
