// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>

#include <drm/drm_managed.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_hwmon.h"
#include "brgpu_hwq.h"
#include "brgpu_reset.h"
#include "brgpu_trace.h"
#include "brgpu_userptr.h"

/**
 * DOC: life of a card
 *
 * Probe: identity, interrupts, firmware, memory, copy queue; what fails is undone in reverse.
 * Removal, orderly or by surprise: drm_dev_unplug() waits until nobody touches the hardware and
 * keeps everybody out; then the card is reset, which ends its DMA, and all fences are signalled
 * with ENODEV. Memory that clients still hold goes with the last open file, in the device's
 * release.
 *
 * Whoever touches registers or doorbells is within drm_dev_enter(). Values that read all-ones are
 * expected everywhere: a card may vanish between two reads.
 */

#define WATCH_MS	1000
#define STOP_TIMEOUT_MS	2000

bool brgpu_device_is_gone(struct brgpu_device *brgpu)
{
	return brgpu_read32(brgpu, BRGPU_REG_MAGIC) != BRGPU_MAGIC;
}

static void device_wedge_work(struct work_struct *work)
{
	struct brgpu_device *brgpu = container_of(work, struct brgpu_device, wedge_work);

	mutex_lock(&brgpu->reset_lock);
	brgpu_reset_fail_queues(brgpu, NULL, -EIO);
	mutex_unlock(&brgpu->reset_lock);
	brgpu_tlb_cancel(brgpu, -EIO);
}

void brgpu_device_wedge(struct brgpu_device *brgpu, const char *why)
{
	if (xchg(&brgpu->wedged, true))
		return;
	trace_brgpu_reset(why, -EIO);
	drm_err(&brgpu->drm,
		"the card is wedged: %s. Unbind and bind the driver to use it again.\n", why);
	queue_work(brgpu->reset_wq, &brgpu->wedge_work);
}

/* A card may fall off the bus without anybody telling. */
static bool device_watch_presence(struct brgpu_device *brgpu)
{
	if (!brgpu_device_is_gone(brgpu)) {
		brgpu->absences = 0;
		return true;
	}
	/* A read may fail once: what does not come back is gone. */
	if (++brgpu->absences == 2)
		brgpu_device_wedge(brgpu, "it does not answer any more");
	return false;
}

static void device_watch_work(struct work_struct *work)
{
	struct brgpu_device *brgpu = container_of(work, struct brgpu_device, watch.work);
	u32 heartbeat, limit_ms;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	if (!device_watch_presence(brgpu)) {
		drm_dev_exit(idx);
		goto again;
	}
	/* What a lost interrupt left lying. */
	brgpu_irq_poll(brgpu);

	heartbeat = brgpu_read32(brgpu, BRGPU_REG_HEARTBEAT);
	limit_ms = brgpu_read32(brgpu, BRGPU_REG_HEARTBEAT_MS);
	if (heartbeat != brgpu->last_heartbeat) {
		brgpu->last_heartbeat = heartbeat;
		brgpu->heartbeat_seen = jiffies;
		if (brgpu->fw_dead)
			drm_warn(&brgpu->drm, "firmware heartbeat is back\n");
		brgpu->fw_dead = false;
	} else if (!brgpu->fw_dead && limit_ms != U32_MAX &&
		   time_after(jiffies, brgpu->heartbeat_seen +
			      msecs_to_jiffies(max(limit_ms, 2 * WATCH_MS)))) {
		brgpu->fw_dead = true;
		drm_err(&brgpu->drm,
			"firmware heartbeat stopped at %u (limit %u ms): sensors and power control are lost, running work goes on\n",
			heartbeat, limit_ms);
		brgpu_fw_report_crash(brgpu);
	}
	drm_dev_exit(idx);

	if (!brgpu->fw_dead)
		brgpu_hwmon_update(brgpu);
again:
	queue_delayed_work(system_wq, &brgpu->watch, msecs_to_jiffies(WATCH_MS));
}

void brgpu_device_start_watch(struct brgpu_device *brgpu)
{
	brgpu->heartbeat_seen = jiffies;
	queue_delayed_work(system_wq, &brgpu->watch, 0);
}

/* The last reference to the device went: nobody is left. */
static void device_release(struct drm_device *drm, void *data)
{
	struct brgpu_device *brgpu = to_brgpu(drm);

	brgpu_userqs_fini(brgpu);
	brgpu_migrate_fini(brgpu);
	brgpu_ttm_fini(brgpu);
	destroy_workqueue(brgpu->reset_wq);
	destroy_workqueue(brgpu->sched_wq);
	ida_destroy(&brgpu->slot_ida);
	xa_destroy(&brgpu->vms);
	brgpu_dma_fini(brgpu);
	mutex_destroy(&brgpu->shown_lock);
	mutex_destroy(&brgpu->reset_lock);
}

/* Ends all that the card does: queues, DMA, interrupts, firmware. VRAM keeps its content. */
static int device_reset(struct brgpu_device *brgpu)
{
	u32 status;

	brgpu_write32(brgpu, BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_DEVICE);
	return read_poll_timeout(brgpu_read32, status,
				 !(status & BRGPU_STATUS_RESETTING) || status == U32_MAX, 1000,
				 STOP_TIMEOUT_MS * 1000, true, brgpu, BRGPU_REG_STATUS);
}

static u64 device_read(void *ctx, u32 offset, unsigned int bytes)
{
	return bytes == 8 ? brgpu_read64(ctx, offset) : brgpu_read32(ctx, offset);
}

static int device_identify(struct brgpu_device *brgpu)
{
	struct brgpu_core_limits *limits = &brgpu->limits;
	const char *why = "";
	int ret;

	ret = brgpu_core_ident_read(&brgpu->ident, device_read, brgpu, &why);
	if (ret) {
		drm_err(&brgpu->drm, "%s (contract %u.%u, this driver %u.%u): %pe\n", why,
			brgpu->ident.contract >> 16, brgpu->ident.contract & 0xffff,
			BRGPU_CONTRACT_MAJOR, BRGPU_CONTRACT_MINOR, ERR_PTR(ret));
		return ret;
	}
	ret = dma_set_mask_and_coherent(brgpu->drm.dev, DMA_BIT_MASK(brgpu->ident.dma_bits));
	if (ret) {
		drm_err(&brgpu->drm, "no DMA addresses of %u bits: %pe\n", brgpu->ident.dma_bits,
			ERR_PTR(ret));
		return ret;
	}
	brgpu->ident.aperture_bytes = min(brgpu->ident.aperture_bytes, brgpu->vram_mapped);
	limits->va_start = BRGPU_VA_START;
	limits->va_end = BRGPU_VA_END;
	limits->max_bo_bytes = BRGPU_VA_END / 2;
	limits->features = DRM_BRGPU_FEATURE_EVICTION | DRM_BRGPU_FEATURE_SHARING |
			   brgpu_core_ident_features(&brgpu->ident);
	if (BRGPU_USERPTR_SUPPORTED)
		limits->features |= DRM_BRGPU_FEATURE_USERPTR;
	limits->job_timeout_ms = BRGPU_JOB_TIMEOUT_MS;
	return 0;
}

/* BARs are mapped. On error nothing is left. */
int brgpu_device_init(struct brgpu_device *brgpu)
{
	struct drm_device *drm = &brgpu->drm;
	int ret;

	spin_lock_init(&brgpu->slots_lock);
	spin_lock_init(&brgpu->sensors_lock);
	spin_lock_init(&brgpu->owners_lock);
	mutex_init(&brgpu->shown_lock);
	INIT_LIST_HEAD(&brgpu->userptrs);
	INIT_LIST_HEAD(&brgpu->imports);
	brgpu_dma_init(brgpu);
	mutex_init(&brgpu->reset_lock);
	init_waitqueue_head(&brgpu->mem_wq);
	ida_init(&brgpu->slot_ida);
	xa_init_flags(&brgpu->vms, XA_FLAGS_ALLOC1);
	INIT_DELAYED_WORK(&brgpu->watch, device_watch_work);
	INIT_WORK(&brgpu->wedge_work, device_wedge_work);
	brgpu_tlb_init(brgpu);
	brgpu_mbox_init(brgpu);

	ret = device_identify(brgpu);
	if (ret)
		return ret;
	drm_info(drm,
		 "%s, serial %016llx: %u die(s), %llu MiB VRAM (%llu MiB visible), %u queues\n",
		 brgpu_core_ident_name(&brgpu->ident), brgpu->ident.serial, brgpu->ident.dies,
		 brgpu->ident.vram_bytes >> 20, brgpu->ident.aperture_bytes >> 20,
		 brgpu->ident.queues);

	/* A driver before this one may have lost the card, or died, with queues mapped. */
	ret = device_reset(brgpu);
	if (ret) {
		drm_err(drm, "the card does not come out of its reset\n");
		return ret;
	}

	brgpu->sched_wq = alloc_workqueue("brgpu-sched", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!brgpu->sched_wq)
		return -ENOMEM;
	brgpu->reset_wq = alloc_ordered_workqueue("brgpu-reset", WQ_MEM_RECLAIM);
	if (!brgpu->reset_wq) {
		ret = -ENOMEM;
		goto err_sched_wq;
	}
	ret = brgpu_irq_init(brgpu);
	if (ret)
		goto err_reset_wq;
	ret = brgpu_fw_start(brgpu);
	if (ret)
		goto err_irq;
	ret = brgpu_ttm_init(brgpu);
	if (ret)
		goto err_fw;
	ret = brgpu_migrate_init(brgpu);
	if (ret) {
		drm_err(drm, "the kernel's copy queue does not start: %pe\n", ERR_PTR(ret));
		goto err_ttm;
	}
	ret = brgpu_userqs_init(brgpu);
	if (ret)
		goto err_migrate;
	ret = drmm_add_action(drm, device_release, NULL);
	if (ret)
		goto err_userqs;
	return 0;

err_userqs:
	brgpu_userqs_fini(brgpu);
err_migrate:
	brgpu_migrate_fini(brgpu);
err_ttm:
	brgpu_ttm_fini(brgpu);
err_fw:
	brgpu_mbox_close(brgpu);
	brgpu_fw_halt(brgpu);
err_irq:
	brgpu_irq_disable(brgpu);
	brgpu_irq_fini(brgpu);
err_reset_wq:
	destroy_workqueue(brgpu->reset_wq);
err_sched_wq:
	destroy_workqueue(brgpu->sched_wq);
	return ret;
}

/* After drm_dev_unplug(): nobody but this function touches the hardware. */
void brgpu_device_stop(struct brgpu_device *brgpu)
{
	cancel_delayed_work_sync(&brgpu->watch);
	brgpu_userqs_stop(brgpu);
	brgpu_mbox_close(brgpu);

	if (!brgpu_device_is_gone(brgpu)) {
		brgpu_irq_disable(brgpu);
		brgpu_fw_halt(brgpu);
		if (device_reset(brgpu))
			drm_warn(&brgpu->drm, "the card does not come out of its reset\n");
	}
	brgpu_irq_fini(brgpu);

	mutex_lock(&brgpu->reset_lock);
	brgpu_reset_fail_queues(brgpu, NULL, -ENODEV);
	mutex_unlock(&brgpu->reset_lock);
	/* Nothing uses the old mappings any more: as good as invalidated. */
	brgpu_tlb_cancel(brgpu, 0);
	flush_workqueue(brgpu->reset_wq);
	flush_workqueue(brgpu->userqs.wq);
	wake_up_all(&brgpu->mem_wq);
}
