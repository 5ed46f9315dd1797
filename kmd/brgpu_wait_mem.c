// SPDX-License-Identifier: GPL-2.0
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>

#include "brgpu_bo.h"
#include "brgpu_core_packet.h"
#include "brgpu_device.h"
#include "brgpu_queue.h"
#include "brgpu_wait_mem.h"

/* Other writers than SIGNAL packets are seen within this. */
#define WAIT_LOOK_NS	(2 * NSEC_PER_MSEC)

static int wait_look(struct brgpu_bo *bo, struct drm_brgpu_wait_mem *args, bool *met)
{
	int ret = brgpu_bo_read64(bo, args->offset, &args->seen);

	*met = !ret && brgpu_core_wait_met(brgpu_core_wait_compare(args), args->seen, args->value,
					   args->mask);
	return ret;
}

int brgpu_wait_mem_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct drm_brgpu_wait_mem *args = data;
	struct brgpu_queue *queue = NULL;
	struct drm_gem_object *gem;
	struct brgpu_bo *bo;
	const char *why = "";
	bool met = false;
	int ret;

	ret = brgpu_core_check_wait_mem(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "WAIT_MEM", ret, "%s", why);
	gem = drm_gem_object_lookup(file, args->handle);
	if (!gem)
		return brgpu_refuse(brgpu, "WAIT_MEM", -ENOENT, "no handle %u", args->handle);
	bo = gem_to_brgpu_bo(gem);
	ret = brgpu_core_check_wait_bo(args, gem->size, &why);
	if (!ret && !brgpu_bo_is_mappable(bo)) {
		ret = -EACCES;
		why = "the CPU does not reach the buffer";
	}
	if (ret) {
		brgpu_refuse(brgpu, "WAIT_MEM", ret, "%s", why);
		goto put;
	}
	if (args->queue_id) {
		queue = brgpu_queue_lookup(file->driver_priv, args->queue_id);
		if (!queue) {
			ret = brgpu_refuse(brgpu, "WAIT_MEM", -ENOENT, "no queue %u",
					   args->queue_id);
			goto put;
		}
	}

	for (;;) {
		DEFINE_WAIT(wait);
		ktime_t until, now;
		bool stopped;

		/* Before the look, so that a signal behind it wakes. */
		prepare_to_wait(&brgpu->mem_wq, &wait, TASK_INTERRUPTIBLE);
		__set_current_state(TASK_RUNNING); /* the look may sleep */
		/* First this: what it wrote before it stopped is seen. */
		stopped = queue && brgpu_queue_is_stopped(queue);
		ret = wait_look(bo, args, &met);
		if (!ret && !met && stopped)
			ret = -EIO;
		now = ktime_get();
		if (ret || met || args->deadline_ns <= ktime_to_ns(now)) {
			finish_wait(&brgpu->mem_wq, &wait);
			break;
		}
		if (drm_dev_is_unplugged(drm)) {
			finish_wait(&brgpu->mem_wq, &wait);
			ret = -ENODEV;
			goto put;
		}
		until = ktime_add_ns(now, WAIT_LOOK_NS);
		if (ktime_to_ns(until) > args->deadline_ns)
			until = ns_to_ktime(args->deadline_ns);
		/* Woken in between: off the queue already, the timer then bounds the delay. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (!list_empty_careful(&wait.entry))
			schedule_hrtimeout(&until, HRTIMER_MODE_ABS);
		finish_wait(&brgpu->mem_wq, &wait);
		if (signal_pending(current)) {
			ret = -ERESTARTSYS; /* the deadline is absolute */
			goto put;
		}
	}
	if (!ret && !met)
		ret = -ETIME;
put:
	if (queue)
		brgpu_queue_put(queue);
	drm_gem_object_put(gem);
	return ret;
}
