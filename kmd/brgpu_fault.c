// SPDX-License-Identifier: GPL-2.0
#include "brgpu_core_event.h"
#include "brgpu_device.h"
#include "brgpu_fault.h"
#include "brgpu_hwq.h"
#include "brgpu_trace.h"
#include "brgpu_vm.h"

void brgpu_fault_record(struct brgpu_device *brgpu, const struct brgpu_event_record *record)
{
	const u32 vm_id = record->info & BRGPU_FAULT_INFO_VM_MASK;
	struct drm_brgpu_fault *fault;
	struct brgpu_hwq *hwq;
	struct brgpu_vm *vm;
	u32 queue_id = 0;

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

	/* The VM leaves the table before it goes. */
	xa_lock(&brgpu->vms);
	vm = xa_load(&brgpu->vms, vm_id);
	if (vm) {
		spin_lock(&vm->fault_lock);
		fault = &vm->faults[vm->fault_count++ % BRGPU_VM_FAULTS];
		fault->address = record->data0;
		fault->pc = record->data1;
		fault->timestamp = record->timestamp;
		fault->info = record->info & ~BRGPU_FAULT_INFO_VM_MASK;
		fault->queue_id = queue_id;
		spin_unlock(&vm->fault_lock);
	}
	xa_unlock(&brgpu->vms);
}
