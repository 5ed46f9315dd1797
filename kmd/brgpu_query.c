// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/irqflags.h>
#include <linux/pci.h>
#include <linux/uaccess.h>

#include <drm/ttm/ttm_resource.h>

#include "brgpu_device.h"
#include "brgpu_query.h"

#define WARP_LANES 32

static int query_copy(struct drm_brgpu_query *args, const void *answer, u32 bytes)
{
	void __user *to = u64_to_user_ptr(args->data);
	const u32 room = args->size;

	args->size = bytes;
	if (!room)
		return 0;
	if (copy_to_user(to, answer, min(room, bytes)))
		return -EFAULT;
	if (room > bytes && clear_user(to + bytes, room - bytes))
		return -EFAULT;
	return 0;
}

static int query_device(struct brgpu_device *brgpu, struct drm_brgpu_query *args)
{
	const struct brgpu_core_ident *ident = &brgpu->ident;
	struct drm_brgpu_query_device answer = {
		.uapi_version = DRM_BRGPU_UAPI_MAJOR << 16 | DRM_BRGPU_UAPI_MINOR,
		.contract = ident->contract,
		.product = ident->product,
		.revision = ident->revision,
		.serial = ident->serial,
		.features = brgpu->limits.features,
		.hw_features = ident->features,
		.dies = ident->dies,
		.spcs_per_die = ident->spcs,
		.cus_per_spc = ident->cus,
		.eus_per_cu = ident->eus,
		.warp_lanes = WARP_LANES,
		.isa = ident->isa,
		.max_workgroup = ident->max_workgroup,
		.local_bytes = ident->local_bytes,
		.tensor_bytes = ident->tensor_bytes,
		.resident_groups = ident->resident_groups,
		.max_queues = min_t(u32, brgpu_kernel_slots(brgpu) - 1, BRGPU_FILE_QUEUES),
		.max_vms = min_t(u32, ident->vms - 1, BRGPU_FILE_VMS),
		.va_start = brgpu->limits.va_start,
		.va_end = brgpu->limits.va_end,
		.page_sizes = ident->page_sizes,
		.timestamp_hz = ident->timestamp_hz,
		.job_timeout_ms = BRGPU_JOB_TIMEOUT_MS,
		.job_limit_ms = BRGPU_JOB_LIMIT_MS,
	};

	strscpy(answer.name, brgpu_core_ident_name(ident), sizeof(answer.name));
	strscpy(answer.pci_address, dev_name(brgpu->drm.dev), sizeof(answer.pci_address));
	return query_copy(args, &answer, sizeof(answer));
}

static int query_memory(struct brgpu_device *brgpu, struct drm_brgpu_query *args)
{
	struct brgpu_vram_mgr *mgr = &brgpu->vram_mgr;
	const struct drm_brgpu_query_memory answer[] = {
		{
			.placement = DRM_BRGPU_PLACEMENT_VRAM,
			.die = brgpu->ident.dies == 1 ? 0 : U32_MAX,
			.total = brgpu->ident.vram_bytes,
			.used = ttm_resource_manager_usage(&mgr->base),
			.cpu_visible = mgr->visible_bytes,
		}, {
			.placement = DRM_BRGPU_PLACEMENT_SYSTEM,
			.die = U32_MAX,
			.total = mgr->tt.size,
			.used = ttm_resource_manager_usage(&mgr->tt),
			.cpu_visible = mgr->tt.size,
		},
	};

	return query_copy(args, answer, sizeof(answer));
}

static int query_clock(struct brgpu_device *brgpu, struct drm_brgpu_query *args)
{
	struct drm_brgpu_query_clock answer = {};
	unsigned long flags;
	u64 before, after;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return -ENODEV;
	local_irq_save(flags);
	before = ktime_get_ns();
	answer.device = brgpu_read64(brgpu, BRGPU_REG_TIMESTAMP);
	after = ktime_get_ns();
	local_irq_restore(flags);
	drm_dev_exit(idx);

	answer.cpu_ns = before + (after - before) / 2;
	answer.uncertainty_ns = (after - before + 1) / 2;
	return query_copy(args, &answer, sizeof(answer));
}

static int query_firmware(struct brgpu_device *brgpu, struct drm_brgpu_query *args)
{
	struct drm_brgpu_query_firmware answer = {
		.version = brgpu->fw.version,
		.mailbox = brgpu->fw.mailbox,
	};
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return -ENODEV;
	answer.state = brgpu_read32(brgpu, BRGPU_REG_BOOT_STATE);
	answer.heartbeats = brgpu_read32(brgpu, BRGPU_REG_HEARTBEAT);
	drm_dev_exit(idx);
	strscpy(answer.build, brgpu->fw.build, sizeof(answer.build));
	return query_copy(args, &answer, sizeof(answer));
}

static int query_status(struct brgpu_device *brgpu, struct drm_brgpu_query *args)
{
	struct drm_brgpu_query_status answer = {
		.queue_resets = atomic_read(&brgpu->queue_resets),
		.device_resets = atomic_read(&brgpu->device_resets),
		.queues = atomic_read(&brgpu->queue_count),
		.clients = atomic_read(&brgpu->client_count),
		.sensor_age_ms = U32_MAX,
	};
	struct brgpu_sensors sensors;
	int idx;

	spin_lock(&brgpu->sensors_lock);
	sensors = brgpu->sensors;
	spin_unlock(&brgpu->sensors_lock);
	if (sensors.when) {
		answer.temperature_mc = sensors.temperature_mc;
		answer.power_mw = sensors.power_mw;
		answer.power_limit_mw = sensors.power_limit_mw;
		answer.core_mhz = sensors.core_mhz;
		answer.memory_mhz = sensors.memory_mhz;
		answer.throttle = sensors.throttle;
		answer.sensor_age_ms = ktime_ms_delta(ktime_get(), sensors.when);
	}
	if (drm_dev_enter(&brgpu->drm, &idx)) {
		spin_lock(&brgpu->sensors_lock); /* one snapshot at a time */
		brgpu_write32(brgpu, BRGPU_REG_COUNTER_LATCH, 1);
		answer.compute_busy_ns = brgpu_read64(brgpu, BRGPU_REG_COUNTER_COMPUTE_NS);
		answer.copy_busy_ns = brgpu_read64(brgpu, BRGPU_REG_COUNTER_COPY_NS);
		spin_unlock(&brgpu->sensors_lock);
		answer.ecc_corrected = brgpu_read64(brgpu, BRGPU_REG_ECC_CORRECTED);
		answer.ecc_uncorrected = brgpu_read64(brgpu, BRGPU_REG_ECC_UNCORRECTED);
		drm_dev_exit(idx);
		if (brgpu->wedged || brgpu->fw_dead)
			answer.health = DRM_BRGPU_HEALTH_CRITICAL;
		else if (sensors.throttle || answer.ecc_corrected || answer.device_resets)
			answer.health = DRM_BRGPU_HEALTH_WARNING;
	} else {
		answer.health = DRM_BRGPU_HEALTH_CRITICAL;
	}
	return query_copy(args, &answer, sizeof(answer));
}

int brgpu_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct drm_brgpu_query *args = data;
	const char *why = "";
	int ret;

	ret = brgpu_core_check_query(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "QUERY", ret, "%s", why);
	switch (args->query) {
	case DRM_BRGPU_QUERY_DEVICE:
		return query_device(brgpu, args);
	case DRM_BRGPU_QUERY_MEMORY:
		return query_memory(brgpu, args);
	case DRM_BRGPU_QUERY_CLOCK:
		return query_clock(brgpu, args);
	case DRM_BRGPU_QUERY_FIRMWARE:
		return query_firmware(brgpu, args);
	default:
		return query_status(brgpu, args);
	}
}
