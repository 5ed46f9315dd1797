/* SPDX-License-Identifier: GPL-2.0 */
/* User-mode queues: their life, and which of them are on the hardware. */
#ifndef BRGPU_USERQ_H
#define BRGPU_USERQ_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <drm/brgpu_drm.h>

#include "brgpu_core_turn.h"
#include "brgpu_save.h"

struct brgpu_device;
struct brgpu_file;
struct brgpu_userq;
struct brgpu_vm;

/* Counters that only grow while a queue gets anywhere, summed over its stays on the hardware. */
struct brgpu_userq_counters {
	u64 busy_ns;
	u64 workgroups;
	u64 dispatches;
	u64 heartbeats;		/* PROGRESS instructions */
};

struct brgpu_userq {
	struct brgpu_device *brgpu;
	struct brgpu_vm *vm;		/* the client's queue holds it */
	struct brgpu_file *file;	/* until brgpu_userq_close() */
	u32 id;				/* the client's; for reports */

	/* As created. */
	u64 ring;
	u64 write_index;
	u64 read_index;
	u32 ring_log2;
	u32 doorbell;			/* among all of BAR 4 */
	u32 doorbell_slot;		/* in the file's page */
	u32 flags;			/* DRM_BRGPU_QUEUE_* */
	u32 watchdog_ms;		/* 0: none */
	u8 queue_class;
	u8 priority;
	struct brgpu_save_area save;
	void *desc;			/* struct brgpu_hw_queue_desc, shared with the device */
	dma_addr_t desc_dma;

	/* Under brgpu_userqs.lock; slot and `before` change under `lock` too. */
	struct list_head link;		/* in brgpu_userqs.queues */
	int slot;			/* -1: not on the hardware */
	bool saved;			/* its state is in its save area */
	u64 packets;			/* read index when it left the hardware */
	u64 since_ns;			/* when it got, or lost, its slot */
	struct brgpu_userq_counters before; /* of earlier stays */
	struct brgpu_core_watchdog watchdog;
	u64 seen_busy_ns;		/* by the watchdog */
	/* Faults in a row at one address that mending did not help. */
	u64 fault_address;
	u64 fault_progress;
	u32 fault_repeats;

	/* Protects what follows: an engine reset says that it is lost, with reset_lock held. */
	spinlock_t lock;
	bool stopped;			/* never runs again */
	bool lost;
	u32 error;
	struct drm_brgpu_fault fault;

	struct work_struct look_work;	/* on brgpu_userqs.wq: an event named it */
	struct work_struct fault_work;	/* mends a fault; takes vm->lock and reservations */
};

struct brgpu_userqs {
	/*
	 * Which queues are on the hardware, and their commands. Fences of preemption depend on it:
	 * nothing is allocated under it, no reservation is taken.
	 */
	struct mutex lock;
	struct list_head queues;
	/* Slots [first, first + count) of the hardware. Written under lock; readers use RCU. */
	struct brgpu_userq __rcu **slots;
	u32 first;
	u32 count;
	struct workqueue_struct *wq;
	struct delayed_work turn_work;	/* more queues than slots: the next ones' turn */
	struct delayed_work watch_work;
	atomic_t queue_count;
};

int brgpu_userqs_init(struct brgpu_device *brgpu);
void brgpu_userqs_fini(struct brgpu_device *brgpu);
/* Stops the works that look after queues: the card is going. */
void brgpu_userqs_stop(struct brgpu_device *brgpu);

struct brgpu_userq *brgpu_userq_create(struct brgpu_file *file, struct brgpu_vm *vm,
				       const struct drm_brgpu_queue_create *args);
/* From here on it may be put on the hardware. On error it is to be closed. */
int brgpu_userq_start(struct brgpu_userq *userq, u32 id);
/* Takes it off the hardware for good, and its doorbell from the file. vm->lock is not held. */
void brgpu_userq_close(struct brgpu_userq *userq);
/* When nobody can find it any more. Sleeps; not from brgpu_userqs.wq. */
void brgpu_userq_free(struct brgpu_userq *userq);
/* The driver rings: within drm_dev_enter(). */
void brgpu_userq_ring(struct brgpu_userq *userq);
void brgpu_userq_get_state(struct brgpu_userq *userq, struct drm_brgpu_queue_get_state *args);
u64 brgpu_userq_busy_ns(struct brgpu_userq *userq);
bool brgpu_userq_is_stopped(struct brgpu_userq *userq);

/* brgpu_userqs.lock is held. */
void brgpu_userq_suspend_vm(struct brgpu_vm *vm);
void brgpu_userq_resume_vm(struct brgpu_vm *vm);

/* An event names a slot. Atomic. True: it is one of user queues. */
bool brgpu_userq_event_error(struct brgpu_device *brgpu, u32 slot);
/* A fault on a slot of user queues: whose; and in a retrying VM mending it begins. Atomic. */
bool brgpu_userq_event_fault(struct brgpu_device *brgpu, u32 slot, u32 vm, u32 *queue_id);
/* Events were lost: looks at all. Atomic. */
void brgpu_userqs_look(struct brgpu_device *brgpu);

/*
 * The engines are at rest after a reset, or the card has gone: what was on the hardware is lost,
 * what was not goes on later. reset_lock is held.
 */
void brgpu_userqs_lost(struct brgpu_device *brgpu);

/* Between brgpu_userq.c and brgpu_userq_run.c; brgpu_userqs.lock is held. */
void brgpu_userq_fill_slots(struct brgpu_device *brgpu);
void brgpu_userq_leave(struct brgpu_userq *userq);
void brgpu_userq_stop(struct brgpu_userq *userq, u32 error);
u32 brgpu_userq_status(struct brgpu_userq *userq);
u64 brgpu_userq_progress(struct brgpu_userq *userq);
void brgpu_userq_count(struct brgpu_userq *userq, struct brgpu_userq_counters *counters);
/* The hardware tries its faulted accesses again. */
void brgpu_userq_retry(struct brgpu_userq *userq);
void brgpu_userq_look_work(struct work_struct *work);
void brgpu_userq_turn_work(struct work_struct *work);
void brgpu_userq_watch_work(struct work_struct *work);

/* brgpu_fault.c */
void brgpu_userq_fault_work(struct work_struct *work);

#endif /* BRGPU_USERQ_H */
