/* SPDX-License-Identifier: GPL-2.0 */
/* Doorbells of user-mode queues. */
#ifndef BRGPU_DOORBELL_H
#define BRGPU_DOORBELL_H

#include <linux/idr.h>
#include <linux/mutex.h>

struct brgpu_device;
struct brgpu_file;
struct file;
struct page;
struct vm_area_struct;

/* Of an open file. */
struct brgpu_doorbells {
	/*
	 * Protects what follows. Taken by page faults: no memory of the process is touched under
	 * it.
	 */
	struct mutex lock;
	u32 page;		/* in BAR 4; 0: none yet. Kept until the file is closed */
	u32 users;		/* queues; without one, a mapping shows the dummy page */
	struct page *dummy;	/* for this file alone: nothing leaks through it */
	struct ida slots;
};

void brgpu_doorbells_init(struct brgpu_file *file);
void brgpu_doorbells_fini(struct brgpu_file *file);

/* A word of the file's page: *slot in it. Returns its index in BAR 4, or -ENOSPC, -ENOMEM. */
int brgpu_doorbell_get(struct brgpu_file *file, u32 *slot);
void brgpu_doorbell_put(struct brgpu_file *file, u32 slot);
/* What mmap() takes for the file's page. */
u64 brgpu_doorbell_offset(struct brgpu_file *file);

/* mmap() of the device file: doorbells here, buffers by the core. */
int brgpu_mmap(struct file *file, struct vm_area_struct *vma);

/*
 * While doorbells are off (a reset of the function, suspend), every mapping shows the dummy page,
 * so that no process writes to a BAR that is not there. What is rung meanwhile is seen by the MAP
 * of the queue that follows.
 */
void brgpu_doorbells_off(struct brgpu_device *brgpu);
void brgpu_doorbells_on(struct brgpu_device *brgpu);

#endif /* BRGPU_DOORBELL_H */
