// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/pci.h>

#include "brgpu_device.h"
#include "brgpu_fault.h"
#include "brgpu_hwq.h"
#include "brgpu_reset.h"
#include "brgpu_trace.h"

/**
 * DOC: events
 *
 * Four rings of records in system memory, one a class. Class c interrupts by vector c modulo the
 * number of vectors that the machine gave, so one is enough. Completions are handled in the hard
 * interrupt: it signals fences. The other classes need no haste: their thread may print.
 *
 * A record is a hint to look, and never believed: completion is read from the queue's memory,
 * errors from the queue's registers. So a lost interrupt, a dropped or a made-up record cost time,
 * nothing else; the watch work looks at all rings once a second.
 */

#define COMPLETION_BIT BIT(BRGPU_EVENT_CLASS_COMPLETION)

/* log2 of records: completions come in bursts, the others one by one. */
static const u32 ring_log2[BRGPU_EVENT_CLASSES] = {
	[BRGPU_EVENT_CLASS_ERROR] = 7,
	[BRGPU_EVENT_CLASS_FIRMWARE] = 7,
	[BRGPU_EVENT_CLASS_FAULT] = 8,
	[BRGPU_EVENT_CLASS_COMPLETION] = 11,
};

static void irq_queue_signal(struct brgpu_device *brgpu, u32 slot)
{
	struct brgpu_hwq *hwq;

	if (slot >= ARRAY_SIZE(brgpu->slots))
		return;
	rcu_read_lock();
	hwq = rcu_dereference(brgpu->slots[slot]);
	if (hwq)
		brgpu_hwq_process(hwq);
	rcu_read_unlock();
}

static void irq_queue_error(struct brgpu_device *brgpu, u32 slot)
{
	struct brgpu_hwq *hwq;

	if (brgpu_userq_event_error(brgpu, slot) || slot >= ARRAY_SIZE(brgpu->slots))
		return;
	rcu_read_lock();
	hwq = rcu_dereference(brgpu->slots[slot]);
	if (hwq)
		queue_work(brgpu->reset_wq, &hwq->error_work);
	rcu_read_unlock();
}

/* What was dropped is found again in memory and registers. */
static void irq_recover(struct brgpu_device *brgpu, u32 class)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(brgpu->slots); i++) {
		if (class == BRGPU_EVENT_CLASS_COMPLETION)
			irq_queue_signal(brgpu, i);
		else if (class == BRGPU_EVENT_CLASS_FAULT)
			irq_queue_error(brgpu, i);
	}
	if (class == BRGPU_EVENT_CLASS_COMPLETION) {
		brgpu_tlb_process(brgpu);
		wake_up_all(&brgpu->mem_wq);
	} else if (class == BRGPU_EVENT_CLASS_FAULT) {
		brgpu_userqs_look(brgpu);
	} else if (class == BRGPU_EVENT_CLASS_FIRMWARE) {
		brgpu_mbox_wake(brgpu);
	}
}

static void irq_record(struct brgpu_device *brgpu, const struct brgpu_event_record *record)
{
	trace_brgpu_event(record->type, record->queue, record->info, record->data0);

	switch (record->type) {
	case BRGPU_EVENT_SIGNAL:
		irq_queue_signal(brgpu, record->queue);
		wake_up_all(&brgpu->mem_wq);
		break;
	case BRGPU_EVENT_TLB_DONE:
		brgpu_tlb_process(brgpu);
		break;
	case BRGPU_EVENT_USER:
	case BRGPU_EVENT_QUEUE_STATE:
		/* Commands are polled for; user events have no listener in this version. */
		break;
	case BRGPU_EVENT_FAULT:
		brgpu_fault_record(brgpu, record);
		break;
	case BRGPU_EVENT_QUEUE_ERROR:
		irq_queue_error(brgpu, record->queue);
		break;
	case BRGPU_EVENT_FW_RESPONSE:
		brgpu_mbox_wake(brgpu);
		break;
	case BRGPU_EVENT_FW_NOTIFY:
		drm_dbg_driver(&brgpu->drm, "firmware notification %u: 0x%llx 0x%llx\n",
			       record->info, record->data0, record->data1);
		break;
	case BRGPU_EVENT_FW_STATE:
		drm_dbg_driver(&brgpu->drm, "firmware state %u\n", record->info);
		if (record->info == BRGPU_BOOT_STATE_CRASHED)
			mod_delayed_work(system_wq, &brgpu->watch, 0);
		break;
	case BRGPU_EVENT_ECC:
		if (record->info) {
			atomic64_inc(&brgpu->ecc_uncorrected);
			drm_err_ratelimited(&brgpu->drm, "uncorrectable ECC error at VRAM 0x%llx\n",
					    record->data0);
		} else {
			atomic64_inc(&brgpu->ecc_corrected);
		}
		break;
	case BRGPU_EVENT_THERMAL:
		dev_warn_ratelimited(brgpu->drm.dev, "thermal event: %lld millidegrees Celsius\n",
				     (s64)record->data0);
		break;
	case BRGPU_EVENT_WEDGED:
		brgpu_reset_request(brgpu, BRGPU_RESET_RUNG_FUNCTION,
				    "the card says that it has failed");
		break;
	default:
		drm_dbg_driver(&brgpu->drm, "unknown event type 0x%x\n", record->type);
		break;
	}
}

static void irq_class(struct brgpu_device *brgpu, u32 class)
{
	struct brgpu_event_unit *unit = &brgpu->irq.units[class];
	struct brgpu_event_record record;
	unsigned long flags;
	bool maybe_lost;
	u32 consumer;

	for (;;) {
		spin_lock_irqsave(&unit->lock, flags);
		if (!brgpu_core_event_next(&unit->ring, &record))
			break;
		unit->records++;
		spin_unlock_irqrestore(&unit->lock, flags);
		irq_record(brgpu, &record);
	}
	if (unit->ring.consumed == unit->ring.acknowledged) {
		/* A look for nothing: the ring is still armed. */
		spin_unlock_irqrestore(&unit->lock, flags);
		return;
	}
	consumer = brgpu_core_event_acknowledge(&unit->ring, &maybe_lost);
	if (maybe_lost)
		maybe_lost = brgpu_read32(brgpu, BRGPU_REG_EVENT(class) + BRGPU_EVENT_STATUS) &
			     BRGPU_EVENT_STATUS_OVERFLOW;
	if (maybe_lost) {
		unit->overflows++;
		brgpu_write32(brgpu, BRGPU_REG_EVENT(class) + BRGPU_EVENT_STATUS,
			      BRGPU_EVENT_STATUS_OVERFLOW);
	}
	/* Arms the ring; raises at once when there is more. */
	brgpu_write32(brgpu, BRGPU_REG_EVENT(class) + BRGPU_EVENT_CONSUMER, consumer);
	spin_unlock_irqrestore(&unit->lock, flags);
	if (maybe_lost)
		irq_recover(brgpu, class);
}

static void irq_classes(struct brgpu_device *brgpu, u32 classes)
{
	u32 class;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	for (class = 0; class < BRGPU_EVENT_CLASSES; class++) {
		if (classes & BIT(class))
			irq_class(brgpu, class);
	}
	drm_dev_exit(idx);
}

static irqreturn_t irq_hard(int irq, void *data)
{
	struct brgpu_irq_vector *vector = data;
	u32 class;

	if (vector->classes & COMPLETION_BIT)
		irq_classes(vector->brgpu, COMPLETION_BIT);
	for (class = 0; class < BRGPU_EVENT_CLASS_COMPLETION; class++) {
		if (vector->classes & BIT(class) &&
		    brgpu_core_event_pending(&vector->brgpu->irq.units[class].ring))
			return IRQ_WAKE_THREAD;
	}
	return IRQ_HANDLED;
}

static irqreturn_t irq_thread(int irq, void *data)
{
	struct brgpu_irq_vector *vector = data;

	irq_classes(vector->brgpu, vector->classes & ~COMPLETION_BIT);
	return IRQ_HANDLED;
}

void brgpu_irq_poll(struct brgpu_device *brgpu)
{
	irq_classes(brgpu, GENMASK(BRGPU_EVENT_CLASSES - 1, 0));
}

void brgpu_irq_enable(struct brgpu_device *brgpu)
{
	u32 class;

	for (class = 0; class < BRGPU_EVENT_CLASSES; class++) {
		struct brgpu_event_unit *unit = &brgpu->irq.units[class];
		const u32 base = BRGPU_REG_EVENT(class);
		unsigned long flags;

		/* A poll may be looking at what was there before a reset. */
		spin_lock_irqsave(&unit->lock, flags);
		brgpu_write32(brgpu, base + BRGPU_EVENT_ENABLE, 0);
		memset(unit->cpu, 0, unit->bytes);
		brgpu_core_event_init(&unit->ring, unit->cpu, ring_log2[class]);
		brgpu_write64(brgpu, base + BRGPU_EVENT_BASE, unit->dma);
		brgpu_write32(brgpu, base + BRGPU_EVENT_SIZE, ring_log2[class]);
		brgpu_write32(brgpu, base + BRGPU_EVENT_VECTOR, class % brgpu->irq.count);
		brgpu_write32(brgpu, base + BRGPU_EVENT_ENABLE, 1);
		spin_unlock_irqrestore(&unit->lock, flags);
	}
}

void brgpu_irq_disable(struct brgpu_device *brgpu)
{
	u32 class;

	for (class = 0; class < BRGPU_EVENT_CLASSES; class++)
		brgpu_write32(brgpu, BRGPU_REG_EVENT(class) + BRGPU_EVENT_ENABLE, 0);
	/* Posted writes are done when a read has come back. */
	brgpu_read32(brgpu, BRGPU_REG_STATUS);
}

static void irq_free_rings(struct brgpu_device *brgpu)
{
	u32 class;

	for (class = 0; class < BRGPU_EVENT_CLASSES; class++) {
		struct brgpu_event_unit *unit = &brgpu->irq.units[class];

		if (unit->cpu)
			dma_free_coherent(brgpu->drm.dev, unit->bytes, unit->cpu, unit->dma);
		unit->cpu = NULL;
	}
}

int brgpu_irq_init(struct brgpu_device *brgpu)
{
	struct pci_dev *pdev = to_pci_dev(brgpu->drm.dev);
	struct brgpu_irq *irq = &brgpu->irq;
	unsigned int i, requested = 0;
	u32 class;
	int ret;

	for (class = 0; class < BRGPU_EVENT_CLASSES; class++) {
		struct brgpu_event_unit *unit = &irq->units[class];

		spin_lock_init(&unit->lock);
		unit->bytes = PAGE_ALIGN(sizeof(struct brgpu_event_record) << ring_log2[class]);
		unit->cpu = dma_alloc_coherent(brgpu->drm.dev, unit->bytes, &unit->dma, GFP_KERNEL);
		if (!unit->cpu) {
			ret = -ENOMEM;
			goto err_rings;
		}
		brgpu_core_event_init(&unit->ring, unit->cpu, ring_log2[class]);
	}

	ret = pci_alloc_irq_vectors(pdev, 1, min_t(u32, brgpu->ident.vectors, BRGPU_EVENT_CLASSES),
				    PCI_IRQ_MSIX);
	if (ret < 0) {
		drm_err(&brgpu->drm,
			"no MSI-X vector to be had (%pe): is MSI switched off (pci=nomsi)?\n",
			ERR_PTR(ret));
		goto err_rings;
	}
	irq->count = ret;
	for (class = 0; class < BRGPU_EVENT_CLASSES; class++)
		irq->vectors[class % irq->count].classes |= BIT(class);

	for (i = 0; i < irq->count; i++, requested++) {
		irq->vectors[i].brgpu = brgpu;
		irq->vectors[i].irq = pci_irq_vector(pdev, i);
		ret = request_threaded_irq(irq->vectors[i].irq, irq_hard, irq_thread, 0, "brgpu",
					   &irq->vectors[i]);
		if (ret) {
			drm_err(&brgpu->drm, "interrupt %d: %pe\n", irq->vectors[i].irq,
				ERR_PTR(ret));
			goto err_irqs;
		}
	}
	brgpu_irq_enable(brgpu);
	return 0;

err_irqs:
	while (requested--)
		free_irq(irq->vectors[requested].irq, &irq->vectors[requested]);
	pci_free_irq_vectors(pdev);
err_rings:
	irq_free_rings(brgpu);
	return ret;
}

void brgpu_irq_fini(struct brgpu_device *brgpu)
{
	struct brgpu_irq *irq = &brgpu->irq;
	unsigned int i;

	for (i = 0; i < irq->count; i++)
		free_irq(irq->vectors[i].irq, &irq->vectors[i]);
	irq->count = 0;
	pci_free_irq_vectors(to_pci_dev(brgpu->drm.dev));
	irq_free_rings(brgpu);
}
