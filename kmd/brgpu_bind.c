// SPDX-License-Identifier: GPL-2.0
#include <linux/overflow.h>
#include <linux/slab.h>

#include <drm/drm_exec.h>
#include <drm/ttm/ttm_tt.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_pt.h"
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
 * The job writes entries and starts an invalidation where one is needed; its fence is that of the
 * invalidation. It allocates nothing and takes no lock that is held over an allocation.
 *
 * A buffer that was evicted keeps its old entries: nothing of the VM runs, as a job of the VM would
 * have kept it from moving. The next submission maps it anew before it runs.
 */

#define BIND_TIMEOUT_MS 10000

struct bind_segment {
	u64 address;
	u64 bytes;
};

struct bind_op {
	u64 va;
	u64 bytes;
	u64 rights;		/* of a map */
	u32 first_segment;
	u32 segments;		/* of a map that is not NULL */
	bool map;
};

struct brgpu_bind_job {
	struct drm_sched_job base;
	struct brgpu_vm *vm;	/* reference */
	struct bind_op *ops;
	u32 op_count;
	u32 op_capacity;
	struct bind_segment *segments;
	u32 segment_count;
	u32 segment_capacity;
	struct brgpu_core_pt_tables tables;
	struct brgpu_pt_reserve reserve;
	struct brgpu_tlb_fence *tlb_fence;	/* NULL once started */
	/*
	 * Mappings that went, each with its reference to what it showed: memory is nobody else's
	 * until the page tables and the TLB don't show it any more.
	 */
	struct list_head dead;			/* brgpu_va */
};

static struct brgpu_bind_job *to_bind_job(struct drm_sched_job *job)
{
	return container_of(job, struct brgpu_bind_job, base);
}

/* ---- jobs: made ready in the call ---- */

static struct brgpu_bind_job *bind_job_create(struct brgpu_vm *vm)
{
	struct brgpu_bind_job *job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	brgpu_pt_reserve_init(&job->reserve);
	INIT_LIST_HEAD(&job->dead);
	drm_gpuvm_get(&vm->base);
	job->vm = vm;
	return job;
}

static void bind_job_free(struct brgpu_bind_job *job)
{
	struct brgpu_va *va, *next;

	list_for_each_entry_safe(va, next, &job->dead, link) {
		brgpu_userptr_put(va->userptr);
		if (va->base.gem.obj)
			drm_gem_object_put(va->base.gem.obj);
		kfree(va);
	}
	brgpu_pt_reserve_free(job->vm->brgpu, &job->reserve);
	brgpu_tlb_fence_free(job->tlb_fence);
	kvfree(job->segments);
	kvfree(job->ops);
	brgpu_vm_put(job->vm);
	kfree(job);
}

/* Room for one element more behind `count`. */
static int bind_grow(void **array, u32 count, u32 *capacity, size_t size)
{
	u32 more = *capacity ? *capacity * 2 : 8;
	void *grown;

	if (count < *capacity)
		return 0;
	if (more <= *capacity)
		return -ENOMEM;
	grown = kvmalloc_array(more, size, GFP_KERNEL_ACCOUNT);
	if (!grown)
		return -ENOMEM;
	if (count)
		memcpy(grown, *array, (size_t)count * size);
	kvfree(*array);
	*array = grown;
	*capacity = more;
	return 0;
}

static struct bind_op *bind_job_add(struct brgpu_bind_job *job, u64 va, u64 bytes)
{
	struct bind_op *op;

	if (bind_grow((void **)&job->ops, job->op_count, &job->op_capacity, sizeof(*job->ops)))
		return NULL;
	op = &job->ops[job->op_count++];
	memset(op, 0, sizeof(*op));
	op->va = va;
	op->bytes = bytes;
	op->first_segment = job->segment_count;
	return op;
}

static int bind_add_segment(void *ctx, u64 address, u64 bytes)
{
	struct brgpu_bind_job *job = ctx;
	struct bind_op *op = &job->ops[job->op_count - 1];
	int ret;

	ret = bind_grow((void **)&job->segments, job->segment_count, &job->segment_capacity,
			sizeof(*job->segments));
	if (ret)
		return ret;
	job->segments[job->segment_count].address = address;
	job->segments[job->segment_count].bytes = bytes;
	job->segment_count++;
	op->segments++;
	return 0;
}

/* Where [offset, offset + bytes) of the buffer lies now; the reservation is held. */
static int bind_add_segments(struct brgpu_bind_job *job, struct brgpu_bo *bo, u64 offset, u64 bytes)
{
	struct ttm_tt *tt = bo->ttm.ttm;
	u64 page = offset >> PAGE_SHIFT;
	const u64 end = (offset + bytes) >> PAGE_SHIFT;

	if (brgpu_bo_is_vram(bo))
		return brgpu_vram_mgr_for_each(job->vm->brgpu, bo->ttm.resource, offset, bytes,
					       bind_add_segment, job);

	while (page < end) {
		const dma_addr_t address = tt->dma_address[page];
		u64 count = 1;
		int ret;

		while (page + count < end &&
		       tt->dma_address[page + count] == address + (count << PAGE_SHIFT))
			count++;
		ret = bind_add_segment(job, address, count << PAGE_SHIFT);
		if (ret)
			return ret;
		page += count;
	}
	return 0;
}

/* Where [offset, offset + bytes) of a process's memory lies for the card, or lay when looked at. */
static int bind_add_userptr_segments(struct brgpu_bind_job *job, struct brgpu_userptr *userptr,
				     u64 offset, u64 bytes)
{
	struct scatterlist *sg;
	u64 address = 0, length = 0; /* the piece that grows while entries are neighbours */
	unsigned int i;
	int ret;

	for_each_sgtable_dma_sg(&userptr->sgt, sg, i) {
		u64 start = sg_dma_address(sg), size = sg_dma_len(sg);

		if (offset >= size) {
			offset -= size;
			continue;
		}
		start += offset;
		size = min(size - offset, bytes);
		offset = 0;
		bytes -= size;
		if (length && address + length == start) {
			length += size;
		} else {
			ret = length ? bind_add_segment(job, address, length) : 0;
			if (ret)
				return ret;
			address = start;
			length = size;
		}
		if (!bytes)
			break;
	}
	return bind_add_segment(job, address, length);
}

static int bind_add_map(struct brgpu_bind_job *job, u64 va, u64 bytes, u32 flags,
			struct brgpu_bo *bo, u64 offset)
{
	struct bind_op *op = bind_job_add(job, va, bytes);

	if (!op)
		return -ENOMEM;
	op->map = true;
	op->rights = brgpu_core_pt_rights(flags, bo && !brgpu_bo_is_vram(bo));
	brgpu_core_pt_tables_for_map(&job->vm->pt, va, bytes, !bo, &job->tables);
	return bo ? bind_add_segments(job, bo, offset, bytes) : 0;
}

static int bind_add_map_userptr(struct brgpu_bind_job *job, u64 va, u64 bytes, u32 flags,
				struct brgpu_userptr *userptr, u64 address)
{
	struct bind_op *op = bind_job_add(job, va, bytes);

	if (!op)
		return -ENOMEM;
	op->map = true;
	op->rights = brgpu_core_pt_rights(flags, true);
	brgpu_core_pt_tables_for_map(&job->vm->pt, va, bytes, false, &job->tables);
	return bind_add_userptr_segments(job, userptr, address - userptr->start, bytes);
}

static int bind_add_unmap(struct brgpu_bind_job *job, u64 va, u64 bytes)
{
	struct bind_op *op = bind_job_add(job, va, bytes);

	if (!op)
		return -ENOMEM;
	brgpu_core_pt_tables_for_unmap(va, bytes, &job->tables);
	return 0;
}

/* The last that can fail: after this the job can be armed and pushed. */
static int bind_job_prepare(struct brgpu_bind_job *job, void *owner, u64 client_id)
{
	int ret;

	ret = brgpu_pt_reserve_fill(job->vm->brgpu, &job->reserve, &job->tables);
	if (ret)
		return ret;
	job->tlb_fence = brgpu_tlb_fence_alloc();
	if (!job->tlb_fence)
		return -ENOMEM;
	return brgpu_compat_sched_job_init(&job->base, &job->vm->entity, 1, owner, client_id);
}

/* Returns a reference to the fence that tells that the job is done. */
static struct dma_fence *bind_job_push(struct brgpu_bind_job *job)
{
	struct dma_fence *fence;

	drm_sched_job_arm(&job->base);
	fence = dma_fence_get(&job->base.s_fence->finished);
	dma_fence_put(job->vm->last_bind);
	job->vm->last_bind = dma_fence_get(fence);
	drm_sched_entity_push_job(&job->base);
	return fence;
}

/* ---- jobs: run ---- */

static int bind_apply(struct brgpu_bind_job *job, struct brgpu_core_pt_update *update)
{
	struct brgpu_core_pt *pt = &job->vm->pt;
	int ret = 0;
	u32 i, j;

	for (i = 0; i < job->op_count && !ret; i++) {
		const struct bind_op *op = &job->ops[i];
		u64 va = op->va;

		if (!op->map) {
			ret = brgpu_core_pt_unmap(pt, &job->reserve, va, op->bytes, update);
		} else if (op->rights & BRGPU_PTE_NULL) {
			ret = brgpu_core_pt_map(pt, &job->reserve, va, op->bytes, 0, op->rights,
						update);
		} else {
			for (j = 0; j < op->segments && !ret; j++) {
				const struct bind_segment *segment =
					&job->segments[op->first_segment + j];

				ret = brgpu_core_pt_map(pt, &job->reserve, va, segment->bytes,
							segment->address, op->rights, update);
				va += segment->bytes;
			}
		}
	}
	return ret;
}

static struct dma_fence *bind_run_job(struct drm_sched_job *sched_job)
{
	struct brgpu_bind_job *job = to_bind_job(sched_job);
	struct brgpu_core_pt_update update = {};
	struct brgpu_vm *vm = job->vm;
	struct dma_fence *fence;
	int ret;

	if (vm->stopped)
		return ERR_PTR(-ECANCELED);
	mutex_lock(&vm->pt_lock);
	ret = bind_apply(job, &update);
	mutex_unlock(&vm->pt_lock);
	if (WARN_ONCE(ret, "brgpu: page tables reserved for a bind did not do: %d\n", ret)) {
		WRITE_ONCE(vm->stopped, true);
		return ERR_PTR(ret);
	}
	trace_brgpu_bind(vm->hw_id, job->op_count, update.flush);
	if (!update.flush)
		return NULL;

	fence = &job->tlb_fence->base;
	/* Without the card nothing can use the old mappings. */
	if (brgpu_tlb_invalidate(vm->brgpu, vm->hw_id, update.start, update.end, job->tlb_fence))
		return NULL;
	job->tlb_fence = NULL;
	return fence;
}

static enum drm_gpu_sched_stat bind_timedout_job(struct drm_sched_job *sched_job)
{
	struct brgpu_device *brgpu = to_bind_job(sched_job)->vm->brgpu;

	brgpu_compat_sched_keep_job(sched_job);
	/* A lost interrupt, most likely. */
	if (!brgpu_tlb_process(brgpu))
		brgpu_tlb_timed_out(brgpu);
	return BRGPU_SCHED_STAT_KEEP;
}

static void bind_free_job(struct drm_sched_job *sched_job)
{
	drm_sched_job_cleanup(sched_job);
	bind_job_free(to_bind_job(sched_job));
}

static const struct drm_sched_backend_ops bind_sched_ops = {
	.run_job = bind_run_job,
	.timedout_job = bind_timedout_job,
	.free_job = bind_free_job,
};

int brgpu_bind_sched_init(struct brgpu_vm *vm)
{
	struct brgpu_device *brgpu = vm->brgpu;
	struct drm_gpu_scheduler *sched = &vm->sched;
	int ret;

	/*
	 * Jobs that only write entries follow one another; one invalidation is waited for at a
	 * time.
	 */
	ret = brgpu_compat_sched_init(sched, &bind_sched_ops, brgpu->sched_wq, 1,
				      msecs_to_jiffies(BIND_TIMEOUT_MS), brgpu->reset_wq,
				      "brgpu-bind", brgpu->drm.dev);
	if (ret)
		return ret;
	/* The scheduler has one run queue, the first. */
	ret = drm_sched_entity_init(&vm->entity, DRM_SCHED_PRIORITY_KERNEL, &sched, 1, NULL);
	if (ret)
		drm_sched_fini(sched);
	return ret;
}

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

/* One that leaves the tree; the page tables show it until the job has run. */
static void bind_drop_va(struct bind_call *call, struct brgpu_va *va)
{
	/* Before the mapping's own reference goes. */
	if (va->base.gem.obj)
		drm_gem_object_get(va->base.gem.obj);
	drm_gpuva_unlink(&va->base);
	if (va->userptr)
		list_del(&va->userptr_link);
	list_add(&va->link, &call->job->dead);
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
	bind_drop_va(call, old);
	return 0;
}

static int bind_step_unmap(struct drm_gpuva_op *op, void *priv)
{
	struct bind_call *call = priv;
	struct brgpu_va *va = gpuva_to_brgpu_va(op->unmap.va);

	call->vm->bytes_bound -= va->base.va.range;
	drm_gpuva_unmap(&op->unmap);
	bind_drop_va(call, va);
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
		struct bind_op *op = &call->job->ops[call->job->op_count++];

		memset(op, 0, sizeof(*op));
		op->va = va->va.addr;
		op->bytes = va->va.range;
		call->vm->bytes_bound -= va->va.range;
		drm_gpuva_remove(va);
		bind_drop_va(call, gpuva_to_brgpu_va(va));
	}
	drm_gpuvm_bo_put(vm_bo);
}

/* Changes the tree. Can't fail: all was made ready and checked. */
static void bind_change_tree(struct bind_call *call)
{
	struct brgpu_bind_job *job = call->job;
	struct bind_op *prepared = job->ops;
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
	struct bind_op *grown;
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
			ret = bind_add_map(job, op->va, op->size, op->flags,
					   object ? gem_to_brgpu_bo(object) : NULL, op->bo_offset);
			if (ret)
				return ret;
			break;
		case DRM_BRGPU_BIND_MAP_USERPTR:
			ret = bind_add_map_userptr(job, op->va, op->size, op->flags,
						   call->userptrs[i], op->bo_offset);
			if (ret)
				return ret;
			break;
		case DRM_BRGPU_BIND_UNMAP:
			ret = bind_add_unmap(job, op->va, op->size);
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
	if (capacity) {
		grown = kvmalloc_array(capacity, sizeof(*grown), GFP_KERNEL_ACCOUNT);
		if (!grown)
			return -ENOMEM;
		if (job->op_count)
			memcpy(grown, job->ops, (size_t)job->op_count * sizeof(*grown));
		kvfree(job->ops);
		job->ops = grown;
		job->op_capacity = capacity;
	}
	return 0;
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
	call.job = bind_job_create(call.vm);
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
	ret = bind_job_prepare(call.job, priv, file->client_id);
	if (ret)
		goto put_vm_bos;
	job_inited = true;
	ret = brgpu_syncs_add_deps(&syncs, file, &call.job->base);
	if (ret) {
		brgpu_refuse(brgpu, "VM_BIND", ret, "a fence to wait for");
		goto put_vm_bos;
	}

	bind_change_tree(&call);
	fence = bind_job_push(call.job);
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
		bind_job_free(call.job);
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

		ret = userptr->gone ? bind_add_unmap(job, base->va.addr, base->va.range) :
				      bind_add_map_userptr(job, base->va.addr, base->va.range,
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
			ret = bind_add_map(job, va->va.addr, va->va.range,
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
	job = bind_job_create(vm);
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
	ret = bind_job_prepare(job, vm, client_id);
	if (ret)
		goto free_job;

	*fence = bind_job_push(job);
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
	bind_job_free(job);
	return ret;
}
