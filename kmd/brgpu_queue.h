/* SPDX-License-Identifier: GPL-2.0 */
/* A client's queue: a kernel queue of the hardware behind a scheduler, or a user-mode queue. */
#ifndef BRGPU_QUEUE_H
#define BRGPU_QUEUE_H

#include <linux/kref.h>
#include <linux/workqueue.h>

#include <drm/gpu_scheduler.h>

#include "brgpu_hwq.h"

struct brgpu_device;
struct brgpu_file;
struct brgpu_vm;

struct brgpu_queue {
	struct kref refs;	/* file's id, calls under way, each job */
	struct brgpu_device *brgpu;
	struct brgpu_vm *vm;	/* reference */
	/* A queue that the kernel submits to, or a user-mode queue: one of these, else NULL. */
	struct brgpu_hwq *hwq;
	struct brgpu_userq *userq;
	u32 id;			/* in the file */

	/* With hwq only, up to release_work. */
	struct drm_gpu_scheduler sched;
	struct drm_sched_entity entity;
	/* Order of submissions to this queue is that of vm->lock. */
	atomic64_t submitted;
	atomic64_t dropped;	/* jobs that never reached the hardware */

	/* Of the watchdog, which runs one at a time on reset_wq. */
	u64 last_progress;
	u64 last_seqno;

	struct work_struct release_work;
};

struct brgpu_queue *brgpu_queue_lookup(struct brgpu_file *file, u32 id);
struct brgpu_queue *brgpu_queue_get(struct brgpu_queue *queue);
void brgpu_queue_put(struct brgpu_queue *queue);
/* Stops it and drops what is queued; it goes with its last job. */
void brgpu_queue_close(struct brgpu_file *file, struct brgpu_queue *queue);
/* Engine time, ns. Any context. */
u64 brgpu_queue_busy_ns(struct brgpu_queue *queue);
u32 brgpu_queue_class(struct brgpu_queue *queue);
/* Whether it never runs again. */
bool brgpu_queue_is_stopped(struct brgpu_queue *queue);

int brgpu_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int brgpu_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int brgpu_queue_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* brgpu_sched.c */
int brgpu_sched_init(struct brgpu_queue *queue, u32 timeout_ms);
int brgpu_queue_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* BRGPU_QUEUE_H */
