// SPDX-License-Identifier: GPL-2.0
#include <linux/devcoredump.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/pci.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>

#include <brgpu/dump.h>
#include <brgpu/hw/snapshot.h>

#include "brgpu_core_fw.h"
#include "brgpu_core_packet.h"
#include "brgpu_coredump.h"
#include "brgpu_device.h"
#include "brgpu_hwq.h"
#include "brgpu_vm.h"

/**
 * DOC: dumps
 *
 * Taken where fences wait, so nothing is allocated: all goes into a staging area that is there from
 * the start, and a work copies it to where devcoredump shows it. devcoredump keeps one dump of a
 * device, the first, until it has been read or five minutes are over: the first is what counts.
 *
 * What the card wrote (lanes, firmware's log) is passed on as it is. include/brgpu/dump.h tells the
 * format; tools/brgpu-dump reads it.
 */

#define STAGING_BYTES	SZ_256K
#define LANES_BYTES	PAGE_ALIGN(sizeof(struct brgpu_snapshot_head) +			\
				   BRGPU_SNAPSHOT_MAX_WARPS * sizeof(struct brgpu_snapshot_warp))
#define RING_PACKETS	16u
#define SNAPSHOT_MS	2000
#define INTERVAL_MS	1000
#define DUMP_QUEUES	64u

/* ---- writing ------------------------------------------------------------------------------ */

/* Room for so many bytes, zeroed, or NULL. */
static void *dump_room(struct brgpu_coredump *dump, size_t bytes)
{
	void *room = dump->staging + dump->bytes;

	bytes = ALIGN(bytes, 8);
	if (bytes > STAGING_BYTES - dump->bytes) {
		dump->cut = true;
		return NULL;
	}
	memset(room, 0, bytes);
	dump->bytes += bytes;
	return room;
}

static void *dump_section(struct brgpu_coredump *dump, enum brgpu_dump_type type, u32 entry_bytes,
			  size_t bytes)
{
	struct brgpu_dump_section *section = dump_room(dump, sizeof(*section) + bytes);

	if (!section)
		return NULL;
	section->type = type;
	section->entry_bytes = entry_bytes;
	section->bytes = bytes;
	return section + 1;
}

/* ---- what is in it ------------------------------------------------------------------------ */

static void dump_text(struct brgpu_device *brgpu, struct brgpu_hwq *guilty, const char *why)
{
	const struct brgpu_core_ident *ident = &brgpu->ident;
	struct timespec64 now;
	char text[640];
	int bytes;
	void *to;

	ktime_get_real_ts64(&now);
	bytes = scnprintf(text, sizeof(text),
			  "why: %s\n"
			  "time: %lld.%09ld\n"
			  "boottime_ns: %llu\n"
			  "kernel: %s\n"
			  "uapi: %u.%u\n"
			  "card: %s\n"
			  "product: 0x%x\n"
			  "serial: %016llx\n"
			  "pci: %s\n"
			  "contract: %u.%u\n"
			  "firmware: %u.%u.%u (%s)\n"
			  "queue_resets: %d\n"
			  "device_resets: %d\n",
			  why, (long long)now.tv_sec, now.tv_nsec, ktime_get_boottime_ns(),
			  init_utsname()->release, DRM_BRGPU_UAPI_MAJOR, DRM_BRGPU_UAPI_MINOR,
			  brgpu_core_ident_name(ident), ident->product, ident->serial,
			  pci_name(to_pci_dev(brgpu->drm.dev)), ident->contract >> 16,
			  ident->contract & 0xffff, BRGPU_FW_VERSION_MAJOR(brgpu->fw.version),
			  BRGPU_FW_VERSION_MINOR(brgpu->fw.version),
			  BRGPU_FW_VERSION_PATCH(brgpu->fw.version), brgpu->fw.build,
			  atomic_read(&brgpu->queue_resets), atomic_read(&brgpu->device_resets));
	if (guilty)
		bytes += scnprintf(text + bytes, sizeof(text) - bytes, "queue: %u\nvm: %u\n",
				   guilty->slot, guilty->params.vm);
	to = dump_section(&brgpu->dump, BRGPU_DUMP_TEXT, 0, bytes);
	if (to)
		memcpy(to, text, bytes);
}

static void dump_register(struct brgpu_device *brgpu, u32 offset, u32 bits,
			  struct brgpu_dump_register *to)
{
	to->offset = offset;
	to->bits = bits;
	to->value = bits == 64 ? brgpu_read64(brgpu, offset) : brgpu_read32(brgpu, offset);
}

static void dump_registers(struct brgpu_device *brgpu)
{
	static const struct {
		u32 offset, bits;
	} wanted[] = {
		{ BRGPU_REG_MAGIC, 32 },
		{ BRGPU_REG_CONTRACT, 32 },
		{ BRGPU_REG_PRODUCT, 32 },
		{ BRGPU_REG_REVISION, 32 },
		{ BRGPU_REG_SERIAL, 64 },
		{ BRGPU_REG_FEATURES, 64 },
		{ BRGPU_REG_VRAM_BYTES, 64 },
		{ BRGPU_REG_STATUS, 32 },
		{ BRGPU_REG_GENERATION, 32 },
		{ BRGPU_REG_BAD_ACCESS, 32 },
		{ BRGPU_REG_SCRATCH, 64 },
		{ BRGPU_REG_EVENT_PENDING, 32 },
		{ BRGPU_REG_TLB_ADDRESS, 64 },
		{ BRGPU_REG_TLB_LENGTH, 64 },
		{ BRGPU_REG_TLB_ISSUED, 32 },
		{ BRGPU_REG_TLB_COMPLETED, 32 },
		{ BRGPU_REG_BOOT_STATE, 32 },
		{ BRGPU_REG_BOOT_ERROR, 32 },
		{ BRGPU_REG_FW_VERSION, 32 },
		{ BRGPU_REG_HEARTBEAT, 32 },
		{ BRGPU_REG_HEARTBEAT_MS, 32 },
		{ BRGPU_REG_MBOX_REQ_WRITE, 32 },
		{ BRGPU_REG_MBOX_REQ_READ, 32 },
		{ BRGPU_REG_MBOX_RSP_WRITE, 32 },
		{ BRGPU_REG_MBOX_RSP_READ, 32 },
		{ BRGPU_REG_LOG_WRITTEN, 32 },
		{ BRGPU_REG_CRASH_VALID, 32 },
		{ BRGPU_REG_TIMESTAMP, 64 },
		{ BRGPU_REG_ECC_CORRECTED, 64 },
		{ BRGPU_REG_ECC_UNCORRECTED, 64 },
	};
	static const struct {
		u32 offset, bits;
	} of_each_ring[] = {
		{ BRGPU_EVENT_BASE, 64 },
		{ BRGPU_EVENT_SIZE, 32 },
		{ BRGPU_EVENT_CONSUMER, 32 },
		{ BRGPU_EVENT_PRODUCER, 32 },
		{ BRGPU_EVENT_STATUS, 32 },
		{ BRGPU_EVENT_LOST, 32 },
		{ BRGPU_EVENT_ENABLE, 32 },
	};
	const size_t count =
		ARRAY_SIZE(wanted) + BRGPU_EVENT_CLASSES * ARRAY_SIZE(of_each_ring);
	struct brgpu_dump_register *to;
	unsigned int i, ring;

	to = dump_section(&brgpu->dump, BRGPU_DUMP_REGISTERS, sizeof(*to), sizeof(*to) * count);
	if (!to)
		return;
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		dump_register(brgpu, wanted[i].offset, wanted[i].bits, to++);
	for (ring = 0; ring < BRGPU_EVENT_CLASSES; ring++) {
		for (i = 0; i < ARRAY_SIZE(of_each_ring); i++)
			dump_register(brgpu, BRGPU_REG_EVENT(ring) + of_each_ring[i].offset,
				      of_each_ring[i].bits, to++);
	}
}

static void dump_queue(struct brgpu_hwq *hwq, bool guilty, struct brgpu_dump_queue *to)
{
	struct brgpu_device *brgpu = hwq->brgpu;
	const u32 base = BRGPU_REG_QUEUE(hwq->slot);
	unsigned long flags;

	to->slot = hwq->slot;
	to->vm = hwq->params.vm;
	to->id = READ_ONCE(hwq->owner_id);
	to->queue_class = hwq->params.queue_class;
	to->priority = hwq->params.priority;
	spin_lock_irqsave(&hwq->lock, flags);
	to->flags = (guilty ? BRGPU_DUMP_QUEUE_GUILTY : 0) |
		    (hwq->stopped ? BRGPU_DUMP_QUEUE_STOPPED : 0) |
		    (hwq->lost ? BRGPU_DUMP_QUEUE_LOST : 0);
	to->submitted = hwq->last_seqno;
	to->completed = hwq->completed;
	spin_unlock_irqrestore(&hwq->lock, flags);

	to->status = brgpu_read32(brgpu, base + BRGPU_QUEUE_STATUS);
	to->error = brgpu_read32(brgpu, base + BRGPU_QUEUE_ERROR);
	to->read_index = brgpu_read64(brgpu, base + BRGPU_QUEUE_READ_INDEX);
	to->write_index = brgpu_read64(brgpu, base + BRGPU_QUEUE_WRITE_INDEX);
	to->packet = brgpu_read64(brgpu, base + BRGPU_QUEUE_PACKET);
	to->dispatches = brgpu_read64(brgpu, base + BRGPU_QUEUE_DISPATCHES);
	to->workgroups = brgpu_read64(brgpu, base + BRGPU_QUEUE_WORKGROUPS);
	to->busy_ns = brgpu_read64(brgpu, base + BRGPU_QUEUE_BUSY_NS);
	to->progress = brgpu_read64(brgpu, base + BRGPU_QUEUE_PROGRESS);
	to->fault_address = brgpu_read64(brgpu, base + BRGPU_QUEUE_FAULT_ADDRESS);
	to->fault_pc = brgpu_read64(brgpu, base + BRGPU_QUEUE_FAULT_PC);
	to->fault_info = brgpu_read32(brgpu, base + BRGPU_QUEUE_FAULT_INFO);
}

static void dump_queues(struct brgpu_device *brgpu, struct brgpu_hwq *guilty)
{
	struct brgpu_dump_queue *queues;
	unsigned int i, count = 0, room;

	for (i = 0; i < ARRAY_SIZE(brgpu->slots); i++)
		count += !!rcu_access_pointer(brgpu->slots[i]);
	room = min(count, DUMP_QUEUES);
	brgpu->dump.cut |= room < count;
	queues = dump_section(&brgpu->dump, BRGPU_DUMP_QUEUES, sizeof(*queues),
			      sizeof(*queues) * room);
	if (!queues)
		return;
	count = 0;
	if (guilty && room)
		dump_queue(guilty, true, &queues[count++]);
	/* A queue leaves its slot only after it was stopped, which takes reset_lock. */
	for (i = 0; i < ARRAY_SIZE(brgpu->slots) && count < room; i++) {
		struct brgpu_hwq *hwq = rcu_dereference_protected(brgpu->slots[i], true);

		if (hwq && hwq != guilty)
			dump_queue(hwq, false, &queues[count++]);
	}
}

/* The packets around the one at which the queue stands. */
static void dump_ring(struct brgpu_device *brgpu, struct brgpu_hwq *hwq)
{
	const u64 read = brgpu_read64(brgpu, BRGPU_REG_QUEUE(hwq->slot) + BRGPU_QUEUE_READ_INDEX);
	const u64 end = hwq->write_index;
	const u64 first = read > RING_PACKETS / 2 ? read - RING_PACKETS / 2 : 0;
	struct brgpu_dump_ring *ring;
	u32 count, i;

	if (read > end)
		return; /* all-ones, or a register that makes no sense */
	count = min_t(u64, end - first, RING_PACKETS);
	ring = dump_section(&brgpu->dump, BRGPU_DUMP_RING, 0,
			    sizeof(*ring) + (size_t)count * BRGPU_PACKET_BYTES);
	if (!ring)
		return;
	ring->slot = hwq->slot;
	ring->packets = count;
	ring->first = first;
	for (i = 0; i < count; i++)
		memcpy((u8 *)(ring + 1) + (size_t)i * BRGPU_PACKET_BYTES,
		       brgpu_hwq_packet(hwq, first + i), BRGPU_PACKET_BYTES);
}

static void dump_walk(struct brgpu_device *brgpu, struct brgpu_hwq *hwq)
{
	const u32 base = BRGPU_REG_QUEUE(hwq->slot);
	const u32 reason = brgpu_read32(brgpu, base + BRGPU_QUEUE_FAULT_INFO) >>
			   BRGPU_FAULT_INFO_REASON_SHIFT;
	const u64 address = brgpu_read64(brgpu, base + BRGPU_QUEUE_FAULT_ADDRESS);
	struct brgpu_dump_walk *walk;
	struct brgpu_vm *vm;

	if (!hwq->params.vm || !reason || reason > BRGPU_FAULT_POISON)
		return;
	walk = dump_section(&brgpu->dump, BRGPU_DUMP_PAGE_WALK, sizeof(*walk), sizeof(*walk));
	if (!walk)
		return;
	walk->address = address;
	walk->vm = hwq->params.vm;
	xa_lock(&brgpu->vms);
	vm = xa_load(&brgpu->vms, hwq->params.vm);
	if (vm && !kref_get_unless_zero(&vm->base.kref))
		vm = NULL;
	xa_unlock(&brgpu->vms);
	if (!vm)
		return;
	/* A bind that is under way may be long: better no walk than a wait. */
	if (mutex_trylock(&vm->pt_lock)) {
		walk->levels = brgpu_core_pt_walk(&vm->pt, address, walk->entries);
		mutex_unlock(&vm->pt_lock);
	}
	brgpu_vm_put(vm);
}

static void dump_lanes(struct brgpu_device *brgpu, struct brgpu_hwq *hwq)
{
	const u32 base = BRGPU_REG_QUEUE(hwq->slot);
	u32 status, bytes;
	void *to;

	if (!(brgpu->ident.features & BRGPU_FEATURE_LANE_SNAPSHOT))
		return;
	brgpu_write64(brgpu, base + BRGPU_QUEUE_SNAPSHOT_ADDRESS,
		      brgpu_vm0_system(brgpu->dump.lanes_dma));
	brgpu_write32(brgpu, base + BRGPU_QUEUE_SNAPSHOT_ROOM, LANES_BYTES);
	brgpu_write32(brgpu, base + BRGPU_QUEUE_COMMAND, BRGPU_QUEUE_CMD_SNAPSHOT);
	if (read_poll_timeout(brgpu_read32, status,
			      !(status & BRGPU_QUEUE_BUSY) || status == U32_MAX, 50,
			      SNAPSHOT_MS * 1000, false, brgpu, base + BRGPU_QUEUE_STATUS))
		return;
	bytes = brgpu_read32(brgpu, base + BRGPU_QUEUE_SNAPSHOT_WRITTEN);
	if (!bytes || bytes > LANES_BYTES)
		return;
	dma_rmb();
	to = dump_section(&brgpu->dump, BRGPU_DUMP_LANES, 0, bytes);
	if (to)
		memcpy(to, brgpu->dump.lanes, bytes);
}

static void dump_firmware(struct brgpu_device *brgpu)
{
	struct brgpu_coredump *dump = &brgpu->dump;
	struct brgpu_dump_section *section;
	void *to;

	to = dump_section(dump, BRGPU_DUMP_FW_LOG, 0, BRGPU_FW_LOG_BYTES);
	if (to) {
		section = (struct brgpu_dump_section *)to - 1;
		section->bytes = brgpu_fw_read_log(brgpu, to);
		dump->bytes -= BRGPU_FW_LOG_BYTES - ALIGN(section->bytes, 8);
		memset(to + section->bytes, 0, ALIGN(section->bytes, 8) - section->bytes);
	}
	if (brgpu_read32(brgpu, BRGPU_REG_CRASH_VALID) != 1)
		return;
	to = dump_section(dump, BRGPU_DUMP_FW_CRASH, 0, sizeof(struct brgpu_fw_crash));
	if (to)
		brgpu_fw_read_crash(brgpu, to);
}

void brgpu_coredump_take(struct brgpu_device *brgpu, struct brgpu_hwq *guilty, bool at_rest,
			 const char *why)
{
	struct brgpu_coredump *dump = &brgpu->dump;
	struct brgpu_dump_head *head;

	lockdep_assert_held(&brgpu->reset_lock);
	if (!dump->staging)
		return;
	/* Clients can make errors, but shall not flood the log with them. */
	if (work_busy(&dump->work) || time_before(jiffies, dump->next)) {
		atomic_inc(&dump->dropped);
		return;
	}
	dump->next = jiffies + msecs_to_jiffies(INTERVAL_MS);
	dump->bytes = 0;
	dump->cut = false;
	head = dump_room(dump, sizeof(*head));
	dump_text(brgpu, guilty, why);
	dump_registers(brgpu);
	dump_queues(brgpu, guilty);
	if (guilty) {
		dump_ring(brgpu, guilty);
		dump_walk(brgpu, guilty);
		if (at_rest)
			dump_lanes(brgpu, guilty);
	}
	dump_firmware(brgpu);

	head->magic = BRGPU_DUMP_MAGIC;
	head->version = BRGPU_DUMP_VERSION;
	head->head_bytes = sizeof(*head);
	head->total_bytes = dump->bytes;
	head->flags = dump->cut ? BRGPU_DUMP_CUT : 0;
	queue_work(system_unbound_wq, &dump->work);
}

static void coredump_work(struct work_struct *work)
{
	struct brgpu_coredump *dump = container_of(work, struct brgpu_coredump, work);
	struct brgpu_device *brgpu = container_of(dump, struct brgpu_device, dump);
	void *copy = vmalloc(dump->bytes);

	if (!copy)
		return;
	memcpy(copy, dump->staging, dump->bytes);
	drm_info(&brgpu->drm,
		 "a dump of %zu bytes is in /sys/class/devcoredump unless there is one already: read it with brgpu-dump\n",
		 dump->bytes);
	/* Takes the copy. */
	dev_coredumpv(brgpu->drm.dev, copy, dump->bytes, GFP_KERNEL);
}

int brgpu_coredump_init(struct brgpu_device *brgpu)
{
	struct brgpu_coredump *dump = &brgpu->dump;

	INIT_WORK(&dump->work, coredump_work);
	dump->next = jiffies;
	dump->lanes = dma_alloc_coherent(brgpu->drm.dev, LANES_BYTES, &dump->lanes_dma, GFP_KERNEL);
	if (!dump->lanes)
		return -ENOMEM;
	dump->staging = vmalloc(STAGING_BYTES);
	if (!dump->staging) {
		dma_free_coherent(brgpu->drm.dev, LANES_BYTES, dump->lanes, dump->lanes_dma);
		return -ENOMEM;
	}
	return 0;
}

void brgpu_coredump_fini(struct brgpu_device *brgpu)
{
	struct brgpu_coredump *dump = &brgpu->dump;
	void *staging;

	mutex_lock(&brgpu->reset_lock);
	staging = dump->staging;
	dump->staging = NULL;
	mutex_unlock(&brgpu->reset_lock);
	if (!staging)
		return;
	cancel_work_sync(&dump->work);
	vfree(staging);
	dma_free_coherent(brgpu->drm.dev, LANES_BYTES, dump->lanes, dump->lanes_dma);
}
