// SPDX-License-Identifier: GPL-2.0
#include <drm/drm_exec.h>

#include "brgpu_core_event.h"
#include "brgpu_core_fault.h"
#include "brgpu_device.h"
#include "brgpu_fault.h"
#include "brgpu_hwq.h"
#include "brgpu_trace.h"
#include "brgpu_userq.h"
#include "brgpu_vm.h"

/**
 * DOC: page faults
 *
 * In a VM without FAULT_RETRY a fault ends its queue, and stands in the VM's list. With it, the
 * hardware holds the queue, and a work looks whether the address is bound: then the page tables
 * were late (a bind that still waits, a buffer on its way back), or the fault was a passing one; it
 * waits for the binds and has the queue try again. Otherwise the queue is stopped and its owner
 * told.
 */

static void fault_note(struct brgpu_device *brgpu, u32 vm_id, u32 queue_id, u32 info, u64 address,
		       u64 pc, u64 timestamp)
{
	struct drm_brgpu_fault *fault;
	struct brgpu_vm *vm;

	/* The VM leaves the table before it goes. */
	xa_lock(&brgpu->vms);
	vm = xa_load(&brgpu->vms, vm_id);
	if (vm) {
		spin_lock(&vm->fault_lock);
		fault = &vm->faults[vm->fault_count++ % BRGPU_VM_FAULTS];
		fault->address = address;
		fault->pc = pc;
		fault->timestamp = timestamp;
		fault->info = info & ~BRGPU_FAULT_INFO_VM_MASK;
		fault->queue_id = queue_id;
		spin_unlock(&vm->fault_lock);
	}
	xa_unlock(&brgpu->vms);
}

static bool userq_is_faulted(struct brgpu_userq *userq)
{
	return !READ_ONCE(userq->stopped) && userq->slot >= 0 &&
	       brgpu_userq_status(userq) == BRGPU_QUEUE_STATE_FAULTED;
}

void brgpu_fault_record(struct brgpu_device *brgpu, const struct brgpu_event_record *record)
{
	const u32 vm_id = record->info & BRGPU_FAULT_INFO_VM_MASK;
	struct brgpu_hwq *hwq;
	u32 queue_id = 0;

	/* One that is mended is nobody's error. */
	if (brgpu_userq_event_fault(brgpu, record->queue, vm_id, &queue_id))
		return;
	rcu_read_lock();
	hwq = record->queue < ARRAY_SIZE(brgpu->slots) ?
		      rcu_dereference(brgpu->slots[record->queue]) :
		      NULL;
	/* A slot that was taken over meanwhile by a queue of another VM says nothing. */
	if (hwq && hwq->params.vm == vm_id)
		queue_id = READ_ONCE(hwq->owner_id);
	rcu_read_unlock();

	drm_dbg_driver(&brgpu->drm,
		       "fault: VM %u, queue slot %u, address 0x%llx, pc 0x%llx, info 0x%x\n", vm_id,
		       record->queue, record->data0, record->data1, record->info);

	trace_brgpu_fault(vm_id, record->queue, record->data0, record->data1, record->info);
	fault_note(brgpu, vm_id, queue_id, record->info, record->data0, record->data1,
		   record->timestamp);
}

void brgpu_fault_read(struct brgpu_device *brgpu, u32 slot, u32 error,
		      struct drm_brgpu_fault *fault)
{
	const u32 base = BRGPU_REG_QUEUE(slot);

	memset(fault, 0, sizeof(*fault));
	if (!brgpu_core_fault_is_told(error))
		return;
	fault->info = brgpu_read32(brgpu, base + BRGPU_QUEUE_FAULT_INFO);
	fault->address = brgpu_read64(brgpu, base + BRGPU_QUEUE_FAULT_ADDRESS);
	fault->pc = brgpu_read64(brgpu, base + BRGPU_QUEUE_FAULT_PC);
	fault->timestamp = brgpu_read64(brgpu, BRGPU_REG_TIMESTAMP);
}

static bool fault_is_bound(struct brgpu_vm *vm, u64 address, u32 access)
{
	const u32 needed = brgpu_core_fault_needs(access);
	struct drm_gpuva *va;

	va = drm_gpuva_find_first(&vm->base, address, 1);
	if (!va || (gpuva_to_brgpu_va(va)->flags & needed) != needed)
		return false;
	/* Of a process that has unmapped it. */
	return !gpuva_to_brgpu_va(va)->userptr || !gpuva_to_brgpu_va(va)->userptr->gone;
}

/* So often in a row mending one address may be of no use. */
#define FAULT_REPEATS	64
/* A bind that has not run after this is looked for again by the watch. */
#define FAULT_BIND_MS	200

/*
 * What can be mended: the address is bound, as the VM's tree says, but the page tables did not say
 * so yet, or no longer. 0: mended; the binds that it waits for are done.
 */
static int fault_mend(struct brgpu_vm *vm, u64 address, u32 access)
{
	struct dma_fence *fence = NULL;
	LIST_HEAD(userptrs);
	struct drm_exec exec;
	int ret;

	mutex_lock(&vm->lock);
	ret = brgpu_userptrs_prepare(vm, &userptrs);
	if (ret)
		goto unlock;
	ret = brgpu_vm_lock_exec(vm, &exec, 0);
	if (!ret && (vm->stopped || !fault_is_bound(vm, address, access)))
		ret = -EFAULT;
	if (!ret)
		ret = brgpu_bind_evicted(vm, &exec, &userptrs, 0, &fence);
	drm_exec_fini(&exec);
	if (!ret && !fence && vm->last_bind)
		fence = dma_fence_get(vm->last_bind);
unlock:
	brgpu_userptrs_finish(&userptrs);
	mutex_unlock(&vm->lock);

	/* Without a lock, and not for ever: a bind may wait for fences of others. */
	if (fence) {
		if (!dma_fence_wait_timeout(fence, false, msecs_to_jiffies(FAULT_BIND_MS)))
			ret = -EAGAIN;
		else if (dma_fence_get_status(fence) < 0)
			ret = -EFAULT;
		dma_fence_put(fence);
	}
	return ret;
}

void brgpu_userq_fault_work(struct work_struct *work)
{
	struct brgpu_userq *userq = container_of(work, struct brgpu_userq, fault_work);
	struct brgpu_device *brgpu = userq->brgpu;
	u64 address, pc, timestamp, progress;
	u32 info = 0, access;
	int ret, idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	mutex_lock(&brgpu->userqs.lock);
	if (!userq_is_faulted(userq)) {
		mutex_unlock(&brgpu->userqs.lock);
		goto exit;
	}
	info = brgpu_read32(brgpu, BRGPU_REG_QUEUE(userq->slot) + BRGPU_QUEUE_FAULT_INFO);
	address = brgpu_read64(brgpu, BRGPU_REG_QUEUE(userq->slot) + BRGPU_QUEUE_FAULT_ADDRESS);
	pc = brgpu_read64(brgpu, BRGPU_REG_QUEUE(userq->slot) + BRGPU_QUEUE_FAULT_PC);
	timestamp = brgpu_read64(brgpu, BRGPU_REG_TIMESTAMP);
	progress = brgpu_userq_progress(userq);
	if (address != userq->fault_address || progress != userq->fault_progress)
		userq->fault_repeats = 0;
	userq->fault_address = address;
	userq->fault_progress = progress;
	ret = userq->fault_repeats > FAULT_REPEATS ? -EFAULT : 0;
	mutex_unlock(&brgpu->userqs.lock);

	access = info >> BRGPU_FAULT_INFO_ACCESS_SHIFT & 0xf;
	if (!ret)
		ret = fault_mend(userq->vm, address, access);
	trace_brgpu_fault_mend(userq->vm->hw_id, userq->id, address, info, ret);

	/*
	 * Meanwhile it may have left the hardware: what it restores faults again, or does not. With
	 * another error than EFAULT the watch comes back to it.
	 */
	mutex_lock(&brgpu->userqs.lock);
	if (userq_is_faulted(userq)) {
		if (!ret) {
			userq->fault_repeats++;
			brgpu_userq_retry(userq);
		} else if (ret == -EFAULT) {
			drm_dbg_driver(&brgpu->drm,
				       "user queue %u of VM %u: fault at 0x%llx, info 0x%x, can't be mended\n",
				       userq->id, userq->vm->hw_id, address, info);
			fault_note(brgpu, userq->vm->hw_id, userq->id, info, address, pc,
				   timestamp);
			brgpu_userq_stop(userq, BRGPU_QUEUE_ERROR_MMU);
			brgpu_userq_fill_slots(brgpu);
		}
	}
	mutex_unlock(&brgpu->userqs.lock);
exit:
	drm_dev_exit(idx);
}
