// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/pm.h>

#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_resource.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_hwq.h"
#include "brgpu_pm.h"
#include "brgpu_preempt.h"
#include "brgpu_reset.h"
#include "brgpu_vm.h"

/**
 * DOC: sleep
 *
 * A sleeping card has no power: VRAM, VM contexts, queues and firmware are gone. Before it, what
 * runs is given some time to end; a queue that does not is LOST, the others notice nothing.
 * User-mode queues are preempted and go on afterwards. VRAM is evicted to system memory by TTM,
 * VRAM-only buffers too, and these come back at once on resume, as there is no other place for
 * them; the others when they are used again. Page tables and save areas lie in system memory and
 * stay.
 *
 * Hibernation is the same: what was evicted is part of the image. It happens twice, around the
 * snapshot and when the machine goes off.
 */

#define PM_IDLE_MS	5000
#define PM_LOOK_MS	20

static bool pm_is_idle(struct brgpu_device *brgpu)
{
	bool idle = true;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; idle && i < ARRAY_SIZE(brgpu->slots); i++) {
		struct brgpu_hwq *hwq = rcu_dereference(brgpu->slots[i]);

		idle = !hwq || brgpu_hwq_process(hwq);
	}
	rcu_read_unlock();
	return idle;
}

/* Stops what does not end: its fences hold buffers that have to move. */
static void pm_stop_queues(struct brgpu_device *brgpu)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(brgpu->slots); i++) {
		struct brgpu_hwq *hwq;

		mutex_lock(&brgpu->reset_lock);
		hwq = rcu_dereference_protected(brgpu->slots[i], true);
		if (hwq && !brgpu_hwq_process(hwq))
			brgpu_hwq_lose(hwq);
		mutex_unlock(&brgpu->reset_lock);
	}
}

/* User queues leave the hardware for their save areas, and `asleep` keeps it so. */
static void pm_preempt_vms(struct brgpu_device *brgpu)
{
	struct brgpu_vm *vm;
	unsigned long id = 0;

	for (;;) {
		xa_lock(&brgpu->vms);
		do {
			vm = xa_find_after(&brgpu->vms, &id, ULONG_MAX, XA_PRESENT);
		} while (vm && !kref_get_unless_zero(&vm->base.kref));
		xa_unlock(&brgpu->vms);
		if (!vm)
			break;
		if (vm->flags & DRM_BRGPU_VM_LONG_RUNNING) {
			/* One that is coming back just now arms its fence first. */
			mutex_lock(&vm->lock);
			mutex_unlock(&vm->lock);
			brgpu_vm_preempt(vm);
		}
		brgpu_vm_put(vm);
	}
}

static int brgpu_pm_suspend(struct device *dev)
{
	struct brgpu_device *brgpu = dev_get_drvdata(dev);
	struct ttm_resource_manager *vram = &brgpu->vram_mgr.base;
	const unsigned long deadline = jiffies + msecs_to_jiffies(PM_IDLE_MS);
	int ret;

	if (brgpu->wedged)
		return 0;
	while (!pm_is_idle(brgpu) && time_before(jiffies, deadline))
		msleep(PM_LOOK_MS);
	if (!pm_is_idle(brgpu)) {
		drm_warn(&brgpu->drm, "work that does not end in %d ms is lost in this suspend\n",
			 PM_IDLE_MS);
		pm_stop_queues(brgpu);
	}
	WRITE_ONCE(brgpu->asleep, true);
	pm_preempt_vms(brgpu);
	ret = ttm_resource_manager_evict_all(&brgpu->ttm, vram);
	if (ret) {
		drm_err(&brgpu->drm, "no suspend: %llu bytes of VRAM can't be saved: %pe\n",
			ttm_resource_manager_usage(vram), ERR_PTR(ret));
		WRITE_ONCE(brgpu->asleep, false);
		brgpu_bo_restore_all(brgpu);
		return ret;
	}
	brgpu_reset_prepare(brgpu);
	brgpu_device_quiesce(brgpu);
	return 0;
}

static int brgpu_pm_resume(struct device *dev)
{
	struct brgpu_device *brgpu = dev_get_drvdata(dev);
	int ret;

	ret = brgpu_reset_done(brgpu, false);
	if (!ret)
		ret = brgpu_bo_restore_all(brgpu);
	/* The VMs' own works try again and again meanwhile. */
	WRITE_ONCE(brgpu->asleep, false);
	return ret;
}

DEFINE_SIMPLE_DEV_PM_OPS(brgpu_pm_ops, brgpu_pm_suspend, brgpu_pm_resume);
