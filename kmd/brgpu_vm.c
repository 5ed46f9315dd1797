// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_exec.h>

#include "brgpu_bind_job.h"
#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_pt.h"
#include "brgpu_vm.h"

/**
 * DOC: address spaces
 *
 * A VM is a drm_gpuvm (what is mapped where), a tree of page tables (what the device sees), and a
 * bind queue that changes the second in the order in which the first was changed. Buffers of one VM
 * share its reservation object; the others are locked one by one at each submission.
 *
 * The hardware id is free again when the TLB has forgotten it. The last reference may be dropped in
 * atomic context, by a fence; so the end runs in a work.
 */

struct brgpu_vm *brgpu_vm_lookup(struct brgpu_file *file, u32 id)
{
	struct brgpu_vm *vm;

	xa_lock(&file->vms);
	vm = xa_load(&file->vms, id);
	if (vm)
		drm_gpuvm_get(&vm->base);
	xa_unlock(&file->vms);
	return vm;
}

static void vm_set_root(struct brgpu_vm *vm, u64 entry)
{
	struct brgpu_device *brgpu = vm->brgpu;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	brgpu_write32(brgpu, BRGPU_REG_VM_CONTEXT(vm->hw_id) + BRGPU_VM_CTRL,
		      entry && vm->flags & DRM_BRGPU_VM_FAULT_RETRY ? BRGPU_VM_CTRL_RETRY : 0);
	brgpu_write32(brgpu, BRGPU_REG_VM_CONTEXT(vm->hw_id) + BRGPU_VM_STATUS,
		      BRGPU_VM_STATUS_FAULTED);
	brgpu_write64(brgpu, BRGPU_REG_VM_CONTEXT(vm->hw_id) + BRGPU_VM_ROOT, entry);
	drm_dev_exit(idx);
}

static void vm_free_tables(struct brgpu_vm *vm)
{
	struct brgpu_pt_reserve reserve;

	brgpu_pt_reserve_init(&reserve);
	brgpu_core_pt_clear(&vm->pt, &reserve);
	brgpu_pt_reserve_free(vm->brgpu, &reserve);
	brgpu_pt_table_free(vm->brgpu, vm->root);
}

static void vm_release_work(struct work_struct *work)
{
	struct brgpu_vm *vm = container_of(work, struct brgpu_vm, release_work);
	struct brgpu_device *brgpu = vm->brgpu;

	drm_sched_fini(&vm->sched);
	xa_lock(&brgpu->vms);
	vm->released = true;
	xa_unlock(&brgpu->vms);
	vm_set_root(vm, 0);
	/* With the card gone, or wedged, nothing walks the tables any more. */
	brgpu_tlb_invalidate_vm(brgpu, vm->hw_id, vm->release_fence);
	vm_free_tables(vm);
	xa_erase(&brgpu->vms, vm->hw_id);
	brgpu_preempt_fini(vm);
	dma_fence_put(vm->last_bind);
	mutex_destroy(&vm->pt_lock);
	mutex_destroy(&vm->lock);
	kfree(vm);
	drm_dev_put(&brgpu->drm);
	/* The module's end drains this work's queue. */
	module_put(THIS_MODULE);
}

void brgpu_vm_free(struct drm_gpuvm *gpuvm)
{
	struct brgpu_vm *vm = gpuvm_to_brgpu_vm(gpuvm);

	/* The core drops its own reference to the device when this returns. */
	drm_dev_get(&vm->brgpu->drm);
	queue_work(brgpu_release_wq, &vm->release_work);
}

static struct brgpu_vm *vm_create(struct brgpu_device *brgpu, u32 flags)
{
	struct drm_gem_object *resv_obj;
	struct brgpu_vm *vm;
	int ret;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm->brgpu = brgpu;
	vm->flags = flags;
	brgpu_preempt_init(vm);
	mutex_init(&vm->lock);
	mutex_init(&vm->pt_lock);
	spin_lock_init(&vm->fault_lock);
	brgpu_userptrs_init(&vm->userptrs);
	INIT_LIST_HEAD(&vm->displaced);
	INIT_WORK(&vm->release_work, vm_release_work);

	vm->release_fence = brgpu_tlb_fence_alloc();
	if (!vm->release_fence) {
		ret = -ENOMEM;
		goto err_free;
	}
	vm->root = brgpu_pt_table_alloc(brgpu, BRGPU_PT_LEVELS - 1);
	if (!vm->root) {
		ret = -ENOMEM;
		goto err_fence;
	}
	brgpu_core_pt_init(&vm->pt, &vm->root->core, &brgpu_pt_ops, brgpu->ident.page_sizes);

	/* Reserved first, visible to the fault handler when all is set up. */
	ret = xa_alloc(&brgpu->vms, &vm->hw_id, NULL, XA_LIMIT(1, brgpu->ident.vms - 1),
		       GFP_KERNEL);
	if (ret) {
		ret = ret == -EBUSY ? -ENOSPC : ret;
		goto err_root;
	}
	ret = brgpu_bind_sched_init(vm);
	if (ret)
		goto err_id;
	resv_obj = drm_gpuvm_resv_object_alloc(&brgpu->drm);
	if (!resv_obj) {
		ret = -ENOMEM;
		goto err_sched;
	}
	drm_gpuvm_init(&vm->base, "brgpu", DRM_GPUVM_RESV_PROTECTED, &brgpu->drm, resv_obj, 0,
		       BRGPU_VA_END, 0, 0, &brgpu_vm_gpuvm_ops);
	drm_gem_object_put(resv_obj);

	__module_get(THIS_MODULE);
	/* In this order: a reset meanwhile writes the roots of those in the table. */
	xa_store(&brgpu->vms, vm->hw_id, vm, GFP_KERNEL);
	vm_set_root(vm, brgpu_core_pt_directory(&vm->root->core));
	return vm;

err_sched:
	drm_sched_entity_destroy(&vm->entity);
	drm_sched_fini(&vm->sched);
err_id:
	xa_erase(&brgpu->vms, vm->hw_id);
err_root:
	brgpu_pt_table_free(brgpu, vm->root);
err_fence:
	brgpu_tlb_fence_free(vm->release_fence);
err_free:
	kfree(vm);
	return ERR_PTR(ret);
}

int brgpu_vm_lock_all(struct brgpu_vm *vm, struct drm_exec *exec)
{
	int ret = drm_gpuvm_prepare_vm(&vm->base, exec, 2);

	if (!ret)
		ret = drm_gpuvm_prepare_objects(&vm->base, exec, 2);
	return ret;
}

int brgpu_vm_lock_exec(struct brgpu_vm *vm, struct drm_exec *exec, u32 flags)
{
	int ret = 0;

	drm_exec_init(exec, flags | DRM_EXEC_IGNORE_DUPLICATES, 0);
	drm_exec_until_all_locked(exec) {
		ret = brgpu_vm_lock_all(vm, exec);
		drm_exec_retry_on_contention(exec);
		if (ret)
			break;
	}
	return ret;
}

void brgpu_va_retire(struct brgpu_va *va, struct list_head *retired)
{
	if (va->base.gem.obj)
		drm_gem_object_get(va->base.gem.obj);
	drm_gpuva_unlink(&va->base);
	if (va->userptr)
		list_del(&va->userptr_link);
	list_add(&va->link, retired);
}

void brgpu_vas_free(struct list_head *retired)
{
	struct brgpu_va *va, *next;

	list_for_each_entry_safe(va, next, retired, link) {
		brgpu_userptr_put(va->userptr);
		if (va->base.gem.obj)
			drm_gem_object_put(va->base.gem.obj);
		kfree(va);
	}
}

void brgpu_vm_close(struct brgpu_vm *vm)
{
	struct drm_gpuva *va, *next;
	struct drm_exec exec;
	LIST_HEAD(gone);
	int ret = 0;

	mutex_lock(&vm->lock);
	vm->closed = true;
	mutex_unlock(&vm->lock);

	/* Binds that wait for fences are dropped; the others run to their end. */
	drm_sched_entity_destroy(&vm->entity);

	mutex_lock(&vm->lock);
	ret = brgpu_vm_lock_exec(vm, &exec, 0);
	if (ret) {
		/* Only memory can be short. The buffers stay until the machine restarts. */
		drm_err(&vm->brgpu->drm, "could not take a VM down: %pe\n", ERR_PTR(ret));
	} else {
		drm_gpuvm_for_each_va_safe(va, next, &vm->base) {
			drm_gpuva_remove(va);
			/* What is locked must not go with the reference that locking took. */
			brgpu_va_retire(gpuva_to_brgpu_va(va), &gone);
		}
	}
	drm_exec_fini(&exec);
	brgpu_vas_free(&gone);
	mutex_unlock(&vm->lock);
	brgpu_vm_put(vm);
}

void brgpu_vm_restore_all(struct brgpu_device *brgpu)
{
	struct brgpu_vm *vm;
	unsigned long id;

	xa_lock(&brgpu->vms);
	xa_for_each(&brgpu->vms, id, vm) {
		if (!vm->released)
			vm_set_root(vm, brgpu_core_pt_directory(&vm->root->core));
	}
	xa_unlock(&brgpu->vms);
}

void brgpu_vm_lose_all(struct brgpu_device *brgpu)
{
	struct brgpu_vm *vm;
	unsigned long id;

	xa_lock(&brgpu->vms);
	xa_for_each(&brgpu->vms, id, vm)
		WRITE_ONCE(vm->lost, true);
	xa_unlock(&brgpu->vms);
}

void brgpu_vm_bo_moved(struct brgpu_bo *bo)
{
	struct drm_gpuvm_bo *vm_bo;

	dma_resv_assert_held(bo->ttm.base.resv);
	drm_gem_for_each_gpuvm_bo(vm_bo, &bo->ttm.base)
		drm_gpuvm_bo_evict(vm_bo, true);
}

int brgpu_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_vm_create *args = data;
	const char *why = "";
	struct brgpu_vm *vm;
	int ret;

	ret = brgpu_core_check_vm_create(args, &brgpu->limits, &why);
	if (ret)
		return brgpu_refuse(brgpu, "VM_CREATE", ret, "%s", why);
	if (brgpu->wedged)
		return brgpu_refuse(brgpu, "VM_CREATE", -EIO, "the card is wedged");
	vm = vm_create(brgpu, args->flags);
	if (IS_ERR(vm))
		return brgpu_refuse(brgpu, "VM_CREATE", PTR_ERR(vm), "no VM to be had");
	ret = xa_alloc(&priv->vms, &args->vm_id, vm, XA_LIMIT(1, BRGPU_FILE_VMS), GFP_KERNEL);
	if (ret) {
		brgpu_vm_close(vm);
		ret = ret == -EBUSY ? -ENOSPC : ret;
		return brgpu_refuse(brgpu, "VM_CREATE", ret, "too many VMs in this file");
	}
	return 0;
}

int brgpu_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_vm_destroy *args = data;
	const char *why = "";
	struct brgpu_vm *vm;
	int ret;

	ret = brgpu_core_check_vm_destroy(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "VM_DESTROY", ret, "%s", why);

	xa_lock(&priv->vms);
	vm = xa_load(&priv->vms, args->vm_id);
	if (!vm)
		ret = -ENOENT;
	else if (atomic_read(&vm->queues))
		ret = -EBUSY;
	else
		__xa_erase(&priv->vms, args->vm_id);
	xa_unlock(&priv->vms);
	if (ret)
		return brgpu_refuse(brgpu, "VM_DESTROY", ret, "VM %u: %s", args->vm_id,
				    ret == -EBUSY ? "has queues" : "no such VM");
	brgpu_vm_close(vm);
	return 0;
}

int brgpu_vm_get_state_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_vm_get_state *args = data;
	struct drm_brgpu_fault faults[BRGPU_VM_FAULTS];
	const char *why = "";
	struct brgpu_vm *vm;
	u32 count, i;
	u64 total;
	int ret;

	ret = brgpu_core_check_vm_get_state(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "VM_GET_STATE", ret, "%s", why);
	vm = brgpu_vm_lookup(priv, args->vm_id);
	if (!vm)
		return brgpu_refuse(brgpu, "VM_GET_STATE", -ENOENT, "no VM %u", args->vm_id);

	spin_lock(&vm->fault_lock);
	total = vm->fault_count;
	count = min3(total, (u64)BRGPU_VM_FAULTS, (u64)args->faults.count);
	for (i = 0; i < count; i++)
		faults[i] = vm->faults[(total - count + i) % BRGPU_VM_FAULTS];
	spin_unlock(&vm->fault_lock);

	mutex_lock(&vm->lock);
	args->bytes_bound = vm->bytes_bound;
	mutex_unlock(&vm->lock);
	args->state = READ_ONCE(vm->stopped) ? DRM_BRGPU_STATE_STOPPED :
		      brgpu->wedged || READ_ONCE(vm->lost) ? DRM_BRGPU_STATE_LOST :
							     DRM_BRGPU_STATE_OK;
	args->fault_count = total;
	args->faults.count = count;

	for (i = 0; i < count && !ret; i++) {
		void __user *to =
			u64_to_user_ptr(args->faults.array + (u64)i * args->faults.stride);

		if (copy_to_user(to, &faults[i], sizeof(faults[i])))
			ret = -EFAULT;
		/* What a newer caller has behind the fields of this version. */
		if (!ret && args->faults.stride > sizeof(faults[i]) &&
		    clear_user(to + sizeof(faults[i]), args->faults.stride - sizeof(faults[i])))
			ret = -EFAULT;
	}
	brgpu_vm_put(vm);
	return ret;
}
