// SPDX-License-Identifier: GPL-2.0
#include <linux/iopoll.h>

#include "brgpu_device.h"
#include "brgpu_hwq.h"
#include "brgpu_reset.h"
#include "brgpu_trace.h"

/**
 * DOC: the ladder
 *
 * A queue that makes no progress or hits an error is killed alone. One that can't be killed takes
 * the engines with it: an engine reset, after which all other queues are LOST, and the kernel's
 * copy queue is mapped again. When that fails too the card is wedged: work is refused with EIO
 * until the driver is bound anew. VM contexts, event rings and firmware outlive an engine reset.
 */

#define RESET_TIMEOUT_MS 5000

void brgpu_reset_fail_queues(struct brgpu_device *brgpu, struct brgpu_hwq *but, int fence_error)
{
	unsigned int i;

	lockdep_assert_held(&brgpu->reset_lock);
	for (i = 0; i < ARRAY_SIZE(brgpu->slots); i++) {
		struct brgpu_hwq *hwq;

		rcu_read_lock();
		hwq = rcu_dereference(brgpu->slots[i]);
		if (hwq && hwq != but)
			brgpu_hwq_finish(hwq, BRGPU_QUEUE_ERROR_RESET, fence_error, true);
		rcu_read_unlock();
	}
	brgpu_userqs_lost(brgpu);
}

void brgpu_reset_engines(struct brgpu_device *brgpu, struct brgpu_hwq *guilty)
{
	unsigned int i;
	u32 status;
	int ret;

	lockdep_assert_held(&brgpu->reset_lock);
	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(brgpu->slots); i++) {
		struct brgpu_hwq *hwq = rcu_dereference(brgpu->slots[i]);

		if (hwq)
			brgpu_hwq_refuse(hwq);
	}
	rcu_read_unlock();

	brgpu_write32(brgpu, BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_ENGINE);
	ret = read_poll_timeout(brgpu_read32, status, !(status & BRGPU_STATUS_RESETTING), 100,
				RESET_TIMEOUT_MS * 1000, true, brgpu, BRGPU_REG_STATUS);
	atomic_inc(&brgpu->device_resets);
	trace_brgpu_reset("engines", ret);
	brgpu_reset_fail_queues(brgpu, guilty, -ECANCELED);

	if (ret || status & BRGPU_STATUS_FAILED) {
		brgpu_device_wedge(brgpu, ret ? "the engine reset did not end" :
						"the engine reset failed");
		return;
	}
	ret = brgpu_migrate_restart(brgpu);
	if (ret)
		brgpu_device_wedge(brgpu,
				   "the copy queue does not come back after an engine reset");
	else
		drm_warn(&brgpu->drm, "engines were reset: all queues are lost\n");
}
