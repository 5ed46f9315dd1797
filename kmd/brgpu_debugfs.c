// SPDX-License-Identifier: GPL-2.0
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>

#include "brgpu_device.h"
#include "brgpu_hwmon.h"
#include "brgpu_hwq.h"
#include "brgpu_vm.h"

static struct brgpu_device *seq_to_brgpu(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return to_brgpu(entry->dev);
}

static int gpuvas_show(struct seq_file *m, void *unused)
{
	struct brgpu_device *brgpu = seq_to_brgpu(m);
	unsigned long id = 0;
	struct brgpu_vm *vm;
	int ret = 0;

	while (!ret) {
		xa_lock(&brgpu->vms);
		vm = xa_find_after(&brgpu->vms, &id, ULONG_MAX, XA_PRESENT);
		/* One that is on its way out has no reference left to take. */
		if (vm && !kref_get_unless_zero(&vm->base.kref))
			vm = ERR_PTR(-EAGAIN);
		xa_unlock(&brgpu->vms);
		if (!vm)
			break;
		if (IS_ERR(vm))
			continue;
		seq_printf(m, "VM %u, %llu bytes bound, %llu faults\n", vm->hw_id, vm->bytes_bound,
			   vm->fault_count);
		seq_printf(m, "pages 4K %llu 64K %llu 2M %llu 1G %llu\n",
			   brgpu_core_pt_page_count(&vm->pt, BRGPU_CORE_PT_4K),
			   brgpu_core_pt_page_count(&vm->pt, BRGPU_CORE_PT_64K),
			   brgpu_core_pt_page_count(&vm->pt, BRGPU_CORE_PT_2M),
			   brgpu_core_pt_page_count(&vm->pt, BRGPU_CORE_PT_1G));
		ret = dma_resv_lock_interruptible(drm_gpuvm_resv(&vm->base), NULL);
		if (!ret) {
			drm_debugfs_gpuva_info(m, &vm->base);
			dma_resv_unlock(drm_gpuvm_resv(&vm->base));
		}
		brgpu_vm_put(vm);
	}
	return ret;
}

static int queues_show(struct seq_file *m, void *unused)
{
	struct brgpu_device *brgpu = seq_to_brgpu(m);
	unsigned int i;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return -ENODEV;
	seq_puts(m, "slot vm class priority submitted completed hw-status error state\n");
	for (i = 0; i < ARRAY_SIZE(brgpu->slots); i++) {
		struct brgpu_hwq *hwq;
		unsigned long flags;

		rcu_read_lock();
		hwq = rcu_dereference(brgpu->slots[i]);
		if (hwq) {
			const u32 status =
				brgpu_read32(brgpu, BRGPU_REG_QUEUE(i) + BRGPU_QUEUE_STATUS);

			spin_lock_irqsave(&hwq->lock, flags);
			seq_printf(m, "%4u %2u %5u %8u %9llu %9llu 0x%07x %5u %s\n", i,
				   hwq->params.vm, hwq->params.queue_class, hwq->params.priority,
				   hwq->last_seqno, hwq->completed, status, hwq->error,
				   hwq->lost	? "lost" :
				   hwq->stopped ? "stopped" :
						  "ok");
			spin_unlock_irqrestore(&hwq->lock, flags);
		}
		rcu_read_unlock();
	}
	drm_dev_exit(idx);
	return 0;
}

static int events_show(struct seq_file *m, void *unused)
{
	static const char * const names[] = { "error", "firmware", "fault", "completion" };
	struct brgpu_device *brgpu = seq_to_brgpu(m);
	unsigned int i;

	for (i = 0; i < BRGPU_EVENT_CLASSES; i++)
		seq_printf(m, "%-10s records %llu overflows %llu\n", names[i],
			   brgpu->irq.units[i].records, brgpu->irq.units[i].overflows);
	return 0;
}

static int fw_log_show(struct seq_file *m, void *unused)
{
	struct brgpu_device *brgpu = seq_to_brgpu(m);
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return -ENODEV;
	brgpu_fw_show_log(brgpu, m);
	drm_dev_exit(idx);
	return 0;
}

static int vram_show(struct seq_file *m, void *unused)
{
	struct brgpu_device *brgpu = seq_to_brgpu(m);
	struct drm_printer p = drm_seq_file_printer(m);

	ttm_resource_manager_debug(&brgpu->vram_mgr.base, &p);
	return 0;
}

static const struct drm_debugfs_info brgpu_debugfs[] = {
	{ "events", events_show, 0, NULL },
	{ "firmware_log", fw_log_show, 0, NULL },
	{ "gpuvas", gpuvas_show, 0, NULL },
	{ "queues", queues_show, 0, NULL },
	{ "vram", vram_show, 0, NULL },
};

void brgpu_debugfs_init(struct drm_minor *minor)
{
	drm_debugfs_add_files(minor->dev, brgpu_debugfs, ARRAY_SIZE(brgpu_debugfs));
}
