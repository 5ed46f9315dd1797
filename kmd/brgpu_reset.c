// SPDX-License-Identifier: GPL-2.0
#include <linux/iopoll.h>
#include <linux/kobject.h>
#include <linux/pci.h>

#include "brgpu_coredump.h"
#include "brgpu_device.h"
#include "brgpu_hwq.h"
#include "brgpu_reset.h"
#include "brgpu_trace.h"
#include "brgpu_vm.h"

/**
 * DOC: the ladder
 *
 * 1. The kill of a queue that makes no progress or hits an error: nobody else notices.
 * 2. Engine reset, when the kill does not end. Firmware, VM contexts, event rings outlive it.
 * 3. Device reset, when that does not end, when firmware has died, or a TLB invalidation hangs. The
 *    firmware is started again and the VM contexts are written again; VRAM keeps its content.
 * 4. Function-level reset, when the card says that it has FAILED, or does not come out of a device
 *    reset. VRAM is cleared: all VMs are LOST.
 * 5. When that fails too the card is wedged: work is refused with EIO until the driver is bound
 *    anew.
 *
 * On rungs 2 to 4 a queue that had no work is mapped again and its owner notices nothing; one that
 * had is LOST, and its fences signal with ECANCELED. The queue that caused it is told its own
 * error.
 *
 * Fences depend on resets, so nothing is allocated on the way: the firmware's image, for one, stays
 * in memory. Resets that come from elsewhere (sysfs, AER, suspend) use the same two halves: hold
 * everything, bring everything back.
 */

/* Beyond the hardware's own limit: what a slow virtual machine may add. */
#define RESET_SLACK_MS		2000
#define RESET_WAIT_MS		60000

static const char *const rung_names[] = {
	[BRGPU_RESET_RUNG_ENGINES] = "engine reset",
	[BRGPU_RESET_RUNG_DEVICE] = "device reset",
	[BRGPU_RESET_RUNG_FUNCTION] = "function-level reset",
};

/* Calls fn for each queue but one, which may be NULL. */
static void reset_visit_queues(struct brgpu_device *brgpu, struct brgpu_hwq *but,
			       void (*fn)(struct brgpu_hwq *hwq))
{
	unsigned int i;

	lockdep_assert_held(&brgpu->reset_lock);
	for (i = 0; i < ARRAY_SIZE(brgpu->slots); i++) {
		/* A queue leaves its slot only after it was stopped, which takes reset_lock. */
		struct brgpu_hwq *hwq = rcu_dereference_protected(brgpu->slots[i], true);

		if (hwq && hwq != but && !hwq->finished)
			fn(hwq);
	}
}

static void reset_lose_queue(struct brgpu_hwq *hwq)
{
	brgpu_hwq_settle(hwq, -ECANCELED);
}

/*
 * The hardware is at rest: queues that had work, and user queues that had a slot, are lost, and all
 * VMs when VRAM is. VMs first: who is told by a fence asks for the state of both.
 */
static void reset_lose(struct brgpu_device *brgpu, struct brgpu_hwq *guilty, bool vram_lost)
{
	if (vram_lost)
		brgpu_vm_lose_all(brgpu);
	reset_visit_queues(brgpu, guilty, reset_lose_queue);
	brgpu_userqs_lost(brgpu);
}

static void reset_break_queue(struct brgpu_hwq *hwq)
{
	brgpu_hwq_finish(hwq, BRGPU_QUEUE_ERROR_RESET, -EIO, true);
}

static void reset_remove_queue(struct brgpu_hwq *hwq)
{
	brgpu_hwq_finish(hwq, BRGPU_QUEUE_ERROR_RESET, -ENODEV, true);
}

void brgpu_reset_fail_queues(struct brgpu_device *brgpu, int fence_error)
{
	reset_visit_queues(brgpu, NULL,
			   fence_error == -ENODEV ? reset_remove_queue : reset_break_queue);
	brgpu_userqs_lost(brgpu);
}

void brgpu_reset_tell(struct brgpu_device *brgpu, bool recovered)
{
#if defined(BRGPU_HAVE_WEDGED_EVENT_TASK)
	drm_dev_wedged_event(&brgpu->drm,
			     recovered ? DRM_WEDGE_RECOVERY_NONE :
					 DRM_WEDGE_RECOVERY_REBIND | DRM_WEDGE_RECOVERY_BUS_RESET,
			     NULL);
#elif defined(BRGPU_HAVE_WEDGED_EVENT)
	drm_dev_wedged_event(&brgpu->drm,
			     recovered ? DRM_WEDGE_RECOVERY_NONE :
					 DRM_WEDGE_RECOVERY_REBIND | DRM_WEDGE_RECOVERY_BUS_RESET);
#else
	char *env[2];

	env[0] = recovered ? "WEDGED=none" : "WEDGED=rebind,bus-reset";
	env[1] = NULL;
	if (brgpu->drm.primary && brgpu->drm.primary->kdev)
		kobject_uevent_env(&brgpu->drm.primary->kdev->kobj, KOBJ_CHANGE, env);
#endif
}

/* ---- rungs ------------------------------------------------------------------------------ */

static int reset_engines(struct brgpu_device *brgpu)
{
	u32 status;
	int ret;

	brgpu_write32(brgpu, BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_ENGINE);
	ret = read_poll_timeout(brgpu_read32, status,
				!(status & BRGPU_STATUS_RESETTING) || status == U32_MAX, 100,
				(brgpu->ident.preempt_ms + RESET_SLACK_MS) * 1000, true, brgpu,
				BRGPU_REG_STATUS);
	if (ret)
		return ret;
	return status & BRGPU_STATUS_FAILED ? -EIO : 0;
}

static int reset_function(struct brgpu_device *brgpu)
{
	/*
	 * Only tried, for whoever removes the driver holds the device's lock and waits for us.
	 * Saves and restores the configuration space.
	 */
	return pci_try_reset_function(to_pci_dev(brgpu->drm.dev));
}

static int reset_hardware(struct brgpu_device *brgpu, enum brgpu_reset_rung rung)
{
	switch (rung) {
	case BRGPU_RESET_RUNG_ENGINES:
		return reset_engines(brgpu);
	case BRGPU_RESET_RUNG_DEVICE:
		return brgpu_device_reset(brgpu);
	default:
		return reset_function(brgpu) ?: brgpu_device_reset(brgpu);
	}
}

/* The hardware is at rest: brings back what the reset took, but for the clients' queues. */
static int reset_restart(struct brgpu_device *brgpu, enum brgpu_reset_rung rung)
{
	if (rung > BRGPU_RESET_RUNG_ENGINES) {
		const int ret = brgpu_device_start(brgpu);

		if (ret)
			return ret;
		brgpu_save_restore(brgpu);
		brgpu_vm_restore_all(brgpu);
	}
	return brgpu_migrate_restart(brgpu);
}

/* ---- the two halves --------------------------------------------------------------------- */

static void reset_hold(struct brgpu_device *brgpu, struct brgpu_hwq *guilty)
{
	brgpu->resetting = true;
	reset_visit_queues(brgpu, guilty, brgpu_hwq_hold);
}

static void reset_release(struct brgpu_device *brgpu, struct brgpu_hwq *guilty)
{
	/* After a device reset no translation is left. */
	brgpu_tlb_cancel(brgpu, 0);
	reset_visit_queues(brgpu, guilty, brgpu_hwq_resume);
	brgpu->resetting = false;
	wake_up_all(&brgpu->reset_wait);
	/* User queues that wait for a slot. */
	mod_delayed_work(brgpu->userqs.wq, &brgpu->userqs.turn_work, 0);
	brgpu_device_start_watch(brgpu);
}

static void reset_give_up(struct brgpu_device *brgpu, struct brgpu_hwq *guilty, const char *why)
{
	brgpu->resetting = false;
	brgpu_device_wedge(brgpu, why);
	reset_visit_queues(brgpu, guilty, reset_break_queue);
	brgpu_userqs_lost(brgpu);
	brgpu_tlb_cancel(brgpu, -EIO);
	wake_up_all(&brgpu->reset_wait);
}

void brgpu_reset_card(struct brgpu_device *brgpu, enum brgpu_reset_rung rung,
		      struct brgpu_hwq *guilty, const char *why)
{
	int ret = -EIO;

	lockdep_assert_held(&brgpu->reset_lock);
	if (brgpu->wedged || brgpu->away)
		return;
	drm_warn(&brgpu->drm, "%s: %s\n", rung_names[rung], why);
	reset_hold(brgpu, guilty);
	/* A guilty queue has been dumped by whoever failed to kill it. */
	if (!guilty && !brgpu_device_is_gone(brgpu))
		brgpu_coredump_take(brgpu, NULL, false, why);
	brgpu->reset_owner = current;

	for (; rung <= BRGPU_RESET_RUNG_FUNCTION; rung++) {
		if (rung > BRGPU_RESET_RUNG_ENGINES) {
			brgpu_tlb_hold(brgpu);
			brgpu_mbox_close(brgpu);
		}
		ret = reset_hardware(brgpu, rung);
		if (!ret) {
			atomic_inc(&brgpu->device_resets);
			reset_lose(brgpu, guilty, rung == BRGPU_RESET_RUNG_FUNCTION);
			ret = reset_restart(brgpu, rung);
		}
		trace_brgpu_reset(rung_names[rung], ret);
		if (!ret || brgpu_device_is_gone(brgpu))
			break;
		drm_err(&brgpu->drm, "%s failed: %pe\n", rung_names[rung], ERR_PTR(ret));
	}
	brgpu->reset_owner = NULL;

	if (ret) {
		reset_give_up(brgpu, guilty, "no reset brings it back");
		return;
	}
	reset_release(brgpu, guilty);
	drm_warn(&brgpu->drm, "recovered by %s: queues that had work are lost%s\n",
		 rung_names[rung], rung == BRGPU_RESET_RUNG_FUNCTION ? ", and VRAM's content" : "");
	/* Sending an event takes memory, which resets may not wait for. */
	if (rung > BRGPU_RESET_RUNG_ENGINES)
		queue_work(system_wq, &brgpu->tell_work);
}

static void reset_tell_work(struct work_struct *work)
{
	brgpu_reset_tell(container_of(work, struct brgpu_device, tell_work), true);
}

static void reset_work(struct work_struct *work)
{
	struct brgpu_device *brgpu = container_of(work, struct brgpu_device, reset_work);
	enum brgpu_reset_rung rung;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	mutex_lock(&brgpu->reset_lock);
	rung = atomic_xchg(&brgpu->reset_wanted, BRGPU_RESET_RUNG_NONE);
	if (rung)
		brgpu_reset_card(brgpu, rung, NULL, brgpu->reset_why);
	mutex_unlock(&brgpu->reset_lock);
	drm_dev_exit(idx);
}

void brgpu_reset_request(struct brgpu_device *brgpu, enum brgpu_reset_rung rung, const char *why)
{
	int wanted = atomic_read(&brgpu->reset_wanted);

	do {
		if (wanted >= (int)rung)
			return;
	} while (!atomic_try_cmpxchg(&brgpu->reset_wanted, &wanted, rung));
	WRITE_ONCE(brgpu->reset_why, why);
	queue_work(brgpu->reset_wq, &brgpu->reset_work);
}

void brgpu_reset_init(struct brgpu_device *brgpu)
{
	mutex_init(&brgpu->reset_lock);
	init_waitqueue_head(&brgpu->reset_wait);
	INIT_WORK(&brgpu->reset_work, reset_work);
	INIT_WORK(&brgpu->tell_work, reset_tell_work);
}

bool brgpu_reset_is_own(struct brgpu_device *brgpu)
{
	return READ_ONCE(brgpu->reset_owner) == current;
}

bool brgpu_reset_wait(struct brgpu_device *brgpu)
{
	return wait_event_timeout(brgpu->reset_wait, !READ_ONCE(brgpu->resetting),
				  msecs_to_jiffies(RESET_WAIT_MS)) &&
	       !brgpu->away;
}

void brgpu_reset_prepare(struct brgpu_device *brgpu)
{
	mutex_lock(&brgpu->reset_lock);
	if (!brgpu->away && !brgpu->wedged) {
		reset_hold(brgpu, NULL);
		brgpu_tlb_hold(brgpu);
		brgpu_mbox_close(brgpu);
	}
	brgpu->away = true;
	mutex_unlock(&brgpu->reset_lock);
	/* It looks at `away` and would leave by itself; but it may be reading registers still. */
	cancel_delayed_work_sync(&brgpu->watch);
}

int brgpu_reset_done(struct brgpu_device *brgpu, bool vram_lost)
{
	int ret = -EIO;

	mutex_lock(&brgpu->reset_lock);
	brgpu->away = false;
	if (brgpu->wedged)
		goto unlock;
	brgpu->reset_owner = current;
	/* A sleep loses no VRAM, and is no reset to anybody. */
	if (vram_lost)
		atomic_inc(&brgpu->device_resets);
	ret = brgpu_device_reset(brgpu);
	reset_lose(brgpu, NULL, vram_lost);
	if (!ret)
		ret = reset_restart(brgpu, vram_lost ? BRGPU_RESET_RUNG_FUNCTION :
						       BRGPU_RESET_RUNG_DEVICE);
	brgpu->reset_owner = NULL;
	if (ret)
		reset_give_up(brgpu, NULL, "it does not come up after a reset");
	else
		reset_release(brgpu, NULL);
unlock:
	mutex_unlock(&brgpu->reset_lock);
	return ret;
}
