// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/pci.h>

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

/* Between two looks: a dead firmware is to be noticed within a second. */
#define WATCH_MS		250
#define SENSORS_MS		1000
#define PRESENCE_MS		1000
/* What a host that starves a virtual card may add to the firmware's limit, before it is reset. */
#define HEARTBEAT_PATIENCE_MS	2000
/* So many resets for the firmware's sake within that time, and it is left alone. */
#define FIRMWARE_RESETS		3
#define FIRMWARE_RESETS_MS	60000
#define STOP_TIMEOUT_MS		2000

bool brgpu_device_is_gone(struct brgpu_device *brgpu)
{
	return brgpu_read32(brgpu, BRGPU_REG_MAGIC) != BRGPU_MAGIC;
}

static void device_wedge_work(struct work_struct *work)
{
	struct brgpu_device *brgpu = container_of(work, struct brgpu_device, wedge_work);

	brgpu_reset_tell(brgpu, false);
	mutex_lock(&brgpu->reset_lock);
	brgpu_reset_fail_queues(brgpu, -EIO);
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
		brgpu->absent_since = 0;
		return true;
	}
	/* A read may fail once: what does not come back is gone. */
	if (!brgpu->absent_since)
		brgpu->absent_since = jiffies | 1;
	else if (time_after(jiffies, brgpu->absent_since + msecs_to_jiffies(PRESENCE_MS)))
		brgpu_device_wedge(brgpu, "it does not answer any more");
	return false;
}

/* The firmware is dead for sure, or has been silent for long enough. True: a reset follows. */
static bool device_revive_firmware(struct brgpu_device *brgpu)
{
	if (brgpu->fw_given_up)
		return false;
	if (!brgpu->fw_resets ||
	    time_after(jiffies, brgpu->fw_first_reset + msecs_to_jiffies(FIRMWARE_RESETS_MS))) {
		brgpu->fw_first_reset = jiffies;
		brgpu->fw_resets = 0;
	}
	if (brgpu->fw_resets == FIRMWARE_RESETS) {
		brgpu->fw_given_up = true;
		drm_err(&brgpu->drm,
			"firmware died again after %d resets: it is left alone, without sensors and power control\n",
			FIRMWARE_RESETS);
		return false;
	}
	brgpu->fw_resets++;
	brgpu_reset_request(brgpu, BRGPU_RESET_RUNG_DEVICE, "the firmware is dead");
	return true;
}

/* False: a reset has been asked for. */
static bool device_watch_heartbeat(struct brgpu_device *brgpu)
{
	const u32 heartbeat = brgpu_read32(brgpu, BRGPU_REG_HEARTBEAT);
	const u32 limit_ms = brgpu_read32(brgpu, BRGPU_REG_HEARTBEAT_MS);
	const u32 state = brgpu_read32(brgpu, BRGPU_REG_BOOT_STATE);
	const bool crashed = state == BRGPU_BOOT_STATE_CRASHED;
	const unsigned long seen = brgpu->heartbeat_seen;
	bool silent;

	if (state == U32_MAX || limit_ms == U32_MAX)
		return true;
	if (heartbeat != brgpu->last_heartbeat && !crashed) {
		brgpu->last_heartbeat = heartbeat;
		brgpu->heartbeat_seen = jiffies;
		brgpu->silent_looks = 0;
		if (brgpu->fw_dead)
			drm_warn(&brgpu->drm, "firmware heartbeat is back\n");
		brgpu->fw_dead = false;
		return true;
	}

	/* By looks too, not by time alone: a machine that stood still has not waited. */
	brgpu->silent_looks++;
	silent = brgpu->silent_looks > 2 && time_after(jiffies, seen + msecs_to_jiffies(limit_ms));
	if (!brgpu->fw_dead && (crashed || silent)) {
		brgpu->fw_dead = true;
		drm_err(&brgpu->drm, "firmware heartbeat stopped at %u (limit %u ms)%s\n",
			heartbeat, limit_ms, crashed ? ": it has crashed" : "");
		brgpu_fw_report_crash(brgpu);
	}
	silent = brgpu->silent_looks > HEARTBEAT_PATIENCE_MS / WATCH_MS &&
		 time_after(jiffies, seen + msecs_to_jiffies(limit_ms + HEARTBEAT_PATIENCE_MS));
	return !((crashed || silent) && device_revive_firmware(brgpu));
}

static void device_watch_work(struct work_struct *work)
{
	struct brgpu_device *brgpu = container_of(work, struct brgpu_device, watch.work);
	bool again = true;
	int idx;

	/* While it is reset or asleep; it is started again afterwards. */
	if (READ_ONCE(brgpu->resetting) || READ_ONCE(brgpu->away))
		return;
	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	if (device_watch_presence(brgpu)) {
		/* What a lost interrupt left lying. */
		brgpu_irq_poll(brgpu);
		again = device_watch_heartbeat(brgpu);
		if (!brgpu->fw_dead &&
		    time_after(jiffies, brgpu->sensors_asked + msecs_to_jiffies(SENSORS_MS))) {
			brgpu->sensors_asked = jiffies;
			queue_work(system_wq, &brgpu->sensors_work);
		}
	}
	drm_dev_exit(idx);
	if (again && !brgpu->wedged)
		queue_delayed_work(system_wq, &brgpu->watch, msecs_to_jiffies(WATCH_MS));
}

/* Beside the watch: it may have to wait for the firmware. */
static void device_sensors_work(struct work_struct *work)
{
	brgpu_hwmon_update(container_of(work, struct brgpu_device, sensors_work));
}

void brgpu_device_start_watch(struct brgpu_device *brgpu)
{
	brgpu->heartbeat_seen = jiffies;
	brgpu->silent_looks = 0;
	brgpu->absent_since = 0;
	brgpu->fw_dead = false;
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

int brgpu_device_reset(struct brgpu_device *brgpu)
{
	u32 status;
	int ret;

	brgpu_write32(brgpu, BRGPU_REG_RESET, BRGPU_RESET_KEY | BRGPU_RESET_DEVICE);
	ret = read_poll_timeout(brgpu_read32, status,
				!(status & BRGPU_STATUS_RESETTING) || status == U32_MAX, 1000,
				STOP_TIMEOUT_MS * 1000, true, brgpu, BRGPU_REG_STATUS);
	if (ret)
		return ret;
	if (status == U32_MAX)
		return -ENODEV;
	return status & BRGPU_STATUS_FAILED ? -EIO : 0;
}

void brgpu_device_quiesce(struct brgpu_device *brgpu)
{
	if (brgpu_device_is_gone(brgpu))
		return;
	brgpu_irq_disable(brgpu);
	brgpu_fw_halt(brgpu);
	if (brgpu_device_reset(brgpu))
		drm_warn(&brgpu->drm, "the card does not come out of its reset\n");
}

int brgpu_device_start(struct brgpu_device *brgpu)
{
	brgpu_irq_enable(brgpu);
	return brgpu_fw_start(brgpu);
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
	spin_lock_init(&brgpu->bos_lock);
	INIT_LIST_HEAD(&brgpu->vram_bos);
	brgpu_reset_init(brgpu);
	init_waitqueue_head(&brgpu->mem_wq);
	ida_init(&brgpu->slot_ida);
	xa_init_flags(&brgpu->vms, XA_FLAGS_ALLOC1);
	INIT_DELAYED_WORK(&brgpu->watch, device_watch_work);
	INIT_WORK(&brgpu->sensors_work, device_sensors_work);
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
	ret = brgpu_device_reset(brgpu);
	if (ret == -EIO) {
		brgpu->reset_owner = current;
		ret = pci_reset_function_locked(to_pci_dev(drm->dev)) ?: brgpu_device_reset(brgpu);
		brgpu->reset_owner = NULL;
	}
	if (ret) {
		drm_err(drm, "the card does not come out of its reset: %pe\n", ERR_PTR(ret));
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
	ret = brgpu_fw_load(brgpu);
	if (ret)
		goto err_reset_wq;
	ret = brgpu_coredump_init(brgpu);
	if (ret)
		goto err_fw_image;
	ret = brgpu_irq_init(brgpu);
	if (ret)
		goto err_dump;
	ret = brgpu_device_start(brgpu);
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
err_dump:
	brgpu_coredump_fini(brgpu);
err_fw_image:
	brgpu_fw_unload(brgpu);
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
	cancel_work_sync(&brgpu->sensors_work);
	cancel_work_sync(&brgpu->tell_work);

	brgpu_device_quiesce(brgpu);
	brgpu_irq_fini(brgpu);
	brgpu_coredump_fini(brgpu);
	brgpu_fw_unload(brgpu);

	mutex_lock(&brgpu->reset_lock);
	brgpu->resetting = false;
	brgpu_reset_fail_queues(brgpu, -ENODEV);
	mutex_unlock(&brgpu->reset_lock);
	/* Nothing uses the old mappings any more: as good as invalidated. */
	brgpu_tlb_cancel(brgpu, 0);
	flush_workqueue(brgpu->reset_wq);
	flush_workqueue(brgpu->userqs.wq);
	wake_up_all(&brgpu->mem_wq);
	wake_up_all(&brgpu->reset_wait);
}
