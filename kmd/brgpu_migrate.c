// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include <drm/ttm/ttm_tt.h>

#include "brgpu_core_packet.h"
#include "brgpu_device.h"
#include "brgpu_hwq.h"
#include "brgpu_reset.h"

/**
 * DOC: moving memory
 *
 * One copy queue of the highest priority, in VM 0, where VRAM and system memory are addressed
 * directly: no page tables, nothing that a client could break. Transfers are waited for in the
 * caller, TTM's move or a buffer's creation. It depends on no fence, so it always gets through.
 */

#define MIGRATE_PACKETS		(BRGPU_HWQ_CREDITS / 2)
#define MIGRATE_TIMEOUT_MS	20000
#define MIGRATE_SLICE_MS	100
/* A transfer that resets interrupt again and again fails. */
#define MIGRATE_TRIES		4
/* A packet's row has 32 bits. */
#define MIGRATE_MAX_COPY	SZ_256M

int brgpu_migrate_init(struct brgpu_device *brgpu)
{
	const struct brgpu_hwq_params params = {
		.vm = 0,
		.queue_class = BRGPU_QUEUE_COPY,
		.priority = BRGPU_PRIORITY_REALTIME,
	};
	struct brgpu_migrate *migrate = &brgpu->migrate;

	mutex_init(&migrate->lock);
	migrate->packets = kcalloc(MIGRATE_PACKETS, BRGPU_PACKET_BYTES, GFP_KERNEL);
	if (!migrate->packets)
		return -ENOMEM;
	migrate->hwq = brgpu_hwq_create(brgpu, &params);
	if (IS_ERR(migrate->hwq)) {
		kfree(migrate->packets);
		return PTR_ERR(migrate->hwq);
	}
	return 0;
}

void brgpu_migrate_fini(struct brgpu_device *brgpu)
{
	brgpu_hwq_destroy(brgpu->migrate.hwq);
	kfree(brgpu->migrate.packets);
}

int brgpu_migrate_restart(struct brgpu_device *brgpu)
{
	lockdep_assert_held(&brgpu->reset_lock);
	return brgpu_hwq_map(brgpu->migrate.hwq);
}

/* Runs what was gathered. -ECANCELED: a reset came in between; copies may be made once more. */
static int migrate_run(struct brgpu_device *brgpu)
{
	struct brgpu_migrate *migrate = &brgpu->migrate;
	struct brgpu_hwq_fence *fence;
	unsigned long deadline;
	int ret;

	fence = brgpu_hwq_fence_alloc();
	if (!fence)
		return -ENOMEM;
	ret = brgpu_hwq_submit(migrate->hwq, migrate->packets, migrate->count, fence);
	if (ret) {
		brgpu_hwq_fence_free(fence);
		return ret;
	}
	/*
	 * In slices: an interrupt may be lost, or switched off because the driver is being unbound.
	 */
	deadline = jiffies + msecs_to_jiffies(MIGRATE_TIMEOUT_MS);
	while (!brgpu_hwq_process(migrate->hwq) && time_before(jiffies, deadline))
		dma_fence_wait_timeout(&fence->base, false, msecs_to_jiffies(MIGRATE_SLICE_MS));
	if (!brgpu_hwq_process(migrate->hwq)) {
		drm_err(&brgpu->drm,
			"the kernel's copy queue makes no progress: starting it anew\n");
		brgpu_hwq_stop(migrate->hwq, DRM_BRGPU_QUEUE_ERROR_TIMEOUT, -ETIMEDOUT);
		mutex_lock(&brgpu->reset_lock);
		brgpu_hwq_map(migrate->hwq);
		mutex_unlock(&brgpu->reset_lock);
		ret = -ETIMEDOUT;
	} else {
		ret = dma_fence_get_status(&fence->base);
		ret = min(ret, 0);
	}
	dma_fence_put(&fence->base);
	return ret;
}

static int migrate_flush(struct brgpu_device *brgpu)
{
	struct brgpu_migrate *migrate = &brgpu->migrate;
	unsigned int tries = MIGRATE_TRIES;
	int ret;

	if (!migrate->count)
		return 0;
	do {
		ret = migrate_run(brgpu);
	} while (ret == -ECANCELED && --tries && brgpu_reset_wait(brgpu));
	migrate->count = 0;
	return ret == -ECANCELED ? -EIO : ret;
}

static void *migrate_slot(struct brgpu_device *brgpu)
{
	return brgpu->migrate.packets + (size_t)brgpu->migrate.count++ * BRGPU_PACKET_BYTES;
}

static int migrate_room(struct brgpu_device *brgpu)
{
	return brgpu->migrate.count == MIGRATE_PACKETS ? migrate_flush(brgpu) : 0;
}

static int clear_piece(void *ctx, u64 address, u64 bytes)
{
	struct brgpu_device *brgpu = ctx;
	int ret = migrate_room(brgpu);

	if (!ret)
		brgpu_core_packet_fill(migrate_slot(brgpu), 0, address, bytes, 0);
	return ret;
}

int brgpu_migrate_clear(struct brgpu_device *brgpu, struct ttm_resource *vram, u64 bytes)
{
	struct brgpu_migrate *migrate = &brgpu->migrate;
	int ret;

	mutex_lock(&migrate->lock);
	migrate->count = 0;
	ret = brgpu_vram_mgr_for_each(brgpu, vram, 0, bytes, clear_piece, brgpu);
	if (!ret)
		ret = migrate_flush(brgpu);
	mutex_unlock(&migrate->lock);
	return ret;
}

struct migrate_copy {
	struct brgpu_device *brgpu;
	struct ttm_tt *tt;
	u64 page;	/* next page of tt */
	bool to_vram;
};

static int copy_piece(void *ctx, u64 vram, u64 bytes)
{
	struct migrate_copy *copy = ctx;
	struct ttm_tt *tt = copy->tt;

	while (bytes) {
		const dma_addr_t first = tt->dma_address[copy->page];
		u64 length = PAGE_SIZE, system = brgpu_vm0_system(first);
		void *slot;
		int ret;

		while (length < bytes && length < MIGRATE_MAX_COPY &&
		       tt->dma_address[copy->page + length / PAGE_SIZE] == first + length)
			length += PAGE_SIZE;

		ret = migrate_room(copy->brgpu);
		if (ret)
			return ret;
		slot = migrate_slot(copy->brgpu);
		if (copy->to_vram)
			brgpu_core_packet_copy(slot, 0, vram, system, length);
		else
			brgpu_core_packet_copy(slot, 0, system, vram, length);
		copy->page += length / PAGE_SIZE;
		vram += length;
		bytes -= length;
	}
	return 0;
}

int brgpu_migrate_copy(struct brgpu_device *brgpu, struct ttm_resource *vram, struct ttm_tt *tt,
		       u64 bytes, bool to_vram)
{
	struct brgpu_migrate *migrate = &brgpu->migrate;
	struct migrate_copy copy = { .brgpu = brgpu, .tt = tt, .to_vram = to_vram };
	int ret;

	mutex_lock(&migrate->lock);
	migrate->count = 0;
	ret = brgpu_vram_mgr_for_each(brgpu, vram, 0, bytes, copy_piece, &copy);
	if (!ret)
		ret = migrate_flush(brgpu);
	mutex_unlock(&migrate->lock);
	return ret;
}
