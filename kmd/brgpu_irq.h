/* SPDX-License-Identifier: GPL-2.0 */
/* Interrupts and event rings. */
#ifndef BRGPU_IRQ_H
#define BRGPU_IRQ_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include <brgpu/hw/regs.h>

#include "brgpu_core_event.h"

struct brgpu_device;

struct brgpu_event_unit {
	/* Protects ring. One consumer at a time: interrupt handler or poll. */
	spinlock_t lock;
	struct brgpu_core_event_ring ring;
	void *cpu;
	dma_addr_t dma;
	size_t bytes;
	u64 records;
	u64 overflows;
};

struct brgpu_irq_vector {
	struct brgpu_device *brgpu;
	u32 classes;	/* bit per event class */
	int irq;
};

struct brgpu_irq {
	struct brgpu_event_unit units[BRGPU_EVENT_CLASSES];
	struct brgpu_irq_vector vectors[BRGPU_EVENT_CLASSES];
	unsigned int count;
};

int brgpu_irq_init(struct brgpu_device *brgpu);
/* (Re)programs and enables the event rings: at probe and after a device reset. */
void brgpu_irq_enable(struct brgpu_device *brgpu);
void brgpu_irq_disable(struct brgpu_device *brgpu);
/* Waits until no handler runs any more. */
void brgpu_irq_fini(struct brgpu_device *brgpu);
/* Looks at every ring, as if each had raised its interrupt: one that got lost costs no more. */
void brgpu_irq_poll(struct brgpu_device *brgpu);

#endif /* BRGPU_IRQ_H */
