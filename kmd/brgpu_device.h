/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The card: struct brgpu_device holds one unit of each kind, and this file holds the ways to its
 * registers.
 */
#ifndef BRGPU_DEVICE_H
#define BRGPU_DEVICE_H

#include <linux/idr.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/ttm/ttm_device.h>

#include <brgpu/hw/mmu.h>
#include <brgpu/hw/regs.h>
#include <drm/brgpu_drm.h>

#include "brgpu_compat.h"
#include "brgpu_core_ident.h"
#include "brgpu_core_uapi.h"
#include "brgpu_coredump.h"
#include "brgpu_dma.h"
#include "brgpu_doorbell.h"
#include "brgpu_fw.h"
#include "brgpu_irq.h"
#include "brgpu_mbox.h"
#include "brgpu_migrate.h"
#include "brgpu_save.h"
#include "brgpu_signal_mem.h"
#include "brgpu_tlb.h"
#include "brgpu_userq.h"
#include "brgpu_vram_mgr.h"

struct brgpu_hwq;
struct brgpu_vm;

/**
 * DOC: lock order
 *
 * Outermost first. A lock on the left is taken before one that is further down.
 *
 * 1. brgpu_vm.lock (mutex): the order of a VM's binds and submissions.
 * 2. dma_resv of VMs and buffers, through drm_exec.
 *    brgpu_userptrs.notifier_lock (rwsem) inside it; reclaim takes that, and waits for fences.
 * 3. brgpu_vram_mgr.lock (mutex): the VRAM allocator. Reclaim does not take it.
 * 4. brgpu_migrate.lock (mutex): the kernel's copy queue. Taken from TTM's move.
 * 5. brgpu_userqs.lock (mutex): which user queues have slots, and their commands. As below.
 * 6. brgpu_device.reset_lock (mutex): kills of queues and resets. Nothing is allocated under it or
 *    brgpu_userqs.lock, and no dma_resv is taken: fences depend on them.
 * 7. brgpu_mbox.lock (mutex): a request to the firmware. Nothing is allocated under it either.
 * 8. brgpu_device.slots_lock, brgpu_hwq.lock, brgpu_userq.lock, brgpu_preempt.lock, brgpu_tlb.lock,
 *    brgpu_irq.lock, brgpu_vm.fault_lock (spinlocks, interrupts off). brgpu_hwq.lock and
 *    brgpu_tlb.lock are fence locks; none of these is held while another is taken, but for
 *    slots_lock's readers, who use RCU.
 *
 * brgpu_device.shown_lock (mutex) is taken outside of 2, when the card goes, and otherwise alone.
 * These stand alone, and are never held together with those above: brgpu_device.doorbells_sem, and
 * inside it brgpu_doorbells.lock (mutex), which are taken by page faults, so inside mmap_lock;
 * brgpu_save_space.lock (mutex), but for brgpu_tlb.lock inside it.
 *
 * The PCI core's device lock is held around probe, removal, suspend and resets by sysfs, outside of
 * all; a reset of the driver's own only tries it.
 */

/* A fence job without progress for this long is stopped. */
#define BRGPU_JOB_TIMEOUT_MS	10000
/* A fence job is stopped after this, progress or not. */
#define BRGPU_JOB_LIMIT_MS	120000
/* Kernel queues have their doorbells on page 0. */
#define BRGPU_KERNEL_SLOTS	BRGPU_DOORBELLS_A_PAGE
/* Of one open file. */
#define BRGPU_FILE_QUEUES	256
#define BRGPU_FILE_VMS		256

#define BRGPU_VA_START	SZ_64K
#define BRGPU_VA_END	BIT_ULL(BRGPU_VA_BITS)

struct brgpu_sensors {
	s32 temperature_mc;	/* hottest die */
	u32 power_mw;
	u32 core_mhz;
	u32 memory_mhz;
	u32 throttle;
	u64 energy_uj;
	u32 power_limit_mw;
	ktime_t when;		/* of the last reading; 0: never */
};

struct brgpu_device {
	struct drm_device drm;
	struct brgpu_core_ident ident;
	struct brgpu_core_limits limits;

	void __iomem *regs;	/* BAR 0 */
	void __iomem *vram;	/* BAR 2, write-combined; aperture_bytes of it */
	void __iomem *doorbells; /* BAR 4 */
	resource_size_t vram_phys;
	u64 vram_mapped;	/* bytes behind vram: what BAR and card both have */

	struct brgpu_dma dma;
	struct ttm_device ttm;
	struct brgpu_vram_mgr vram_mgr;
	struct brgpu_irq irq;
	struct brgpu_fw fw;
	struct brgpu_mbox mbox;
	struct brgpu_tlb tlb;
	struct brgpu_migrate migrate;
	struct brgpu_save_space save;
	struct brgpu_userqs userqs;

	/* Pages of BAR 4 by file. */
	struct ida doorbell_ida;
	/* Protects doorbells_are_off. */
	struct rw_semaphore doorbells_sem;
	bool doorbells_are_off;

	/* Runs jobs of all schedulers; a work of it is part of signalling fences. */
	struct workqueue_struct *sched_wq;
	/* Ordered: time-outs, stops of queues, engine resets. */
	struct workqueue_struct *reset_wq;

	/* Protects slots[] against writers; readers use RCU. */
	spinlock_t slots_lock;
	struct brgpu_hwq __rcu *slots[BRGPU_KERNEL_SLOTS];
	struct ida slot_ida;
	/* Protects brgpu_file.bos of all files. Innermost. */
	spinlock_t owners_lock;
	/* Protects the lists below. Outside of reservations and of brgpu_userptrs.notifier_lock. */
	struct mutex shown_lock;
	struct list_head userptrs;	/* brgpu_userptr: memory of processes that it is shown */
	struct list_head imports;	/* brgpu_bo: of other drivers and cards */

	/* Buffers that have to be in VRAM: they come back after a sleep. */
	spinlock_t bos_lock;
	struct list_head vram_bos;
	/* VMs by their hardware id: for faults. */
	struct xarray vms;

	/* Serializes kills of queues and resets. Protects what follows, up to reset_wait. */
	struct mutex reset_lock;
	bool resetting;			/* queues are held; read without the lock too */
	bool away;			/* as long as somebody else resets it, or it sleeps */
	bool asleep;			/* or about to be: user queues stay off the hardware */
	struct task_struct *reset_owner; /* in a reset of the driver's own */
	wait_queue_head_t reset_wait;	/* woken when resetting has ended */
	struct work_struct reset_work;
	struct work_struct tell_work;
	atomic_t reset_wanted;		/* enum brgpu_reset_rung */
	const char *reset_why;
	struct brgpu_coredump dump;
	/* Set once: nothing brings the engines back. */
	bool wedged;
	struct work_struct wedge_work;

	/* Woken by every SIGNAL event, for WAIT_MEM. */
	wait_queue_head_t mem_wq;

	/* Protects sensors. */
	spinlock_t sensors_lock;
	struct brgpu_sensors sensors;

	/* The watch's own, but for fw_dead, which anybody may read. */
	struct delayed_work watch;
	struct work_struct sensors_work;
	unsigned long sensors_asked;	/* jiffies, as those below */
	u32 last_heartbeat;
	unsigned long heartbeat_seen;
	u32 silent_looks;		/* in a row, at a heartbeat that stood still */
	unsigned long absent_since;	/* 0: it answers */
	bool fw_dead;
	u32 fw_resets;			/* for the firmware's sake, since fw_first_reset */
	unsigned long fw_first_reset;
	bool fw_given_up;

	atomic_t queue_resets;
	atomic_t device_resets;
	atomic_t queue_count;
	atomic_t client_count;
	atomic64_t ecc_corrected;
	atomic64_t ecc_uncorrected;
};

/* An open file. */
struct brgpu_file {
	struct brgpu_device *brgpu;
	struct drm_file *drm_file;
	struct xarray vms;
	struct xarray queues;
	struct list_head bos;	/* brgpu_bo that it created */
	struct brgpu_doorbells doorbells;
	struct brgpu_signals signals;
	/* Engine time of queues that are gone, ns; by class. */
	atomic64_t busy_ns[2];
};

static inline struct brgpu_device *to_brgpu(struct drm_device *drm)
{
	return container_of(drm, struct brgpu_device, drm);
}

static inline struct brgpu_device *ttm_to_brgpu(struct ttm_device *ttm)
{
	return container_of(ttm, struct brgpu_device, ttm);
}

static inline u32 brgpu_read32(struct brgpu_device *brgpu, u32 offset)
{
	return readl(brgpu->regs + offset);
}

static inline void brgpu_write32(struct brgpu_device *brgpu, u32 offset, u32 value)
{
	writel(value, brgpu->regs + offset);
}

static inline u64 brgpu_read64(struct brgpu_device *brgpu, u32 offset)
{
	return readq(brgpu->regs + offset);
}

static inline void brgpu_write64(struct brgpu_device *brgpu, u32 offset, u64 value)
{
	writeq(value, brgpu->regs + offset);
}

/* Slots for kernel queues; those behind are the user queues'. */
static inline u32 brgpu_kernel_slots(const struct brgpu_device *brgpu)
{
	const u32 queues = brgpu->ident.queues;

	return min_t(u32, queues - queues / 2, BRGPU_KERNEL_SLOTS);
}

/* An address of the DMA API as an address in VM 0. */
static inline u64 brgpu_vm0_system(dma_addr_t address)
{
	return BRGPU_VM0_SYSTEM | address;
}

/*
 * Says at debug level why arguments were refused, and gives back the error:
 *	return brgpu_refuse(brgpu, "VM_BIND", -EINVAL, "unknown flag");
 */
#define brgpu_refuse(brgpu, call, error, fmt, ...) ({					\
	int __error = (error);								\
	drm_dbg_core(&(brgpu)->drm, "%s refused (%pe): " fmt "\n", call,		\
		     ERR_PTR(__error), ##__VA_ARGS__);					\
	__error; })

int brgpu_device_init(struct brgpu_device *brgpu);
/*
 * Ends all that the card does: queues, DMA, interrupts, firmware. VRAM keeps its content. -EIO: a
 * function-level reset is needed; -ETIMEDOUT; -ENODEV: gone.
 */
int brgpu_device_reset(struct brgpu_device *brgpu);
/* After a reset: event rings and firmware. Then queues can be mapped. Allocates nothing. */
int brgpu_device_start(struct brgpu_device *brgpu);
/* Before a sleep, after brgpu_reset_prepare(): all that the card does ends. */
void brgpu_device_quiesce(struct brgpu_device *brgpu);
void brgpu_device_start_watch(struct brgpu_device *brgpu);
void brgpu_device_stop(struct brgpu_device *brgpu);
/* The engines are lost for good: every queue stops, and new work is refused with EIO. */
void brgpu_device_wedge(struct brgpu_device *brgpu, const char *why);
bool brgpu_device_is_gone(struct brgpu_device *brgpu);

/*
 * Releases VMs and queues whose last user may be in atomic context; drained when the module goes.
 */
extern struct workqueue_struct *brgpu_release_wq;

extern const struct drm_driver brgpu_drm_driver;

#endif /* BRGPU_DEVICE_H */
