/* SPDX-License-Identifier: GPL-2.0 */
/* Address spaces. */
#ifndef BRGPU_VM_H
#define BRGPU_VM_H

#include <linux/mutex.h>
#include <linux/workqueue.h>

#include <drm/drm_gpuvm.h>
#include <drm/gpu_scheduler.h>

#include <drm/brgpu_drm.h>

#include "brgpu_core_pt.h"
#include "brgpu_preempt.h"
#include "brgpu_userptr.h"

struct brgpu_bo;
struct brgpu_device;
struct brgpu_file;
struct brgpu_pt_table;
struct brgpu_tlb_fence;
struct drm_exec;

#define BRGPU_VM_FAULTS 16

struct brgpu_vm {
	struct drm_gpuvm base;		/* its reference count is the VM's */
	struct brgpu_device *brgpu;
	u32 hw_id;
	u32 flags;			/* DRM_BRGPU_VM_* */

	/*
	 * The order of binds and submissions. Outermost lock. Protects what follows, up to
	 * preempt; the gpuvm's tree and lists are under its reservation, which is taken inside.
	 */
	struct mutex lock;
	bool closed;
	u64 bytes_bound;
	/* brgpu_vm_bo whose buffers are meant for VRAM and found no room; and when they looked. */
	struct list_head displaced;
	s64 frees_seen;
	u32 user_queues;
	struct dma_fence *last_bind;	/* reference; NULL: none yet */
	struct brgpu_preempt preempt;

	struct brgpu_userptrs userptrs;

	/*
	 * Changed and read by the bind queue's jobs alone, one at a time, under pt_lock so that a
	 * dump may look too.
	 */
	struct mutex pt_lock;
	struct brgpu_core_pt pt;
	struct brgpu_pt_table *root;
	struct drm_gpu_scheduler sched;
	struct drm_sched_entity entity;
	bool stopped;			/* a bind failed: what is mapped is not known */
	bool lost;			/* a reset has cleared VRAM */
	bool released;			/* no root any more; under the lock of brgpu->vms */

	atomic_t queues;

	/* Protects the fault ring. */
	spinlock_t fault_lock;
	struct drm_brgpu_fault faults[BRGPU_VM_FAULTS];
	u64 fault_count;

	struct work_struct release_work;
	struct brgpu_tlb_fence *release_fence;	/* of the invalidation before the tables go */
};

/* A buffer in a VM. */
struct brgpu_vm_bo {
	struct drm_gpuvm_bo base;
	struct list_head displaced_link;	/* brgpu_vm.displaced */
};

/* A mapping. */
struct brgpu_va {
	struct drm_gpuva base;
	u32 flags;			/* DRM_BRGPU_BIND_* */
	/* Of a process's memory: a reference; base.gem.offset is the address there. */
	struct brgpu_userptr *userptr;
	struct list_head userptr_link;	/* userptr->vas */
	struct list_head link;		/* before it is used and after */
};

static inline struct brgpu_vm *gpuvm_to_brgpu_vm(struct drm_gpuvm *gpuvm)
{
	return container_of(gpuvm, struct brgpu_vm, base);
}

static inline struct brgpu_vm_bo *gpuvm_bo_to_brgpu_vm_bo(struct drm_gpuvm_bo *vm_bo)
{
	return container_of(vm_bo, struct brgpu_vm_bo, base);
}

static inline struct brgpu_va *gpuva_to_brgpu_va(struct drm_gpuva *va)
{
	return container_of(va, struct brgpu_va, base);
}

struct brgpu_vm *brgpu_vm_lookup(struct brgpu_file *file, u32 id);
static inline void brgpu_vm_put(struct brgpu_vm *vm)
{
	drm_gpuvm_put(&vm->base);
}

/*
 * Moves one that has left the tree to a list of such, and unlinks it from what it showed, of which
 * it keeps a reference: the page tables may still show it. vm->lock is held.
 */
void brgpu_va_retire(struct brgpu_va *va, struct list_head *retired);
/* The end of all on such a list. */
void brgpu_vas_free(struct list_head *retired);

/* drm_gpuvm's last reference went. */
void brgpu_vm_free(struct drm_gpuvm *gpuvm);
/* Drops all mappings; the VM goes with its last reference. Its queues are gone already. */
void brgpu_vm_close(struct brgpu_vm *vm);
/* After a reset that cleared the VM contexts. */
void brgpu_vm_restore_all(struct brgpu_device *brgpu);
/* VRAM was cleared: the VMs that there are take no work any more. */
void brgpu_vm_lose_all(struct brgpu_device *brgpu);
/* Its memory moved: every VM maps it anew before it runs again. The reservation is held. */
void brgpu_vm_bo_moved(struct brgpu_bo *bo);
/* Locks the VM and all that is bound in it; makes room for two fences on each: a bind and a job. */
int brgpu_vm_lock_all(struct brgpu_vm *vm, struct drm_exec *exec);
/*
 * Begins `exec` with these flags beside DRM_EXEC_IGNORE_DUPLICATES and takes all those locks. The
 * caller ends it with drm_exec_fini(), after an error too.
 */
int brgpu_vm_lock_exec(struct brgpu_vm *vm, struct drm_exec *exec, u32 flags);

int brgpu_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int brgpu_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int brgpu_vm_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* brgpu_bind.c */
extern const struct drm_gpuvm_ops brgpu_vm_gpuvm_ops;
int brgpu_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
/*
 * What was evicted comes back, and what `userptrs` (brgpu_userptrs_prepare()) found is mapped or
 * unmapped, as one job of the bind queue, which is armed and pushed, and whose fence is in *fence
 * (NULL: nothing to do). All is locked by brgpu_vm_lock_all().
 */
int brgpu_bind_evicted(struct brgpu_vm *vm, struct drm_exec *exec, struct list_head *userptrs,
		       u64 client_id, struct dma_fence **fence);

#endif /* BRGPU_VM_H */
