// SPDX-License-Identifier: GPL-2.0
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/drm_exec.h>

#include "brgpu_bind_job.h"
#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_sync.h"
#include "brgpu_trace.h"
#include "brgpu_vm.h"

/**
 * DOC: binds
 *
 * VM_BIND changes the gpuvm's tree in the call, and the page tables in a job of the VM's bind
 * queue. In the call, with the VM and its buffers locked, everything that the job needs is made
 * ready: where each buffer lies, the page tables that it may need at most, its fences. The job's
 * fence is put on all buffers, so none moves before the job has run. Changing the tree can't fail
 * then, so either all operations of a call are accepted or none.
 *
 * A buffer that was evicted keeps its old entries: nothing of the VM runs, as a job of the VM would
 * have kept it from moving. The next submission maps it anew before it runs.
 */

/* ---- the gpuvm's tree ---- */

struct bind_call {
	struct brgpu_device *brgpu;
	struct brgpu_vm *vm;
	struct drm_brgpu_bind_op *args;
	u32 count;
	struct drm_gem_object **objects;	/* of each operation, or NULL */
	struct drm_gpuvm_bo **vm_bos;		/* of each MAP with a buffer */
	struct brgpu_userptr **userptrs;	/* of each MAP_USERPTR; NULL without one */
	struct list_head vas;			/* brgpu_va, three for each MAP and UNMAP */
	struct brgpu_bind_job *job;
	/* of the operation that is applied */
	u32 flags;
	struct drm_gpuvm_bo *vm_bo;
	struct brgpu_userptr *userptr;
};

static struct brgpu_va *bind_take_va(struct bind_call *call, u32 flags,
				     struct brgpu_userptr *userptr)
{
	struct brgpu_va *va = list_first_entry(&call->vas, struct brgpu_va, link);

	list_del_init(&va->link);
	va->flags = flags;
	if (userptr) {
		brgpu_userptr_get(userptr);
		va->userptr = userptr;
		list_add_tail(&va->userptr_link, &userptr->vas);
	}
	return va;
}

static int bind_step_map(struct drm_gpuva_op *op, void *priv)
{
	struct bind_call *call = priv;
	struct brgpu_va *va = bind_take_va(call, call->flags, call->userptr);

	drm_gpuva_map(&call->vm->base, &va->base, &op->map);
	drm_gpuva_link(&va->base, call->vm_bo);
	call->vm->bytes_bound += va->base.va.range;
	return 0;
}

static int bind_step_remap(struct drm_gpuva_op *op, void *priv)
{
	struct bind_call *call = priv;
	struct brgpu_va *old = gpuva_to_brgpu_va(op->remap.unmap->va), *prev = NULL, *next = NULL;
	struct drm_gpuvm_bo *vm_bo = old->base.vm_bo;

	call->vm->bytes_bound -= old->base.va.range;
	if (op->remap.prev) {
		prev = bind_take_va(call, old->flags, old->userptr);
		call->vm->bytes_bound += op->remap.prev->va.range;
	}
	if (op->remap.next) {
		next = bind_take_va(call, old->flags, old->userptr);
		call->vm->bytes_bound += op->remap.next->va.range;
	}
	drm_gpuva_remap(prev ? &prev->base : NULL, next ? &next->base : NULL, &op->remap);
	if (prev)
		drm_gpuva_link(&prev->base, vm_bo);
	if (next)
		drm_gpuva_link(&next->base, vm_bo);
	brgpu_va_retire(old, &call->job->dead);
	return 0;
}

static int bind_step_unmap(struct drm_gpuva_op *op, void *priv)
{
	struct bind_call *call = priv;
	struct brgpu_va *va = gpuva_to_brgpu_va(op->unmap.va);

	call->vm->bytes_bound -= va->base.va.range;
	drm_gpuva_unmap(&op->unmap);
	brgpu_va_retire(va, &call->job->dead);
	return 0;
}

static struct drm_gpuvm_bo *bind_vm_bo_alloc(void)
{
	struct brgpu_vm_bo *vm_bo = kzalloc(sizeof(*vm_bo), GFP_KERNEL_ACCOUNT);

	if (!vm_bo)
		return NULL;
	INIT_LIST_HEAD(&vm_bo->displaced_link);
	return &vm_bo->base;
}

/* The VM's lock is held, as wherever a mapping goes. */
static void bind_vm_bo_free(struct drm_gpuvm_bo *base)
{
	struct brgpu_vm_bo *vm_bo = gpuvm_bo_to_brgpu_vm_bo(base);

	list_del(&vm_bo->displaced_link);
	kfree(vm_bo);
}

const struct drm_gpuvm_ops brgpu_vm_gpuvm_ops = {
	.vm_free = brgpu_vm_free,
	.vm_bo_alloc = bind_vm_bo_alloc,
	.vm_bo_free = bind_vm_bo_free,
	.sm_step_map = bind_step_map,
	.sm_step_remap = bind_step_remap,
	.sm_step_unmap = bind_step_unmap,
};

/*
 * UNMAP_BO stands for the unmaps of what is mapped when it is reached; operations before it in the
 * same call count. So the page-table operations of a call are noted while the tree changes, into
 * room that was made before: bind_unmap_bo_room().
 */
static void bind_unmap_bo(struct bind_call *call, struct drm_gem_object *object)
{
	struct drm_gpuvm_bo *vm_bo = drm_gpuvm_bo_find(&call->vm->base, object);
	struct drm_gpuva *va, *next;

	if (!vm_bo)
		return;
	drm_gpuvm_bo_for_each_va_safe(va, next, vm_bo) {
		/* Page boundaries of a whole mapping: nothing is split, no table taken. */
		struct brgpu_bind_job_op *op = &call->job->ops[call->job->op_count++];

		memset(op, 0, sizeof(*op));
		op->va = va->va.addr;
		op->bytes = va->va.range;
		call->vm->bytes_bound -= va->va.range;
		drm_gpuva_remove(va);
		brgpu_va_retire(gpuva_to_brgpu_va(va), &call->job->dead);
	}
	drm_gpuvm_bo_put(vm_bo);
}

/* Changes the tree. Can't fail: all was made ready and checked. */
static void bind_change_tree(struct bind_call *call)
{
	struct brgpu_bind_job *job = call->job;
	struct brgpu_bind_job_op *prepared = job->ops;
	u32 i, taken = 0;
	int ret = 0;

	/* The final order of page-table operations is built behind the prepared ones. */
	const u32 first = job->op_count;

	for (i = 0; i < call->count && !ret; i++) {
		const struct drm_brgpu_bind_op *arg = &call->args[i];

		switch (arg->op) {
		case DRM_BRGPU_BIND_MAP:
		case DRM_BRGPU_BIND_MAP_USERPTR:
			call->flags = arg->flags;
			call->vm_bo = call->vm_bos[i];
			call->userptr = call->userptrs ? call->userptrs[i] : NULL;
			job->ops[job->op_count++] = prepared[taken++];
			ret = brgpu_compat_sm_map(&call->vm->base, call, arg->va, arg->size,
						  call->objects[i], arg->bo_offset);
			break;
		case DRM_BRGPU_BIND_UNMAP:
			job->ops[job->op_count++] = prepared[taken++];
			ret = drm_gpuvm_sm_unmap(&call->vm->base, call, arg->va, arg->size);
			break;
		default:
			bind_unmap_bo(call, call->objects[i]);
			break;
		}
	}
	drm_WARN_ON_ONCE(&call->brgpu->drm, ret);

	job->op_count -= first;
	memmove(job->ops, job->ops + first, (size_t)job->op_count * sizeof(*job->ops));
}

/* ---- VM_BIND ---- */

static void bind_call_fini(struct bind_call *call)
{
	struct brgpu_va *va, *next;
	u32 i;

	list_for_each_entry_safe(va, next, &call->vas, link)
		kfree(va);
	for (i = 0; call->objects && i < call->count; i++) {
		if (call->objects[i])
			drm_gem_object_put(call->objects[i]);
	}
	for (i = 0; call->userptrs && i < call->count; i++)
		brgpu_userptr_put(call->userptrs[i]);
	kvfree(call->userptrs);
	kvfree(call->objects);
	kvfree(call->vm_bos);
	kvfree(call->args);
}

static int bind_call_add_userptr(struct bind_call *call, u32 i)
{
	const struct drm_brgpu_bind_op *op = &call->args[i];
	struct brgpu_userptr *userptr;

	if (!call->userptrs) {
		call->userptrs = kvcalloc(call->count, sizeof(*call->userptrs), GFP_KERNEL_ACCOUNT);
		if (!call->userptrs)
			return -ENOMEM;
	}
	userptr = brgpu_userptr_create(call->vm, op->bo_offset, op->size,
				       op->flags & DRM_BRGPU_BIND_WRITE);
	if (IS_ERR(userptr))
		return PTR_ERR(userptr);
	call->userptrs[i] = userptr;
	return 0;
}

static int bind_call_init(struct bind_call *call, struct drm_file *file,
			  const struct drm_brgpu_array *ops)
{
	struct brgpu_device *brgpu = call->brgpu;
	const char *why = "";
	void *args;
	u32 i, j;
	int ret;

	ret = brgpu_copy_array(ops, sizeof(*call->args), &args);
	if (ret)
		return brgpu_refuse(brgpu, "VM_BIND", ret, "array of operations");
	call->args = args;
	call->count = ops->count;
	if (!call->count)
		return 0;
	call->objects = kvcalloc(call->count, sizeof(*call->objects), GFP_KERNEL_ACCOUNT);
	call->vm_bos = kvcalloc(call->count, sizeof(*call->vm_bos), GFP_KERNEL_ACCOUNT);
	if (!call->objects || !call->vm_bos)
		return -ENOMEM;

	for (i = 0; i < call->count; i++) {
		const struct drm_brgpu_bind_op *op = &call->args[i];
		struct brgpu_bo *bo;

		ret = brgpu_core_check_bind_op(op, &brgpu->limits, &why);
		if (ret)
			return brgpu_refuse(brgpu, "VM_BIND", ret, "operation %u: %s", i, why);
		for (j = 0; op->op != DRM_BRGPU_BIND_UNMAP_BO && j < 3; j++) {
			struct brgpu_va *va = kzalloc(sizeof(*va), GFP_KERNEL_ACCOUNT);

			if (!va)
				return -ENOMEM;
			list_add(&va->link, &call->vas);
		}
		if (op->op == DRM_BRGPU_BIND_MAP_USERPTR) {
			ret = bind_call_add_userptr(call, i);
			if (ret)
				return brgpu_refuse(brgpu, "VM_BIND", ret,
						    "operation %u: memory of the process", i);
		}
		if (!op->bo_handle)
			continue;
		call->objects[i] = drm_gem_object_lookup(file, op->bo_handle);
		if (!call->objects[i])
			return brgpu_refuse(brgpu, "VM_BIND", -ENOENT, "operation %u: no handle %u",
					    i, op->bo_handle);
		if (op->op != DRM_BRGPU_BIND_MAP)
			continue;
		bo = gem_to_brgpu_bo(call->objects[i]);
		ret = brgpu_core_check_bind_bo(op, call->objects[i]->size, &why);
		if (ret)
			return brgpu_refuse(brgpu, "VM_BIND", ret, "operation %u: %s", i, why);
		if (bo->vm_resv_obj && bo->vm_resv_obj != drm_gpuvm_resv_obj(&call->vm->base))
			return brgpu_refuse(brgpu, "VM_BIND", -EINVAL,
					    "operation %u: the buffer belongs to another VM", i);
		cond_resched();
	}
	return 0;
}

/* vm->lock is held, and no reservation, for pages are found with the process's mmap lock. */
static int bind_populate(struct bind_call *call)
{
	u32 i;

	for (i = 0; call->userptrs && i < call->count; i++) {
		int ret = call->userptrs[i] ? brgpu_userptr_populate(call->userptrs[i]) : 0;

		if (ret)
			return brgpu_refuse(call->brgpu, "VM_BIND", ret,
					    "operation %u: no such memory in the process", i);
	}
	return 0;
}

static void bind_mark_rebound(struct bind_call *call)
{
	u32 i;

	for (i = 0; call->userptrs && i < call->count; i++) {
		if (call->userptrs[i])
			call->userptrs[i]->rebound = true;
	}
}

static int bind_lock(struct bind_call *call, struct drm_exec *exec)
{
	int ret = brgpu_vm_lock_all(call->vm, exec);
	u32 i;

	for (i = 0; i < call->count && !ret; i++) {
		if (call->objects[i])
			ret = drm_exec_prepare_obj(exec, call->objects[i], 2);
	}
	return ret;
}

/*
 * Most mappings that UNMAP_BO may find: those that exist, and what operations before it add or
 * split.
 */
static u32 bind_unmap_bo_room(struct bind_call *call, struct drm_gem_object *object, u32 before)
{
	struct drm_gpuvm_bo *vm_bo = drm_gpuvm_bo_find(&call->vm->base, object);
	struct drm_gpuva *va;
	u32 room = 2 * before;

	if (vm_bo) {
		drm_gpuvm_bo_for_each_va(va, vm_bo)
			room++;
		drm_gpuvm_bo_put(vm_bo);
	}
	return room;
}

/* Brings a buffer to where the card can use it, and notes whether it got the place it wants. */
static int bind_validate(struct brgpu_vm *vm, struct drm_gpuvm_bo *base)
{
	struct brgpu_bo *bo = gem_to_brgpu_bo(base->obj);
	struct brgpu_vm_bo *vm_bo = gpuvm_bo_to_brgpu_vm_bo(base);
	int ret = brgpu_bo_validate(bo, true);

	if (ret)
		return ret;
	if (bo->placements & DRM_BRGPU_PLACEMENT_VRAM && !brgpu_bo_is_vram(bo))
		list_move_tail(&vm_bo->displaced_link, &vm->displaced);
	else
		list_del_init(&vm_bo->displaced_link);
	return 0;
}

/* All is locked: make ready what the tree and the job need. */
static int bind_prepare(struct bind_call *call)
{
	struct brgpu_bind_job *job = call->job;
	u32 i, room = 0, capacity;
	int ret;

	for (i = 0; i < call->count; i++) {
		const struct drm_brgpu_bind_op *op = &call->args[i];
		struct drm_gem_object *object = call->objects[i];

		switch (op->op) {
		case DRM_BRGPU_BIND_MAP:
			if (object) {
				call->vm_bos[i] = brgpu_compat_bo_obtain(&call->vm->base, object);
				if (IS_ERR(call->vm_bos[i])) {
					ret = PTR_ERR(call->vm_bos[i]);
					call->vm_bos[i] = NULL;
					return ret;
				}
				drm_gpuvm_bo_extobj_add(call->vm_bos[i]);
				ret = bind_validate(call->vm, call->vm_bos[i]);
				if (ret)
					return ret;
			}
			ret = brgpu_bind_job_map(job, op->va, op->size, op->flags,
						 object ? gem_to_brgpu_bo(object) : NULL,
						 op->bo_offset);
			if (ret)
				return ret;
			break;
		case DRM_BRGPU_BIND_MAP_USERPTR:
			ret = brgpu_bind_job_map_userptr(job, op->va, op->size, op->flags,
							 call->userptrs[i], op->bo_offset);
			if (ret)
				return ret;
			break;
		case DRM_BRGPU_BIND_UNMAP:
			ret = brgpu_bind_job_unmap(job, op->va, op->size);
			if (ret)
				return ret;
			break;
		default:
			if (check_add_overflow(room, bind_unmap_bo_room(call, object, i), &room))
				return -ENOMEM;
			break;
		}
		cond_resched();
	}

	/* bind_change_tree() builds the final list behind the prepared one. */
	if (check_mul_overflow(job->op_count, 2u, &capacity) ||
	    check_add_overflow(capacity, room, &capacity))
		return -ENOMEM;
	return brgpu_bind_job_reserve(job, capacity);
}

static void bind_put_vm_bos(struct bind_call *call)
{
	u32 i;

	for (i = 0; i < call->count; i++)
		drm_gpuvm_bo_put(call->vm_bos ? call->vm_bos[i] : NULL);
}

int brgpu_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = file->driver_priv;
	struct drm_brgpu_vm_bind *args = data;
	const bool async = args->flags & DRM_BRGPU_VM_BIND_ASYNC;
	struct bind_call call = { .brgpu = brgpu };
	struct dma_fence *fence = NULL;
	struct brgpu_syncs syncs = {};
	struct drm_exec exec;
	const char *why = "";
	bool job_inited = false;
	int ret, idx;

	ret = brgpu_core_check_vm_bind(args, &why);
	if (ret)
		return brgpu_refuse(brgpu, "VM_BIND", ret, "%s", why);
	INIT_LIST_HEAD(&call.vas);
	call.vm = brgpu_vm_lookup(priv, args->vm_id);
	if (!call.vm)
		return brgpu_refuse(brgpu, "VM_BIND", -ENOENT, "no VM %u", args->vm_id);
	if (!drm_dev_enter(drm, &idx)) {
		ret = -ENODEV;
		goto put_vm;
	}
	ret = brgpu_syncs_init(brgpu, file, "VM_BIND", &args->syncs, async, &syncs);
	if (ret)
		goto fini_syncs;
	ret = bind_call_init(&call, file, &args->ops);
	if (ret)
		goto fini_call;
	call.job = brgpu_bind_job_create(call.vm);
	if (!call.job) {
		ret = -ENOMEM;
		goto fini_call;
	}

	ret = mutex_lock_interruptible(&call.vm->lock);
	if (ret)
		goto free_job;
	if (call.vm->closed || call.vm->stopped || call.vm->lost || brgpu->wedged) {
		ret = brgpu_refuse(brgpu, "VM_BIND", call.vm->closed ? -ENOENT : -EIO,
				   "the VM or the card is stopped");
		goto unlock_vm;
	}
	ret = bind_populate(&call);
	if (ret)
		goto unlock_vm;
	drm_exec_init(&exec, DRM_EXEC_INTERRUPTIBLE_WAIT | DRM_EXEC_IGNORE_DUPLICATES, 0);
	drm_exec_until_all_locked(&exec) {
		ret = bind_lock(&call, &exec);
		drm_exec_retry_on_contention(&exec);
		if (ret)
			break;
	}
	if (ret)
		goto fini_exec;
	ret = bind_prepare(&call);
	if (ret)
		goto put_vm_bos;
	ret = brgpu_bind_job_prepare(call.job, priv, file->client_id);
	if (ret)
		goto put_vm_bos;
	job_inited = true;
	ret = brgpu_syncs_add_deps(&syncs, file, &call.job->base);
	if (ret) {
		brgpu_refuse(brgpu, "VM_BIND", ret, "a fence to wait for");
		goto put_vm_bos;
	}

	bind_change_tree(&call);
	fence = brgpu_bind_job_push(call.job);
	bind_mark_rebound(&call);
	trace_brgpu_bind_call(call.vm->hw_id, call.count, async, call.vm->bytes_bound);
	call.job = NULL; /* the scheduler's */
	drm_gpuvm_resv_add_fence(&call.vm->base, &exec, fence, DMA_RESV_USAGE_BOOKKEEP,
				 DMA_RESV_USAGE_BOOKKEEP);
	brgpu_preempt_add_fence(call.vm, &exec);
	brgpu_syncs_signal(&syncs, fence);

put_vm_bos:
	bind_put_vm_bos(&call);
fini_exec:
	drm_exec_fini(&exec);
unlock_vm:
	mutex_unlock(&call.vm->lock);
free_job:
	if (call.job) {
		if (job_inited)
			drm_sched_job_cleanup(&call.job->base);
		brgpu_bind_job_free(call.job);
	}
fini_call:
	bind_call_fini(&call);
fini_syncs:
	brgpu_syncs_fini(&syncs);
	drm_dev_exit(idx);

	if (fence) {
		/*
		 * Not interruptible: the operations are accepted, so the call must not be started
		 * again.
		 */
		if (!async) {
			dma_fence_wait(fence, false);
			ret = dma_fence_get_status(fence) < 0 ? -EIO : 0;
		}
		dma_fence_put(fence);
	}
put_vm:
	brgpu_vm_put(call.vm);
	return ret;
}

static int bind_add_userptr(struct brgpu_bind_job *job, struct brgpu_userptr *userptr)
{
	struct brgpu_va *va;
	int ret = 0;

	if (userptr->gone ? userptr->zapped : userptr->rebound)
		return 0;
	list_for_each_entry(va, &userptr->vas, userptr_link) {
		const struct drm_gpuva *base = &va->base;

		if (userptr->gone)
			ret = brgpu_bind_job_unmap(job, base->va.addr, base->va.range);
		else
			ret = brgpu_bind_job_map_userptr(job, base->va.addr, base->va.range,
							 va->flags, userptr, base->gem.offset);
		if (ret)
			break;
	}
	return ret;
}

/*
 * Where VRAM was freed since the last look, buffers that had to go without it may have some: those
 * that nobody uses now, until one finds no room. One that has moved is mapped anew like those that
 * were evicted.
 */
static int bind_bring_back(struct brgpu_vm *vm)
{
	const s64 frees = atomic64_read(&vm->brgpu->vram_mgr.frees);
	struct brgpu_vm_bo *vm_bo, *next;
	bool busy = false;

	if (list_empty(&vm->displaced) || vm->frees_seen == frees)
		return 0;
	list_for_each_entry_safe(vm_bo, next, &vm->displaced, displaced_link) {
		struct brgpu_bo *bo = gem_to_brgpu_bo(vm_bo->base.obj);
		int ret;

		if (!dma_resv_test_signaled(bo->ttm.base.resv, DMA_RESV_USAGE_BOOKKEEP)) {
			busy = true;
			continue;
		}
		ret = bind_validate(vm, &vm_bo->base);
		if (ret)
			return ret;
		if (!list_empty(&vm_bo->displaced_link))
			break;
		/* Buffers of several VMs get there in brgpu_vm_lock_all(), which is over. */
		if (list_empty(&vm_bo->base.list.entry.evict))
			list_add_tail(&vm_bo->base.list.entry.evict, &vm->base.evict.list);
	}
	if (!busy)
		vm->frees_seen = frees;
	return 0;
}

static int bind_add_evicted(struct brgpu_bind_job *job)
{
	struct drm_gpuvm_bo *vm_bo;
	struct drm_gpuva *va;
	int ret;

	list_for_each_entry(vm_bo, &job->vm->base.evict.list, list.entry.evict) {
		struct brgpu_bo *bo = gem_to_brgpu_bo(vm_bo->obj);

		if (!vm_bo->evicted)
			continue;
		ret = bind_validate(job->vm, vm_bo);
		if (ret)
			return ret;
		drm_gpuvm_bo_for_each_va(va, vm_bo) {
			ret = brgpu_bind_job_map(job, va->va.addr, va->va.range,
						 gpuva_to_brgpu_va(va)->flags, bo, va->gem.offset);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int brgpu_bind_evicted(struct brgpu_vm *vm, struct drm_exec *exec, struct list_head *userptrs,
		       u64 client_id, struct dma_fence **fence)
{
	struct drm_gpuvm_bo *vm_bo, *next;
	struct brgpu_userptr *userptr;
	struct brgpu_bind_job *job;
	int ret;

	*fence = NULL;
	ret = bind_bring_back(vm);
	if (ret)
		return ret;
	if (list_empty(&vm->base.evict.list) && list_empty(userptrs))
		return 0;
	job = brgpu_bind_job_create(vm);
	if (!job)
		return -ENOMEM;
	ret = bind_add_evicted(job);
	if (ret)
		goto free_job;
	list_for_each_entry(userptr, userptrs, call_link) {
		ret = bind_add_userptr(job, userptr);
		if (ret)
			goto free_job;
	}
	ret = brgpu_bind_job_prepare(job, vm, client_id);
	if (ret)
		goto free_job;

	*fence = brgpu_bind_job_push(job);
	drm_gpuvm_resv_add_fence(&vm->base, exec, *fence, DMA_RESV_USAGE_BOOKKEEP,
				 DMA_RESV_USAGE_BOOKKEEP);
	list_for_each_entry_safe(vm_bo, next, &vm->base.evict.list, list.entry.evict) {
		vm_bo->evicted = false;
		list_del_init(&vm_bo->list.entry.evict);
	}
	list_for_each_entry(userptr, userptrs, call_link) {
		if (userptr->gone)
			userptr->zapped = true;
		else
			userptr->rebound = true;
	}
	return 0;

free_job:
	brgpu_bind_job_free(job);
	return ret;
}
