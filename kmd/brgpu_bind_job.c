// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>

#include <drm/ttm/ttm_tt.h>

#include "brgpu_bind_job.h"
#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_tlb.h"
#include "brgpu_trace.h"
#include "brgpu_vm.h"

/**
 * DOC: bind jobs
 *
 * A bind job writes page-table entries and starts an invalidation where one is needed; its fence is
 * that of the invalidation. When it runs it allocates nothing and takes no lock that is held over
 * an allocation: where each buffer lies and the page tables that it may need at most are made ready
 * in the call.
 */

#define BIND_TIMEOUT_MS 10000

static struct brgpu_bind_job *to_bind_job(struct drm_sched_job *job)
{
	return container_of(job, struct brgpu_bind_job, base);
}

/* ---- jobs: made ready in the call ---- */

struct brgpu_bind_job *brgpu_bind_job_create(struct brgpu_vm *vm)
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

void brgpu_bind_job_free(struct brgpu_bind_job *job)
{
	brgpu_vas_free(&job->dead);
	brgpu_pt_reserve_free(job->vm->brgpu, &job->reserve);
	brgpu_tlb_fence_free(job->tlb_fence);
	kvfree(job->segments);
	kvfree(job->ops);
	brgpu_vm_put(job->vm);
	kfree(job);
}

/* Room for `wanted` elements, of which `count` are there. */
static int bind_resize(void **array, u32 count, u32 *capacity, u32 wanted, size_t size)
{
	void *grown = kvmalloc_array(wanted, size, GFP_KERNEL_ACCOUNT);

	if (!grown)
		return -ENOMEM;
	if (count)
		memcpy(grown, *array, (size_t)count * size);
	kvfree(*array);
	*array = grown;
	*capacity = wanted;
	return 0;
}

/* Room for one element more behind `count`. */
static int bind_grow(void **array, u32 count, u32 *capacity, size_t size)
{
	u32 more = *capacity ? *capacity * 2 : 8;

	if (count < *capacity)
		return 0;
	if (more <= *capacity)
		return -ENOMEM;
	return bind_resize(array, count, capacity, more, size);
}

int brgpu_bind_job_reserve(struct brgpu_bind_job *job, u32 ops)
{
	if (ops <= job->op_capacity)
		return 0;
	return bind_resize((void **)&job->ops, job->op_count, &job->op_capacity, ops,
			   sizeof(*job->ops));
}

static struct brgpu_bind_job_op *bind_job_add(struct brgpu_bind_job *job, u64 va, u64 bytes)
{
	struct brgpu_bind_job_op *op;

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
	struct brgpu_bind_job_op *op = &job->ops[job->op_count - 1];
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

/* The operation without its segments. */
static int bind_add_map(struct brgpu_bind_job *job, u64 va, u64 bytes, u32 flags, bool system,
			bool null)
{
	struct brgpu_bind_job_op *op = bind_job_add(job, va, bytes);

	if (!op)
		return -ENOMEM;
	op->map = true;
	op->rights = brgpu_core_pt_rights(flags, system);
	brgpu_core_pt_tables_for_map(&job->vm->pt, va, bytes, null, &job->tables);
	return 0;
}

int brgpu_bind_job_map(struct brgpu_bind_job *job, u64 va, u64 bytes, u32 flags,
		       struct brgpu_bo *bo, u64 offset)
{
	int ret = bind_add_map(job, va, bytes, flags, bo && !brgpu_bo_is_vram(bo), !bo);

	return ret || !bo ? ret : bind_add_segments(job, bo, offset, bytes);
}

int brgpu_bind_job_map_userptr(struct brgpu_bind_job *job, u64 va, u64 bytes, u32 flags,
			       struct brgpu_userptr *userptr, u64 address)
{
	int ret = bind_add_map(job, va, bytes, flags, true, false);

	return ret ?: bind_add_userptr_segments(job, userptr, address - userptr->start, bytes);
}

int brgpu_bind_job_unmap(struct brgpu_bind_job *job, u64 va, u64 bytes)
{
	struct brgpu_bind_job_op *op = bind_job_add(job, va, bytes);

	if (!op)
		return -ENOMEM;
	brgpu_core_pt_tables_for_unmap(va, bytes, &job->tables);
	return 0;
}

int brgpu_bind_job_prepare(struct brgpu_bind_job *job, void *owner, u64 client_id)
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

struct dma_fence *brgpu_bind_job_push(struct brgpu_bind_job *job)
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
		const struct brgpu_bind_job_op *op = &job->ops[i];
		u64 va = op->va;

		if (!op->map) {
			ret = brgpu_core_pt_unmap(pt, &job->reserve, va, op->bytes, update);
		} else if (op->rights & BRGPU_PTE_NULL) {
			ret = brgpu_core_pt_map(pt, &job->reserve, va, op->bytes, 0, op->rights,
						update);
		} else {
			for (j = 0; j < op->segments && !ret; j++) {
				const struct brgpu_bind_segment *segment =
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
	brgpu_bind_job_free(to_bind_job(sched_job));
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
